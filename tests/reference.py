"""What kernels are compared with: a rule's own Python functions, run on NumPy scalars one element at a time.

Nothing here is compiled. The gradient's preparation, the flush and the norms are written out again from their
documentation. Tables that drive the tests of every rule stand here too.
"""
import ast
import ctypes
import functools
import inspect
import math
import textwrap
from types import SimpleNamespace

import numpy as np
import pytest

import numoptim
from numoptim import kernels, optimizer
from numoptim.kernels import random
from numoptim.kernels.abi import PLAN_DTYPE, norms_size, phases, places
from numoptim.optimizer.rule_optimizer import from_rule
from numoptim.rules import RULES

FLOAT = {"f32": np.float32, "f64": np.float64}
BLOCK = 4096
BITS = {4: np.uint32, 8: np.uint64}
COMMON = ("wd", "rescale_grad", "clip_gradient")
BY_NAME = {rule.name: rule for rule in RULES}

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
MOVING = [rule for rule in RULES if rule.name != "gradient_norm"]               # which leaves weights as they are
each_moving_rule = pytest.mark.parametrize("rule", MOVING, ids=lambda rule: rule.name)
each_dtype = pytest.mark.parametrize("dtype", FLOAT)

# Hyper-parameters none of which is a default; what is missing keeps its default.
VALUES = {
    "learning_rate": 0.05, "wd": 0.03, "rescale_grad": 0.5, "clip_gradient": 0.8, "momentum": 0.8, "eps": 1e-5,
    "gamma1": 0.85, "gamma2": 0.8, "epsilon": 1e-6, "clip_weights": 1.5, "rho": 0.8, "beta1": 0.8, "beta2": 0.95,
    "schedule_decay": 0.01, "wd_lh": 0.02, "lamda": 0.3, "lamda1": 0.05, "beta": 0.7, "eta": 0.3, "lower_bound": 0.5,
    "upper_bound": 8.0, "bias_correction": 1, "seed": 77, "offset": 13, "n_data": 3.0, "temperature": 0.5,
    "beta3": 0.97, "alpha": 3.0, "alpha_warmup": 20, "beta3_warmup": 30, "initial": 0.01, "dampening": 0.3,
    "eta_minus": 0.6, "eta_plus": 1.3, "min_step": 0.01, "max_step": 0.25, "d0": 1e-3, "d_coef": 0.9,
    "safeguard_warmup": 1, "lr_mult": 0.7, "weight_power": 1.5,
}
# The class and options that choose a rule, where it isn't the class of the rule's own title.
CHOSEN = {
    "adam": ("Adam", {}), "adam_amsgrad": ("Adam", {"amsgrad": True}),
    "adamw": ("AdamW", {}), "adamw_amsgrad": ("AdamW", {"amsgrad": True}),
    "sgd": ("SGD", {}), "sgd_momentum": ("SGD", {}), "sgd_rate_outside": ("SGD", {"rate_in_velocity": False}),
    "nag": ("NAG", {}), "nag_rate_outside": ("NAG", {"rate_in_velocity": False}), "adagrad": ("AdaGrad", {}),
    "dcasgd": ("DCASGD", {}), "dcasgd_momentum": ("DCASGD", {}),
    "signum": ("Signum", {}), "signsgd": ("Signum", {"momentum": 0}), "ftrl": ("Ftrl", {}),
    "rprop": ("Rprop", {"wd": 0}), "rmsprop": ("RMSProp", {}), "rmsprop_momentum": ("RMSProp", {}),
    "rmsprop_centered": ("RMSProp", {"centered": True}),
    "accumulate": ("LBSGD", {"batch_scale": 3, "warmup_strategy": "sqrt", "momentum": 0.8, "learning_rate": 0.05}),
    "sgd_schedule_free": ("SGDScheduleFree", {}), "adamw_schedule_free": ("AdamWScheduleFree", {}),
    "schedule_free_average": ("SGDScheduleFree", {}),
    "lbsgd_lars": ("LBSGD", {"batch_scale": 2, "warmup_strategy": "lars"}),
}


def values(rule, **changed):
    """Every hyper-parameter of a rule, from VALUES; ``changed`` ones the rule doesn't have are left out."""
    known = {**VALUES, **CHOSEN.get(rule.name, ("", {}))[1], **changed}
    return {key: known.get(key, default) for key, (default, _) in rule.fields.items()}


def make(rule, **keywords):
    """An optimizer that applies the rule, with hyper-parameters from VALUES."""
    name, options = CHOSEN.get(rule.name, (rule.title, {}))
    own = {key: VALUES[key] for key in rule.fields if key in VALUES and key not in ("offset", "lr_mult")}
    return (optimizer.find(name) if name else from_rule(rule))(**{**own, **options, **keywords})


def same_bits(a, b):
    """Whether two float arrays are equal bit by bit; one NaN is as good as another."""
    bits = BITS[a.dtype.itemsize]
    return a.dtype == b.dtype and np.all((a.view(bits) == b.view(bits)) | (np.isnan(a) & np.isnan(b)))


# --- a rule on NumPy scalars

class Maths:
    """``math`` as functions that return the type they are given."""

    sqrt, copysign = np.sqrt, np.copysign


class Retyped(ast.NodeTransformer):
    """Every float literal as a number of a type: ``T(0.5)``."""

    def visit_Constant(self, node):
        number = ast.Call(ast.Name("T", ast.Load()), [node], [])
        return ast.fix_missing_locations(ast.copy_location(number, node)) if isinstance(node.value, float) else node


@functools.cache
def plain(function, scalar):
    """A function of a rule for NumPy scalars of one type (None: as it stands), from its source text.

    How the kernels' constants get their types is another matter: they change them in the compiled code.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    names = {name: plain(value, scalar) if inspect.isfunction(value) else Maths if value is math else
             scalar(value) if scalar and isinstance(value, float) else value
             for name, value in function.__globals__.items() if name in function.__code__.co_names}
    names |= {"T": scalar, "float": scalar} if scalar else {}
    exec(compile(Retyped().visit(tree) if scalar else tree, inspect.getsourcefile(function), "exec"), names)
    return names[function.__name__]


def prepared(rule, group, t, **slots):
    """All that is known of a group before sums: hyper-parameters, slots over all, and what ``prepare`` derives."""
    known = SimpleNamespace(**{key: int(group[key]) if isinstance(default, int) else np.float64(group[key])
                               for key, (default, _) in rule.fields.items()}, **slots)
    derived = plain(rule.prepare, None)(t, known) if rule.prepare else ()
    vars(known).update(zip(rule.derived, map(np.float64, derived), strict=True))
    return known


def narrow(known, scalar):
    """The same for elements, in their type."""
    return SimpleNamespace(**{key: scalar(value) for key, value in vars(known).items()})


def gradient(kind, w, g, h):
    if kind == "raw":
        return g
    g = h.rescale_grad * g
    g = -h.clip_gradient if g < -h.clip_gradient else h.clip_gradient if g > h.clip_gradient else g
    return g + h.wd * w if kind == "decayed" else g


def total(x, result=np.float64(0.0)):          # noqa: B008 (a number)
    """Of float64: blocks of 4,096, each of 64 lanes that are added as a tree, one after the other to what there is."""
    for block in np.split(x, range(BLOCK, len(x), BLOCK)):
        lanes = np.zeros(64)
        for row in np.split(block, range(64, len(block), 64)):
            lanes[:len(row)] += row
        while len(lanes) > 1:
            lanes = lanes[:len(lanes) // 2] + lanes[len(lanes) // 2:]
        result += lanes[0]
    return result


@functools.lru_cache(1000)
def tile(k, seed, t):
    """Normal numbers 256*k ... 256*k + 255 of a stream, by random.fill on NumPy scalars."""
    out, words = [np.float32(0)] * random.TILE, [0] * random.TILE
    plain(random.fill, np.float32)(out, words, k, seed % 2**64, t)
    return out


def normal(element, seed, t):
    return tile(element // random.TILE, seed, t)[element % random.TILE]


def flush(x):
    return x.dtype.type(0) if abs(x) < np.finfo(x.dtype).tiny else x


def beginning(rule, w, segments=1):
    """Buffers before the first step: w, g, slots as the rule's class has them."""
    own = make(rule) if rule in RULES else from_rule(rule)()
    slots = own.create_state(0, w).slots
    return [w, np.zeros_like(w), *(np.full(segments if slot.over == "segment" else 1, slot.start) if
                                   slot.over != "element" else slots[slot] for slot in rule.slots)]


def counts(rule, size, segments=1):
    """How many numbers each buffer has: w, g, slots."""
    of = {"element": size, "segment": segments, "all": 1}
    return [size, size, *(of[slot.over] for slot in rule.slots)]


def whole_ones(rule):
    """Which buffers have fewer numbers than elements, and are passed whole."""
    return places(rule, "segment", "all")


def held(slot, x):
    """Numbers as a slot may hold them."""
    return x if slot.low == -math.inf else slot.low + abs(x)


def step(rule, buffers, groups, t, offsets=None, which=None, elements=None, store=flush):
    """Step t in place on flat buffers w, g and slots, of segments with hyper-parameters groups[which[s]], -1: none.

    elements: the only ones to write. Defaults: one segment, all elements.
    """
    size, scalar = len(buffers[0]), buffers[0].dtype.type
    offsets = [0, size] if offsets is None else offsets
    which = [0] * (len(offsets) - 1) if which is None else which
    live, slots = [s for s, group in enumerate(which) if group >= 0], list(zip(rule.slots, buffers[2:], strict=True))
    buffers = [*buffers[:2], *(buffer for slot, buffer in slots if slot.over == "element")]
    if not live or not size:
        return
    with np.errstate(all="ignore"):
        latest = {slot: buffer[0] for slot, buffer in slots if slot.over == "all"}
        lead = prepared(rule, groups[which[live[0]]], t, **latest)
        segments = []
        for s in live:
            known = prepared(rule, groups[which[s]], t, **latest)
            vars(known).update({slot: vars(lead)[slot] for slot in latest})
            vars(known).update({slot: buffer[s] for slot, buffer in slots if slot.over == "segment"})
            segments.append((s, range(*offsets[s:s + 2]), known))
        for reduction in rule.reductions:
            _reduce(rule, reduction, buffers, segments, lead)
        for s, segment, known in segments:
            wanted = segment if elements is None else [i for i in elements if i in segment]
            if len(segment) and not rests(rule, scalar, known):
                _update(rule, buffers, known, t, wanted, store)
                for slot, buffer in slots:
                    if slot.over == "segment":
                        buffer[s] = vars(known)[slot]
        for slot, buffer in slots:
            if slot.over == "all" and not rests(rule, scalar, lead):
                buffer[0] = vars(lead)[slot]


def rests(rule, scalar, hyper):
    info = np.finfo(scalar)
    return rule.needs_rate and hyper.learning_rate * float(info.max) * float(info.eps) < 1


def _arguments(rule, buffers, h, i):
    w, g, *slots = buffers
    return w[i], gradient(rule.gradient, w[i], g[i], h), *(s[i] for s in slots)


def _reduce(rule, reduction, buffers, segments, lead):
    """Give what is known of each segment, or of all, a reduction's results."""
    scalar, sums = buffers[0].dtype.type, []
    for _, segment, known in segments:
        h = narrow(known, scalar)
        terms = [plain(reduction.terms, scalar)(*_arguments(rule, buffers, h, i), h) for i in segment]
        assert all(type(x) is scalar for row in terms for x in row)
        columns = np.array(terms, np.float64).reshape(len(segment), len(reduction.sums)).T.copy()
        columns[len(reduction.values):] *= columns[len(reduction.values):]
        sums.append(columns)

    def results(own, known):
        found = plain(reduction.finish, None)(*own, known)
        return dict(zip(reduction.results, map(np.float64, found), strict=True))

    if reduction.over == "all":
        whole = results([functools.reduce(lambda sum, x: total(x, sum), column, np.float64(0.0))
                         for column in zip(*sums, strict=True)], lead)
        for known in (lead, *(known for *_, known in segments)):
            vars(known).update(whole)
    else:
        for own, (*_, known) in zip(sums, segments, strict=True):
            vars(known).update(results(map(total, own), known))


def _update(rule, buffers, known, t, wanted, store):
    w, _, *slots = buffers
    scalar, extra = w.dtype.type, ()
    h = narrow(known, scalar)
    for i in wanted:
        if rule.noisy:
            extra = (scalar(normal(known.offset + i, known.seed, t)),)
        new = plain(rule.update, scalar)(*_arguments(rule, buffers, h, i), *extra, h)
        new = new if isinstance(new, tuple) else (new,)
        assert all(type(x) is scalar for x in new), f"{rule.name} leaves {scalar.__name__}: {new}"
        w[i] = new[0]
        for slot, x in zip(slots, new[1:], strict=True):
            slot[i] = store(x)


# --- kernels

def records(rule, groups):
    """Hyper-parameters as kernels take them; an infinite one is none."""
    finite = [{key: None if np.isinf(x) else x for key, x in group.items()} for group in groups]
    return np.array([numoptim.hyper(rule, **group) for group in finite])


def whole(rule, buffers, group, t, offsets):
    """One call of the kernel for whole buffers with one group; its status."""
    hyper, offsets = records(rule, [group]), np.asarray(offsets if rule.layerwise else [0, len(buffers[0])])
    count = len(offsets) - 1 if rule.layerwise else len(buffers[0])
    return planned(rule, "whole", plan(0, count, offsets, None, hyper, buffers), t, buffers[0].dtype)


def ranges(rule, buffers, groups, t, offsets, which, pieces, norm_pieces=()):
    """One call of the general kernel for each (lo, count) in ``pieces``; norms before, for layer-wise rules.

    A call gets copies of its piece (for norms, and of a block more) that stand between NaN.
    """
    hyper, norms = records(rule, groups), norms_for(rule, offsets)
    guard, scoped = np.full(BLOCK, np.nan, buffers[0].dtype), whole_ones(rule)
    for phase in phases(rule):
        summing = phase.startswith("norms")
        for lo, count in (norm_pieces or pieces) if summing else pieces:
            reach = slice(lo, lo + count + (BLOCK if summing else 0))
            copies = [b if k in scoped else np.concatenate([guard, b[reach], guard]) for k, b in enumerate(buffers)]
            given = [c if k in scoped else c[BLOCK:] for k, c in enumerate(copies)]
            made = plan(lo, count, offsets, which, hyper, given, norms)
            assert planned(rule, phase, made, t, guard.dtype) == 0
            for k, (buffer, c) in enumerate(zip(buffers, copies, strict=True)):
                if k not in scoped:
                    buffer[reach] = c[BLOCK:-BLOCK]
                    assert np.isnan(c[:BLOCK]).all() and np.isnan(c[-BLOCK:]).all()


def arrays(rule, buffers, group, t, offsets):
    """One call of the kernel over arrays."""
    kernel = numoptim.kernel(rule, buffers[0].dtype)
    kernel(*([offsets] if rule.layerwise else []), *buffers, records(rule, [group])[0], t)


def plan(first, count, offsets, which, hyper, buffers, norms=None):
    """A plan; keep the arrays alive. buffers: arrays that begin at element ``first``, or addresses."""
    def address(x):
        return 0 if x is None else x.ctypes.data if isinstance(x, np.ndarray) else int(x)

    made = np.zeros(1, PLAN_DTYPE)
    made["first"], made["count"], made["segments"], made["groups"] = first, count, len(offsets) - 1, len(hyper)
    for key, table in (("offsets", offsets), ("which", which), ("hyper", hyper), ("norms", norms)):
        made[key] = address(table)
    made["buffers"][0, :len(buffers)] = list(map(address, buffers))
    return made


def norms_for(rule, offsets):
    """Room for partial sums of all blocks."""
    return np.full(norms_size(rule, int(offsets[-1]), len(offsets) - 1), np.nan)


def planned(rule, phase, made, t, dtype):
    """What a kernel compiled in process returns for a plan."""
    compiled = kernels.over_plans(rule, f"f{8 * np.dtype(dtype).itemsize}", phase)
    return ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_int64)(compiled.address)(made.ctypes.data, t)


# --- optimizers on one array

def descend(optimize, weight, gradients):
    """The weights after each update of a copy of ``weight``, and the state.

    gradients: arrays (or numbers, for all elements), or functions of the present weight.
    """
    weight = np.array(weight, float)
    state, path = optimize.create_state(0, weight), []
    for g in gradients:
        grad = np.broadcast_to(g(weight) if callable(g) else np.asarray(g, float), weight.shape).copy()
        optimize.update(0, weight, grad, state)
        path.append(weight.copy())
    return path, state


def slots_of(trainer):
    """The slots of a trainer, flat."""
    return trainer._state.slots
