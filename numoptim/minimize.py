"""Minimizing a function as SciPy does, by any optimizer: SciPy's arguments, protocol and results."""
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .buffers.parameters import Parameters
from .native.arrays import Array
from .optimizer import Optimizer
from .rule.hyperparameters import checked
from .trainer import Trainer

MESSAGES = {
    0: "The largest entry of the gradient is within tol.",
    1: "Maximum number of iterations has been exceeded.",
    2: "The function or its gradient is not finite.",
    99: "`callback` raised `StopIteration`.",
}
DIFFERENCES = ("2-point", "3-point")


def minimize(fun: Callable[..., Any], x0: Any, args: Any = (), *, jac: Any = None, optimizer: str | Optimizer = "adam",
             tol: float | None = 1e-5, maxiter: int | None = 10_000, callback: Callable[..., Any] | None = None,
             disp: bool = False, hess: Any = None, hessp: Any = None, bounds: Any = None, constraints: Any = (),
             **optimizer_params: Any) -> Any:
    """Follow the gradient of ``fun(x, *args)`` from x0 on, a float64 array of one dimension; SciPy's OptimizeResult.

    Also as ``scipy.optimize.minimize(fun, x0, method=numoptim.minimize, options={"optimizer": "adam", ...})``.

    jac: a function of (x, *args) that gives the gradient; True where fun gives (value, gradient); "2-point" or
    "3-point" for SciPy's finite differences. None is "2-point", as SciPy passes these words on to no method of others.
    optimizer: a name, with its keywords beside (learning_rate=0.1), or an Optimizer. tol: of the gradient's largest
    entry, for success; None is 1e-5. maxiter: steps; None is 10,000. callback: called after each as SciPy's, with x or
    with intermediate_result; may raise StopIteration. disp: print some iterations, and the end.

    The result is the latest x, which is not always the best one; of a schedule-free rule it is where gradients are
    taken, not the average. Raises ValueError for what no optimizer here heeds:
    hess, hessp, bounds, constraints; ImportError without SciPy.
    """
    try:
        from scipy.optimize import OptimizeResult
    except ImportError as error:
        raise ImportError("minimize returns SciPy's results: pip install 'numoptim[scipy]'") from error
    _refuse(hess=hess, hessp=hessp, bounds=bounds, constraints=constraints)
    tol = checked("tol", 1e-5 if tol is None else tol, 0.0, "[0, inf)")
    maxiter = int(checked("maxiter", 10_000 if maxiter is None else maxiter, 0, "[0, inf)"))
    start = np.atleast_1d(np.array(x0, np.float64))
    if start.ndim != 1:
        raise ValueError(f"x0 has shape {start.shape}; expected one dimension")
    told = {key: value for key, value in optimizer_params.items() if value is not None}     # SciPy's of other versions
    trainer = Trainer(Parameters({"x": start}), optimizer, told)
    function, status = _Function(fun, jac, args if isinstance(args, tuple) else (args,)), 1
    for nit in range(maxiter + 1):
        x = trainer.params["x"].copy()
        value, gradient = function(x)
        steepest = float(np.abs(gradient).max(initial=0))
        if disp and nit % max(maxiter // 10, 1) == 0:
            print(f"{nit:>9,}: f = {value:.8g}, largest entry of the gradient {steepest:.3g}")
        if nit and callback is not None and _stops(callback, OptimizeResult(x=x.copy(), fun=value)):
            status = 99
        elif not (math.isfinite(value) and math.isfinite(steepest)):
            status = 2
        elif steepest <= tol:
            status = 0
        elif nit < maxiter:
            trainer.step(grads={"x": gradient})
            continue
        break
    if disp:
        print(f"{MESSAGES[status]}\n{nit:>9,}: f = {value:.8g}, {function.nfev:,} calls of the function")
    return OptimizeResult(x=x, fun=value, jac=gradient, nit=nit, nfev=function.nfev, njev=function.njev, status=status,
                          success=status == 0, message=MESSAGES[status])


def _refuse(**given: Any) -> None:
    for name, value in given.items():
        if value is not None and not (isinstance(value, (tuple, list, dict)) and not value):
            raise ValueError(f"{name} is given, which a method that only follows the gradient does not heed")


class _Function:
    """Value and gradient at x, counting calls of the user's functions."""

    def __init__(self, fun: Callable[..., Any], jac: Any, args: tuple[Any, ...]) -> None:
        if jac is None or jac is False:
            jac = "2-point"                             # as SciPy does
        if not (callable(jac) or jac is True or (isinstance(jac, str) and jac in DIFFERENCES)):
            raise ValueError(f"jac={jac!r}: expected a function, True, or one of {DIFFERENCES}")
        self.fun, self.jac, self.args = fun, jac, args
        self.nfev = self.njev = 0

    def __call__(self, x: Array) -> tuple[float, Array]:
        self.njev += 1
        if self.jac is True:
            self.nfev += 1
            value, gradient = self.fun(x.copy(), *self.args)
            value = _number(value)
        else:
            value = self._value(x)
            gradient = self.jac(x.copy(), *self.args) if callable(self.jac) else self._differences(x, value)
        gradient = np.atleast_1d(np.asarray(gradient, np.float64))
        if gradient.shape != x.shape:
            raise ValueError(f"the gradient has shape {gradient.shape}; expected {x.shape}, that of x")
        return value, gradient

    def _value(self, x: Array) -> float:
        self.nfev += 1
        return _number(self.fun(x.copy(), *self.args))

    def _differences(self, x: Array, value: float) -> Any:
        from scipy.optimize._numdiff import approx_derivative
        return approx_derivative(self._value, x, method=self.jac, f0=value)


def _number(value: Any) -> float:
    array = np.asarray(value, np.float64)
    if array.size != 1:
        raise ValueError(f"the function gave an array of shape {array.shape}; expected a number")
    return float(array.item())


def _stops(callback: Callable[..., Any], result: Mapping[str, Any]) -> bool:
    """Call a callback in the way that its parameters ask for; whether it wants an end."""
    try:
        if set(inspect.signature(callback).parameters) == {"intermediate_result"}:
            callback(intermediate_result=result)
        else:
            callback(result["x"])
    except StopIteration:
        return True
    return False
