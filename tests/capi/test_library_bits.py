"""The C library computes the bits of the rules' own Python functions, on every instruction set and from Python."""
import functools
import threading
from itertools import pairwise

import numpy as np
import pytest
from library import call, each_level, entry, function, plan
from reference import (
    BY_NAME,
    FLOAT,
    each_dtype,
    each_rule,
    flush,
    make,
    narrow,
    norms_for,
    phases,
    plain,
    prepared,
    records,
    same_bits,
    values,
    whole_ones,
)
from reference import step as step_on_scalars
from test_bits import assert_same, copies, cuts, gradients, start

from numoptim import Parameters, Trainer
from numoptim.kernels.abi import places

STEPS = 30
OFFSETS = np.array([0, 0, 1, 120, 247, 333])


def segments(rule):
    """Layer-wise rules see the segments; for others the whole is one."""
    return OFFSETS if rule.layerwise else OFFSETS[[0, -1]]


@functools.cache
def expected(rule, dtype):
    """The gradients, and the buffers after each step as the rule computes them on scalars."""
    buffers, course = start(rule, dtype, OFFSETS[-1], segments=len(segments(rule)) - 1), []
    for t, g in gradients(dtype, OFFSETS[-1], STEPS):
        buffers[1][:] = g
        step_on_scalars(rule, buffers, [values(rule, offset=0)], t, segments(rule))
        course.append((t, g, [b.copy() for b in buffers]))
    return course


@each_level
@each_dtype
@each_rule
def test_whole_buffers_and_ranges(rule, dtype, level):
    rng = np.random.default_rng(level)
    offsets, hyper = segments(rule), records(rule, [values(rule, offset=0)])
    which, norms = np.zeros(len(offsets) - 1, np.int64), norms_for(rule, offsets)
    whole, ranged, planned = copies(start(rule, dtype, OFFSETS[-1], segments=len(which)), 3)
    size = [len(offsets) - 1, offsets] if rule.layerwise else [OFFSETS[-1]]
    for t, g, result in expected(rule, dtype):
        for buffers in (whole, ranged, planned):
            buffers[1][:] = g
        assert call(function(rule, dtype), *size, *whole, hyper, t) == 0
        table = [len(which), offsets, which, 1, hyper, *([norms] if rule.layerwise else [])]
        for suffix in [f"_{phase}" for phase in phases(rule)]:
            for first, count in cuts(rng, len(g), 5):
                parts = [b if k in whole_ones(rule) else b[first:] for k, b in enumerate(ranged)]
                assert call(function(rule, dtype, suffix), first, count, *table, *parts, t) == 0
        plans = [plan(first, count, offsets, which, hyper, planned, norms, whole_ones(rule))
                 for first, count in cuts(rng, len(g), 5)]
        for phase in phases(rule):
            assert [entry(rule, phase, dtype)(p, t) for p in plans] == [0] * len(plans)
        for buffers in (whole, ranged, planned):
            assert_same(buffers, result, rule)


@each_dtype
@each_rule
def test_trainer(rule, dtype):
    if rule.name in ("accumulate", "lbsgd_lars"):
        pytest.skip("LBSGD's rules take turns: tests/test_bits.py has its course")
    if rule.name == "schedule_free_average":
        pytest.skip("it makes no steps: tests/test_averaged.py has what it computes")
    names = [f"x{k}" for k in range(len(OFFSETS) - 1)]
    w = start(rule, dtype, OFFSETS[-1])[0]
    params = Parameters({name: w[lo:hi] for name, (lo, hi) in zip(names, pairwise(OFFSETS), strict=True)})
    multipliers = {key: {"*": value} for key, value in values(rule).items() if key == "lr_mult"}
    trainer = Trainer(params, make(rule, **multipliers), threads=1)
    for _, g, (weights, _, *slots) in expected(rule, dtype):
        params.grad.flat[:] = g
        trainer.step(1)
        assert same_bits(params.flat, weights)
        for name, slot in zip(rule.slots, slots, strict=True):
            assert same_bits(trainer._state.slots[name], slot)


@each_level
@each_dtype
@pytest.mark.parametrize("rule", [rule for rule in BY_NAME.values() if rule.init], ids=lambda rule: rule.name)
def test_first_slots(rule, dtype, level):
    scalar, group = FLOAT[dtype], values(rule)
    w = np.random.default_rng(1).standard_normal(37).astype(scalar)
    slots, planned = ([np.full_like(w, 7) for _ in rule.slots] for _ in range(2))
    hyper, elements = records(rule, [group]), [k - 2 for k in places(rule, "element")]
    assert call(function(rule, dtype, "_init"), len(w), w, *(slots[k] for k in elements), hyper) == 0
    p = plan(0, len(w), OFFSETS, OFFSETS[:1], hyper, [w, w, *planned])
    assert entry(rule, "init", dtype)(p, 1) == 0
    h = narrow(prepared(rule, group, 1, **{slot: slot.start for slot in rule.slots_over("all")}), scalar)
    expected = zip(*(map(flush, map(scalar, plain(rule.init, scalar)(x, h))) for x in w), strict=True)
    for k, x in zip(elements, expected, strict=True):
        assert same_bits(slots[k], np.array(x)) and same_bits(planned[k], np.array(x))
    assert all((slot == 7).all() for k, slot in enumerate(planned) if k not in elements)


@each_level
@each_dtype
def test_lengths_around_vectors_blocks_and_tiles(dtype, level):
    """Adam, and LAMB's norms, on lengths where loops change: against the same elements in another cut."""
    for name in ("adam", "lamb", "lans", "sgld"):
        rule = BY_NAME[name]
        hyper = records(rule, [values(rule)])
        for size in (1, 7, 8, 31, 32, 33, 63, 65, 255, 257, 4095, 4097, 9001):
            one, other = copies(start(rule, dtype, size), 2)
            offsets, which, norms = np.array([0, size]), np.zeros(1, np.int64), norms_for(rule, [0, size])
            one[1][:] = other[1][:] = np.random.default_rng(size).standard_normal(size)
            assert call(function(rule, dtype), *([1, offsets] if rule.layerwise else [size]), *one, hyper, 3) == 0
            for phase in phases(rule):
                for first, count in cuts(np.random.default_rng(size), size, 4):
                    p = plan(first, count, offsets, which, hyper, other, norms)
                    assert entry(rule, phase, dtype)(p, 3) == 0
            assert_same(one, other, rule)


def test_eight_threads_step_eight_optimizers():
    rules = [BY_NAME[name] for name in ("adam", "lamb", "sgld", "ftrl", "nadam", "lars", "dcasgd", "sgd_momentum")]
    buffers = [start(rule, "f32", 5000, seed) for seed, rule in enumerate(rules)]
    for b in buffers:
        b[1][:] = b[0]
    alone, together = zip(*(copies(b, 2) for b in buffers), strict=True)
    ready = threading.Barrier(len(rules))

    def run(k, own):
        rule, hyper = rules[k], records(rules[k], [{**values(rules[k]), "learning_rate": 1e-3}])
        size = [1, np.array([0, 5000])] if rule.layerwise else [5000]
        statuses.extend(call(function(rule, "f32"), *size, *own[k], hyper, t) for t in range(1, 200))

    def wait_and_run(k):
        ready.wait()
        run(k, together)

    statuses = []
    for k in range(len(rules)):
        run(k, alone)
    workers = [threading.Thread(target=wait_and_run, args=[k]) for k in range(len(rules))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert statuses == [0] * 2 * 199 * len(rules)
    for k, rule in enumerate(rules):
        assert_same(together[k], alone[k], rule)


def test_eight_threads_share_a_buffer():
    rule, size = BY_NAME["lamb"], 100_003
    offsets = np.array([0, 10, 40_000, size])
    which, hyper = np.array([0, 1, 0]), records(rule, [values(rule), values(rule, wd=0.0)])
    one, shared = copies(start(rule, "f32", size), 2)
    pieces = list(zip(range(0, size, 12_501), [12_501] * 7 + [size - 7 * 12_501], strict=True))
    for t in range(1, 20):
        one[1][:] = shared[1][:] = one[0] / t
        for buffers, cut in ((one, [(0, size)]), (shared, pieces)):
            norms = norms_for(rule, offsets)
            plans = [plan(first, count, offsets, which, hyper, buffers, norms) for first, count in cut]
            for phase in phases(rule):
                workers = [threading.Thread(target=entry(rule, phase, "f32"), args=(p, t)) for p in plans]
                for worker in workers:
                    worker.start()
                for worker in workers:
                    worker.join()
    assert_same(shared, one, rule)
