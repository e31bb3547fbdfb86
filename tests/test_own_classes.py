"""Classes of one's own, written in Python: what of them lasts in copies and files, and what would have no effect."""
import copy
import threading

import numpy as np
import pytest
from test_optimizer import SHAPES, bits, draw

from numoptim import Parameters, Rule, Trainer, optimizer


class Halving(optimizer.Optimizer):
    """With a number of NumPy's, whose type decides in which precision a step is made."""

    saved = ("rate", "past")

    def __init__(self, rate=0.1, **keywords):
        super().__init__(**keywords)
        self.rate = rate
        self.past = {"rates": [rate]}

    def update(self, index, weight, grad, state):
        self._update_count(index)
        weight[...] = weight * 1.7 - self.rate * grad * grad / np.float32(3) * self.past["rates"][-1]


@pytest.mark.parametrize("rate", [0.1, np.float64(0.1), np.float32(0.1), np.int64(3), np.longdouble("0.1"),
                                  np.array(0.1)], ids=lambda x: type(x).__name__)
def test_numbers_are_resumed_as_what_they_are(tmp_path, rate):
    trainer = Trainer(Parameters(draw(0)), Halving(rate))
    trainer.step(grads=draw(1))
    trainer.save_states(tmp_path / "states")
    resumed = Trainer(Parameters(dict(trainer.params)), Halving(0.5))
    resumed.load_states(tmp_path / "states")
    assert type(resumed.optimizer.rate) is type(resumed.optimizer.past["rates"][0]) is type(rate)
    for each in (trainer, resumed):
        each.step(grads=draw(2))
    assert bits(trainer.params.flat) == bits(resumed.params.flat)


class Momentumful(optimizer.Optimizer):
    """Has a state in arrays, and one of its own that it names."""

    saved = ("steps", "average")

    def __init__(self, fail_at=(), **keywords):
        super().__init__(**keywords)
        self.fail_at, self.steps, self.average = fail_at, 0, np.zeros(2)

    def create_state(self, index, weight):
        return np.zeros_like(weight)

    def update(self, index, weight, grad, state):
        self._update_count(index)
        if (index, self._counts[index]) in self.fail_at:
            raise KeyboardInterrupt
        self.steps += 1
        self.average += 1
        state += grad
        weight -= self._get_lr(index) * state * self.average[0]


def test_a_half_made_step_is_noticed(tmp_path):
    params = Parameters(draw(0))
    trainer = Trainer(params, Momentumful(fail_at=[(2, 2)]))
    trainer.step(1, grads=draw(1))
    trainer.save_states(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trainer.step(1)
    half = bits(params.flat)
    for refused in (lambda: trainer.step(1), lambda: trainer.save_states(tmp_path / "half")):
        with pytest.raises(RuntimeError, match=f"interrupted at parameter {list(SHAPES)[2]!r}"):
            refused()
    assert bits(params.flat) == half and not (tmp_path / "half").exists()
    trainer.optimizer.fail_at = ()
    trainer.load_states(tmp_path / "whole")
    trainer.step(1)
    assert trainer.optimizer.num_update == 2


def test_attributes_that_a_class_names_are_saved(tmp_path):
    def run(trainer, steps):
        for k in range(steps):
            trainer.step(1, grads=draw(k))

    first = Trainer(Parameters(draw(0)), Momentumful())
    run(first, 3)
    first.save_states(tmp_path / "states")
    resumed = Trainer(Parameters(dict(first.params)), Momentumful())
    resumed.load_states(tmp_path / "states")
    assert resumed.optimizer.steps == 3 * len(SHAPES)
    for trainer in (first, resumed):
        run(trainer, 2)
    assert bits(first.params.flat) == bits(resumed.params.flat)


def test_objects_of_an_optimizer_stay_when_states_are_loaded(tmp_path):
    """A schedule that the program goes on changing, a model, a lock."""
    class Schedule:
        rate = 0.5

        def __call__(self, n):
            return self.rate

    opt = Momentumful(lr_scheduler=Schedule())
    opt.fail_at = model = {"lock": threading.Lock()}
    schedule = opt.lr_scheduler
    trainer = Trainer(Parameters(draw(0)), opt)
    trainer.step(1)
    trainer.save_states(tmp_path / "states")
    trainer.load_states(tmp_path / "states")
    assert opt.lr_scheduler is schedule and opt.fail_at is model
    schedule.rate = 0.25
    assert trainer.learning_rate == 0.25


def test_an_instance_belongs_to_one_trainer():
    opt = Momentumful()
    trainer = Trainer(Parameters(draw(0)), opt)
    with pytest.raises(ValueError, match="Momentumful belongs to another Trainer already"):
        Trainer(Parameters(draw(0)), opt)
    trainer.step(1)
    del trainer
    Trainer(Parameters(draw(0)), opt).step(1)


# --- classes that are refused when they are made

class WithRate:
    """Mixed in, it hides as much as if it were in the class itself."""

    beta1 = 0.5


@pytest.mark.parametrize("bases, content, message", [
    ((optimizer.Optimizer,), {"__slots__": ("x",)}, "M keeps more than attributes, by __slots__"),
    ((optimizer.SGD,), {"__slots__": ("x",)}, "M keeps more than attributes"),
    ((optimizer.Optimizer, dict), {}, "M keeps more than attributes"),
    ((optimizer.Adam,), {"beta1": 0.5}, r"M.beta1 = 0.5 in the class has no effect.*super\(\).__init__\(beta1=...\)"),
    ((optimizer.Adam,), {"beta1": property(lambda self: 0.5)}, "M.beta1 = .* has no effect"),
    ((WithRate, optimizer.Adam), {}, "M.beta1 = 0.5 in the class has no effect"),
    ((optimizer.RMSProp,), {"centered": True}, "M.centered = True in the class has no effect"),
    ((optimizer.SGD,), {"wd": 0.5}, "M.wd = 0.5 in the class has no effect"),
    ((optimizer.Optimizer,), {"clip_gradient": 1}, "M.clip_gradient = 1 in the class has no effect"),
    ((optimizer.SGD,), {"learning_rate": 0.5}, "M.learning_rate"),
    ((optimizer.Optimizer,), {"lr_mult": {"w": 0}}, "M.lr_mult = {'w': 0} in the class has no effect"),
    ((optimizer.SGD,), {"_get_lr": lambda self, index: 0.0}, "M._get_lr has no effect: .*override update too"),
    ((optimizer.SGD,), {"_get_wd": lambda self, index: 0.0}, "M._get_wd has no effect"),
    ((optimizer.SGD,), {"_update_count": lambda self, index: None}, "M._update_count has no effect"),
    ((optimizer.SGD,), {"learning_rate": property(lambda self: 0.0)}, "M.learning_rate has no effect"),
])
def test_a_class_with_what_would_have_no_effect(bases, content, message):
    with pytest.raises(TypeError, match=message):
        type("M", bases, content)


class Unmade(optimizer.Optimizer):
    """Forgets its base."""

    def __init__(self):
        self.rate = 0.1


def test_an_optimizer_that_its_base_did_not_make():
    with pytest.raises(TypeError, match=r"Unmade.__init__ did not call super\(\).__init__\(\*\*keywords\)"):
        Trainer(Parameters({"w": np.ones(2)}), Unmade())


def test_what_has_an_effect_may_be_overridden():
    class Noted(optimizer.SGD):
        default_learning_rate = 0.5

        def __init__(self, **keywords):
            super().__init__(**{"momentum": 0.25, **keywords})
            self.note = {"seen": 0}

    class Further(Noted):
        pass

    class Fixed(optimizer.SGD):
        def _get_lr(self, index):
            return 2.0

        def update(self, index, weight, grad, state):
            weight -= self._get_lr(index) * grad

    class Shown(optimizer.Optimizer):
        @property
        def learning_rate(self):
            return 7.0

    for cls in (Noted, Further):
        trainer = Trainer(Parameters({"w": np.zeros(2)}), copy.deepcopy(cls()))
        trainer.step(grads={"w": [1, 2]})
        assert trainer.params.flat.tolist() == [-0.5, -1] and trainer.optimizer.momentum == 0.25
        assert trainer.optimizer.note == {"seen": 0} and "learning_rate=0.5" in repr(trainer.optimizer)
    trainer = Trainer(Parameters({"w": np.zeros(2)}), Fixed())
    trainer.step(grads={"w": [1, 2]})
    assert trainer.params.flat.tolist() == [-2, -4] and Shown().learning_rate == 7


# --- a rule without a learning rate

Decay = optimizer.register(Rule(name="decay_only", update=lambda w, g, h: w * 0.5 - g))


@pytest.mark.parametrize("use, error, message", [
    (lambda: Decay(learning_rate=100), TypeError, "decay_only has no keyword 'learning_rate'"),
    (lambda: Decay(lr_scheduler=lambda n: 0.1), TypeError, "decay_only has no keyword 'lr_scheduler'"),
    (lambda: Decay(lr_mult={"w": 0.5}), ValueError, "decay_only has no learning rate"),
    (lambda: Decay().set_lr_mult({"w": 2}), ValueError, "has no learning rate: lr_mult can be 0, which freezes, or 1"),
    (lambda: Decay().set_learning_rate(7), ValueError, "decay_only has no learning rate"),
    (lambda: setattr(Decay(), "lr_scheduler", lambda n: 0.1), ValueError, "decay_only has no learning rate"),
])
def test_a_rate_that_a_rule_does_not_have(use, error, message):
    with pytest.raises(error, match=message):
        use()


def test_a_rule_without_a_rate_can_freeze_and_be_resumed(tmp_path):
    def trainer(**keywords):
        return Trainer(Parameters({"w": np.ones(2), "b": np.ones(1)}), Decay(**keywords))

    first = trainer(lr_mult={"w": 0, "b": 1})
    assert "learning_rate" not in repr(first.optimizer) and first.optimizer.lr_scheduler is None
    first.step(grads={"w": [1, 1], "b": [0]})
    first.save_states(tmp_path / "states")
    second = trainer()
    second.load_states(tmp_path / "states")
    second.step(grads={"w": [1, 1], "b": [0]})
    assert first.params.flat.tolist() == second.params.flat.tolist() == [1, 1, 0.5]
