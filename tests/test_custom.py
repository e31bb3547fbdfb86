"""Optimizers of one's own: a class with ``update`` in Python, or a Rule that is compiled like the built-in ones."""
import inspect
from typing import NamedTuple

import numba
import numpy as np
import pytest
from test_checkpoint_reading import whole
from test_optimizer import bits, draw

import numoptim
from numoptim import Parameters, Rule, Trainer, optimizer
from numoptim.lr_scheduler import FactorScheduler

# --- a class, as MXNet's guide has it


@optimizer.register
class HeavyBall(optimizer.Optimizer):
    """SGD with momentum in plain NumPy; remembers what it was called with."""

    def __init__(self, learning_rate=0.1, friction=0.5, **keywords):
        super().__init__(learning_rate=learning_rate, **keywords)
        self.friction = friction
        self.seen = []

    def create_state(self, index, weight):
        return np.zeros_like(weight)

    def update(self, index, weight, grad, state):
        self._update_count(index)
        lr, wd = self._get_lr(index), self._get_wd(index)
        self.seen.append((index, lr, wd, np.array(grad)))
        grad = self.rescale_grad * grad
        if self.clip_gradient is not None:
            grad = np.clip(grad, -self.clip_gradient, self.clip_gradient)
        state[...] = (1 - self.friction) * state - lr * (grad + wd * weight)
        weight[...] += state


STATES = {
    "none": lambda w: None,
    "array": lambda w: np.zeros_like(w),
    "tuple": lambda w: (np.zeros_like(w), np.ones(3)),
    "list": lambda w: [np.zeros_like(w), [1, 2.5, None, "x"]],
    "dict": lambda w: {"m": np.zeros_like(w), "deep": (np.array(2.5), {"n": np.arange(3)}), 7: True},
}


@optimizer.register
class Stateful(optimizer.Optimizer):
    """Its state, of the kind asked for, changes with every step, and so does what a step does."""

    def __init__(self, kind="array", **keywords):
        super().__init__(**keywords)
        self.kind = kind

    def create_state(self, index, weight):
        return STATES[self.kind](weight)

    def update(self, index, weight, grad, state):
        self._update_count(index)
        for array in _arrays(state):
            array += 1
        weight -= self._get_lr(index) * grad * self._counts[index] * (1 + sum(a.sum() for a in _arrays(state)))


def _arrays(state):
    if isinstance(state, np.ndarray):
        return [state]
    items = state.values() if isinstance(state, dict) else state if isinstance(state, (tuple, list)) else ()
    return [array for item in items for array in _arrays(item)]


def describe(tree):
    """A nest of containers with arrays spelt out, to compare with ==."""
    if isinstance(tree, np.ndarray):
        return tree.dtype.str, tree.shape, bits(tree)
    if isinstance(tree, dict):
        return {key: describe(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree), [describe(item) for item in tree]
    return type(tree), tree


def test_created_by_name_and_updated():
    opt = optimizer.create("heavyball", learning_rate=0.5, friction=1, wd=0.5)
    assert type(opt) is HeavyBall is optimizer.HeavyBall is optimizer.find("HEAVYBALL")
    w = np.ones(2)
    state = opt.create_state("w", w)
    opt.update("w", w, np.array([1.0, 2.0]), state)
    assert w.tolist() == [0.25, -0.25] and opt.num_update == 1
    with pytest.raises(TypeError, match="frictoin"):
        optimizer.create("heavyball", frictoin=1)
    assert HeavyBall().learning_rate == 0.1 and optimizer.create("heavyball").friction == 0.5


def test_multipliers_counts_and_schedule():
    opt = optimizer.create("heavyball", lr_scheduler=FactorScheduler(step=1, factor=0.5), learning_rate=1, wd=2,
                           lr_mult={"a": 0.5}, wd_mult={1: 3}, param_idx2name={0: "a", 1: "b"}, begin_num_update=1)
    w = np.zeros(1)
    for index in (0, 0, 1):
        opt.update(index, w, w, np.zeros(1))
    assert [seen[:3] for seen in opt.seen] == [(0, 0.25, 2), (0, 0.125, 2), (1, 0.5, 6)]
    assert opt.num_update == 3


@pytest.mark.parametrize("clip", [None, 0.25])
def test_under_a_trainer(clip):
    """Gradients arrive divided by the batch size, shaped like the weight; nothing is mutated."""
    arrays = draw(0)
    params = Parameters(arrays)
    opt = HeavyBall(rescale_grad=2, wd=0.5, clip_gradient=clip, lr_mult={"w": 0.5})
    trainer = Trainer(params, opt)
    assert trainer.optimizer is opt
    for k, batch_size in enumerate([4, 8]):
        grads = draw(k + 1)
        trainer.step(batch_size, grads=grads)
        seen, opt.seen = opt.seen, []
        assert [s[:3] for s in seen] == [(i, 0.05 if name == "w" else 0.1, 0.5) for i, name in enumerate(arrays)]
        for name, (*_, grad) in zip(arrays, seen, strict=True):
            assert grad.shape == arrays[name].shape and bits(grad) == bits(grads[name] / np.float32(batch_size))
            assert bits(params.grad[name]) == bits(grads[name])
        assert (opt.rescale_grad, opt.clip_gradient, opt.num_update) == (2, clip, k + 1)
    w = arrays["v"].astype(float)
    v = np.zeros_like(w)
    for k, batch_size in enumerate([4, 8]):
        g = 2 * draw(k + 1)["v"] / batch_size
        v = 0.5 * v - 0.1 * (np.clip(g, -(clip or 9), clip or 9) + 0.5 * w)
        w += v
    np.testing.assert_allclose(params["v"], w, rtol=1e-5)


def test_every_gradient_is_an_array_of_its_own():
    """Also that of a 0-d weight: an update may write to it."""
    class Halve(optimizer.Optimizer):
        def update(self, index, weight, grad, state):
            grad[...] *= 0.5
            weight -= grad

    params = Parameters({"a": np.zeros(2), "b": np.zeros(())})
    Trainer(params, Halve()).step(2, grads={"a": [4, 8], "b": 12})
    assert params.flat.tolist() == [-1, -2, -3] and params.grad.flat.tolist() == [4, 8, 12]


@pytest.mark.parametrize("kind", STATES)
def test_states_are_saved_with_their_structure(tmp_path, kind):
    def trainer(arrays):
        return Trainer(Parameters(arrays), "stateful", {"kind": kind, "learning_rate": 0.01})

    first = trainer(draw(0))
    for k in range(3):
        first.step(1, grads=draw(k))
    first.save_states(tmp_path / "states")
    resumed = trainer(dict(first.params))
    resumed.load_states(tmp_path / "states")
    for k in range(3, 6):
        assert resumed.optimizer.num_update == first.optimizer.num_update == k
        for each in (first, resumed):
            each.step(1, grads=draw(k))
        assert bits(resumed.params.flat) == bits(first.params.flat)
    first.save_states(tmp_path / "first")
    resumed.save_states(tmp_path / "resumed")
    contents = [whole(tmp_path / name) for name in ("first", "resumed")]
    states = [content.pop("states") for content in contents]
    assert describe(states[0]) == describe(states[1])
    assert [type(s) for s in states[0]] == [type(STATES[kind](w)) for w in first.params.values()]
    assert contents[0] == contents[1]


class Point(NamedTuple):
    """A tuple that could not come back as what it is."""

    x: float = 1.0


@pytest.mark.parametrize("state", [
    object(), {"f": len}, {1, 2}, np.array([None]), Point(), optimizer.SGD().create_state(0, np.zeros(1)),
], ids=["object", "function", "set", "object array", "named tuple", "State"])
def test_states_that_cannot_be_saved(tmp_path, state):
    class Odd(optimizer.Optimizer):
        def create_state(self, index, weight):
            return state

        def update(self, index, weight, grad, state):
            weight -= grad

    trainer = Trainer(Parameters({"w": np.zeros(1)}), Odd())
    with pytest.raises(TypeError, match="cannot save"):
        trainer.save_states(tmp_path / "states")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what, error, message", [
    (int, TypeError, "register takes an Optimizer subclass or a Rule, not .*int"),
    (HeavyBall(), TypeError, "register takes"),
    (type("Adam", (optimizer.Optimizer,), {}), ValueError, "'Adam' is the name of a built-in optimizer"),
    (Rule("adam", lambda w, g, h: w), ValueError, "'adam' is the name of a built-in optimizer"),
], ids=["int", "instance", "class of a taken name", "rule of a taken name"])
def test_what_register_refuses(what, error, message):
    before = optimizer.Adam
    with pytest.raises(error, match=message):
        optimizer.register(what)
    assert optimizer.Adam is before


def test_registering_again_replaces_ones_own():
    def define():
        @optimizer.register
        class Again(optimizer.Optimizer):
            pass
        return Again

    define()
    second = define()
    assert type(optimizer.create("again")) is second and "Again" in dir(optimizer)


# --- a rule

SCALE = 2.0


def pull(w, g, m, h):
    """Towards the running mean of the gradient, with a threshold."""
    m = h.keep * m + (1.0 - h.keep) * g
    return w - SCALE * h.learning_rate * m * abs(m) / (abs(m) + h.soft), m


PULL = Rule(name="pull", update=pull, slots=("m",), title="Pull",
            hyper={"learning_rate": (0.125, "[0, inf)"), "keep": (0.75, "[0, 1)"), "soft": (0.5, "(0, inf)")})
Pull = optimizer.register(PULL)
KEYWORDS = {"learning_rate": 0.25, "keep": 0.5, "wd": 0.125, "clip_gradient": 0.75, "rescale_grad": 0.5}


def reference(w, gradients, batch_size=1, lr_mult=1.0, wd_mult=1.0):
    """Pull with KEYWORDS in NumPy, in float64."""
    w, m = np.array(w, float), 0.0
    for g in gradients:
        g = np.clip(0.5 / batch_size * np.asarray(g, float), -0.75, 0.75) + 0.125 * wd_mult * w
        m = 0.5 * m + 0.5 * g
        w = w - 2 * 0.25 * lr_mult * m * abs(m) / (abs(m) + 0.5)
    return w


def test_a_rule_becomes_a_class():
    assert Pull is optimizer.Pull is optimizer.find("pull") and Pull.__name__ == "Pull"
    assert isinstance(optimizer.create("PULL", keep=0.5), Pull)
    defaults = {key: p.default for key, p in inspect.signature(Pull).parameters.items()}
    assert list(defaults)[:3] == ["learning_rate", "keep", "soft"]
    assert (defaults["learning_rate"], defaults["keep"], defaults["soft"], defaults["wd"]) == (0.125, 0.75, 0.5, 0)
    with pytest.raises(ValueError, match=r"keep=1 .*\[0, 1\)"):
        Pull(keep=1)
    with pytest.raises(TypeError, match="Pull has no keyword 'keeep'; did you mean 'keep'"):
        Pull(keeep=0.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_its_updates(dtype):
    opt, w = Pull(**KEYWORDS), draw(0, dtype=dtype)["w"]
    state, expected = opt.create_state(0, w), reference(w, [draw(k, dtype=dtype)["w"] for k in range(5)])
    for k in range(5):
        opt.update(0, w, draw(k, dtype=dtype)["w"], state)
    np.testing.assert_allclose(w, expected, rtol=1e-5 if dtype == np.float32 else 1e-13)
    assert list(state.slots) == ["m"] and state.t == opt.num_update == 5


def test_its_trainer_threads_and_files(tmp_path, monkeypatch):
    monkeypatch.setattr(numoptim.native.plan, "SERIAL_BELOW", 2)
    shapes = {"a": (9000,), "b": (3, 1000), "c": (5000,)}
    more = {"lr_mult": {"b": 0.5}, "wd_mult": {"[bc]": 2}}
    trainers = [Trainer(Parameters(draw(0, shapes)), "pull", {**KEYWORDS, **more}, threads=n) for n in (1, 3)]
    for trainer in trainers:
        for k in range(3):
            trainer.step(4, grads=draw(k, shapes))
        trainer.save_states(tmp_path / "states")
        resumed = Trainer(Parameters(dict(trainer.params)), "pull")
        resumed.load_states(tmp_path / "states")
        for k in range(3, 5):
            trainer.step(4, grads=draw(k, shapes))
            resumed.step(4, grads=draw(k, shapes))
        assert bits(resumed.params.flat) == bits(trainer.params.flat) == bits(trainers[0].params.flat)
    for name in shapes:
        gradients = [draw(k, shapes)[name] for k in range(5)]
        factors = {"lr_mult": 0.5 if name == "b" else 1, "wd_mult": 1 if name == "a" else 2}
        expected = reference(draw(0, shapes)[name], gradients, 4, **factors)
        np.testing.assert_allclose(trainers[0].params[name], expected, rtol=1e-4, atol=1e-6)


def test_its_kernel_in_a_jitted_loop():
    kernel, hyper = numoptim.kernel(PULL), numoptim.hyper(PULL, **KEYWORDS)

    @numba.njit
    def train(w, gradients, m, hyper):
        for k in range(len(gradients)):
            kernel(w, gradients[k], m, hyper, k + 1)

    w, m = draw(0)["v"], np.zeros(7, np.float32)
    gradients = np.stack([draw(k)["v"] for k in range(5)])
    opt, other = Pull(**KEYWORDS), w.copy()
    state = opt.create_state(0, other)
    for g in gradients:
        opt.update(0, other, g.copy(), state)
    train(w, gradients, m, hyper)
    assert bits(w) == bits(other) and bits(m) == bits(state.slots["m"]) and bits(w) != bits(draw(0)["v"])


def test_a_rule_needs_no_rate_no_slots_and_no_title():
    def shrink(w, g, h):
        return w * 0.5 - g

    cls = optimizer.register(Rule(name="shrink", update=shrink))
    assert cls.__name__ == "shrink" and cls is optimizer.shrink
    params = Parameters({"w": np.array([1.0, 2.0])})
    Trainer(params, "shrink").step(1, grads={"w": [0, 1]})
    assert params.flat.tolist() == [0.5, 0]


def test_a_subclass_of_a_built_in_class():
    """Without update of its own it is driven flat; with one, parameter by parameter; the bits agree."""
    class Doubled(optimizer.Adam):
        def update(self, index, weight, grad, state):
            super().update(index, weight, 2 * grad, state)

    class Same(optimizer.Adam):
        pass

    shapes, results = {"a": (3, 2), "b": (5,)}, []
    for opt in (optimizer.Adam(rescale_grad=2), Same(rescale_grad=2), Doubled()):
        trainer = Trainer(Parameters(draw(0, shapes)), opt)
        for k in range(3):
            trainer.step(4, grads=draw(k, shapes))
        results.append(bits(trainer.params.flat))
    assert results[0] == results[1] == results[2] != bits(Parameters(draw(0, shapes)).flat)


@pytest.mark.parametrize("keywords, message", [
    ({"update": lambda w, g: w}, r"update takes 3 arguments, not \(w, g\)"),
    ({"update": lambda w, g, m, h: (w, m), "slots": ("g",)}, "names repeat"),
    ({"update": lambda w, g, h: w, "hyper": {"x": (2.0, "[0, 1]")}}, r"default x=2.0 is not in \[0, 1\]"),
    ({"update": lambda w, g, h: w, "hyper": {"x": (0.5, "0..1")}}, "interval '0..1'"),
    ({"update": lambda w, g, h: w, "hyper": {"lambda": (0.5, "[0, 1]")}}, "'lambda' is not a usable name"),
    ({"update": lambda w, g, h: w, "prepare": lambda t, h: (1.0,)}, "prepare and derived come together"),
    ({"update": lambda w, g, h: w, "gradient": "halved"}, "gradient is 'decayed', 'clipped' or 'raw', not 'halved'"),
], ids=["arguments", "names", "default", "interval", "keyword", "prepare", "gradient"])
def test_rules_that_contradict_themselves(keywords, message):
    with pytest.raises(ValueError, match=message):
        Rule(name="wrong", **keywords)
