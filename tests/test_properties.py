"""What holds for any shapes, multipliers, options and schedules."""
import math

import numpy as np
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from test_optimizer import CASES, NAMES, bits, make

from numoptim import Parameters, Trainer, optimizer
from numoptim.lr_scheduler import (
    CosineScheduler,
    ExponentialScheduler,
    FactorScheduler,
    InverseSqrtScheduler,
    InverseTimeScheduler,
    LinearScheduler,
    LRScheduler,
    MultiFactorScheduler,
    PolyScheduler,
    WSDScheduler,
)
from numoptim.rule.hyperparameters import Interval

COMPILED = settings(max_examples=300, deadline=None, derandomize=True)
PURE = settings(max_examples=300, deadline=None, derandomize=True)

shapes = st.dictionaries(st.text("abc.", min_size=1, max_size=4),
                         st.lists(st.integers(0, 5), max_size=3).map(tuple), max_size=6)
# Not so small that a warm start would divide by a rate of 0.
factor = st.sampled_from([0, 1, 0.5, 3]) | st.floats(0, 10).filter(lambda x: x == 0 or x >= 1e-20)
batch_size = st.integers(1, 1000) | st.floats(0.1, 100)


def arrays(given_shapes, seed):
    rng = np.random.default_rng(seed)
    return {name: np.asarray(rng.standard_normal(shape), np.float32) for name, shape in given_shapes.items()}


# --- a step on all is a step on each

@COMPILED
@given(shapes=shapes, case=st.sampled_from(CASES), data=st.data(), batch_size=batch_size, rescale=st.floats(-2, 2),
       clip=st.none() | st.floats(1e-3, 10), begin=st.integers(0, 100))
def test_a_trainer_makes_the_updates_of_separate_states(shapes, case, data, batch_size, rescale, clip, begin):
    names = dict(enumerate(shapes))
    keys = st.sampled_from([*names, *names.values()]) if names else st.nothing()
    tables = {what: data.draw(st.dictionaries(keys, factor)) for what in ("lr_mult", "wd_mult")}
    more = {**tables, "clip_gradient": clip, "begin_num_update": begin}
    params = Parameters(arrays(shapes, 0))
    trainer = Trainer(params, make(*case, **more, rescale_grad=rescale))
    opt = make(*case, **more, rescale_grad=rescale / batch_size, param_idx2name=names)
    weights = arrays(shapes, 0)
    states = [opt.create_state(i, w) for i, w in enumerate(weights.values())]
    for k in range(3):
        grads = arrays(shapes, k + 1)
        trainer.step(batch_size, grads=grads)
        opt.update(list(names), list(weights.values()), list(grads.values()), states)
        assert {name: bits(w) for name, w in weights.items()} == {name: bits(w) for name, w in params.items()}
    assert trainer.optimizer.num_update == begin + 3


@COMPILED
@given(shapes=shapes, case=st.sampled_from(CASES), order=st.randoms(use_true_random=False))
def test_neighbours_do_not_matter(shapes, case, order):
    """But for noise, a weight's course depends neither on the others nor on its place among them."""
    assume(case[0] != "SGLD")
    names = list(shapes)
    order.shuffle(names)
    ends = []
    for chosen in (list(shapes), names, names[:1]):
        params = Parameters({name: arrays(shapes, 0)[name] for name in chosen})
        table = {"a*": 0.5} if any(name.startswith("a") for name in chosen) else {}
        trainer = Trainer(params, make(*case, lr_mult=table))
        for k in range(3):
            trainer.step(1, grads={name: arrays(shapes, k + 1)[name] for name in chosen})
        ends.append({name: bits(w) for name, w in params.items()})
    assert ends[0] == ends[1] and ends[2].items() <= ends[0].items()


# --- any keywords

NONSENSE = [math.nan, math.inf, -math.inf, -1, -1e-9, "0.5", "", None, [1], True, 1j]


def values(key, default, interval):
    low, high, closed_low, closed_high, _ = Interval.parse(interval)     # an epsilon of 0 makes no finite steps
    if isinstance(default, bool):
        return st.booleans()
    if isinstance(default, int):
        return st.integers(int(max(low, -2**63)), 2**63 - 1)
    # Not so small or large that float32 has no number for it in the interval.
    smallest = 1e-6 if key in ("learning_rate", "epsilon", "eps", "clip_weights", "upper_bound") else 1e-20
    inside = st.floats(max(low, -10), min(high, 10), exclude_min=not closed_low, exclude_max=not closed_high)
    inside = inside.filter(lambda x: x == 0 or abs(x) >= smallest).filter(
        lambda x: float(np.float32(x)) in Interval.parse(interval))
    return inside | st.just(default if math.isfinite(default) else None)


COMMON_RANGES = {"learning_rate": (0.01, "[0, inf)"), "wd": (0.0, "[0, inf)"), "rescale_grad": (1.0, "(-inf, inf)"),
                 "clip_gradient": (math.inf, "(0, inf]")}
OPTIONS = {"centered": st.booleans(), "initial": st.floats(0, 10), "rate_in_velocity": st.booleans(),
           "warm_start": st.booleans(), "batch_scale": st.integers(1, 3),
           "warmup_strategy": st.sampled_from(["linear", "power2", "sqrt", "lars"]), "warmup_epochs": st.integers(0, 2),
           "updates_per_epoch": st.integers(1, 3), "begin_epoch": st.integers(0, 3), "num_epochs": st.integers(0, 60)}


@st.composite
def keywords(draw):
    name = draw(st.sampled_from(NAMES))
    known = {**COMMON_RANGES, **getattr(optimizer, name).hyper}
    strategies = {key: values(key, *known[key]) for key in known}
    strategies |= {key: OPTIONS[key] for key in getattr(optimizer, name).options if key in OPTIONS}
    chosen = draw(st.lists(st.sampled_from(sorted(strategies)), unique=True))
    given = {key: draw(strategies[key]) for key in chosen}
    if draw(st.integers(0, 3)) == 0:
        given[draw(st.sampled_from([*sorted(strategies), "betta1"]))] = draw(st.sampled_from(NONSENSE))
    return name, given


@settings(COMPILED, max_examples=500)
@example(("SGD", {"momentum": True}))
@example(("LBSGD", {"batch_scale": True}))
@example(("FTML", {"learning_rate": 0}))
@given(keywords())
def test_any_keywords_make_finite_steps_or_an_error(chosen):
    name, given_keywords = chosen
    params = Parameters({"w": np.float32([[0.5, -1, 0], [2, -0.25, 1e-3]]), "b": np.zeros((), np.float32)})
    before = bits(params.flat)
    try:
        trainer = Trainer(params, name, given_keywords)
    except (TypeError, ValueError) as error:
        assert any(key in str(error) for key in given_keywords)
        assert bits(params.flat) == before
        return
    for k in range(4):
        grads = {"w": np.float32([[1, 0, -0.5], [0, 3 - k, 1e-4]]), "b": np.float32(0)}
        trainer.step(2, grads=grads)
    assert np.isfinite(params.flat).all()


# --- schedules

rate = st.floats(0, 100, allow_subnormal=False)


@st.composite
def schedules(draw):
    base = draw(rate)
    warm = {"base_lr": base, "warmup_steps": draw(st.integers(0, 20)), "warmup_begin_lr": draw(st.floats(0, base)),
            "warmup_mode": draw(st.sampled_from(["linear", "constant"]))}
    end = draw(st.integers(warm["warmup_steps"] + 1, 60))
    factor = draw(st.floats(0, 1, exclude_min=True))
    return draw(st.sampled_from([
        LRScheduler(**warm),
        FactorScheduler(draw(st.integers(1, 10)), factor, draw(rate), **warm),
        MultiFactorScheduler(sorted(draw(st.sets(st.integers(1, 50), min_size=1))), factor, **warm),
        PolyScheduler(end, pwr=draw(st.floats(1e-3, 10)), final_lr=draw(rate), **warm),
        CosineScheduler(end, final_lr=draw(rate), **warm),
        LinearScheduler(end, final_lr=draw(rate), **warm),
        WSDScheduler(end, draw(st.integers(1, end - warm["warmup_steps"])), final_lr=draw(rate),
                     decay=draw(st.sampled_from(["linear", "sqrt", "cosine"])), **warm),
        ExponentialScheduler(draw(st.integers(1, 10)), factor, **warm),
        InverseTimeScheduler(draw(st.integers(1, 10)), draw(st.floats(1e-3, 100)), **warm),
        InverseSqrtScheduler(**{**warm, "warmup_steps": warm["warmup_steps"] + 1}),
    ]))


@PURE
@given(schedules(), st.lists(st.integers(0, 10**6), min_size=1))
def test_schedules_stay_between_0_and_their_largest_rate(schedule, updates):
    top = max(schedule.base_lr, getattr(schedule, "final_lr", 0), getattr(schedule, "stop_factor_lr", 0))
    rates = [schedule(n) for n in updates]
    assert all(0 <= r <= top * (1 + 1e-12) for r in rates)
    assert [schedule(n) for n in reversed(updates)] == rates[::-1]


@PURE
@given(schedules(), st.integers(0, 80))
def test_schedules_rise_while_they_warm_up_and_then_go_one_way(schedule, n):
    """They go from base_lr towards their last rate."""
    first, second = schedule(n), schedule(n + 1)
    slack = 1e-12 * (1 + max(first, second))
    if n + 1 < schedule.warmup_steps:
        assert second >= first - slack
    elif n >= max(schedule.warmup_steps, 1):
        down = getattr(schedule, "final_lr", 0) <= schedule.base_lr
        assert second <= first + slack if down else second >= first - slack
        if hasattr(schedule, "max_update") and n >= schedule.max_update:
            assert first == schedule.final_lr


# --- multipliers

@PURE
@given(st.dictionaries(st.sampled_from(["a", "b", "a.x", "*", "a*", "?", "[ab]", 0, 1, 2]), st.floats(0, 4)),
       st.permutations(["a", "b", "a.x"]))
def test_precedence_of_multipliers(table, names):
    """A name, then an index, then the first pattern, as one would look it up by hand."""
    fits = {"*": "a b a.x", "a*": "a a.x", "?": "a b", "[ab]": "a b", "a": "a", "b": "b", "a.x": "a.x"}
    params = Parameters({name: np.ones(1) for name in names})
    params.grad.flat.fill(1)
    Trainer(params, "sgd", {"learning_rate": 1, "lr_mult": table}).step(1)
    for index, name in enumerate(names):
        patterns = [key for key in table if isinstance(key, str) and name in fits[key].split()]
        key = name if name in table else index if index in table else patterns[0] if patterns else None
        assert params[name] == 1 - table.get(key, 1)
