"""What users of other libraries type, and what it is called here: the ends of messages about unknown names."""
import inspect
import re
from collections.abc import Iterable, Mapping

from .names import close, nearest

RATE = "write {learning_rate}"
DECAY = "write {wd}"
SCHEDULE = "the rate decays by {lr_scheduler}, a schedule of numoptim.lr_scheduler"
FUSED = "every step is one fused call and changes arrays in place: leave it out"
ALONE = "a trainer is one process: leave it out"

# A {name} must be a keyword or attribute that can be set: of several hints the first that fits is given.
HINTS: dict[str, tuple[str, ...]] = {
    "lr": (RATE,),
    "learning_rate_init": (RATE,),
    "eta0": (RATE,),
    "eta": (RATE,),
    "step_size": (RATE,),
    "alpha": ("write {gamma1}", f"{RATE}, or {{wd}} for scikit-learn's"),
    "lr_schedule": ("write {lr_scheduler}",),
    "scheduler": ("write {lr_scheduler}",),
    "lr_decay": (SCHEDULE,),
    "decay": ("write {gamma1}", SCHEDULE),
    "weight_decay": (DECAY,),
    "weight_decay_rate": (DECAY,),
    "decoupled_weight_decay": ("decay is decoupled in AdamW, NAdamW and RAdam, and in the gradient of Adam and Nadam: "
                               "choose, and leave this out",),
    "l2": (DECAY,),
    "lambda_l2": (DECAY,),
    "lambda2": (DECAY,),
    "lamda2": (DECAY,),
    "l2_regularization_strength": (f"{DECAY}=2*l2_regularization_strength",),
    "l1": ("write {lamda1}",),
    "lambda1": ("write {lamda1}",),
    "lambda_l1": ("write {lamda1}",),
    "l1_regularization_strength": ("write {lamda1}",),
    "lambda": ("write {lamda}", DECAY),
    "betas": ("write {beta1} and {beta2}",),
    "beta": ("write {beta1} and {beta2}",),
    "b1": ("write {beta1}",),
    "b2": ("write {beta2}",),
    "rho": ("write {gamma1}",),
    "gamma": ("write {gamma1}",),
    "eps": ("write {epsilon}, inside the root of what {gamma1} averages: eps**2 for torch's", "write {epsilon}"),
    "epsilon": ("write {eps}",),
    "mu": ("write {momentum}",),
    "momentum": ("write {beta1}", "it has no momentum"),
    "dampening": ("Nesterov's momentum has none, be {rate_in_velocity} True or not: leave it out",
                  "steps along a sign, which {wd_lh} is apart from, are the same for any dampening: leave it out",
                  "multiply the learning rate by 1 - dampening, which is inside the {momentum} here, or leave it out",),
    "nesterov": ("with Nesterov's {momentum} the optimizer is NAG", "with {beta1} as Nesterov's momentum it is Nadam"),
    "initial_accumulator_value": ("write {initial}",),
    "initial_scale": ("write {initial}",),
    "etas": ("write {eta_minus} and {eta_plus}",),
    "step_sizes": ("write {min_step} and {max_step}",),
    "min_step_size": ("write {min_step}",),
    "max_step_size": ("write {max_step}",),
    "momentum_decay": ("write {schedule_decay}",),
    "trust_coefficient": ("write {eta}",),
    "amsgrad": ("with {beta1} and {beta2}, Adam and AdamW have it: leave it out here",),
    "maximize": ("write {rescale_grad}=-1",),
    "clipvalue": ("write {clip_gradient}",),
    "clip_value": ("write {clip_gradient}",),
    "clipnorm": ("gradients are clipped by value, with {clip_gradient}: scale them by their norm beforehand",),
    "gradient_accumulation_steps": ("write {batch_scale}", "the optimizer LBSGD accumulates, with batch_scale"),
    "params": ("parameters go to numoptim.Trainer(params, optimizer)",),
    "foreach": (FUSED,),
    "fused": (FUSED,),
    "capturable": (FUSED,),
    "differentiable": (FUSED,),
    "use_locking": (FUSED,),
    "compression_params": (ALONE,),
    "update_on_kvstore": (ALONE,),
}


def instead(word: str, known: Iterable[str]) -> str:
    """The end of a message that says that ``word`` is none of ``known``: what to write, if only the nearest of them.

    known: names, or {name: how it is written}.
    """
    known = known if isinstance(known, Mapping) else {name: name for name in known}
    hint = _fitting(word, known)
    if hint:
        return f": {hint.format_map(known)}"
    found = close(word, known)
    if found is None or known[found] == found:
        return nearest(word, known)
    return f"; did you mean {found!r}? Write {known[found]}"


def renamed(word: str, known: Iterable[str]) -> str | None:
    """The keyword that takes the same value, be it the word itself; None where there is none."""
    hint = _fitting(word, known)
    return word if word in known else next((name for name in known if hint == f"write {{{name}}}"), None)


def _fitting(word: str, known: Iterable[str]) -> str:
    """The hint of which everything is known, or ""."""
    return next((hint for hint in HINTS.get(word, ()) if set(re.findall(r"{(\w+)}", hint)) <= set(known)), "")


def keywords(*owners: type) -> list[str]:
    """Those of the signatures of classes."""
    parameters = [p for owner in owners for p in inspect.signature(owner).parameters.values()]
    return [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def refuse(cls: type, given: Iterable[str], *owners: type) -> None:
    """TypeError for a keyword that the signatures of the owners do not have."""
    known = keywords(*owners)
    for key in given:
        if key not in known:
            raise TypeError(f"{cls.__name__} has no keyword {key!r}{instead(key, known)}")
