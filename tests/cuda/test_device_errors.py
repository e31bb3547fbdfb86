"""What is refused before anything is written, and machines without a driver, bindings or a C compiler."""
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gpu_arrays import Exporter, Foreign, Stream, upload

from numoptim import Parameters, Trainer, cuda, optimizer
from numoptim.cuda import launch, ptx

ROOT = Path(__file__).parents[2]
ONES = np.ones((2, 3), np.float32)


# --- mixed memory

GRADIENTS = [
    (lambda: ONES, TypeError, "is in the processor's memory; expected an array on cuda:0"),
    (lambda: ONES.tolist(), TypeError, "is in the processor's memory"),
    (lambda: Exporter(ONES, device_type=10), TypeError, "ROCm memory"),
    (lambda: upload(np.ones((2, 3))), TypeError, "is float64; expected float32"),
    (lambda: upload(np.ones((3, 2), np.float32)), ValueError, r"has shape \(3, 2\); expected \(2, 3\)"),
]
each_gradient = pytest.mark.parametrize("made, error, message", GRADIENTS)


@each_gradient
def test_gradients_for_update(gpu, made, error, message):
    weight, sgd = upload(ONES), optimizer.SGD(momentum=0.9)
    state = sgd.create_state(0, weight)
    for _ in range(2):                                          # first and bound
        with pytest.raises(error, match=f"gradient of 0.*{message}"):
            sgd.update(0, weight, made(), state)
        assert sgd.num_update == 0
    sgd.update(0, weight, upload(0 * ONES), state)
    with pytest.raises(error, match=f"gradient of 0.*{message}"):
        sgd.update(0, weight, made(), state)
    assert sgd.num_update == 1 and np.array_equal(weight.to_host(), ONES)


@each_gradient
def test_gradients_for_step(gpu, made, error, message):
    params = Parameters({"v": ONES, "w": ONES}, device="cuda")
    trainer = Trainer(params, "sgd")
    with pytest.raises(error, match=message):
        trainer.step(1, {"v": upload(ONES), "w": made()})
    assert not params.grad.flat.to_host().any() and (params.flat.to_host() == 1).all()
    assert trainer.optimizer.num_update == 0


def test_gradients_elsewhere(gpu):
    stream, weight, sgd = Stream(), upload(ONES), optimizer.SGD(momentum=0.9)
    state, flat = sgd.create_state(0, weight), upload(np.ones(12, np.float32))
    elsewhere = Foreign(ONES, stream=stream.handle)
    for grad, message in ((elsewhere, rf"belongs to stream {stream.handle:#x}, the weight to 0x1"),
                          (weight, "gradient of 0 overlaps the weight in memory"),
                          (cuda.asarray(Foreign(ONES, data=(weight.ptr, True))), "overlaps the weight"),
                          (state.slots["v"], "gradient of 0 overlaps the slot 'v' in memory"),
                          (Foreign(ONES, strides=(4, 8)), "gradient of 0: the array is not C-contiguous")):
        with pytest.raises(ValueError, match=message):
            sgd.update(0, weight, grad, state)
    with gpu.configured(devices=2, foreign=True), \
            pytest.raises(ValueError, match="is on cuda:1; expected an array on cuda:0"):
        sgd.update(0, weight, Foreign(ONES), state)
    part, rest = flat[:6], flat[5:11]
    other = sgd.create_state(1, part)
    with pytest.raises(ValueError, match="overlaps the weight"):
        sgd.update(1, part, rest, other)
    sgd.update(1, part, flat[6:], other)
    sgd.update(0, weight, cuda.asarray(elsewhere, stream=1), state)
    assert sgd.num_update == 1
    stream.close()


def test_weights_and_states(gpu):
    sgd, host = optimizer.SGD(momentum=0.9), ONES.copy()
    weight, states = upload(ONES), [sgd.create_state(0, host), sgd.create_state(0, upload(ONES))]
    with pytest.raises(TypeError, match="gradient of 0 is Array; expected a NumPy array"):
        sgd.update(0, host, upload(ONES), states[0])
    with pytest.raises(TypeError, match="slot 'v' of 0 is in the processor's memory; expected an array on cuda:0"):
        sgd.update(0, weight, upload(ONES), states[0])
    with pytest.raises(TypeError, match="slot 'v' of 0 is Array; expected a NumPy array"):
        sgd.update(0, host, ONES, states[1])
    with pytest.raises(ValueError, match="weight of 0 is read-only"):
        sgd.update(0, Foreign(ONES, data=(weight.ptr, True)), upload(ONES), states[1])
    for wrong, error, message in ((Exporter(ONES, flags=1), ValueError, "weight is read-only"),
                                  (upload(ONES.astype(np.int32)), TypeError, "weight is int32; accepted are"),
                                  (Foreign(ONES, strides=(4, 8)), ValueError, "not C-contiguous"),
                                  (Exporter(ONES, device_type=1), TypeError, "is Exporter; expected a NumPy array")):
        with pytest.raises(error, match=message):
            sgd.create_state(0, wrong)
    assert np.array_equal(host, ONES) and np.array_equal(weight.to_host(), ONES)


def test_a_list_is_updated_whole_or_not_at_all(gpu):
    weights, sgd = [upload(ONES), upload(ONES)], optimizer.SGD()
    states = [sgd.create_state(k, w) for k, w in enumerate(weights)]
    with pytest.raises(TypeError, match="gradient of 1"):
        sgd.update([0, 1], weights, [upload(ONES), ONES], states)
    assert all(np.array_equal(w.to_host(), ONES) for w in weights)


# --- hyper-parameters

@pytest.mark.parametrize("multiplied", [{}, {"wd_mult": {"v": 1e300}}], ids=["one group", "groups"])
def test_what_is_out_of_range_is_the_processor_s_error(gpu, multiplied):
    trainers = [Trainer(Parameters({"v": ONES, "w": ONES}, device=device), "sgd", {"wd": 1.0, **multiplied})
                for device in ("cpu", "cuda")]
    for k in range(2):
        for trainer in trainers:
            trainer.optimizer._change(trainer.optimizer._values, wd=-1.0)      # past the attribute's check
        gpu.clear()
        said = []
        for trainer in trainers:
            with pytest.raises(ValueError) as caught:
                trainer.step(1)
            with pytest.raises(ValueError):
                trainer.step(1)
            said.append(str(caught.value))
        assert said[0] == said[1] and gpu.launches() == []
        for trainer in trainers:
            trainer.optimizer.wd = 0.0
            trainer.step(1)
            assert trainer.optimizer.num_update == k + 1


def test_ranges_of_slots_before_the_first_step(gpu):
    said = []
    for weight in (ONES, upload(ONES)):
        ftrl = optimizer.Ftrl(warm_start=True)
        ftrl._values["beta"] = -1.0                             # past the attribute's check
        gpu.clear()
        with pytest.raises(ValueError, match="ftrl: ") as caught:
            ftrl.create_state(0, weight)
        said.append(str(caught.value))
    assert said[0] == said[1] and gpu.launches() == []


# --- the driver

@pytest.mark.parametrize("call", ["cuLaunchKernel", "cuStreamIsCapturing"])
def test_a_step_that_the_driver_refuses_is_not_counted(gpu, call):
    trainer = Trainer(Parameters({"w": ONES}, device="cuda"), "sgd")
    with gpu.configured(devices=2, fail={call: 400}), pytest.raises(RuntimeError, match="invalid resource handle"):
        trainer.step(1)
    assert trainer.optimizer.num_update == 0
    trainer.step(1)
    assert trainer.optimizer.num_update == 1


def test_gpus_before_the_first_that_kernels_are_made_for(gpu):
    with pytest.raises(RuntimeError, match=r"this GPU has compute capability 7.5; kernels take 8.0 or later"):
        launch.image(optimizer.Adam.rules[0], np.dtype(np.float32), 75)


def program(text, environment=None, **more):
    """What a Python process says: standard output, the last line of standard error."""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120, cwd=ROOT,
                          env={**(environment or os.environ), "PYTHONPATH": str(ROOT), **more})
    return done.stdout.strip(), (done.stderr.strip().splitlines() or [""])[-1]


START = "import numpy as np\nfrom numoptim import Parameters, Trainer\n"
MAKE = START + "Parameters({'w': np.ones(3)}, device='cuda')"


def hidden(tmp_path):
    """A folder whose libcuda.so.1 is none: this machine may have one."""
    (tmp_path / "libcuda.so.1").write_bytes(b"")
    return {"LD_LIBRARY_PATH": str(tmp_path)}


def test_no_driver(tmp_path):
    foreign = """
from numoptim import cuda
class Foreign:
    __cuda_array_interface__ = {"shape": (1,), "typestr": "<f4", "data": (256, False), "version": 3}
cuda.asarray(Foreign())
"""
    for text in (MAKE, foreign):
        error = program(text, **hidden(tmp_path))[1]
        assert error.startswith("RuntimeError: no CUDA driver here (") and "install NVIDIA's" in error


def test_no_gpu(driver):
    assert program(MAKE, driver.environment(devices=0))[1] == (
        "RuntimeError: no GPU that CUDA can use: no CUDA-capable device is detected (CUDA_ERROR_NO_DEVICE)")


def test_no_bindings():
    missing = "import sys\nsys.modules['cuda.bindings'] = None\n"
    assert program(missing + MAKE)[1] == (
        "ImportError: memory of a GPU takes NVIDIA's bindings: pip install 'numoptim[cuda]'")


def test_no_extension(driver):
    text = "import sys\nsys.modules['numoptim._native'] = None\n" + START
    text += "Trainer(Parameters({'w': np.ones(3)}, device='cuda'), 'sgd')"
    error = program(text, driver.environment())[1]
    assert error.startswith("RuntimeError: kernels are launched on GPUs by numoptim's compiled extension")


def test_nothing_is_left_when_a_program_ends(driver):
    """Parameters, trainers, states and a captured step, none of them given back by the program."""
    for name in ("adam", "sgd"):
        driver.register(ptx(name, np.float32))
    text = START + f"""
import sys
sys.path[:0] = {list(map(str, Path(__file__).parents[:2]))!r}
from gpu_arrays import Graph, Stream, upload
from numoptim import optimizer
stream = Stream()
params = Parameters({{"w": np.ones(3, np.float32)}}, device="cuda", stream=stream)
trainer = Trainer(params, "adam")
with Graph(stream) as graph:
    trainer.step(1)
trainer.advance(1)
graph.replay()
sgd, w = optimizer.SGD(), upload(np.ones(3, np.float32))
state = sgd.create_state(0, w)
sgd.update(0, w, upload(np.ones(3, np.float32)), state)
capsule = params["w"].__dlpack__()
graph.close()
stream.close()
print(w.to_host())
"""
    assert program(text, driver.environment()) == ("[0.99 0.99 0.99]", "")
    assert (driver.leaks(), driver.problems()) == ({}, [])
    assert [launch.name for launch in driver.launches()] == ["adam_f32", "sgd_f32"]


def test_import_of_the_package_touches_no_driver():
    text = "import sys, numoptim, numoptim.cuda; print([name for name in sys.modules if name.startswith('cuda')])"
    assert program(text) == ("[]", "")
