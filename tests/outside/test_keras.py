"""Keras 3's numbers: those its own tests print, and ten steps of signed gradients recorded from it.

``keras_cases.py`` has the options that make both compute the same. Definitions differ in these: Keras adds Adam's
epsilon before the correction (as MXNet), starts AdaGrad's sum at ``initial_accumulator_value`` (here a part of ``eps``)
and Ftrl's (here written to the slot); its Nadam is ``schedule_decay=1``, its l2 of Ftrl half of ``wd``, and its
``weight_decay`` is decoupled, which for SGD is the same. Not here, and not compared: amsgrad (Keras' golden gradients
only grow, where it changes nothing), Ftrl's other ``learning_rate_power`` and ``l2_shrinkage``, ``clipnorm``.
"""
import math
from pathlib import Path

import numpy as np
import pytest
from keras_cases import CASES

from numoptim import optimizer

RECORDED = dict(np.load(Path(__file__).parents[1] / "data" / "keras-3.15.1.npz"))
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def start(optimize, weight, accumulator):
    state = optimize.create_state(0, weight)
    if accumulator:
        state.slots["n"].fill(accumulator)
    return state


# --- what Keras' tests print

SGD = [[0.9999, 0.9999, 0.9999, 0.9999, 0.9999, 0.9999, 0.9999, 0.9999, 0.9999, 0.9999],
       [0.9989, 0.9979, 0.9969, 0.9959, 0.9949, 0.9939, 0.9929, 0.9919, 0.9909, 0.9899],
       [0.9979, 0.9959, 0.9939, 0.9919, 0.9899, 0.9879, 0.9859, 0.9839, 0.9819, 0.9799],
       [0.9969, 0.9939, 0.9909, 0.9879, 0.9849, 0.9819, 0.9789, 0.9759, 0.9729, 0.9699],
       [0.9959, 0.9919, 0.9879, 0.9839, 0.9799, 0.9759, 0.9719, 0.9679, 0.9639, 0.9599]]
# Class, options, tolerance, and ten weights (one number: all the same) after a gradient of 0.01 and then after each of
# four times 0.1, 0.2 ... 1.0. Four digits are printed, Adam's for all weights alike; LAMB's are Adam's numbers, which
# the 1e-3 that Keras allows everywhere lets pass.
GOLDEN = {
    "SGD": ("SGD", {}, 6e-5, SGD),
    "SGD(nesterov=True)": ("NAG", {}, 6e-5, SGD),                     # without momentum, as Keras' test has it
    "Adam": ("Adam", {"epsilon": 1e-7}, 2e-4, [0.999, 0.9982, 0.9974, 0.9965, 0.9955]),
    "Adamax": ("Adamax", CASES["adamax"].mapped, 6e-5, [
        [0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8],
        [0.6827, 0.6873, 0.6888, 0.6896, 0.6901, 0.6904, 0.6906, 0.6908, 0.6909, 0.691],
        [0.5333, 0.5407, 0.5431, 0.5444, 0.5451, 0.5456, 0.546, 0.5462, 0.5464, 0.5466],
        [0.368, 0.3773, 0.3804, 0.382, 0.3829, 0.3835, 0.384, 0.3843, 0.3846, 0.3848],
        [0.1933, 0.204, 0.2076, 0.2094, 0.2105, 0.2112, 0.2117, 0.2121, 0.2124, 0.2126]]),
    "Nadam": ("Nadam", CASES["nadam"].mapped, 6e-5, [
        [0.4281, 0.4281, 0.4281, 0.4281, 0.4281, 0.4281, 0.4281, 0.4281, 0.4281, 0.4281],
        [-0.1738, -0.1731, -0.1726, -0.1723, -0.1721, -0.172, -0.1719, -0.1718, -0.1718, -0.1717],
        [-0.7115, -0.7103, -0.7096, -0.7092, -0.709, -0.7088, -0.7086, -0.7085, -0.7085, -0.7084],
        [-1.2335, -1.2322, -1.2313, -1.2309, -1.2306, -1.2304, -1.2302, -1.2301, -1.23, -1.2299],
        [-1.7492, -1.7478, -1.7469, -1.7464, -1.7461, -1.7459, -1.7457, -1.7456, -1.7455, -1.7454]]),
    "RMSprop(centered=True)": ("RMSProp", {"centered": True, "gamma2": 0.0, "epsilon": 1e-7}, 6e-5,
                               [0.9967, 0.9933, 0.9908, 0.9885, 0.9864]),
    "Adagrad": ("AdaGrad", CASES["adagrad"].mapped, 6e-5, [
        [0.9963, 0.9963, 0.9963, 0.9963, 0.9963, 0.9963, 0.9963, 0.9963, 0.9963, 0.9963],
        [0.9604, 0.9278, 0.9003, 0.8784, 0.8615, 0.8487, 0.8388, 0.8313, 0.8255, 0.8209],
        [0.9251, 0.8629, 0.8137, 0.7768, 0.7497, 0.7298, 0.7151, 0.704, 0.6956, 0.6891],
        [0.8903, 0.8012, 0.7342, 0.6862, 0.6521, 0.6277, 0.6099, 0.5967, 0.5867, 0.579],
        [0.856, 0.7422, 0.6604, 0.6037, 0.5644, 0.5367, 0.5168, 0.5021, 0.491, 0.4825]]),
    "Adadelta": ("AdaDelta", CASES["adadelta"].mapped, 6e-5, [0.9978, 0.9947, 0.9915, 0.9882, 0.9849]),
    "Lamb": ("LAMB", {"epsilon": 1e-7}, 1e-3, [0.999, 0.9982, 0.9974, 0.9965, 0.9955]),
    "Lion": ("Lion", {"learning_rate": 0.001}, 6e-5, [0.999, 0.998, 0.997, 0.996, 0.995]),
}
# Weights 1, 2, 3, 4 after the gradients 1, 6, 7, 2 at a learning rate of 0.5, to 1e-4.
SINGLE = {
    "SGD": ("SGD", {}, [0.5, -1.0, -0.5, 3.0]),
    "Adam": ("Adam", {}, [0.5, 1.5, 2.5, 3.5]),
    "Adamax": ("Adamax", {}, [0.5, 1.5, 2.5, 3.5]),
    "Nadam": ("Nadam", {"schedule_decay": 1.0}, [0.4686, 1.4686, 2.4686, 3.4686]),
    "RMSprop": ("RMSProp", {}, [-0.5811, 0.4189, 1.4189, 2.4189]),
    "Adagrad": ("AdaGrad", {"eps": 0.1}, [0.5233, 1.5007, 2.5005, 3.5061]),
    "Adadelta": ("AdaDelta", {"rho": 0.95, "epsilon": 1e-7}, [0.9993, 1.9993, 2.9993, 3.9993]),
    "Ftrl": ("Ftrl", {"lamda1": 0.0, "beta": 0.0}, [0.2218, 1.3954, 2.3651, 2.8814]),     # the sum starts at 0.1
    "Lamb": ("LAMB", {}, [-0.3693, 0.6306, 1.6306, 2.6306]),
    "Lion": ("Lion", {}, [0.5, 1.5, 2.5, 3.5]),
}


@each_dtype
@pytest.mark.parametrize("name", GOLDEN)
def test_golden_numbers(name, dtype):
    cls, options, tolerance, golden = GOLDEN[name]
    weight = np.ones(10, dtype)
    optimize = optimizer.create(cls, **options)
    state = start(optimize, weight, 0.0)
    growing = np.arange(1, 11) / 10
    for row, gradient in zip(golden, [np.full(10, 0.01), *[growing] * 4], strict=True):
        optimize.update(0, weight, gradient.astype(dtype), state)
        np.testing.assert_allclose(weight, np.broadcast_to(row, 10), rtol=0, atol=tolerance)


@each_dtype
@pytest.mark.parametrize("name", SINGLE)
def test_single_step(name, dtype):
    cls, options, expected = SINGLE[name]
    weight = np.array([1, 2, 3, 4], dtype)
    optimize = optimizer.create(cls, **{"learning_rate": 0.5, **options})
    optimize.update(0, weight, np.array([1, 6, 7, 2], dtype), start(optimize, weight, 0.1 if name == "Ftrl" else 0.0))
    np.testing.assert_allclose(weight, expected, rtol=0, atol=1e-4)


def test_decay_of_three_steps():
    weight = np.full(1, 2.0)
    optimize = optimizer.SGD(learning_rate=1.0, wd=0.004)
    state = optimize.create_state(0, weight)
    for _ in range(3):
        optimize.update(0, weight, np.zeros(1), state)
    assert weight[0] == pytest.approx(1.9760959, abs=5e-8)


# --- what Keras computes

@each_dtype
@pytest.mark.parametrize("name", CASES)
def test_recorded_steps(name, dtype):
    case, tolerance = CASES[name], 1e-13 if dtype == np.float64 else 2e-5
    weight = RECORDED["w0"].astype(dtype)
    optimize = optimizer.create(case.own, **case.mapped)
    state = start(optimize, weight, case.accumulator)
    for t, (gradient, recorded) in enumerate(zip(RECORDED["g"].astype(dtype), RECORDED[name], strict=True), 1):
        if case.keras == "Adam":
            optimize.epsilon = case.mapped["epsilon"] / math.sqrt(1 - case.mapped["beta2"] ** t)
        optimize.update(0, weight, gradient, state)
        np.testing.assert_allclose(weight, recorded, rtol=0, atol=tolerance * abs(recorded).max())
