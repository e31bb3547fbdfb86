"""Groups, clipping, steps left out and parameters that sit out, on a GPU: the bits and words of the processor's."""
import numpy as np
import pytest
from gpu_arrays import Graph, Stream, both, draw
from test_device_trainer import same, same_slots
from test_optimizer import SHAPES, make

from numoptim import LossScaler, Parameters, Trainer
from numoptim.lr_scheduler import CosineScheduler, LinearScheduler

NAMES = list(SHAPES)
GROUPS = {NAMES[0]: {"wd": 0.3, "clip_gradient": 0.4}, NAMES[3]: {"learning_rate": CosineScheduler(20, 0.1),
                                                                 "rescale_grad": 0.7}}
EACH = [("adamw", {}), ("sgd", {"momentum": 0.9}), ("lamb", {}), ("prodigy", {"d0": 0.1}), ("sgld", {"seed": 3}),
        ("novograd", {}), ("sgdschedulefree", {}), ("lbsgd", {"batch_scale": 2, "momentum": 0.5})]
each = pytest.mark.parametrize("name, keywords", EACH, ids=[name for name, _ in EACH])


def trainers(name, keywords, **how):
    return [Trainer(params, make(name, keywords), **how) for params in both(draw(0, SHAPES, np.float32))]


def give(trainer, grads):
    for name, grad in grads.items():
        trainer.params.grad[name] = grad


def gradients(seed):
    return draw(seed, SHAPES, np.float32)


@each
def test_groups(gpu, name, keywords):
    groups = {NAMES[0]: {"wd": 0.3}} if name in ("sgld", "prodigy", "sgdschedulefree") else GROUPS
    made = trainers(name, keywords, groups=groups)
    for t in range(1, 6):
        for trainer in made:
            give(trainer, gradients(t))
            trainer.step(4)
        assert same(made[0].params, made[1].params) and same_slots(*made)


@each
def test_clipping_and_steps_left_out(gpu, name, keywords):
    made = trainers(name, keywords, clip_norm=0.5, skip_nonfinite=True)
    for t in range(1, 7):
        grads, seen = gradients(t), []
        if t == 3:
            grads["v"][2] = np.inf
        for trainer in made:
            give(trainer, grads)
            seen.append(trainer.step(4))
        assert seen[0] == seen[1] and seen[0].applied == (t != 3)
        assert seen[0].applied or seen[0].nonfinite == "v"
        assert same(made[0].params, made[1].params) and same_slots(*made)


@pytest.mark.parametrize("name, keywords", EACH[:-1], ids=[name for name, _ in EACH[:-1]])
def test_parameters_that_sit_out(gpu, name, keywords):
    """But LBSGD's, whose batches are of the same parameters."""
    made = trainers(name, keywords)
    out = [(), ("w",), ("w", "v"), (), ("b",), ("v",), ()]
    for t, names in enumerate(out, 1):
        for trainer in made:
            trainer.thaw("*")
            trainer.freeze(*names)
            give(trainer, gradients(t))
            trainer.step(4)
        assert same(made[0].params, made[1].params) and same_slots(*made)


def test_gradients_that_are_missing(gpu):
    made = trainers("adam", {})
    for t in range(1, 6):
        for trainer in made:
            grads = {key: trainer.params.memory.given(g) if trainer.params.device == "cpu" else g
                     for key, g in gradients(t).items() if (len(key) + t) % 3}
            if trainer.params.device != "cpu":
                device = Parameters(gradients(t), device="cuda")
                grads = {key: device[key] for key in grads}
            trainer.step(4, grads, missing="zero" if t == 4 else "skip")
        assert same(made[0].params, made[1].params) and same_slots(*made)


def test_a_loss_scaler(gpu):
    made = [Trainer(params, "adam", loss_scaler=LossScaler(16.0, growth_interval=2))
            for params in both(draw(0, SHAPES, np.float32))]
    for t in range(1, 6):
        for trainer in made:
            grads = {key: trainer.loss_scaler.scale * g for key, g in gradients(t).items()}
            if t == 2:
                grads["w"][0, 0] = np.nan
            give(trainer, grads)
            trainer.step(4)
        assert same(made[0].params, made[1].params) and same_slots(*made)
        assert made[0].loss_scaler.scale == made[1].loss_scaler.scale


def test_schedules_of_groups(gpu):
    groups = {NAMES[0]: {"beta1": LinearScheduler(9, 0.9, 0.5), "wd": 0.1 * CosineScheduler(9, 1.0)}}
    made = trainers("adamw", {}, groups=groups)
    for t in range(1, 9):
        for trainer in made:
            give(trainer, gradients(t))
            trainer.step(4)
        assert same(made[0].params, made[1].params)


@pytest.mark.parametrize("how", [{"clip_norm": 1.0}, {"skip_nonfinite": True}])
def test_a_step_that_waits_for_its_norm_is_not_captured(gpu, how):
    stream = Stream()
    trainer = Trainer(Parameters(draw(0, SHAPES, np.float32), device="cuda", stream=stream), "adam", **how)
    assert trainer.step(1).applied
    before = trainer.params.flat.to_host().tobytes()
    with pytest.raises(RuntimeError, match="waits for its norm: it cannot be captured"), Graph(stream):
        trainer.step(1)
    assert trainer.params.flat.to_host().tobytes() == before
    stream.close()
