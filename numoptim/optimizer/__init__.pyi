"""Optimizers by name: ``optimizer.Adam(learning_rate=1e-3)`` or ``optimizer.create("adam", ...)``."""
# Written by `python -m numoptim.optimizer.stubs`, which `make stubs` runs.
from collections.abc import Mapping
from typing import SupportsFloat, SupportsIndex

from numoptim.lr_scheduler.base import Schedule
from numoptim.step.state import State as State

from .base import Optimizer as Optimizer
from .base import create as create
from .base import find as find
from .multipliers import Key
from .mxnet import Updater as Updater
from .mxnet import get_updater as get_updater
from .rule_optimizer import RuleOptimizer as RuleOptimizer
from .rule_optimizer import register as register

__all__ = [
    "ADOPT", "DCASGD", "FTML", "LAMB", "LANS", "LARS", "LBSGD", "NAG", "SGD", "SGLD", "AdEMAMix", "AdaBelief",
    "AdaDelta", "AdaGrad", "Adam", "AdamW", "AdamWScheduleFree", "Adamax", "Adan", "Ftrl", "Lion", "NAdamW",
    "Nadam", "NovoGrad", "Optimizer", "Prodigy", "RAdam", "RMSProp", "Rprop", "RuleOptimizer", "SGDScheduleFree",
    "Signum", "State", "Updater", "Yogi", "create", "find", "get_updater", "register"
]

class ADOPT(RuleOptimizer):
    """ADOPT: Adam whose second moment leaves the present gradient out, so that it converges with any beta2."""
    beta1: float
    beta2: float
    epsilon: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.001, beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.9999, epsilon: SupportsFloat = 1e-06,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class AdEMAMix(RuleOptimizer):
    """AdEMAMix: Adam with a second, much slower mean of the gradients beside its first moment."""
    beta1: float
    beta2: float
    beta3: float
    alpha: float
    epsilon: float
    alpha_warmup: int
    beta3_warmup: int
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.001, beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999, beta3: SupportsFloat = 0.9999, alpha: SupportsFloat = 5.0,
        epsilon: SupportsFloat = 1e-08, alpha_warmup: SupportsIndex = 0, beta3_warmup: SupportsIndex = 0,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class AdaBelief(RuleOptimizer):
    """AdaBelief: Adam that divides by how far gradients are from their running mean."""
    beta1: float
    beta2: float
    epsilon: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.001, beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999, epsilon: SupportsFloat = 1e-16,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class AdaDelta(RuleOptimizer):
    """AdaDelta: adaptive steps in the unit of the weights."""
    rho: float
    epsilon: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 1.0, rho: SupportsFloat = 0.9,
        epsilon: SupportsFloat = 1e-05, schedules: Mapping[str, Schedule] | None = None,
        lr_scheduler: Schedule | None = None, wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class AdaGrad(RuleOptimizer):
    """AdaGrad: adaptive subgradient method."""
    eps: float
    initial: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.01, eps: SupportsFloat = 1e-07,
        initial: SupportsFloat = 0.0, schedules: Mapping[str, Schedule] | None = None,
        lr_scheduler: Schedule | None = None, wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class Adam(RuleOptimizer):
    """Adam: adaptive moment estimation, with or without the maximum of AMSGrad."""
    beta1: float
    beta2: float
    epsilon: float
    amsgrad: bool
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.001, beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999, epsilon: SupportsFloat = 1e-08, amsgrad: bool = False,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class AdamW(RuleOptimizer):
    """AdamW: Adam with decoupled weight decay, with or without the maximum of AMSGrad."""
    beta1: float
    beta2: float
    epsilon: float
    amsgrad: bool
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.001, beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999, epsilon: SupportsFloat = 1e-08, amsgrad: bool = False,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.01, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class AdamWScheduleFree(RuleOptimizer):
    """Schedule-free SGD and AdamW: an average of the iterates in place of a schedule that ends somewhere."""
    beta: float
    beta2: float
    epsilon: float
    weight_power: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.0025, beta: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999, epsilon: SupportsFloat = 1e-08, weight_power: SupportsFloat = 2.0,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class Adamax(RuleOptimizer):
    """Adamax: Adam with the infinity norm."""
    beta1: float
    beta2: float
    epsilon: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.002, beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999, epsilon: SupportsFloat = 1e-08,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class Adan(RuleOptimizer):
    """Adan: adaptive Nesterov momentum, with the differences of successive gradients as a third moment."""
    beta1: float
    beta2: float
    beta3: float
    epsilon: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.001, beta1: SupportsFloat = 0.98,
        beta2: SupportsFloat = 0.92, beta3: SupportsFloat = 0.99, epsilon: SupportsFloat = 1e-08,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class DCASGD(RuleOptimizer):
    """DCASGD: asynchronous SGD with delay compensation, with or without momentum."""
    lamda: float
    momentum: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.01, lamda: SupportsFloat = 0.04,
        momentum: SupportsFloat = 0.0, schedules: Mapping[str, Schedule] | None = None,
        lr_scheduler: Schedule | None = None, wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class FTML(RuleOptimizer):
    """FTML: follow the moving leader."""
    beta1: float
    beta2: float
    epsilon: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.0025, beta1: SupportsFloat = 0.6,
        beta2: SupportsFloat = 0.999, epsilon: SupportsFloat = 1e-08,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class Ftrl(RuleOptimizer):
    """Ftrl: follow the (proximally) regularised leader, for sparse online learning."""
    lamda1: float
    beta: float
    warm_start: bool
    initial: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.1, lamda1: SupportsFloat = 0.01,
        beta: SupportsFloat = 1.0, warm_start: bool = False, initial: SupportsFloat = 0.0,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class LAMB(RuleOptimizer):
    """LAMB: layer-wise adaptive moments for large batches."""
    beta1: float
    beta2: float
    epsilon: float
    lower_bound: float | None
    upper_bound: float | None
    bias_correction: bool
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.001, beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999, epsilon: SupportsFloat = 1e-06,
        lower_bound: SupportsFloat | None = None, upper_bound: SupportsFloat | None = None,
        bias_correction: bool = True, schedules: Mapping[str, Schedule] | None = None,
        lr_scheduler: Schedule | None = None, wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class LANS(RuleOptimizer):
    """LANS: layer-wise adaptive Nesterov steps, of LAMB, for large batches."""
    beta1: float
    beta2: float
    epsilon: float
    lower_bound: float | None
    upper_bound: float | None
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.001, beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999, epsilon: SupportsFloat = 1e-06,
        lower_bound: SupportsFloat | None = None, upper_bound: SupportsFloat | None = None,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class LARS(RuleOptimizer):
    """LARS: layer-wise adaptive rate scaling."""
    momentum: float
    eta: float
    epsilon: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.01, momentum: SupportsFloat = 0.0,
        eta: SupportsFloat = 0.001, epsilon: SupportsFloat = 0.0,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class LBSGD(RuleOptimizer):
    """LBSGD: SGD for large batches made of micro-batches, with a warm-up."""
    momentum: float
    warmup_strategy: str
    warmup_epochs: int
    batch_scale: int
    updates_per_epoch: int
    begin_epoch: int
    num_epochs: int
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.01, momentum: SupportsFloat = 0.0,
        warmup_strategy: str = 'linear', warmup_epochs: SupportsIndex = 5, batch_scale: SupportsIndex = 1,
        updates_per_epoch: SupportsIndex = 32, begin_epoch: SupportsIndex = 0,
        num_epochs: SupportsIndex = 60, schedules: Mapping[str, Schedule] | None = None,
        lr_scheduler: Schedule | None = None, wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class Lion(RuleOptimizer):
    """Lion: steps along the sign of a momentum that looks ahead to the gradient."""
    beta1: float
    beta2: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.0001, beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.99, schedules: Mapping[str, Schedule] | None = None,
        lr_scheduler: Schedule | None = None, wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class NAG(RuleOptimizer):
    """NAG: Nesterov's accelerated gradient."""
    momentum: float
    rate_in_velocity: bool
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.01, momentum: SupportsFloat = 0.0,
        rate_in_velocity: bool = True, schedules: Mapping[str, Schedule] | None = None,
        lr_scheduler: Schedule | None = None, wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class NAdamW(RuleOptimizer):
    """NAdamW: Nadam with decoupled weight decay."""
    beta1: float
    beta2: float
    epsilon: float
    schedule_decay: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.002, beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999, epsilon: SupportsFloat = 1e-08, schedule_decay: SupportsFloat = 0.004,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class Nadam(RuleOptimizer):
    """Nadam: Adam with Nesterov's momentum."""
    beta1: float
    beta2: float
    epsilon: float
    schedule_decay: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.001, beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999, epsilon: SupportsFloat = 1e-08, schedule_decay: SupportsFloat = 0.004,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class NovoGrad(RuleOptimizer):
    """NovoGrad: momentum of gradients that are divided by a moving average of their norm, layer by layer."""
    beta1: float
    beta2: float
    epsilon: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.01, beta1: SupportsFloat = 0.95,
        beta2: SupportsFloat = 0.98, epsilon: SupportsFloat = 1e-08,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class Prodigy(RuleOptimizer):
    """Prodigy: Adam that finds its learning rate: it estimates how far the weights are from where they should be."""
    beta1: float
    beta2: float
    epsilon: float
    d0: float
    d_coef: float
    safeguard_warmup: bool
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 1.0, beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999, epsilon: SupportsFloat = 1e-08, d0: SupportsFloat = 1e-06,
        d_coef: SupportsFloat = 1.0, safeguard_warmup: bool = False,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class RAdam(RuleOptimizer):
    """RAdam: Adam that divides only once its second moment has seen enough gradients, and by less at first."""
    beta1: float
    beta2: float
    epsilon: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.001, beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999, epsilon: SupportsFloat = 1e-08,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class RMSProp(RuleOptimizer):
    """RMSProp: gradients divided by a running average of their magnitude; plain, with momentum, or centred."""
    gamma1: float
    epsilon: float
    clip_weights: float | None
    momentum: float
    gamma2: float
    centered: bool
    initial: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.001, gamma1: SupportsFloat = 0.9,
        epsilon: SupportsFloat = 1e-08, clip_weights: SupportsFloat | None = None,
        momentum: SupportsFloat = 0.0, gamma2: SupportsFloat = 0.9, centered: bool = False,
        initial: SupportsFloat = 0.0, schedules: Mapping[str, Schedule] | None = None,
        lr_scheduler: Schedule | None = None, wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class Rprop(RuleOptimizer):
    """Rprop: steps whose sizes grow where the gradient keeps its sign and shrink where it turns."""
    eta_minus: float
    eta_plus: float
    min_step: float
    max_step: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.01, eta_minus: SupportsFloat = 0.5,
        eta_plus: SupportsFloat = 1.2, min_step: SupportsFloat = 1e-06, max_step: SupportsFloat = 50.0,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class SGD(RuleOptimizer):
    """SGD: stochastic gradient descent, with or without momentum."""
    momentum: float
    dampening: float
    rate_in_velocity: bool
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.01, momentum: SupportsFloat = 0.0,
        dampening: SupportsFloat = 0.0, rate_in_velocity: bool = True,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class SGDScheduleFree(RuleOptimizer):
    """Schedule-free SGD and AdamW: an average of the iterates in place of a schedule that ends somewhere."""
    beta: float
    weight_power: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 1.0, beta: SupportsFloat = 0.9,
        weight_power: SupportsFloat = 2.0, schedules: Mapping[str, Schedule] | None = None,
        lr_scheduler: Schedule | None = None, wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class SGLD(RuleOptimizer):
    """SGLD: stochastic gradient Langevin dynamics, a sampler."""
    n_data: float
    temperature: float
    seed: int
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.01, n_data: SupportsFloat = 1.0,
        temperature: SupportsFloat = 1.0, seed: SupportsIndex = 0,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class Signum(RuleOptimizer):
    """Signum: steps along the sign of the gradient (SignSGD) or of its running mean."""
    wd_lh: float
    momentum: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.01, wd_lh: SupportsFloat = 0.0,
        momentum: SupportsFloat = 0.9, schedules: Mapping[str, Schedule] | None = None,
        lr_scheduler: Schedule | None = None, wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...

class Yogi(RuleOptimizer):
    """Yogi: Adam whose second moment moves by what the gradient has, not by what is left of itself."""
    beta1: float
    beta2: float
    epsilon: float
    initial: float
    def __init__(
        self, *, learning_rate: SupportsFloat | None = 0.01, beta1: SupportsFloat = 0.9,
        beta2: SupportsFloat = 0.999, epsilon: SupportsFloat = 0.001, initial: SupportsFloat = 1e-06,
        schedules: Mapping[str, Schedule] | None = None, lr_scheduler: Schedule | None = None,
        wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0,
        clip_gradient: SupportsFloat | None = None, lr_mult: Mapping[Key, SupportsFloat] | None = None,
        wd_mult: Mapping[Key, SupportsFloat] | None = None, param_idx2name: Mapping[int, str] | None = None,
        begin_num_update: SupportsIndex = 0, multi_precision: bool = False,
        aggregate_num: SupportsIndex = 0, lazy_update: bool = False
    ) -> None: ...
