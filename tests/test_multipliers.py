"""lr_mult and wd_mult: names before patterns, time in proportion to names, and 0, which freezes."""
import fnmatch

import numpy as np
import pytest
from test_optimizer import SHAPES, bits, draw, each_case, each_case_and_dtype, make

from numoptim import Parameters, Trainer, kernels, optimizer
from numoptim.optimizer.multipliers import Multipliers


@pytest.mark.parametrize("name", ["layers[0].w", "a*", "b?", "[!x]", "plain"])
@pytest.mark.parametrize("what", ["lr_mult", "wd_mult"])
def test_a_parameter_s_name_is_that_name_and_nothing_else(name, what):
    others = [other for other in ("layers0.w", "aa", "bb", "y") if fnmatch.fnmatchcase(other, name)]
    params = Parameters({other: np.ones(2) for other in ("layers0.w", "aa", "bb", "y", name)})
    Trainer(params, "sgd", {"learning_rate": 1, "wd": 1, what: {name: 0.5}}).step(1)
    assert params[name].tolist() == [0.5, 0.5]
    assert all(params[other].tolist() == [0, 0] for other in params if other != name) and (others or name == "plain")


def test_a_key_that_is_no_name_is_a_pattern():
    params = Parameters({"layers0.w": np.ones(1), "layers1.w": np.ones(1), "b": np.ones(1)})
    Trainer(params, "sgd", {"learning_rate": 1, "wd": 1, "lr_mult": {"layers[0].w": 0.5, "layers*": 0.25}}).step(1)
    assert params.flat.tolist() == [0.5, 0.75, 0]


def test_tables_are_resolved_once(monkeypatch):
    """Not again when another attribute changes, and a name is looked up, not searched for."""
    names = [f"layers.{k}.weight[{k}]" for k in range(4_000)]
    matched = []
    params = Parameters({name: np.ones(1) for name in names})
    opt = optimizer.SGD(learning_rate=1, wd=1, wd_mult=dict.fromkeys(names, 0.5))
    monkeypatch.setattr(fnmatch, "translate", lambda pattern: matched.append(pattern) or "(?!)")
    trainer = Trainer(params, opt)
    trainer.step(1)
    assert matched == [] and (params.flat == 0.5).all()
    looked_up = []
    of = type(opt._lr_mult).of
    monkeypatch.setattr(type(opt._lr_mult), "of", lambda self, index: looked_up.append(index) or of(self, index))
    for wd in (2, 3):
        opt.wd = wd
        trainer.step(1)
    assert looked_up == []
    opt.set_wd_mult({names[0]: 0})
    trainer.step(1)
    assert len(looked_up) >= len(names)


def test_a_pattern_is_matched_once_for_a_parameter():
    """An optimizer written in Python asks at every step."""
    matched = []

    class Watched:
        def match(self, name):
            matched.append(name)
            return name == "b"

    table = Multipliers("lr_mult", {"x*": 0.5}, {})
    table._patterns = [(Watched(), 0.5)]
    for _ in range(3):
        assert [table.of(index) for index in ("a", "b", 7)] == [1, 0.5, 1]
    assert matched == ["a", "b", ""]


def test_an_index_s_factor_holds_for_its_name_too():
    opt, w = optimizer.SGD(learning_rate=1, param_idx2name={0: "w", 1: "v"}, lr_mult={0: 0, 1: 2, "v": 3}), np.zeros(2)
    for index, expected in (("w", 0), (0, 0), ("v", -3), (1, -6)):
        opt.update(index, w, np.ones(2), opt.create_state(index, w))
        assert w.tolist() == [expected] * 2


# --- a multiplier of 0

@pytest.mark.parametrize("threads", [1, 3])
@each_case_and_dtype
def test_nothing_of_a_frozen_parameter_is_read_or_written(split, name, keywords, dtype, threads):
    """NaN in its weights, gradients and slots stays there, and the others go on as if it were not among them."""
    def made(frozen):
        arrays = draw(0, dtype=dtype)
        if frozen:
            arrays["w"][...] = np.nan
        return Trainer(Parameters(arrays), make(name, keywords, lr_mult={"w": 0} if frozen else {}), threads=threads)

    def gradients(k, frozen):
        given = draw(k, dtype=dtype)
        if frozen:
            given["w"][...] = np.nan
        return given

    trainer, other = made(True), made(False)
    end = trainer.params.offsets[1]                                       # "w" is the first
    slots = {key: slot for key, slot in trainer._state.slots.items() if key.over != "all"}
    ends = {key: end if key.over == "element" else 1 for key in slots}
    for key, slot in slots.items():
        slot[:ends[key]] = np.arange(ends[key]) - 2.5
    before = {key: bits(slot[:ends[key]]) for key, slot in slots.items()}
    initial = bits(trainer.params["w"])
    for k in range(1, 5):
        trainer.step(4, grads=gradients(k, True))
        other.step(4, grads=gradients(k, False))
    assert bits(trainer.params["w"]) == initial
    assert {key: bits(slot[:ends[key]]) for key, slot in slots.items()} == before
    assert bits(trainer.params.flat[end:]) == bits(other.params.flat[end:])
    for key, slot in slots.items():
        assert bits(slot[ends[key]:]) == bits(other._state.slots[key][ends[key]:])
    assert next(iter(SHAPES)) == "w" and trainer.optimizer.num_update == 4


@each_case
def test_thawed_it_goes_on(name, keywords):
    """Frozen and thawed by set_lr_mult, between two micro-batches too."""
    trainer = Trainer(Parameters(draw(0)), make(name, keywords))
    trainer.step(4, grads=draw(1))
    slots = {key: slot.copy() for key, slot in trainer._state.slots.items()}
    trainer.optimizer.set_lr_mult({"*": 0})
    before = bits(trainer.params.flat)
    for k in (2, 3):
        trainer.step(4, grads=draw(k))
    assert bits(trainer.params.flat) == before and trainer.optimizer.num_update == 3
    assert all(bits(slots[key]) == bits(slot) for key, slot in trainer._state.slots.items())
    trainer.optimizer.set_lr_mult({})
    for k in (4, 5, 6):
        trainer.step(4, grads=draw(k))
    assert bits(trainer.params.flat) != before and np.isfinite(trainer.params.flat).all()


@each_case
def test_update_leaves_a_frozen_parameter_alone(name, keywords):
    opt = make(name, keywords, lr_mult={1: 0})
    arrays = [draw(0)["w"], draw(0)["v"]]
    states = [opt.create_state(k, w) for k, w in enumerate(arrays)]
    before = bits(arrays[1]), {key: bits(slot) for key, slot in states[1].slots.items()}
    for k in range(1, 4):
        opt.update([0, 1], arrays, [draw(k)["w"], np.full_like(arrays[1], np.nan)], states)
    assert (bits(arrays[1]), {key: bits(slot) for key, slot in states[1].slots.items()}) == before
    assert [state.t for state in states] == [3, 3] and bits(arrays[0]) != bits(draw(0)["w"])


def test_a_learning_rate_of_0_keeps_its_meaning():
    """Slots move, weights do not."""
    params = Parameters({"w": np.ones(3)})
    trainer = Trainer(params, "adam", {"learning_rate": 0})
    trainer.step(1, grads={"w": [1, 2, 3]})
    assert params.flat.tolist() == [1, 1, 1] and trainer._state.slots["m"].all()


def test_an_optimizer_in_python_is_not_called_for_a_frozen_parameter():
    class Plain(optimizer.Optimizer):
        def update(self, index, weight, grad, state):
            self._update_count(index)
            weight -= self._get_lr(index) * grad

    params = Parameters({"a": np.ones(2), "b": np.ones(2)})
    trainer = Trainer(params, Plain(learning_rate=1, lr_mult={"a": 0}))
    trainer.step(1, grads={"a": [np.nan, np.inf], "b": [1, 1]})
    assert params.flat.tolist() == [1, 1, 0, 0] and trainer.optimizer._counts == {0: 1, 1: 1}


@each_case
def test_frozen_is_the_number_of_the_header(name, keywords):
    trainer = Trainer(Parameters(draw(0)), make(name, keywords, lr_mult={"w": 0}))
    trainer.step(1, grads=draw(1))
    assert trainer._stepper._grouped[1][0] == kernels.FROZEN == -1
