"""Schedule-free SGD and AdamW: an average of the iterates in place of a schedule that ends somewhere.

Source
    Defazio et al., "The road less scheduled", NeurIPS 2024, equations (3) to (5) and Algorithm 1.
    https://arxiv.org/abs/2405.15682

Gradients are taken at w, the paper's y, between the iterate z and the average x, which is what to evaluate and to save:
``with trainer.averaged():`` puts it into the parameters meanwhile, ``schedule_free_average`` computes it.

Update sgd_schedule_free
    lr_max = maximum(lr_max, learning_rate)
    total = total + lr_max**weight_power
    c = lr_max**weight_power/total if total > 0 else 0
    x = (w - (1 - beta)*z)/beta
    z = z - learning_rate*lr_mult*(g + wd*w)
    x = (1 - c)*x + c*z
    w = beta*x + (1 - beta)*z

Update adamw_schedule_free
    lr_max = maximum(lr_max, learning_rate)
    total = total + lr_max**weight_power
    c = lr_max**weight_power/total if total > 0 else 0
    v = beta2*v + (1 - beta2)*g**2
    x = (w - (1 - beta)*z)/beta
    z = z - learning_rate*lr_mult*(g/(sqrt(v/(1 - beta2**t)) + epsilon) + wd*w)
    x = (1 - c)*x + c*z
    w = beta*x + (1 - beta)*z

Update schedule_free_average (g is z; no step)
    w = (w - (1 - beta)*g)/beta

Symbols
    w       (size,) f32|f64  weights at which gradients are taken (schedule_free_average: the average comes out), in/out
    g       (size,) like w   gradient after rescale and clip (schedule_free_average: z), read only
    z       (size,) like w   the iterate, w before t = 1
    v       (size,) like w   second moment, 0 before t = 1
    lr_max  (1,) f64         the largest rate so far, 0 before t = 1
    total   (1,) f64         sum of the weights in the average, 0 before t = 1
    beta           number in (0, 1)  of a whole run: by another one w would be of another average
    learning_rate  number >= 0  before multipliers; a warm-up is a schedule's, an end it need not have
    lr_mult        number >= 0  the parameter's own factor, which the weights in the average do not heed

Differs from
    The authors' code, which has a warm-up of its own and keeps x or y in the parameters by ``eval()`` and ``train()``;
    optax's wrapper, whose ``weight_lr_power`` is weight_power.
"""
import math

from numoptim.rule import Rule, Slot, exp, log, maximum, power


def averaging(h):
    lr_max = maximum(h.lr_max, h.learning_rate)
    weight = exp(h.weight_power * log(lr_max)) if lr_max > 0 else 0.0
    total = h.total + weight
    c = weight / total if total > 0 else 0.0
    # w = beta*x + (1 - beta)*z, of the x and z that the step leaves.
    return lr_max, total, h.learning_rate * h.lr_mult, 1 - h.beta, 1 - c, h.beta * c + (1 - h.beta)


def prepare_sgd(t, h):
    return averaging(h)


def update_sgd(w, g, z, h):
    x = h.keep * (w - h.beta_c * z)
    z = z - h.rate * (g + h.wd * w)
    return x + h.mix * z, z


def prepare_adamw(t, h):
    lr_max, total, rate, beta_c, keep, mix = averaging(h)
    return lr_max, total, rate, beta_c, keep, mix, 1 - h.beta2, 1 / math.sqrt(1 - power(h.beta2, t))


def update_adamw(w, g, z, v, h):
    v = h.beta2 * v + h.beta2_c * (g * g)
    x = h.keep * (w - h.beta_c * z)
    z = z - h.rate * (g / (math.sqrt(v) * h.correction + h.epsilon) + h.wd * w)
    return x + h.mix * z, z, v


def prepare_average(t, h):
    return 1 - h.beta, 1 / h.beta


def average(w, g, h):
    return (w - h.beta_c * g) * h.beta_r


def init_sgd(w, h):
    return (w,)


def init_adamw(w, h):
    return w, 0.0


AVERAGED = (Slot("lr_max", over="all", low=0), Slot("total", over="all", low=0))
DERIVED = ("lr_max", "total", "rate", "beta_c", "keep", "mix")
RATE = {"weight_power": (2.0, "[0, inf)"), "lr_mult": (1.0, "[0, inf)")}

SGD = Rule(
    name="sgd_schedule_free",
    update=update_sgd,
    slots=("z", *AVERAGED),
    hyper={
        "learning_rate": (1.0, "[0, inf)"),
        "beta": (0.9, "(0, 1)"),
        **RATE,
    },
    prepare=prepare_sgd,
    derived=DERIVED,
    gradient="clipped",
    init=init_sgd,
)
ADAMW = Rule(
    name="adamw_schedule_free",
    update=update_adamw,
    slots=("z", Slot("v", low=0), *AVERAGED),
    hyper={
        "learning_rate": (0.0025, "[0, inf)"),
        "beta": (0.9, "(0, 1)"),
        "beta2": (0.999, "[0, 1)"),
        "epsilon": (1e-8, "(0, inf) or 0"),
        **RATE,
    },
    prepare=prepare_adamw,
    derived=(*DERIVED, "beta2_c", "correction"),
    gradient="clipped",
    init=init_adamw,
)
AVERAGE = Rule(
    name="schedule_free_average",
    update=average,
    hyper={"beta": (0.9, "(0, 1)")},
    prepare=prepare_average,
    derived=("beta_c", "beta_r"),
    gradient="raw",
)

RULES = (SGD, ADAMW, AVERAGE)
