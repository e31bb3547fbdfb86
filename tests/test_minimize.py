"""``numoptim.minimize``: SciPy's test functions and protocol."""
import subprocess
import sys

import numpy as np
import pytest

import numoptim
from numoptim import Parameters, Trainer, optimizer
from numoptim.lr_scheduler import CosineScheduler

scipy_optimize = pytest.importorskip("scipy.optimize")
rosen, rosen_der = scipy_optimize.rosen, scipy_optimize.rosen_der

START = [1.3, 0.7, 0.8, 1.9, 1.2]               # SciPy's tutorial's


def quadratic(x, a=1.0, b=0.0):
    return a * ((x - b) ** 2).sum()


def slope(x, a=1.0, b=0.0):
    return 2 * a * (x - b)


def both(x, *args):
    return quadratic(x, *args), slope(x, *args)


@pytest.mark.parametrize("name, keywords", [
    ("adam", {"learning_rate": 0.02}), ("nag", {"momentum": 0.9, "learning_rate": 5e-4}),
    ("rmsprop", {"lr_scheduler": CosineScheduler(20_000, 0.02)}),
])
def test_rosenbrocks_valley(name, keywords):
    result = numoptim.minimize(rosen, START, jac=rosen_der, optimizer=name, tol=1e-4, maxiter=20_000, **keywords)
    assert result.success and result.status == 0 and np.abs(result.jac).max() <= 1e-4
    np.testing.assert_allclose(result.x, 1, atol=1e-3)
    assert result.fun == rosen(result.x) and (result.jac == rosen_der(result.x)).all()
    assert result.nfev == result.njev == result.nit + 1


def test_it_is_the_trainers_steps():
    params = Parameters({"x": np.array(START)})
    trainer = Trainer(params, "adam", {"learning_rate": 0.1})
    for _ in range(20):
        trainer.step(grads={"x": rosen_der(params["x"])})
    result = numoptim.minimize(rosen, START, jac=rosen_der, learning_rate=0.1, maxiter=20)
    assert (result.x == params["x"]).all() and result.nit == 20
    again = numoptim.minimize(rosen, START, jac=rosen_der, optimizer=optimizer.Adam(learning_rate=0.1), maxiter=20)
    assert (again.x == result.x).all()


@pytest.mark.parametrize("call", [
    lambda **options: numoptim.minimize(**options),
    lambda fun, x0, args, jac, **options: scipy_optimize.minimize(
        fun, x0, args=args, jac=jac, method=numoptim.minimize, tol=options.pop("tol"), options=options),
], ids=["itself", "SciPy"])
@pytest.mark.parametrize("fun, jac, accuracy", [
    (quadratic, slope, 1e-7), (both, True, 1e-7), (quadratic, "2-point", 1e-6), (quadratic, "3-point", 1e-6),
    (quadratic, None, 1e-6),
], ids=["function", "both", "2-point", "3-point", "none"])
def test_every_way_to_give_a_gradient(call, fun, jac, accuracy):
    result = call(fun=fun, x0=[3.0, -1.0], args=(2.0, 0.5), jac=jac, tol=2e-7, optimizer="sgd", learning_rate=0.1)
    assert result.success and isinstance(result, scipy_optimize.OptimizeResult)
    np.testing.assert_allclose(result.x, 0.5, atol=accuracy)
    assert result.nfev >= (result.njev if callable(jac) or jac is True else 3 * result.njev)


def test_scipys_front_ends():
    result = scipy_optimize.basinhopping(
        lambda x: float(np.cos(14.5 * x[0] - 0.3) + (x[0] + 0.2) * x[0]), [0.1], niter=30, rng=1,
        minimizer_kwargs={"method": numoptim.minimize, "options": {"optimizer": "sgd", "learning_rate": 0.005,
                                                                   "maxiter": 300, "tol": 1e-4}})
    assert result.x == pytest.approx([-0.1951], abs=1e-3)           # of basinhopping's own documentation


@pytest.mark.parametrize("through_scipy", [False, True])
@pytest.mark.parametrize("modern", [False, True])
def test_a_callback_sees_every_step_and_may_end_them(modern, through_scipy):
    seen = []

    def take(x, value):
        seen.append(x)
        assert value is None or value == quadratic(x)
        if len(seen) == 4:
            raise StopIteration

    def with_result(intermediate_result):
        take(intermediate_result.x, intermediate_result.fun)

    def with_x(xk):
        take(xk, None)

    options = {"optimizer": "sgd", "learning_rate": 0.25}
    callback = with_result if modern else with_x
    if through_scipy:
        result = scipy_optimize.minimize(quadratic, [8.0], jac=slope, method=numoptim.minimize, callback=callback,
                                         options=options)
    else:
        result = numoptim.minimize(quadratic, [8.0], jac=slope, callback=callback, **options)
    assert np.concatenate(seen).tolist() == [4, 2, 1, 0.5] and result.x == 0.5
    assert result.status == 99 and not result.success and "StopIteration" in result.message


def test_ends():
    done = numoptim.minimize(quadratic, [0.0, 0.0], jac=slope)
    assert (done.nit, done.status, done.success) == (0, 0, True)
    late = numoptim.minimize(quadratic, [1.0], jac=slope, maxiter=3)
    assert (late.nit, late.status, late.success) == (3, 1, False) and late.nfev == 4
    assert numoptim.minimize(quadratic, [1.0], jac=slope, maxiter=0).x == 1
    with np.errstate(over="ignore"):
        gone = numoptim.minimize(quadratic, [1.0], jac=slope, optimizer="sgd", learning_rate=1e3)
    assert gone.status == 2 and not gone.success and np.isfinite(gone.x).all()


def test_the_callers_x_is_his_own():
    x0 = np.array([1.0, 2.0])

    def spoiling(x):
        value = quadratic(x), slope(x)
        x[:] = np.nan
        return value

    result = numoptim.minimize(spoiling, x0, jac=True, optimizer="sgd", learning_rate=0.1)
    assert result.success and x0.tolist() == [1, 2]


def test_progress_is_shown(capsys):
    numoptim.minimize(quadratic, [8.0], jac=slope, optimizer="sgd", learning_rate=0.25, maxiter=20, tol=0.1, disp=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["        0: f = 64, largest entry of the gradient 16",
                         "        2: f = 4, largest entry of the gradient 4"]
    assert lines[-2:] == ["The largest entry of the gradient is within tol.",
                          "        8: f = 0.0009765625, 9 calls of the function"]


@pytest.mark.parametrize("keywords, error, message", [
    ({"jac": "5-point"}, ValueError, "jac='5-point': expected a function, True, or one of"),
    ({"jac": lambda x: np.ones(3)}, ValueError, r"the gradient has shape \(3,\); expected \(2,\)"),
    ({"fun": lambda x: x}, ValueError, r"the function gave an array of shape \(2,\); expected a number"),
    ({"x0": np.ones((2, 2))}, ValueError, r"x0 has shape \(2, 2\); expected one dimension"),
    ({"bounds": [(0, 1)]}, ValueError, "bounds is given, which a method that only follows the gradient does not heed"),
    ({"constraints": {"type": "eq"}}, ValueError, "constraints is given"),
    ({"hess": rosen}, ValueError, "hess is given"),
    ({"tol": -1}, ValueError, "tol=-1 is out of range"),
    ({"maxiter": 0.5}, TypeError, "maxiter=0.5: expected an integer"),
    ({"optimizer": "adm"}, ValueError, "unknown optimizer 'adm'; did you mean"),
    ({"lr": 0.1}, TypeError, "learning_rate"),
    ({"optimizer": optimizer.SGD(), "momentum": 0.9}, ValueError, "this one is made already"),
])
def test_what_is_refused(keywords, error, message):
    with pytest.raises(error, match=message):
        numoptim.minimize(**{"fun": quadratic, "x0": [1.0, 2.0], "jac": slope, **keywords})


def test_without_scipy_there_is_a_sentence():
    """And the rest works: nothing of it is imported before."""
    code = ("import sys; sys.modules['scipy'] = None; import numoptim\n"
            "try: numoptim.minimize(abs, [1.0])\nexcept ImportError as error: print(error)")
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout == "minimize returns SciPy's results: pip install 'numoptim[scipy]'\n"
