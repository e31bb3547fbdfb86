"""Errors say what was given and what is accepted, and come before anything is written."""
import math
from contextlib import contextmanager

import numpy as np
import pytest
import test_custom
from test_optimizer import NAMES, bits, draw, each_case, each_name, make

from numoptim import Parameters, Trainer, optimizer
from numoptim.hyperparameters import Interval
from numoptim.lr_scheduler import LRScheduler


@contextmanager
def refused(error, message, *written):
    """The block raises ``error``, and changes no bit of the arrays, states and trainers in ``written``."""
    before = [_content(x) for x in written]
    with pytest.raises(error, match=f"(?s){message}"):
        yield
    assert [_content(x) for x in written] == before


def _content(x):
    if isinstance(x, np.ndarray):
        return x.dtype, x.shape, bits(x)
    if isinstance(x, Trainer):
        return bits(x.params.flat), bits(x.params.grad.flat), x.optimizer.num_update, x.optimizer.rescale_grad
    return x.t, {name: bits(slot) for name, slot in x.slots.items()}


def fresh(name="adam", shape=(6,), dtype=np.float32, **keywords):
    """An optimizer, a weight, a gradient and a state that has seen one update."""
    opt = optimizer.create(name, **keywords)
    w, g = draw(0, {"w": shape}, dtype)["w"], draw(1, {"w": shape}, dtype)["w"]
    state = opt.create_state(0, w)
    opt.update(0, w, g, state)
    return opt, w, g, state


# --- arrays

def overlapping():
    buffer = np.zeros(9, np.float32)
    return buffer[:6], buffer[3:]


READ_ONLY = np.zeros(6, np.float32)
READ_ONLY.flags.writeable = False
UNALIGNED = np.zeros(25, np.uint8)[1:].view(np.float32)
GOOD = np.zeros(6, np.float32)
NO_HALF = "float16; accepted are float32 and float64.*16-bit numbers are not supported yet"


@pytest.mark.parametrize("weight, grad, error, message", [
    (GOOD.astype(np.float16), GOOD, TypeError, f"weight of 0 is {NO_HALF}"),
    (GOOD, GOOD.astype(np.float16), TypeError, f"gradient of 0 is {NO_HALF}"),
    (GOOD.astype(int), GOOD, TypeError, "weight of 0 is int64; accepted are float32 and float64"),
    (GOOD.astype(complex), GOOD, TypeError, "weight of 0 is complex128; accepted are"),
    (GOOD.astype(">f4"), GOOD, TypeError, "weight of 0 is >f4; accepted are"),
    (GOOD, GOOD.astype(float), TypeError, "gradient of 0 is float64; expected float32 as the weight is"),
    (GOOD, GOOD.tolist(), TypeError, "gradient of 0 is list; expected a NumPy array"),
    (GOOD.tolist(), GOOD, TypeError, "weight of 0 is list; expected a NumPy array"),
    (GOOD, GOOD[0], TypeError, "gradient of 0 is float32; expected a NumPy array"),
    (GOOD, GOOD[:5], ValueError, r"gradient of 0 has shape \(5,\); expected \(6,\) as the weight has"),
    (GOOD, GOOD.reshape(2, 3), ValueError, r"gradient of 0 has shape \(2, 3\); expected \(6,\)"),
    (GOOD, GOOD[None], ValueError, r"gradient of 0 has shape \(1, 6\); expected \(6,\)"),
    (np.zeros(12, np.float32)[::2], GOOD, ValueError, r"weight of 0 is not C-contiguous.*\(8,\) for shape \(6,\)"),
    (GOOD, np.zeros(12, np.float32)[::2], ValueError, "gradient of 0 is not C-contiguous"),
    (GOOD, GOOD[::-1], ValueError, r"gradient of 0 is not C-contiguous \(strides \(-4,\)"),
    (np.zeros((3, 2), np.float32).T, GOOD.reshape(2, 3), ValueError, "weight of 0 is not C-contiguous"),
    (UNALIGNED, GOOD, ValueError, "weight of 0 is not aligned: its address is no multiple of 4"),
    (READ_ONLY, GOOD, ValueError, "weight of 0 is read-only"),
    (GOOD, GOOD, ValueError, "gradient of 0 .*overlap.* weight|weight .*gradient of 0 overlap"),
    (*overlapping(), ValueError, "gradient of 0 .*overlap.* weight|weight .*gradient of 0 overlap"),
], ids=lambda x: x if isinstance(x, str) else "")
def test_weights_and_gradients(weight, grad, error, message):
    opt = optimizer.Adam()
    state = opt.create_state(0, np.zeros(np.shape(weight), np.float32))
    arrays = [a for a in (weight, grad) if isinstance(a, np.ndarray)]
    with refused(error, message, state, *arrays):
        opt.update(0, weight, grad, state)
    assert opt.num_update == 0
    w = np.zeros(np.shape(weight), np.float32)                # the state is still good
    opt.update(0, w, np.ones_like(w), state)
    assert w.all() and opt.num_update == state.t == 1


@pytest.mark.parametrize("name", NAMES)
def test_arrays_that_replace_good_ones_are_checked_again(name):
    opt, w, g, state = fresh(name)
    for weight, grad, error in [
        (w, g[:3], ValueError), (w, g.astype(float), TypeError), (w, w, ValueError), (w, w[::-1], ValueError),
        (w.astype(np.float16), g, TypeError), (READ_ONLY, g, ValueError),
    ]:
        with refused(error, "of 0", w, g, state):
            opt.update(0, weight, grad, state)
    if state.slots:
        with refused(ValueError, r"slot .* of 0 has shape \(6,\); expected \(3,\)", w, g, state):
            opt.update(0, w[:3], g[:3], state)
        with refused(ValueError, "of 0 .*overlap|overlap.* of 0", w, state):
            opt.update(0, w, next(iter(state.slots.values())), state)
    opt.update(0, w, g, state)
    assert state.t == 2


@pytest.mark.parametrize("dtype", [np.float16, np.int32, bool, object])
@pytest.mark.parametrize("multi_precision", [False, True])
def test_create_state_checks_the_weight(dtype, multi_precision):
    message = NO_HALF if dtype == np.float16 else "accepted are"
    with pytest.raises(TypeError, match=f"weight is .*{message}"):
        optimizer.Adam(multi_precision=multi_precision).create_state(0, np.zeros(3, dtype))


def test_a_slot_of_another_shape_or_type():
    opt, w, g, state = fresh()
    other = opt.create_state(0, np.zeros(5, np.float32))
    with refused(ValueError, r"slot 'm' of 0 has shape \(5,\); expected \(6,\)", w, g, other):
        opt.update(0, w, g, other)
    other = opt.create_state(0, np.zeros(6))
    with refused(TypeError, "slot 'm' of 0 is float64; expected float32", w, g, other):
        opt.update(0, w, g, other)
    opt.update(0, w, g, state)


@each_case
def test_empty_arrays_are_fine(name, keywords):
    for shape in [(0,), (3, 0)]:
        opt, w, g, state = fresh(name, shape, **keywords)
        opt.update(0, w, g, state)
        assert state.t == opt.num_update == 2 and w.shape == shape


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e38])
@each_case
def test_a_bad_gradient_stays_in_its_own_element(name, keywords, bad):
    opt, clean = make(name, keywords), make(name, keywords)
    if opt.rule.layerwise:
        pytest.skip("its norms are over all elements")
    arrays = draw(0, {"w": (9,), "g": (9,)})
    w, g = arrays["w"].copy(), arrays["g"].copy()
    g[4] = bad
    state, other = opt.create_state(0, w), clean.create_state(0, w)
    expected = arrays["w"].copy()
    with np.errstate(all="raise"):
        for _ in range(6):
            opt.update(0, w, g, state)
            clean.update(0, expected, arrays["g"], other)
    keep = np.arange(9) != 4
    assert bits(w[keep]) == bits(expected[keep]) and bits(w[keep]) != bits(arrays["w"][keep])
    for slot in state.slots:
        assert bits(state.slots[slot][keep]) == bits(other.slots[slot][keep])
    if math.isnan(bad) and opt.clip_gradient is not None and name != "Signum":
        assert np.isnan(w[4])


# --- states

@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "sgld"])
def test_states_of_another_optimizer(name):
    opt, w, g, state = fresh(name)
    foreign = fresh("adamax")[3]
    message = f"the state belongs to 'adamax' with slots .*'m', 'u'.*now applies '{opt.rule.name}'"
    with refused(ValueError, message, w, foreign):
        opt.update(0, w, g, foreign)
    for thing in (None, np.zeros(6), {"m": np.zeros(6)}):
        with refused(TypeError, f"state of 0 is {type(thing).__name__}; expected what create_state returned", w):
            opt.update(0, w, g, thing)
    opt.update(0, w, g, state)
    assert state.t == 2 and foreign.t == 1


CHANGES = [
    ("sgd", {}, "momentum", 0.9), ("sgd", {"momentum": 0.9}, "momentum", 0),
    ("signum", {}, "momentum", 0), ("dcasgd", {}, "momentum", 0.5),
    ("rmsprop", {}, "centered", True), ("rmsprop", {"centered": True}, "centered", False),
    ("lbsgd", {}, "batch_scale", 2), ("lbsgd", {"batch_scale": 3}, "batch_scale", 1),
    ("lbsgd", {"momentum": 0.5}, "warmup_strategy", "lars"),
]
each_change = pytest.mark.parametrize("name, keywords, key, value", CHANGES,
                                      ids=[f"{name}-{key}={value}" for name, _, key, value in CHANGES])


@each_change
def test_states_made_before_an_option_changed(name, keywords, key, value):
    opt, w, g, state = fresh(name, **keywords)
    before = getattr(opt, key)
    setattr(opt, key, value)
    with refused(ValueError, f"the state belongs to .*{type(opt).__name__} now applies", w, state):
        opt.update(0, w, g, state)
    assert opt.num_update == 1
    setattr(opt, key, before)
    opt.update(0, w, g, state)
    assert state.t == 2


@each_change
def test_a_trainer_whose_option_changed(name, keywords, key, value):
    trainer = Trainer(Parameters(draw(0)), name, keywords)
    trainer.step(1, grads=draw(1))
    before = getattr(trainer.optimizer, key)
    setattr(trainer.optimizer, key, value)
    with refused(ValueError, f"{type(trainer.optimizer).__name__} now applies", trainer):
        trainer.step(1, grads=draw(2))
    setattr(trainer.optimizer, key, before)
    trainer.step(1, grads=draw(2))
    assert trainer.optimizer.num_update == 2


# --- hyper-parameters

def outside(default, interval):
    """Values a hyper-parameter refuses, with the error."""
    low, high, closed_low, closed_high, or_zero = Interval.parse(interval)
    numbers = [] if isinstance(default, int) else [math.nan, math.inf, -math.inf]
    step = 1 if isinstance(default, int) else 0.5
    if math.isfinite(low):
        numbers += [low - step] + [low] * (not closed_low and not or_zero)
    if math.isfinite(high):
        numbers += [high + step] + [high] * (not closed_high)
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
        if key == "learning_rate":
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
        with pytest.raises(ValueError, match="warm start needs a learning_rate"):
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


# --- a step of a trainer

@pytest.fixture(params=["adam", "lamb", "heavyball"])
def trainer(request):
    trainer = Trainer(Parameters(draw(0)), request.param)
    trainer.step(1, grads=draw(1))
    return trainer


@pytest.mark.parametrize("batch_size, error, message", [
    (0, ValueError, r"batch_size=0 .*\(0, inf\)"), (-3, ValueError, "batch_size=-3"),
    (0.0, ValueError, "batch_size=0.0"), (math.nan, ValueError, "batch_size=nan"),
    (math.inf, ValueError, "batch_size=inf"), ("32", TypeError, "batch_size='32': expected a number"),
    (None, TypeError, "batch_size=None"), ([4], TypeError, r"batch_size=\[4\]"),
    (1e-320, ValueError, ""),                                # 1/batch_size is infinite
], ids=lambda x: str(x)[:9] if not isinstance(x, type) else "")
@pytest.mark.parametrize("grads", [None, draw(5)], ids=["", "grads"])
def test_batch_sizes(trainer, batch_size, error, message, grads):
    with np.errstate(all="ignore"), refused(error, message, trainer):
        trainer.step(batch_size, grads=grads)


def changed(**arrays):
    return {**draw(5), **arrays}


@pytest.mark.parametrize("grads, error, message", [
    ({key: draw(5)[key] for key in ("w", "none", "v")}, ValueError, "grads: 'b' is missing; every parameter needs"),
    ({}, ValueError, "grads: 'w' is missing"),
    (changed(nome=np.zeros(2)), ValueError, "grads: no parameter 'nome'; did you mean 'none'"),
    (changed(v=np.zeros(6)), ValueError, r"grads: 'v' has shape \(6,\); expected \(7,\)"),
    (changed(w=np.zeros(15)), ValueError, r"grads: 'w' has shape \(15,\); expected \(3, 5\)"),
    (changed(b=np.zeros(1)), ValueError, r"grads: 'b' has shape \(1,\); expected \(\)"),
    (changed(v=np.zeros(7, complex)), TypeError, "grads: 'v' is complex128; expected float32"),
    (changed(v=["x"] * 7), TypeError, "grads: 'v' is .*; expected float32"),
    (changed(v=None), (TypeError, ValueError), "grads: 'v'"),
    ([np.zeros(2)], TypeError, "grads"),
], ids=["missing", "none", "unknown", "length", "flat", "0-d", "complex", "words", "None", "list"])
def test_gradients_by_name(trainer, grads, error, message):
    with refused(error, message, trainer):
        trainer.step(1, grads=grads)


@pytest.mark.parametrize("threads, error", [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError)])
def test_threads(threads, error):
    with pytest.raises(error, match=r"threads=.*expected an? .*1, inf"):
        Trainer(Parameters(draw(0)), "sgd", threads=threads)


# --- schedules

BAD_RATES = [(math.nan, ValueError), (-0.1, ValueError), (math.inf, ValueError), (None, TypeError), ("0.1", TypeError)]


@pytest.mark.parametrize("bad, error", BAD_RATES, ids=lambda x: getattr(x, "__name__", str(x)))
@pytest.mark.parametrize("name", ["sgd", "ftrl", "lamb", "lbsgd", "heavyball"])
def test_a_schedule_that_goes_wrong(name, bad, error):
    good = Trainer(Parameters(draw(0)), name, {"lr_scheduler": lambda n: 0.1}) if name != "heavyball" else \
        Trainer(Parameters(draw(0)), test_custom.HeavyBall(None, lr_scheduler=lambda n: 0.1))
    good.step(1, grads=draw(1))
    good.optimizer.lr_scheduler = lambda n: bad if n == 2 else 0.1
    with refused(error, "learning_rate=.*expected a.*number", good):
        good.step(1, grads=draw(2))
    good.optimizer.lr_scheduler = None
    good.step(1, grads=draw(2))
    assert good.optimizer.num_update == 2


@pytest.mark.parametrize("bad, error", BAD_RATES, ids=lambda x: getattr(x, "__name__", str(x)))
def test_a_schedule_that_goes_wrong_in_an_update(bad, error):
    opt, w, g, state = fresh(lr_scheduler=lambda n: 0.1 if n < 2 else bad)
    with refused(error, "learning_rate=.*expected a.*number", w, g, state):
        opt.update(0, w, g, state)
    assert opt.num_update == 1


def test_an_error_of_the_schedule_itself_passes_through():
    trainer = Trainer(Parameters(draw(0)), "adam", {"lr_scheduler": lambda n: 1 / (2 - n)})
    trainer.step(1)
    with refused(ZeroDivisionError, "", trainer):
        trainer.step(1, grads=draw(1))


# --- a step happens whole or not at all

def test_lists_of_unequal_length():
    opt, w, g, state = fresh()
    for counts in (2, 1, 1, 1), (1, 2, 1, 1), (1, 1, 0, 1), (1, 1, 1, 2):
        lists = [[x] * count for x, count in zip((0, w, g, state), counts, strict=True)]
        lengths = ", ".join(map(str, counts))
        with refused(ValueError, rf"lists of \[{lengths}\] elements; expected equal lengths", w, g, state):
            opt.update(*lists)


@pytest.mark.parametrize("spoil, error", [
    (lambda w, g, state: (w, g[:3], state), ValueError),
    (lambda w, g, state: (w, g.astype(float), state), TypeError),
    (lambda w, g, state: (READ_ONLY, g, state), ValueError),
    (lambda w, g, state: (w, g, None), TypeError),
    (lambda w, g, state: (w, g, fresh("sgd")[3]), ValueError),
], ids=["shape", "dtype", "read-only", "no state", "other state"])
def test_an_error_in_the_second_leaves_the_first(spoil, error):
    opt, w, g, state = fresh()
    second = spoil(*fresh()[1:])
    with refused(error, "1|state", w, g, state):
        opt.update([0, 1], [w, second[0]], [g, second[1]], [state, second[2]])
    assert opt.num_update == 1


def test_a_rate_that_overflows_in_the_second_leaves_the_first():
    opt, first, second = optimizer.SGD(learning_rate=1e300, lr_mult={1: 1e300}), np.ones(2), np.ones(2)
    states = [opt.create_state(i, first) for i in range(2)]
    with np.errstate(all="ignore"), refused(ValueError, "out of range", first, second, *states):
        opt.update([0, 1], [first, second], [np.ones(2), np.ones(2)], states)
    assert opt.num_update == 0


@pytest.mark.parametrize("grads", [None, draw(1)], ids=["", "grads"])
@pytest.mark.parametrize("name, keywords", [
    ("sgd", {"learning_rate": 1e300, "lr_mult": {"v": 1e300}}),
    ("lamb", {"learning_rate": 1e300, "lr_mult": {"v": 1e300}}),
    ("adam", {"wd": 1e300, "wd_mult": {"v": 1e300}}), ("sgd", {"rescale_grad": 1e300}),
], ids=["rate", "layer-wise rate", "wd", "rescale_grad"])
def test_products_that_overflow(name, keywords, grads):
    trainer = Trainer(Parameters(draw(0)), name, keywords)
    with np.errstate(all="ignore"), refused(ValueError, "out of range", trainer):
        trainer.step(1e-10, grads=grads)


def test_a_micro_step_whose_rate_overflows_adds_nothing():
    opt, w = optimizer.LBSGD(learning_rate=1e308, batch_scale=4, warmup_epochs=0), np.ones(2)
    state = opt.create_state(0, w)
    for k in range(1, 5):
        before = state.slots["sum"].tolist()
        try:
            opt.update(0, w, np.ones(2), state)
        except ValueError:
            assert state.slots["sum"].tolist() == before and state.t == k - 1
            return
    pytest.fail("a rate of 4e308 was accepted")


def test_a_schedule_cannot_be_given_to_set_learning_rate():
    opt = optimizer.SGD(lr_scheduler=LRScheduler(base_lr=0.5))
    with pytest.raises(ValueError, match="set by lr_scheduler"):
        opt.set_learning_rate(0.1)
    assert opt.learning_rate == 0.5
