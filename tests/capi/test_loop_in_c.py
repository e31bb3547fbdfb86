"""What a Trainer does around a step, by the C functions alone: the norm that clips it, and steps that were missed."""
import math

import numpy as np
import pytest
from library import FFI, LIB

from numoptim import Parameters, Trainer

SHAPES = {"a": 5000, "b": 3, "c": 4097}
OFFSETS = np.array([0, 5000, 5003, 9100])
NUMBER = {"f32": np.float32, "f64": np.float64}
FROZEN = -1


def at(kind, array):
    return FFI.cast(kind, array.ctypes.data)


def defaults(rule, **changed):
    """A rule's struct, with the values that a Trainer's optimizer has by default."""
    h = FFI.new(f"numoptim_{rule} *")
    known = next(LIB.numoptim_rule_at(k) for k in range(LIB.numoptim_rule_count())
                 if FFI.string(LIB.numoptim_rule_at(k).name).decode() == rule)
    for k in range(known.field_count):
        name = FFI.string(known.fields[k].name).decode()
        setattr(h, name, changed.get(name, known.fields[k].default_value))
    return h


@pytest.mark.parametrize("dtype", NUMBER)
def test_a_step_that_its_norm_clips(dtype):
    rng, number, pointer = np.random.default_rng(0), NUMBER[dtype], {"f32": "float *", "f64": "double *"}[dtype]
    start = {name: rng.standard_normal(size).astype(number) for name, size in SHAPES.items()}
    trainer = Trainer(Parameters(start), "adam", clip_norm=2.0)
    w, m, v = np.concatenate(list(start.values())), np.zeros(9100, number), np.zeros(9100, number)
    for t in range(1, 5):
        g = (t * rng.standard_normal(9100)).astype(number)
        norm, scale = FFI.new("double *"), 1 / 8
        h = defaults("gradient_norm", rescale_grad=scale)
        assert getattr(LIB, f"numoptim_gradient_norm_{dtype}")(
            3, at("int64_t *", OFFSETS), at(pointer, w), at(pointer, g), norm, h, 1) == 0
        factor = 2.0 / norm[0] if norm[0] > 2.0 else 1.0
        h = defaults("adam", rescale_grad=scale * factor)
        assert getattr(LIB, f"numoptim_adam_{dtype}")(
            9100, *(at(pointer, x) for x in (w, g, m, v)), h, t) == 0
        trainer.params.grad.flat[:] = g
        info = trainer.step(8)
        assert (info.grad_norm, info.clip_factor) == (norm[0], factor) and factor < 1
        assert trainer.params.flat.tobytes() == w.tobytes()
        assert trainer.slots["v"]["c"].tobytes() == v[5003:].tobytes()


def test_a_parameter_that_missed_a_step():
    """One plan for each number of steps that were missed, in which the others are frozen."""
    rng = np.random.default_rng(1)
    start = {name: rng.standard_normal(size).astype(np.float32) for name, size in SHAPES.items()}
    trainer = Trainer(Parameters(start), "adam")
    w, m, v = np.concatenate(list(start.values())), np.zeros(9100, np.float32), np.zeros(9100, np.float32)
    missed = [0, 0, 0]
    for t, out in enumerate([(), (1,), (), (0, 1), (2,), ()], 1):
        g = rng.standard_normal(9100).astype(np.float32)
        for lag in sorted({missed[k] for k in range(3) if k not in out}):
            which = np.array([0 if k not in out and missed[k] == lag else FROZEN for k in range(3)])
            plan = FFI.new("numoptim_plan *")
            h = defaults("adam")
            plan.count, plan.segments, plan.groups, plan.hyper = 9100, 3, 1, h
            plan.offsets, plan.which = at("int64_t *", OFFSETS), at("int64_t *", which)
            for k, buffer in enumerate((w, g, m, v)):
                plan.buffers[k] = at("void *", buffer)
            entry = next(LIB.numoptim_rule_at(k) for k in range(LIB.numoptim_rule_count())
                         if FFI.string(LIB.numoptim_rule_at(k).name) == b"adam").passes[0][0]
            assert entry(plan, t - lag) == 0
        for k in out:
            missed[k] += 1
        names = list(SHAPES)
        trainer.step(1, {name: g[OFFSETS[k]:OFFSETS[k + 1]] for k, name in enumerate(names) if k not in out},
                     missing="skip")
        assert trainer.params.flat.tobytes() == w.tobytes()
    assert missed == [1, 2, 1] and not math.isnan(w.sum())
