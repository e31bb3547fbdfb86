"""Optimizers by class and by name: construction, defaults, and ``update`` on any arrays.

CASES, every class and every option that chooses a rule, drives the tests of trainers, files, errors and threads too.
GUIDE is of the classes of Apache MXNet's guide; what it does not know is asked of the rules.
"""
import ast
import inspect
import math

import numpy as np
import pytest

from numoptim import optimizer
from numoptim.lr_scheduler import FactorScheduler
from numoptim.rule.hyperparameters import Interval
from numoptim.rules import RULES

SMALL_EPOCHS = {"warmup_epochs": 2, "updates_per_epoch": 4}
GUIDE = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.8}),
    ("SGD", {"momentum": 0.8, "dampening": 0.25, "rate_in_velocity": False}),
    ("NAG", {"momentum": 0.8}),
    ("NAG", {"momentum": 0.8, "rate_in_velocity": False}),
    ("AdaGrad", {"eps": 1e-5}),
    ("RMSProp", {"clip_weights": 0.9}),
    ("RMSProp", {"momentum": 0.8, "initial": 0.1}),
    ("RMSProp", {"centered": True, "gamma2": 0.7}),
    ("AdaDelta", {"rho": 0.8}),
    ("Adam", {"beta1": 0.8}),
    ("Adam", {"amsgrad": True}),
    ("Adamax", {}),
    ("Nadam", {"schedule_decay": 0.01}),
    ("Signum", {"wd_lh": 0.02}),
    ("Signum", {"momentum": 0.0}),
    ("LBSGD", {"momentum": 0.8, "batch_scale": 3, **SMALL_EPOCHS}),
    ("LBSGD", {"warmup_strategy": "power2", "batch_scale": 2, "begin_epoch": 1, **SMALL_EPOCHS}),
    ("LBSGD", {"warmup_strategy": "sqrt"}),
    ("LBSGD", {"warmup_strategy": "lars", "momentum": 0.5, "batch_scale": 2}),
    ("LARS", {"momentum": 0.9, "eta": 0.1}),
    ("LAMB", {}),
    ("LAMB", {"lower_bound": 0.5, "upper_bound": 3.0, "bias_correction": False}),
    ("DCASGD", {"lamda": 0.3}),
    ("DCASGD", {"momentum": 0.8}),
    ("Ftrl", {"beta": 0.5}),
    ("Ftrl", {"warm_start": True}),
    ("FTML", {}),
    ("SGLD", {"seed": 7, "n_data": 3.0}),
]
GUIDED = {name for name, _ in GUIDE}
STARTS = {"Prodigy": {"d0": 0.1}}              # whose steps are else too small to be seen
OTHERS = [
    ("AdamW", {}),
    ("AdamW", {"amsgrad": True}),
    ("Rprop", {}),
    ("SGDScheduleFree", {"beta": 0.8}),
    ("AdamWScheduleFree", {"weight_power": 1.0}),
    *((rule.title, STARTS.get(rule.title, {})) for rule in RULES if rule.title not in ("", *GUIDED)),
]
CASES = [*GUIDE, *OTHERS]
NAMES = sorted({name for name, _ in CASES})
COMMON = {"learning_rate": 0.05, "wd": 0.01, "rescale_grad": 0.5, "clip_gradient": 0.7}
REFUSED = {"Rprop": ("wd", "lr_scheduler")}
SHAPES = {"w": (3, 5), "b": (), "none": (0, 2), "v": (7,)}

each_name = pytest.mark.parametrize("name", NAMES)
IDS = ["-".join([name, *(f"{key}={value}" for key, value in keywords.items() if key not in SMALL_EPOCHS)])
       for name, keywords in CASES]
each_case = pytest.mark.parametrize("name, keywords", CASES, ids=IDS)
# A kernel takes seconds to compile: float64 for some.
each_case_and_dtype = pytest.mark.parametrize(
    "name, keywords, dtype", [(*case, np.float32) for case in CASES] + [(*case, np.float64) for case in CASES[::6]],
    ids=[*IDS, *(f"{case}-float64" for case in IDS[::6])])


def bits(array):
    """The bytes of an array of any shape: equal only where every bit is."""
    return np.ascontiguousarray(array).tobytes()


def draw(seed, shapes=SHAPES, dtype=np.float32):
    """Random arrays by name."""
    rng = np.random.default_rng(seed)
    return {name: np.asarray(rng.standard_normal(shape), dtype) for name, shape in shapes.items()}


def make(name, keywords, **more):
    """An optimizer with those keywords that it takes."""
    refused = REFUSED.get(name, ())
    return optimizer.create(name, **{key: x for key, x in {**COMMON, **keywords, **more}.items() if key not in refused})


def updated(opt, weight, steps=7, index=0, seed=1):
    """Weight and state after some updates; the weight given is left alone."""
    weight, rng = weight.copy(), np.random.default_rng(seed)
    state = opt.create_state(index, weight)
    for _ in range(steps):
        grad = np.asarray(rng.standard_normal(weight.shape), weight.dtype)
        opt.update(index, weight, grad, state)
    return weight, state


def test_the_table_has_every_class_and_every_rule():
    built_in = {name for name in dir(optimizer) if name[0].isupper()
                and issubclass(getattr(optimizer, name), optimizer.Optimizer)
                and getattr(optimizer, name).__module__.startswith("numoptim.")} - {"Optimizer", "RuleOptimizer"}
    assert set(NAMES) == built_in
    no_steps = {"accumulate", "schedule_free_average", "gradient_norm"}
    assert {make(*case).rule for case in CASES} == {rule for rule in RULES if rule.name not in no_steps}
    assert sum(opt.batch_scale > 1 for opt in (make(*c) for c in CASES if c[0] == "LBSGD")) > 1    # accumulate


# --- construction

LINES = """
SGD(learning_rate=0.1, wd=0., momentum=0.8)
NAG(learning_rate=0.1, momentum=0.8)
AdaGrad(learning_rate=0.1, eps=1e-07)
RMSProp(learning_rate=0.001, gamma1=0.9, gamma2=0.9, epsilon=1e-07, centered=False)
RMSProp(learning_rate=0.001, gamma1=0.9, gamma2=0.9, epsilon=1e-07, centered=True)
AdaDelta(rho=0.9, epsilon=1e-07)
Adam(learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08)
Adamax(learning_rate=0.002, beta1=0.9, beta2=0.999)
Nadam(learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08, schedule_decay=0.004)
Signum(learning_rate=0.01, momentum=0.9, wd_lh=0.0)
LBSGD(momentum=0.0, multi_precision=False, warmup_strategy='linear', warmup_epochs=5, batch_scale=1, updates_per_epoch=32, begin_epoch=0, num_epochs=60)
LARS(learning_rate=0.1, momentum=0.9, wd=1e-4, eta=0.001, epsilon=0)
LAMB(learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-6, lower_bound=None, upper_bound=None, bias_correction=True)
DCASGD(momentum=0.0, lamda=0.04)
Ftrl(lamda1=0.01, learning_rate=0.1, beta=1)
FTML(beta1=0.6, beta2=0.999, epsilon=1e-08)
SGLD()
""".strip().splitlines()     # noqa: E501


@pytest.mark.parametrize("line", LINES)
def test_lines_of_the_guide(line):
    opt = eval(f"optimizer.{line}", {"optimizer": optimizer})
    call = ast.parse(line, mode="eval").body
    assert type(opt) is getattr(optimizer, call.func.id)
    for keyword in call.keywords:
        assert getattr(opt, keyword.arg) == ast.literal_eval(keyword.value)


def test_the_guide_s_classes_are_here():
    assert {line.partition("(")[0] for line in LINES} == GUIDED == set(DEFAULTS)


@each_name
def test_names_in_any_case(name):
    cls = getattr(optimizer, name)
    for spelling in (name, name.lower(), name.upper()):
        opt = optimizer.create(spelling, learning_rate=1)
        assert type(opt) is cls and opt.learning_rate == 1
    assert optimizer.find(name.lower()) is cls and cls.__name__ == name and cls.__doc__


# The guide's classes' own defaults, and those common to all.
DEFAULTS = {
    "SGD": {"learning_rate": 0.01, "momentum": 0, "dampening": 0, "rate_in_velocity": True},
    "NAG": {"learning_rate": 0.01, "momentum": 0, "rate_in_velocity": True},
    "AdaGrad": {"learning_rate": 0.01, "eps": 1e-7, "initial": 0},
    "RMSProp": {"learning_rate": 0.001, "gamma1": 0.9, "gamma2": 0.9, "epsilon": 1e-8, "centered": False,
                "clip_weights": None, "momentum": 0, "initial": 0},
    "AdaDelta": {"learning_rate": 1, "rho": 0.9, "epsilon": 1e-5},
    "Adam": {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "amsgrad": False},
    "Adamax": {"learning_rate": 0.002, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    "Nadam": {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "schedule_decay": 0.004},
    "Signum": {"learning_rate": 0.01, "momentum": 0.9, "wd_lh": 0},
    "LBSGD": {"learning_rate": 0.01, "momentum": 0, "warmup_strategy": "linear", "warmup_epochs": 5, "batch_scale": 1,
              "updates_per_epoch": 32, "begin_epoch": 0, "num_epochs": 60},
    "LARS": {"learning_rate": 0.01, "momentum": 0, "eta": 0.001, "epsilon": 0},
    "LAMB": {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-6, "lower_bound": None,
             "upper_bound": None, "bias_correction": True},
    "DCASGD": {"learning_rate": 0.01, "momentum": 0, "lamda": 0.04},
    "Ftrl": {"learning_rate": 0.1, "lamda1": 0.01, "beta": 1, "warm_start": False, "initial": 0},
    "FTML": {"learning_rate": 0.0025, "beta1": 0.6, "beta2": 0.999, "epsilon": 1e-8},
    "SGLD": {"learning_rate": 0.01, "seed": 0, "n_data": 1, "temperature": 1},
}
OWN = {**DEFAULTS, **{name: {key: None if abs(default) == math.inf else default for key, (default, *_) in
                             {**cls.rules[0].hyper, **cls.options}.items() if key != "lr_mult"}
                      for name, cls in ((name, getattr(optimizer, name)) for name, _ in OTHERS)}}
FOR_ALL = {"wd": 0, "rescale_grad": 1, "clip_gradient": None, "lr_scheduler": None, "begin_num_update": 0,
           "multi_precision": False}


@each_name
def test_defaults_and_signature(name):
    cls = getattr(optimizer, name)
    expected = {**FOR_ALL, **OWN[name]}
    opt = cls()
    assert {key: getattr(opt, key) for key in expected} == expected
    assert (opt.num_update, opt.lr_mult, opt.wd_mult, opt.param_idx2name) == (0, {}, {}, {})
    parameters = inspect.signature(cls).parameters
    assert set(parameters) == {*expected, "lr_mult", "wd_mult", "param_idx2name", "aggregate_num", "lazy_update",
                               "schedules"}
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters.values())
    assert {key: parameters[key].default for key in expected} == expected


def test_a_default_given_explicitly_changes_nothing():
    for name, defaults in OWN.items():
        opt = optimizer.create(name, **{**FOR_ALL, **defaults})
        assert {key: getattr(opt, key) for key in defaults} == defaults


@pytest.mark.parametrize("call, error, message", [
    (lambda: optimizer.create("adm"), ValueError, "unknown optimizer 'adm'; did you mean 'Adam'"),
    (lambda: optimizer.create("RMSPrp"), ValueError, "did you mean 'RMSProp'"),
    (lambda: optimizer.create("qqq"), ValueError, "unknown optimizer 'qqq'; known: .*Adam"),
    (lambda: optimizer.create(3), TypeError, "expected the name of an optimizer.*3"),
    (lambda: optimizer.Adam(beta_1=0.9), TypeError, "Adam has no keyword 'beta_1'; did you mean 'beta1'"),
    (lambda: optimizer.create("sgd", momentun=0.9), TypeError, "SGD has no keyword 'momentun'; did you mean 'momen"),
    (lambda: optimizer.Adam(momentum=0.9), TypeError, "Adam has no keyword 'momentum'"),
    (lambda: optimizer.SGLD(offset=3), TypeError, "SGLD has no keyword 'offset'"),
    (lambda: optimizer.Adam(0.1), TypeError, "keywords alone"),
    (lambda: optimizer.Adma, AttributeError, "no attribute 'Adma'"),
    (lambda: optimizer.adam_, AttributeError, "no attribute 'adam_'"),
])
def test_unknown_names(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- attributes

@each_name
def test_hyper_parameters_are_attributes(name):
    opt = optimizer.create(name)
    assert set(opt.hyper) <= set(OWN[name])
    common = {"wd": 0.0, "rescale_grad": 1.0, "clip_gradient": math.inf}
    common = {key: default for key, default in common.items() if (name, key) not in FIXED}
    for key, default in [*common.items(), *((key, default) for key, (default, _) in opt.hyper.items())]:
        value = 1 if isinstance(default, bool) else 5 if isinstance(default, int) else another(opt, key)
        setattr(opt, key, value)
        assert getattr(opt, key) == value
        with pytest.raises(ValueError, match=key):
            setattr(opt, key, -math.inf if isinstance(default, float) else 2**70)
        assert getattr(opt, key) == value
        if default == math.inf or default == -math.inf:
            setattr(opt, key, None)
            assert getattr(opt, key) is None


CHANGES = {"learning_rate": 0.2, "wd": 0.3, "rescale_grad": -0.25, "clip_gradient": 0.1, "momentum": 0.25, "eps": 0.1,
           "gamma1": 0.25, "gamma2": 0.25, "epsilon": 0.5, "clip_weights": 0.125, "rho": 0.25, "beta1": 0.99,
           "beta2": 0.25, "schedule_decay": 0.5, "wd_lh": 0.5, "eta": 0.5, "lower_bound": 8, "upper_bound": 0.125,
           "bias_correction": False, "lamda": 2, "lamda1": 0.5, "beta": 2, "seed": 8, "n_data": 9, "temperature": 0.25,
           "alpha_warmup": 20, "beta3_warmup": 20, "min_step": 0.04, "max_step": 0.02}


def another(opt, key):
    """A value of a hyper-parameter that is not its default."""
    default, interval = opt.hyper.get(key, (0.0, "(-inf, inf)"))
    accepted = Interval.parse(interval)
    if CHANGES.get(key) in accepted:
        return CHANGES[key]
    return type(default)(default + 1 if accepted.high == math.inf else (default + accepted.high) / 2)


FIXED = {("Rprop", "learning_rate"), ("Rprop", "wd")}
# Of another rule, of how slots begin, or of an estimate that so few steps do not raise.
OF_ANOTHER_STATE = {"SGD": ["momentum", "dampening"], "LBSGD": ["momentum"], "DCASGD": ["momentum"],
                    "RMSProp": ["gamma2", "momentum"], "Yogi": ["initial"], "Prodigy": ["d_coef"]}


@each_name
def test_a_changed_attribute_holds_from_the_next_update(name):
    """As in an optimizer made with the new value, on the same weight and state."""
    keywords = {key: value for key, value in {**COMMON, **STARTS.get(name, {})}.items()
                if key not in ("clip_gradient", *REFUSED.get(name, ()))}
    for key in ["learning_rate", "wd", "rescale_grad", "clip_gradient", *getattr(optimizer, name).hyper]:
        if key in OF_ANOTHER_STATE.get(name, ()) or (name, key) in FIXED:
            continue
        opt = optimizer.create(name, **keywords)
        w, state = updated(opt, draw(0)["w"])               # RAdam has no epsilon before the sixth
        twins = [(w.copy(), optimizer.State(state.rule, {s: a.copy() for s, a in state.slots.items()}, state.t,
                                            state.offset)) for _ in range(2)]
        changed = another(opt, key)
        if key == "learning_rate":
            opt.set_learning_rate(changed)
        else:
            setattr(opt, key, changed)
        g = draw(5)["w"]
        opt.update(0, w, g, state)
        for (other, same_state), value in zip(twins, ({key: changed}, {}), strict=True):
            optimizer.create(name, **{**keywords, **value}).update(0, other, g, same_state)
        known, same, unchanged = ([bits(weight), *map(bits, of.slots.values())] for weight, of in ((w, state), *twins))
        assert known == same
        assert known != unchanged, f"{key} has no effect"


def test_learning_rate():
    opt = optimizer.Adam(learning_rate=0.5)
    opt.set_learning_rate(0.25)
    assert opt.learning_rate == 0.25
    w = np.ones(2)
    opt = optimizer.SGD(learning_rate=1, lr_scheduler=FactorScheduler(step=2, factor=0.5))
    assert opt.learning_rate == 1
    state = opt.create_state(0, w)
    seen = []
    for _ in range(5):
        before = w[0]
        opt.update(0, w, np.ones(2), state)
        seen.append((opt.num_update, opt.learning_rate, before - w[0]))
    assert seen == [(1, 1, 1), (2, 1, 1), (3, 0.5, 0.5), (4, 0.5, 0.5), (5, 0.25, 0.25)]
    with pytest.raises(ValueError, match="lr_scheduler"):
        opt.set_learning_rate(0.1)
    assert opt.learning_rate == 0.25


def test_learning_rate_between_updates():
    opt, w = optimizer.SGD(learning_rate=1), np.zeros(2)
    state = opt.create_state(0, w)
    for rate in (1, 0.5, 0.125):
        opt.set_learning_rate(rate)
        opt.update(0, w, np.ones(2), state)
    assert w.tolist() == [-1.625] * 2


def test_num_update_is_the_largest_count():
    opt, w = optimizer.Adam(begin_num_update=10), np.zeros(2)
    assert opt.num_update == opt.begin_num_update == 10
    states = [opt.create_state(i, w) for i in range(2)]
    for i, expected in [(0, 11), (0, 12), (1, 12), (1, 12), (1, 13)]:
        opt.update(i, w, np.ones(2), states[i])
        assert opt.num_update == expected
    assert [s.t for s in states] == [12, 13]


def test_the_first_step_follows_begin_num_update():
    """Adam's first step from zero moments, written out for t = 11."""
    g, t = 0.3, 11
    opt, w = optimizer.Adam(begin_num_update=t - 1), np.zeros(1)
    opt.update(0, w, np.full(1, g), opt.create_state(0, w))
    m_hat, v_hat = 0.1 * g / (1 - 0.9**t), 0.001 * g * g / (1 - 0.999**t)
    assert w[0] == pytest.approx(-0.001 * m_hat / (math.sqrt(v_hat) + 1e-8), rel=1e-10)


def test_multipliers_by_index_name_and_pattern():
    opt = optimizer.SGD(learning_rate=1, wd=1, param_idx2name={0: "a.weight", 1: "a.bias", 2: "b.bias"},
                        lr_mult={"*.bias": 0.5, 2: 0.25}, wd_mult={"a.weight": 2, "a*": 3})
    weights = [np.ones(1) for _ in range(3)]
    for i, w in enumerate(weights):
        opt.update(i, w, np.zeros(1), opt.create_state(i, w))
    assert [w[0] for w in weights] == [1 - 2, 1 - 0.5 * 3, 1 - 0.25]
    opt.set_lr_mult({})
    opt.set_wd_mult({"b.bias": 0})
    assert (opt.lr_mult, opt.wd_mult) == ({}, {"b.bias": 0})
    for i, w in enumerate(weights):
        w.fill(1)
        opt.update(i, w, np.zeros(1), opt.create_state(i, w))
    assert [w[0] for w in weights] == [0, 0, 1]


# --- update

@each_case_and_dtype
def test_the_shape_of_an_array_does_not_matter(name, keywords, dtype):
    """Any shape, in place, alone or in lists, and with multi_precision: the bits of the flat array."""
    flat = draw(0, {"w": (12,)}, dtype)["w"]
    expected, state = updated(make(name, keywords), flat)
    assert np.isfinite(expected).all() and bits(expected) != bits(flat)
    for shape in [(3, 4), (2, 1, 6)]:
        weight, shaped = updated(make(name, keywords, multi_precision=True), flat.reshape(shape))
        assert weight.shape == shape and bits(weight) == bits(expected)
        for slot in state.slots:
            assert shaped.slots[slot].shape == (shape if slot.over == "element" else ())
            assert bits(shaped.slots[slot]) == bits(state.slots[slot])
    first, _ = updated(make(name, keywords), flat[:1])
    scalar, _ = updated(make(name, keywords), flat[:1].reshape(()))
    assert scalar.shape == () and bits(scalar) == bits(first)
    empty, state = updated(make(name, keywords), flat[:0].reshape(4, 0))
    assert empty.shape == (4, 0) and state.t == 7


@each_case
def test_lists_are_updates_one_after_another(name, keywords):
    weights = [draw(3)[key] for key in SHAPES]
    rng = np.random.default_rng(1)
    grads = [[np.asarray(rng.standard_normal(w.shape), w.dtype) for w in weights] for _ in range(4)]
    results = []
    for listed in (False, True):
        opt = make(name, keywords, lr_mult={1: 0.5}, wd_mult={3: 2.0})
        mine = [w.copy() for w in weights]
        states = [opt.create_state(i, w) for i, w in enumerate(mine)]
        for step in grads:
            if listed:
                opt.update([0, 1, 2, 3], mine, step, states)
            else:
                for each in zip(range(4), mine, step, states, strict=True):
                    opt.update(*each)
        results.append([*map(bits, mine), *(bits(s) for state in states for s in state.slots.values()), opt.num_update])
    assert results[0] == results[1] and results[0][:4] != [bits(w) for w in weights]


@each_case
def test_the_gradient_is_only_read(name, keywords):
    w, g = np.ones(5, np.float32), np.linspace(-2, 2, 5, dtype=np.float32)
    g.flags.writeable = False
    kept, opt = g.copy(), make(name, keywords)
    state = opt.create_state(0, w)
    for _ in range(3):
        opt.update(0, w, g, state)
    assert bits(g) == bits(kept) and bits(w) != bits(np.ones(5, np.float32))


def test_noise_is_a_stream_that_states_share_in_order():
    """States made one after another draw what one flat array does; a state made later draws other numbers."""
    def step(sizes):
        opt = optimizer.SGLD(learning_rate=1, seed=5)
        weights = [np.zeros(n) for n in sizes]
        states = [opt.create_state(i, w) for i, w in enumerate(weights)]
        for i, (w, state) in reversed(list(enumerate(zip(weights, states, strict=True)))):
            opt.update(i, w, np.zeros(len(w)), state)
        return np.concatenate(weights)

    whole = step([1000])
    assert bits(step([300, 1, 0, 699])) == bits(whole)
    assert abs(whole.mean()) < 0.15 and abs(whole.std() - 1) < 0.1 and len(np.unique(whole)) > 990


def test_the_base_class_has_no_update():
    opt = optimizer.Optimizer(learning_rate=0.5)
    assert opt.learning_rate == 0.5 and opt.create_state(0, np.zeros(1)) is None
    with pytest.raises(NotImplementedError, match="Optimizer does not override update"):
        opt.update(0, np.zeros(1), np.zeros(1), None)
