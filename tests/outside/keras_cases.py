"""Keras' optimizers and what they are here, as data; for ``record_keras.py``, which runs in Keras' environment, too."""
from typing import Any, NamedTuple

Options = dict[str, Any]


class Case(NamedTuple):
    """keras: its class and options. own: the class and options here. accumulator: what Keras' first slot starts at."""

    keras: str
    options: Options
    own: str
    mapped: Options
    accumulator: float = 0.0


FTRL = {"learning_rate": 0.05, "initial_accumulator_value": 0.4, "l1_regularization_strength": 0.05,
        "l2_regularization_strength": 0.15, "beta": 0.3}
OWN_FTRL = {"learning_rate": 0.05, "lamda1": 0.05, "wd": 0.3, "beta": 0.3}           # wd is twice Keras' l2
CASES = {
    "sgd": Case("SGD", {"learning_rate": 0.1}, "SGD", {"learning_rate": 0.1}),
    "sgd_decay": Case("SGD", {"learning_rate": 0.1, "weight_decay": 0.2}, "SGD", {"learning_rate": 0.1, "wd": 0.2}),
    "sgd_clip": Case("SGD", {"learning_rate": 0.1, "clipvalue": 0.7}, "SGD",
                     {"learning_rate": 0.1, "clip_gradient": 0.7}),
    "momentum": Case("SGD", {"learning_rate": 0.1, "momentum": 0.9}, "SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    "nesterov": Case("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}, "NAG",
                     {"learning_rate": 0.1, "momentum": 0.9}),
    "adagrad": Case("Adagrad", {"learning_rate": 0.2, "initial_accumulator_value": 0.3, "epsilon": 1e-6},
                    "AdaGrad", {"learning_rate": 0.2, "eps": 0.3 + 1e-6}),           # eps is added to the sum, too
    "rmsprop": Case("RMSprop", {"learning_rate": 0.05, "rho": 0.8, "epsilon": 1e-6}, "RMSProp",
                    {"learning_rate": 0.05, "gamma1": 0.8, "epsilon": 1e-6}),
    "rmsprop_centered": Case("RMSprop", {"learning_rate": 0.05, "rho": 0.8, "momentum": 0.6, "centered": True,
                                         "epsilon": 1e-6},
                             "RMSProp", {"learning_rate": 0.05, "gamma1": 0.8, "gamma2": 0.6, "centered": True,
                                         "epsilon": 1e-6}),
    "adadelta": Case("Adadelta", {"learning_rate": 1.0, "rho": 0.8, "epsilon": 1e-6}, "AdaDelta",
                     {"learning_rate": 1.0, "rho": 0.8, "epsilon": 1e-6}),
    "adam": Case("Adam", {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}, "Adam",
                 {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}),
    "adamax": Case("Adamax", {"learning_rate": 0.2, "beta_1": 0.85, "beta_2": 0.95, "epsilon": 1e-6}, "Adamax",
                   {"learning_rate": 0.2, "beta1": 0.85, "beta2": 0.95, "epsilon": 1e-6}),
    "nadam": Case("Nadam", {"learning_rate": 0.5, "beta_1": 0.5, "beta_2": 0.67, "epsilon": 1e-5}, "Nadam",
                  {"learning_rate": 0.5, "beta1": 0.5, "beta2": 0.67, "epsilon": 1e-5, "schedule_decay": 1.0}),
    "lamb": Case("Lamb", {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}, "LAMB",
                 {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}),
    "ftrl": Case("Ftrl", FTRL, "Ftrl", OWN_FTRL, 0.4),
    "lion": Case("Lion", {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.95}, "Lion",
                 {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.95}),
}
