"""numoptim.kernel and numoptim.hyper in a training loop that is jitted itself."""
import math
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError
from test_optimizer import bits, draw

import numoptim
from numoptim import Parameters, Trainer
from numoptim.rules import RULES, adam

SHAPES = {"a": (3, 50), "none": (0,), "b": (4200,), "c": ()}
STEPS, BATCH = 6, 4


# One loop for each family: least squares against a fixed target, so that gradients follow the weights.

@numba.njit
def elementwise(kernel, w, target, m, v, hyper, steps):
    grad = np.empty_like(w)
    for t in range(1, steps + 1):
        for i in range(len(w)):
            grad[i] = w[i] - target[i]
        kernel(w, grad, m, v, hyper, t)


@numba.njit
def layerwise(kernel, offsets, w, target, v, hyper, steps):
    grad = np.empty_like(w)
    for t in range(1, steps + 1):
        for i in range(len(w)):
            grad[i] = w[i] - target[i]
        kernel(offsets, w, grad, v, hyper, t)


@numba.njit
def noisy(kernel, w, target, hyper, steps):
    grad = np.empty_like(w)
    for t in range(1, steps + 1):
        for i in range(len(w)):
            grad[i] = w[i] - target[i]
        kernel(w, grad, hyper, t)


COMMON = {"learning_rate": 0.05, "wd": 0.01, "clip_gradient": 0.1}
LOOPS = {
    "adam": (elementwise, {"beta1": 0.8}, ["m", "v"]),
    "lars": (layerwise, {"momentum": 0.9, "eta": 0.1}, ["v"]),
    "sgld": (noisy, {"seed": 11, "temperature": 0.5}, []),
}


@pytest.mark.parametrize("name, dtype", [
    ("adam", np.float32), ("adam", np.float64), ("lars", np.float32), ("sgld", np.float64)])
def test_a_jitted_loop_equals_a_trainer(name, dtype):
    loop, keywords, slots = LOOPS[name]
    params, target = Parameters(draw(0, SHAPES, dtype)), Parameters(draw(1, SHAPES, dtype)).flat
    w, state = params.flat.copy(), [np.zeros_like(target) for _ in slots]
    hyper = numoptim.hyper(name, **COMMON, **keywords, rescale_grad=1 / BATCH)
    kernel = numoptim.kernel(name, dtype)
    loop(kernel, *([params.offsets] if loop is layerwise else []), w, target, *state, hyper, STEPS)

    trainer = Trainer(params, name, {**COMMON, **keywords})
    before = bits(params.flat)
    for _ in range(STEPS):
        params.grad.flat[:] = params.flat - target
        trainer.step(BATCH)
    assert bits(w) == bits(params.flat) != before

    once = Parameters(draw(0, SHAPES, dtype)).flat          # and the kernel called from Python
    fresh = [np.zeros_like(target) for _ in slots]
    for t in range(1, STEPS + 1):
        kernel(*([params.offsets] if loop is layerwise else []), once, once - target, *fresh, hyper, t)
    assert bits(once) == bits(w) and list(map(bits, fresh)) == list(map(bits, state))


def test_hyper_parameters_can_be_changed_between_calls():
    kernel, hyper = numoptim.kernel("sgd", np.float64), numoptim.hyper("sgd", learning_rate=1)

    @numba.njit
    def halved(w, grad, hyper):
        for t in range(1, 4):
            kernel(w, grad, hyper, t)
            hyper.learning_rate *= 0.5

    w = np.zeros(2)
    halved(w, np.ones(2), hyper)
    assert w.tolist() == [-1.75] * 2 and hyper["learning_rate"] == 0.125
    hyper["learning_rate"] = 2
    kernel(w, np.ones(2), hyper, 1)
    assert w.tolist() == [-3.75] * 2


def test_an_array_of_records_serves_groups_of_parameters():
    kernel = numoptim.kernel("sgd", np.float64)
    table = np.array([numoptim.hyper("sgd", learning_rate=1), numoptim.hyper("sgd", learning_rate=0.5, wd=1)])

    @numba.njit
    def each(weights, grads, table):
        for k in range(len(table)):
            kernel(weights[k], grads[k], table[k], 1)

    weights = np.ones((2, 3))
    each(weights, np.ones((2, 3)), table)
    assert weights.tolist() == [[0] * 3] * 2


def test_prange_takes_a_record_from_an_array(tmp_path):
    """Numba does not hand a record itself to the threads. In a process of its own, which gets Numba's threads."""
    in_a_process("""
import numba, numoptim
import numpy as np
adam_step = numoptim.kernel("adam", np.float64)
hypers = np.array([numoptim.hyper("adam", learning_rate=0.1)])

def rows(w, g, m, v, hypers):
    for k in numba.prange(len(w)):
        adam_step(w[k], g[k], m[k], v[k], hypers[0], 1)

found = []
for parallel in (False, True):
    w, m, v = np.ones((4, 3)), np.zeros((4, 3)), np.zeros((4, 3))
    numba.njit(parallel=parallel)(rows)(w, np.arange(12.0).reshape(4, 3), m, v, hypers)
    found.append((w, m, v))
assert np.array_equal(*found) and (found[0][0] < 1).sum() == 11
""", tmp_path)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_records_hold_every_hyper_parameter(rule):
    record = numoptim.hyper(rule.name)
    assert record.dtype == numoptim.hyper(rule).dtype
    assert list(record.dtype.names) == list(rule.fields)
    assert {key: record[key] for key in rule.fields} == {key: default for key, (default, _) in rule.fields.items()}
    assert {record.dtype[key].str for key in rule.fields} <= {"<f8", "<i8"}
    changed = numoptim.hyper(rule, wd=0.25, clip_gradient=None, rescale_grad=-2)
    assert (changed["wd"], changed["clip_gradient"], changed["rescale_grad"]) == (0.25, math.inf, -2)


def test_rules_by_name_or_object():
    kernel = numoptim.kernel("adam")
    assert kernel is numoptim.kernel(adam.RULE, "float32") is numoptim.kernel(adam.RULE, np.dtype("f4"))
    assert kernel is not numoptim.kernel("adam", float)


@pytest.mark.parametrize("call, error, message", [
    (lambda: numoptim.kernel("adm"), ValueError, "unknown rule 'adm'; did you mean 'adam'"),
    (lambda: numoptim.kernel("SGD momentum"), ValueError, "did you mean 'sgd_momentum'"),
    (lambda: numoptim.kernel("adam", np.float16), TypeError, "float16.*float32 and float64"),
    (lambda: numoptim.kernel("adam", int), TypeError, "int64.*float32 and float64"),
    (lambda: numoptim.hyper("adam", beta3=1), TypeError, "adam has no hyper-parameter 'beta3'; did you mean 'beta"),
    (lambda: numoptim.hyper("adam", beta1=1), ValueError, r"beta1=1 .*\[0, 1\)"),
    (lambda: numoptim.hyper("adam", clip_gradient=0), ValueError, "clip_gradient=0"),
    (lambda: numoptim.hyper("adam", wd="1"), TypeError, "wd='1'"),
    (lambda: numoptim.hyper("sgld", seed=1.5), TypeError, "seed=1.5: expected an integer"),
])
def test_unknown_names_and_values(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- errors of a kernel: before anything is written

ADAM, HYPER = numoptim.kernel("adam"), numoptim.hyper("adam", learning_rate=0.5)
LARS, LARS_HYPER = numoptim.kernel("lars"), numoptim.hyper("lars")
TABLE = np.array([0, 2, 5])


def zeros(size=5, dtype=np.float32):
    return np.zeros(size, dtype)


def changed(**values):
    record = numoptim.hyper("adam").copy()
    for key, value in values.items():
        record[key] = value
    return record


def refused(kernel, arguments, error, message=None):
    before = [bits(a) for a in arguments if isinstance(a, np.ndarray)]
    with pytest.raises(error, match=message):
        kernel(*arguments)
    assert [bits(a) for a in arguments if isinstance(a, np.ndarray)] == before


@pytest.mark.parametrize("kernel, arguments, message", [
    (ADAM, (zeros(), zeros() + 1, zeros(), zeros(), HYPER, 0), "steps count from t = 1"),
    (ADAM, (zeros(), zeros() + 1, zeros(), zeros(), HYPER, -5), "steps count from t = 1"),
    (ADAM, (zeros(), zeros() + 1, zeros(), zeros(), HYPER, np.uint64(2 ** 63)), "steps count from t = 1"),
    (ADAM, (zeros(), zeros(4) + 1, zeros(), zeros(), HYPER, 1), "differ in size"),
    (ADAM, (zeros(), zeros() + 1, zeros(6), zeros(), HYPER, 1), "differ in size"),
    (ADAM, (zeros(), zeros() + 1, zeros(), zeros(0), HYPER, 1), "differ in size"),
    (ADAM, (zeros(), zeros() + 1, zeros(), zeros(), changed(beta1=1), 1), "NaN or out of range"),
    (ADAM, (zeros(), zeros() + 1, zeros(), zeros(), changed(beta2=math.nan), 1), "NaN or out of range"),
    (ADAM, (zeros(), zeros() + 1, zeros(), zeros(), changed(learning_rate=-1), 1), "NaN or out of range"),
    (ADAM, (zeros(), zeros() + 1, zeros(), zeros(), changed(learning_rate=math.inf), 1), "NaN or out of range"),
    (ADAM, (zeros(), zeros() + 1, zeros(), zeros(), changed(rescale_grad=math.inf), 1), "NaN or out of range"),
    (ADAM, (zeros(), zeros() + 1, zeros(), zeros(), changed(epsilon=1e-46), 1), "NaN or out of range"),
    (ADAM, (zeros(), zeros() + 1, zeros(), zeros(), changed(rescale_grad=1e39), 1), "NaN or out of range"),
    (LARS, (TABLE, zeros(4), zeros(4) + 1, zeros(4), LARS_HYPER, 1), "offsets reach beyond the weights"),
    (LARS, (np.array([0, 3, 2, 5]), zeros(), zeros() + 1, zeros(), LARS_HYPER, 1), "offsets decrease or are negative"),
    (LARS, (np.array([-1, 5]), zeros(), zeros() + 1, zeros(), LARS_HYPER, 1), "offsets decrease or are negative"),
    (LARS, (np.array([0, 9, 5]), zeros(), zeros() + 1, zeros(), LARS_HYPER, 1), "offsets"),
    *((LARS, (np.array(table), zeros(), zeros() + 1, zeros(), LARS_HYPER, 1), "offsets")
      for table in ([0, -1, 5], [0, -2**63, 5], [0, 2**63 - 1, 5], [0, 2**62, 2**62 - 1, 5], [2, 1, 5], [0, 5, -2**63],
                    [0, 5, 2**63 - 1], [2**63 - 1, -2**63, 5], [-2**63, -2**63], [5, 2**63 - 1, 2**63 - 1])),
    (LARS, (np.array([], np.int64), zeros(), zeros() + 1, zeros(), LARS_HYPER, 1), "offsets"),
    (LARS, (TABLE, zeros(), zeros(6) + 1, zeros(), LARS_HYPER, 1), "differ in size"),
])
def test_values(kernel, arguments, message):
    refused(kernel, arguments, ValueError, message)


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("kernel, arguments", [
    (ADAM, (zeros(10)[::2], zeros() + 1, zeros(), zeros(), HYPER, 1)),
    (ADAM, (zeros(), zeros(10)[::2] + 1, zeros(), zeros(10)[::2], HYPER, 1)),
    (ADAM, (zeros(4).reshape(2, 2), zeros(4).reshape(2, 2), zeros(4).reshape(2, 2), zeros(4).reshape(2, 2), HYPER, 1)),
    (ADAM, (zeros(), zeros() + 1, zeros(), HYPER, 1)),
    (ADAM, (zeros(), zeros() + 1, zeros(), zeros(), numoptim.hyper("sgd"), 1)),
    (LARS, (TABLE[::2], zeros(), zeros() + 1, zeros(), LARS_HYPER, 1)),
    (LARS, (zeros(), zeros() + 1, zeros(), LARS_HYPER, 1)),
    (ADAM, (zeros(5, float), zeros(5, float) + 1, zeros(5, float), zeros(5, float), HYPER, 1)),
    (ADAM, (zeros(), zeros(5, float) + 1, zeros(), zeros(), HYPER, 1)),
    (ADAM, (zeros(), zeros() + 1, zeros(5, float), zeros(5, float), HYPER, 1)),
    (ADAM, (zeros(5, int), zeros(5, int) + 1, zeros(5, int), zeros(5, int), HYPER, 1)),
    (LARS, (TABLE.astype(float), zeros(), zeros() + 1, zeros(), LARS_HYPER, 1)),
    (ADAM, (read_only(zeros()), zeros() + 1, zeros(), zeros(), HYPER, 1)),
    (ADAM, (zeros(), zeros() + 1, zeros(), read_only(zeros()), HYPER, 1)),
], ids=["strided weight", "strided slot", "2-d", "missing slot", "other hyper", "strided offsets", "missing offsets",
        "float64", "float64 gradient", "float64 slots", "int", "float offsets", "read-only weight", "read-only slot"])
def test_types(kernel, arguments):
    refused(kernel, arguments, (TypeError, TypingError, KeyError))       # KeyError: a field the record does not have


def test_errors_in_a_jitted_loop_reach_python():
    @numba.njit
    def loop(w, grad, m, v, hyper):
        for t in range(3):
            ADAM(w, grad, m, v, hyper, t)

    w = zeros()
    with pytest.raises(ValueError, match="steps count from t = 1"):
        loop(w, zeros() + 1, zeros(), zeros(), HYPER)
    assert not w.any()


@pytest.mark.parametrize("name", ["adam", "nadam", "ftml", "sgld"])
def test_integers_of_any_type_count_steps(name):
    kernel, own = numoptim.kernel(name), numoptim.hyper(name)
    slots = len(numoptim.kernels.named(name).slots)
    found = []
    for t in (200, np.uint8(200), np.int32(200), np.uint32(200), np.uint64(200)):
        w = draw(2, {"w": 50})["w"]
        kernel(w, w * 0.5, *[np.zeros_like(w) for _ in range(slots)], own, t)
        found.append(bits(w))
    assert len(set(found)) == 1


def test_a_gradient_may_be_read_only():
    w = zeros()
    ADAM(w, read_only(zeros() + 1), zeros(), zeros(), HYPER, 1)
    assert (w == -0.5).all()


def test_empty_arrays_are_fine():
    ADAM(zeros(0), zeros(0), zeros(0), zeros(0), HYPER, 1)
    LARS(np.array([0, 0]), zeros(0), zeros(0), zeros(0), LARS_HYPER, 1)
    w = zeros()
    LARS(np.array([0, 0, 5, 5]), w, zeros() + 1, zeros(), LARS_HYPER, 1)
    assert (w == np.float32(-0.01)).all()


# --- importing

def in_a_process(script, cwd):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120, cwd=cwd, env=environment)


def test_importing_numoptim_does_not_import_numba(tmp_path):
    in_a_process("""
import sys, numoptim
from numoptim import Parameters, Rule, Trainer, hyper, kernel, lr_scheduler, optimizer
opt = optimizer.Adam(learning_rate=0.5, lr_scheduler=lr_scheduler.CosineScheduler(10))
record = hyper("adam")
print(opt.learning_rate, record["beta1"])
heavy = {"numba", "llvmlite", "matplotlib", "sklearn", "rich", "scipy"} & set(sys.modules)
assert not heavy, heavy
""", tmp_path)


def test_it_works_from_any_directory(tmp_path):
    in_a_process("""
import numpy as np
from numoptim import Parameters, Trainer
params = Parameters({"w": np.zeros(3)})
Trainer(params, "sgd", {"learning_rate": 1}).step(1, grads={"w": [1, 2, 3]})
assert params["w"].tolist() == [-1, -2, -3]
""", tmp_path)
    assert os.listdir(tmp_path) == []
