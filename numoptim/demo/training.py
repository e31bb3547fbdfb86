"""Every optimizer with the hyper-parameters the demo gives it, and the training of a network with one of them."""
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from numoptim import Parameters, Trainer
from numoptim.native.arrays import Array
from numoptim.optimizer import RuleOptimizer, create

from .digits import Digits, Network, accuracy, loss

EPOCHS, BATCH = 30, 32
BURN_IN, THIN = 0.5, 10         # of a sampler's steps the first half is left out, then every tenth counts


@dataclass(frozen=True)
class Choice:
    """An optimizer and its keywords; ``valley`` has those that differ on the way down the valley of paths.png."""

    title: str
    name: str
    keywords: dict[str, Any]
    valley: dict[str, Any] = field(default_factory=dict)


CHOICES = (
    Choice("SGD", "SGD", {"learning_rate": 0.5}, {"learning_rate": 0.15}),
    Choice("SGD, momentum", "SGD", {"learning_rate": 0.1, "momentum": 0.9}, {"learning_rate": 0.05, "momentum": 0.8}),
    Choice("NAG", "NAG", {"learning_rate": 0.2, "momentum": 0.9}, {"learning_rate": 0.05, "momentum": 0.8}),
    Choice("AdaGrad", "AdaGrad", {"learning_rate": 0.1}, {"learning_rate": 0.5}),
    Choice("RMSProp", "RMSProp", {"learning_rate": 0.003}, {"learning_rate": 0.05}),
    Choice("RMSProp, centred", "RMSProp", {"learning_rate": 0.001, "centered": True}, {"learning_rate": 0.01}),
    Choice("AdaDelta", "AdaDelta", {"learning_rate": 1.0}, {"learning_rate": 6.0}),
    Choice("Adam", "Adam", {"learning_rate": 0.01}, {"learning_rate": 0.1}),
    Choice("AdamW", "AdamW", {"learning_rate": 0.01, "wd": 0.01}, {"learning_rate": 0.1, "wd": 0.0}),
    Choice("Adamax", "Adamax", {"learning_rate": 0.02}, {"learning_rate": 0.15}),
    Choice("Nadam", "Nadam", {"learning_rate": 0.01}, {"learning_rate": 0.1}),
    Choice("NAdamW", "NAdamW", {"learning_rate": 0.01, "wd": 0.01}, {"learning_rate": 0.1, "wd": 0.0}),
    Choice("RAdam", "RAdam", {"learning_rate": 0.01}, {"learning_rate": 0.1}),
    Choice("AdaBelief", "AdaBelief", {"learning_rate": 0.01}, {"learning_rate": 0.1}),
    Choice("Yogi", "Yogi", {"learning_rate": 0.01}, {"learning_rate": 0.1}),
    Choice("AdEMAMix", "AdEMAMix", {"learning_rate": 0.003, "beta3": 0.999}, {"learning_rate": 0.05, "beta3": 0.95}),
    Choice("Lion", "Lion", {"learning_rate": 0.001, "wd": 0.01}, {"learning_rate": 0.03, "wd": 0.0}),
    Choice("Signum", "Signum", {"learning_rate": 0.002, "momentum": 0.9}, {"learning_rate": 0.05}),
    Choice("SignSGD", "Signum", {"learning_rate": 0.004, "momentum": 0.0}, {"learning_rate": 0.05}),
    Choice("LBSGD", "LBSGD",
           {"learning_rate": 0.1, "momentum": 0.9, "batch_scale": 4, "updates_per_epoch": 42, "warmup_epochs": 5},
           {"learning_rate": 0.04, "momentum": 0.5, "updates_per_epoch": 8}),
    Choice("LARS", "LARS", {"learning_rate": 2.0, "momentum": 0.9, "wd": 1e-4}, {"learning_rate": 10.0}),
    Choice("LAMB", "LAMB", {"learning_rate": 0.005, "wd": 0.01}, {"learning_rate": 0.06, "wd": 0.0}),
    Choice("LANS", "LANS", {"learning_rate": 0.005, "wd": 0.01}, {"learning_rate": 0.06, "wd": 0.0}),
    Choice("Adan", "Adan", {"learning_rate": 0.01, "wd": 0.01}, {"learning_rate": 0.1, "wd": 0.0}),
    Choice("ADOPT", "ADOPT", {"learning_rate": 0.01}, {"learning_rate": 0.1}),
    Choice("Rprop", "Rprop", {"learning_rate": 0.003, "min_step": 0.001, "max_step": 0.01},
           {"learning_rate": 0.1, "min_step": 1e-6, "max_step": 50}),
    Choice("Prodigy", "Prodigy", {"d0": 0.001, "wd": 0.01}, {"d0": 0.01, "wd": 0.0}),
    Choice("SGD, averaged", "SGDScheduleFree", {"learning_rate": 1.0}, {"learning_rate": 0.15}),
    Choice("AdamW, averaged", "AdamWScheduleFree", {"learning_rate": 0.01, "wd": 0.01},
           {"learning_rate": 0.1, "wd": 0.0}),
    Choice("NovoGrad", "NovoGrad", {"learning_rate": 0.01, "wd": 1e-4}, {"learning_rate": 0.05, "wd": 0.0}),
    Choice("DCASGD", "DCASGD", {"learning_rate": 0.3, "lamda": 0.04}, {"learning_rate": 0.12}),
    Choice("Ftrl", "Ftrl", {"learning_rate": 1.0, "lamda1": 0.001, "warm_start": True}),
    Choice("FTML", "FTML", {"learning_rate": 0.03}, {"learning_rate": 0.2}),
    Choice("SGLD", "SGLD", {"learning_rate": 0.003, "n_data": 1347, "wd": 1.0},      # 1,347 images to train on
           {"learning_rate": 0.2, "n_data": 1, "wd": 0.0, "temperature": 0.1}),
)


@dataclass(frozen=True)
class Result:
    """What came of one training.

    losses: (steps,), of the mini-batches. loss, accuracy: over all training and all test images.
    microseconds: mean time of ``trainer.step`` alone. state_bytes: per weight.
    samples: how many predictions loss and accuracy are the average of; 1 where only the last step counts.
    """

    choice: Choice
    losses: Array
    loss: float
    accuracy: float
    microseconds: float
    state_bytes: float
    samples: int


def train(choice: Choice, network: Network, data: Digits, seed: int) -> Result:
    """Train a network from the start. A seed gives every optimizer the same first weights and mini-batches."""
    rng = np.random.default_rng(seed)
    params = Parameters(network.initial(rng))
    optimizer = create(choice.name, **choice.keywords)
    assert isinstance(optimizer, RuleOptimizer)
    if optimizer.rule.noisy:
        optimizer.seed = seed    # type: ignore[attr-defined]
    trainer = Trainer(params, optimizer)
    losses, seconds, predictions = [], 0.0, []
    schedule = list(batches(rng, len(data.train_y)))
    for step, rows in enumerate(schedule, 1):
        losses.append(network.gradient(params, data.train_x[rows], data.train_y[rows]))
        start = time.perf_counter()
        trainer.step(len(rows))
        seconds += time.perf_counter() - start
        sampled = optimizer.rule.noisy and step > BURN_IN * len(schedule) and step % THIN == 0
        if sampled or step == len(schedule):
            with contextlib.nullcontext() if optimizer._average() is None else trainer.averaged():
                predictions.append([network.predict(params, x) for x in (data.train_x, data.test_x)])
    train_p, test_p = (np.mean(p, axis=0) for p in zip(*predictions, strict=True))
    return Result(choice, np.array(losses), loss(train_p, data.train_y), accuracy(test_p, data.test_y),
                  1e6 * seconds / len(schedule), state_bytes(optimizer, params), len(predictions))


def batches(rng: np.random.Generator, count: int) -> Iterator[Array]:
    """Row numbers of mini-batches, in a new order every epoch; rows that do not fill one are left out."""
    for _ in range(EPOCHS):
        order = rng.permutation(count)
        for start in range(0, count - BATCH + 1, BATCH):
            yield order[start:start + BATCH]


def state_bytes(optimizer: RuleOptimizer, params: Parameters) -> float:
    """Bytes of optimizer state per weight, but for what there is once for a parameter."""
    state = optimizer.create_state(0, params.flat)
    return float(sum(slot.nbytes for slot in state.slots.values() if slot.size == params.flat.size) / params.flat.size)
