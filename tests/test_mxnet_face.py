"""What programs written for Apache MXNet call: the same steps under its names."""
import io

import numpy as np
import pytest
from test_optimizer import bits, draw, each_case, make

from numoptim import Optimizer, Parameters, Trainer, checkpoint, optimizer

SHAPES = {"w": (3, 5), "v": (7,)}


@pytest.mark.parametrize("store", [None, "local", "device"])
def test_one_process_has_no_store(store):
    assert Trainer(Parameters(draw(0)), "sgd", kvstore=store).params


@pytest.mark.parametrize("store", ["dist_sync", "nccl", 3, True])
def test_other_stores_are_refused(store):
    with pytest.raises(ValueError, match=f"kvstore={store!r}: a trainer is one process, None, 'local' or 'device'"):
        Trainer(Parameters(draw(0)), "sgd", kvstore=store)
    with pytest.raises(ValueError, match=r"kvstore=array\(.*\): a trainer is one process"):
        Trainer(Parameters(draw(0)), "sgd", kvstore=np.array([store, store]))


def test_a_step_in_two_halves():
    one, two = (Trainer(Parameters(draw(0)), "adam") for _ in range(2))
    for k in range(3):
        for trainer in (one, two):
            trainer.params.grad.flat[:] = k - 0.5
        one.step(4)
        two.allreduce_grads()
        two.update(4)
    assert bits(one.params.flat) == bits(two.params.flat) and two.optimizer.num_update == 3
    one.step(4)
    assert two.update(4, ignore_stale_grad=True).applied
    assert bits(one.params.flat) == bits(two.params.flat) and two.optimizer.num_update == 4


def test_the_registry():
    class Mine(Optimizer):
        def update(self, index, weight, grad, state):
            self._update_count(index)
            weight -= self._get_lr(index) * grad

    assert type(Optimizer.create_optimizer("adam", beta1=0.5)) is optimizer.Adam
    assert Optimizer.opt_registry["adam"] is optimizer.Adam and "mine" not in Optimizer.opt_registry
    try:
        assert Optimizer.register(Mine) is Mine
        assert Optimizer.opt_registry["mine"] is Mine is optimizer.find("Mine")
    finally:
        from numoptim.optimizer.base import _registry
        _registry.pop("mine", None)
    with pytest.raises(TypeError):
        Optimizer.opt_registry["adam"] = Mine


@each_case
def test_multi_precision_names_are_the_same_steps(name, keywords):
    weights = [np.array(draw(0)["w"]) for _ in range(2)]
    opts = [make(name, keywords) for _ in range(2)]
    states = [opts[0].create_state(0, weights[0]), opts[1].create_state_multi_precision(0, weights[1])]
    for k in range(3):
        grad = draw(k + 1)["w"]
        opts[0].update(0, weights[0], grad, states[0])
        opts[1].update_multi_precision(0, weights[1], grad, states[1])
    assert bits(weights[0]) == bits(weights[1])
    with pytest.raises(TypeError, match="16-bit numbers are not supported yet"):
        opts[1].create_state_multi_precision(1, np.zeros(3, np.float16))


def test_options_without_effect():
    assert optimizer.Adam(lazy_update=False, aggregate_num=4, multi_precision=True).beta1 == 0.9
    with pytest.raises(ValueError, match="lazy_update=True is not supported: rows"):
        optimizer.SGD(lazy_update=True)
    with pytest.raises(ValueError, match="aggregate_num=-1 is out of range"):
        optimizer.SGD(aggregate_num=-1)


# --- Updater

@each_case
def test_an_updater_keeps_states(name, keywords):
    expected, given = ({key: np.array(x) for key, x in draw(0, SHAPES).items()} for _ in range(2))
    opt, updater = make(name, keywords), optimizer.get_updater(make(name, keywords))
    states = {key: opt.create_state(key, x) for key, x in expected.items()}
    for k in range(4):
        grads = draw(k + 1, SHAPES)
        for key in SHAPES:
            opt.update(key, expected[key], grads[key], states[key])
        if k % 2:
            updater(list(SHAPES), list(grads.values()), list(given.values()))
        else:
            for key in SHAPES:
                updater(key, grads[key], given[key])
    assert {key: bits(x) for key, x in given.items()} == {key: bits(x) for key, x in expected.items()}
    assert {key: state.t for key, state in updater.states.items()} == {"w": 4, "v": 4}


class HeavyBall(Optimizer):
    def create_state(self, index, weight):
        return np.zeros_like(weight)

    def update(self, index, weight, grad, state):
        self._update_count(index)
        state *= 0.5
        state += grad
        weight -= self._get_lr(index) * state


def test_an_updater_of_a_class_in_python():
    updater, w = optimizer.get_updater(HeavyBall(learning_rate=0.5)), np.zeros(2)
    updater(0, np.ones(2), w)
    updater([0, 1], [np.ones(2), np.ones(2)], [w, np.ones(2)])
    assert w.tolist() == [-1.25] * 2 and list(updater.states) == [0, 1]


def test_what_an_updater_refuses():
    with pytest.raises(TypeError, match="expected an Optimizer, was given 'adam'"):
        optimizer.get_updater("adam")
    updater, w = optimizer.get_updater(optimizer.Adam()), np.ones(2)
    with pytest.raises(ValueError, match="lists of 2, 1 and 2"):
        updater([0, 1], [w], [w, w])
    with pytest.raises(ValueError, match="has shape"):
        updater(0, np.ones(3), w)
    assert not updater.states and w.tolist() == [1, 1]


@each_case
def test_states_as_bytes_resume_bit_for_bit(name, keywords):
    updater = optimizer.get_updater(make(name, keywords))
    weights = {key: np.array(x) for key, x in draw(0, SHAPES).items()}

    def run(updater, weights, steps):
        for k in steps:
            grads = draw(k + 1, SHAPES)
            updater([*SHAPES], [*grads.values()], [*weights.values()])
        return {key: bits(x) for key, x in weights.items()}

    run(updater, weights, range(3))
    resumed, twins = optimizer.get_updater(make(name, keywords)), {key: x.copy() for key, x in weights.items()}
    resumed.set_states(updater.get_states())
    assert run(updater, weights, range(3, 7)) == run(resumed, twins, range(3, 7))
    assert resumed.optimizer.num_update == updater.optimizer.num_update == 7
    for slot, x in updater.states["w"].slots.items():
        assert bits(resumed.states["w"].slots[slot]) == bits(x)


def test_states_of_a_class_in_python():
    updater, w = optimizer.get_updater(HeavyBall(learning_rate=0.5)), np.zeros(2)
    updater(0, np.ones(2), w)
    resumed, twin = optimizer.get_updater(HeavyBall(learning_rate=0.5)), w.copy()
    resumed.set_states(updater.get_states())
    for each, x in ((updater, w), (resumed, twin)):
        each(0, np.ones(2), x)
    assert bits(w) == bits(twin) and resumed.optimizer._counts == {0: 2}


class Counting(HeavyBall):
    saved = ("seen",)
    seen = 0


def test_attributes_that_a_class_saves_go_along(monkeypatch):
    updater, resumed = (optimizer.get_updater(Counting()) for _ in range(2))
    updater.optimizer.seen = 5
    states = updater.get_states()
    resumed.set_states(states)
    assert resumed.optimizer.seen == 5
    monkeypatch.setattr(Counting, "saved", ())
    with pytest.raises(ValueError, match=r"its attributes are \['seen'\], here they are \[\]"):
        resumed.set_states(states)


class Choosy(HeavyBall):
    """Refuses one of the attributes that it saves, after another was set."""

    saved = ("first", "second")
    first, _second = 1, 2

    @property
    def second(self):
        return self._second

    @second.setter
    def second(self, value):
        if value != 2:
            raise ValueError("no")
        self._second = value


def test_refused_states_change_nothing():
    updater, w = optimizer.get_updater(Choosy()), np.zeros(2)
    updater(0, np.ones(2), w)
    updater.optimizer.first, updater.optimizer._second = 7, 3
    states, other = updater.get_states(), optimizer.get_updater(Choosy())
    with pytest.raises(ValueError, match="do not fit this updater: no"):
        other.set_states(states)
    assert (other.optimizer.first, other.optimizer._counts, other.optimizer.num_update, other.states) == (1, {}, 0, {})


@pytest.mark.parametrize("slot", [np.zeros(2, np.int32), [0.0, 0.0], 3.0], ids=["int32", "list", "number"])
def test_slots_that_are_none_are_refused(slot):
    updater = optimizer.get_updater(optimizer.Adam())
    updater(0, np.ones(2), np.zeros(2))
    with checkpoint.reading(io.BytesIO(updater.get_states())) as tree:
        tree = checkpoint.loaded(tree)
    tree["states"][0]["slots"]["v"] = slot
    file, states = io.BytesIO(), updater.states
    checkpoint.save(file, tree)
    with pytest.raises(ValueError, match=r"slot 'v' is .*; expected an array of floats"):
        updater.set_states(file.getvalue())
    assert updater.states is states


def test_a_state_of_one_s_own_is_counted_after_set_states():
    updater, w = optimizer.get_updater(optimizer.SGD()), np.zeros(2)
    state = updater.optimizer.create_state(5, w)
    updater.optimizer.update(5, w, np.ones(2), state)
    updater.set_states(updater.get_states())
    for _ in range(3):
        updater.optimizer.update(5, w, np.ones(2), state)
    assert updater.optimizer.num_update == state.t == 4


def test_what_set_states_refuses():
    updater, w = optimizer.get_updater(optimizer.Adam()), np.ones(2)
    updater(0, np.ones(2), w)
    states = updater.get_states()
    with pytest.raises(ValueError, match="dump_optimizer=True"):
        updater.get_states(dump_optimizer=True)
    for other, message in ((optimizer.SGD(), "they are of adam, this is of SGD"), (HeavyBall(), "they are of adam")):
        with pytest.raises(ValueError, match=message):
            optimizer.get_updater(other).set_states(states)
    before = updater.states
    for bad in (b"", b"pickle", states[:-40], "abc", None, 3, updater.states):
        with pytest.raises(ValueError):
            updater.set_states(bad)
    sgd = optimizer.get_updater(optimizer.SGD(momentum=0.5))
    sgd(0, np.ones(2), w)
    with pytest.raises(ValueError, match=r"slots \('v',\) of 'sgd_momentum' are not \(\) of 'sgd'"):
        optimizer.get_updater(optimizer.SGD()).set_states(sgd.get_states())
    assert updater.states is before
