"""A valley over two weights, and the paths that optimizers take down it."""
from typing import Any

import numpy as np

from numoptim import Parameters, Trainer
from numoptim.native.arrays import Array

from .training import Choice

STEPS = 100
MINIMUM = np.array([1.0, 1.0])
ALONG, ACROSS = np.array([0.9, 0.4]), np.array([-0.4, 0.9])     # askew: no weight has a direction to itself
FLAT, STEEP = 0.5, 12.0                                         # curvatures along and across
START = MINIMUM - 2.8 * ALONG + 0.7 * ACROSS


def height(x: Array, y: Array) -> Array:
    """Height at (x, y), 0 at the minimum."""
    along, across = ((x - MINIMUM[0]) * d[0] + (y - MINIMUM[1]) * d[1] for d in (ALONG, ACROSS))
    return np.asarray(0.5 * (FLAT * along**2 + STEEP * across**2))


def slope(w: Array) -> Array:
    """Gradient of the height at w, both (2,)."""
    from_minimum = w - MINIMUM
    return np.asarray(FLAT * (from_minimum @ ALONG) * ALONG + STEEP * (from_minimum @ ACROSS) * ACROSS)


def keywords(choice: Choice) -> dict[str, Any]:
    """An optimizer's keywords here."""
    return {**choice.keywords, **choice.valley}


def path(choice: Choice) -> Array:
    """The points an optimizer visits, (STEPS + 1, 2), the first being START."""
    params = Parameters({"w": START.astype(np.float32)})
    trainer = Trainer(params, choice.name, keywords(choice))
    points = [params.flat.copy()]
    for _ in range(STEPS):
        trainer.step(1, {"w": slope(params.flat)})
        points.append(params.flat.copy())
    return np.array(points)
