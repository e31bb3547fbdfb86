"""Parameters and gradients from nested dicts and lists: names joined by "."."""
import numpy as np
import pytest

from numoptim import Parameters, Trainer
from numoptim.buffers.trees import flattened

TREE = {"embed": np.zeros((3, 2)), "layers": [{"w": np.ones(2), "b": np.array(0.5)}, {"w": np.full(3, 2.0)}],
        "head": ({"w": [[1.0, 2.0]]}, [np.full(1, 3.0)])}
NAMES = ["embed", "layers.0.w", "layers.0.b", "layers.1.w", "head.0.w", "head.1.0"]


def test_names_shapes_and_values():
    params = Parameters(TREE)
    assert list(params) == NAMES
    assert params["layers.1.w"].tolist() == [2, 2, 2] and params["head.0.w"].tolist() == [[1, 2]]
    assert params["layers.0.b"].shape == () and params.flat.size == 6 + 2 + 1 + 3 + 2 + 1


def test_lists_of_numbers_are_arrays():
    for x in ([1.0, 2.0], [[1.0], [2.0]], [np.float64(1), 2.0], (3.0,), [[1.0], []]):
        assert list(flattened({"w": x}, "params")) == ["w"]
    assert list(flattened({"w": [np.array(1.0), np.array(2.0)]}, "params")) == ["w.0", "w.1"]
    for nothing in ({}, [], (), [[], ()], [{}], {"b": [], "c": {}}, [{"b": []}]):
        assert list(flattened({"a": nothing, "w": 1.0, "z": [nothing]}, "params")) == ["w"]


def test_empty_branches_hold_no_parameter():
    params = Parameters({"layers": [], "more": [(), {}], "w": np.ones(2, np.float32)})
    assert list(params) == ["w"] and params.flat.dtype == np.float32
    trainer = Trainer(params, "sgd", {"learning_rate": 1})
    trainer.step(grads={"layers": [], "more": [(), {}], "w": [1, 1]})
    assert params.flat.tolist() == [0, 0]


def nested(depth, kind):
    tree = np.ones(1)
    for _ in range(depth):
        tree = kind(tree)
    return tree


def endless(kind):
    tree = kind(np.ones(1))
    inside = kind(tree)
    if isinstance(tree, dict):
        tree["again"] = inside
    else:
        tree.append(inside)
    return tree


@pytest.mark.parametrize("kind", [lambda x: {"a": x}, lambda x: [x], lambda x: [[x, []]]],
                         ids=["mappings", "lists", "lists and nothing"])
def test_a_tree_ends(kind):
    assert Parameters({"a": nested(50, kind)}).flat.tolist() == [1]
    params = Parameters({"w": np.ones(1)})
    for tree in (nested(3000, kind), endless(kind)):
        with pytest.raises(ValueError, match="params: mappings and lists are nested too deeply, or contain themselves"):
            Parameters({"a": tree})
        with pytest.raises(ValueError, match="grads: mappings and lists are nested"):
            Trainer(params, "sgd").step(grads={"w": tree})
    empty = []
    empty.append(empty)
    with pytest.raises(ValueError, match="contain themselves"):
        Parameters({"a": empty})


def test_one_level_is_left_as_it_is():
    arrays = {"a.b": np.zeros(2), "c": [1.0]}
    assert flattened(arrays, "params") is arrays


@pytest.mark.parametrize("tree, error, message", [
    ({"a.b": np.zeros(1), "a": {"b": np.ones(1)}}, ValueError, "params: two arrays have the name 'a.b'"),
    ({"a": [np.zeros(1)], "a.0": np.ones(1)}, ValueError, "params: two arrays have the name 'a.0'"),
    ({"a": {3: np.zeros(1)}}, TypeError, "params: the name 3 is not a string"),
    ({"a": {"b": np.zeros(1, int)}}, TypeError, "parameter 'a.b' is int64"),
], ids=["name", "item", "number", "dtype"])
def test_what_is_refused(tree, error, message):
    with pytest.raises(error, match=message):
        Parameters(tree)


def test_gradients_of_the_same_tree():
    def scaled(x):
        if isinstance(x, dict):
            return {key: scaled(item) for key, item in x.items()}
        return [scaled(item) for item in x] if isinstance(x, (list, tuple)) else np.asarray(x) * 0 + 2.0

    params = Parameters(TREE)
    before = params.flat.copy()
    trainer = Trainer(params, "sgd", {"learning_rate": 0.5, "lr_mult": {"layers.*.w": 0.25}})
    trainer.step(grads=scaled(TREE))
    moved = {name: np.unique(before[lo:hi] - params.flat[lo:hi]).tolist()
             for name, lo, hi in zip(NAMES, params.offsets, params.offsets[1:], strict=False)}
    assert moved == {name: [0.25] if name in ("layers.0.w", "layers.1.w") else [1.0] for name in NAMES}
    with pytest.raises(ValueError, match=r"no parameter 'layers.0.v'; did you mean 'layers.0.[bw]'"):
        trainer.step(grads={**TREE, "layers": [{"v": 1.0}]})
