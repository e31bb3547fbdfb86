"""The demo's softmax regression for hosts in other languages: data to train on, gradients to replay.

All numbers are little-endian: int64, float32, and hyper-parameters as in the rule's C struct.

digits.bin
    8 bytes "NODIGITS"; int64: training images n, test images m, inputs, classes, steps, rows of a mini-batch;
    float32 (n, inputs) and (m, inputs), images; int64 (n,) and (m,), what they show;
    int64 (steps, rows), the rows of each mini-batch; float32 (inputs*classes + classes,), first weights, biases last
<rule>.bin
    8 bytes "NOREPLAY"; int64: hyper-parameters f, segments k, weights s, steps r, whether slots begin at ``init``;
    int64 (k + 1,), offsets of the segments; f cells of 8 bytes, hyper-parameters, rescale_grad being 1/rows;
    float32 (s,), first weights; float32 (r, s), the gradients of a run's first r steps, summed over the mini-batch
"""
from pathlib import Path

import numpy as np

from numoptim import Parameters, Trainer
from numoptim.native.arrays import Array
from numoptim.optimizer import LBSGD, RuleOptimizer, create

from .choices import CHOICES, DIGITS
from .digits import Digits, Network, accuracy, load
from .training import BATCH, batches

RECORDED = 100


def export(out: Path, seed: int) -> None:
    """Write the files to ``out`` and print what every rule must come to.

    LBSGD is left out: it is two rules that take turns. SGLD's accuracy is that of its last sample.
    """
    data, network, rng = load(), Network(64, 10), np.random.default_rng(seed)
    first = Parameters(network.initial(rng))
    rows = np.array(list(batches(rng, len(data.train_y))))
    _write(out / "digits.bin", b"NODIGITS", [len(data.train_y), len(data.test_y), *network.sizes, *rows.shape],
           data.train_x, data.test_x, data.train_y.astype("<i8"), data.test_y.astype("<i8"), rows.astype("<i8"),
           first.flat)
    print(f"{'rule':18} accuracy  checksum after {RECORDED} steps")
    for choice in CHOICES:
        optimizer = create(choice.name, **choice.keywords(DIGITS))
        if isinstance(optimizer, RuleOptimizer) and not isinstance(optimizer, LBSGD):
            score, checksum = _run(optimizer, Parameters(first), network, data, rows, out, seed)
            print(f"{optimizer.rule.name:18} {score:8.4f}  {checksum:016x}")
    print(f"wrote digits.bin and <rule>.bin to {out}")


def _run(optimizer: RuleOptimizer, params: Parameters, network: Network, data: Digits, rows: Array, out: Path,
         seed: int) -> tuple[float, int]:
    """Train, write <rule>.bin; the accuracy at the end and the checksum of the weights after the recorded steps."""
    if optimizer.rule.noisy:
        optimizer.seed = seed    # type: ignore[attr-defined]
    first, trainer = params.flat.copy(), Trainer(params, optimizer)
    grads, checksum = [], 0
    for step, batch in enumerate(rows, 1):
        network.gradient(params, data.train_x[batch], data.train_y[batch])
        if step <= RECORDED:
            grads.append(params.grad.flat.copy())
        trainer.step(BATCH)
        if step == RECORDED:
            checksum = fnv1a(params.flat.tobytes())
    hyper = trainer._stepper.plans[0].hyper[0]
    _write(out / f"{optimizer.rule.name}.bin", b"NOREPLAY",
           [len(hyper.dtype), len(params), first.size, RECORDED, int(optimizer._has_init())],
           params.offsets.astype("<i8"), hyper, first, *grads)
    return accuracy(network.predict(params, data.test_x), data.test_y), checksum


def fnv1a(content: bytes) -> int:
    """The 64-bit FNV-1a hash."""
    value = 0xCBF29CE484222325
    for byte in content:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def _write(file: Path, magic: bytes, numbers: list[int], *arrays: Array) -> None:
    with file.open("wb") as stream:
        stream.writelines([magic, np.array(numbers, "<i8").tobytes(), *(array.tobytes() for array in arrays)])
