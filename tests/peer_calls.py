"""What another library does, asked of it in a Python of its own: questions and answers as JSON on stdin and stdout.

    {"library": "torch", "w": [...], "g": [[...], ...], "calls": ["Adam(lr=0.1)", ...]}
        -> {call: weights after each step}; a call is an optimizer as that library's users write it, less its parameters
    {"library": "MXNet", "rates": ["FactorScheduler(3, 0.5)", ...], "count": 30}
        -> {call: [rate of update 0, 1, ...]}
    {"library": "MXNet", "signatures": ["SGD", "PolyScheduler", ...]}
        -> {class: {argument in order: default, or "required"}}

An answer {"absent": reason} says that the library is not there. Needs NumPy and the library alone. ``ask`` puts the
questions, to the Python that an environment variable names (ENVIRONMENT).
"""
import inspect
import json
import os
import subprocess
import sys
from types import SimpleNamespace

ENVIRONMENT = {"torch": "NUMOPTIM_BENCH_TORCH", "optax": "NUMOPTIM_BENCH_JAX", "Keras": "NUMOPTIM_BENCH_KERAS",
               "scikit-learn": "NUMOPTIM_BENCH_SKLEARN", "MXNet": "NUMOPTIM_BENCH_MXNET"}


def ask(library, **question):
    """The library's answer; None where no variable names a Python with it."""
    python = os.environ.get(ENVIRONMENT[library])
    if not python:
        return None
    made = subprocess.run([python, __file__], input=json.dumps({"library": library, **question}), capture_output=True,
                          text=True, check=True)
    reply = json.loads(made.stdout)
    if "absent" in reply:
        raise RuntimeError(f"{ENVIRONMENT[library]}={python}: {reply['absent']}")
    return reply


# --- in the other Python: every function makes, of a call, step(g) -> weights

def torch(call, w):
    import torch
    parameter = torch.nn.Parameter(torch.tensor(w, dtype=torch.float64))
    torch.set_default_dtype(torch.float64)
    names = {name: _about(kind, [parameter]) for name, kind in vars(torch.optim).items() if inspect.isclass(kind)}
    made = eval(call, {**vars(torch.optim.lr_scheduler), **names})
    optimizer = getattr(made, "optimizer", made)

    def step(g):
        parameter.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
        if made is not optimizer:
            made.step()
        return parameter.detach().numpy()

    return step


def _about(kind, parameters):
    return lambda *arguments, **keywords: kind(parameters, *arguments, **keywords)


def optax(call, w):
    import jax
    jax.config.update("jax_enable_x64", True)
    import optax.contrib
    kind = eval(call, vars(optax).copy())
    held = SimpleNamespace(w=jax.numpy.asarray(w))
    held.state = kind.init(held.w)

    def step(g):
        updates, held.state = kind.update(jax.numpy.asarray(g), held.state, held.w)
        held.w = optax.apply_updates(held.w, updates)
        return held.w

    return step


def keras(call, w):
    import keras
    keras.config.set_floatx("float64")
    variable = keras.Variable(w, dtype="float64")
    made = eval(call, vars(keras.optimizers).copy())

    def step(g):
        made.apply([keras.ops.convert_to_tensor(g, dtype="float64")], [variable])
        return keras.ops.convert_to_numpy(variable)

    return step


def sklearn(call, w):
    import numpy as np
    from sklearn import linear_model, neural_network
    from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
    made = eval(call, {**vars(linear_model), **vars(neural_network)})
    w = np.array(w)
    if isinstance(made, linear_model.SGDRegressor):
        made.set_params(fit_intercept=False)
        made.coef_, made.intercept_ = w, np.zeros(1)

        def step(g):                           # of one sample x = g with an error of 1, the gradient is g
            made.partial_fit([g], [made.coef_ @ np.array(g) - 1])
            return made.coef_

        return step
    own = made.get_params()                    # what the estimator's fit makes of these
    optimizer = AdamOptimizer([w], own["learning_rate_init"], own["beta_1"], own["beta_2"], own["epsilon"]) \
        if own["solver"] == "adam" else SGDOptimizer(
            [w], own["learning_rate_init"], own["learning_rate"], own["momentum"], own["nesterovs_momentum"])

    def step(g):
        optimizer.update_params([w], [np.array(g)])
        return w

    return step


def mxnet(call, w):
    from mxnet import lr_scheduler, nd
    from mxnet import optimizer as kinds
    made = eval(call, {**vars(lr_scheduler), **vars(kinds)})
    weight = nd.array(w, dtype="float64")
    state = made.create_state(0, weight)

    def step(g):
        arguments = 0, weight, nd.array(g, dtype="float64"), state
        made.update(*([argument] for argument in arguments) if isinstance(made, kinds.LARS) else arguments)
        return weight.asnumpy()

    return step


LIBRARIES = {"torch": torch, "optax": optax, "Keras": keras, "scikit-learn": sklearn, "MXNet": mxnet}


def trajectory(library, call, w, gradients):
    import numpy as np
    step = LIBRARIES[library](call, w)
    return [np.array(step(g)).tolist() for g in gradients]


def answer(question):
    if "calls" in question:
        return {call: trajectory(question["library"], call, question["w"], question["g"]) for call in question["calls"]}
    from mxnet import lr_scheduler, optimizer
    known = {**vars(optimizer), **vars(lr_scheduler)}
    if "rates" in question:
        made = {call: eval(call, known) for call in question["rates"]}
        return {call: [schedule(n) for n in range(question["count"])] for call, schedule in made.items()}
    return {name: _arguments(known[name]) for name in question["signatures"]}


def _arguments(kind):
    """A class's own arguments and, where it passes others on, its base's."""
    parameters = inspect.signature(kind).parameters.values()
    own = {p.name: "required" if p.default is p.empty else p.default
           for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}
    return own if len(own) == len(parameters) else {**_arguments(kind.__mro__[1]), **own}


def main():
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)                              # what libraries print is no answer
    os.environ.setdefault("KERAS_BACKEND", "torch")
    try:
        reply = answer(json.load(sys.stdin))
    except ImportError as error:
        reply = {"absent": str(error)}
    print(json.dumps(reply), file=out, flush=True)


if __name__ == "__main__":
    main()
