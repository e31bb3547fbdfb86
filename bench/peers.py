"""The same work in other libraries: a whole step as a user calls it, and kernel to kernel.

    python bench/peers.py [--quick] [--json]

Every peer runs in a process of its own (peer_server.py), one at a time, and takes turns with numoptim, with the
same weights and gradients, float32 and all processors. ``ratio`` = peer / numoptim: above 1 numoptim is faster.
"adam kernel" and the like: numoptim's kernel and torch's fused operator alone, on one thread and on all. Before
anything is timed, three steps of both (of kernels one, with as many elements and threads) give the same weights to a
part in 10,000 of the step.

A peer is stopped while numoptim's turn lasts: threads of OpenMP spin for milliseconds after a step, on processors that
numoptim needs, whose own threads fall asleep after 50 microseconds. Each has memory of its own: where that lies in the
third cache, at a million elements, moves a ratio by a tenth from run to run, which the quartiles do not show.
Nor do they show a machine in use: a step on two OpenMP threads takes milliseconds where another program holds one of
two processors.

A peer needs an environment of its own: NUMOPTIM_BENCH_TORCH, _JAX (with optax), _MXNET and _DEEPSPEED name its
Python; otherwise it is looked for in this one. What cannot be imported is named as absent.

numoptim's time hardly changes with the number of tensors, since they lie in one buffer; small steps are what a call
costs. Where the buffers do not fit in cache all good kernels wait for the same memory: a ratio near 1 is all there
is.
"""
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import Row, Timed, absent, compared, measure, run, stepper, times
from hand import by_hand
from peer_server import DECAY, KERNELS, PEERS, RATES, Made, start
from roofline import buffers, plan

import numoptim
from numoptim.native import processors
from numoptim.rules import RULES

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
QUICK = (100, 10_000, 1_000_000)
MANY = ((200, 1_000), (1_000, 100))            # tensors, elements of each
TURN = 0.05                                    # seconds: at first caches are cold, and threads may share a processor
SERVER = Path(__file__).with_name("peer_server.py")


class Gone(Exception):
    """Why a peer does not answer any more."""


class Peer:
    """A process that makes a peer's steps when it is asked, and is stopped otherwise."""

    def __init__(self, environment: str) -> None:
        python = os.environ.get(f"NUMOPTIM_BENCH_{environment.upper()}", sys.executable)
        path = os.pathsep.join([str(SERVER.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
        bin = str(Path(python).parent)         # DeepSpeed looks for ninja there
        self.process = subprocess.Popen(
            [python, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            process_group=0,                   # so that a stopped one is ended where this process is killed
            env={**os.environ, "PYTHONPATH": path, "PATH": f"{bin}{os.pathsep}{os.environ.get('PATH', '')}"})

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()

    def ask(self, **question: Any) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.send_signal(signal.SIGCONT)
        try:
            print(json.dumps(question), file=self.process.stdin, flush=True)
            reply = self.process.stdout.readline()
        except BrokenPipeError:                          # it ended while it was stopped
            reply = ""
        if not reply:
            return {"absent": f"its process ended with status {self.process.wait()}"}
        self.process.send_signal(signal.SIGSTOP)         # what spins goes on where it was, as in a loop of steps
        os.waitpid(self.process.pid, os.WUNTRACED)
        return dict(json.loads(reply))

    def answer(self, key: str, **question: Any) -> Any:
        """One word of a reply; Gone where there is none."""
        reply = self.ask(**question)
        if "absent" in reply:
            raise Gone(reply["absent"])
        return reply[key]

    def timed(self, count: int) -> float:
        return float(self.answer("seconds", run=count))


def choice(optimizer: str) -> tuple[str, dict[str, float]]:
    """numoptim's name of it, and its keywords."""
    extra = {"sgd_momentum": {"momentum": 0.9}, "adamw": {"wd": DECAY}, "lion": {"wd": DECAY}}
    return optimizer.partition("_")[0], {"learning_rate": RATES[optimizer], **extra.get(optimizer, {})}


def trainer(optimizer: str, sizes: list[int], **where: Any) -> numoptim.Trainer:
    params = numoptim.Parameters({f"p{k}": start(size)[0] for k, size in enumerate(sizes)}, **where)
    for name, size in zip(params, sizes, strict=True):
        params.grad[name] = start(size)[1]
    return numoptim.Trainer(params, *choice(optimizer))


def differs(peer: Peer, own: Made, steps: int, **case: Any) -> str:
    """Why this peer cannot be compared in a case; "" if it can: so many steps give numoptim's weights."""
    made = peer.ask(**case)
    if "absent" in made or "absent" in (made := peer.ask(run=steps)):
        return str(made["absent"])
    step, weights = own
    begin = weights().copy()
    for _ in range(steps):
        step()
    moved = np.frombuffer(bytes.fromhex(peer.answer("weights", weights=True)), np.float32) - begin
    wanted = weights() - begin
    wrong = np.flatnonzero(~np.isclose(moved, wanted, rtol=1e-3, atol=1e-4 * abs(wanted).max()))
    return f"steps give other weights than numoptim's, elements {wrong} of {begin.size}" if wrong.size else ""


def check(peer: Peer, name: str, optimizer: str) -> str:
    """The same for whole steps: three on 1,003 elements."""
    own = trainer(optimizer, [1003])
    return differs(peer, (lambda: own.step(1), lambda: own.params.flat), 3,
                   make=name, optimizer=optimizer, sizes=[1003], threads=processors.usable())


def against(other: dict[str, Timed], optimizer: str, sizes: list[int], rounds: int) -> Iterator[Row]:
    """Whole steps on tensors of these sizes."""
    own = trainer(optimizer, sizes)
    case = f"{optimizer} step" if len(sizes) == 1 else f"{optimizer} {len(sizes)} x {sizes[0]}"
    yield from compared(measure({"numoptim": times(lambda: own.step(1)), **other}, rounds, TURN),
                        case=case, dtype="float32", n=sum(sizes), threads=processors.usable())


def whole(name: str, peer: Peer, optimizer: str, cases: list[list[int]], rounds: int) -> Iterator[Row]:
    try:
        reason = check(peer, name, optimizer)
        for sizes in [] if reason else cases:
            peer.ask(make=name, optimizer=optimizer, sizes=sizes, threads=processors.usable())
            yield from against({name: peer.timed}, optimizer, sizes, rounds)
    except Gone as error:
        reason = str(error)
    if reason:
        yield {"case": f"{optimizer} step", **absent(name, reason)}


def kernel(name: str, peer: Peer, optimizer: str, n: int, threads: int, rounds: int) -> Iterator[Row]:
    case: Row = {"case": f"{optimizer} kernel", "dtype": "float32", "n": n, "threads": threads}
    rule = next(rule for rule in RULES if rule.name == optimizer)
    arrays = buffers(rule, n, np.float32)
    arrays[0][:], arrays[1][:] = start(n)
    step = stepper(plan(rule, arrays, threads, **choice(optimizer)[1]))
    try:
        reason = differs(peer, (step, lambda: arrays[0]), 1, make=name, optimizer=optimizer, sizes=[n], threads=threads)
        if not reason:
            yield from compared(measure({"numoptim": times(step), name: peer.timed}, rounds, TURN), **case)
    except Gone as error:
        reason = str(error)
    if reason:
        yield {**case, **absent(name, reason)}


def rows(quick: bool) -> Iterator[Row]:
    sizes, rounds, optimizers = (QUICK, 5, ["adam"]) if quick else (SIZES, 15, list(RATES))
    many = [[n] * count for count, n in MANY]
    for name, (environment, _) in PEERS.items():
        with Peer(environment) as peer:
            for optimizer in optimizers:
                yield from whole(name, peer, optimizer, [[n] for n in sizes] + many, rounds)
    for name, (environment, _) in KERNELS.items():
        with Peer(environment) as peer:
            for optimizer, n, threads in itertools.product(optimizers, sizes, sorted({1, processors.usable()})):
                yield from kernel(name, peer, optimizer, n, threads, rounds)
    for optimizer, n in itertools.product(optimizers, sizes):
        yield from against(by_hand(optimizer, n), optimizer, [n], rounds)


if __name__ == "__main__":
    run(rows, __doc__)
