"""Rule: what it refuses, and its docstring's sections; the functions rules may call; which way imports go."""
import ast
import math
import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import numoptim
from numoptim.rule import Reduction, Rule, clip, exp, log, maximum, power, sign
from numoptim.rule.hyperparameters import Interval
from numoptim.rules import RULES, adam, rmsprop, sgd

NAN, INF = math.nan, math.inf


def update(w, g, h):
    return w - g


def update_slot(w, g, a, h):
    return w - g, a


def update_noise(w, g, normal, h):
    return w - normal * g


def update_ratio(w, g, h):
    return w - h.r * g


def prepare(t, h):
    return (t,)


def terms(w, g, h):
    return w, g


def trust(ww, gg, h):
    return (ww / gg,)


def reduction(**changed):
    return {"reductions": (Reduction(**{"terms": terms, "finish": trust, "results": ("r",), "squares": ("ww", "gg"),
                                        **changed}),)}


@pytest.mark.parametrize(("fields", "message"), [
    ({"name": "two words"}, "'two words' is not a usable name"),
    ({"name": "lambda"}, "'lambda' is not a usable name"),
    ({"update": update_slot, "slots": ("for",)}, "'for' is not a usable name"),
    ({"update": update_slot, "slots": ("w",)}, "shadow"),
    ({"update": update_slot, "slots": ("h",)}, "shadow"),
    ({"update": update_slot, "slots": ("a",), "hyper": {"a": (0.0, "[0, 1)")}}, "repeat"),
    ({"prepare": prepare, "derived": ("wd",)}, "repeat"),
    ({"prepare": prepare, "derived": ("t",)}, "shadow"),
    ({"slots": ("a",)}, "update takes 4 arguments"),
    ({"update": update_slot}, "update takes 3 arguments"),
    ({"noisy": True}, "update takes 4 arguments"),
    (reduction(terms=update_slot), "terms takes 3 arguments"),
    (reduction(finish=prepare), "finish takes 3 arguments"),
    (reduction(squares=("gg", "ww")), r"finish takes the sums by their names, \(gg, ww, h\), not \(ww, gg, h\)"),
    (reduction(squares=(), finish=lambda h: (1.0,)), "finish takes the sums by their names"),
    (reduction(results=("wd",)), "repeat"),
    (reduction(over="layer"), "over 'segment' or 'all'"),
    ({"reductions": (*reduction()["reductions"], *reduction(over="all", results=("q",))["reductions"])},
     "those over 'all' come first"),
    ({"prepare": update, "derived": ("x",)}, "prepare takes 2 arguments"),
    ({"init": update}, "init takes 2 arguments"),
    ({"prepare": prepare}, "prepare and derived come together"),
    ({"derived": ("x",)}, "prepare and derived come together"),
    ({"gradient": "clip"}, "'decayed', 'clipped' or 'raw', not 'clip'"),
    ({"needs_rate": True}, "needs_rate without a learning_rate"),
    ({"hyper": {"beta": (1.0, "[0, 1)")}}, r"beta=1.0 is not in \[0, 1\)"),
    ({"hyper": {"beta": (NAN, "[0, 1)")}}, r"beta=nan is not in \[0, 1\)"),
    ({"hyper": {"beta": (0.5, "0 to 1")}}, "interval '0 to 1'"),
    ({"hyper": {"wd": (0.5, "[0, 1)")}}, r"wd is every rule's, a float in \[0, inf\): only its default may differ"),
    ({"hyper": {"wd": (1, "[0, inf)")}}, "wd is every rule's"),
])
def test_refused_rules(fields, message):
    with pytest.raises(ValueError, match=message):
        Rule(**{"name": "mine", "update": update, **fields})


def test_fields_and_kinds_of_rules():
    rule = Rule("mine", update_noise, hyper={"k": (3, "[1, 9]"), "wd": (0.5, "[0, inf)")}, noisy=True)
    assert list(rule.fields) == ["k", "wd", "rescale_grad", "clip_gradient", "seed", "offset"]
    assert rule.fields["wd"][0] == 0.5
    assert not rule.layerwise and Rule("mine", update_ratio, **reduction()).layerwise
    assert len({rule.name for rule in RULES}) == len(RULES)


def update_influence(w, g, h):
    return w - h.influence * g


def test_any_word_may_name_a_hyper_parameter():
    rule = Rule("own", update_influence, hyper={"influence": (0.5, "[0, inf)")})
    w = np.ones(3)
    numoptim.kernel(rule, float)(w, np.ones(3), numoptim.hyper(rule, influence=0.25), 1)
    assert w.tolist() == [0.75] * 3


def test_sections_of_docstrings():
    assert adam.RULE.doc == adam.__doc__.strip()
    assert adam.RULE.section("Update").splitlines()[0] == "m = beta1*m + (1 - beta1)*g"
    assert sgd.RULE.section("Update") == "w = w - learning_rate*g"
    assert sgd.MOMENTUM.section("Update") == "v = momentum*v - learning_rate*g\nw = w + v"
    assert rmsprop.CENTERED.section("Update").startswith("s = gamma1*")
    assert rmsprop.CENTERED.section("Symbols") == rmsprop.RULE.section("Symbols") != ""
    assert adam.RULE.section("Nothing") == ""


@pytest.mark.parametrize(("text", "inside", "outside"), [
    ("[0, 1)", [0, 0.0, 0.5, 1 - 2**-53], [1, 1.0, -5e-324, NAN, INF, "0.5", None]),
    ("(0, 1]", [5e-324, 1], [0, -0.0, 1 + 2**-52]),
    ("[ -2.5 ,1e3 ]", [-2.5, 1000], [-2.6, 1000.1]),
    ("(-inf, inf)", [-1e308, 0, 2**70], [INF, -INF, NAN]),
    ("(0, inf]", [1e-300, INF], [0, -1]),
    ("(0, inf) or 0", [0, -0.0, 5e-324, 1e308], [-5e-324, -1, INF, NAN, "0"]),
    ("[2, 3] or 0", [0, 2, 3], [1, 4]),
])
def test_intervals(text, inside, outside):
    interval = Interval.parse(text)
    assert all(x in interval for x in inside)
    assert not any(x in interval for x in outside)


@pytest.mark.parametrize("text", ["", "0, 1", "[0 1]", "[0; 1]", "{0, 1}", "[0, 1", "[a, b]", "[0, 1, 2]",
                                  "(0, 1) or 1", "or 0", "0 or (0, 1)"])
def test_malformed_intervals(text):
    with pytest.raises(ValueError):
        Interval.parse(text)


# --- functions rules may call

def relative(got, expected):
    return abs(got - expected) / abs(expected)


@pytest.mark.parametrize("b", [0.0, 1e-3, 0.6, 0.9, 0.999, 0.9999, 1 - 1e-7, 1 - 2**-53, 1.0])
def test_power(b):
    for n in [0, 1, 2, 3, 7, 60, 1000, 65_537, 10**6, 2**40]:
        expected = math.pow(b, n)
        assert abs(power(b, n) - expected) <= expected * (n + 60) * 2**-53 + 1e-300, n      # half an ulp a factor
        assert b > 0.9999 or abs(power(b, n) - expected) < 1e-12, n
    assert power(b, 60) == pytest.approx(float(Fraction(b) ** 60), rel=1e-14, abs=0)


def test_powers_of_two_are_exact():
    assert [power(2.0, n) for n in range(1024)] == [2.0**n for n in range(1024)]


def test_exp_and_log():
    rng = random.Random(1)
    wide, near = ([rng.uniform(-bound, bound) for _ in range(3000)] for bound in (700, 1))
    for x in [0.0, 5e-324, -1e-300, 1e-17, math.log(2) / 2, *wide, *near]:
        assert relative(exp(x), math.exp(x)) < 1e-15, x
    for x in [5e-324, 2.0**-1022, 1.7e308, 0.5, 0.96, 2.0, math.sqrt(2), *map(math.exp, wide + near)]:
        assert relative(log(x), math.log(x)) < 1e-15, x
    assert log(1.0) == 0.0 and exp(0.0) == 1.0


SPECIAL = [0.0, -0.0, 5e-324, -1.0, 1.0, 0.25, -3.5, INF, -INF]


def test_clip_maximum_and_sign():
    for x in SPECIAL:
        assert sign(x) == np.sign(x)
        for low, high in ((-1.0, 1.0), (-INF, INF), (-0.5, INF)):
            assert clip(x, low, high) == np.clip(x, low, high)
        for y in SPECIAL:
            assert maximum(x, y) == max(x, y)
        assert math.isnan(maximum(NAN, x)) and math.isnan(maximum(x, NAN))
    assert math.isnan(sign(NAN)) and math.isnan(clip(NAN, -1.0, 1.0)) and math.isnan(clip(NAN, -INF, INF))


# --- imports

PACKAGE = Path(numoptim.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
# Rooms of the package; each imports from those before it alone.
ROOMS = ["__version__", "face", "rule", "rules", "kernels", "aot", "_native", "native", "cuda", "buffers",
         "lr_scheduler", "checkpoint", "step", "optimizer", "resume", "trainer", "minimize", "__init__", "demo", "cli",
         "__main__"]


def imports(file):
    """Absolute names of all that a file of the package imports, inside functions too, but not for types alone."""
    package = ("numoptim", *file.relative_to(PACKAGE).parent.parts)
    nodes = [ast.parse(file.read_text())]
    for node in nodes:
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[:len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def room(module):
    """Index in ROOMS of a dotted name; -1 for what is not of the package. ValueError for what is in none."""
    package, _, rest = module.partition(".")
    if package != "numoptim":
        return -1
    first = rest.partition(".")[0]
    return ROOMS.index("__init__" if first in ("", *numoptim.__all__) and first not in ROOMS else first)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_one_way(file):
    own = room(".".join(("numoptim", *file.relative_to(PACKAGE).with_suffix("").parts)))
    assert all(room(module) <= own for module in imports(file))
    if file.parent.name == "rules" and file.name != "__init__.py":
        own = "numoptim.rule.", "numoptim.rules."
        assert {module for module in imports(file) if not module.startswith(own)} <= {"math"}


def test_the_imports_are_found():
    assert {room(module) for file in FILES for module in imports(file)} >= set(range(-1, ROOMS.index("cli")))
    assert {"numoptim.rule.Rule", "math"} <= set(imports(PACKAGE / "rules" / "adam.py"))
    with pytest.raises(ValueError, match="'attic' is not in list"):
        room("numoptim.attic.Rule")
