"""The search for the learning rate of every optimizer on every task."""
import math
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from .choices import CHOICES, DIGITS, Choice
from .digits import Digits, Network
from .surfaces import SURFACES, Surface
from .training import train

SEEDS = 1, 2, 3
DECADES = range(-4, 3)


def tune(networks: Iterable[Network], data: Digits, done: Callable[[], object]) -> dict[str, dict[str, float]]:
    """{task: {title: value}}; ``done`` is called behind each optimizer."""
    found: dict[str, dict[str, float]] = {DIGITS: {}, **{surface.name: {} for surface in SURFACES}}
    for choice in CHOICES:
        found[DIGITS][choice.title] = search(partial(on_digits, choice, networks, data))
        for surface in SURFACES:
            found[surface.name][choice.title] = search(partial(on_surface, choice, surface))
        done()
    return found


def search(score: Callable[[float], float]) -> float:
    """The value with the least score: the best power of ten, or the best of 0.2, 0.5, 2 and 5 times that."""
    best = min((float(f"1e{k}") for k in DECADES), key=score)
    return min((best, *(float(f"{best * factor:.0e}") for factor in (0.2, 0.5, 2, 5))), key=score)


def on_digits(choice: Choice, networks: Iterable[Network], data: Digits, value: float) -> float:
    """The worst loss, of several trainings, over a fifth of the training images that they did without."""
    cut = len(data.train_y) * 4 // 5
    part = Digits(data.train_x[:cut], data.train_x[cut:], data.train_y[:cut], data.train_y[cut:])
    with np.errstate(all="ignore"):                 # a rate that is too high overflows, and is not taken
        losses = [train(choice, network, part, seed, value).test_loss for network in networks for seed in SEEDS]
    return max(losses) if np.isfinite(losses).all() else math.inf


def on_surface(choice: Choice, surface: Surface, value: float) -> float:
    """Mean height of a path; infinite where it leaves the frame."""
    with np.errstate(all="ignore"):
        points = surface.path(choice, value)
    return float(surface.height(*points.T).mean()) if surface.inside(points) else math.inf
