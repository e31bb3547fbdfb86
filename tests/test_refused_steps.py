"""A step refused for its gradients, batch size, rates or schedule, of a trainer or on lists, writes nothing."""
import math

import numpy as np
import pytest
import test_custom
from test_errors import READ_ONLY, fresh, refused
from test_optimizer import draw

from numoptim import Parameters, Trainer, optimizer

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
