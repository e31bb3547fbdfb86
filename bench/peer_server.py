"""One peer in a process of its own, which peers.py asks for steps: JSON, a line for each question and answer.

    {"make": peer, "optimizer": name, "sizes": [...], "threads": k}    -> {} (steps on tensors of ones of these sizes)
    {"run": count}                                                     -> {"seconds": s}
    {"weights": true}                                                  -> {"weights": the first tensor's bytes in hex}

An answer {"absent": reason} says that the peer cannot do this. Needs NumPy and the peer.
"""
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from common import seconds, times

RATES = {"adam": 1e-3, "adamw": 1e-3, "lion": 1e-3, "sgd_momentum": 1e-2, "adagrad": 1e-2}
DECAY = 0.01                                   # of adamw and lion
Made = tuple[Callable[[], object], Callable[[], np.ndarray]]


class Absent(Exception):
    pass


def chosen(optimizer: str, **known: Any) -> Any:
    """What a peer has under this name; Absent if it has nothing."""
    if optimizer not in known:
        raise Absent(f"it has no {optimizer}")
    return known[optimizer]


def start(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights and gradients that every step begins with."""
    return np.linspace(-1, 1, size, dtype=np.float32), np.linspace(0.1, 1, size, dtype=np.float32)


def torch_step(optimizer: str, sizes: list[int], threads: int, device: str = "cpu", **how: Any) -> Made:
    import torch
    torch.set_num_threads(threads)
    parameters = []
    for w, g in map(start, sizes):
        parameters.append(torch.nn.Parameter(torch.from_numpy(w).to(device)))
        parameters[-1].grad = torch.from_numpy(g).to(device)
    optim = torch.optim
    kind, extra = chosen(optimizer, adam=(optim.Adam, {}), adamw=(optim.AdamW, {"weight_decay": DECAY}),
                         sgd_momentum=(optim.SGD, {"momentum": 0.9}), adagrad=(optim.Adagrad, {}))
    made = kind(parameters, lr=RATES[optimizer], **extra, **how)
    return made.step, lambda: parameters[0].detach().cpu().numpy()


def optax_step(optimizer: str, sizes: list[int], threads: int) -> Made:
    import jax
    import optax
    rate = RATES[optimizer]
    kind = chosen(optimizer, adam=lambda: optax.adam(rate), adamw=lambda: optax.adamw(rate, weight_decay=DECAY),
                  lion=lambda: optax.lion(rate, weight_decay=DECAY), sgd_momentum=lambda: optax.sgd(rate, momentum=0.9),
                  adagrad=lambda: optax.adagrad(rate, initial_accumulator_value=0.0))()
    params, grads = ([jax.numpy.asarray(x) for x in each] for each in zip(*map(start, sizes), strict=True))
    held = [params, kind.init(params)]

    def update(params: Any, state: Any, grads: Any) -> Any:
        updates, state = kind.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    jitted = jax.jit(update, donate_argnums=(0, 1))

    def step() -> None:
        held[:] = jax.block_until_ready(jitted(*held, grads))

    return step, lambda: np.asarray(held[0][0])


def mxnet_step(optimizer: str, sizes: list[int], threads: int) -> Made:
    import mxnet
    kind = chosen(optimizer, adam="adam", sgd_momentum="sgd", adagrad="adagrad")
    extra = {"momentum": 0.9} if optimizer == "sgd_momentum" else {}
    made = mxnet.optimizer.create(kind, learning_rate=RATES[optimizer], **extra)
    weights, grads = ([mxnet.nd.array(x) for x in each] for each in zip(*map(start, sizes), strict=True))
    update = mxnet.optimizer.get_updater(made)

    def step() -> None:
        for k, (weight, grad) in enumerate(zip(weights, grads, strict=True)):
            update(k, grad, weight)
        mxnet.nd.waitall()

    return step, lambda: weights[0].asnumpy()


def deepspeed_step(optimizer: str, sizes: list[int], threads: int) -> Made:
    os.environ["DS_ACCELERATOR"] = "cpu"
    import torch
    from deepspeed.ops import adagrad, adam, lion
    torch.set_num_threads(threads)
    parameters = []
    for w, g in map(start, sizes):
        parameters.append(torch.nn.Parameter(torch.from_numpy(w)))
        parameters[-1].grad = torch.from_numpy(g)
    kind, extra = chosen(optimizer, adam=(adam.DeepSpeedCPUAdam, {}), adagrad=(adagrad.DeepSpeedCPUAdagrad, {}),
                         adamw=(adam.DeepSpeedCPUAdam, {"adamw_mode": True, "weight_decay": DECAY}),
                         lion=(lion.DeepSpeedCPULion, {"weight_decay": DECAY}))
    made = kind(parameters, lr=RATES[optimizer], **extra)
    return made.step, lambda: parameters[0].detach().numpy()


def numpy_step(optimizer: str, sizes: list[int], threads: int) -> Made:
    """NumPy as one writes it when speed matters: in place, without temporaries."""
    rate, counts = np.float32(RATES[optimizer]), [0]
    tensors = [(w, g, np.zeros_like(w), np.zeros_like(w), np.empty_like(w), np.empty_like(w))
               for w, g in map(start, sizes)]

    def adam(w: Any, g: Any, m: Any, v: Any, a: Any, b: Any) -> None:
        t = counts[0]
        np.multiply(m, np.float32(0.9), out=m)
        np.multiply(g, np.float32(0.1), out=a)
        np.add(m, a, out=m)
        np.multiply(v, np.float32(0.999), out=v)
        np.multiply(a, g, out=a)
        np.multiply(a, np.float32(0.01), out=a)
        np.add(v, a, out=v)
        np.multiply(v, np.float32(1 / (1 - 0.999**t)), out=a)
        np.sqrt(a, out=a)
        np.add(a, np.float32(1e-8), out=a)
        np.multiply(m, np.float32(rate / (1 - 0.9**t)), out=b)
        np.divide(b, a, out=b)
        np.subtract(w, b, out=w)

    def adamw(w: Any, *others: Any) -> None:
        np.multiply(w, np.float32(1 - rate * DECAY), out=w)
        adam(w, *others)

    def lion(w: Any, g: Any, m: Any, v: Any, a: Any, b: Any) -> None:
        np.multiply(m, np.float32(0.9), out=a)
        np.multiply(g, np.float32(0.1), out=b)
        np.add(a, b, out=a)
        np.sign(a, out=a)
        np.multiply(a, rate, out=a)
        np.multiply(w, np.float32(1 - rate * DECAY), out=w)
        np.subtract(w, a, out=w)
        np.multiply(m, np.float32(0.99), out=m)
        np.multiply(g, np.float32(0.01), out=b)
        np.add(m, b, out=m)

    def sgd_momentum(w: Any, g: Any, m: Any, v: Any, a: Any, b: Any) -> None:
        np.multiply(m, np.float32(0.9), out=m)
        np.multiply(g, rate, out=a)
        np.subtract(m, a, out=m)
        np.add(w, m, out=w)

    def adagrad(w: Any, g: Any, m: Any, v: Any, a: Any, b: Any) -> None:
        np.multiply(g, g, out=a)
        np.add(m, a, out=m)
        np.sqrt(m, out=a)
        np.multiply(g, rate, out=b)
        np.divide(b, a, out=b)
        np.subtract(w, b, out=w)

    update = chosen(optimizer, adam=adam, adamw=adamw, lion=lion, sgd_momentum=sgd_momentum, adagrad=adagrad)

    def step() -> None:
        counts[0] += 1
        for tensor in tensors:
            update(*tensor)

    return step, lambda: tensors[0][0]


def torch_kernel(optimizer: str, sizes: list[int], threads: int) -> Made:
    """torch's fused operator alone, always the first step, on memory as numoptim's."""
    import torch

    from numoptim.native.arrays import aligned_zeros
    torch.set_num_threads(threads)
    arrays = [aligned_zeros(sizes[0], np.float32) for _ in range(4)]
    arrays[0][:], arrays[1][:] = start(sizes[0])
    w, g, m, v = ([torch.from_numpy(array)] for array in arrays)
    t = [torch.tensor(1.0)]
    given = {"lr": RATES[optimizer], "weight_decay": DECAY if optimizer == "adamw" else 0.0, "maximize": False}
    betas = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "amsgrad": False}
    return chosen(
        optimizer,
        adam=lambda: torch._fused_adam_(w, g, m, v, [], t, **betas, **given),
        adamw=lambda: torch._fused_adamw_(w, g, m, v, [], t, **betas, **given),
        sgd_momentum=lambda: torch._fused_sgd_(w, g, m, momentum=0.9, dampening=0.0, nesterov=False,
                                               is_first_step=False, **given),
        adagrad=lambda: torch._fused_adagrad_(w, g, m, t, lr_decay=0.0, eps=1e-10, **given),
    ), lambda: arrays[0]


PEERS: dict[str, tuple[str, Callable[..., Made]]] = {
    "torch fused": ("torch", lambda *case: torch_step(*case, fused=True)),
    "torch foreach": ("torch", lambda *case: torch_step(*case, foreach=True)),
    "torch default": ("torch", torch_step),
    "optax jit": ("jax", optax_step),
    "MXNet": ("mxnet", mxnet_step),
    "DeepSpeed": ("deepspeed", deepspeed_step),
    "NumPy": ("numpy", numpy_step),
}
KERNELS: dict[str, tuple[str, Callable[..., Made]]] = {"torch": ("torch", torch_kernel)}


def answer(question: dict[str, Any], held: dict[str, Any]) -> dict[str, Any]:
    if "make" in question:
        held.clear()
        make = (PEERS | KERNELS)[question["make"]][1]
        held["step"], held["weights"] = make(question["optimizer"], question["sizes"], question["threads"])
        return {}
    if "run" in question:
        return {"seconds": seconds(times(held["step"]), question["run"])}
    return {"weights": held["weights"]().tobytes().hex()}


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)                              # what libraries print is no answer
    held: dict[str, Any] = {}
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line), held)
        except (ImportError, Absent) as error:
            reply = {"absent": str(error)}
        print(json.dumps(reply), file=out, flush=True)


if __name__ == "__main__":
    main()
