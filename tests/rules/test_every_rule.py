"""What holds for every rule: learning rates of 0, and the order of clip and decay."""
import numpy as np
import pytest
from reference import BY_NAME, each_rule, make, same_bits, slots_of

from numoptim import Parameters, Trainer
from numoptim.lr_scheduler import PolyScheduler

LEFT_OVER = {"sgd_momentum", "nag", "rmsprop_momentum", "rmsprop_centered", "accumulate", "lbsgd_lars", "lars",
             "dcasgd_momentum"}
SCHEDULED = [rule for rule in BY_NAME.values() if rule.name not in ("rprop", "gradient_norm")]
# Not lbsgd_lars, whose norm is that of the whole mean, nor gradient_norm, which leaves weights alone.
CLIPPED = [rule for rule in BY_NAME.values() if rule.name not in ("lbsgd_lars", "gradient_norm")]


def train(optimize, weight, gradients, **keywords):
    """Weights after every step, and a copy of the slots."""
    params = Parameters({"w": weight})
    trainer = Trainer(params, optimize, **keywords)
    path = []
    for g in gradients:
        trainer.step(1, {"w": g})
        path.append(params.flat.copy())
    return path, {name: slot.copy() for name, slot in slots_of(trainer).items()}


def weights(seed=11, size=50):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, size), rng.standard_normal((12, size))


@each_rule
def test_rate_zero_from_the_start(rule):
    w, gradients = weights()
    path, slots = train(make(rule, lr_mult={"w": 0.0}), w, gradients)
    assert all(same_bits(after, w) for after in path)
    assert all(np.isfinite(slot).all() for slot in slots.values())
    if rule.needs_rate:
        _, before = train(make(rule), w, [])
        assert all(same_bits(slots[name], before[name]) for name in slots)


@pytest.mark.parametrize("rule", SCHEDULED, ids=lambda rule: rule.name)
def test_schedule_that_reaches_zero(rule):
    w, gradients = weights()
    options = {"lr_scheduler": PolyScheduler(max_update=6, base_lr=0.05)}
    options |= {"clip_weights": None} if "clip_weights" in rule.fields else {}
    path, slots = train(make(rule, **options), w, gradients)
    assert not same_bits(path[4], w)                          # step 6 and those after it have rate 0
    assert all(np.isfinite(x).all() for x in (*path, *slots.values()))
    if "schedule_free" in rule.name:                          # z rests; the average goes on towards it
        _, before = train(make(rule, **options), w, gradients[:5])
        assert same_bits(slots["z"], before["z"])
    elif rule.name in LEFT_OVER:
        stride = getattr(make(rule), "batch_scale", 1)
        steps = np.diff(path[5::stride], axis=0)
        np.testing.assert_allclose(steps[1:], 0.8 * steps[:-1], 1e-9, 1e-12)      # momentum alone
    else:
        assert all(same_bits(after, path[4]) for after in path[5:])
    if rule.needs_rate:
        _, before = train(make(rule, **options), w, gradients[:5])
        assert all(same_bits(slots[name], before[name]) for name in slots)


@each_rule
def test_a_parameter_at_rest_holds_up_no_other(rule):
    w, gradients = weights()
    alone, _ = train(make(rule), w, gradients)
    for names in ("rest", "w"), ("w", "rest"):
        params = Parameters(dict.fromkeys(names, w))
        trainer = Trainer(params, make(rule, lr_mult={"rest": 0.0}))
        for g in gradients:
            trainer.step(1, dict.fromkeys(names, g))
        assert same_bits(params["rest"], w)
        if names[0] == "w" or not rule.noisy:                 # a parameter behind another has other noise
            assert same_bits(params["w"], alone[-1])


@pytest.mark.parametrize("rule", CLIPPED, ids=lambda rule: rule.name)
def test_clip_bounds_the_gradient_before_decay(rule):
    w, gradients = weights()
    options = {"batch_scale": 1} if rule.name == "accumulate" else {}
    options |= {"wd": 0.0 if rule.name == "rprop" else 5.0, "rescale_grad": 1.0}
    clipped, _ = train(make(rule, clip_gradient=0.5, **options), w, gradients)
    free, _ = train(make(rule, clip_gradient=None, **options), w, np.clip(gradients, -0.5, 0.5))
    unclipped, _ = train(make(rule, clip_gradient=None, **options), w, gradients)
    assert same_bits(clipped[-1], free[-1])
    assert rule.name in ("signsgd", "rprop") or not same_bits(clipped[-1], unclipped[-1])


@pytest.mark.parametrize("rule", CLIPPED, ids=lambda rule: rule.name)
def test_rescale_comes_before_the_clip(rule):
    w, gradients = weights()
    options = {"clip_gradient": 0.5, **({"batch_scale": 1} if rule.name == "accumulate" else {})}
    scaled, _ = train(make(rule, rescale_grad=0.25, **options), w, gradients)
    given, _ = train(make(rule, rescale_grad=1.0, **options), w, gradients / 4)
    assert same_bits(scaled[-1], given[-1])
