"""Three surfaces over two weights, and the paths that optimizers take down them."""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from numoptim import Parameters, Trainer
from numoptim.native.arrays import Array
from numoptim.optimizer import create

from .choices import Choice

STEPS = 100


@dataclass(frozen=True)
class Surface:
    """height(x, y) and slope(x, y), arrays over arrays; the frame has the edges left, right, bottom, top."""

    name: str
    formula: str
    height: Callable[[Array, Array], Array]
    slope: Callable[[Array, Array], tuple[Array, Array]]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    frame: tuple[float, float, float, float]

    def path(self, choice: Choice, value: float | None = None) -> Array:
        """The points an optimizer visits, (STEPS + 1, 2), the first being the start."""
        params = Parameters({"w": np.array(self.start, np.float32)})
        trainer = Trainer(params, create(choice.name, **choice.keywords(self.name, value)))
        points = [params.flat.copy()]
        for _ in range(STEPS):
            trainer.step(1, {"w": np.array(self.slope(*params.flat.astype(float)))})
            points.append(params.flat.copy())
        return np.array(points, float)

    def inside(self, points: Array) -> bool:
        """Whether all points lie in the frame."""
        left, right, bottom, top = self.frame
        return bool(((points >= [left, bottom]) & (points <= [right, top])).all())


def _valley(x: Array, y: Array) -> Array:
    return np.asarray(0.25 * (0.9 * x + 0.4 * y) ** 2 + 6 * (0.9 * y - 0.4 * x) ** 2)


def _valley_slope(x: Array, y: Array) -> tuple[Array, Array]:
    along, across = 0.5 * (0.9 * x + 0.4 * y), 12 * (0.9 * y - 0.4 * x)
    return 0.9 * along - 0.4 * across, 0.4 * along + 0.9 * across


def _rosenbrock(x: Array, y: Array) -> Array:
    return np.asarray((1 - x) ** 2 + 10 * (y - x**2) ** 2)


def _rosenbrock_slope(x: Array, y: Array) -> tuple[Array, Array]:
    return -2 * (1 - x) - 40 * x * (y - x**2), 20 * (y - x**2)


def _saddle(x: Array, y: Array) -> Array:
    return np.asarray(x**2 / 2 + (y**2 - 1) ** 2 / 4)


def _saddle_slope(x: Array, y: Array) -> tuple[Array, Array]:
    return x, y * (y**2 - 1)


SURFACES = (
    Surface("valley", "(0.9 x + 0.4 y)² / 4 + 6 (0.9 y - 0.4 x)²", _valley, _valley_slope,
            (-2.8, -0.5), ((0, 0),), (-3.2, 1.2, -2.0, 1.2)),
    Surface("rosenbrock", "(1 - x)² + 10 (y - x²)²", _rosenbrock, _rosenbrock_slope,
            (-1.2, 1.0), ((1, 1),), (-1.8, 1.8, -0.8, 2.2)),
    Surface("saddle", "x² / 2 + (y² - 1)² / 4", _saddle, _saddle_slope,
            (-1.8, -0.02), ((0, 1), (0, -1)), (-2.2, 1.6, -1.5, 1.5)),
)
