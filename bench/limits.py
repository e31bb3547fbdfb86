"""How near every rule comes to the memory limit, and what a step costs around its kernel.

    python bench/limits.py [--size 10000000] [--rounds 15] [--dtype float32]

For each element-wise rule, with one and with two threads: the time of ``Trainer.step`` beside that of a
copy-like kernel with the same reads and writes (w += g, slot += g), cut into the same pieces on the same
threads. The two alternate within one process; the ratio is limit / rule (1 is the
machine's limit), the median over rounds of the ratios, then their spread from the first to the third
quartile: a wide one means that something else used the machine. Then: microseconds per step of 100
elements, and 1,000 parameters of 100 elements against one flat buffer of 100,000. Before anything is
timed, the step is compared with the rule evaluated by NumPy.
"""
import argparse
import time
from collections.abc import Callable

import numpy as np
from numba import njit

import numoptim
from numoptim import native, threads
from numoptim.kernels.compile import OPTIONS
from numoptim.rules import RULES
from numoptim.threads import CREW

CLASSES = {
    "sgd": ("SGD", {}), "sgd_momentum": ("SGD", {"momentum": 0.9}),
    "rmsprop": ("RMSProp", {}), "rmsprop_centered": ("RMSProp", {"centered": True}),
    "signum": ("Signum", {}), "signsgd": ("Signum", {"momentum": 0.0}),
    "dcasgd": ("DCASGD", {}), "dcasgd_momentum": ("DCASGD", {"momentum": 0.9}), "ftrl": ("Ftrl", {}),
}


@njit(**OPTIONS)
def limit0(w, g):
    for i in range(w.size):
        w[i] += g[i]


@njit(**OPTIONS)
def limit1(w, g, a):
    for i in range(w.size):
        w[i] += g[i]
        a[i] += g[i]


@njit(**OPTIONS)
def limit2(w, g, a, b):
    for i in range(w.size):
        w[i] += g[i]
        a[i] += g[i]
        b[i] += g[i]


@njit(**OPTIONS)
def limit3(w, g, a, b, c):
    for i in range(w.size):
        w[i] += g[i]
        a[i] += g[i]
        b[i] += g[i]
        c[i] += g[i]


LIMITS = (limit0, limit1, limit2, limit3)


def trainer_for(rule, size, dtype, thread_count):
    name, keywords = CLASSES.get(rule.name, (rule.title, {}))
    params = numoptim.Parameters({"w": np.linspace(-1, 1, size, dtype=dtype)})
    params.grad.flat[:] = np.linspace(1, -1, size, dtype=dtype)
    trainer = numoptim.Trainer(params, name, keywords, threads=thread_count)
    assert trainer.optimizer.rule is rule
    return trainer


def check_adam(dtype):
    """The step against Algorithm 1 in NumPy."""
    rule = next(r for r in RULES if r.name == "adam")
    trainer = trainer_for(rule, 1001, dtype, 1)
    w, g = trainer.params["w"].astype(np.float64), trainer.params.grad["w"].astype(np.float64)
    trainer.step(1)
    expected = w - 1e-3 * g / (np.abs(g) + 1e-8)
    assert np.allclose(trainer.params["w"], expected, rtol=1e-5, atol=1e-6)


def limit_call(trainer, thread_count) -> Callable[[], object]:
    """The copy-like kernel on buffers like the trainer's, cut as the trainer cuts them."""
    weights = trainer.params.flat
    slots = trainer.optimizer.create_state(0, weights).slots.values()
    arrays = [weights, trainer.params.grad.flat, *slots]
    kernel = LIMITS[len(slots)]
    jobs = [tuple(array[first:first + count] for array in arrays)
            for first, count in native.pieces(weights.size, thread_count)]
    if len(jobs) == 1:
        return lambda: kernel(*jobs[0])
    return lambda: CREW.run(lambda *arrays: kernel(*arrays) or 0, jobs, thread_count - 1)


def alternate(first: Callable[[], object], second: Callable[[], object], rounds: int, repeat: int = 1):
    """Seconds of both, measured in turns; the first round of each is not counted."""
    times = []
    for _ in range(rounds + 1):
        pair = []
        for call in (first, second):
            start = time.perf_counter()
            for _ in range(repeat):
                call()
            pair.append((time.perf_counter() - start) / repeat)
        times.append(pair)
    return np.array(times[1:]).T


def against_limit(size, dtype, rounds):
    print(f"{'rule':18} threads  ns/element  limit  ratio  quartiles     ({np.dtype(dtype)}, {size:,} elements)")
    for rule in RULES:
        if rule.layerwise or rule.noisy or rule.name == "accumulate":
            continue
        for count in (1, 2):
            trainer = trainer_for(rule, size, dtype, count)
            own, limit = alternate(lambda t=trainer: t.step(1e9), limit_call(trainer, count), rounds)
            low, middle, high = np.quantile(limit / own, (0.25, 0.5, 0.75))
            ns = np.median(own) / size * 1e9, np.median(limit) / size * 1e9
            print(f"{rule.name:18} {count:7}  {ns[0]:10.3f}  {ns[1]:5.3f}  {middle:5.2f}  {low:.2f} - {high:.2f}",
                  flush=True)


def overheads(rounds):
    def make(sizes, keywords=None):
        params = numoptim.Parameters({f"w{k}": np.ones(n, np.float32) for k, n in enumerate(sizes)})
        params.grad.flat[:] = 1
        return numoptim.Trainer(params, "adam", keywords or {}, threads=1)

    small = make([90, 10])
    own, empty = alternate(lambda: small.step(1), lambda: None, rounds, 2000)
    print(f"\nTrainer.step, Adam on 100 elements: {np.median(own) * 1e6:.2f} us "
          f"(an empty call {np.median(empty) * 1e6:.2f})")
    flat, many = make([100_000]), make([100] * 1000)
    mixed = make([100] * 1000, {"wd": 0.01, "wd_mult": {f"w{k}": 0.0 for k in range(0, 1000, 2)}})
    for what, trainer in (("1,000 parameters of 100", many), ("the same, alternating wd_mult", mixed)):
        own, one = alternate(lambda t=trainer: t.step(1), lambda: flat.step(1), rounds, 50)
        print(f"{what}: {np.median(own / one):.2f} times one flat buffer of 100,000 ({np.median(own) * 1e6:.0f} us)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    options = parser.parse_args()
    check_adam(options.dtype)
    print(f"{threads.available()} processors; kernels {native.source()}\n")
    against_limit(options.size, np.dtype(options.dtype).type, options.rounds)
    overheads(options.rounds)


if __name__ == "__main__":
    main()
