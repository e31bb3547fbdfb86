"""The Update block of every rule's docstring, executed in float64, is what its kernel computes."""
import ast
import re
from itertools import pairwise

import numpy as np
import pytest
from reference import COMMON, arrays, beginning, each_rule, normal, values

from numoptim.rules import RULES

STEPS = 60
OFFSETS = np.array([0, 1, 1, 30, 95, 120])
ZERO_WEIGHTS, ZERO_GRADIENTS = slice(1, 30), slice(95, 120)
FUNCTIONS = {
    "sqrt": np.sqrt, "exp": np.exp, "log": np.log, "abs": np.abs, "sign": np.sign, "maximum": np.maximum,
    "minimum": np.minimum, "clip": np.clip, "where": np.where,
    "norm": lambda x: np.sqrt(np.sum(x * x)), "sum": np.sum,
}


class Document:
    """The statements of a rule's Update block, for one parameter."""

    def __init__(self, rule, w, group):
        self.rule, self.group = rule, group
        self.statements = ast.parse(rule.section("Update")).body
        exceptions = re.findall(r"\b(\w+) = 1 where (.+?) is 0[;)]", rule.doc)
        self.exceptions = {name: zeros.split(" or ") for name, zeros in exceptions}
        self.names = {**FUNCTIONS, **group, "w": w.copy(), "P": 1.0}
        self.names |= dict(zip(rule.slots, beginning(rule, w.copy())[2:], strict=True))

    def gradient(self, g):
        """``g`` as the rule receives it."""
        if self.rule.gradient == "raw":
            return g
        g = np.clip(self.group["rescale_grad"] * g, -self.group["clip_gradient"], self.group["clip_gradient"])
        return g + self.group["wd"] * self.names["w"] if self.rule.gradient == "decayed" else g

    def step(self, g, t, noise):
        self.names |= {"g": self.gradient(g), "t": t, "normal": noise}
        for statement in self.statements:
            names, = ([x.id for x in ast.walk(target) if isinstance(x, ast.Name)] for target in statement.targets)
            with np.errstate(divide="ignore", invalid="ignore"):
                exec(compile(ast.Module([statement], []), "Update", "exec"), self.names)
            if any(eval(x, self.names) == 0 for x in self.exceptions.get(names[0], [])):
                self.names[names[0]] = 1.0

    def __getitem__(self, name):
        return np.atleast_1d(self.names[name])


OFF = {"bias_correction": 0, "lower_bound": -np.inf, "upper_bound": np.inf, "clip_gradient": np.inf, "wd": 0.0}


@pytest.mark.parametrize("changed", [{}, OFF], ids=["all active", "all off"])
@each_rule
def test_update_block_is_what_the_kernel_computes(rule, changed):
    rng = np.random.default_rng(7)
    w = rng.standard_normal(OFFSETS[-1])
    w[ZERO_WEIGHTS] = 0.0
    group, offsets = values(rule, **changed), OFFSETS if rule.layerwise else OFFSETS[[0, -1]]
    together = rule.slots_over("all") or not rule.layerwise
    spans = [slice(*ends) for ends in pairwise(offsets[[0, -1]] if together else offsets)]
    documents = [Document(rule, w[span], group) for span in spans]
    buffers = [w, np.empty_like(w), *(np.concatenate([d[slot] for d in documents]) for slot in rule.slots)]
    for t in range(1, STEPS + 1):
        g = buffers[1]
        g[:] = rng.standard_normal(w.size) * (rng.random(w.size) < 0.7)
        g[ZERO_GRADIENTS] = 0.0
        noise = g if not rule.noisy else np.array(
            [normal(group["offset"] + i, group["seed"], t) for i in range(w.size)], float)
        for document, span in zip(documents, spans, strict=True):
            document.step(g[span], t, noise[span])
        arrays(rule, buffers, group, t, offsets)
        for name, x in zip(("w", "g", *rule.slots), buffers, strict=True):
            if name != "g":
                expected = np.concatenate([d[name] for d in documents])
                np.testing.assert_allclose(x, expected, 1e-12, 1e-12 * np.ptp(expected), err_msg=f"{name}, step {t}")


@each_rule
def test_docstring_is_complete(rule):
    first = rule.doc.splitlines()[0]
    assert first.endswith(".") and len(first) < 120
    assert "http" in rule.section("Source")
    nodes = [x for x in ast.walk(ast.parse(rule.section("Update"))) if isinstance(x, ast.Name)]
    names, stored = ({x.id for x in nodes if isinstance(x.ctx, kind)} for kind in (ast.Load, ast.Store))
    assert {"w", "g"} <= names and {"w", *rule.slots} <= stored | {"w0"}        # the weights at first, which stay
    begun = set(rule.section("Symbols").split()) if rule.init else set()
    unused = set(rule.hyper) - names - begun
    assert not unused, f"the Update block never uses {unused}"
    known = {"w", "g", *rule.slots, *rule.hyper, *COMMON, *FUNCTIONS, "t", "normal"}
    assert names <= known | stored
    symbols = {line.split()[0] for line in rule.section("Symbols").splitlines() if line and not line[0].isspace()}
    assert {"w", "g", *rule.slots} <= symbols
    assert sum(r.update.__module__ == rule.update.__module__ for r in RULES) == 1 or rule.section(f"Update {rule.name}")
