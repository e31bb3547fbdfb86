"""Rules within kernels of Numba's @cuda.jit, from the same scalar functions as everywhere.

Nothing tells @cuda.jit not to fuse products with sums. So a rule's arithmetic is emitted as what is rounded by
definition: ``mul.rn`` and ``add.rn``, never fused, ``div.rn`` and ``sqrt.rn``, never approximate. Under Numba's
simulator a rule is plain Python on NumPy's scalars. All that knows ``numba.cuda`` stands here.
"""
import functools
import math
from collections import namedtuple
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import from_dtype, njit, types
from numba.core.errors import TypingError

from numoptim.kernels import abi, common, gradient
from numoptim.kernels.abi import FLOAT, phases
from numoptim.kernels.random import HALF, LOW, philox
from numoptim.rule import Rule
from numoptim.rule.retype import rebuilt
from numoptim.rules import RULES

from . import noise
from .compile import compiled

try:
    from numba import cuda
except ImportError as error:
    raise ImportError("there is no numba.cuda here: pip install 'numoptim[cuda-jit]'") from error


# --- exact arithmetic

def exact(builder: Any, operation: str, *arguments: Any) -> Any:
    """An operation on floats that no compiler, assembler or option fuses, approximates or flushes."""
    kind = arguments[0].type
    name = f"llvm.nvvm.{operation}.rn.{'f' if kind == ir.FloatType() else 'd'}"
    function = builder.module.globals.get(name)
    function = function or ir.Function(builder.module, ir.FunctionType(kind, [kind] * len(arguments)), name)
    return builder.call(function, arguments)


def make_exact(builder: Any) -> None:
    """Let a builder emit exact operations in the place of plain ones, from here on."""
    def binary(operation: str) -> Callable[..., Any]:
        return lambda a, b, name="", flags=(): exact(builder, operation, a, b)

    plain = builder.fsub

    def difference(a: Any, b: Any, name: str = "", flags: Any = ()) -> Any:
        zero = ir.Constant(a.type, -0.0)                       # -0.0 - b is -b, which GPUs' dialect has no word for
        return plain(zero, b) if str(a) == str(zero) else exact(builder, "add", a, plain(zero, b))

    builder.fmul, builder.fadd, builder.fdiv, builder.fsub = *map(binary, ("mul", "add", "div")), difference


MATHS: Any = ModuleType("math")            # in the place of math within rules: Numba wants a module there
inner: Any                                 # of what is part of the function that calls it: there ``exactly`` holds
outer: Any                                 # of what kernels call

if cuda.config.ENABLE_CUDASIM:                                                       # type: ignore[attr-defined]
    def inner(function):
        return function

    def exactly():
        pass

    def arrays_of(scalar):
        return lambda arrays: None

    outer, step = inner, np.int64
    MATHS.sqrt, MATHS.copysign = np.sqrt, np.copysign                         # math's would return Python's floats
else:
    from numba.cuda.extending import intrinsic

    inner, outer = njit(inline="always", error_model="numpy"), cuda.jit(device=True)

    @intrinsic
    def exactly(typing):
        """From here on the function that calls this is made of exact operations."""
        def generate(context, builder, signature, args):
            make_exact(builder)
            return context.get_dummy_value()
        return types.void(), generate

    @intrinsic
    def sqrt(typing, x):
        return x(x), lambda context, builder, signature, args: exact(builder, "sqrt", *args)

    @intrinsic
    def step(typing, t):
        """The number of a step as an int64."""
        if not isinstance(types.unliteral(t), types.Integer):
            raise TypingError(f"numoptim: expected an integer t, not {t}")
        return types.int64(t), lambda context, builder, signature, args: context.cast(builder, *args, t, types.int64)

    def arrays_of(scalar):
        """A function of a tuple that, when compiled, refuses all but contiguous arrays of ``scalar``."""
        number = from_dtype(np.dtype(scalar))

        @intrinsic
        def check(typing, arrays):
            for array in arrays:
                if not isinstance(array, types.Array) or (array.dtype, array.ndim, array.layout) != (number, 1, "C"):
                    raise TypingError(f"numoptim: expected contiguous one-dimensional arrays of {number}, not {array}")
            return types.void(arrays), lambda context, builder, signature, args: context.get_dummy_value()
        return check

    MATHS.sqrt, MATHS.copysign = sqrt, math.copysign


# --- the functions of a rule

def words(counter, step, seed):
    """noise.philox, in words of 64 bits: arithmetic that Python and Numba have on every target."""
    return philox(counter & LOW, counter >> HALF, step & LOW, step >> HALF, seed & LOW, seed >> HALF)


@functools.cache
def part(function: Any, scalar: Any) -> Any:
    """A scalar function for elements of a type; for None as it stands, in float64."""
    def named(value: Any) -> Any:
        if isinstance(value, FunctionType):
            return part(words if value is noise.philox else value, scalar)
        if isinstance(value, BuiltinFunctionType) and value.__module__ == "math":
            return getattr(MATHS, value.__name__)
        return MATHS if value is math else value
    return inner(rebuilt(function, scalar, named))


# Text, since kernels of Numba's take no *slots. One thread of a block checks and prepares, in float64, for all: a row
# of constants, and behind them whether they are good. It asks for the memory a turn before the others: to two threads
# that ask at once the simulator may give one each.
TEXT = """
def values_of(hyper):
    return V({values})

def prepare(t, hyper):
    exactly()
    values = values_of(hyper)
    derived = derive(step(t), values)
    return H({known})

def element(w, g, {slots}{normal}h):
    exactly()
    new = update(T(w), gradient(T(w), T(g), h), {typed}h)
    return {stored}

def draw(values, i, t):
    exactly()
    return T(normal(values.offset + i, values.seed, t))

def kernel(w, g, {slots}hyper, t):
    check((w, g, {slots}))
    values, t = values_of(hyper), step(t)
    for turn in range(2):
        if turn == 1 or cuda.threadIdx.x == 0:
            row = cuda.shared.array({count} + 1, T)
        if turn == 0 and cuda.threadIdx.x == 0:
            row[{count}] = T(1) if {usable} else T(0)
            if row[{count}] != T(0):
                h = prepare(t, hyper)
                {row} = {prepared}
        cuda.syncthreads()
    if row[{count}] == T(0):
        return
    h = H({row})
    i = cuda.grid(1)
    while i < w.size:
        k = np.uintp(i)
        {targets} = element(w[k], g[k], {elements}{drawn}h)
        i += cuda.gridsize(1)
"""


def blanks(rule: Rule, bounds: Any) -> dict[str, str]:
    """What stands in TEXT's braces for a rule; bounds: abi.bounds."""
    def row(form: str, names: Iterable[Any]) -> str:
        return "".join(f"{form.format(name)}, " for name in names)

    slots, known = [f"slot_{slot}" for slot in rule.slots], common.constants_of(rule)
    kinds = {key: "np.int64" if isinstance(default, int) else "np.float64" for key, (default, _) in rule.fields.items()}
    sources = {**{key: f"values.{key}" for key in rule.fields},
               **{key: f"derived[{k}]" for k, key in enumerate(rule.derived)}}
    usable = ["t >= 1", *(f"{array}.size == w.size" for array in ["g", *slots])]
    usable += [f"(LEAST[{k}] <= values.{key} <= MOST[{k}]{f' or values.{key} == 0' * bool(zero)})"
               for k, (key, zero) in enumerate(zip(rule.fields, bounds["zero"], strict=True))]
    usable += ["values.learning_rate >= RATE"] * rule.needs_rate
    return {
        "values": ", ".join(f"{kind}(hyper.{key})" for key, kind in kinds.items()),
        "known": row("T({})", [sources[name] for name in known]),
        "slots": row("{}", slots), "typed": row("T({})", [*slots, *["normal"] * rule.noisy]),
        "normal": "normal, " * rule.noisy, "drawn": "draw(values, i, t), " * rule.noisy,
        "stored": f"new[0], {row('flush(new[{}], TINY)', range(1, 1 + len(slots)))}" if slots else "new",
        "usable": " and ".join(usable), "count": str(len(known)),
        "row": row("row[{}]", range(len(known))), "prepared": row("h.{}", known),
        "targets": ", ".join(f"{array}[k]" for array in ["w", *slots]), "elements": row("{}[k]", slots),
    }


@functools.cache
def hyper_type(rule: Rule) -> Any:
    """A tuple of a rule's hyper-parameters."""
    return namedtuple("hyper", rule.fields)


def nothing(t, h):
    return ()


class Functions(NamedTuple):
    """Numba's dispatchers; under the simulator, what stands for them."""

    prepare: Any
    element: Any
    kernel: Any


@functools.cache
def functions(rule: Rule, dtype: str) -> Functions:
    """Those of a rule for "f32" or "f64".

    Raises ValueError for a rule whose step takes several kernels, and for one that a GPU has no functions for.
    """
    if phases(rule) != ("range",):
        raise ValueError(f"a step of rule {rule.name!r} takes several kernels: use a Trainer of Parameters(..., "
                         "device='cuda'), or launch those of numoptim.cuda.ptx")
    if rule not in RULES:
        compiled(rule, dtype, 80)                   # which says in a sentence what cannot be
    scalar: Any = FLOAT[dtype].type
    bounds = abi.bounds(rule, dtype, "range")
    least, most = (tuple(abi.number_of(key) if flip else key for key, flip in bounds[[end, "flip"]].tolist())
                   for end in ("least", "most"))
    names: dict[str, Any] = {
        "np": np, "cuda": cuda, "exactly": exactly, "step": step, "check": arrays_of(scalar),
        "T": scalar, "V": hyper_type(rule), "H": common.constants_type(rule),
        "TINY": np.finfo(scalar).tiny, "LEAST": least, "MOST": most, "RATE": abi.least_rate(FLOAT[dtype]),
        "derive": part(rule.prepare or nothing, None), "gradient": part(getattr(gradient, rule.gradient), scalar),
        "update": part(rule.update, scalar), "flush": part(gradient.flush, scalar),
        "normal": part(noise.normal, np.float32),
    }
    exec(compile(TEXT.format(**blanks(rule, bounds)), f"<{rule.name}_{dtype} for @cuda.jit>", "exec"), names)
    names["values_of"] = inner(names["values_of"])
    names["kernel"].__name__ = names["kernel"].__qualname__ = f"{rule.name}_{dtype}"
    for name, wrap in {"prepare": outer, "element": outer, "draw": outer, "kernel": cuda.jit}.items():
        names[name] = wrap(names[name])
    return Functions(*(names[name] for name in Functions._fields))
