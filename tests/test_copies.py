"""Copies and pickles are twins: of their own memory, and going on bit for bit as the original would."""
import copy
import gc
import multiprocessing
import pickle
import subprocess
import sys
import weakref

import cloudpickle
import numpy as np
import pytest
from joblib import Parallel, delayed
from test_custom import HeavyBall, Pull
from test_optimizer import bits, draw, each_case, make

from numoptim import Parameters, Rule, Trainer, optimizer
from numoptim.lr_scheduler import CosineScheduler
from numoptim.rules import RULES

WAYS = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda x: pickle.loads(pickle.dumps(x)),
        "cloudpickle": lambda x: cloudpickle.loads(cloudpickle.dumps(x))}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
MORE = {"lr_mult": {"w": 0.5}, "wd_mult": {"*": 2}, "wd": 0.01, "lr_scheduler": CosineScheduler(20, base_lr=0.1)}


def run(trainer, first, last):
    for k in range(first, last):
        trainer.step(4, grads=draw(k))
    return bits(trainer.params.flat)


@each_way
@each_case
def test_a_trainer(way, name, keywords):
    trainer = Trainer(Parameters(draw(0)), make(name, {**keywords, **MORE}))
    run(trainer, 1, 4)
    twin, before = way(trainer), bits(trainer.params.flat)
    assert twin.optimizer is not trainer.optimizer and twin.params is not trainer.params
    assert twin.params.flat.ctypes.data % 64 == 0 and not np.shares_memory(twin.params.flat, trainer.params.flat)
    after = run(twin, 4, 7)
    assert bits(trainer.params.flat) == before                 # the original's weights have not moved
    assert run(trainer, 4, 7) == after and trainer.optimizer.num_update == twin.optimizer.num_update == 6
    assert twin.learning_rate == trainer.learning_rate


@each_way
def test_the_original_may_go(way):
    trainer = Trainer(Parameters({"w": np.ones(1_000_000, np.float32)}), "adam")
    trainer.step(1, grads={"w": np.ones(1_000_000)})
    twin, expected = way(trainer), trainer.params.flat.copy()
    gone = weakref.ref(trainer)
    del trainer
    gc.collect()
    assert gone() is None
    noise = [np.full(1_000_000, np.nan, np.float32) for _ in range(8)]          # in what has become free
    twin.params.grad.flat.fill(0)
    twin.step(1)
    assert len(noise) == 8 and np.isfinite(twin.params.flat).all() and (twin.params.flat < expected).all()


@each_way
@each_case
def test_an_optimizer_with_arrays_and_state(way, name, keywords):
    opt, w, g = make(name, {**keywords, **{**MORE, "lr_mult": {0: 0.5}}}), draw(0)["w"], draw(1)["w"]
    state = opt.create_state(0, w)
    opt.update(0, w, g, state)
    twin, w2, _, state2 = way((opt, w, g, state)) if way is not copy.copy else map(copy.copy, (opt, w, g, state))
    assert state2.rule is state.rule and state2.t == 1 and all(
        not np.shares_memory(a, b) for a, b in zip(state.slots.values(), state2.slots.values(), strict=True))
    before = bits(w)
    for k in range(2, 5):
        twin.update(0, w2, draw(k)["w"], state2)
    assert bits(w) == before
    for k in range(2, 5):
        opt.update(0, w, draw(k)["w"], state)
    assert bits(w) == bits(w2) and opt.num_update == twin.num_update == 4
    assert {k: bits(s) for k, s in state.slots.items()} == {k: bits(s) for k, s in state2.slots.items()}


@each_way
def test_parameters_and_their_gradients(way):
    params = Parameters(draw(0))
    params.grad.flat[:] = 2
    twin = way(params)
    assert list(twin) == list(params) and twin.shapes == params.shapes and type(twin.grad) is type(params.grad)
    for views in (twin, twin.grad):
        views["w"][...] = 7
        assert (views.flat[:views["w"].size] == 7).all()
    assert not (params.flat == 7).all() and (params.grad.flat == 2).all()
    assert bits(twin["v"]) == bits(params["v"]) and not twin.offsets.flags.writeable
    grad = way(params.grad)
    grad["w"][...] = 5
    assert (grad.flat[:grad["w"].size] == 5).all() and (params.grad.flat == 2).all()
    together = way((params, params.grad)) if way is not copy.copy else (twin, twin.grad)
    assert together[0].grad is together[1]


def test_a_rule_is_itself():
    """In this process; elsewhere too, if it is built in or registered there."""
    for rule in (*RULES, Pull.rules[0]):
        for way in WAYS.values():
            assert way(rule) is rule


@each_way
@pytest.mark.parametrize("opt", [HeavyBall(friction=0.25), Pull(keep=0.5)], ids=["class", "rule"])
def test_optimizers_of_ones_own(way, opt):
    trainer = Trainer(Parameters(draw(0)), copy.deepcopy(opt))
    run(trainer, 1, 3)
    twin = way(trainer)
    assert type(twin.optimizer) is type(opt)
    assert run(twin, 3, 6) == run(trainer, 3, 6)


@each_way
def test_schedules(way):
    schedule = CosineScheduler(max_update=9, base_lr=0.5, warmup_steps=2)
    assert way(schedule) == schedule and way(schedule)(5) == schedule(5)
    assert way(optimizer.SGD(lr_scheduler=schedule)).lr_scheduler == schedule


def stepped(trainer, first, last):
    return run(trainer, first, last)


def test_through_spawn_and_joblib():
    names = ["adam", "sgd", "ftrl", "sgld", "lamb"]
    trainers = [Trainer(Parameters(draw(0)), make(name, {})) for name in names]
    for trainer in trainers:
        run(trainer, 1, 3)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        spawned = pool.starmap(stepped, [(trainer, 3, 5) for trainer in trainers])
    loky = Parallel(n_jobs=2)(delayed(stepped)(trainer, 3, 5) for trainer in trainers)
    assert spawned == loky == [run(trainer, 3, 5) for trainer in trainers]


MAIN = """
import numpy as np, joblib
from numoptim import Parameters, Rule, Trainer, optimizer
import cloudpickle

def update(w, g, m, h):
    m = h.keep * m + g
    return w - h.learning_rate * m, m

Heavy = optimizer.register(Rule(name="heavy", title="Heavy", update=update, slots=("m",),
                                hyper={"learning_rate": (0.1, "[0, inf)"), "keep": (0.5, "[0, 1)")}))

def work(trainer):
    trainer.step(2)
    return trainer.params.flat.tolist()

if __name__ == "__main__":
    params = Parameters({"w": np.ones(3)})
    params.grad.flat[:] = [1, 2, 3]
    trainer = Trainer(params, "heavy")
    trainer.step(2)
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(work)(trainer) for _ in range(2))
    twin = cloudpickle.loads(cloudpickle.dumps(trainer))
    assert type(twin.optimizer) is Heavy
    trainer.step(2)
    assert found == [trainer.params.flat.tolist()] * 2, found
"""


def test_a_rule_of_a_program_goes_to_its_workers(tmp_path):
    (tmp_path / "main.py").write_text(MAIN)
    subprocess.run([sys.executable, "main.py"], cwd=tmp_path, check=True, timeout=300)


def konst(factor):
    """A rule whose one constant is a global, as a cell of a notebook makes it: no module has its function."""
    names = {"__name__": "__main__"}
    exec(f"K = {factor}\ndef update(w, g, h): return w - K * g\n", names)
    return Rule(name="konst", update=names["update"], hyper={"learning_rate": (0.1, "[0, inf)")})


def konst_trainer(factor):
    trainer = Trainer(Parameters({"w": np.zeros(2)}), optimizer.register(konst(factor))())
    trainer.params.grad.flat[:] = 1
    return trainer


STEP_EACH = """
import pickle, sys
given = pickle.load(sys.stdin.buffer)
first, again, second = map(pickle.loads, given)
for trainer in (first, again, second):
    trainer.step()
    print(*trainer.params.flat)
assert first.optimizer.rule is again.optimizer.rule is not second.optimizer.rule
"""


def test_rules_that_differ_in_a_constant_alone_stay_apart():
    """In this process, when a cell ran again with another one, and where both are unpickled."""
    one = konst_trainer(1.0)
    pickled = cloudpickle.dumps(one)
    two = konst_trainer(2.0)
    back = pickle.loads(pickled)
    assert back.optimizer.rule is one.optimizer.rule is not two.optimizer.rule
    for trainer, expected in ((one, -1), (back, -1), (two, -2), (copy.deepcopy(one), -1)):
        trainer.step()
        assert trainer.params.flat.tolist() == [expected] * 2
    streams = [pickled, pickled, cloudpickle.dumps(konst_trainer(2.0))]
    worker = subprocess.run([sys.executable, "-c", STEP_EACH], input=pickle.dumps(streams), capture_output=True,
                            check=True, timeout=300)
    assert worker.stdout.decode().split() == ["-1.0"] * 4 + ["-2.0"] * 2


def test_no_address_goes_into_a_pickle():
    trainer = Trainer(Parameters(draw(0)), "adam")
    run(trainer, 1, 3)
    stream = pickle.dumps(trainer)
    addresses = [trainer.params.flat.ctypes.data, *(s.ctypes.data for s in trainer._state.slots.values()),
                 trainer._stepper.record.address]
    for address in addresses:
        assert address.to_bytes(8, "little")[:6] not in stream
