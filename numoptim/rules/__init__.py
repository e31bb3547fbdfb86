"""Every update rule. A new one is a file here and a line in MODULES, in the group that it belongs to."""
from importlib import import_module

from numoptim.rule import Rule

# Each has a RULE, or RULES for several. In this order they are in the C library's table and in listings.
MODULES = {
    "gradient descent": (
        "sgd",
        "nag",
        "dcasgd",
    ),
    "adaptive": (
        "adagrad",
        "rmsprop",
        "adadelta",
        "adam",
        "adamw",
        "adamax",
        "nadam",
        "nadamw",
        "radam",
        "adabelief",
        "yogi",
        "ademamix",
        "adan",
        "adopt",
        "ftml",
    ),
    "sign": (
        "signum",
        "lion",
        "rprop",
    ),
    "layer-wise": (
        "lars",
        "novograd",
    ),
    "large batches": (
        "lbsgd",
        "lamb",
        "lans",
    ),
    "online": (
        "ftrl",
    ),
    "sampling": (
        "sgld",
    ),
    "without a rate or a schedule": (
        "prodigy",
        "schedule_free",
    ),
    "beside a step": (
        "gradient_norm",
    ),
}


def _rules_of(name: str) -> tuple[Rule, ...]:
    module = import_module(f"{__name__}.{name}")
    several: tuple[Rule, ...] = getattr(module, "RULES", ())
    return several or (module.RULE,)


GROUPS = {group: tuple(rule for name in names for rule in _rules_of(name)) for group, names in MODULES.items()}
RULES = tuple(rule for rules in GROUPS.values() for rule in rules)
