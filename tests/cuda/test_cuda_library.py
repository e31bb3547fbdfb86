"""libnumoptim_cuda.so as a host written in C sees it: every function's bits, errors, loading, builds, a program."""
import ctypes
import functools
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from ctypes import c_size_t, c_uint64, c_void_p

import cffi
import numpy as np
import pytest
from device import Problem, buffers_for
from gpu_arrays import Graph, Stream, alive
from ptx.calls import Cuda
from reference import BY_NAME, FLOAT, each_rule, records, values
from tools import compiler

from numoptim import Parameters, Trainer
from numoptim.aot import LIBRARY, PACKAGE, digest, soname
from numoptim.aot.build import Toolchain
from numoptim.aot.header import TYPES, declarations
from numoptim.aot.header import launcher as launcher_declarations
from numoptim.cuda import header, launch, library, ptx
from numoptim.kernels import BLOCK, FROZEN
from numoptim.kernels.abi import places
from numoptim.rules import RULES, adam, dcasgd, lamb, sgd, sgld

EXAMPLES = PACKAGE.parent / "capi" / "examples"
CUDA_LIBRARY = soname("numoptim_cuda")
SIZE = 2 * BLOCK + 1003
OFFSETS = [0, 7, 7, BLOCK + 20, SIZE]
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-Wconversion"]
pytest.importorskip("cuda.bindings.nvfatbin")


def built(folder, rules=RULES):
    """lib/ and include/ with the library of GPU kernels, and the package's for the processor."""
    for file in (f"lib/{LIBRARY.name}", "lib/libnumoptim.so", "include/numoptim.h"):
        (folder / file).parent.mkdir(exist_ok=True)
        shutil.copy(PACKAGE / file, folder / file)
    library.library(rules, folder / "lib", folder / "include", "numoptim", Toolchain())
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return built(tmp_path_factory.mktemp("built"))


class Host:
    """A host of the library with a current context; what it allocates is freed by ``close``."""

    def __init__(self, path, gpu):
        self.ffi = cffi.FFI()
        prototypes = [header.declaration(name, parameters) + ";" for rule in RULES for dtype in TYPES
                      for name, parameters in header.functions(rule, dtype).items()]
        self.ffi.cdef("\n".join([declarations(RULES), launcher_declarations(), *prototypes,
                                 "const void *numoptim_cuda_image(const char *name);"]))
        self.lib, self.gpu, self.cuda, self.taken = self.ffi.dlopen(str(path)), gpu, Cuda(gpu.library), []
        self.cuda.start()

    def upload(self, array, past=0):
        """The address of a copy in device memory, which begins so many elements behind a multiple of 16 bytes."""
        room = np.concatenate([np.zeros(16 // array.itemsize + past, array.dtype), array])
        address = self.cuda.upload(room)
        self.taken.append(address)
        shift = -address.value % 16 + past * array.itemsize
        target = c_uint64(address.value + shift)
        self.cuda.cuMemcpyHtoD_v2(target, c_void_p(array.ctypes.data), array.nbytes)
        return target.value

    def read(self, address, like):
        return self.cuda.download(c_uint64(address), like.dtype, like.size)

    def call(self, name, *arguments):
        """The status of a C function; integers stand for pointers, NumPy records for structs of the host."""
        kinds = self.ffi.typeof(getattr(self.lib, name)).args
        passed = [self.ffi.cast(kind, x.ctypes.data if isinstance(x, np.ndarray) else x or 0)
                  if kind.kind == "pointer" and not isinstance(x, self.ffi.CData) else x
                  for kind, x in zip(kinds, arguments, strict=True)]
        return getattr(self.lib, name)(*passed)

    def plan(self, buffers, size, **tables):
        made = self.ffi.new("numoptim_cuda_plan *", {"size": size})
        for k, address in enumerate(buffers):
            made.buffers[k] = self.ffi.cast("void *", address)
        for key, value in tables.items():
            counted = key in ("segments", "groups")
            setattr(made, key, value if counted else self.ffi.cast(self.ffi.typeof(getattr(made, key)), value))
        return made

    def close(self):
        for address in self.taken:
            self.cuda.cuMemFree_v2(address)


@pytest.fixture
def host(folder, gpu):
    host = Host(folder / "lib" / CUDA_LIBRARY, gpu)
    yield host
    host.close()


@pytest.fixture
def fresh(folder, gpu, tmp_path):
    """A copy of the library that has loaded nothing yet."""
    for name in (CUDA_LIBRARY, LIBRARY.name):
        shutil.copy(folder / "lib" / name, tmp_path)
    host = Host(tmp_path / CUDA_LIBRARY, gpu)
    yield host
    host.close()


# --- the bits

@pytest.mark.parametrize("dtype", FLOAT)
@each_rule
def test_steps_have_the_bits_of_the_processor(host, gpu, rule, dtype):
    gpu.register(ptx(rule, FLOAT[dtype]))
    name = f"numoptim_cuda_{rule.name}_{dtype}"
    for past in (0, 1):
        own = buffers_for(rule, dtype, SIZE, seed=past)
        problem = Problem(rule, dtype, SIZE, OFFSETS if rule.layerwise else None,
                          [0] * (len(OFFSETS) - 1) if rule.layerwise else None)
        addresses = [host.upload(b, past) for b in own]
        tables = [len(OFFSETS) - 1, host.upload(problem.offsets), host.upload(problem.norms)] if rule.layerwise else []
        for t in (1, 2, 3):
            assert problem.processor(own, t) == 0
            assert host.call(name, SIZE, *tables, *addresses, problem.hyper, t, None) == 0
        for address, expected in zip(addresses, own, strict=True):
            assert host.read(address, expected).tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", FLOAT)
@pytest.mark.parametrize("rule", [r for r in RULES if r.init], ids=lambda r: r.name)
def test_first_slots(host, gpu, rule, dtype):
    gpu.register(ptx(rule, FLOAT[dtype]))
    own = buffers_for(rule, dtype, SIZE)
    addresses, problem = [host.upload(b) for b in own], Problem(rule, dtype, SIZE)
    assert problem.processor(own, 1, ["init"]) == 0
    assert host.call(f"numoptim_cuda_{rule.name}_{dtype}_init", SIZE, addresses[0],
                     *(addresses[k] for k in places(rule, "element")), problem.hyper, None) == 0
    for address, expected in zip(addresses, own, strict=True):
        assert host.read(address, expected).tobytes() == expected.tobytes()


@pytest.mark.parametrize("which", [[0, 1, 0, 1], [0, 1, FROZEN, 1], [FROZEN] * 4], ids=["groups", "frozen", "all"])
@pytest.mark.parametrize("dtype", FLOAT)
@pytest.mark.parametrize("rule", [adam.RULE, lamb.RULE, sgld.RULE], ids=lambda r: r.name)
def test_groups_and_the_step_in_device_memory(host, gpu, rule, dtype, which):
    gpu.register(ptx(rule, FLOAT[dtype]))
    groups = [values(rule), {**values(rule), "learning_rate": 0.5, "wd": 0.25}]
    own, problem = buffers_for(rule, dtype, SIZE), Problem(rule, dtype, SIZE, OFFSETS, which, groups)
    addresses = [host.upload(b) for b in own]
    step = host.upload(np.array([1]))
    tables = {"offsets": host.upload(problem.offsets), "which": host.upload(problem.which),
              "hyper": host.upload(problem.hyper.view(np.int64))}
    if rule.layerwise:
        tables["norms"] = host.upload(problem.norms)
    plan = host.plan(addresses, SIZE, segments=4, groups=2, step=step, **tables)
    function, stream = f"numoptim_cuda_{rule.name}_{dtype}_plan", Stream()
    assert host.call(function, host.plan([], 0), records(rule, groups[:1]), 1, None) == 0        # loads its kernels
    with Graph(stream) as graph:
        assert host.call(function, plan, None, 0, stream.handle) == 0
    for t in (1, 2, 5, 6):
        host.cuda.cuMemcpyHtoD_v2(c_uint64(step), np.array([t]).ctypes.data_as(c_void_p), 8)
        assert problem.processor(own, t) == 0
        if t < 5:
            assert host.call(function, plan, None, 0, None) == 0
        else:
            graph.replay()
            host.cuda.cuCtxSynchronize()
    graph.close()
    stream.close()
    for address, expected in zip(addresses, own, strict=True):
        assert host.read(address, expected).tobytes() == expected.tobytes()
    assert len(host.gpu.launches()) == 4 * (3 if rule.layerwise else 1)


# --- errors: a status, and nothing is launched

def adam_call(host, **changed):
    """A step of Adam on 100 elements, with arguments changed."""
    host.gpu.register(ptx(adam.RULE))
    w, g, m, v = (host.upload(np.ones(100, np.float32)) for _ in range(4))
    h = records(adam.RULE, [values(adam.RULE)])
    given = {"size": 100, "w": w, "g": g, "m": m, "v": v, "h": h, "t": 1, **changed}
    return host.call("numoptim_cuda_adam_f32", *given.values(), None)


def refused(host, status, **changed):
    assert adam_call(host) == 0
    launches = len(host.gpu.launches())
    assert adam_call(host, **changed) == status
    assert len(host.gpu.launches()) == launches
    return host.ffi.string(host.lib.numoptim_cuda_strerror(status)).decode()


def bad(**changed):
    h = records(adam.RULE, [values(adam.RULE)])
    for key, value in changed.items():
        h[key] = value
    return h


@pytest.mark.parametrize(("status", "changed"), [
    (-1, {"h": None}), (-1, {"w": 0}), (-1, {"g": 0}), (-1, {"v": 0}), (-2, {"size": -1}), (-3, {"t": 0}),
    (-4, {"h": bad(beta1=1.0)}), (-4, {"h": bad(learning_rate=float("nan"))}),
], ids=["no hyper-parameters", "no weights", "no gradient", "no slot", "size", "step", "range", "NaN"])
def test_what_the_processors_functions_refuse(host, status, changed):
    refused(host, status, **changed)


def test_memory_of_the_host(host):
    array = np.ones(100, np.float32)
    for name in "wgmv":
        assert "not memory of the current device" in refused(host, -103, **{name: array.ctypes.data})


def test_memory_that_is_not_aligned(host):
    assert "not aligned" in refused(host, -105, g=host.upload(np.ones(101, np.float32)) + 2)


def test_doubles_of_segments_are_aligned_as_doubles(host):
    """Among floats, which may lie at any multiple of 4."""
    rule = BY_NAME["novograd"]
    host.gpu.register(ptx(rule))
    w, g, m = (host.upload(np.ones(101, np.float32)) for _ in range(3))
    offsets, norms, v = host.upload(np.array([0, 100])), host.upload(np.zeros(4)), host.upload(np.zeros(2))
    h = records(rule, [values(rule)])
    call = functools.partial(host.call, "numoptim_cuda_novograd_f32", 100, 1, offsets, norms, w, g)
    statuses = [call(m + past_m, v + past_v, h, 1, None)
                for past_m, past_v in ((0, 0), (4, 0), (2, 0), (0, 8), (0, 4))]
    assert statuses == [0, 0, -105, 0, -105] and len(host.gpu.launches()) == 3 * 4


def test_memory_of_another_device(host):
    assert adam_call(host) == 0
    with host.gpu.configured(devices=2, foreign=True):
        assert adam_call(host) == -103


def test_managed_memory_and_locked_memory_of_the_host(host):
    managed = host.cuda.get(c_uint64, "cuMemAllocManaged", c_size_t(400), 1)
    locked = host.cuda.get(c_void_p, "cuMemAllocHost_v2", c_size_t(400))
    for address in (managed.value, locked.value):
        ctypes.memset(address, 0, 400)
    assert adam_call(host, m=managed.value, v=locked.value) == 0
    for address in (managed.value, locked.value):
        assert np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_float)), (100,)).all()
    host.cuda.cuMemFree_v2(managed)
    host.cuda.cuMemFreeHost(locked)


def test_no_context(host):
    assert adam_call(host) == 0
    known = [host.upload(np.ones(100, np.float32)) for _ in range(4)]
    with ThreadPoolExecutor(1) as pool:                   # a thread that has none
        h = records(adam.RULE, [values(adam.RULE)])
        assert pool.submit(host.call, "numoptim_cuda_adam_f32", 100, *known, h, 1, None).result() == -102


def test_nothing_to_do(host):
    assert adam_call(host, size=0, w=0, g=0, m=0, v=0) == 0 and host.gpu.launches() == []
    assert adam_call(host, size=0, t=0) == -3


def test_a_launch_that_fails(host):
    with host.gpu.configured(devices=2, fail={"cuLaunchKernel": 719}):
        assert adam_call(host) == -1719
    assert "launch failure" in host.ffi.string(host.lib.numoptim_cuda_strerror(-1719)).decode()


def test_plans_that_are_not(host):
    h = records(lamb.RULE, [values(lamb.RULE)])
    buffers = [host.upload(np.ones(100, np.float32)) for _ in range(4)]
    host.gpu.register(ptx(lamb.RULE))
    assert host.call("numoptim_cuda_lamb_f32_plan", None, h, 1, None) == -1
    assert host.call("numoptim_cuda_lamb_f32_plan", host.plan(buffers, 100), h, 1, None) == -5      # no segment
    assert host.call("numoptim_cuda_lamb_f32_plan", host.plan(buffers, 100, segments=1), h, 1, None) == -1
    for bad in (-1, -2**63, 2**60, 2**63 - 1):
        for counts in ({"size": bad, "segments": 1}, {"size": 100, "segments": bad},
                       {"size": 100, "segments": 1, "groups": bad}):
            assert host.call("numoptim_cuda_lamb_f32_plan", host.plan(buffers, **counts), h, 1, None) == -2
    hyper = {"hyper": host.upload(h.view(np.int64)), "segments": 1, "offsets": host.upload(np.array([0, 100])),
             "norms": host.upload(np.zeros(4)), "which": host.upload(np.array([0]))}
    assert host.call("numoptim_cuda_lamb_f32_plan", host.plan(buffers, 100, **hyper), None, 1, None) == -5   # no group
    assert host.call("numoptim_cuda_lamb_f32_plan", host.plan(buffers, 100, **hyper, groups=1), None, 1, None) == 0


# --- loading

def test_kernels_that_cannot_be_loaded_are_tried_again(fresh):
    with fresh.gpu.configured(devices=2, fail={"cuLibraryLoadData": 2}):
        assert adam_call(fresh) == -1002
    with fresh.gpu.configured(devices=2, fail={"cuLibraryLoadData": 209}):
        assert adam_call(fresh) == -104
    assert adam_call(fresh) == 0


def test_first_calls_of_many_threads_load_once(fresh):
    fresh.gpu.register(ptx(adam.RULE))
    before, context = alive(fresh.gpu)["library"], fresh.cuda.get(c_void_p, "cuCtxGetCurrent")
    sets = [[fresh.upload(np.ones(100, np.float32)) for _ in range(4)] for _ in range(8)]

    def step(buffers):
        fresh.cuda.cuCtxSetCurrent(context)
        return fresh.call("numoptim_cuda_adam_f32", 100, *buffers, records(adam.RULE, [values(adam.RULE)]), 1, None)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(step, sets)) == [0] * 8
    assert alive(fresh.gpu)["library"] == before + 1
    assert {fresh.read(buffers[0], np.ones(100, np.float32)).tobytes() for buffers in sets} == {
        fresh.read(sets[0][0], np.ones(100, np.float32)).tobytes()}


def test_images(host):
    for rule in RULES:
        for dtype in TYPES:
            found = host.lib.numoptim_cuda_image(f"{rule.name}_{dtype}".encode())
            assert bytes(host.ffi.buffer(found, 4)) == b"\x50\xed\x55\xba"
    assert host.lib.numoptim_cuda_image(b"adam") == host.ffi.NULL == host.lib.numoptim_cuda_image(host.ffi.NULL)


def test_python_takes_kernels_from_it(folder, gpu, monkeypatch):
    for cached in (launch.library, launch.loaded):
        cached.cache_clear()
    monkeypatch.setattr(launch, "LIBRARY", folder / "lib" / CUDA_LIBRARY)
    assert launch.library().numoptim_cuda_sources().decode() == digest("cuda")
    made = {}
    for device in ("cpu", "cuda"):
        params = Parameters({"w": np.linspace(-1, 1, 1001, dtype=np.float32)}, device=device)
        params.grad["w"] = np.ones(1001)
        trainer = Trainer(params, "dcasgd")
        trainer.step(1), trainer.step(1)
        made[device] = params.flat if device == "cpu" else params.flat.to_host()
    assert isinstance(launch.image(dcasgd.RULE, np.dtype(np.float32), 80), int)
    assert made["cpu"].tobytes() == made["cuda"].tobytes()
    for cached in (launch.library, launch.loaded):
        cached.cache_clear()


# --- files and programs

def test_two_builds_are_equal_and_export_what_is_declared(tmp_path):
    one, two = (tmp_path / name for name in "ab")
    for each in (one, two):
        each.mkdir()
        built(each, [sgd.RULE, dcasgd.RULE])
    for file in (f"lib/{CUDA_LIBRARY}", "lib/libnumoptim_cuda.a", "include/numoptim_cuda.h"):
        assert (one / file).read_bytes() == (two / file).read_bytes()
    listed = subprocess.run(["nm", "-D", "--defined-only", one / "lib" / CUDA_LIBRARY], capture_output=True,
                            text=True, check=True).stdout.split()[2::3]
    declared = re.findall(r"^(?:int32_t|const char \*|const void \*) ?(numoptim_cuda_\w+)\(",
                          (one / "include/numoptim_cuda.h").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(declared) and "numoptim_cuda_dcasgd_f64_init" in listed


@pytest.mark.parametrize("language", [compiler("gcc", "-std=c99", "-xc"), compiler("g++", "-std=c++11", "-xc++")])
def test_the_header_compiles_without_a_warning(folder, tmp_path, language):
    source = tmp_path / "all.c"
    source.write_text('#include "numoptim_cuda.h"\n#include "numoptim_cuda.h"\n'
                      "int main(void) { return numoptim_cuda_available() == NUMOPTIM_CUDA_DRIVER ? 0 : 1; }\n")
    subprocess.run([*language, *STRICT, source, f"-I{folder / 'include'}", f"-L{folder / 'lib'}", "-lnumoptim_cuda",
                    "-lnumoptim", f"-Wl,-rpath,{folder / 'lib'}", "-o", tmp_path / "all"], check=True)
    assert subprocess.run([tmp_path / "all"]).returncode == 0          # there is no driver here


def test_a_program(folder, tmp_path, driver):
    program = tmp_path / "cuda"
    subprocess.run(["gcc", "-std=c99", *STRICT, "-O2", EXAMPLES / "cuda.c", f"-I{folder / 'include'}",
                    f"-L{folder / 'lib'}", "-lnumoptim_cuda", "-lnumoptim", "-ldl", f"-Wl,-rpath,{folder / 'lib'}",
                    "-o", program], check=True)
    alone = subprocess.run([program], capture_output=True, text=True, timeout=60)
    assert alone.returncode == 1 and alone.stderr == (
        "cuda: no CUDA driver: libcuda.so.1 is missing, older than CUDA 12, or has no device\n")
    driver.register(ptx(adam.RULE))
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, env=driver.environment())
    assert (done.returncode, done.stdout, done.stderr) == (0, "3.00 5.00\n", "")
    assert driver.problems() == [] and len(driver.launches()) == 300
    for useless in ({"devices": 0}, {"version": 11080}):
        none = subprocess.run([program], capture_output=True, text=True, timeout=60, env=driver.environment(**useless))
        assert none.returncode == 1 and none.stderr == alone.stderr
