"""Numbers at the ends of their ranges, and numbers that are arrays."""
import numpy as np
import pytest

from numoptim import Parameters, Trainer, lr_scheduler, optimizer


class Scalar:
    """A 0-d array of another library, such as a torch.Tensor or a jax.Array."""

    def __init__(self, value, shape=()):
        self.value, self.shape = value, shape

    def item(self):
        return self.value


@pytest.mark.parametrize("number", [np.array(0.5), np.float32(0.5), Scalar(0.5)], ids=["array", "scalar", "foreign"])
def test_rates_and_scales_may_be_0_d_arrays(number):
    params = Parameters({"w": np.zeros(2)})
    trainer = Trainer(params, "sgd", {"learning_rate": number, "wd": number, "lr_mult": {"w": number}})
    trainer.optimizer.rescale_grad = number
    trainer.step(number, grads={"w": [1, 2]})
    assert params.flat.tolist() == [-0.25, -0.5]
    trainer.set_learning_rate(number)
    trainer.optimizer.lr_scheduler = lambda n: number
    assert trainer.learning_rate == 0.5 and type(trainer.learning_rate) is float
    assert lr_scheduler.LRScheduler(base_lr=number)(3) == 0.5


@pytest.mark.parametrize("value", [np.array([0.5]), Scalar(0.5, (1,)), Scalar("0.5"), np.ma.masked, "0.5", None])
def test_and_nothing_else(value):
    with pytest.raises(TypeError, match="expected a number"):
        optimizer.SGD(learning_rate=1).wd = value
    with pytest.raises(TypeError, match="expected a number"):
        Trainer(Parameters({"w": np.zeros(1)}), "sgd").step(value)


@pytest.mark.parametrize("keywords, batch_size", [
    ({"epsilon": 1e-46}, 1), ({}, 1e-39), ({"rescale_grad": 1e39}, 1), ({"clip_gradient": 1e-46}, 1),
    ({"beta1": 1 - 1e-12}, 1), ({"learning_rate": 1e39}, 1), ({"wd": 1e39}, 1)])
def test_what_the_element_type_cannot_hold_is_refused(keywords, batch_size):
    """In float32; in float64 the same numbers are good."""
    for dtype, good in ((np.float64, True), (np.float32, False)):
        params = Parameters({"w": np.ones(3, dtype)})
        trainer = Trainer(params, "adam", keywords)
        if good:
            trainer.step(batch_size, grads={"w": [1, 2, 3]})
            assert trainer.optimizer.num_update == 1
            continue
        with pytest.raises(ValueError, match="out of range"):
            trainer.step(batch_size)
        assert params.flat.tolist() == [1, 1, 1] and trainer.optimizer.num_update == 0
        opt, w = optimizer.Adam(**keywords), np.ones(3, dtype)
        if batch_size == 1:
            with pytest.raises(ValueError, match="out of range"):
                opt.update([0], [w], [w.copy()], [opt.create_state(0, w)])
            assert w.tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["ftrl", "ftml"])
def test_a_rate_that_halves_for_ever(name, dtype):
    """Down to 0: from where its inverse overflows on, a step leaves all as it is."""
    params = Parameters({"w": np.array([0.5, -0.25, 0], dtype)})
    rate = {np.float32: 2.0**-120, np.float64: 2.0**-1015}[dtype]
    trainer = Trainer(params, name, {"lr_scheduler": lambda n: rate * 0.5**n})
    for k in range(80):
        trainer.step(1, grads={"w": [1e-3, -1e-3, 0]})
        assert np.isfinite(params.flat).all(), k
    before = params.flat.copy(), {key: slot.copy() for key, slot in trainer._state.slots.items()}
    trainer.step(1, grads={"w": [1e-3, -1e-3, 0]})
    assert np.array_equal(params.flat, before[0])
    assert all(np.array_equal(before[1][key], slot) for key, slot in trainer._state.slots.items())


def test_values_that_were_refused():
    assert optimizer.Ftrl(beta=0).beta == 0 and optimizer.Nadam(schedule_decay=1.5).schedule_decay == 1.5
    params = Parameters({"w": np.ones(3)})
    Trainer(params, "ftrl", {"beta": 0, "lamda1": 0}).step(1, grads={"w": [0, 1, -1]})
    assert params.flat[0] == 0 and np.isfinite(params.flat).all()


def test_a_hyper_parameter_that_gets_lost_is_an_error():
    """Between an optimizer and its kernel, rather than 0."""
    trainer = Trainer(Parameters({"w": np.ones(3)}), "adam")
    del trainer.optimizer._values["beta2"]
    trainer.optimizer.beta1 = 0.8
    with pytest.raises(KeyError, match="beta2"):
        trainer.step(1)
