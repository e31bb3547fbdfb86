"""An Updater makes states when they are first needed: none is lost, bound wrongly, or made for nothing."""
import threading

import numpy as np
import pytest
from interrupts import Interrupted, everywhere
from test_mxnet_face import HeavyBall
from test_optimizer import bits, draw, each_case, make
from threads import repeating, within

from numoptim import optimizer

SHAPES = {"w": (3, 5), "v": (7,)}
WRONG = np.ones((2, 2), np.float32)


class Thin(HeavyBall):
    """Refuses, before it counts, what does not fit."""

    def update(self, index, weight, grad, state):
        if grad.shape != weight.shape:
            raise ValueError("does not fit")
        super().update(index, weight, grad, state)


def begun(opt):
    return optimizer.get_updater(opt), {key: np.array(x) for key, x in draw(0, SHAPES).items()}


def step(updater, weights, seed=1):
    updater([*SHAPES], [*draw(seed, SHAPES).values()], [*weights.values()])


def stepped(opt, steps=2):
    updater, weights = begun(opt)
    for k in range(steps):
        step(updater, weights, k + 1)
    return {key: bits(x) for key, x in weights.items()}


@each_case
def test_a_refused_update_leaves_nothing(name, keywords):
    updater, weights = begun(make(name, keywords))
    grads = draw(1, SHAPES)
    for call in (lambda: updater("w", WRONG, weights["w"]), lambda: updater("w", grads["w"], WRONG[::2, ::2]),
                 lambda: updater([*SHAPES], [grads["w"], WRONG], [*weights.values()]),
                 lambda: updater([*SHAPES], [*grads.values()], [weights["w"], np.ones(7, int)])):
        with pytest.raises((ValueError, TypeError)):
            call()
        assert updater.states == {}
    for k in range(2):
        step(updater, weights, k + 1)
    assert {key: bits(x) for key, x in weights.items()} == stepped(make(name, keywords))


@each_case
def test_a_refused_update_beside_known_states(name, keywords):
    updater, weights = begun(make(name, keywords))
    one, two = begun(make(name, keywords))
    for each, x in ((updater, weights), (one, two)):
        each("w", draw(1, SHAPES)["w"], x["w"])
    with pytest.raises(ValueError):
        updater([*SHAPES], [draw(2, SHAPES)["w"], WRONG], [*weights.values()])
    assert list(updater.states) == ["w"] and updater.states["w"].t == 1
    for each, x in ((updater, weights), (one, two)):
        step(each, x, 2)
    assert all(bits(weights[key]) == bits(two[key]) for key in SHAPES)


@pytest.mark.parametrize("name", ["sgld", "adam", "dcasgd"])
def test_an_interrupted_call_is_made_with_its_states_or_not_begun(name):
    expected, seen = [stepped(make(name, {}), steps) for steps in (1, 2)], set()

    def check(prepared):
        updater, weights = prepared
        made = len(updater.states)
        seen.add(made)
        assert {state.t for state in updater.states.values()} == ({1} if made else set())
        if made:
            assert {key: bits(x) for key, x in weights.items()} == expected[0]
        else:
            step(updater, weights, 1)
        step(updater, weights, 2)
        assert {key: bits(x) for key, x in weights.items()} == expected[1]

    assert everywhere(lambda: begun(make(name, {})), lambda prepared: step(*prepared), check) > 30
    assert seen == {0, len(SHAPES)}


def test_a_class_in_python_keeps_the_states_of_what_it_updated():
    updater, w = optimizer.get_updater(Thin(learning_rate=0.5)), np.zeros(2)
    with pytest.raises(ValueError, match="does not fit"):
        updater([0, 1, 2], [np.ones(2), np.ones(3), np.ones(2)], [w, np.ones(2), np.ones(2)])
    assert list(updater.states) == [0] and w.tolist() == [-0.5, -0.5]
    updater(0, np.ones(2), w)
    assert w.tolist() == [-1.25, -1.25] and updater.optimizer._counts == {0: 2}


def test_a_class_in_python_that_is_interrupted():
    class Stopped(HeavyBall):
        def update(self, index, weight, grad, state):
            super().update(index, weight, grad, state)
            raise Interrupted

    updater, w = optimizer.get_updater(Stopped(learning_rate=0.5)), np.zeros(2)
    with pytest.raises(Interrupted):
        updater(0, np.ones(2), w)
    assert updater.states[0].tolist() == [1, 1] and w.tolist() == [-0.5, -0.5]


@pytest.mark.parametrize("opt", [lambda: optimizer.Adam(), lambda: HeavyBall()], ids=["rule", "class"])
def test_threads_share_states(opt, monkeypatch):
    """All meet at a new parameter: one makes its state, and no step is lost."""
    made, together = [], threading.Barrier(4)
    cls = type(opt())
    create = cls.create_state

    def slow(self, index, weight):
        made.append(index)
        late.wait(0.2)
        return create(self, index, weight)

    late = threading.Event()
    monkeypatch.setattr(cls, "create_state", slow)
    updater, weights = begun(opt())

    def call():
        together.wait()
        for k in range(5):
            updater("w", np.ones((3, 5), np.float32), weights["w"])
            step(updater, weights, k)

    within(60, call, call, call, call)
    assert sorted(made) == ["v", "w"] and updater.optimizer.num_update == 40
    assert {key: updater.optimizer._counts.get(key, getattr(state, "t", None))
            for key, state in updater.states.items()} == {"w": 40, "v": 20}


def test_states_are_of_one_update_while_another_thread_updates():
    """What is read there: the slots of a replay of as many updates."""
    shapes = {"w": (200_000,), "v": (100_000,)}
    grads = [*draw(1, shapes).values()]

    def made():
        weights = [*draw(0, shapes).values()]
        updater = optimizer.get_updater(optimizer.Adam())
        return updater, lambda: updater([*shapes], grads, weights)

    (updater, update), (replay, again) = made(), made()
    with repeating(update):
        found = [updater.get_states() for _ in range(10)]
    for states in found:
        loaded = optimizer.get_updater(optimizer.Adam())
        loaded.set_states(states)
        while replay.optimizer.num_update < loaded.optimizer.num_update:
            again()
        for key, state in loaded.states.items():
            assert state.t == loaded.optimizer.num_update
            assert {name: bits(slot) for name, slot in state.slots.items()} == {
                name: bits(slot) for name, slot in replay.states[key].slots.items()}


def test_no_noise_is_drawn_twice_after_states_are_set():
    """From 0, without gradients, first updates are noise alone."""
    first, second = (optimizer.get_updater(optimizer.SGLD(seed=3)) for _ in range(2))
    (w, v, new), grads = np.zeros((3, 40)), np.zeros((2, 40))
    first(["w", "v"], [*grads], [w, v])
    second.set_states(first.get_states())
    second("new", grads[0], new)
    assert np.unique([w, v, new]).size == 3 * 40
    assert [state.offset for state in second.states.values()] == [0, 40, 80]
