"""A Rule finds its own mistakes when it is made: one sentence each, with the line."""
import math
import re
import runpy
from math import sqrt, tanh

import numpy as np
import pytest
from reference import FLOAT, arrays, each_dtype, same_bits, step

from numoptim import hyper, kernel, rule
from numoptim.native.library import entry
from numoptim.rule import Reduction, Rule, clip, exp, log, power

HYPER = {"learning_rate": (0.01, "[0, inf)"), "beta1": (0.9, "[0, 1)"), "warm": (True, "[0, 1]")}
DEFAULTS = {key: default for key, (default, _) in HYPER.items()}
TABLE = (0.5, 0.25)
momentum = np.ones(3)               # no rule's: attributes of h are no globals


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


def raising_a_class(w, g, m, h):
    if g > 1e30:
        raise ZeroDivisionError
    return w, m


def factor(x, *, k):
    return k * x


def by_name_alone(w, g, m, h):
    return w - factor(g, k=0.5), m


def local(factor):
    def scaled(x):
        return factor * x
    return scaled


LOCAL = local(2.0)


def of_a_local(w, g, m, h):
    return w - LOCAL(g), m


def printing(w, g, m, h):
    print(w)
    return w, m


def endless(w, g, m, h):
    while g > 0.0:
        m = m + g
    return w, m


def nothing(w, g, m, h):
    pass


def whole_number(w, g, m, h):
    n = int(h.warm)
    rate = 0.1
    if n > 5:
        rate = n * 0.1
    return w - rate * g, m


def not_entered(w, g, m, h):
    for i in range(int(0.1 * g)):
        m = m + i
    return w, m


def after_a_whole_number(w, g, m, h):
    k = int(4.0 * g)
    if k > 1:
        return w * h.bate1, m
    return w, m


def itself(w, g, m, h):
    return again(w), m


def again(x):
    return x if x > 1.0 else again(2.0 * x)


def trying(w, g, m, h):
    try:
        return w / g, m
    except ZeroDivisionError:
        return w, m


def by_module(w, g, m, h):
    return w - rule.clip(g, -1.0, 1.0), m


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
    (exponential, "(return w - math.exp(g), m): math.exp is none of what kernels have: call exp of numoptim.rule"),
    (turned, "math.pi is of float64: write a constant of the module, PI = math.pi"),
    (hyperbolic, "(return sqrt(w) * tanh(g), m): tanh is none of what kernels have"),
    (of_numpy, "(return np.sign(w), m): numpy.sign, by its module, is none of what kernels have"),
    (constant_of_numpy, "(return w * np.float32(0.5), m): numpy.float32, by its module"),
    (attribute, "(return w.real, m): a number has no attribute 'real'"),
    (setting, "(h.beta1 = 0.5): h.beta1 cannot be set"),
    (raising, "kernels raise nothing"),
    (raising_a_class, "(raise ZeroDivisionError): kernels raise nothing"),
    (by_name_alone, "(return w - factor(g, k=0.5), m): factor has arguments by name alone"),
    (of_a_local, "(return w - LOCAL(g), m): local.<locals>.scaled refers to local variables"),
    (printing, "(print(w)): print is none of what kernels have"),
    (endless, "more than 20,000 decisions, it comes to no end"),
    (nothing, ": it returns one value; expected a tuple of 2: w, m"),
    (whole_number, "(rate = n * 0.1): float32 elements"),
    (not_entered, "(m = m + i): float32 elements"),
    (after_a_whole_number, "(return w * h.bate1, m): there is no hyper-parameter 'bate1'; did you mean 'beta1'?"),
    (itself, "again calls itself, which kernels do not"),
    (trying, ": try and with are none of what kernels have"),
    (by_module, "(return w - rule.clip(g, -1.0, 1.0), m): numoptim.rule.clip, by its module, is none"),
], ids=lambda value: getattr(value, "__name__", ""))
def test_updates_that_cannot_be_right(update, message, capsys):
    line = re.escape(f", {__file__}:") + r"\d+ " if message[0] != ":" else ""
    with pytest.raises(ValueError, match=f"^rule 'own': update{line}.*{re.escape(message)}") as refused:
        Rule("own", update, ("m",), HYPER)
    assert len(str(refused.value).splitlines()) == 1 and capsys.readouterr().out == ""


def decay(w, g, m, h):
    return w - h.rate * g, h.beta1_c * m


def update_ratio(w, g, m, h):
    return w - h.r * g, m


def terms(w, g, m, h):
    return w, g


def ratio(ww, gg, h):
    return (ww / gg,)


PARTS = {
    "one value": ("prepare", lambda t, h: 1 - h.beta1, "prepare: it returns one value; expected a tuple of 2"),
    "three values": ("prepare", lambda t, h: (1.0, 2.0, 3.0), "prepare: it returns 3 values; expected 2: rate, b"),
    "power": ("prepare", lambda t, h: (h.beta1 ** t, 0.0), "prepare.*: \\*\\* has other bits"),
    "float power": ("prepare", lambda t, h: (power(t, h.beta1), 0.0), "prepare.*wants an integer n"),
    "derived": ("prepare", lambda t, h: (h.rate, 0.0), "prepare.*no hyper-parameter 'rate'"),
    "branch": ("prepare", lambda t, h: (h.learning_rate, 0.0) if h.warm != 0 else (h.wram, 0.0), "mean 'warm'?"),
    "init": ("init", lambda w, h: w, "init: it returns one value; expected a tuple of 1: m"),
    "init integer": ("init", lambda w, h: (0,), "init: of what it returns, m is wrong"),
    "terms": ("terms", lambda w, g, m, h: (w, g, m), "terms: it returns 3 values; expected 2: ww, gg"),
    "terms integer": ("terms", lambda w, g, m, h: (w, 1), "terms: of what it returns, gg is wrong"),
    "terms early": ("terms", lambda w, g, m, h: (w, h.r), "terms.*there is no hyper-parameter 'r'"),
    "finish": ("finish", lambda ww, gg, h: (math.exp(ww),), "finish.*: math.exp is none of what"),
    "finish number": ("finish", lambda ww, gg, h: ww, "finish: it returns one value; expected a tuple of 1: r"),
    "finish pair": ("finish", lambda ww, gg, h: (ww, gg), "finish: it returns 2 values; expected 1: r"),
    "update early": ("update", lambda w, g, m, h: (w * h.q, m), "update.*there is no hyper-parameter 'q'"),
}


@pytest.mark.parametrize("case", PARTS)
def test_other_functions_that_cannot_be_right(case):
    part, function, message = PARTS[case]
    parts = {"prepare": lambda t, h: (1.0, 2.0), "derived": ("rate", "beta1_c"), "update": decay}
    reduction = {"terms": terms, "finish": ratio}
    if part in reduction:
        parts["update"], reduction[part] = update_ratio, function
    else:
        parts[part] = function
    with pytest.raises(ValueError, match=f"^rule 'own': .*{message}"):
        Rule("own", slots=("m",), hyper=HYPER, **parts,
             reductions=(Reduction(**reduction, results=("r",), squares=("ww", "gg")),))


def test_assertions(tmp_path):
    """Of a file that pytest does not rewrite."""
    file = tmp_path / "asserting.py"
    file.write_text("def update(w, g, h):\n    assert w > 0.0\n    return w\n")
    with pytest.raises(ValueError, match=re.escape("asserting.py:2 (assert w > 0.0): kernels raise nothing")):
        Rule("own", runpy.run_path(str(file))["update"])


def both_ways(w, g, m, h):
    k = g
    if w > 1e30:
        k = 0
    if g > 1e30:
        w = w * k
    return w - g, m


def scaled(x, rate):
    factor = 1.0
    if x > 1e30:
        factor = 2
    if x > 2e30:
        return factor * rate
    return x * rate


def both_ways_in_a_helper(w, g, m, h):
    return w - scaled(g, h.learning_rate), m


def starred(w, g, m, h):
    first, *rest = w, g, m
    return first, rest[1]


def through_a_mixture(w, g, m, h):
    mixture = (w, g, 1)
    count = 0
    for _ in mixture:
        count += 2
    return mixture[count - 6], m


PLACES = {both_ways: "(k = g): float32 elements are computed in double precision",
          both_ways_in_a_helper: "(factor = 1.0): float32 elements are computed in double precision"}


@pytest.mark.parametrize("update", PLACES)
@pytest.mark.parametrize("part", ["update", "terms", "init"])
def test_what_is_an_integer_on_one_way_and_an_element_on_another(update, part):
    """Only kernels know all ways: they are refused before they compute in double precision."""
    if part == "update":
        own = Rule("own", update, ("m",), HYPER)
    elif part == "terms":
        own = Rule("own", misspelt_not, ("m",), HYPER,
                   reductions=(Reduction(update, lambda ww, gg, h: (), (), squares=("ww", "gg")),))
    else:
        own = Rule("own", misspelt_not, ("m",), HYPER, init={both_ways: first, both_ways_in_a_helper: second}[update])
    kernel(own, np.float64)
    with pytest.raises(ValueError, match=f"^rule 'own': .*{re.escape(__file__)}:.*{re.escape(PLACES[update])}"):
        entry(own, np.dtype(np.float32), "init" if part == "init" else "range" if part == "update" else "norms")


def first(w, h):
    return (both_ways(w, h.beta1, w, h)[0],)


def second(w, h):
    return (scaled(w, h.beta1),)


@pytest.mark.parametrize("update", [starred, through_a_mixture])
def test_what_numba_does_not_compile(update):
    with pytest.raises(ValueError, match=f"^rule 'own': {update.__name__} is not what Numba compiles: .+") as refused:
        kernel(Rule("own", update, ("m",), HYPER))
    assert len(str(refused.value).splitlines()) == 1


def sometimes(x, k, on):
    factor = 1.0
    if on > 0.0:
        factor = k
    if on < 0.5:
        return x
    return factor * x


def with_an_integer(w, g, m, h):
    return w - h.learning_rate * sometimes(g, 2, h.wd), m


def with_a_float(w, g, m, h):
    return w - h.learning_rate * sometimes(g, 2.0, h.wd), m


def test_a_rule_that_is_refused_leaves_helpers_to_others():
    for update, right in ((with_an_integer, False), (with_a_float, True)) * 2:
        if right:
            kernel(Rule("own", update, ("m",), HYPER))
        else:
            with pytest.raises(ValueError, match="float32 elements are computed in double precision"):
                kernel(Rule("own", update, ("m",), HYPER))


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
    halved = lambda x: 0.5 * x                              # noqa: E731
    whole = int(clip(4.0 * abs(halved(2.0 * float(g))), low=0.0, high=7.0))
    for i in range(whole):
        m = m + share / float(i + 1)
    m = m * (TABLE[1] if whole > 2 else TABLE[0])
    return max(w, -1e30) - h.learning_rate * exp(-abs(g)) * log(1.5 + abs(w)) * power(g, 3), math.copysign(m, g)


def update_mixed(w, g, m, h):
    return mixed(w, g, m, h)


@each_dtype
def test_functions_of_elements_compute_in_their_type(dtype):
    mixed_rule = Rule("mixed", update_mixed, ("m",), HYPER)
    rng = np.random.default_rng(0)
    group = {"learning_rate": 0.5, "wd": 0.125, "rescale_grad": 2.0, "clip_gradient": 9.0}
    got = [rng.standard_normal(501).astype(FLOAT[dtype]) for _ in range(3)]
    got[1][:10] = 0
    expected = [buffer.copy() for buffer in got]
    for t in (1, 2):
        arrays(mixed_rule, got, {**DEFAULTS, **group}, t, None)
        step(mixed_rule, expected, [{**DEFAULTS, **group}], t)
    assert all(map(same_bits, got, expected))


# --- names, shapes

def scale(w, g, h):
    return w - h.scale * h.momentum * g


def test_hyper_parameters_may_have_the_names_of_globals():
    """Of the function itself, of an array."""
    own = Rule("own", scale, hyper={"scale": (0.5, "[0, 1]"), "momentum": (0.5, "[0, 1]")})
    w = np.ones(3)
    kernel(own, float)(w, np.ones(3), hyper(own), 1)
    assert w.tolist() == [0.75] * 3


def plain(w, g, h):
    return w - g


def test_a_rule_that_reads_no_hyper_parameter():
    w = np.ones(3, np.float32)
    kernel(Rule("plain", plain, gradient="raw"))(w, w / 2, hyper(Rule("plain", plain, gradient="raw")), 1)
    assert w.tolist() == [0.5] * 3


@pytest.mark.parametrize("keywords, error, message", [
    ({"slots": "mv"}, TypeError, "slots='mv': expected a tuple"),
    ({"slots": tuple("abcdefi"), "update": lambda w, g, a, b, c, d, e, f, i, h: (w, a, b, c, d, e, f, i)},
     ValueError, "has 7 slots: expected at most 6"),
    ({"hyper": {"_x": (0.5, "[0, 1]")}}, ValueError, "'_x' begins with an underscore"),
])
def test_shapes_that_no_plan_holds(keywords, error, message):
    with pytest.raises(error, match=message):
        Rule(**{"name": "own", "update": plain, **keywords})
    with pytest.raises(TypeError, match="results='r': expected a tuple"):
        Reduction(terms, ratio, "r")


def test_lists_are_tuples():
    assert Rule("own", misspelt_not, ["m"]).slots == ("m",)


def misspelt_not(w, g, m, h):
    return w - g, m
