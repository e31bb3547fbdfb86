"""Steps on a GPU have the bits of those on the processor: Trainer and update, every class and option."""
import gc
import re
from pathlib import Path

import numpy as np
import pytest
from gpu_arrays import Exporter, Foreign, Stream, alive, both, draw, upload
from test_optimizer import CASES, IDS, SHAPES, make

from numoptim import Parameters, Rule, Trainer, optimizer
from numoptim.lr_scheduler import PolyScheduler

SCHEDULE = {"lr_scheduler": PolyScheduler(max_update=6, warmup_steps=2, warmup_begin_lr=0.01)}
MULTIPLIERS = {"lr_mult": {"w": 0.5, "v": 0.25, "b": 0.0}, "wd_mult": {"w": 3.0}}

each_case = pytest.mark.parametrize("name, keywords", CASES, ids=IDS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


def same(params, device):
    return device.flat.to_host().tobytes() == params.flat.tobytes()


def same_slots(trainer, other):
    ours, theirs = ({key: each.params.memory.host(slot).tobytes() for key, slot in each._state.slots.items()}
                    for each in (trainer, other))
    return ours == theirs


def step(trainers, seed, batch_size=4):
    """One step of each with the same gradients."""
    for trainer in trainers:
        for name, grad in draw(seed, SHAPES, trainer.params.flat.dtype).items():
            trainer.params.grad[name] = grad
        trainer.step(batch_size)


@each_dtype
@each_case
@pytest.mark.parametrize("more", [{}, {**SCHEDULE, **MULTIPLIERS}], ids=["plain", "scheduled and multiplied"])
def test_trainer(gpu, name, keywords, dtype, more):
    params, device = both(draw(0, SHAPES, dtype))
    trainers = [Trainer(p, make(name, keywords, **more)) for p in (params, device)]
    start = device.flat.to_host()
    for k in range(5):
        step(trainers, k + 1)
        assert same(params, device) and same_slots(*trainers)
    assert not np.array_equal(device.flat.to_host(), start)
    assert trainers[0].optimizer.num_update == trainers[1].optimizer.num_update == 5
    assert trainers[0].learning_rate == trainers[1].learning_rate


@each_dtype
@each_case
def test_update(gpu, name, keywords, dtype):
    """On own arrays and on those of other libraries, described or exported anew for each call."""
    host = list(draw(0, SHAPES, dtype).values())
    device = [upload(host[0]), Foreign(host[1]), upload(host[2]), Foreign(host[3])]
    ours, theirs = make(name, keywords), make(name, keywords)
    ours_states = [ours.create_state(k, w) for k, w in enumerate(host)]
    states = [theirs.create_state(k, w) for k, w in enumerate(device)]
    for seed in range(1, 5):
        grads = list(draw(seed, SHAPES, dtype).values())
        given = [(Exporter if seed == 2 and g.size else Foreign)(g) for g in grads]
        ours.update([0, 1, 2, 3], host, grads, ours_states)
        theirs.update([0, 1, 2, 3], device, given, states)
        for w, own in zip(device, host, strict=True):
            assert w.to_host().tobytes() == own.tobytes()


def test_states_of_both_are_one_format(gpu, tmp_path):
    """Saved on one, continued on the other: slots, noise, half-done micro-batches."""
    for name, keywords in (("Adam", {}), ("SGLD", {"seed": 7}), ("LBSGD", {"momentum": 0.8, "batch_scale": 3})):
        params, device = both(draw(0, SHAPES, np.float32))
        trainers = [Trainer(p, make(name, keywords)) for p in (params, device)]
        for k in range(4):
            step(trainers, k)
        files = [tmp_path / "host", tmp_path / "device"]
        for trainer, file in zip(trainers, files, strict=True):
            trainer.save_states(file)
        assert files[0].read_bytes() == files[1].read_bytes()
        others = both({key: w.copy() for key, w in params.items()})
        fresh = [Trainer(p, make(name, {**keywords, "wd": 0.5})) for p in others]
        fresh[0].load_states(files[1])
        fresh[1].load_states(files[0])
        for k in range(4, 8):
            step([*trainers, *fresh], k)
            assert same(params, device) and same(params, others[1]) and same(others[0], others[1])


def test_hyper_parameters_between_steps(gpu):
    params, device = both(draw(0, SHAPES, np.float32))
    trainers = [Trainer(p, "adam", {"learning_rate": 0.1}) for p in (params, device)]
    changes = [lambda o: o.set_learning_rate(0.2), lambda o: setattr(o, "wd", 0.3), lambda o: setattr(o, "beta1", 0.5),
               lambda o: o.set_lr_mult({"w": 0.5, "v": 0}), lambda o: o.set_learning_rate(0.4),
               lambda o: o.set_lr_mult({})]
    for k, change in enumerate(changes):
        for trainer in trainers:
            change(trainer.optimizer)
        step(trainers, k, batch_size=1 + k)
        assert same(params, device)


def test_gradients_by_name_are_the_device_s(gpu):
    params, device = both(draw(0, SHAPES, np.float32))
    trainers = [Trainer(p, "sgd") for p in (params, device)]
    grads = draw(1, SHAPES, np.float32)
    trainers[0].step(2, grads)
    trainers[1].step(2, {"w": upload(grads["w"]), "b": Foreign(grads["b"]), "none": upload(grads["none"]),
                         "v": Exporter(grads["v"])})
    assert same(params, device) and same(params.grad, device.grad)
    trainers[1].step(2, device.grad)
    trainers[1].zero_grad()
    assert not device.grad.flat.to_host().any()


def test_one_launch_for_all_parameters_and_no_allocation_in_a_step(gpu):
    params = Parameters(draw(0, SHAPES, np.float32), device="cuda")
    trainer = Trainer(params, make("Adam", {}, **SCHEDULE, **MULTIPLIERS))
    weight, sgd = Foreign(np.ones(5, np.float32)), optimizer.SGD()
    state = sgd.create_state(0, weight)
    sgd.update(0, weight, upload(np.ones(5, np.float32)), state)
    grads = [Foreign(np.ones(5, np.float32)) for _ in range(3)]
    gpu.clear()
    with gpu.configured(devices=2, fail={"cuMemAlloc_v2": 2}):
        for k in range(3):
            trainer.step(4)
            sgd.update(0, weight, grads[k], state)
    assert [launch.name for launch in gpu.launches()] == ["adam_f32", "sgd_f32"] * 3


def test_everything_is_on_the_stream_that_was_given(gpu):
    stream = Stream()
    params = Parameters(draw(0, SHAPES, np.float32), device="cuda", stream=stream)
    trainer = Trainer(params, "lamb")
    gpu.clear()
    trainer.step(1)
    assert {launch.stream for launch in gpu.launches()} == {stream.handle} and len(gpu.launches()) == 3
    w, g = upload(np.ones(3, np.float32), stream.handle), upload(np.ones(3, np.float32), stream.handle)
    adam = optimizer.Adam()
    state = adam.create_state(0, w)
    adam.update(0, w, g, state)
    assert {launch.stream for launch in gpu.launches()} == {stream.handle}
    assert state.slots["m"].stream == stream.handle
    stream.close()


def test_the_second_device(gpu):
    params, _ = both(draw(0, SHAPES, np.float32))
    device = Parameters(draw(0, SHAPES, np.float32), device="cuda:1")
    trainers = [Trainer(p, "adam") for p in (params, device)]
    with gpu.configured(devices=2):
        for k in range(3):
            step(trainers, k)
    assert device.device == "cuda:1" and same(params, device)


def test_a_rule_of_one_s_own(gpu):
    def update(w, g, m, h):
        m = h.beta * m + g
        return w - h.learning_rate * m, m

    rule = Rule(name="adam", title="NotAdam", update=update, slots=("m",),      # a name that a built-in rule has
                hyper={"learning_rate": (0.1, "[0, inf)"), "beta": (0.9, "[0, 1)")})
    cls = optimizer.rule_optimizer.from_rule(rule)
    params, device = both(draw(0, SHAPES, np.float64))
    trainers = [Trainer(p, cls()) for p in (params, device)]
    for k in range(3):
        step(trainers, k)
        assert same(params, device)


class Halves(optimizer.Optimizer):
    """An optimizer in Python, which takes device arrays as the host's content does not need arithmetic on them."""

    def create_state(self, index, weight):
        return None

    def update(self, index, weight, grad, state):
        self._update_count(index)
        weight.copy_from(weight.to_host() - self._get_lr(index) * grad.to_host())


def test_an_optimizer_in_python(gpu):
    start = draw(0, SHAPES, np.float32)
    device = Parameters(start, device="cuda")
    trainer = Trainer(device, Halves(learning_rate=0.5, lr_mult={"v": 0}))
    grads = draw(1, SHAPES, np.float32)
    for name, grad in grads.items():
        device.grad[name] = grad
    trainer.step(1)
    for name, w in device.items():
        assert np.array_equal(w.to_host(), start[name] - (0.5 if name != "v" else 0) * grads[name])
    before = device.flat.to_host()
    with pytest.raises(ValueError, match=r"batch_size=4: on a GPU .* divide them there, and step with batch_size=1"):
        trainer.step(4)
    assert np.array_equal(device.flat.to_host(), before)


def test_the_readme_s_example(gpu, capsys):
    text = re.findall(r"```py\n(.*?)```", (Path(__file__).parents[2] / "README.md").read_text(), re.S)
    block, = (block for block in text if 'device="cuda"' in block)
    exec("import numoptim, numpy as np\n" + block)
    assert capsys.readouterr().out.startswith("[-0.1 ")


def test_no_elements(gpu):
    params = Parameters({"none": np.zeros((0, 3), np.float32)}, device="cuda")
    Trainer(params, "lamb").step(1)
    Trainer(Parameters({}, device="cuda"), "dcasgd").step(1)
    assert params["none"].to_host().shape == (0, 3)


def test_memory_is_freed_with_its_owners(gpu):
    gc.collect()
    before = alive(gpu)["memory"]
    params = Parameters(draw(0, SHAPES, np.float32), device="cuda")
    trainer = Trainer(params, "adam")
    trainer.step(1)
    trainer.optimizer.wd = 0.5
    trainer.step(1)
    assert alive(gpu)["memory"] == before + 5                   # w, g, m, v, and the plan's table
    del params, trainer
    gc.collect()
    assert alive(gpu)["memory"] == before


def test_slots_by_name_and_parameters_that_were_added(tmp_path):
    old, bigger = draw(0, SHAPES, np.float32), {"head": (2, 3), **SHAPES}
    trainer = Trainer(Parameters(old, device="cuda"), "adam")
    step([trainer], 1)
    trainer.save_states(tmp_path / "states")
    other = Trainer(Parameters({"nest": {}, **draw(3, bigger, np.float32)}, device="cuda"), "adam")
    other.load_states(tmp_path / "states", missing="new")
    for slot, views in other.slots.items():
        assert not views["head"].to_host().any()
        for name in SHAPES:
            assert views[name].to_host().tobytes() == trainer.slots[slot][name].to_host().tobytes()
    assert "float32 on cuda:0" in repr(other) and "<td>head</td>" in other._repr_html_()
