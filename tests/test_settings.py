"""Hyper-parameters, options, counts and multipliers out of range are refused, and at the ends of their ranges work."""
import math

import numpy as np
import pytest
from test_errors import fresh, refused
from test_optimizer import bits, draw, each_case, each_name, make

from numoptim import Parameters, Trainer, optimizer
from numoptim.lr_scheduler import LRScheduler
from numoptim.rule.hyperparameters import Interval

# --- hyper-parameters

def outside(default, interval):
    """Values a hyper-parameter refuses, with the error."""
    low, high, closed_low, closed_high, or_zero = Interval.parse(interval)
    numbers = [] if isinstance(default, int) else [math.nan, math.inf, -math.inf]
    step = 1 if isinstance(default, int) else 0.5
    if math.isfinite(low):
        numbers += [low - step] + [low] * (not closed_low and not or_zero)
    if math.isfinite(high):
        numbers += [(int(high) if isinstance(default, int) else high) + step] + [high] * (not closed_high)
    numbers = [int(x) for x in numbers] if isinstance(default, int) else numbers
    words = ["0.5", [0.5], 1j, np.zeros(1)] + [None] * math.isfinite(default) + [0.5] * isinstance(default, int)
    return [(x, ValueError) for x in numbers] + [(x, TypeError) for x in words]


COMMON_RANGES = {"learning_rate": (0.01, "[0, inf)"), "wd": (0.0, "[0, inf)"), "rescale_grad": (1.0, "(-inf, inf)"),
                 "clip_gradient": (math.inf, "(0, inf]"), "begin_num_update": (0, "[0, inf)")}


@each_name
def test_hyper_parameters_out_of_range(name):
    cls = getattr(optimizer, name)
    opt = cls()
    for key, (default, interval) in {**COMMON_RANGES, **cls.hyper}.items():
        if isinstance(default, bool):
            continue
        shown = getattr(opt, key)
        for value, error in outside(default, interval):
            if value is None and key == "learning_rate":
                continue                                # the default
            with pytest.raises(error, match=f"^{key}=.*expected"):
                cls(**{key: value})
            if key in ("learning_rate", "begin_num_update"):
                continue
            with pytest.raises(error, match=f"^{key}=.*expected"):
                setattr(opt, key, value)
        if key == "learning_rate" and name != "Rprop":
            with pytest.raises(ValueError, match=r"learning_rate=-1.*\[0, inf\)"):
                opt.set_learning_rate(-1)
        assert getattr(opt, key) == shown


HUGE = 10**400          # an integer that no float can hold


@pytest.mark.parametrize("use", [
    lambda: optimizer.SGD(learning_rate=HUGE),
    lambda: optimizer.Adam(epsilon=HUGE),
    lambda: optimizer.SGD(clip_gradient=-HUGE),
    lambda: optimizer.SGLD(seed=HUGE),
    lambda: optimizer.SGD(begin_num_update=HUGE),
    lambda: optimizer.SGD(lr_mult={"w": HUGE}),
    lambda: LRScheduler(base_lr=HUGE),
    lambda: fresh(lr_scheduler=lambda n: HUGE),
    lambda: Trainer(Parameters(draw(0)), "sgd").step(HUGE),
    lambda: Trainer(Parameters(draw(0)), "sgd", threads=HUGE),
], ids=["rate", "epsilon", "clip", "seed", "begin", "multiplier", "base_lr", "schedule", "batch_size", "threads"])
def test_integers_beyond_all_floats(use):
    with pytest.raises(ValueError, match=r"=-?1000.*expected"):
        use()


@pytest.mark.parametrize("make, message", [
    (lambda: optimizer.Adam(beta1=1), r"beta1=1 is out of range: expected a finite number in \[0, 1\)"),
    (lambda: optimizer.Adam(epsilon=-1), r"epsilon=-1 .*expected a finite number in \(0, inf\) or 0"),
    (lambda: optimizer.SGD(clip_gradient=0), r"clip_gradient=0 .*\(0, inf\], or None"),
    (lambda: optimizer.SGD(clip_gradient=-1.0), "clip_gradient=-1.0 .*or None"),
    (lambda: optimizer.SGD(clip_gradient=math.inf), "clip_gradient=inf .*expected a finite number.*or None"),
    (lambda: optimizer.SGD(learning_rate=math.nan), r"learning_rate=nan .*\[0, inf\)"),
    (lambda: optimizer.LAMB(upper_bound=-1), "upper_bound=-1 .*or None"),
    (lambda: optimizer.LAMB(bias_correction=2), "bias_correction=2"),
    (lambda: optimizer.SGLD(seed=2**63), "seed=9223372036854775808 "),
    (lambda: optimizer.SGD(lr_mult={"w": -1}), r"lr_mult\['w'\]=-1 .*\[0, inf\)"),
    (lambda: optimizer.SGD(wd_mult={3: math.nan}), r"wd_mult\[3\]=nan"),
    (lambda: optimizer.RMSProp(centered="yes"), "centered='yes': expected True or False"),
    (lambda: optimizer.Ftrl(warm_start=1), "warm_start=1: expected True or False"),
    (lambda: optimizer.LBSGD(warmup_strategy="cubic"), "='cubic': expected 'linear', 'power2', 'sqrt' or 'lars'"),
    (lambda: optimizer.LBSGD(batch_scale=0), "batch_scale=0: expected an integer of 1 to"),
    (lambda: optimizer.LBSGD(batch_scale=2.0), "batch_scale=2.0: expected an integer"),
    (lambda: optimizer.LBSGD(updates_per_epoch=0), "updates_per_epoch=0: expected"),
    (lambda: optimizer.LBSGD(warmup_epochs=-1), "warmup_epochs=-1: expected an integer of 0 to"),
    (lambda: optimizer.LBSGD(begin_epoch=None), "begin_epoch=None: expected"),
    (lambda: optimizer.LBSGD(num_epochs="60"), "num_epochs='60': expected"),
    (lambda: optimizer.LBSGD(batch_scale=2**63), "batch_scale=9223372036854775808: expected an integer of 1 to"),
    (lambda: optimizer.Adam(begin_num_update=2**63 - 2), r"begin_num_update=\d+ is out of range: .* in \[0, 1e18\]"),
])
def test_messages(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("use, message", [
    (lambda: optimizer.SGD(lr_mult=0), "lr_mult=0: expected a mapping, {name, index or pattern: factor}"),
    (lambda: optimizer.SGD(wd_mult=False), "wd_mult=False: expected a mapping"),
    (lambda: optimizer.SGD(lr_mult=[1, 2]), r"lr_mult=\[1, 2\]: expected a mapping"),
    (lambda: optimizer.SGD(lr_mult="w"), "lr_mult='w': expected a mapping"),
    (lambda: optimizer.SGD().set_lr_mult(None), "lr_mult=None: expected a mapping"),
    (lambda: optimizer.SGD().set_wd_mult(0), "wd_mult=0: expected a mapping"),
    (lambda: optimizer.SGD(param_idx2name={0: 5}), "param_idx2name={0: 5}: expected a mapping, {index: name}"),
    (lambda: optimizer.SGD(param_idx2name={"w": 0}), "param_idx2name={'w': 0}: expected a mapping"),
    (lambda: optimizer.SGD(param_idx2name=0), "param_idx2name=0: expected a mapping"),
    (lambda: optimizer.SGD(param_idx2name=["w"]), r"param_idx2name=\['w'\]: expected a mapping"),
    (lambda: Trainer(Parameters(draw(0)), "sgd", 0), "optimizer_params=0: expected a mapping, such as"),
    (lambda: Trainer(Parameters(draw(0)), "sgd", 0.1), "optimizer_params=0.1: expected a mapping, such as"),
    (lambda: Trainer(Parameters(draw(0)), optimizer.SGD(), 0), "optimizer_params=0: expected a mapping"),
])
def test_what_is_no_mapping(use, message):
    with pytest.raises(TypeError, match=message):
        use()


def test_names_of_two_indices():
    with pytest.raises(ValueError, match="two indices have one name"):
        optimizer.SGD(param_idx2name={0: "w", 1: "w"})


@each_name
def test_steps_are_counted_from_the_largest_number_on(name):
    opt, w, g, state = fresh(name, begin_num_update=10**18)
    opt.update(0, w, g, state)
    assert opt.num_update == state.t == 10**18 + 2 and np.isfinite(w).all()


@pytest.mark.parametrize("strategy", ["linear", "power2", "sqrt", "lars"])
def test_a_count_below_that_where_the_warm_up_begins(strategy):
    opt, w, g, state = fresh("lbsgd", warmup_strategy=strategy, begin_num_update=10, batch_scale=2)
    state.t = 3
    with refused(ValueError, "the state's t is below begin_num_update=10", w, g, state):
        opt.update(0, w, g, state)


@pytest.mark.parametrize("name, key, value", [
    ("rmsprop", "centered", "yes"), ("ftrl", "warm_start", 3), ("lamb", "bias_correction", 2),
    ("lbsgd", "batch_scale", -4), ("lbsgd", "batch_scale", 2.5), ("lbsgd", "updates_per_epoch", 0),
    ("lbsgd", "warmup_strategy", "cubic"),
])
def test_options_are_checked_when_set(name, key, value):
    opt = optimizer.create(name)
    before = getattr(opt, key)
    with pytest.raises(ValueError, match=key):
        setattr(opt, key, value)
    assert getattr(opt, key) == before


@each_case
def test_a_learning_rate_of_0_moves_nothing(name, keywords):
    if keywords.get("warm_start"):
        with pytest.raises(ValueError, match="slots that begin by the learning_rate need one of"):
            fresh(name, **keywords, learning_rate=0)
        return
    opt, w = make(name, keywords, learning_rate=0), np.linspace(-0.8, 0.8, 5, dtype=np.float32)
    state, before = opt.create_state(0, w), w.copy()
    for g in (0, 1, -3):
        opt.update(0, w, np.full(5, g, np.float32), state)
    assert bits(w) == bits(before) and state.t == 3
    if opt.rule.needs_rate:
        assert not any(slot.any() for slot in state.slots.values())
    assert all(np.isfinite(slot).all() for slot in state.slots.values())
    if name == "Rprop":
        return
    opt.set_learning_rate(0.1)
    for _ in range(6):
        opt.update(0, w, np.ones(5, np.float32), state)
    assert np.isfinite(w).all() and bits(w) != bits(before)


def test_a_weight_frozen_at_a_warm_start_can_be_thawed():
    opt, w = optimizer.Ftrl(warm_start=True, lr_mult={0: 0}), np.array([1.0, 0.0, -2.0])
    state = opt.create_state(0, w)
    opt.update(0, w, np.ones(3), state)
    assert w.tolist() == [1, 0, -2]
    opt.set_lr_mult({})
    opt.update(0, w, np.ones(3), state)
    assert np.isfinite(w).all()

def test_a_schedule_cannot_be_given_to_set_learning_rate():
    opt = optimizer.SGD(lr_scheduler=LRScheduler(base_lr=0.5))
    with pytest.raises(ValueError, match="set by lr_scheduler"):
        opt.set_learning_rate(0.1)
    assert opt.learning_rate == 0.5


# --- multipliers

@pytest.mark.parametrize("table, error, message", [
    ({"bais": 2}, ValueError, "'bais' fits no parameter; did you mean 'bias'"),
    ({"z*": 2}, ValueError, r"'z\*' fits no parameter; known: weight, bias"),
    ({2: 2}, ValueError, "2 fits no parameter"),
    ({-1: 2}, ValueError, "-1 fits no parameter"),
    ({1.5: 2}, TypeError, "1.5 is neither a name or pattern nor an index"),
    ({"bias": -1}, ValueError, r"\['bias'\]=-1"),
    ({"bias": math.inf}, ValueError, r"\['bias'\]=inf"),
    ({"bias": "2"}, TypeError, r"\['bias'\]='2': expected a number"),
])
@pytest.mark.parametrize("what", ["lr_mult", "wd_mult"])
def test_multipliers_that_fit_nothing(table, error, message, what):
    trainer = Trainer(Parameters({"weight": np.zeros(2), "bias": np.zeros(2)}), "sgd", {what: {"bias": 3}})
    change = getattr(trainer.optimizer, f"set_{what}")
    with refused(error, f"{what}.*{message}", trainer):
        change(table)
    assert getattr(trainer.optimizer, what) == {"bias": 3}
    params = Parameters({"weight": np.zeros(2), "bias": np.zeros(2)})
    with pytest.raises(error, match=f"{what}.*{message}"):
        Trainer(params, "sgd", {what: table})
    with pytest.raises(error, match=f"{what}.*{message}"):
        optimizer.SGD(param_idx2name={0: "weight", 1: "bias"}, **{what: table})


def test_an_optimizer_that_fits_no_trainer_can_be_used_elsewhere():
    opt = optimizer.SGD(lr_mult={"v": 2})
    with pytest.raises(ValueError, match="'v' fits no parameter"):
        Trainer(Parameters({"w": np.zeros(2)}), opt)
    assert Trainer(Parameters({"v": np.zeros(2)}), opt).optimizer is opt
