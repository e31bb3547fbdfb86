"""Arrays and states that do not fit: errors say what was given and accepted, and come before anything is written."""
import math
from contextlib import contextmanager

import numpy as np
import pytest
from test_optimizer import NAMES, bits, draw, each_case, make

from numoptim import Parameters, Trainer, optimizer


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
    for slot in opt.rule.slots_over("element"):
        assert bits(state.slots[slot][keep]) == bits(other.slots[slot][keep])
    if math.isnan(bad) and opt.clip_gradient is not None and name != "Signum":
        assert np.isnan(w[4])


# --- states

@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "sgld"])
def test_states_of_another_optimizer(name):
    opt, w, g, state = fresh(name)
    foreign = fresh("adamax")[3]
    message = f"the state belongs to 'adamax' with the slots m, u; .* now applies '{opt.rule.name}'"
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
