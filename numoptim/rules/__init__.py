"""Every update rule. A new one is a file here and a line in RULES."""
from . import adadelta, adagrad, adam, adamax, dcasgd, ftml, ftrl, lamb, lars, lbsgd, nadam, nag, rmsprop, sgd, sgld, signum

RULES = (
    sgd.RULE, sgd.MOMENTUM,
    nag.RULE,
    adagrad.RULE,
    rmsprop.RULE, rmsprop.CENTERED,
    adadelta.RULE,
    adam.RULE,
    adamax.RULE,
    nadam.RULE,
    signum.RULE, signum.SIGNSGD,
    lbsgd.ACCUMULATE, lbsgd.LARS,
    lars.RULE,
    lamb.RULE,
    dcasgd.RULE, dcasgd.MOMENTUM,
    ftrl.RULE,
    ftml.RULE,
    sgld.RULE,
)
