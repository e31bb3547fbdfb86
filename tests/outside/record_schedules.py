"""Write what schedules of torch and optax give at every step, and torch's ReduceLROnPlateau, to data/schedules.npz.

For each library in an environment of its own, ``pip install torch==2.13.0`` or ``optax==0.2.8`` (and NumPy), run
``python tests/outside/record_schedules.py torch`` or ``optax``: its entries are written anew, the other's stay.
"""
import sys
import warnings
from pathlib import Path

import numpy as np
from schedule_cases import BASE, CASES, COUNT, METRICS, PLATEAUS

TO = Path(__file__).parents[1] / "data" / "schedules.npz"


def torch():
    import torch
    from torch.optim import lr_scheduler

    def optimizer():
        return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)

    def rates(o, step, count):
        for k in range(count):
            yield o.param_groups[0]["lr"]
            o.step()
            step(k)

    for call, *_ in CASES["torch"]:
        made = eval(call, {**vars(lr_scheduler), "o": (o := optimizer())})
        yield call, list(rates(o, lambda k, made=made: k < COUNT - 1 and made.step(), COUNT))
    for name, metrics in METRICS.items():
        for keywords in PLATEAUS:
            made = lr_scheduler.ReduceLROnPlateau(o := optimizer(), **keywords)
            told = [*metrics, 0]                # the last is not seen
            yield f"{name} {keywords}", list(rates(o, lambda k, made=made, told=told: made.step(told[k]), len(told)))


def optax():
    import jax
    jax.config.update("jax_enable_x64", True)
    import optax
    for call, *_ in CASES["optax"]:
        schedule = eval(call, vars(optax).copy())
        yield call, [float(schedule(k)) for k in range(COUNT)]


def main(library):
    warnings.simplefilter("ignore")             # torch's SequentialLR warns of itself
    old = np.load(TO) if TO.exists() else {}
    kept = {key: old[key] for key in old if not key.startswith(library)}
    made = {f"{library}: {call}": np.array(rates) for call, rates in {"torch": torch, "optax": optax}[library]()}
    np.savez_compressed(TO, **kept, **made)
    print(len(made), TO.stat().st_size)


if __name__ == "__main__":
    main(sys.argv[1])
