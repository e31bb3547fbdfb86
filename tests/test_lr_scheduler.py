"""Schedules: formulas, purity, validation, and how an optimizer takes them."""
import copy
import inspect
import json
import math
import pickle
from dataclasses import MISSING, FrozenInstanceError, asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest
from peer_calls import ask

from numoptim import Parameters, Trainer, optimizer
from numoptim import lr_scheduler as schedules
from numoptim.lr_scheduler import (
    ConstantScheduler,
    CosineRestartScheduler,
    CosineScheduler,
    CyclicScheduler,
    ExponentialScheduler,
    FactorScheduler,
    InverseSqrtScheduler,
    InverseTimeScheduler,
    LinearScheduler,
    LRScheduler,
    MultiFactorScheduler,
    OneCycleScheduler,
    PiecewiseScheduler,
    PolyScheduler,
    WSDScheduler,
)

WARM = {"warmup_steps": 5, "warmup_begin_lr": 0.01}


# The formulas once more, from the definition of each schedule: n the update, b the base, k the warm-up's length.

def factor(n, b, k):
    return max(b * 0.5 ** ((n - 1) // 4 if n >= 1 else 0), 0.02)


def multi_factor(n, b, k):
    for boundary in (6, 9, 20):
        if n > boundary:
            b = b * 0.25
    return b


def poly(n, b, k):
    return 0.001 + (b - 0.001) * (1 - (n - k) / (15 - k)) ** 1.5 if n < 15 else 0.001


def cosine(n, b, k):
    return 0.001 + (b - 0.001) * (1 + math.cos(math.pi * (n - k) / (15 - k))) / 2 if n < 15 else 0.001


def wsd(shape):
    return lambda n, b, k: 0.001 + (b - 0.001) * float(shape(np.clip((n - 11) / 4, 0, 1)))


def restarts(n, b, k):
    lengths = [4] if n <= k + 4 else [4, 8] if n <= k + 12 else [4, 8, 16]
    return 0.001 + (b - 0.001) * (1 + math.cos(math.pi * max(n - k - 1 - sum(lengths[:-1]), 0) / lengths[-1])) / 2


def triangles(scale):
    def formula(n, b, k):
        t = max(n - k - 1, 0)
        return b + (0.7 - b) * float(np.interp(t % 7, [0, 3, 7], [0, 1, 0])) * scale(t)
    return formula


SCHEDULES = [
    (LRScheduler, {}, lambda n, b, k: b),
    (ConstantScheduler, {}, lambda n, b, k: b),
    (ExponentialScheduler, {"step": 4, "factor": 0.5}, lambda n, b, k: b / 2 ** ((n - k) / 4)),
    (InverseTimeScheduler, {"step": 4, "factor": 2}, lambda n, b, k: 4 * b / (4 + 2 * (n - k))),
    (LinearScheduler, {"max_update": 15, "final_lr": 0.001},
     lambda n, b, k: float(np.interp(n, [k, 15], [b, 0.001]))),
    (WSDScheduler, {"max_update": 15, "decay_steps": 4, "final_lr": 0.001}, wsd(lambda p: 1 - p)),
    (WSDScheduler, {"max_update": 15, "decay_steps": 4, "final_lr": 0.001, "decay": "sqrt"}, wsd(lambda p: 1 - p**0.5)),
    (WSDScheduler, {"max_update": 15, "decay_steps": 4, "final_lr": 0.001, "decay": "cosine"},
     wsd(lambda p: np.cos(np.pi / 2 * p)**2)),
    (CosineRestartScheduler, {"period": 4, "period_factor": 2, "final_lr": 0.001}, restarts),
    (CyclicScheduler, {"step_up": 3, "max_lr": 0.7, "step_down": 4}, triangles(lambda t: 1)),
    (CyclicScheduler, {"step_up": 3, "max_lr": 0.7, "step_down": 4, "mode": "triangular2"},
     triangles(lambda t: 0.5 ** (t // 7))),
    (CyclicScheduler, {"step_up": 3, "max_lr": 0.7, "step_down": 4, "mode": "exp_range", "gamma": 0.9},
     triangles(lambda t: 0.9**t)),
    (FactorScheduler, {"step": 4, "factor": 0.5, "stop_factor_lr": 0.02}, factor),
    (MultiFactorScheduler, {"step": [6, 9, 20], "factor": 0.25}, multi_factor),
    (PolyScheduler, {"max_update": 15, "pwr": 1.5, "final_lr": 0.001}, poly),
    (CosineScheduler, {"max_update": 15, "final_lr": 0.001}, cosine),
]
each_schedule = pytest.mark.parametrize("cls, keywords, formula", SCHEDULES, ids=lambda x: getattr(x, "__name__", ""))


@each_schedule
@pytest.mark.parametrize("mode", ["no warm-up", "linear", "constant"])
def test_formulas(cls, keywords, formula, mode):
    warm = {} if mode == "no warm-up" else {**WARM, "warmup_mode": mode}
    schedule, steps = cls(base_lr=0.3, **keywords, **warm), 5 if warm else 0
    expected = {}
    for n in range(25):
        if n >= steps:
            expected[n] = formula(n, 0.3, steps)
        else:
            expected[n] = 0.01 + (0.3 - 0.01) * n / 5 if mode == "linear" else 0.01
        assert schedule(n) == pytest.approx(expected[n], rel=1e-14)
    for n in (24, 3, 3, 0, 11):                     # pure: in any order, and as often as one likes
        assert schedule(n) == pytest.approx(expected[n], rel=1e-14)
    assert schedule == cls(base_lr=0.3, **keywords, **warm) and schedule(7) == cls(base_lr=0.3, **keywords, **warm)(7)


@pytest.mark.parametrize("schedule, rates", [
    (FactorScheduler(2, 0.5, 1e-8, 1.0), {1: 1, 2: 1, 3: 0.5, 4: 0.5, 5: 0.25, 101: 1e-8}),
    (FactorScheduler(2, base_lr=1.0), {1: 1, 100: 1}),
    (MultiFactorScheduler([2, 3], 0.5, 1.0), {1: 1, 2: 1, 3: 0.5, 4: 0.25, 100: 0.25}),
    (PolyScheduler(4, base_lr=1.0), {1: 0.5625, 2: 0.25, 3: 0.0625, 4: 0, 100: 0}),
    (PolyScheduler(4, 1.0, 1, 0.5), {1: 0.875, 4: 0.5, 5: 0.5}),
    (CosineScheduler(4, base_lr=1.0), {2: 0.5, 4: 0, 5: 0}),
    (CosineScheduler(6, 1.0, 0.5, 2), {0: 0, 1: 0.5, 2: 1, 4: 0.75, 6: 0.5, 7: 0.5}),
    (LRScheduler(1.0, 4, 0.5), {0: 0.5, 1: 0.625, 3: 0.875, 4: 1, 5: 1}),
    (LRScheduler(), {1: 0.01}),
    (ConstantScheduler(1.0, 4), {1: 0.25, 4: 1, 9: 1}),
    (ExponentialScheduler(2, 0.25, 1.0), {0: 1, 1: 0.5, 2: 0.25, 3: 0.125}),
    (InverseTimeScheduler(2, 1, 1.0), {0: 1, 2: 0.5, 6: 0.25}),
    (InverseSqrtScheduler(4, 1.0), {1: 0.25, 3: 0.75, 4: 1, 16: 0.5, 64: 0.25}),
    (InverseSqrtScheduler(4, 1.0, 0.5), {0: 0.5, 2: 0.75, 4: 1, 400: 0.1}),
    (LinearScheduler(4, 1.0, 0.5), {0: 1, 1: 0.875, 4: 0.5, 9: 0.5}),
    (WSDScheduler(8, 4, 1.0, 0.5, "linear", 2), {0: 0, 1: 0.5, 2: 1, 4: 1, 5: 0.875, 8: 0.5, 9: 0.5}),
    (WSDScheduler(8, 4, 1.0, 0, "sqrt"), {1: 1, 4: 1, 5: 0.5, 8: 0}),
    (WSDScheduler(8, 4, 1.0, 0, "cosine"), {1: 1, 4: 1, 6: 0.5, 8: 0}),
    (WSDScheduler(4, 4, 1.0), {0: 1, 1: 0.75, 4: 0}),
    (OneCycleScheduler(9, 1.0, 5 / 9, 4, 2, "linear"), {1: 0.25, 3: 0.625, 5: 1, 7: 0.5625, 9: 0.125, 99: 0.125}),
    (OneCycleScheduler(9, 1.0, 5 / 9, 4, 2), {0: 0.25, 1: 0.25, 3: 0.625, 5: 1, 7: 0.5625, 9: 0.125}),
    (OneCycleScheduler(9, 1.0, 1 / 3, 4, 2, "linear", True), {1: 0.25, 2: 0.625, 3: 1, 4: 0.625, 5: 0.25, 7: 0.1875}),
    (CosineRestartScheduler(2, 1.0, 2), {1: 1, 2: 0.5, 3: 1, 5: 0.5, 7: 1, 11: 0.5, 15: 1}),
    (CosineRestartScheduler(2, 1.0, 1, 0.5, 2), {1: 0.5, 2: 1, 3: 1, 4: 0.75, 5: 1, 6: 0.75}),
    (CyclicScheduler(2, 1.0, 0.5, 1), {1: 0.5, 2: 0.75, 3: 1, 4: 0.5, 6: 1}),
    (CyclicScheduler(2, 1.0, 0.0, mode="triangular2"), {1: 0, 3: 1, 5: 0, 7: 0.5, 11: 0.25}),
    (CyclicScheduler(1, 1.0, 0.0, None, "exp_range", 0.5), {1: 0, 2: 0.5, 3: 0, 4: 0.125}),
    (PiecewiseScheduler({8: 0, 2: 1.0, 4: 0.5}), {0: 1, 2: 1, 3: 0.75, 4: 0.5, 6: 0.25, 8: 0, 9: 0}),
    (PiecewiseScheduler([(2, 1.0), (4, 0.5)], "constant"), {1: 1, 3: 1, 4: 0.5, 9: 0.5}),
], ids=repr)
def test_rates_one_can_check_by_hand(schedule, rates):
    assert {n: schedule(n) for n in rates} == pytest.approx(rates, abs=1e-16)


@pytest.mark.parametrize("schedule, base", [
    (LRScheduler(), 0.01), (FactorScheduler(3), 0.01), (MultiFactorScheduler([3]), 0.01), (PolyScheduler(3), 0.01),
    (CosineScheduler(3), 0.01),
], ids=repr)
def test_defaults(schedule, base):
    expected = {"base_lr": base, "warmup_steps": 0, "warmup_begin_lr": 0, "warmup_mode": "linear", "factor": 1,
                "stop_factor_lr": 1e-8, "pwr": 2, "final_lr": 0}
    for field in fields(schedule):
        if field.name in expected:
            assert getattr(schedule, field.name) == expected[field.name]


def test_a_schedule_cannot_be_changed():
    schedule = MultiFactorScheduler([2, 3])
    with pytest.raises(FrozenInstanceError):
        schedule.base_lr = 1.0
    steps = [2, 5]
    schedule = MultiFactorScheduler(steps, 0.5, base_lr=1.0)
    steps[0] = 100
    assert schedule(3) == 0.5


@pytest.mark.parametrize("make, message", [
    (lambda: PolyScheduler(10, warmup_steps=10), "warmup_steps=10 is not below max_update=10"),
    (lambda: CosineScheduler(10, warmup_steps=11), "warmup_steps=11 is not below max_update=10"),
    (lambda: PolyScheduler(0), "max_update=0: expected at least 1"),
    (lambda: PolyScheduler(10, pwr=0), "pwr=0.*: expected above 0"),
    (lambda: PolyScheduler(10, pwr=-1), "pwr=-1.*: expected above 0"),
    (lambda: PolyScheduler(10, final_lr=-1), "final_lr=-1.* is negative"),
    (lambda: CosineScheduler(10, final_lr=-0.5), "final_lr=-0.5 is negative"),
    (lambda: CosineScheduler(10, final_lr=math.inf), "final_lr=inf is out of range"),
    (lambda: FactorScheduler(0), "step=0: expected at least 1"),
    (lambda: FactorScheduler(3, factor=1.1), r"factor=1.1: expected \(0, 1\]"),
    (lambda: FactorScheduler(3, factor=0), "factor=0.*: expected"),
    (lambda: FactorScheduler(3, stop_factor_lr=-1), "stop_factor_lr=-1.* is negative"),
    (lambda: MultiFactorScheduler([5, 5]), r"step=\[5, 5\]: expected increasing"),
    (lambda: MultiFactorScheduler([5, 3]), "expected increasing"),
    (lambda: MultiFactorScheduler([]), r"step=\[\]"),
    (lambda: MultiFactorScheduler([0, 3]), "step=0 is out of range"),
    (lambda: MultiFactorScheduler([1, 3], factor=1.5), "factor=1.5: expected"),
    (lambda: LRScheduler(base_lr=-1), "base_lr=-1.* is negative"),
    (lambda: LRScheduler(base_lr=math.nan), "base_lr=nan is out of range"),
    (lambda: LRScheduler(base_lr=math.inf), "base_lr=inf is out of range"),
    (lambda: LRScheduler(warmup_steps=-1), "warmup_steps=-1 is negative"),
    (lambda: LRScheduler(warmup_begin_lr=-0.1), "warmup_begin_lr=-0.1 is negative"),
    (lambda: LRScheduler(base_lr=0.1, warmup_begin_lr=0.2), "warmup_begin_lr=0.2 is above base_lr=0.1"),
    (lambda: LRScheduler(warmup_mode="quadratic"), "warmup_mode='quadratic': expected 'linear' or 'constant'"),
    (lambda: ExponentialScheduler(0, 0.5), "step=0: expected at least 1"),
    (lambda: ExponentialScheduler(1, 1.5), r"factor=1.5: expected \(0, 1\]"),
    (lambda: InverseTimeScheduler(0, 0.5), "step=0: expected at least 1"),
    (lambda: InverseTimeScheduler(1, -1), "factor=-1.0: expected above 0"),
    (lambda: InverseSqrtScheduler(0), "warmup_steps=0: expected at least 1"),
    (lambda: WSDScheduler(9, 0), "decay_steps=0: expected at least 1"),
    (lambda: WSDScheduler(9, 5, warmup_steps=5), "warmup_steps=5 and decay_steps=5 are together above max_update=9"),
    (lambda: WSDScheduler(9, 5, decay="exp"), "decay='exp': expected 'linear' or 'sqrt' or 'cosine'"),
    (lambda: OneCycleScheduler(0), "max_update=0: expected at least 1"),
    (lambda: OneCycleScheduler(9, -1), "base_lr=-1.0 is negative"),
    (lambda: OneCycleScheduler(9, pct_start=1.5), r"pct_start=1.5: expected \[0, 1\]"),
    (lambda: OneCycleScheduler(9, pct_start=0.7, three_phase=True), r"pct_start=0.7: expected \[0, 0.5\]"),
    (lambda: OneCycleScheduler(9, div_factor=0.5), "div_factor=0.5: expected at least 1"),
    (lambda: OneCycleScheduler(9, final_div_factor=0), "final_div_factor=0.0: expected above 0"),
    (lambda: OneCycleScheduler(9, anneal="cos"), "anneal='cos': expected 'cosine' or 'linear'"),
    (lambda: OneCycleScheduler(9, three_phase="no"), "three_phase='no': expected True or False"),
    (lambda: CosineRestartScheduler(0), "period=0: expected at least 1"),
    (lambda: CosineRestartScheduler(9, period_factor=0), "period_factor=0: expected at least 1"),
    (lambda: CosineRestartScheduler(9, final_lr=-1), "final_lr=-1.0 is negative"),
    (lambda: CyclicScheduler(0, 0.1), "step_up=0: expected at least 1"),
    (lambda: CyclicScheduler(9, 0.1, 0.2), "max_lr=0.1 is below base_lr=0.2"),
    (lambda: CyclicScheduler(9, 0.1, step_down=0), "step_down=0 is out of range"),
    (lambda: CyclicScheduler(9, 0.1, mode="square"), "mode='square': expected 'triangular' or"),
    (lambda: CyclicScheduler(9, 0.1, mode="exp_range", gamma=2), r"gamma=2.0: expected \(0, 1\]"),
    (lambda: CyclicScheduler(9, 0.1, gamma=0.5), "gamma=0.5 goes with mode='exp_range'"),
    (lambda: PiecewiseScheduler({}), r"points=\[\]: expected rates of different update numbers"),
    (lambda: PiecewiseScheduler([(1, 0.1), (1, 0.2)]), "expected rates of different update numbers"),
    (lambda: PiecewiseScheduler({-1: 0.1}), "points=-1 is out of range"),
    (lambda: PiecewiseScheduler({1: -0.1}), "points=-0.1 is out of range"),
    (lambda: PiecewiseScheduler({1: 0.1}, "cubic"), "interpolation='cubic': expected 'linear' or 'constant'"),
])
def test_values_that_contradict_each_other(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("make, message", [
    (lambda: LRScheduler(base_lr="0.1"), "base_lr='0.1': expected a number"),
    (lambda: LRScheduler(base_lr=None), "base_lr=None: expected a number"),
    (lambda: LRScheduler(warmup_steps=1.5), "warmup_steps=1.5: expected an integer"),
    (lambda: PolyScheduler(10.5), "max_update=10.5: expected an integer"),
    (lambda: FactorScheduler(2.5), "step=2.5: expected an integer"),
    (lambda: MultiFactorScheduler([2.5]), "step=2.5: expected an integer"),
    (lambda: FactorScheduler(3, factor="half"), "factor='half': expected a number"),
    (lambda: FactorScheduler(), "step"),
    (lambda: FactorScheduler(3, base=0.1), "base"),
    (lambda: CosineRestartScheduler(9, period_factor=1.5), "period_factor=1.5: expected an integer"),
    (lambda: CyclicScheduler(9, 0.1, step_down=1.5), "step_down=1.5: expected an integer"),
    (lambda: PiecewiseScheduler({1.5: 0.1}), "points=1.5: expected an integer"),
    (lambda: PiecewiseScheduler({1: "fast"}), "points='fast': expected a number"),
    (lambda: WSDScheduler(9), "decay_steps"),
    (lambda: InverseSqrtScheduler(), "warmup_steps"),
])
def test_values_of_another_type(make, message):
    with pytest.raises(TypeError, match=message):
        make()


# --- by position, and copies

REST = (4, 0.1, "constant")                     # warmup_steps, warmup_begin_lr, warmup_mode
EVERY_POSITION = {
    "FactorScheduler": (3, 0.5, 0.002, 0.3, *REST), "MultiFactorScheduler": ([6, 9, 20], 0.25, 0.3, *REST),
    "PolyScheduler": (15, 0.3, 1.5, 0.001, *REST), "CosineScheduler": (15, 0.3, 0.001, *REST)}
BY_POSITION = [f"{name}({', '.join(map(repr, given[:k]))})"
               for name, given in EVERY_POSITION.items() for k in range(1, len(given) + 1)]
COUNT = 25
CLASSES = ["LRScheduler", *EVERY_POSITION]
RECORDED = Path(__file__).parent / "data" / "peers.npz"


def mxnet(what, **question):
    """MXNet's answer: of the one at hand, or as recorded."""
    return ask("MXNet", **question) or json.loads(str(np.load(RECORDED)[what]))


def test_arguments_have_mxnets_order_names_and_defaults():
    theirs = mxnet("signatures", signatures=CLASSES)
    for name in CLASSES:
        own = inspect.signature(getattr(schedules, name)).parameters.values()
        assert [(p.name, "required" if p.default is p.empty else p.default) for p in own] == list(theirs[name].items())


def test_every_call_by_position_gives_mxnets_rates():
    theirs = mxnet("rates", rates=BY_POSITION, count=COUNT)
    for call in BY_POSITION:
        schedule = eval(call, vars(schedules).copy())
        assert [schedule(n) for n in range(COUNT)] == pytest.approx(theirs[call], rel=1e-14, abs=1e-17), call


@pytest.mark.parametrize("name", [cls.__name__ for cls in schedules.FORESEEN])
def test_fields_and_arguments_have_the_same_defaults(name):
    """Written twice, since a user's dataclass takes them from the fields."""
    cls = getattr(schedules, name)
    arguments = inspect.signature(cls).parameters
    required = {"warmup_steps"} if cls is InverseSqrtScheduler else set()
    assert {field.name: field.default for field in fields(cls) if field.name not in required} == {
        key: MISSING if p.default is p.empty else p.default for key, p in arguments.items() if key not in required}
    assert {field.name for field in fields(cls)} == set(arguments)


@each_schedule
def test_copies_are_equal(cls, keywords, formula):
    schedule = cls(base_lr=0.3, **keywords, **WARM)
    for twin in (copy.copy(schedule), copy.deepcopy(schedule), pickle.loads(pickle.dumps(schedule)), replace(schedule),
                 cls(**asdict(schedule)), eval(repr(schedule), vars(schedules).copy())):
        assert twin == schedule and hash(twin) == hash(schedule) and twin(7) == schedule(7)
    half = replace(schedule, base_lr=0.15)
    assert asdict(half) == {**asdict(schedule), "base_lr": 0.15}


class Stairs(CosineScheduler):
    def rate(self, num_update):
        return super().rate(num_update // 4 * 4)


@dataclass(frozen=True)
class Pulse(LRScheduler):
    period: int
    low: float = 0.0

    def rate(self, num_update):
        return self.low if num_update % self.period else self.base_lr


@dataclass(frozen=True)
class Rising(PolyScheduler):
    end: float = 1.0

    def rate(self, num_update):
        return self.end - super().rate(num_update)


@pytest.mark.parametrize("schedule, rates", [
    (Stairs(8, 0.4), {1: 0.4, 3: 0.4, 4: 0.2, 9: 0}),
    (Pulse(3, 0.1, base_lr=0.5, warmup_steps=2), {0: 0, 1: 0.25, 2: 0.1, 3: 0.5}),
    (Pulse(period=2), {1: 0, 2: 0.01}),
    (Rising(max_update=4, base_lr=0.5), {0: 0.5, 2: 0.875, 4: 1}),
    (Rising(0.75, max_update=4, base_lr=0.5), {4: 0.75}),
], ids=repr)
def test_subclasses(schedule, rates):
    assert {n: schedule(n) for n in rates} == pytest.approx(rates)
    twin = pickle.loads(pickle.dumps(schedule))
    assert twin == schedule and type(replace(schedule, base_lr=0.25)) is type(schedule)
    assert optimizer.SGD(lr_scheduler=schedule, learning_rate=0.25).lr_scheduler.base_lr == 0.25


def test_a_dataclass_takes_its_bases_fields_by_keyword():
    """By position they would have another order than its base's."""
    with pytest.raises(TypeError, match="positional argument"):
        Rising(0.75, 4, 0.5)


# --- beside an optimizer

@pytest.mark.parametrize("by_name", [False, True])
def test_an_explicit_learning_rate_becomes_the_base_of_a_copy(by_name):
    schedule = PolyScheduler(10, base_lr=0.5)
    opt = optimizer.create("adam", learning_rate=0.25, lr_scheduler=schedule) if by_name else \
        optimizer.Adam(learning_rate=0.25, lr_scheduler=schedule)
    assert opt.lr_scheduler == PolyScheduler(10, base_lr=0.25) and opt.lr_scheduler is not schedule
    assert schedule == PolyScheduler(10, base_lr=0.5) and schedule(1) == 0.5 * 0.81
    assert opt.learning_rate == 0.25 * 0.81


@pytest.mark.parametrize("name", ["adam", "sgd", "adadelta", "ftrl"])       # whose default rates differ
def test_a_default_learning_rate_does_not(name):
    schedule = FactorScheduler(1, factor=0.5, base_lr=0.75)
    opt = optimizer.create(name, lr_scheduler=schedule)
    assert opt.lr_scheduler is schedule and opt.learning_rate == 0.75
    assert optimizer.create(name, lr_scheduler=schedule, learning_rate=None).learning_rate == 0.75


def test_two_optimizers_can_share_a_schedule():
    schedule = FactorScheduler(1, factor=0.5, base_lr=1.0)
    first, second = (Trainer(Parameters({"w": np.zeros(1)}), "sgd", {"lr_scheduler": schedule}) for _ in range(2))
    for _ in range(3):
        first.step(1, grads={"w": [1]})
    second.step(1, grads={"w": [1]})
    assert first.params["w"] == -1.75 and second.params["w"] == -1 and first.learning_rate == 0.25


@pytest.mark.parametrize("keywords, error, message", [
    ({"lr_scheduler": 0.1}, TypeError, "lr_scheduler=0.1: expected a function"),
    ({"lr_scheduler": lambda n: 0.1, "learning_rate": 0.1}, ValueError, "beside an lr_scheduler that has no base_lr"),
    ({"lr_scheduler": PolyScheduler(3), "learning_rate": -0.1}, ValueError, r"learning_rate=-0.1 .*\[0, inf\)"),
    ({"lr_scheduler": LRScheduler(base_lr=1, warmup_begin_lr=0.5), "learning_rate": 0.1}, ValueError, "0.5 is above"),
])
def test_what_an_optimizer_refuses(keywords, error, message):
    with pytest.raises(error, match=message):
        optimizer.SGD(**keywords)


def test_micro_steps_are_counted():
    """LBSGD applies its sum on every third call: with the rate of that call."""
    seen, w = [], np.zeros(1)
    opt = optimizer.LBSGD(batch_scale=3, lr_scheduler=lambda n: seen.append(n) or float(n), warmup_epochs=0)
    state = opt.create_state(0, w)
    for _ in range(6):
        opt.update(0, w, np.ones(1), state)
    assert sorted(set(seen)) == [1, 2, 3, 4, 5, 6]
    assert w[0] == pytest.approx(-(3 + 6) * 3)       # the mean gradient is 1, the warmed-up rate batch_scale * n


@pytest.mark.parametrize("begin", [0, 7])
def test_the_learning_rate_before_the_first_step_is_that_of_the_first(begin):
    """Schedules are asked of no update before 1, where they need not be defined."""
    asked = []

    def schedule(n):
        asked.append(n)
        return 1 / (n - begin)**0.25

    class Plain(optimizer.Optimizer):
        def create_state(self, index, weight):
            return self._get_lr(index)

        def update(self, index, weight, grad, state):
            self._update_count(index)
            weight -= self._get_lr(index) * grad

    for cls in (optimizer.SGD, Plain):
        trainer = Trainer(Parameters({"w": np.zeros(1)}), cls(lr_scheduler=schedule, begin_num_update=begin))
        assert trainer.learning_rate == trainer.optimizer.learning_rate == 1
        trainer.step(grads={"w": [1.0]})
        assert trainer.learning_rate == 1 and trainer.params["w"] == -1
        trainer.step(grads={"w": [1.0]})
        assert trainer.learning_rate == 1 / 2**0.25
    assert set(asked) == {begin + 1, begin + 2} and trainer._state == [1]


def test_a_schedule_is_asked_once_for_a_list():
    """And for each update number in it."""
    calls = []
    opt, arrays = optimizer.SGD(lr_scheduler=lambda n: calls.append(n) or 0.1), [np.zeros(2) for _ in range(5)]
    states = [opt.create_state(k, w) for k, w in enumerate(arrays)]
    lists = list(range(5)), arrays, [np.ones(2) for _ in range(5)], states
    opt.update(*lists)
    assert calls == [1]
    opt.update(*(each[:2] for each in lists))
    opt.update(*lists)
    assert calls[1:] == [2, 3, 2] and [state.t for state in states] == [3, 3, 2, 2, 2]
