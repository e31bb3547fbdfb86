"""What MXNet 1.9.1's own optimizer tests combine, as data: facts of its tests/python/unittest/test_optimizer.py.

A grid is one of its tests: an optimizer, lists of options of which every product is tried, and for each dtype the
storage of weight and gradient. Its gradients are one step of uniform numbers in [0, 1); what is recorded here is ten
steps of signed ones. Imports nothing but the standard library: ``record_mxnet.py`` runs it in MXNet's environment.
"""
from itertools import product
from typing import Any, NamedTuple

Options = dict[str, Any]

CLIP: list[Options] = [{}, {"clip_gradient": 0.4}, {"clip_gradient": 0.5}]
RESCALE: list[Options] = [{}, {"rescale_grad": 0.14}, {"rescale_grad": 0.8}]
WD: list[Options] = [{}, {"wd": 0.03}, {"wd": 0.05}, {"wd": 0.07}]
NO_WD: list[Options] = [{}, {"wd": 0.0}]
PRECISION: list[Options] = [{}, {"multi_precision": False}, {"multi_precision": True}]
MOMENTUM: list[Options] = [{}, {"momentum": 0.9}]
CORRECTION: list[Options] = [{"bias_correction": False}, {"bias_correction": True}]
FTRL: list[Options] = [
    {}, {"clip_gradient": 0.5}, {"clip_gradient": 0.4, "rescale_grad": 0.14}, {"rescale_grad": 0.8},
    {"clip_gradient": 0.5, "wd": 0.07}, {"clip_gradient": 0.4, "rescale_grad": 0.14, "wd": 0.03},
    {"rescale_grad": 0.8, "wd": 0.05}, {"rescale_grad": 0.8, "wd": 0.05, "lamda1": 0.01},
    {"clip_gradient": 0.5, "wd": 0.07, "lamda1": 1.0}]


class Storage(NamedTuple):
    """How weight and gradient are stored; lazy: whether rows without a gradient are left alone."""

    weight: str = "default"
    grad: str = "default"
    lazy: bool | None = None

    @property
    def options(self) -> Options:
        """``lazy_update`` where MXNet's test gives it."""
        return {} if self.lazy is None else {"lazy_update": self.lazy}


DENSE = Storage()
CSR = Storage("csr", "csr")
ROWS, ROW_GRADIENTS = Storage("row_sparse", "row_sparse"), Storage("default", "row_sparse")
STANDARD = [Storage("row_sparse", "row_sparse", False), Storage("default", "row_sparse", False)]


class Grid(NamedTuple):
    """``storages``: for each dtype. ``half``: what float16 runs have besides; other combinations need it in them."""

    optimizer: str
    storages: dict[str, list[Storage]]
    options: list[list[Options]]
    half: Options | None = None


SHORT = {"float16": [DENSE], "float32": [DENSE], "float64": [DENSE]}
ADAM = [DENSE, ROWS, STANDARD[0], ROW_GRADIENTS, STANDARD[1]]
GRIDS = {
    "sgd": Grid("SGD", {"float16": [DENSE], "float32": [DENSE, CSR], "float64": [DENSE, CSR]},
                [MOMENTUM, CLIP, RESCALE, WD, PRECISION]),
    "sgd_lazy": Grid("SGD", {"float32": [ROWS, ROW_GRADIENTS]}, [MOMENTUM, CLIP, RESCALE, WD, PRECISION]),
    "sgd_standard": Grid("SGD", {"float32": STANDARD}, [[{"momentum": 0.0}, {"momentum": 0.9}], CLIP, RESCALE, WD]),
    "nag": Grid("NAG", SHORT, [MOMENTUM, CLIP, RESCALE, WD, PRECISION]),
    "lamb": Grid("LAMB", {"float16": [DENSE], "float32": [DENSE]},
                 [CLIP, RESCALE, WD, [{}, *CORRECTION], [{}, {"lower_bound": None}, {"lower_bound": 1e-3}],
                  [{}, {"upper_bound": None}, {"upper_bound": 10}]], {"multi_precision": True}),
    "lamb_lists": Grid("LAMB", SHORT, [CLIP, RESCALE, WD, CORRECTION], {"multi_precision": True}),
    "sgld_1234": Grid("SGLD", SHORT, [CLIP, WD, PRECISION]),
    "sgld_42": Grid("SGLD", SHORT, [CLIP, WD, PRECISION]),
    "ftml": Grid("FTML", {"float32": [DENSE]},
                 [[{}, {"beta1": 0.5}, {"beta1": 0.7}], [{}, {"beta2": 0.8}, {"beta2": 0.9}], CLIP, RESCALE, WD]),
    "adam": Grid("Adam", {"float16": ADAM, "float32": ADAM, "float64": ADAM}, [CLIP, RESCALE, WD, PRECISION]),
    "adamax": Grid("Adamax", SHORT, [CLIP, RESCALE, WD, PRECISION]),
    "signum": Grid("Signum", {"float32": [DENSE], "float64": [DENSE]},
                   [CLIP, RESCALE, WD, [{}, {"wd_lh": 0.015}, {"wd_lh": 0.0}],
                    [{"learning_rate": 0.05}, {"learning_rate": 0.01}], MOMENTUM]),
    "rmsprop": Grid("RMSProp", {"float16": [DENSE, ROW_GRADIENTS], "float32": [DENSE, ROW_GRADIENTS]},
                    [[{}, {"clip_weights": 0.01}], CLIP, [{}, {"centered": False}, {"centered": True}], RESCALE, WD,
                     PRECISION]),
    "ftrl": Grid("Ftrl", {"float32": [DENSE, ROWS]}, [FTRL]),
    "adagrad": Grid("AdaGrad", {"float32": [DENSE, ROWS, ROW_GRADIENTS]},
                    [[{}, {"eps": 1e-8}], CLIP, RESCALE, NO_WD]),
    "adadelta": Grid("AdaDelta", {"float16": [DENSE], "float32": [DENSE]},
                     [[{"rho": 0.9}], [{}, {"epsilon": 1e-8}], CLIP, RESCALE, NO_WD], {"multi_precision": True}),
}


class Combination(NamedTuple):
    dtype: str
    storage: Storage
    options: Options


def combinations(grid: Grid) -> list[Combination]:
    """All that MXNet's test tries: 16 bits only with ``multi_precision``."""
    found = []
    for dtype, storages in grid.storages.items():
        for parts in product(*grid.options):
            options = {key: value for part in parts for key, value in part.items()}
            if dtype == "float16" and grid.half is not None:
                options |= grid.half
            if dtype == "float16" and not options.get("multi_precision"):
                continue
            found += [Combination(dtype, storage, options) for storage in storages]
    return found
