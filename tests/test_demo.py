"""The demo: its models against finite differences, and what a whole run prints and draws."""
import contextlib
import io
import json
import re
from itertools import pairwise

import matplotlib.colors
import matplotlib.image
import numpy as np
import PIL.Image
import pytest
from reference import CHOSEN

from numoptim import Parameters, demo
from numoptim.cli import main
from numoptim.demo import plots, training, tuning
from numoptim.demo.choices import CHOICES, DIGITS, TUNED
from numoptim.demo.digits import Network, accuracy, load, loss
from numoptim.demo.surfaces import STEPS, SURFACES
from numoptim.demo.training import train
from numoptim.rules import RULES

TITLES = [choice.title for choice in CHOICES]
# Numbers kept per weight: of LBSGD the velocity and the sum of micro-batches.
STATE = {"SGD": 0, "SGD, momentum": 1, "NAG": 1, "AdaGrad": 1, "RMSProp": 1, "RMSProp, centred": 3, "AdaDelta": 2,
         "Adam": 2, "AdamW": 2, "Adamax": 2, "Nadam": 2, "NAdamW": 2, "RAdam": 2, "AdaBelief": 2, "Yogi": 2,
         "AdEMAMix": 3, "Lion": 1, "Signum": 1, "SignSGD": 0, "LBSGD": 2, "LARS": 1, "LAMB": 2, "LANS": 2, "Adan": 4,
         "ADOPT": 2, "Rprop": 2, "Prodigy": 4, "SGD, averaged": 1,
         "AdamW, averaged": 2, "NovoGrad": 1, "DCASGD": 1, "Ftrl": 2, "FTML": 3, "SGLD": 0}
ROW = re.compile(r"^(\S.*?) {2,}.* (\d+\.\d{4})\*? +(\d\.\d{4})\*? +(\d+\.\d)\*? +(\d+)[* ]?$", re.MULTILINE)


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


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_slopes_and_lowest_points(surface):
    h = 1e-6
    for w in np.random.default_rng(2).standard_normal((5, 2)):
        found = [(surface.height(*(w + d)) - surface.height(*(w - d))) / (2 * h) for d in h * np.eye(2)]
        np.testing.assert_allclose(surface.slope(*w), found, rtol=1e-7, atol=1e-8)
    formula = re.sub(r"(?<=[\d)]) (?=[xy(])", " * ", surface.formula).replace("²", "**2")
    assert surface.height(0.3, -0.7) == pytest.approx(eval(formula, {"x": 0.3, "y": -0.7}), rel=1e-14)
    for lowest in surface.minima:
        assert surface.height(*lowest) == 0 and not np.any(surface.slope(*lowest))


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
    time = re.compile(r" +\d+\.\d[* ] +\d+[* ]?$", re.MULTILINE)
    without_time = [time.sub("", printed("--out", tmp_path, "--seed", seed)) for seed in (5, 5, 6)]
    assert without_time[0] == without_time[1] != without_time[2]
    assert without_time[0].count("\nAdam ") == 2


# --- the search for learning rates

def test_the_search_goes_by_decades_and_then_between():
    asked = []

    def score(value):
        asked.append(value)
        return abs(np.log(value / 0.03))

    assert tuning.search(score) == 0.02
    assert sorted(set(asked)) == [1e-4, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 1, 10, 100]


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_the_search_finds_the_rates_of_the_surfaces(surface):
    """SGLD's noise apart, NumPy's and the kernels' bits are the same everywhere."""
    found = {choice.title: tuning.search(lambda value, choice=choice: tuning.on_surface(choice, surface, value))
             for choice in CHOICES}
    assert found == json.loads(TUNED.read_text())[surface.name]


def test_the_search_finds_a_rate_on_digits():
    """As good a one: sums in matrix products differ between machines."""
    choice, data, networks = CHOICES[TITLES.index("Adam")], load(), list(demo.NETWORKS.values())

    def score(value):
        return tuning.on_digits(choice, networks, data, value)

    shipped = choice.keywords(DIGITS)["learning_rate"]
    assert score(shipped) <= 1.05 * min(score(shipped * factor) for factor in (0.1, 0.4, 2.5, 10))


def test_tune_writes_what_it_found(monkeypatch, tmp_path):
    monkeypatch.setattr(tuning, "CHOICES", CHOICES[:1])
    monkeypatch.setattr(tuning, "on_digits", lambda choice, networks, data, value: abs(value - 0.4))
    assert str(tmp_path / "tuned.json") in printed("--tune", "--out", tmp_path)
    found = json.loads((tmp_path / "tuned.json").read_text())
    shipped = json.loads(TUNED.read_text())
    assert found == {task: {"SGD": 0.5 if task == DIGITS else shipped[task]["SGD"]} for task in shipped}


# --- a whole run

def test_every_optimizer_is_in_it():
    assert {choice.name for choice in CHOICES} == {CHOSEN.get(rule.name, (rule.title,))[0] for rule in RULES} - {""}


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


PICTURES = [*demo.CONVERGENCE, *(f"paths-{surface.name}.png" for surface in SURFACES)]


def test_it_says_what_it_wrote(run):
    text, directory = run
    assert text.endswith("".join(f"wrote {directory / name}\n" for name in PICTURES))
    assert sorted(path.name for path in directory.iterdir()) == sorted(PICTURES)


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(run, name):
    pixels = np.round(matplotlib.image.imread(run[1] / name)[..., :3] * 255).astype(int)
    height, width, _ = pixels.shape
    assert height >= 1200 and width >= 2000
    drawn = (pixels < 250).any(axis=2)
    assert 0.02 < drawn.mean() < 0.5
    assert not drawn[:2].any() and not drawn[:, :2].any()                # nothing reaches over an edge
    colours = {tuple(p) for p in pixels.reshape(-1, 3)}
    if name in demo.CONVERGENCE:
        assert all(tuple(int(255 * c + 0.5) for c in matplotlib.colors.to_rgb(c)) in colours
                   for c in plots.COLOURS.values())
    rows = -(-(len(CHOICES) + 1) // plots.COLUMNS)
    panels = [panel for row in np.array_split(drawn, rows) for panel in np.array_split(row, plots.COLUMNS, axis=1)]
    assert all(panel.mean() > 0.02 for panel in [*panels[:len(CHOICES)], panels[-1]])


@pytest.mark.parametrize("title", demo.NETWORKS)
def test_the_best_of_each_column_is_marked(run, title):
    rows = re.findall(r"^\S.*? (\d+\.\d{4})(\*?) +(\d\.\d{4})(\*?) +(\d+\.\d)(\*?) +(\d+)(\*?)$",
                      "\n".join(line.rstrip() for line in run[0].partition(title)[2].splitlines()[:120]), re.MULTILINE)
    rows = rows[:len(CHOICES)]
    assert len(rows) == len(CHOICES)
    for k, pick in enumerate((min, max, min, min)):
        best = pick(float(row[2 * k]) for row in rows)
        assert [bool(row[2 * k + 1]) for row in rows] == [float(row[2 * k]) == best for row in rows]


def test_the_race_shows_every_step(tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "CHOICES", CHOICES[:3])
    assert str(tmp_path / "race.gif") in printed("--animate", "--out", tmp_path)
    with PIL.Image.open(tmp_path / "race.gif") as race:
        assert race.n_frames == STEPS + 1 and race.width > 1000           # alike frames are one that is shown longer
        shown = []
        for step in (0, 20, STEPS):
            race.seek(step)
            shown.append(np.asarray(race.convert("L"), int))
    assert all((a != b).mean() > 0.001 for a, b in pairwise(shown))


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
@pytest.mark.parametrize("choice", CHOICES, ids=TITLES)
def test_paths_go_down(choice, surface):
    points = surface.path(choice)
    assert points.shape == (STEPS + 1, 2) and surface.inside(points)
    # RAdam's first steps are as long as SGD's with momentum, and only short ones stay in the valley of Rosenbrock.
    most = 0.5 if (choice.title, surface.name) == ("RAdam", "rosenbrock") else 0.15
    assert (surface.height(*points.T)[-10:] < most * surface.height(*surface.start)).all()
