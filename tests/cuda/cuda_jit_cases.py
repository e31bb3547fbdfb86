"""What test_cuda_jit.py runs in processes of their own: Numba decides when it is imported whether it simulates a GPU,
and which package its numba.cuda is.

Under the simulator kernels run as they are; else the PTX that they compile to runs, on the emulator.
"""
import functools
import math
import os
import re
import sys
from collections import Counter
from math import sqrt
from types import SimpleNamespace

import numpy as np
import ptx
import pytest
from device import Problem, buffers_for
from reference import BY_NAME, FLOAT, arrays, each_dtype, normal, records, same_bits, values
from test_gpu_code import EXACT

import numoptim
import numoptim.cuda
from numoptim import Rule
from numoptim.aot import PACKAGE
from numoptim.cuda.figures import instructions
from numoptim.kernels import phases
from numoptim.rule import Slot, clip, exp, power, sign
from numoptim.rules import RULES

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
if os.environ["NUMOPTIM_TEST_CUDA"] == "Built-in":
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "NumbaCudaFinder"]

import numba  # noqa: E402
from numba import cuda  # noqa: E402

SEVERAL = [rule for rule in RULES if len(phases(rule)) > 1]                  # of several kernels a step
each_rule = pytest.mark.parametrize("rule", [rule for rule in RULES if rule not in SEVERAL], ids=lambda rule: rule.name)
compiled_only = pytest.mark.skipif(SIMULATED, reason="the simulator compiles nothing")
CAPABILITY, SIZE = (8, 0), 301 if SIMULATED else 1003
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")             # NumPy's, in the simulator's threads
SHAPES = ((1, 3), (2, 2), (1, 1)) if SIMULATED else ((1, 32), (3, 64), (7, 96))


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """No warnings of NumPy's; and a GPU to compile for, where Numba asks which one is there."""
    if not SIMULATED:
        device = SimpleNamespace(compute_capability=CAPABILITY)
        monkeypatch.setattr("numba.cuda.dispatcher.get_current_device", lambda: device)
    with np.errstate(all="ignore"):
        yield


# --- kernels run here

def compiled(kernel, kinds, **options):
    """PTX of a kernel for arguments of such types.

    Products with powers of two, which LLVM makes of quotients, count as rounded: fused or not, they are exact.
    """
    signature = numba.types.void(*kinds)
    text, _ = cuda.compile(kernel.py_func, signature, device=False, cc=CAPABILITY, abi="numba", **options)
    return re.sub(r"\tmul\.f(32|64)(\s+%\w+, %\w+, 0[fd][0-9A-F]{3}0+;)", r"\tmul.rn.f\1\2", text)


def operations(text):
    """How often each instruction on floats stands there."""
    return Counter(re.findall(r"^\t(?:@!?%p\d+ )?([a-z][\w.]*\.f(?:16|32|64)\b[\w.]*)", text, re.M))


def emulated(text):
    return ptx.load(re.sub(r"^\.common.*$", "", text, flags=re.M))             # Numba's room for exceptions


@functools.cache
def module(kernel, kinds):
    text = compiled(kernel, kinds)
    assert operations(text) and [name for name in operations(text) if not EXACT.fullmatch(name)] == []
    return emulated(text)


def parameters(arguments):
    """Arguments as Numba hands them to a kernel: arrays are structs, records addresses, tuples their members."""
    for each in arguments:
        if isinstance(each, np.ndarray):
            yield from (0, 0, each.size, each.itemsize, each, each.size, each.itemsize)
        elif isinstance(each, np.void):
            yield np.array([each])
        else:
            yield from each if isinstance(each, tuple) else [each]


def run(loaded, shape, arguments):
    (name,), flat = loaded.kernels, list(parameters(arguments))
    loaded.launch(name, *shape, *flat, race=True, memory=[each for each in flat if isinstance(each, np.ndarray)])


def launch(kernel, shape, *arguments):
    """A launch on arrays of this process."""
    if SIMULATED:
        kernel[shape](*arguments)
    else:
        run(module(kernel, tuple(map(numba.typeof, arguments))), shape, arguments)


def hyper_of(rule, group):
    """Hyper-parameters for kernels; an infinite one is none."""
    return numoptim.cuda.hyper(rule, **{key: None if np.isinf(value) else value for key, value in group.items()})


def assert_same(device, processor):
    for k, (a, b) in enumerate(zip(device, processor, strict=True)):
        assert same_bits(a, b), f"buffer {k}: element {np.flatnonzero(a != b)[:5]}"


# --- kernels

def test_this_is_the_numba_cuda_that_was_asked_for():
    assert SIMULATED or cuda.implementation == os.environ["NUMOPTIM_TEST_CUDA"]
    assert ("numba_cuda" in cuda.__file__) == (os.environ["NUMOPTIM_TEST_CUDA"] == "NVIDIA")


@each_dtype
@each_rule
def test_kernels_have_the_processors_bits(rule, dtype):
    """On any grid; the gradient stays as it is."""
    kernel, hyper = numoptim.cuda.kernel(rule, FLOAT[dtype]), hyper_of(rule, values(rule))
    device, problem = buffers_for(rule, dtype, SIZE), Problem(rule, dtype, SIZE)
    processor = [each.copy() for each in device]
    for t, shape in zip((1, 2, 1000), SHAPES, strict=True):
        assert problem.processor(processor, t) == 0
        launch(kernel, shape, *device, hyper, t)
        assert_same(device, processor)


@each_dtype
@pytest.mark.parametrize("name", ["adam", "adagrad", "ftrl", "sgld", "accumulate"])
def test_what_numoptim_kernel_refuses_is_not_written(name, dtype):
    rule, kernel = BY_NAME[name], numoptim.cuda.kernel(name, FLOAT[dtype])
    begin, problem, refused = buffers_for(rule, dtype, 7), Problem(rule, dtype, 7), 0
    for key, (default, _) in rule.fields.items():
        for value in ([-1, 0, 10**18, 10**18 + 1, -2**63] if isinstance(default, int) else
                      [np.nan, np.inf, -np.inf, -1.0, -0.0, 0.0, 1e-320, 1e-50, 1e-33, 0.5, 1.0, 1e39]):
            device, processor, known = [each.copy() for each in begin], [each.copy() for each in begin], values(rule)
            problem.hyper[0] = tuple({**known, key: value}.values())
            refused += problem.processor(processor, 2) != 0
            launch(kernel, SHAPES[0], *device, hyper_of(rule, known)._replace(**{key: value}), 2)
            assert_same(device, processor)
    assert refused > 10


@each_dtype
def test_other_steps_and_sizes_write_nothing(dtype):
    rule, kernel = BY_NAME["adam"], numoptim.cuda.kernel("adam", FLOAT[dtype])
    begin, hyper = buffers_for(rule, dtype, 9), numoptim.cuda.hyper("adam")
    for t, short in ((0, None), (-1, None), (-2**62, None), *((1, k) for k in range(4))):
        device = [each[:8].copy() if k == short else each.copy() for k, each in enumerate(begin)]
        before = [each.copy() for each in device]
        launch(kernel, SHAPES[0], *device, hyper, t)
        assert_same(device, before)


@each_dtype
def test_noise_of_any_seed_offset_and_step(dtype):
    rule, kernel = BY_NAME["sgld"], numoptim.cuda.kernel("sgld", FLOAT[dtype])
    for seed, offset, t in ((-5, 0, 1), (2**63 - 1, 10**15 + 5, 2**40), (-2**63 + 1, 255, 3)):
        device = buffers_for(rule, dtype, 300)
        processor, group = [each.copy() for each in device], values(rule, seed=seed, offset=offset)
        assert Problem(rule, dtype, 300, groups=[group]).processor(processor, t) == 0
        launch(kernel, SHAPES[1], *device, hyper_of(rule, group), t)
        assert_same(device, processor)


def test_a_record_is_hyper_too():
    rule, kernel = BY_NAME["adam"], numoptim.cuda.kernel("adam")
    device, (record,) = buffers_for(rule, "f32", 50), records(rule, [values(rule)])
    processor = [each.copy() for each in device]
    assert Problem(rule, "f32", 50).processor(processor, 5) == 0
    launch(kernel, SHAPES[1], *device, record, 5)
    assert_same(device, processor)


# --- a rule of one's own

THIRD = 1 / 3


def root(x):
    return math.sqrt(abs(x) + THIRD) if x > -0.5 else sqrt(-x) * sqrt(THIRD - x)


def prepare(t, h):
    return exp(-h.decay / t) + power(h.decay, t), math.sqrt(1.0 - h.decay)


def update(w, g, a, b, normal, h):
    a = h.kept * a + h.spread * root(g) * normal
    b = b + float(int(clip(10.0 * g, -5.0, 5.0))) / 8.0
    return w - h.learning_rate * math.copysign(a, g) + b * THIRD * sign(w), a, b


OWN = Rule(name="own", update=update, slots=("a", "b"), noisy=True, prepare=prepare, derived=("kept", "spread"),
           hyper={"learning_rate": (0.1, "[0, inf)"), "decay": (0.9, "[0, 1)")})


@each_dtype
def test_rules_of_ones_own(dtype):
    device, kernel = buffers_for(OWN, dtype, SIZE), numoptim.cuda.kernel(OWN, FLOAT[dtype])
    processor = [each.copy() for each in device]
    for t, shape in zip((1, 2, 3), SHAPES, strict=True):
        arrays(OWN, processor, values(OWN), t, None)
        launch(kernel, shape, *device, hyper_of(OWN, values(OWN)), t)
        assert_same(device, processor)


# --- functions in kernels of one's own

def own_kernel(name, dtype):
    """A kernel that fits a target, and adds up squares, which its compiler fuses."""
    prepare, element = numoptim.cuda.device(name, dtype)

    @cuda.jit
    def fit(w, target, m, v, squares, hyper, t):
        h = prepare(t, hyper)
        i = cuda.grid(1)
        while i < w.size:
            error = w[i] - target[i]
            w[i], m[i], v[i] = element(w[i], 2 * error, m[i], v[i], h)         # 2*error is float64 to Numba
            squares[i] += error * error
            i += cuda.gridsize(1)
    return fit


@each_dtype
def test_a_kernel_of_ones_own_has_the_processors_bits(dtype):
    rule, kernel = BY_NAME["adam"], own_kernel("adam", FLOAT[dtype])
    w, target, m, v = begin = buffers_for(rule, dtype, SIZE)
    squares, processor = np.zeros_like(w), [each.copy() for each in begin]
    problem, hyper = Problem(rule, dtype, SIZE), hyper_of(rule, values(rule))
    if not SIMULATED:
        text = compiled(kernel, map(numba.typeof, (w, target, m, v, squares, hyper, 1)))
        assert f"fma.rn.{dtype}" in text
        loaded = emulated(re.sub(r"\t(add|sub|mul)\.(f32|f64)", r"\t\1.rn.\2", text))      # its own, however rounded
    for t, shape in zip((1, 2, 1000), SHAPES, strict=True):
        processor[1] = 2 * (processor[0] - target)
        assert problem.processor(processor, t) == 0
        arguments = (w, target, m, v, squares, hyper, t)
        kernel[shape](*arguments) if SIMULATED else run(loaded, shape, arguments)
        assert_same((w, m, v), (processor[0], *processor[2:]))


@compiled_only
@each_dtype
@pytest.mark.parametrize("name", ["sgd_momentum", "nag"])
def test_the_assembler_fuses_nothing(name, dtype):
    """Of rules without division and root, which the assembler makes of fused operations."""
    pytest.importorskip("cuda.bindings.nvjitlink")
    kinds = [numba.from_dtype(np.dtype(FLOAT[dtype]))[::1]] * 3
    kernel, hyper = numoptim.cuda.kernel(name, FLOAT[dtype]), numba.typeof(numoptim.cuda.hyper(name))
    code = numoptim.cuda.cubin(compiled(kernel, (*kinds, hyper, numba.types.int64)), 90)
    found = Counter(line.split()[0] for lines, _ in instructions(code).values() for line in lines)
    letter = "F" if dtype == "f32" else "D"
    assert found[f"{letter}MUL"] > 3 and found[f"{letter}ADD"] > 3 and not found["FFMA"] and not found["DFMA"]


@compiled_only
@pytest.mark.parametrize("options", [{}, {"fastmath": True}], ids=str)
def test_nothing_within_is_fused_or_approximate(options):
    """An element costs the same exact operations there as in a kernel of numoptim's, whatever the kernel's options."""
    buffers = (numba.types.float32[::1],) * 4
    tail = (numba.typeof(numoptim.cuda.hyper("adam")), numba.types.int64)
    known = operations(compiled(numoptim.cuda.kernel("adam"), (*buffers, *tail)))
    found = operations(compiled(own_kernel("adam", np.float32), (*buffers, buffers[0], *tail), **options))
    for name in ("mul.rn.f32", "add.rn.f32", "sqrt.rn.f32"):
        assert found[name] * known["div.rn.f32"] == known[name] * found["div.rn.f32"] > 0
    assert found["fma.rn.f32"] + found["fma.rn.ftz.f32"] == found["div.rn.f32"]          # the kernel's own, one each


@each_dtype
def test_noise_of_ones_own(dtype):
    """A noisy rule takes it as a number, of any type; here it is numoptim's."""
    rule, (prepare, element) = BY_NAME["sgld"], numoptim.cuda.device("sgld", FLOAT[dtype])

    @cuda.jit
    def sample(w, g, normals, hyper, t):
        h = prepare(t, hyper)
        i = cuda.grid(1)
        if i < w.size:
            w[i] = element(w[i], g[i], normals[i], h)

    (w, g), group = buffers_for(rule, dtype, 4), values(rule)
    processor = [w.copy(), g.copy()]
    assert Problem(rule, dtype, 4).processor(processor, 9) == 0
    launch(sample, (2, 2), w, g, np.array([normal(group["offset"] + i, group["seed"], 9) for i in range(4)]),
           hyper_of(rule, group), 9)
    assert_same((w, g), processor)


# --- what is refused

@pytest.mark.parametrize("make", [numoptim.cuda.kernel, numoptim.cuda.device])
def test_unknown_rules_other_types_and_rules_of_several_kernels_are_refused(make):
    with pytest.raises(ValueError, match="did you mean 'adam'"):
        make("adem")
    with pytest.raises(TypeError, match="float16"):
        make("adam", np.float16)
    counting = Rule("counting", indexing, (Slot("n", over="all"),), prepare=lambda t, h: (h.n + 1.0,), derived=("n",))
    for rule in (*SEVERAL, counting):
        with pytest.raises(ValueError, match=rf"rule '{rule.name}' .* Parameters\(\.\.\., device='cuda'\)"):
            make(rule)


def indexing(w, g, h):
    return w - (0.5, 1.0)[int(g)]


@pytest.mark.parametrize("make", [numoptim.cuda.kernel, numoptim.cuda.device])
def test_what_a_gpu_cannot_do_is_refused(make):
    with pytest.raises(ValueError, match="rule 'indexing' needs Python_exceptions, which GPU kernels do not have"):
        make(Rule(name="indexing", update=indexing))


def test_hyper_is_checked():
    assert numoptim.cuda.hyper("adam", beta1=0.5).beta1 == 0.5
    assert numoptim.cuda.hyper("sgld")._fields == tuple(BY_NAME["sgld"].fields)
    with pytest.raises(TypeError, match="adam has no hyper-parameter 'momentum'"):
        numoptim.cuda.hyper("adam", momentum=0.9)
    with pytest.raises(ValueError, match=r"beta1=1\.5 is out of range"):
        numoptim.cuda.hyper("adam", beta1=1.5)


@compiled_only
@pytest.mark.parametrize("array", ["float64[::1]", "float32[:]", "float32[:, ::1]", "float32"])
@pytest.mark.parametrize("place", range(4))
def test_other_arrays_do_not_compile(array, place):
    kinds = [numba.types.float32[::1]] * 4
    kinds[place] = eval(array, vars(numba.types))
    with pytest.raises(numba.core.errors.TypingError, match="expected contiguous one-dimensional arrays of float32"):
        compiled(numoptim.cuda.kernel("adam"), (*kinds, numba.typeof(numoptim.cuda.hyper("adam")), numba.types.int64))


@compiled_only
def test_a_step_that_is_no_integer_does_not_compile():
    kinds = [numba.types.float32[::1]] * 4
    with pytest.raises(numba.core.errors.TypingError, match="expected an integer t, not float64"):
        compiled(numoptim.cuda.kernel("adam"), (*kinds, numba.typeof(numoptim.cuda.hyper("adam")), numba.types.float64))


# --- the README

@pytest.mark.skipif(not SIMULATED, reason="runs a whole program")
def test_the_example_in_the_readme():
    blocks = re.findall(r"```py\n(.*?)```", (PACKAGE.parent / "README.md").read_text(), re.S)
    names = {"np": np, "numoptim": numoptim}
    example, = (block for block in blocks if "@cuda.jit" in block)
    exec(example, names)
    assert np.allclose(names["w"].copy_to_host(), [1.0, -2.0, 0.5], atol=1e-3)
