"""Nothing is ignored: an attribute, an element or an argument that would have no effect is refused."""
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from test_custom import HeavyBall
from test_optimizer import bits, draw

from numoptim import Parameters, Trainer, optimizer
from numoptim.lr_scheduler import LRScheduler, PolyScheduler


def made():
    params = Parameters({"w": np.ones(3), "b": np.ones(2)})
    trainer = Trainer(params, "adam")
    trainer.step(1, grads={"w": [1, 2, 3], "b": [1, 1]})
    return trainer


PARTS = {"trainer": lambda t: t, "optimizer": lambda t: t.optimizer, "params": lambda t: t.params,
         "grad": lambda t: t.params.grad, "state": lambda t: t._state,
         "updater": lambda t: optimizer.get_updater(t.optimizer)}


@pytest.mark.parametrize("part, name, message", [
    ("optimizer", "lr", "write set_learning_rate"), ("optimizer", "learning_rate", "write set_learning_rate"),
    ("optimizer", "beta3", "there is none; did you mean 'beta2'"),
    ("optimizer", "weight_decay", "there is none: write wd"),
    ("optimizer", "betas", "there is none: write beta1 and beta2"), ("optimizer", "scheduler", "write lr_scheduler"),
    ("optimizer", "lr_mult", "write set_lr_mult"), ("optimizer", "wd_mult", "write set_wd_mult"),
    ("optimizer", "update", "cannot be set"), ("optimizer", "rule", "cannot be set"),
    ("optimizer", "begin_num_update", "cannot be set"), ("optimizer", "param_idx2name", "cannot be set"),
    ("optimizer", "multi_precision", "cannot be set"),
    ("trainer", "threads", r"write Trainer\(params, optimizer, threads=n\)"), ("trainer", "params", "cannot be set"),
    ("trainer", "optimizer", "cannot be set"), ("trainer", "step", "cannot be set"),
    ("trainer", "learning_rate", "write set_learning_rate"), ("trainer", "learning_rat", "there is none"),
    ("trainer", "lr", r"write set_learning_rate\(x\)"), ("trainer", "wd", "write .optimizer.wd = x"),
    ("trainer", "beta1", "write .optimizer.beta1 = x"),
    ("trainer", "weight_decay", "there is none: write .optimizer.wd"),
    ("trainer", "betta1", r"there is none; did you mean 'beta1'\? Write .optimizer.beta1"),
    ("trainer", "lr_mult", r"write .optimizer.set_lr_mult\(table\)"),
    ("trainer", "wd_mult", r"write .optimizer.set_wd_mult\(table\)"),
    ("trainer", "begin_num_update", "cannot be set$"), ("trainer", "param_idx2name", "cannot be set$"),
    ("updater", "optimzer", r"there is none; did you mean 'optimizer'\? Write get_updater\(optimizer\)"),
    ("updater", "optimizer", r"write get_updater\(optimizer\)"), ("updater", "states", r"write .set_states\(states\)"),
    ("updater", "lr", r"there is none: write .optimizer.set_learning_rate\(x\)"),
    ("updater", "beta1", "write .optimizer.beta1 = x$"), ("updater", "begin_num_update", "cannot be set$"),
    ("updater", "get_states", "cannot be set$"), ("updater", "lr_mult", r"write .optimizer.set_lr_mult\(table\)"),
    ("params", "flat", r"write .flat\[...\] = x"), ("params", "w", r"write \['w'\] = x"),
    ("params", "offsets", "cannot be set"), ("params", "shapes", "cannot be set"), ("params", "gard", "there is none"),
    ("grad", "flat", r"write .flat\[...\] = x"), ("grad", "b", r"write \['b'\] = x"),
    ("state", "slots", "cannot be set"), ("state", "rule", "cannot be set"), ("state", "m", "there is none"),
])
def test_attributes_that_are_refused(part, name, message):
    trainer = made()
    thing, before = PARTS[part](trainer), bits(trainer.params.flat)
    with pytest.raises(AttributeError, match=f"{type(thing).__name__}.{name} .*{message}"):
        setattr(thing, name, 1)
    assert bits(trainer.params.flat) == before and name not in vars(thing)


@pytest.mark.parametrize("change", [
    lambda t: t.optimizer.lr_mult.__setitem__("w", 0), lambda t: t.optimizer.wd_mult.__setitem__("w", 0),
    lambda t: t.optimizer.param_idx2name.__setitem__(0, "x"), lambda t: t.params.shapes.__setitem__("w", (1,)),
    lambda t: t._state.slots.__setitem__("m", 0), lambda t: t.slots.__setitem__("m", 0),
], ids=["lr_mult", "wd_mult", "names", "shapes", "slots", "trainer's slots"])
def test_tables_are_read_only(change):
    with pytest.raises((TypeError, AttributeError)):
        change(made())
    with pytest.raises(ValueError, match="read-only"):
        made().params.offsets[0] = 1


def test_attributes_of_a_class_of_users_are_set_on_it():
    own = HeavyBall()
    own.damping = 0.5
    trainer = Trainer(Parameters({"w": np.ones(3)}), own)
    with pytest.raises(AttributeError, match=r"Trainer\.damping cannot be set: write .optimizer.damping = x$"):
        trainer.damping = 0.25


def test_what_can_be_set_has_an_effect():
    trainer = made()
    trainer.optimizer.beta1, trainer.optimizer.wd, trainer.optimizer.clip_gradient = 0.5, 0.25, None
    trainer.optimizer.lr_scheduler = lambda n: 0.125
    assert (trainer.optimizer.beta1, trainer.optimizer.wd, trainer.learning_rate) == (0.5, 0.25, 0.125)
    trainer.params.grad = {"b": [1, 2], "w": np.arange(3)}
    assert trainer.params.grad.flat.tolist() == [0, 1, 2, 1, 2]
    trainer.params.grad["w"] += 1
    trainer.params.grad["w"] *= 2
    assert trainer.params.grad.flat.tolist() == [2, 4, 6, 1, 2]
    with pytest.raises(ValueError, match=r"params\.grad: 'b' is missing"):
        trainer.params.grad = {"w": np.zeros(3)}
    with pytest.raises(TypeError, match="lr_scheduler=3"):
        trainer.optimizer.lr_scheduler = 3
    assert trainer.params.grad.flat.tolist() == [2, 4, 6, 1, 2]


def test_subclasses_of_others_have_attributes_of_their_own():
    class Own(Parameters):
        pass

    class Mine(optimizer.Adam):
        def __init__(self, **keywords):
            self.first = 1
            super().__init__(**keywords)
            self.history = []

    opt = Mine()
    opt.anything, HeavyBall().anything = 2, 3
    Own({"w": np.ones(1)}).note = "mine"
    assert (opt.first, opt.history, opt.anything) == (1, [], 2)


class TestMasked:
    """A mask would be ignored by kernels."""

    array = np.ma.masked_array([1.0, 2.0], [False, True])

    def test_in_every_place(self):
        params, plain, adam = Parameters({"w": np.ones(2)}), np.ones(2), optimizer.Adam()
        state = adam.create_state(0, plain)
        for call in (lambda: Parameters({"w": self.array}), lambda: params.__setitem__("w", self.array),
                     lambda: Trainer(params, "sgd").step(1, grads={"w": self.array}),
                     lambda: setattr(params, "grad", {"w": self.array}),
                     lambda: adam.update(0, plain, self.array, state), lambda: adam.create_state(0, self.array)):
            with pytest.raises(TypeError, match="masked array: fill it first"):
                call()
        assert params.flat.tolist() == [1, 1] == plain.tolist()


def test_gradients_are_all_read_before_any_is_written():
    params = Parameters({"w": np.zeros(2), "b": np.zeros(2), "c": np.zeros(2)})
    params.grad.flat[:] = [1, 2, 3, 4, 5, 6]
    trainer = Trainer(params, "sgd", {"learning_rate": 1})
    trainer.step(1, grads={"w": params.grad["b"], "b": params.grad["w"][::-1], "c": params.grad["c"]})
    assert params.flat.tolist() == [-3, -4, -2, -1, -5, -6]


# --- schedules

class Steep(LRScheduler):
    """Overrides the rate and nothing else."""

    def rate(self, num_update):
        return self.base_lr / num_update**2


class WithArguments(LRScheduler):
    def __init__(self, steepness, **keywords):
        super().__init__(**keywords)
        object.__setattr__(self, "steepness", steepness)

    def rate(self, num_update):
        return self.base_lr / num_update**self.steepness


@dataclass(frozen=True)
class Fields(PolyScheduler):
    steepness: float = 3

    def rate(self, num_update):
        return self.base_lr / num_update**self.steepness


def test_a_learning_rate_beside_a_schedule_of_ones_own():
    assert optimizer.SGD(learning_rate=0.5, lr_scheduler=Steep()).lr_scheduler(2) == 0.125
    assert optimizer.SGD(learning_rate=0.5, lr_scheduler=Fields(max_update=9, steepness=1)).lr_scheduler(2) == 0.25
    with pytest.raises(ValueError, match="WithArguments, which is made by an __init__ of its own"):
        optimizer.SGD(learning_rate=0.5, lr_scheduler=WithArguments(3))
    assert optimizer.SGD(lr_scheduler=WithArguments(3, base_lr=0.5)).lr_scheduler(2) == 0.0625


def test_a_class_of_another_module_is_replaced_with_a_warning():
    def define(module):
        return type("Twice", (optimizer.Optimizer,), {"__module__": module})

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.register(define("first"))
        optimizer.register(define("first"))                # a cell that runs again
    with pytest.warns(UserWarning, match="'Twice' of second replaces that of first"):
        optimizer.register(define("second"))


# --- lists

@pytest.mark.parametrize("twice", [1, 2, 3], ids=["weight", "gradient", "state"])
def test_nothing_is_in_a_list_twice(twice):
    opt = optimizer.Adam()
    arrays, grads = list(draw(0).values()), list(draw(1).values())
    arrays[1], grads[1] = arrays[0].copy(), grads[0].copy()
    states = [opt.create_state(k, w) for k, w in enumerate(arrays)]
    lists = [list(range(len(arrays))), arrays, grads, states]
    lists[twice][1] = lists[twice][0]
    before = [bits(w) for w in arrays]
    with pytest.raises(ValueError, match=r"1 is in these lists twice|overlaps"):
        opt.update(*lists)
    lists[twice][1] = lists[twice][0][...] if twice < 3 else states[0]       # another view of the same memory
    with pytest.raises(ValueError, match=r"1 is in these lists twice|overlaps"):
        opt.update(*lists)
    assert [bits(w) for w in arrays] == before and states[0].t == 0


def test_arrays_of_a_list_share_no_memory():
    opt, a = optimizer.SGD(momentum=0.5), np.zeros(6)
    weights = {"overlap": [a[:4], a[2:]], "apart": [a[:3], a[3:]]}
    states = {key: [opt.create_state(k, w) for k, w in enumerate(ws)] for key, ws in weights.items()}
    grads = np.ones(6)
    with pytest.raises(ValueError, match="1 is in these lists twice, or overlaps another"):
        opt.update([0, 1], weights["overlap"], [np.ones(4), np.ones(4)], states["overlap"])
    with pytest.raises(ValueError, match="overlaps"):
        opt.update([0, 1], weights["apart"], [grads[:3], grads[2:5]], states["apart"])
    with pytest.raises(ValueError, match="overlaps"):
        opt.update([0, 1], weights["apart"], [a[3:], grads[:3]], states["apart"])
    assert not a.any()
    opt.update([0, 1], weights["apart"], [grads[:3], grads[3:]], states["apart"])
    assert a.all()


def test_a_state_without_slots_is_in_a_list_once():
    opt, arrays = optimizer.SGLD(), [np.zeros(3), np.zeros(3)]
    state = opt.create_state(0, arrays[0])
    with pytest.raises(ValueError, match="the state of 0 is in these lists twice"):
        opt.update([0, 0], arrays, [np.ones(3), np.ones(3)], [state, state])
    assert state.t == 0
