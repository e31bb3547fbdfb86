"""What is deleted is freed at once, without the garbage collector; loading takes little beside what is loaded."""
import gc
import tracemalloc
import weakref

import numpy as np
import pytest
from test_optimizer import bits, draw, each_case, make
from test_own_classes import Momentumful

from numoptim import Parameters, Trainer


@pytest.fixture(autouse=True)
def no_collector():
    gc.disable()
    yield
    gc.enable()


def gone_after(*references):
    return [reference() is None for reference in references]


@each_case
def test_a_trainer_is_freed_when_it_is_deleted(name, keywords, tmp_path):
    trainer = Trainer(Parameters(draw(0)), make(name, keywords))
    trainer.step(1, grads=draw(1))
    trainer.save_states(tmp_path / "states")
    trainer.load_states(tmp_path / "states")
    trainer.step(1)
    trainer.optimizer.rescale_grad = 0.25
    trainer.step(1)
    stepper, state = trainer._stepper, trainer._state
    references = [weakref.ref(x) for x in (trainer, trainer.params, trainer.params.flat.base, trainer.optimizer,
                                           stepper, state, stepper.plans[0])]
    references += [weakref.ref(slot.base) for slot in state.slots.values()]
    del trainer, stepper, state
    assert all(gone_after(*references))


@each_case
def test_a_state_is_freed_when_it_is_deleted(name, keywords):
    opt, w = make(name, keywords), draw(0)["w"]
    state = opt.create_state(0, w)
    opt.update(0, w, draw(1)["w"], state)
    references = [weakref.ref(state), weakref.ref(w), *(weakref.ref(slot.base) for slot in state.slots.values())]
    del state, w
    assert all(gone_after(*references))


def test_a_trainer_of_an_optimizer_in_python():
    trainer = Trainer(Parameters(draw(0)), Momentumful())
    trainer.step(1, grads=draw(1))
    references = [weakref.ref(x) for x in (trainer, trainer.params, trainer.optimizer, trainer._state[0])]
    del trainer
    assert all(gone_after(*references))


def test_trainers_in_turn_take_the_memory_of_one():
    tracemalloc.start()
    for _ in range(4):
        trainer = Trainer(Parameters({"w": np.ones(1_000_000, np.float32)}), "adam")
        trainer.step(1)
        del trainer
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * 4_000_000                     # weights given, and four buffers


def test_loading_takes_half_of_what_training_does(tmp_path):
    trainer = Trainer(Parameters({"w": np.ones(2_000_000, np.float32)}), "adam")
    trainer.step(1, grads={"w": np.ones(2_000_000)})
    trainer.save_states(tmp_path / "states")
    before = {name: bits(slot) for name, slot in trainer._state.slots.items()}
    tracemalloc.start()
    trainer.load_states(tmp_path / "states")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    training = 4 * trainer.params.flat.nbytes
    assert peak < 0.5 * training + 4_000_000          # the slots, and a piece of the file
    assert {name: bits(slot) for name, slot in trainer._state.slots.items()} == before
