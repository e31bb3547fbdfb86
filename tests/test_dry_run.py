"""A Rule finds its own mistakes when it is made: one sentence each, with the line."""
import math
import re
from math import sqrt, tanh

import numpy as np
import pytest
from reference import FLOAT, arrays, each_dtype, same_bits, step

from numoptim import Rule
from numoptim.rule import clip, exp, log, power

HYPER = {"learning_rate": (0.01, "[0, inf)"), "beta1": (0.9, "[0, 1)"), "warm": (True, "[0, 1]")}
DEFAULTS = {key: default for key, (default, _) in HYPER.items()}
TABLE = (0.5, 0.25)


def misspelt(w, g, m, h):
    return w - h.learning_rate * g, h.beta_1 * m


def misspelt_in_a_branch(w, g, m, h):
    if g > 1e30:
        return w, h.momentum * m
    return w, m


def slot_forgotten(w, g, m, h):
    return w - g


def too_many(w, g, m, h):
    return w, m, g


def of_an_integer(w, g, m, h):
    return w - 3 * g, m


def compared_with_an_integer(w, g, m, h):
    return w if g > 0 else g, m


def one_branch_an_integer(w, g, m, h):
    return w - (g if g > 0.0 else 0), m


def slot_an_integer(w, g, m, h):
    return w, 0


def condition(w, g, m, h):
    return w, g > m


def counted(w, g, m, h):
    for i in range(3):
        m += i
    return w, m


def squared(w, g, m, h):
    return w - g ** 2, m


def remainder(w, g, m, h):
    return w % g, m


def rounded(w, g, m, h):
    return round(w), m


def unknown_helper(w, g, m, h):
    return w - helper(g), m         # noqa: F821


def halved(x):
    return x / 2


def through_a_helper(w, g, m, h):
    return halved(w), m


def exponential(w, g, m, h):
    return w - math.exp(g), m


def turned(w, g, m, h):
    return w - math.pi * g, m


def hyperbolic(w, g, m, h):
    return sqrt(w) * tanh(g), m


def of_numpy(w, g, m, h):
    return np.sign(w), m


def constant_of_numpy(w, g, m, h):
    return w * np.float32(0.5), m


def attribute(w, g, m, h):
    return w.real, m


def setting(w, g, m, h):
    h.beta1 = 0.5
    return w, m


def raising(w, g, m, h):
    if g > 1e30:
        raise ValueError("too steep")
    return w, m


def printing(w, g, m, h):
    print(w)
    return w, m


def endless(w, g, m, h):
    while g > 0.0:
        m = m + g
    return w, m


def nothing(w, g, m, h):
    pass


@pytest.mark.parametrize(("update", "message"), [
    (misspelt, "(return w - h.learning_rate * g, h.beta_1 * m): there is no hyper-parameter 'beta_1'; "
               "did you mean 'beta1'?"),
    (misspelt_in_a_branch, "(return w, h.momentum * m): there is no hyper-parameter 'momentum'"),
    (slot_forgotten, ": it returns one value; expected a tuple of 2: w, m"),
    (too_many, ": it returns 3 values; expected 2: w, m"),
    (of_an_integer, "(return w - 3 * g, m): float32 elements are computed in double precision because of the integer"),
    (compared_with_an_integer, "(return w if g > 0 else g, m): float32 elements"),
    (one_branch_an_integer, "(return w - (g if g > 0.0 else 0), m): float32 elements"),
    (slot_an_integer, ": of what it returns, m is wrong: float32 elements"),
    (condition, ": of what it returns, m is wrong: float32 elements"),
    (counted, "(m += i): float32 elements"),
    (squared, "(return w - g ** 2, m): ** has other bits on other processors"),
    (remainder, "(return w % g, m): % of floats"),
    (rounded, "(return round(w), m): round is none of what kernels have"),
    (unknown_helper, "NameError: name 'helper' is not defined"),
    (through_a_helper, "(return x / 2): float32 elements"),
    (exponential, "(return w - math.exp(g), m): math.exp has other bits on other processors: call numoptim.rule.exp"),
    (turned, "math.pi is of float64: write a constant of the module, PI = math.pi"),
    (hyperbolic, "(return sqrt(w) * tanh(g), m): tanh is none of what kernels have"),
    (of_numpy, "(return np.sign(w), m): TypeError"),
    (constant_of_numpy, "(return w * np.float32(0.5), m): rules call math.sqrt"),
    (attribute, "(return w.real, m): a number has no attribute 'real'"),
    (setting, "(h.beta1 = 0.5): h.beta1 cannot be set"),
    (raising, "ValueError is none of what kernels have"),
    (printing, "(print(w)): print is none of what kernels have"),
    (endless, "it comes to no end"),
    (nothing, ": it returns one value; expected a tuple of 2: w, m"),
], ids=lambda value: getattr(value, "__name__", ""))
def test_updates_that_cannot_be_right(update, message, capsys):
    line = re.escape(f", {__file__}:") + r"\d+ " if message[0] != ":" else ""
    with pytest.raises(ValueError, match=f"^rule 'own': update{line}.*{re.escape(message)}") as refused:
        Rule("own", update, ("m",), HYPER)
    assert len(str(refused.value).splitlines()) == 1 and capsys.readouterr().out == ""


def decay(w, g, m, h):
    return w - h.rate * g, h.beta1_c * m


def update_ratio(w, g, m, r, h):
    return w - r * g, m


PARTS = {
    "one value": ("prepare", lambda t, h: 1 - h.beta1, "prepare: it returns one value; expected a tuple of 2"),
    "three values": ("prepare", lambda t, h: (1.0, 2.0, 3.0), "prepare: it returns 3 values; expected 2: rate, b"),
    "power": ("prepare", lambda t, h: (h.beta1 ** t, 0.0), "prepare.*: \\*\\* has other bits"),
    "float power": ("prepare", lambda t, h: (power(t, h.beta1), 0.0), "prepare.*wants an integer n"),
    "derived": ("prepare", lambda t, h: (h.rate, 0.0), "prepare.*no hyper-parameter 'rate'"),
    "branch": ("prepare", lambda t, h: (h.learning_rate, 0.0) if h.warm != 0 else (h.wram, 0.0), "mean 'warm'?"),
    "init": ("init", lambda w, h: w, "init: it returns one value; expected a tuple of 1: m"),
    "init integer": ("init", lambda w, h: (0,), "init: of what it returns, m is wrong"),
    "measure": ("measure", lambda w, g, m, h: (w, g, m), "measure: it returns 3 values; expected 2"),
    "trust": ("trust", lambda a, b, h: math.exp(a), "trust.*: math.exp has other bits"),
    "trust pair": ("trust", lambda a, b, h: (a, b), "trust: of what it returns, the ratio is wrong"),
}


@pytest.mark.parametrize("case", PARTS)
def test_other_functions_that_cannot_be_right(case):
    part, function, message = PARTS[case]
    parts = {"prepare": lambda t, h: (1.0, 2.0), "derived": ("rate", "beta1_c"), "update": decay}
    if part in ("measure", "trust"):
        parts |= {"measure": lambda w, g, m, h: (w, g), "trust": lambda a, b, h: a / b, "update": update_ratio}
    with pytest.raises(ValueError, match=f"^rule 'own': .*{message}"):
        Rule(**{"name": "own", "slots": ("m",), "hyper": HYPER, **parts, part: function})


def refers_to_a_local(factor):
    def update(w, g, h):
        return w - factor * g
    return update


@pytest.mark.parametrize("function, message", [
    (refers_to_a_local(2.0), r"refers to local variables \('factor',\)"),
    (type("Callable", (), {"__call__": lambda self, w, g, h: w})(), "made of plain Python functions")])
def test_what_is_no_plain_function_is_refused(function, message):
    with pytest.raises(TypeError, match=message):
        Rule("own", function)


# --- what is right stays right: in the type of the elements, as NumPy's scalars have it

def mixed(w, g, m, h, share=0.25):
    whole = int(clip(4.0 * abs(g), 0.0, 7.0))
    for i in range(whole):
        m = m + share / float(i + 1)
    m = m * (TABLE[1] if whole > 2 else TABLE[0])
    return max(w, -1e30) - h.learning_rate * exp(-abs(g)) * log(1.5 + abs(w)) * power(g, 3), math.copysign(m, g)


def update_mixed(w, g, m, h):
    return mixed(w, g, m, h)


@each_dtype
def test_functions_of_elements_compute_in_their_type(dtype):
    rule = Rule("mixed", update_mixed, ("m",), HYPER)
    rng = np.random.default_rng(0)
    group = {"learning_rate": 0.5, "wd": 0.125, "rescale_grad": 2.0, "clip_gradient": 9.0}
    got = [rng.standard_normal(501).astype(FLOAT[dtype]) for _ in range(3)]
    got[1][:10] = 0
    expected = [buffer.copy() for buffer in got]
    for t in (1, 2):
        arrays(rule, got, {**DEFAULTS, **group}, t, None)
        step(rule, expected, [{**DEFAULTS, **group}], t)
    assert all(map(same_bits, got, expected))

