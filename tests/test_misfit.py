"""A hyper-parameter must lie in its interval as a number of the element type, too: Python's words and kernels agree."""
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference import BY_NAME, FLOAT, plan, planned, values

import numoptim
from numoptim import Rule
from numoptim.kernels import hyper_dtype, misfit
from numoptim.rule.hyperparameters import Interval
from numoptim.rules import RULES

TIES = [2.0**-150, 2.0**128 - 2.0**103]                          # to 0, and to infinity
ENDS = [0.0, -0.0, 1.0, 1.0 - 2.0**-53, 1.0 - 2.0**-25, 1.0 - 2.0**-24, 1.0 + 2.0**-24, 1e-46, 1.4e-45, 5e-324, 1e39,
        *TIES, *np.nextafter(TIES, 1).tolist(), 1.7976931348623157e308, math.inf, math.nan]
WHOLE = st.integers(-2**63, 2**63 - 1)
INTEGERS = st.sampled_from([0, 1, 2, -1, 10**18, 10**18 + 1, 2**53 + 1, -2**63, 2**63 - 1]) | WHOLE
FLOATS = st.sampled_from([*ENDS, *(-x for x in ENDS)]) | st.floats()


def changed(rule, **values_):
    record = np.zeros(1, hyper_dtype(rule))[0]
    for key, value in {**values(rule), **values_}.items():
        record[key] = value
    return record


def status(rule, dtype, record):
    """Of an update of nothing."""
    hyper = np.array([record])
    return planned(rule, "whole", plan(0, 0, np.zeros(1, np.int64), None, hyper, []), 1, FLOAT[dtype])


@st.composite
def records(draw):
    rule = draw(st.sampled_from(RULES))
    keys = draw(st.sets(st.sampled_from(list(rule.fields)), min_size=1, max_size=3))
    return rule, {key: draw(INTEGERS if isinstance(rule.fields[key][0], int) else FLOATS) for key in keys}


@settings(max_examples=2000, deadline=None, derandomize=True)
@example((BY_NAME["adam"], {"epsilon": 1e-46}))
@example((BY_NAME["ftrl"], {"rescale_grad": 1e39, "beta": 0.0}))
@given(records())
def test_words_and_kernels_agree(chosen):
    rule, given_values = chosen
    record = changed(rule, **given_values)
    for dtype in FLOAT:
        words = misfit(rule, record, FLOAT[dtype])
        assert status(rule, dtype, record) == (-4 if words else 0), words
        assert words.partition("=")[0] in (given_values if words else [""])


@pytest.mark.parametrize("key, value, words", [
    ("epsilon", 1e-46, "epsilon=1e-46 (0.0 in float32) is out of range: expected (0, inf) or 0"),
    ("epsilon", -1e-46, "epsilon=-1e-46 is out of range: expected (0, inf) or 0"),
    ("epsilon", 0.0, ""),
    ("epsilon", -0.0, ""),
    ("rescale_grad", -1e39, "rescale_grad=-1e+39 (-inf in float32) is out of range: expected (-inf, inf)"),
    ("clip_gradient", 1e-46, "clip_gradient=1e-46 (0.0 in float32) is out of range: expected (0, inf]"),
    ("beta1", 1 - 1e-9, "beta1=0.999999999 (1.0 in float32) is out of range: expected [0, 1)"),
    ("wd", -0.1, "wd=-0.1 is out of range: expected [0, inf)"),
    ("learning_rate", math.nan, "learning_rate=nan is out of range: expected [0, inf)"),
    ("learning_rate", 1e-46, ""),
    ("clip_gradient", 1e39, ""),
    ("wd", 1e-300, ""),
])
def test_words(key, value, words):
    record = changed(BY_NAME["adam"], **{key: value})
    assert misfit(BY_NAME["adam"], record, "f4") == misfit(BY_NAME["adam"], record, np.float32) == words
    assert misfit(BY_NAME["adam"], record, float) == ("" if "float32" in words else words)


def test_integers_are_taken_as_they_are():
    sgld = BY_NAME["sgld"]
    assert misfit(sgld, changed(sgld, seed=-2**63, offset=10**18), np.float32) == ""
    assert misfit(sgld, changed(sgld, offset=10**18 + 1), np.float32).startswith("offset=1000000000000000001 is out")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_a_record_can_hold_in_float64_is_what_hyper_accepts(rule):
    for key, (default, interval) in rule.fields.items():
        for value in [] if isinstance(default, int) else ENDS:
            accepted = math.isfinite(value) and value in Interval.parse(interval)
            if accepted:
                assert misfit(rule, numoptim.hyper(rule, **{key: value}), np.float64) == ""
            elif not math.isinf(default):
                assert misfit(rule, changed(rule, **{key: value}), np.float64).startswith(f"{key}=")


def test_a_jitted_kernel_refuses_it_before_it_writes():
    w = np.ones(3, np.float32)
    with pytest.raises(ValueError, match="NaN or out of range"):
        numoptim.kernel("adam")(w, w.copy(), w.copy(), w.copy(), changed(BY_NAME["adam"], epsilon=1e-46), 1)
    assert (w == 1).all()
    w = np.ones(3)
    numoptim.kernel("adam", float)(w, w.copy(), w.copy(), w.copy(), changed(BY_NAME["adam"], epsilon=1e-46), 1)
    assert (w != 1).all()


def update(w, g, h):
    return w - h.learning_rate * g


OWN = Rule("ends", update, hyper={"learning_rate": (0.1, "[0.1, 0.7]"), "open": (0.2, "(0.1, 0.7)"),
                                  "most": (3, "[0, 1e20]"), "few": (1, "(0.5, 3)"), "any": (0, "(-inf, inf)"),
                                  "apart": (0.2, "(0.1, 0.7) or 0"), "either": (2, "[2, 3] or 0")})


@pytest.mark.parametrize("key, value, fits", [
    ("learning_rate", 0.1, {"f32", "f64"}), ("learning_rate", 0.7, {"f32", "f64"}),
    ("learning_rate", np.nextafter(0.1, 0), set()), ("learning_rate", np.nextafter(0.7, 1), set()),
    ("open", 0.1, set()), ("open", 0.7, set()), ("open", 0.1 + 1e-12, {"f64"}), ("open", 0.7 - 1e-12, {"f64"}),
    ("open", 0.1 - 1e-12, set()), ("open", 0.1 + 1e-7, {"f32", "f64"}),
    ("most", 2**63 - 1, {"f32", "f64"}), ("most", -1, set()), ("few", 0, set()), ("few", 2, {"f32", "f64"}),
    ("few", 3, set()), ("any", -2**63, {"f32", "f64"}),
    ("apart", 0.0, {"f32", "f64"}), ("apart", 1e-300, set()), ("apart", 0.1 + 1e-12, {"f64"}), ("apart", 0.7, set()),
    ("either", 0, {"f32", "f64"}), ("either", 1, set()), ("either", 3, {"f32", "f64"}), ("either", 4, set()),
    ("either", -2**63, set()), ("most", -2**63, set()), ("few", -2**63, set()),
])
def test_ends_that_are_no_number_of_the_element_type(key, value, fits):
    for dtype in FLOAT:
        record = numoptim.hyper(OWN).copy()
        record[key] = value
        assert (misfit(OWN, record, FLOAT[dtype]) == "") == (status(OWN, dtype, record) == 0) == (dtype in fits)
