"""Every update rule. A new one is a file here and a line in MODULES."""
from importlib import import_module

from numoptim.rule import Rule

# Each has a RULE, or RULES for several. In this order they are in the C library's table and in listings.
MODULES = (
    "sgd",
    "nag",
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
    "lion",
    "signum",
    "lbsgd",
    "lars",
    "lamb",
    "lans",
    "adan",
    "adopt",
    "rprop",
    "novograd",
    "dcasgd",
    "ftrl",
    "ftml",
    "sgld",
    "prodigy",
    "schedule_free",
)


def _rules_of(name: str) -> tuple[Rule, ...]:
    module = import_module(f"{__name__}.{name}")
    several: tuple[Rule, ...] = getattr(module, "RULES", ())
    return several or (module.RULE,)


RULES = tuple(rule for name in MODULES for rule in _rules_of(name))
