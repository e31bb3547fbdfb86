"""Run MXNet's test grids in MXNet 1.9.1 and write data/mxnet-1.9.1-grids.npz, which test_mxnet_grids.py compares with.

In an environment of its own, with Python 3.11: ``pip install numpy==1.23.5 mxnet==1.9.1 "setuptools<66"``, then
``python tests/outside/record_mxnet.py``. Equal trajectories are stored once: ``<grid>_<dtype>_which`` says which of the
``w`` (weights after the steps in ``steps``), and ``slots`` (after the last one, NaN where there are none) is a
combination's. ``<dtype>_w0``, ``<dtype>_g`` are the weights before and all gradients, signed; ``<dtype>_rows`` says of
which rows row-sparse gradients consist; ``<grid>_<dtype>_noise`` is what SGLD added in each step.
"""
import math
import os
from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet_grids import GRIDS, Combination, combinations

TO = Path(__file__).parents[1] / "data" / "mxnet-1.9.1-grids.npz"
SHAPE, LISTED = (3, 4), [(3,), (5, 1), (2, 2)]      # of a weight, and of the three of one call with lists
STEPS, KEPT, SLOTS = 10, (1, 4, 10), 3


def inputs(dtype: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2022)
    g = (3 * rng.standard_normal((STEPS, *SHAPE))).astype(dtype)      # so wide that every clip_gradient clips
    rows = rng.random((STEPS, SHAPE[0], 1)) < 0.6
    rows[0] = [[True], [True], [False]]
    return {"w0": rng.uniform(-1, 1, SHAPE).astype(dtype), "g": g, "rows": rows}


def run(name: str, case: Combination, given: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Weights after the kept steps, and the slots after the last."""
    optimizer = getattr(mx.optimizer, GRIDS[name].optimizer)(**case.options, **case.storage.options)
    shapes = LISTED if name == "lamb_lists" else [SHAPE]
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]

    def stored(flat: np.ndarray, kind: str) -> list[mx.nd.NDArray]:
        parts = np.split(flat.ravel(), ends)
        return [mx.nd.array(part.reshape(shape), dtype=case.dtype).tostype(kind)
                for part, shape in zip(parts, shapes, strict=True)]

    weights = stored(given["w0"], case.storage.weight)
    states = [optimizer.create_state_multi_precision(k, w) for k, w in enumerate(weights)]
    kept = []
    for t, g in enumerate(given["g"], 1):
        grads = stored(g * given["rows"][t - 1] if case.storage.grad == "row_sparse" else g, case.storage.grad)
        if len(shapes) > 1:
            optimizer.update_multi_precision(list(range(len(shapes))), weights, grads, states)
        else:
            optimizer.update_multi_precision(0, weights[0], grads[0], states[0])
        if t in KEPT:
            kept.append(flattened(weights))
    slots = np.full((SLOTS, given["w0"].size), np.nan, case.dtype)
    for k, slot in enumerate(zip(*map(as_tuple, states), strict=True)):
        slots[k] = flattened(slot)
    return np.array(kept), slots


def as_tuple(state: object) -> tuple[mx.nd.NDArray, ...]:
    return () if state is None else state if isinstance(state, tuple) else (state,)


def flattened(arrays: list[mx.nd.NDArray]) -> np.ndarray:
    return np.concatenate([array.asnumpy().ravel() for array in arrays])


def noise(seed: int, dtype: str) -> np.ndarray:
    """What SGLD's generator gives in ten steps at its default learning rate."""
    mx.random.seed(seed)
    return np.array([mx.nd.random.normal(0, math.sqrt(0.01), shape=SHAPE, dtype=dtype).asnumpy() for _ in range(STEPS)])


def main() -> None:
    os.environ["MXNET_STORAGE_FALLBACK_LOG_VERBOSE"] = "0"
    out: dict[str, np.ndarray] = {"steps": np.array(KEPT)}
    for dtype in ("float32", "float64"):
        given = inputs(dtype)
        out |= {f"{dtype}_{key}": value for key, value in given.items()}
        for name, grid in GRIDS.items():
            cases = [case for case in combinations(grid) if case.dtype == dtype]
            seen: dict[bytes, int] = {}
            which, w, slots = [], [], []
            for case in cases:
                if grid.optimizer == "SGLD":
                    mx.random.seed(int(name[5:]))
                weights, state = run(name, case, given)
                key = weights.tobytes() + state.tobytes()
                if key not in seen:
                    seen[key] = len(w)
                    w.append(weights)
                    slots.append(state)
                which.append(seen[key])
            if cases:
                found = {"which": np.array(which, np.int16), "w": np.array(w), "slots": np.array(slots)}
                found |= {"noise": noise(int(name[5:]), dtype)} if grid.optimizer == "SGLD" else {}
                out |= {f"{name}_{dtype}_{key}": value for key, value in found.items()}
                print(name, dtype, len(cases), len(w), flush=True)
    np.savez_compressed(TO, **out)
    print(TO.stat().st_size)


if __name__ == "__main__":
    main()
