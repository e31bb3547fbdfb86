"""The demo: its models against finite differences, and what a whole run prints and draws."""
import contextlib
import io
import re

import matplotlib.colors
import matplotlib.image
import numpy as np
import pytest
from reference import CHOSEN

from numoptim import Parameters, demo
from numoptim.cli import main
from numoptim.demo import plots, training, valley
from numoptim.demo.digits import Network, accuracy, load, loss
from numoptim.demo.training import CHOICES, train
from numoptim.rules import RULES

TITLES = [choice.title for choice in CHOICES]
# Numbers kept per weight: of LBSGD the velocity and the sum of micro-batches.
STATE = {"SGD": 0, "SGD, momentum": 1, "NAG": 1, "AdaGrad": 1, "RMSProp": 1, "RMSProp, centred": 3, "AdaDelta": 2,
         "Adam": 2, "AdamW": 2, "Adamax": 2, "Nadam": 2, "NAdamW": 2, "RAdam": 2, "AdaBelief": 2, "Yogi": 2,
         "AdEMAMix": 3, "Lion": 1, "Signum": 1, "SignSGD": 0, "LBSGD": 2, "LARS": 1, "LAMB": 2, "LANS": 2, "Adan": 4,
         "ADOPT": 2, "Rprop": 2, "Prodigy": 4, "SGD, averaged": 1,
         "AdamW, averaged": 2, "NovoGrad": 1, "DCASGD": 1, "Ftrl": 2, "FTML": 3, "SGLD": 0}
ROW = re.compile(r"^(\S.*?) {2,}.* (\d+\.\d{4}) +(\d\.\d{4}) +(\d+\.\d) +(\d+)$", re.MULTILINE)


def printed(*arguments):
    """Standard output of ``numoptim demo`` in a log file."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["demo", *map(str, arguments)]) == 0
    return out.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One whole demo: what it printed at 80 columns, and the directory it made."""
    directory = tmp_path_factory.mktemp("demo") / "new" / "directory"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        return printed("--out", directory), directory


@pytest.fixture
def short(monkeypatch):
    """One epoch, no pictures."""
    monkeypatch.setattr(training, "EPOCHS", 1)
    monkeypatch.setattr(plots, "convergence", lambda *a: None)
    monkeypatch.setattr(plots, "paths", lambda *a: None)


# --- models and data

@pytest.mark.parametrize("sizes", [(6, 4), (6, 5, 4), (6, 5, 3, 4)], ids=str)
def test_gradients_are_those_of_finite_differences(sizes):
    rng = np.random.default_rng(1)
    network, x, y = Network(*sizes), rng.standard_normal((7, 6)), rng.integers(0, 4, 7)
    params = Parameters(network.initial(rng, np.float64))
    assert network.gradient(params, x, y) == loss(network.predict(params, x), y)

    def summed_loss(i, change):
        moved = Parameters(params)
        moved.flat[i] += change
        return len(y) * loss(network.predict(moved, x), y)

    h = 1e-5
    found = np.array([(summed_loss(i, h) - summed_loss(i, -h)) / (2 * h) for i in range(params.flat.size)])
    assert params.grad.flat.dtype == np.float64 and np.abs(found).min() > 0
    np.testing.assert_allclose(params.grad.flat, found, rtol=1e-6, atol=1e-8)


def test_loss_is_cross_entropy():
    p = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]])
    assert loss(p, np.array([1, 0])) == pytest.approx((2 + 3) / 2 * np.log(2), rel=1e-15)
    assert accuracy(p, np.array([0, 0])) == 0.5
    zeros = {"weight0": np.zeros((64, 10), np.float32), "bias0": np.zeros(10, np.float32)}
    data = load()
    assert loss(Network(64, 10).predict(zeros, data.test_x), data.test_y) == pytest.approx(np.log(10), rel=1e-6)


def test_split_is_fixed_and_has_every_digit():
    data, again = load(), load()
    assert all(np.array_equal(a, b) for a, b in zip(data, again, strict=True))
    assert data.train_x.shape == (1347, 64) and data.test_x.shape == (450, 64) and data.train_x.dtype == np.float32
    assert data.train_x.min() == 0 and data.train_x.max() == 1
    assert np.bincount(data.test_y).min() > 40
    rows = {row.tobytes() for row in data.train_x}
    assert not any(row.tobytes() in rows for row in data.test_x)


def test_slope_of_the_valley():
    h = 1e-6
    for w in np.random.default_rng(2).standard_normal((5, 2)):
        found = [(valley.height(*(w + d)) - valley.height(*(w - d))) / (2 * h) for d in h * np.eye(2)]
        np.testing.assert_allclose(valley.slope(w), found, rtol=1e-7, atol=1e-8)
    assert valley.height(*valley.MINIMUM) == 0 and not valley.slope(valley.MINIMUM).any()


def test_smoothing_takes_the_latest_quarter():
    losses = np.random.default_rng(3).random(1000)
    wanted = [losses[n - min(int(np.ceil(n / 4)), plots.WINDOW):n].mean() for n in range(1, 1001)]
    np.testing.assert_allclose(plots.smooth(losses), wanted, rtol=1e-10)


# --- training

@pytest.mark.parametrize(("title", "samples"), [("SGD", 1), ("SGLD", 3)])
def test_a_sampler_reports_its_average_prediction(title, samples, short):
    seen = []

    class Spy(Network):
        def predict(self, params, x):
            seen.append(super().predict(params, x))
            return seen[-1]

    data = load()
    result = train(CHOICES[TITLES.index(title)], Spy(64, 10), data, 0)
    train_p, test_p = np.mean(seen[0::2], axis=0, dtype=float), np.mean(seen[1::2], axis=0, dtype=float)
    assert len(seen) == 2 * samples and result.samples == samples     # of 42 steps: 30, 40 and the last
    assert result.loss == pytest.approx(-np.log(train_p[np.arange(1347), data.train_y]).mean(), rel=1e-5)
    assert result.accuracy == np.mean(test_p.argmax(1) == data.test_y)
    assert len(result.losses) == 42


def test_same_seed_prints_the_same(short, tmp_path):
    without_time = [re.sub(r" +\d+\.\d(?= +\d+$)", "", printed("--out", tmp_path, "--seed", seed), flags=re.MULTILINE)
                    for seed in (5, 5, 6)]
    assert without_time[0] == without_time[1] != without_time[2]
    assert without_time[0].count("\nAdam ") == 2


# --- a whole run

def test_every_optimizer_is_in_it():
    assert {choice.name for choice in CHOICES} == {CHOSEN.get(rule.name, (rule.title,))[0] for rule in RULES}


def test_every_optimizer_learns(run):
    text, _ = run
    rows = ROW.findall(text)
    assert [row[0] for row in rows] == 2 * TITLES and set(TITLES) == set(STATE)
    for title, train_loss, test_accuracy, microseconds, state_bytes in rows:
        assert float(test_accuracy) >= 0.93 and 0 < float(train_loss) < 0.3, title
        assert float(microseconds) > 0
        assert int(state_bytes) == 4 * STATE[title], title


def test_table_fits_and_says_what_is_averaged(run):
    text, directory = run
    assert max(map(len, text.replace(str(directory), "").splitlines())) <= 80
    averaged = "SGLD is a sampler: its loss and accuracy are those of the average prediction of 63 samples"
    assert " ".join(text.split()).count(averaged) == 2
    assert all(title in text for title in demo.NETWORKS)


@pytest.mark.parametrize("name", ["convergence.png", "paths.png"])
def test_pictures(run, name):
    pixels = np.round(matplotlib.image.imread(run[1] / name)[..., :3] * 255).astype(int)
    height, width, _ = pixels.shape
    assert height >= 800 and width >= 1200
    drawn = (pixels < 250).any(axis=2)
    assert 0.02 < drawn.mean() < 0.5
    assert not drawn[:2].any() and not drawn[:, :2].any()                # nothing reaches over an edge
    if name == "convergence.png":
        colours = {tuple(p) for p in pixels.reshape(-1, 3)}
        assert all(tuple(int(255 * c + 0.5) for c in matplotlib.colors.to_rgb(c)) in colours for c in plots.COLOURS)
    else:
        columns = len(CHOICES) // plots.ROWS + 1
        panels = [panel for row in np.array_split(drawn, plots.ROWS) for panel in np.array_split(row, columns, axis=1)]
        blank = slice(len(CHOICES), -1)                                  # the last one explains the others
        assert not any(panel.any() for panel in panels[blank])
        assert all(panel.mean() > 0.02 for panel in [*panels[:blank.start], panels[-1]])


@pytest.mark.parametrize("choice", CHOICES, ids=TITLES)
def test_paths_go_down_the_valley(choice):
    points = valley.path(choice)
    assert points.shape == (valley.STEPS + 1, 2) and np.isfinite(points).all()
    assert (valley.height(*points.T)[-10:] < 0.15 * valley.height(*valley.START)).all()
    assert (np.abs(points - [-0.1, 0.4]) < [2.1, 1.6]).all()             # inside its panel
