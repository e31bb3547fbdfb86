"""The promise that bits depend on the input alone: not on entry, chunking, threads or layout of the buffers."""
import platform
import re
from dataclasses import replace

import numpy as np
import pytest
from numba.core.event import install_recorder
from reference import (
    BY_NAME,
    FLOAT,
    VALUES,
    arrays,
    beginning,
    each_dtype,
    each_rule,
    flush,
    make,
    narrow,
    plain,
    prepared,
    ranges,
    same_bits,
    slots_of,
    step,
    values,
    whole,
    whole_ones,
)

from numoptim import Parameters, Rule, Trainer, kernels
from numoptim.kernels.abi import places
from numoptim.optimizer import RuleOptimizer

STEPS = 12
SEGMENTS = np.array([0, 0, 1, 120, 247, 333])           # the last one meets NaN and infinity


def start(rule, dtype, size, seed=1, segments=1):
    """Buffers before the first step: w, g, slots."""
    return beginning(rule, np.random.default_rng(seed).standard_normal(size).astype(FLOAT[dtype]), segments)


def copies(buffers, count):
    return [[b.copy() for b in buffers] for _ in range(count)]


def assert_same(got, expected, rule):
    for name, a, b in zip(("w", "g", *rule.slots), got, expected, strict=True):
        assert same_bits(a, b), f"{name}: {np.flatnonzero(~((a == b) | (a != a)))}"


def gradients(dtype, size, steps=STEPS, seed=2):
    """Ordinary gradients, with zeros of both signs, tiny and huge ones, infinities and NaN among the last."""
    rng = np.random.default_rng(seed)
    for t in range(1, steps + 1):
        g = rng.standard_normal(size).astype(FLOAT[dtype])
        tiny, huge = np.finfo(g.dtype).tiny, np.finfo(g.dtype).max
        g[3:60:5] = 0.0
        g[-80:-70] = 0.0, -0.0, tiny, -tiny, tiny / 8, 1e-25, -1e-20, 1e-13, huge, -huge
        if t > steps // 2:
            g[-9 + t % 3::3] = np.inf, -np.inf, np.nan
        yield t, g


@each_dtype
@each_rule
def test_every_entry_has_the_bits_of_the_rule_on_scalars(rule, dtype):
    offsets = SEGMENTS if rule.layerwise else SEGMENTS[[0, -1]]
    which = np.zeros(len(offsets) - 1, np.int64)
    expected, *got = copies(start(rule, dtype, SEGMENTS[-1], segments=len(which)), 4)
    for t, g in gradients(dtype, SEGMENTS[-1]):
        group = values(rule) if t % 2 else values(rule, wd=0.0, clip_gradient=np.inf)
        for buffers in (expected, *got):
            buffers[1][:] = g
        step(rule, expected, [group], t, offsets)
        assert whole(rule, got[0], group, t, offsets) == 0
        ranges(rule, got[1], [group], t, offsets, which, [(0, len(g))])
        arrays(rule, got[2], group, t, offsets)
        for buffers in got:
            assert_same(buffers, expected, rule)


@each_dtype
@pytest.mark.parametrize("rule", [rule for rule in BY_NAME.values() if rule.init], ids=lambda rule: rule.name)
def test_first_slots_have_the_bits_of_init(rule, dtype):
    w = start(rule, dtype, 333)[0]
    w[:4] = 0.0, -0.0, 1e-40, np.nan
    state = make(rule, **({"warm_start": True} if rule.name == "ftrl" else {})).create_state(0, w)
    first = {slot: slot.start for slot in rule.slots_over("all")}
    h = narrow(prepared(rule, values(rule), 1, **first), w.dtype.type)
    expected = zip(*(map(flush, map(w.dtype.type, plain(rule.init, w.dtype.type)(x, h))) for x in w), strict=True)
    for slot, x in zip(rule.slots_over("element"), expected, strict=True):
        assert same_bits(state.slots[slot], np.array(x)), slot


def cuts(rng, size, count):
    """A partition of the elements into pieces, shuffled."""
    edges = [0, *np.sort(rng.integers(0, size, count)).tolist(), size]
    pieces = list(zip(edges, np.diff(edges).tolist(), strict=False))
    rng.shuffle(pieces)
    return pieces


@each_dtype
@each_rule
def test_any_ranges_of_many_segments_and_groups(rule, dtype):
    rng = np.random.default_rng(3)
    sizes = [1, 0, 300, 0, 7, 4096, 1, 4097, 0, *rng.integers(0, 60, 40)]
    offsets, groups = np.cumsum([0, *sizes]), 21                        # kernels keep the constants of 16
    which = rng.permutation(np.arange(len(sizes)) % groups)
    expected, got, together = copies(start(rule, dtype, offsets[-1], segments=len(sizes)), 3)
    table = [values(rule, learning_rate=0.01 * k, wd=0.02 * (k % 5)) for k in range(groups)]
    for t in (1, 2):
        g = rng.standard_normal(offsets[-1]).astype(FLOAT[dtype])
        for buffers in (expected, got, together):
            buffers[1][:] = g
        step(rule, expected, table, t, offsets, which)
        ranges(rule, got, table, t, offsets, which, cuts(rng, len(g), 25), cuts(rng, len(g), 6))
        ranges(rule, together, table, t, offsets, which, [(0, len(g))])
        assert_same(got, expected, rule)
        assert_same(together, expected, rule)


SHAPES = {"a": (97, 103), "b": (), "empty": (0, 3), "c": (4096,), "d": (1,), **{f"x{k}": (k, 5) for k in range(1, 20)}}


@each_dtype
@each_rule
def test_flat_buffer_equals_arrays_for_any_number_of_threads(rule, dtype, split):
    rng = np.random.default_rng(4)
    weights = {name: np.asarray(rng.standard_normal(shape), FLOAT[dtype]) for name, shape in SHAPES.items()}
    keywords = {"wd_mult": {"x*": 0.5}}
    if make(rule)._rated:
        keywords["lr_mult"] = {k: 0.1 * k for k in range(1, 21)}
    alone = make(rule, param_idx2name=dict(enumerate(SHAPES)), **keywords)
    own = {name: w.copy() for name, w in weights.items()}
    states = [alone.create_state(index, w) for index, w in enumerate(own.values())]
    trainers = [Trainer(Parameters(weights), make(rule, **keywords), threads=threads) for threads in (1, 2, 3)]
    for _ in range(4):
        grads = {name: np.asarray(rng.standard_normal(shape), FLOAT[dtype]) for name, shape in SHAPES.items()}
        for index, name in enumerate(SHAPES):
            alone.update(index, own[name], grads[name], states[index])
        for trainer in trainers:
            trainer.step(1, grads)
    for trainer in trainers:
        assert same_bits(trainer.params.flat, np.concatenate([w.ravel() for w in own.values()]))
        for slot, x in slots_of(trainer).items():
            alone = np.concatenate([state.slots[slot].ravel() for state in states])
            assert slot.over == "all" or same_bits(x, alone), slot
    assert len(split) >= 4 * 2                 # four steps with 2 and with 3 threads


@pytest.mark.parametrize("size", [0, 1, 7, 1000, 100_003])
@each_dtype
@each_rule
def test_sizes_and_untouched_gradient(rule, dtype, size):
    got = start(rule, dtype, size)
    got[1][:] = np.random.default_rng(5).standard_normal(size)
    expected, = copies(got, 1)
    arrays(rule, got, values(rule), 3, np.array([0, size]))
    sample = np.unique(np.linspace(0, size - 1, 40, dtype=int)) if size else []
    step(rule, expected, [values(rule)], 3, elements=sample)
    assert same_bits(got[1], expected[1])
    apart = whole_ones(rule)
    assert_same(*([b if k in apart else b[sample] for k, b in enumerate(buffers)] for buffers in (got, expected)), rule)


@each_dtype
@pytest.mark.parametrize("rule", [rule for rule in BY_NAME.values() if rule.slots_over("element")],
                         ids=lambda rule: rule.name)
def test_subnormal_slots_are_stored_as_zero(rule, dtype):
    scalar, tiny = FLOAT[dtype], np.finfo(FLOAT[dtype]).tiny
    before = beginning(rule, np.zeros(5, scalar))
    elements = [0, *places(rule, "element")]
    for k in elements:
        before[k][:] = scalar(tiny / 3) * scalar(k % 2 * 2 - 1)
    got, unflushed = copies(before, 2)
    group = values(rule, wd=0.0)
    step(rule, unflushed, [group], 50, store=lambda x: x)
    decays = [(unflushed[k] != 0).all() and (abs(unflushed[k]) < tiny).all() for k in elements[1:]]
    assert any(decays)
    arrays(rule, got, group, 50, np.array([0, 5]))
    for slot, decay in zip([got[k] for k in elements[1:]], decays, strict=True):
        assert not decay or (slot == 0).all()
        assert ((slot == 0) | (abs(slot) >= tiny)).all()


# --- machine code

DOUBLE = re.compile(r"\bv?(?:(?:add|sub|mul|div|sqrt|max|min|cmp\w*|u?comi|round\w*|fn?m\w+)[sp]d|cvt\w*[sp]d\w*)\b")
STORE = re.compile(r"\bv?mov(?:ss|[ua]ps|[su]pd)\s+%[xyz]mm\d+, (\S*\(.*\))")


def update_loops(assembly):
    """The innermost loops that store floats where they read some: the vectorised loop and its remainder."""
    lines = [line.strip() for line in assembly.split("\n")]
    labels = {line[:-1]: k for k, line in enumerate(lines) if line.endswith(":")}
    loops = {}                                              # first line: last line
    for k, line in enumerate(lines):
        jump = re.fullmatch(r"j\w+\s+(\S+)", line)
        if jump and labels.get(jump[1], k) < k:
            loops[labels[jump[1]]] = k
    for first, last in loops.items():
        body = "\n".join(lines[first:last])
        places = {place for place in STORE.findall(body) if "%rsp" not in place}       # those are spilled registers
        inner = not any(first < a and b <= last for a, b in loops.items())
        if inner and any(f"{place}, %" in body for place in places):
            yield body


def update_code(rule, dtype):
    """Assembly of a rule's kernel, but for the sums of layer-wise ones, which are float64."""
    _, *parts = re.split(r"\.type\s+(\S+),@function", kernels.over_plans(rule, dtype, "range")._library.get_asm_str())
    return "".join(text for name, text in zip(parts[::2], parts[1::2], strict=True) if "block" not in name)


def update_third(w, g, h):
    return w - THIRD * g


THIRD = np.float64(1 / 3)


def update_pair(w, g, h):
    a, b = 0.75, 0.1                                        # one constant, a tuple, in Python's bytecode
    return w - (a + b * g) * g


OWN = [Rule("third", update_third), Rule("pair", update_pair)]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads x86-64 assembly")
@pytest.mark.parametrize("rule", [*(rule for name, rule in BY_NAME.items() if name != "gradient_norm"), *OWN],
                         ids=lambda rule: rule.name)         # whose update writes weights as they are
def test_update_loops_of_float32_have_no_double_precision_instruction(rule):
    loops = list(update_loops(update_code(rule, "f32")))
    assert any(re.search(r"\bv?(?:sub|mul)p[sd]\b", loop) for loop in loops), "no vectorised loop"
    assert not [x for loop in loops for x in DOUBLE.findall(loop)]
    assert any(DOUBLE.search(loop) for loop in update_loops(update_code(rule, "f64")))


# --- compiling

def test_nothing_is_compiled_twice():
    rule = replace(BY_NAME["adam"], name="recorded")
    group = values(rule)
    Recorded = type("Recorded", (RuleOptimizer,), {"rules": (rule,)})

    def use(size):
        arrays(rule, start(rule, "f32", size), group, 1, None)
        whole(rule, start(rule, "f32", size), group, 1, None)
        for shapes in ({"w": size}, {"w": (size, 2), "b": 1}):
            params = Parameters({name: np.ones(shape, np.float32) for name, shape in shapes.items()})
            trainer = Trainer(params, Recorded(beta1=VALUES["beta1"]))
            trainer.step(1)
            trainer.step(2)

    with install_recorder("numba:compiler_lock") as first:
        use(5)
    with install_recorder("numba:compiler_lock") as second:
        use(6000)
    assert first.buffer
    assert not second.buffer
