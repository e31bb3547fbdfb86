"""Gradient-descent optimizers as compiled kernels over flat buffers."""
__version__ = "0.1.0"                          # first: modules below take it from here

from . import lr_scheduler, optimizer
from .buffers.parameters import Parameters
from .kernels import hyper, kernel
from .minimize import minimize
from .optimizer import Optimizer
from .rule import Rule
from .step.guard import StepInfo
from .step.scaler import LossScaler
from .trainer import Trainer

__all__ = ["LossScaler", "Optimizer", "Parameters", "Rule", "StepInfo", "Trainer", "hyper", "kernel", "lr_scheduler",
           "minimize", "optimizer"]
