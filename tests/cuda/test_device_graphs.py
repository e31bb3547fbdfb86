"""Captured steps: replays in a CUDA graph, each after ``Trainer.advance``, are the steps themselves."""
import numpy as np
import pytest
from gpu_arrays import Graph, Stream, alive, draw, upload

from numoptim import Parameters, Trainer, optimizer
from numoptim.lr_scheduler import CosineScheduler

SHAPES = {"a": (3, 5), "b": (7,), "c": (5001,)}
BATCHES = (4, 4, 2, 8, 8.5)


@pytest.fixture
def stream(gpu):
    stream = Stream()
    yield stream
    stream.close()


def parameters(stream, device="cuda"):
    return Parameters(draw(0, SHAPES, np.float32), device=device, stream=stream)


def capture(trainer, stream):
    with Graph(stream) as graph:
        trainer.step(1)
    return graph


CASES = [("adam", {}), ("lamb", {}), ("sgld", {"seed": 3}), ("sgd", {"clip_gradient": 0.3}),
         ("lbsgd", {"warmup_strategy": "sqrt", "updates_per_epoch": 1})]


@pytest.mark.parametrize("multiplied", [False, True], ids=["one group", "groups"])
@pytest.mark.parametrize("name, keywords", CASES, ids=[name for name, _ in CASES])
def test_replays_are_steps(gpu, stream, name, keywords, multiplied):
    """With a schedule, and batch sizes that change; steps as they are before, between and after replays."""
    if multiplied:
        keywords = {**keywords, "lr_mult": {"a": 0.5}, "wd_mult": {"b": 0}, "wd": 0.1}
    keywords = {**keywords, "lr_scheduler": CosineScheduler(max_update=9, base_lr=0.1, warmup_steps=2)}
    params, device = parameters(None, "cpu"), parameters(stream)
    trainers = [Trainer(p, name, keywords) for p in (params, device)]

    def step(seed, batch_size, make_step):
        for key, grad in draw(seed, SHAPES, np.float32).items():
            params.grad[key] = device.grad[key] = grad
        trainers[0].step(batch_size)
        make_step(batch_size)
        assert device.flat.to_host().tobytes() == params.flat.tobytes()
        assert trainers[0].learning_rate == trainers[1].learning_rate
        assert trainers[0].optimizer.num_update == trainers[1].optimizer.num_update

    def replay(batch_size):
        trainers[1].advance(batch_size)
        graph.replay()

    step(1, 3, trainers[1].step)
    graph = capture(trainers[1], stream)
    for seed, batch_size in enumerate(BATCHES, 2):
        step(seed, batch_size, replay)
    step(10, 4, trainers[1].step)
    trainers[1].zero_grad()
    step(11, 4, replay)
    graph.close()


def test_a_capture_is_no_step(gpu, stream):
    """It counts nothing, copies nothing, allocates nothing and launches nothing; a replay launches."""
    calls = []
    schedule = lambda n: calls.append(n) or 0.1         # noqa: E731
    trainer = Trainer(parameters(stream), "lamb", {"lr_scheduler": schedule, "lr_mult": {"a": 0.5}})
    before, objects = trainer.params.flat.to_host(), alive(gpu)
    gpu.clear()
    with gpu.configured(devices=2, fail={name: 1 for name in ("cuMemAlloc_v2", "cuMemcpyHtoDAsync_v2")}):
        graph = capture(trainer, stream)
    assert calls == [] and gpu.launches() == [] and trainer.optimizer.num_update == 0
    assert np.array_equal(trainer.params.flat.to_host(), before)
    assert alive(gpu)["memory"] == objects["memory"]
    graph.replay()                                      # its step number is 0 as yet
    assert np.array_equal(trainer.params.flat.to_host(), before)
    gpu.clear()
    trainer.params.grad["a"] = np.ones((3, 5))
    trainer.advance(1)
    graph.replay()
    assert [launch.name for launch in gpu.launches()] == ["lamb_f32_norms", "lamb_f32_trust", "lamb_f32"]
    assert all(launch.graph and launch.stream == stream.handle for launch in gpu.launches())
    assert calls == [1] and trainer.optimizer.num_update == 1
    assert not np.array_equal(trainer.params.flat.to_host(), before)
    graph.close()


def test_gradients_of_the_device_can_be_part_of_the_graph(gpu, stream):
    trainer = Trainer(parameters(stream), "sgd", {"learning_rate": 1.0})
    given = {name: upload(np.zeros(shape, np.float32), stream.handle) for name, shape in SHAPES.items()}
    with Graph(stream) as graph:
        trainer.step(1, given)
        trainer.zero_grad()
    given["b"].copy_from(np.ones(7))
    trainer.advance(2)
    graph.replay()
    assert np.array_equal(trainer.params["b"].to_host(), draw(0, SHAPES, np.float32)["b"] - np.float32(0.5))
    assert not trainer.params.grad.flat.to_host().any()
    graph.close()


def changed(trainer, stream, tmp_path, what):
    if what == "multipliers":
        trainer.optimizer.set_lr_mult({"a": 0.5})
    elif what == "states":
        trainer.save_states(tmp_path / "states")
        trainer.load_states(tmp_path / "states")
    else:
        trainer.optimizer.wd = 0.5


@pytest.mark.parametrize("what", ["hyper-parameters", "multipliers", "states"])
def test_what_a_capture_does_not_follow(gpu, stream, tmp_path, what):
    """The old graph is not advanced and its memory stays; a new capture works."""
    trainer = Trainer(parameters(stream), "adam")
    graph = capture(trainer, stream)
    trainer.advance(1)
    graph.replay()
    changed(trainer, stream, tmp_path, what)
    if what != "states":
        with Graph(stream) as empty, pytest.raises(RuntimeError, match="make one before the capture"):
            trainer.step(1)
        empty.close()
    with pytest.raises(RuntimeError, match="changed since the step was captured: capture it anew"):
        trainer.advance(1)
    assert trainer.optimizer.num_update == 1
    graph.replay()                                      # no fault: see ``gpu``
    again = capture(trainer, stream)
    trainer.advance(1)
    again.replay()
    assert trainer.optimizer.num_update == 2
    graph.close()
    again.close()


def test_memory_may_be_freed_during_a_capture(gpu, stream):
    """As when garbage is collected."""
    trainer, other = Trainer(parameters(stream), "adam"), parameters(stream)
    before = alive(gpu)["memory"]
    with Graph(stream) as graph:
        del other
        trainer.step(1)
    assert alive(gpu)["memory"] == before - 2
    graph.close()


def test_the_learning_rate_is_followed(gpu, stream):
    trainer = Trainer(parameters(stream), "sgd", {"learning_rate": 1.0})
    graph, before = capture(trainer, stream), trainer.params["b"].to_host()
    trainer.params.grad["b"] = np.ones(7)
    trainer.set_learning_rate(0.25)
    trainer.advance(1)
    graph.replay()
    assert np.array_equal(trainer.params["b"].to_host(), before - np.float32(0.25))
    with pytest.raises(ValueError, match="batch_size=0 is out of range"):
        trainer.advance(0)
    assert trainer.optimizer.num_update == 1
    graph.close()


def test_what_is_not_captured(gpu, stream):
    trainer = Trainer(parameters(stream), "adam")
    with pytest.raises(RuntimeError, match="none has been captured"):
        trainer.advance(1)
    with pytest.raises(RuntimeError, match="advance goes with captured steps"):
        Trainer(parameters(None, "cpu"), "adam").advance(1)
    slow = Trainer(parameters(stream), "lbsgd", {"batch_scale": 2})
    w = upload(np.ones(3, np.float32), stream.handle)
    adam = optimizer.Adam()
    g, state = upload(np.ones(3, np.float32), stream.handle), adam.create_state(0, w)
    adam.update(0, w, g, state)
    graph = capture(trainer, stream)
    with Graph(stream) as other:
        with pytest.raises(RuntimeError, match="LBSGD with batch_scale > 1 cannot be captured"):
            slow.step(1)
        with pytest.raises(RuntimeError, match="update cannot be captured in a CUDA graph; Trainer"):
            adam.update(0, w, g, state)
        with pytest.raises(RuntimeError, match="advance goes before a replay, not into the capture"):
            trainer.advance(1)
    assert (adam.num_update, slow.optimizer.num_update, trainer.optimizer.num_update) == (1, 0, 0)
    graph.close()
    other.close()

