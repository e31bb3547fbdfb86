"""LossScaler, and what on_step is told."""
import copy
import io
import math
import pickle

import numpy as np
import pytest
from test_optimizer import bits, draw
from test_whole_steps import content

from numoptim import LossScaler, Parameters, StepInfo, Trainer
from numoptim.step.guard import APPLIED


def scaled(trainer, t, bad=False):
    """A step with gradients of a loss that was scaled, as float16 has them."""
    with np.errstate(over="ignore"):
        grads = {key: (trainer.loss_scaler.scale * g).astype(np.float32) for key, g in draw(t).items()}
    if bad:
        grads["v"][0] = np.inf
    return trainer.step(4, grads)


def test_steps_are_those_of_gradients_that_were_never_scaled():
    made = Trainer(Parameters(draw(0)), "adamw", loss_scaler=LossScaler(1024, growth_interval=2), clip_norm=1.0)
    plain = Trainer(Parameters(draw(0)), "adamw", clip_norm=1.0)
    for t in range(6):
        info, wanted = scaled(made, t), plain.step(4, draw(t))
        assert info == wanted and content(made) == content(plain)      # powers of two change no bit
    assert made.loss_scaler.scale == 1024 * 2**3


def test_a_step_that_is_not_finite_backs_off_and_is_no_step():
    made = Trainer(Parameters(draw(0)), "adam", loss_scaler=LossScaler(64.0))
    scaled(made, 1)
    before = content(made)
    info = scaled(made, 2, bad=True)
    assert info[:2] == (False, "the gradient of 'v' is not finite") and content(made) == before
    assert (made.loss_scaler.scale, made.loss_scaler.good) == (32.0, 0)
    assert made.step(1, draw(1), skip_nonfinite=False).applied
    made.params.grad.flat[:] = np.nan
    assert not made.step(1, skip_nonfinite=False).applied              # the scaler's steps always may be left out


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_have_their_own(copied):
    made = Trainer(Parameters(draw(0)), "adam", loss_scaler=LossScaler(64.0))
    scaled(made, 1)
    twin = copied(made)
    scaled(made, 2, bad=True)
    assert (twin.loss_scaler.scale, twin.loss_scaler.good, made.loss_scaler.scale) == (64.0, 1, 32.0)


def test_states_hold_scale_and_count():
    made, twin = (Trainer(Parameters(draw(0)), "adam", loss_scaler=LossScaler(64.0, growth_interval=3)) for _ in "ab")
    for t, bad in enumerate((True, False, False)):
        scaled(made, t, bad)
    file = io.BytesIO()
    made.save_states(file)
    twin.params.flat[:] = made.params.flat
    file.seek(0)
    twin.load_states(file)
    assert (twin.loss_scaler.scale, twin.loss_scaler.good) == (32.0, 2)
    for t in (5, 6):
        assert scaled(made, t) == scaled(twin, t) and made.loss_scaler.scale == twin.loss_scaler.scale == 64.0
    assert content(made) == content(twin)
    file.seek(0)
    Trainer(Parameters(draw(0)), "adam").load_states(file)
    plain = io.BytesIO()
    Trainer(Parameters(draw(0)), "adam").save_states(plain)
    plain.seek(0)
    twin.load_states(plain)                                            # one that had none leaves it as it is
    assert twin.loss_scaler.scale == 64.0
    short = Trainer(Parameters(draw(0)), "adam", loss_scaler=LossScaler(8.0, growth_interval=2))
    file.seek(0)
    short.load_states(file)
    assert (short.loss_scaler.scale, short.loss_scaler.good) == (32.0, 1)     # it grows with the next good step


def test_it_ends_where_float32_does():
    scaler = LossScaler(2.0**126, growth_interval=1)
    for _ in range(3):
        scaler.observe(True)
    assert scaler.scale == 2.0**127
    trainer = Trainer(Parameters({"a": np.ones(2)}), "sgd", loss_scaler=LossScaler(4.0))
    for _ in range(400):
        assert not trainer.step(1, {"a": [np.nan, 1]}).applied
    assert trainer.loss_scaler.scale == 2.0**-120
    assert trainer.step(1, {"a": [0, 1]}).applied
    assert repr(LossScaler(2)) == "LossScaler(scale=2.0, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000)"


@pytest.mark.parametrize("keywords", [
    {"scale": 0}, {"scale": math.inf}, {"scale": 2.0**128}, {"growth_factor": 1}, {"backoff_factor": 1},
    {"backoff_factor": 0}, {"growth_interval": 0}])
def test_what_it_refuses(keywords):
    with pytest.raises(ValueError, match=next(iter(keywords))):
        LossScaler(**keywords)
    with pytest.raises(AttributeError, match="scale cannot be set"):
        LossScaler().scale = 2
    for wrong in ({"loss_scaler": 2}, {"loss_scaler": LossScaler}, {"on_step": 3}):
        with pytest.raises(TypeError, match=f"{next(iter(wrong))}="):
            Trainer(Parameters(draw(0)), "adam", **wrong)


def test_on_step_is_told_of_every_step():
    seen = []
    trainer = Trainer(Parameters(draw(0)), "adam", on_step=seen.append)
    returned = [trainer.step(4) for _ in range(3)]                     # of which two are mere calls
    returned.append(trainer.step(4, draw(1), clip_norm=0.5))
    returned.append(trainer.step(4, {**draw(1), "v": np.full(7, np.nan)}, skip_nonfinite=True))
    assert seen == returned and [info.applied for info in seen] == [True] * 4 + [False]
    assert seen[:3] == [APPLIED] * 3 and all(isinstance(info, StepInfo) for info in seen)
    with pytest.raises(ValueError):
        trainer.step(0)
    assert len(seen) == 5


def test_what_on_step_does_is_after_the_step():
    def again(info):
        if trainer.optimizer.num_update < 3:
            trainer.step(4)
    trainer, plain = Trainer(Parameters(draw(0)), "adam", on_step=again), Trainer(Parameters(draw(0)), "adam")
    trainer.step(4)
    for _ in range(3):
        plain.step(4)
    assert content(trainer) == content(plain) and bits(trainer.params.flat) == bits(plain.params.flat)
