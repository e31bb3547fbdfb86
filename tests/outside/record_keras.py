"""Run Keras' optimizers over ten steps of signed gradients and write data/keras-3.15.1.npz for test_keras.py.

In an environment of its own: ``pip install keras==3.15.1 "jax[cpu]"``, then
``KERAS_BACKEND=jax JAX_ENABLE_X64=1 python tests/outside/record_keras.py``. In double precision: ``w0``, ``g``, and for
each case the weights after every step.
"""
from pathlib import Path

import keras
import numpy as np
from keras_cases import CASES

TO = Path(__file__).parents[1] / "data" / "keras-3.15.1.npz"


def main() -> None:
    keras.config.set_floatx("float64")
    rng = np.random.default_rng(2023)
    out = {"w0": rng.standard_normal(10), "g": rng.standard_normal((10, 10))}
    for name, case in CASES.items():
        optimizer = getattr(keras.optimizers, case.keras)(**case.options)
        weight, path = keras.Variable(out["w0"], dtype="float64"), []
        for g in out["g"]:
            optimizer.apply_gradients([(keras.ops.array(g), weight)])
            path.append(keras.ops.convert_to_numpy(weight))
        out[name] = np.array(path)
    assert all(array.dtype == np.float64 for array in out.values())
    np.savez_compressed(TO, **out)
    print(keras.__version__, TO.stat().st_size)


if __name__ == "__main__":
    main()
