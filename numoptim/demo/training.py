"""The training of a network with one of the optimizers."""
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from numoptim import Parameters, Trainer
from numoptim.native.arrays import Array
from numoptim.optimizer import RuleOptimizer, create

from .choices import DIGITS, Choice
from .digits import Digits, Network, accuracy, loss

EPOCHS, BATCH = 30, 32
BURN_IN, THIN = 0.5, 10         # of a sampler's steps the first half is left out, then every tenth counts


@dataclass(frozen=True)
class Result:
    """What came of one training.

    losses: (steps,), of the mini-batches. loss: over all training images. test_loss, accuracy: over all test images.
    microseconds: least time of ``trainer.step`` alone. state_bytes: per weight.
    samples: how many predictions loss and accuracy are the average of; 1 where only the last step counts.
    """

    choice: Choice
    keywords: dict[str, Any]
    losses: Array
    loss: float
    test_loss: float
    accuracy: float
    microseconds: float
    state_bytes: float
    samples: int


def train(choice: Choice, network: Network, data: Digits, seed: int, value: float | None = None) -> Result:
    """Train a network from the start. A seed gives every optimizer the same first weights and mini-batches.

    value: of the keyword that is tuned, if not the one that was found.
    """
    rng = np.random.default_rng(seed)
    params = Parameters(network.initial(rng))
    keywords = choice.keywords(DIGITS, value)
    optimizer = create(choice.name, **keywords)
    assert isinstance(optimizer, RuleOptimizer)
    if optimizer.rule.noisy:
        optimizer.seed = seed    # type: ignore[attr-defined]
    trainer = Trainer(params, optimizer)
    losses, seconds, predictions = [], [], []
    schedule = list(batches(rng, len(data.train_y)))
    for step, rows in enumerate(schedule, 1):
        losses.append(network.gradient(params, data.train_x[rows], data.train_y[rows]))
        start = time.perf_counter()
        trainer.step(len(rows))
        seconds.append(time.perf_counter() - start)
        sampled = optimizer.rule.noisy and step > BURN_IN * len(schedule) and step % THIN == 0
        if sampled or step == len(schedule):
            with contextlib.nullcontext() if optimizer._average() is None else trainer.averaged():
                predictions.append([network.predict(params, x) for x in (data.train_x, data.test_x)])
    train_p, test_p = (np.mean(p, axis=0) for p in zip(*predictions, strict=True))
    return Result(choice, keywords, np.array(losses), loss(train_p, data.train_y), loss(test_p, data.test_y),
                  accuracy(test_p, data.test_y), 1e6 * min(seconds), state_bytes(optimizer, params), len(predictions))


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
