"""Files of optimizer states: a resumed run continues bit for bit; anything else is refused, with nothing changed."""
import io
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import test_custom
from test_optimizer import SHAPES, bits, draw, each_case, make

from numoptim import Parameters, Trainer, optimizer
from numoptim.lr_scheduler import CosineScheduler, FactorScheduler, LRScheduler, MultiFactorScheduler, PolyScheduler

MULTIPLIERS = {"lr_mult": {"w": 0.5, "v*": 2.0}, "wd_mult": {1: 3.0}}
SAVED = ("learning_rate", "wd", "rescale_grad", "clip_gradient", "begin_num_update", "lr_mult", "wd_mult")
ADAM = {"learning_rate": 0.05, "wd": 0.01, **MULTIPLIERS}


def run(trainer, steps, batch_size=4):
    for k in steps:
        trainer.step(batch_size, grads=draw(k, trainer.params.shapes, trainer.params.flat.dtype))
    return bits(trainer.params.flat)


def copied(params):
    return Parameters(dict(params))


def members(path):
    """Everything in a file of states, which needs no pickle to be read."""
    with np.load(path, allow_pickle=False) as file:
        return {name: (file[name].dtype.str, file[name].shape, bits(file[name])) for name in file.files}


# --- resuming

@each_case
def test_a_resumed_run_continues_bit_for_bit(tmp_path, name, keywords):
    """Also from within a cycle of micro-batches, and by a trainer made with other hyper-parameters and options."""
    path = tmp_path / "states"
    trainer = Trainer(Parameters(draw(0)), make(name, keywords, **MULTIPLIERS, begin_num_update=2))
    for k in range(7):
        if k == 2 and name != "Rprop":                      # which refuses both
            trainer.set_learning_rate(0.03)
            trainer.optimizer.wd = 0.02
        run(trainer, [k])
        if k < 3:
            continue
        trainer.save_states(path)
        resumed = Trainer(copied(trainer.params), name, {"learning_rate": 0.5, "lr_mult": {"b": 3}})
        resumed.load_states(path)
        assert run(resumed, range(k + 1, k + 4)) != bits(trainer.params.flat)
        twin = Trainer(copied(trainer.params), make(name, keywords))
        twin.load_states(path)
        assert run(twin, range(k + 1, k + 4)) == bits(resumed.params.flat)
        for key in (*SAVED, *resumed.optimizer.hyper):
            assert getattr(resumed.optimizer, key) == getattr(trainer.optimizer, key)
        assert resumed.optimizer.num_update == trainer.optimizer.num_update + 3 == k + 6
        if k == 6:
            assert run(trainer, range(7, 10)) == bits(resumed.params.flat)
            assert members(path) != (trainer.save_states(path), members(path))[1]
            after = members(path)
            resumed.save_states(path)
            assert members(path) == after


@pytest.mark.parametrize("schedule", [
    LRScheduler(base_lr=0.3, warmup_steps=9),
    FactorScheduler(2, factor=0.5, base_lr=0.3),
    MultiFactorScheduler(step=[2, 5], factor=0.3),
    PolyScheduler(10, pwr=1, final_lr=0.01, warmup_steps=4, warmup_mode="constant", warmup_begin_lr=0.002),
    CosineScheduler(max_update=np.int64(10), base_lr=np.float32(0.3)),
    None,
], ids=lambda s: type(s).__name__)
def test_the_schedule_is_saved(tmp_path, schedule):
    trainer = Trainer(Parameters(draw(0)), "adam", {"lr_scheduler": schedule})
    run(trainer, range(3))
    trainer.save_states(tmp_path / "states")
    for other in ({}, {"lr_scheduler": FactorScheduler(1, factor=0.1)}):
        resumed = Trainer(copied(trainer.params), "adam", other)
        resumed.load_states(tmp_path / "states")
        assert resumed.optimizer.lr_scheduler == schedule and type(resumed.optimizer.lr_scheduler) is type(schedule)
        assert resumed.learning_rate == trainer.learning_rate
        end = run(resumed, range(3, 8))
    assert run(trainer, range(3, 8)) == end


def test_a_function_as_schedule_is_left_to_the_program(tmp_path):
    def schedule(n):
        return 0.1 / n
    trainers = [Trainer(Parameters(draw(0)), "sgd", {"lr_scheduler": schedule}) for _ in range(2)]
    run(trainers[0], range(3))
    trainers[0].save_states(tmp_path / "states")
    trainers[1].load_states(tmp_path / "states")
    assert trainers[1].optimizer.lr_scheduler is schedule and trainers[1].learning_rate == schedule(3)


@pytest.mark.parametrize("name, keywords", [
    ("LBSGD", {"batch_scale": np.int64(2), "warmup_epochs": np.int32(3)}),
    ("Ftrl", {"warm_start": np.bool_(True), "beta": np.float32(0.5)}),
    ("SGLD", {"seed": np.uint8(5)}),
], ids=["LBSGD", "Ftrl", "SGLD"])
def test_numpy_scalars_given_as_options_are_saved(tmp_path, name, keywords):
    trainer = Trainer(Parameters(draw(0)), make(name, keywords))
    run(trainer, range(3))
    trainer.save_states(tmp_path / "states")
    resumed = Trainer(copied(trainer.params), name)
    resumed.load_states(tmp_path / "states")
    assert run(resumed, range(3, 6)) == run(trainer, range(3, 6))


def test_the_position_in_the_noise_is_saved(tmp_path):
    """A trainer made after other states draws later numbers, and states made after it later ones still."""
    opt = optimizer.SGLD(seed=3)
    opt.create_state("elsewhere", np.zeros(1000))
    trainer = Trainer(Parameters(draw(0)), opt)
    run(trainer, range(2))
    trainer.save_states(tmp_path / "states")
    resumed = Trainer(copied(trainer.params), "sgld")
    resumed.load_states(tmp_path / "states")
    assert run(resumed, range(2, 4)) == run(trainer, range(2, 4))
    later = [each.optimizer.create_state("later", np.zeros(1)).offset for each in (trainer, resumed)]
    assert later == [1000 + trainer.params.flat.size] * 2


SCRIPT = """
import sys
import numpy as np
from numoptim import Parameters, Trainer
given = np.load("given.npz")
for name in sys.argv[1:]:
    params = Parameters({key: given[f"{name}-{key}"] for key in ("w", "b", "none", "v")})
    trainer = Trainer(params, name)
    trainer.load_states(f"{name}.states")
    for k in range(3):
        trainer.step(4, grads={key: given[f"{k}-{key}"] for key in params})
    np.save(f"{name}.npy", params.flat)
"""
ELSEWHERE = {"adam": {"lr_scheduler": PolyScheduler(6)}, "LBSGD": {"batch_scale": 2, "warmup_strategy": "lars"},
             "sgld": {"seed": 3}}


def test_a_fresh_process_continues_bit_for_bit(tmp_path):
    given = {f"{k}-{key}": array for k in range(3) for key, array in draw(k + 3).items()}
    trainers = {}
    for name, keywords in ELSEWHERE.items():
        trainers[name] = Trainer(Parameters(draw(0)), name, {**keywords, **MULTIPLIERS})
        run(trainers[name], range(3))
        trainers[name].save_states(tmp_path / f"{name}.states")
        given |= {f"{name}-{key}": w.copy() for key, w in trainers[name].params.items()}
    np.savez(tmp_path / "given.npz", **given)
    subprocess.run([sys.executable, "-c", SCRIPT, *ELSEWHERE], cwd=tmp_path, check=True, timeout=300)
    for name, trainer in trainers.items():
        assert bits(np.load(tmp_path / f"{name}.npy")) == run(trainer, range(3, 6))


def test_loading_does_not_touch_the_weights_or_share_memory(tmp_path):
    trainer = Trainer(Parameters(draw(0)), "adam", ADAM)
    run(trainer, range(2))
    trainer.save_states(tmp_path / "states")
    run(trainer, range(2, 4))
    weights, gradients = bits(trainer.params.flat), bits(trainer.params.grad.flat)
    trainer.load_states(tmp_path / "states")
    assert (bits(trainer.params.flat), bits(trainer.params.grad.flat)) == (weights, gradients)
    assert trainer.optimizer.num_update == 2
    before = members(tmp_path / "states")
    run(trainer, range(3))
    assert members(tmp_path / "states") == before


def test_trainers_with_and_without_threads_read_each_others_files(tmp_path):
    one, two = (Trainer(Parameters(draw(0)), "lamb", threads=n) for n in (1, 2))
    run(one, range(2))
    one.save_states(str(tmp_path / "states"))
    two.load_states(str(tmp_path / "states"))
    two.params.flat[:] = one.params.flat
    assert run(one, range(2, 4)) == run(two, range(2, 4)) and two.threads == 2


def test_trainers_take_paths_of_bytes_and_file_objects(tmp_path):
    trainer = Trainer(Parameters(draw(0)), "adam", ADAM)
    run(trainer, range(3))
    stream = io.BytesIO()
    trainer.save_states(stream)
    trainer.save_states(os.fsencode(tmp_path / "states"))
    stream.seek(0)
    ends = []
    for source in (stream, os.fsencode(tmp_path / "states"), (tmp_path / "states").open("rb")):
        resumed = Trainer(copied(trainer.params), "adam")
        resumed.load_states(source)
        ends.append(run(resumed, range(3, 6)))
    assert ends == [run(trainer, range(3, 6))] * 3
    stream.seek(0)
    with pytest.raises(ValueError, match="<BytesIO>: these states do not fit this trainer"):
        Trainer(copied(trainer.params), "sgd").load_states(stream)


# --- writing

def test_a_link_is_followed_and_a_file_replaced(tmp_path):
    (tmp_path / "real").write_text("old")
    os.symlink(tmp_path / "real", tmp_path / "link")
    Trainer(Parameters(draw(0)), "sgd").save_states(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and members(tmp_path / "real").keys() == {"tree"}


def failing(file, *args, **kwargs):
    file.write(b"half")
    raise OSError("disk full")


def interrupted(*args):
    raise KeyboardInterrupt


@pytest.mark.parametrize("module, function, fault, error", [
    (np.lib.format, "write_array", failing, OSError),
    (os, "replace", interrupted, KeyboardInterrupt),
    (os, "fsync", interrupted, KeyboardInterrupt),
], ids=["write", "replace", "fsync"])
def test_a_failure_while_writing_leaves_the_old_file(tmp_path, monkeypatch, module, function, fault, error):
    path = tmp_path / "states"
    trainer = Trainer(Parameters(draw(0)), "adam")
    trainer.save_states(path)
    before = path.read_bytes()
    run(trainer, range(2))
    with monkeypatch.context() as patch:
        patch.setattr(module, function, fault)
        for target in (path, tmp_path / "new"):
            with pytest.raises(error):
                trainer.save_states(target)
            assert os.listdir(tmp_path) == ["states"] and path.read_bytes() == before
    trainer.save_states(path)
    assert os.listdir(tmp_path) == ["states"] and path.read_bytes() != before


def test_where_nothing_can_be_written(tmp_path):
    trainer = Trainer(Parameters(draw(0)), "sgd")
    with pytest.raises(FileNotFoundError):
        trainer.save_states(tmp_path / "no" / "states")
    (tmp_path / "directory").mkdir()
    with pytest.raises(OSError):
        trainer.save_states(tmp_path / "directory")
    assert os.listdir(tmp_path) == ["directory"]


# --- damage

def small(kind, size=4):
    shapes = {"a": (2, 3), "b": (size,)}
    names = {"adam": ("adam", {"lr_mult": {"a": 0.5}, "lr_scheduler": CosineScheduler(9)}),
             "custom": (test_custom.Stateful(kind="dict"), None)}
    return Trainer(Parameters(draw(0, shapes)), *names[kind])


class Victim:
    """A trainer to load damaged files, and an undisturbed twin."""

    def __init__(self, kind, path, size=4):
        saver = small(kind, size)
        run(saver, range(3))
        saver.save_states(path)
        self.saved, self.path, self.scratch = members(path), path, path.with_suffix(".scratch")
        self.trainer, self.twin = small(kind, size), small(kind, size)
        for each in (self.trainer, self.twin):
            run(each, range(5, 7))
        self.trainer.save_states(path.with_suffix(".own"))

    def swallow(self, content):
        """True where ``content`` is refused; a file that is not must load to exactly what was saved."""
        self.scratch.write_bytes(content)
        try:
            self.trainer.load_states(self.scratch)
        except ValueError as error:
            assert str(self.scratch) in str(error)
            return True
        self.trainer.save_states(self.scratch)
        assert members(self.scratch) == self.saved
        self.trainer.load_states(self.path.with_suffix(".own"))
        return False

    def check(self):
        assert run(self.trainer, range(7, 10)) == run(self.twin, range(7, 10))
        assert self.trainer.optimizer.num_update == 5


each_kind = pytest.mark.parametrize("kind", ["adam", "custom"])


@each_kind
def test_truncated_files_are_refused(tmp_path, kind):
    victim = Victim(kind, tmp_path / "states")
    content = victim.path.read_bytes()
    for length in [*range(0, len(content), 7), len(content) - 1]:
        assert victim.swallow(content[:length]), length
    victim.check()
    assert not victim.swallow(content)


@each_kind
@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_byte_is_refused_or_does_not_matter(tmp_path, kind, seed):
    victim = Victim(kind, tmp_path / "states")
    content, rng = victim.path.read_bytes(), np.random.default_rng(seed)
    refused = 0
    for position in rng.permutation(len(content))[:len(content) // 3]:
        damaged = bytearray(content)
        damaged[position] ^= rng.integers(1, 256)
        refused += victim.swallow(bytes(damaged))
    assert refused > len(content) // 6
    victim.check()


@each_kind
def test_damaged_headers_of_arrays_are_refused(tmp_path, kind):
    """Brackets that do not match, another shape or type, fewer numbers: also of an array read in several pieces."""
    victim = Victim(kind, tmp_path / "states", size=3000)
    content = victim.path.read_bytes()
    shape = content.index(b"(3006,)" if kind == "adam" else b"(3000,)")
    start = content.rindex(b"\x93NUMPY", 0, shape)
    for position in range(start, shape + 12):
        for byte in b" ()[]{}'\"#\\,19<8T\n\xff":
            if content[position] != byte:
                damaged = bytearray(content)
                damaged[position] = byte
                assert victim.swallow(bytes(damaged)), damaged[start:shape + 12]
    victim.check()


# --- foreign files

def archive(**arrays):
    """A function that writes another .npz."""
    return lambda path: np.savez(path.open("wb"), **arrays)


def other(name="adam", keywords=None, shapes=SHAPES, dtype=np.float32):
    """A function that writes the states of another trainer."""
    def write(path):
        trainer = Trainer(Parameters(draw(0, shapes, dtype)), name, keywords)
        run(trainer, range(2))
        trainer.save_states(path)
    return write


@pytest.mark.parametrize("write, message", [
    (lambda path: path.write_text("weights = 3\n" * 50), "not a file of optimizer states, or damaged"),
    (lambda path: path.write_bytes(b""), "not a file of optimizer states"),
    (lambda path: path.write_bytes(pickle.dumps({"t": 3})), "not a file of optimizer states"),
    (archive(w=np.ones(3)), "not a file of optimizer states"),
    (archive(tree=np.array([{}], object)), "not a file of optimizer states"),
    (archive(tree=np.frombuffer(b'{"format": "other", "tree": 1}', np.uint8)), "format is 'other'"),
    (archive(tree=np.frombuffer(b"[1, 2]", np.uint8)), "not a file of optimizer states"),
    (lambda path: np.save(path.open("wb"), np.ones(3)), "not a file of optimizer states"),
    (other("adamax"), "optimizer is adamax, here it is adam"),
    (other("heavyball"), "optimizer is heavyball, here it is adam"),
    (other(dtype=np.float64), "dtype is float64, here it is float32"),
    (other(shapes={**SHAPES, "w": (5, 3)}), r"shapes are others: only there 'w \(5, 3\)', only here 'w \(3, 5\)'"),
    (other(shapes={"weight" if k == "w" else k: s for k, s in SHAPES.items()}), r"only there 'weight .*only here 'w "),
    (other(shapes={"w": (3, 5)}), r"others: only here '"),
    (other(shapes={**SHAPES, "more": (1,)}), r"others: only there 'more \(1,\)'$"),
], ids=["text", "empty", "pickle", "npz", "object npz", "format", "json", "npy", "optimizer", "custom optimizer",
        "dtype", "shape", "name", "fewer", "more"])
def test_foreign_files_are_refused(tmp_path, write, message):
    path = tmp_path / "states"
    write(path)
    trainer, twin = (Trainer(Parameters(draw(0)), "adam", ADAM) for _ in range(2))
    for each in (trainer, twin):
        run(each, range(3))
    with pytest.raises(ValueError, match=f"(?s){path}.*{message}"):
        trainer.load_states(path)
    assert run(trainer, range(3, 6)) == run(twin, range(3, 6))
    assert (trainer.learning_rate, trainer.optimizer.num_update) == (twin.learning_rate, twin.optimizer.num_update)


def test_parameters_in_another_order_are_other_parameters(tmp_path):
    """Slots are flat: read in another order they would silently belong to other weights."""
    other(shapes={"a": (3,), "b": (3,)})(tmp_path / "states")
    trainer = Trainer(Parameters(draw(0, {"b": (3,), "a": (3,)})), "adam")
    with pytest.raises(ValueError, match="shapes"):
        trainer.load_states(tmp_path / "states")
    assert trainer.optimizer.num_update == 0


def test_a_missing_file(tmp_path):
    trainer = Trainer(Parameters(draw(0)), optimizer.Adam())
    with pytest.raises(FileNotFoundError, match="nowhere"):
        trainer.load_states(tmp_path / "nowhere")
    with pytest.raises(OSError):
        trainer.load_states(tmp_path)


def test_a_schedule_that_cannot_be_saved_must_be_given_again(tmp_path):
    def trainer(**keywords):
        return Trainer(Parameters({"w": np.ones(3)}), "sgd", keywords)

    saved = trainer(lr_scheduler=lambda n: 0.5 / n)
    saved.step(1)
    saved.save_states(tmp_path / "states")
    with pytest.raises(ValueError, match="its learning rate came from a function"):
        trainer().load_states(tmp_path / "states")
    again = trainer(lr_scheduler=lambda n: 0.5 / n)
    again.load_states(tmp_path / "states")
    assert again.learning_rate == 0.5
