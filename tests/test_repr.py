"""How objects show themselves: what matters first, and on a few lines whatever they hold."""
import pickle
from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
import pytest

import numoptim
from numoptim import Parameters, Trainer, lr_scheduler, optimizer
from numoptim.face.names import nearest

SCREEN = 2000           # characters
MANY = {f"layers.{k}.weight": np.zeros(2) for k in range(20_000)}


class Table(HTMLParser):
    """The cells of a page's tables, by row; fails where tags do not match."""

    def __init__(self, page):
        super().__init__()
        self.open, self.rows, self.text = [], [], ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


# --- optimizers

SGD = "momentum=0.0, dampening=0.0, rate_in_velocity=True"


@pytest.mark.parametrize("made, shown", [
    (optimizer.SGD(), f"SGD(learning_rate=0.01, {SGD})"),
    (optimizer.Adam(epsilon=1e-6, wd=0.1),
     "Adam(epsilon=1e-06, wd=0.1, learning_rate=0.001, beta1=0.9, beta2=0.999, amsgrad=False)"),
    (optimizer.AdamW(wd=0.01), "AdamW(learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08, amsgrad=False)"),
    (optimizer.AdamW(wd=0), "AdamW(wd=0.0, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08, amsgrad=False)"),
    (optimizer.RMSProp(centered=True, learning_rate=1),
     "RMSProp(learning_rate=1.0, centered=True, gamma1=0.9, epsilon=1e-08, gamma2=0.9, clip_weights=None, "
     "momentum=0.0, initial=0.0)"),
    (optimizer.SGD(lr_mult={"b": 0}), f"SGD(lr_mult={{'b': 0.0}}, learning_rate=0.01, {SGD})"),
    (optimizer.SGD(lr_scheduler=lr_scheduler.LRScheduler(base_lr=0.5)),
     f"SGD(lr_scheduler={lr_scheduler.LRScheduler(base_lr=0.5)!r}, {SGD})"),
], ids=["usual", "changed", "decay by default", "no decay", "option", "table", "schedule"])
def test_optimizers_show_first_what_is_not_usual(made, shown):
    first, _, rest = repr(made).removesuffix(")").partition("(")
    assert sorted(rest.split(", ")) == sorted(shown.removesuffix(")").partition("(")[2].split(", "))
    assert first == shown.partition("(")[0]
    words = shown.partition("(")[2].split("=")
    assert rest.startswith(words[0])


def test_the_repr_of_an_optimizer_makes_it_anew():
    for name in ("SGD", "Adam", "LAMB", "Ftrl", "LBSGD", "SGLD", "RMSProp"):
        made = optimizer.create(name, learning_rate=0.5, wd=0.25, begin_num_update=3)
        again = eval(repr(made), vars(optimizer) | {name: getattr(optimizer, name)})
        assert repr(again) == repr(made) and again._values == made._values and again.begin_num_update == 3


def test_a_class_in_python_shows_its_own_keywords():
    class Plain(optimizer.Optimizer):
        def __init__(self, damping=0.9, table=None, **keywords):
            super().__init__(**keywords)
            self.damping, self.table = damping, table

    assert repr(Plain()) == "Plain(damping=0.9, table=None, learning_rate=0.01)"
    assert repr(Plain(damping=0.5, wd=1)).startswith("Plain(damping=0.5, wd=1.0, ")
    assert len(repr(Plain(table=np.arange(10_000)))) < SCREEN


def test_schedules_show_what_is_not_usual():
    assert repr(lr_scheduler.CosineScheduler(max_update=9)) == "CosineScheduler(base_lr=0.01, max_update=9)"
    shown = repr(lr_scheduler.PolyScheduler(max_update=9, base_lr=1, warmup_steps=3, pwr=1))
    assert shown == "PolyScheduler(base_lr=1.0, warmup_steps=3, max_update=9, pwr=1.0)"
    assert eval(shown, vars(lr_scheduler)) == lr_scheduler.PolyScheduler(max_update=9, base_lr=1, warmup_steps=3, pwr=1)
    assert len(repr(lr_scheduler.MultiFactorScheduler(step=range(1, 10_000)))) < 200

    @dataclass(frozen=True, kw_only=True)
    class Mine(lr_scheduler.LRScheduler):
        speed: float = 2.0

    assert repr(Mine(speed=3)) == "Mine(base_lr=0.01, speed=3.0)"
    assert "lr_scheduler=Mine(base_lr=0.01, speed=3.0)" in repr(optimizer.SGD(lr_scheduler=Mine(speed=3)))


# --- what holds many

def test_thousands_of_parameters_fit_a_screen():
    params = Parameters(MANY)
    trainer = Trainer(params, "adam", {"lr_mult": dict.fromkeys(MANY, 0.5)})
    for shown in (params, params.grad, trainer, trainer.optimizer, trainer.slots["m"]):
        assert 0 < len(repr(shown)) < SCREEN
    assert "layers.0.weight: (2,), layers.1.weight: (2,)" in repr(params) and "(20,000 in all)" in repr(params)
    for shown in (params, params.grad, trainer):
        assert len(shown._repr_html_()) < 2 * SCREEN and "(20,000 in all)" in Table(shown._repr_html_()).text


def test_messages_about_thousands_of_parameters_fit_a_screen():
    params, other = Parameters(MANY), Parameters({f"x{name}": array for name, array in MANY.items()})
    sgd = optimizer.SGD()
    trainer = Trainer(params, sgd)
    for call in (
        lambda: params["zzz"],
        lambda: trainer.step(grads={}),
        lambda: trainer.step(grads={**MANY, "zzz": 1.0}),
        lambda: sgd.set_lr_mult({"zzz": 0.5}),
        lambda: Trainer(other, sgd),
        lambda: Parameters({**MANY, "x": np.zeros(2, np.float32)}),
        lambda: Parameters({key: x.astype("f4" if key.endswith("7.weight") else "f8") for key, x in MANY.items()}),
    ):
        with pytest.raises((KeyError, ValueError, TypeError)) as error:
            call()
        assert 20 < len(str(error.value)) < SCREEN


def test_messages_of_files_fit_a_screen(tmp_path):
    Trainer(Parameters(MANY), "sgd").save_states(tmp_path / "states")
    other = Trainer(Parameters({f"x{name}": array for name, array in MANY.items()}), "sgd")
    for missing in (None, "new"):
        with pytest.raises(ValueError) as error:
            other.load_states(tmp_path / "states", missing=missing)
        assert len(str(error.value)) < SCREEN


def test_the_nearest_of_thousands_is_found():
    assert nearest("layers.777.weigth", MANY) == "; did you mean 'layers.777.weight'?"
    assert nearest("layer.777.weight", MANY) == "; did you mean 'layers.777.weight'?"
    assert nearest("Layers.19999.weight ", MANY) == "; did you mean 'layers.19999.weight'?"
    assert nearest("zzz", ["alpha", "beta"]) == "; known: alpha, beta"


# --- pages

def test_pages_escape_what_users_name():
    class Evil(optimizer.Optimizer):
        """Its table has markup in it."""

    name = "<script>alert('&')</script>"
    params = Parameters({name: np.zeros((2, 3)), "b": np.zeros(())})
    trainer = Trainer(params, optimizer.SGD(lr_mult={name: 0.5}))
    for page in (params._repr_html_(), trainer._repr_html_()):
        assert "<script" not in page
        table = Table(page)
        assert table.rows == [["name", "shape", "elements"], [name, "(2, 3)", "6"], ["b", "()", "1"]]
    assert "SGD(" in table.text and "0 updates" in table.text and "7 elements, float64 on cpu" in table.text


# --- the rest

def test_trainers_and_states():
    params = Parameters({"w": np.ones((2, 3)), "b": np.ones(1)})
    trainer = Trainer(params, "adam", {"beta1": 0.5})
    trainer.step(grads={"w": np.ones((2, 3)), "b": np.ones(1)})
    assert repr(trainer) == f"<Trainer: {trainer.optimizer!r}, 1 updates of 2 parameters, 7 elements, float64 on cpu>"
    assert repr(params) == "<Parameters float64 {w: (2, 3), b: (1,)}>"
    assert repr(params.grad) == "<Views float64 {w: (2, 3), b: (1,)}>"
    assert repr(optimizer.Adam().create_state(0, params["w"])) == "<State of adam: m, v, t=0>"


def test_kernels_show_what_they_take():
    assert "kernel('adam', float32)(w, g, m, v, hyper, t)" in repr(numoptim.kernel("adam"))
    assert "kernel('lamb', float64)(offsets, w, g, m, v, hyper, t)" in repr(numoptim.kernel("lamb", np.float64))


def test_records_of_hyper_parameters_show_names():
    record = numoptim.hyper("sgd_momentum", momentum=0.5, learning_rate=1)
    assert repr(record) == "hyper(learning_rate=1.0, momentum=0.5, wd=0.0, rescale_grad=1.0, clip_gradient=inf)"
    record["momentum"] = 0.25
    assert "momentum=0.25" in repr(record) and repr(pickle.loads(pickle.dumps(record))) == repr(record)
    from numba import njit, typeof
    assert typeof(record) == typeof(np.zeros(1, record.dtype)[0])
    assert njit(lambda h: h.momentum)(record) == 0.25


# --- what users bring must not make it fail

class Stubborn:
    """Equal to nothing in one word, as a tensor of several elements is, and without a repr."""

    def __eq__(self, other):
        return self

    __hash__ = None

    def __bool__(self):
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")

    def __repr__(self):
        raise RuntimeError("no")


def refusing(n):
    raise RuntimeError(f"not for {n}")


@pytest.mark.parametrize("schedule", [
    lambda n: 0.01 / n**0.25, lambda n: lr_scheduler.CosineScheduler(50, 0.1)(n - 1), refusing, lambda n: "x",
], ids=["power", "behind", "raises", "no number"])
def test_schedules_are_not_asked(schedule):
    trainer = Trainer(Parameters({"w": np.ones(2)}), optimizer.SGD(lr_scheduler=schedule))
    assert "lr_scheduler=<function" in repr(trainer.optimizer) and "learning_rate" not in repr(trainer.optimizer)
    assert repr(trainer.optimizer) in repr(trainer) and "SGD(" in Table(trainer._repr_html_()).text


def test_attributes_of_any_kind():
    class Plain(optimizer.Optimizer):
        def __init__(self, table=None, other=3, **keywords):
            super().__init__(**keywords)
            self.table, self._other = table, other

        @property
        def other(self):
            raise RuntimeError("not yet")

    assert "Plain(table=<Stubborn instance at" in repr(Plain(Stubborn()))
    assert "table=array([1., 1.])" in repr(Plain(np.ones(2)))
    assert "Pair(base_lr=0.01, steps=<Stubborn instance at" in repr(Pair(steps=Stubborn()))


@dataclass(frozen=True, kw_only=True)
class Pair(lr_scheduler.LRScheduler):
    steps: object = ()


def test_an_optimizer_that_is_not_made_yet():
    class Early(optimizer.Optimizer):
        def __init__(self, damping=0.5):
            self.damping = damping
            self.shown = repr(self)

    assert Early().shown == "Early(damping=0.5)"
    assert repr(object.__new__(optimizer.Adam)) == "Adam()"


def test_names_are_shown_on_one_line():
    names = ["a\nb\t\x1b[31m", "long" * 1000, "größe"]
    params = Parameters({name: np.ones(2) for name in names})
    assert repr(params).startswith(r"<Parameters float64 {a\nb\t\x1b[31m: (2,), longlong")
    assert "longlo...nglong" in repr(params) and "größe: (2,)" in repr(params) and len(repr(params)) < 200
    cells = [row[0] for row in Table(params._repr_html_()).rows[1:]]
    assert cells[0] == r"a\nb\t\x1b[31m" and len(cells[1]) < 70 and cells[2] == "größe"
