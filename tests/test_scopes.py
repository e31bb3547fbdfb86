"""Slots with one number for each parameter, or for all; NovoGrad."""
import copy
import pickle

import numpy as np
import pytest
from reference import (
    FLOAT,
    arrays,
    beginning,
    each_dtype,
    held,
    plan,
    planned,
    ranges,
    records,
    same_bits,
    step,
    values,
    whole,
)
from test_bits import assert_same, copies, cuts

from numoptim import Parameters, Trainer, checkpoint, hyper, kernel, optimizer
from numoptim.rule import Reduction, Rule, Slot

SIZES = (3, 4096 + 5, 0, 40, 1, 9000)
OFFSETS = np.cumsum([0, *SIZES])


# An average of the weights' way, whose shares follow the learning rate: as in schedule-free SGD, without sums.

def shares(t, h):
    weight = h.learning_rate * h.learning_rate
    total = h.total + weight
    return total, weight / total


def averaged(w, g, z, h):
    z = z - h.learning_rate * g
    return (1.0 - h.share) * w + h.share * z, z


def weight(w, h):
    return (w,)


AVERAGED = Rule("averaged", averaged, ("z", Slot("total", over="all", low=0)), {"learning_rate": (0.1, "(0, inf)")},
                shares, ("total", "share"), "Averaged", init=weight)


# The rate grows with what all gradients have in common, and each parameter's falls with its moment.

def rate(t, h):
    return (h.learning_rate * h.d,)


def products(w, g, m, h):
    return g * (w - m), g * h.d


def distance(gw, gg, h):
    return (max(h.d, h.growth * abs(gw) / (1 + gg) + 0.5 * h.rate),)


def squares(w, g, m, h):
    return (h.d * (g - m) + h.v,)


def moment(ss, h):
    return 0.5 * h.v + 0.5 * ss, 1 / (h.rate + h.d + ss)


def adapted(w, g, m, h):
    m = 0.5 * m + h.scale * g
    return w - h.rate * m + h.v * h.d * 1e-6, m


def disturbed(w, g, m, normal, h):
    return adapted(w + 0.125 * normal, g, m, h)


PARTS = {
    "slots": (Slot("d", over="all", low=0, start=1e-3), Slot("m", start=0.25), Slot("v", over="segment", start=-0.5)),
    "hyper": {"learning_rate": (0.1, "[0, inf)"), "growth": (2.0, "(0, inf)")}, "prepare": rate, "derived": ("rate",),
    "gradient": "clipped",
    "reductions": (Reduction(products, distance, ("d",), ("gw",), ("gg",), over="all"),
                   Reduction(squares, moment, ("v", "scale"), squares=("ss",)))}
ADAPTED = Rule("adapted", adapted, title="Adapted", **PARTS)
NOISY = Rule("adapted_noisy", disturbed, noisy=True, **PARTS)

OWN = [AVERAGED, ADAPTED, NOISY]
each_own = pytest.mark.parametrize("rule", OWN, ids=lambda rule: rule.name)
for each in (AVERAGED, ADAPTED):
    optimizer.register(each)


def test_what_a_slot_is():
    assert Slot("m") == "m" and Slot("m").over == "element" and Slot("m").low == -np.inf
    assert repr(Slot("m")) == "'m'" and repr(ADAPTED.slots) == (
        "(Slot('d', over='all', low=0.0, start=0.001), Slot('m', start=0.25), Slot('v', over='segment', start=-0.5))")
    assert ADAPTED.slots == ("d", "m", "v") and ADAPTED.slots_over("segment", "all") == ("d", "v")
    for twin in (pickle.loads(pickle.dumps(PARTS["slots"])), copy.deepcopy(PARTS["slots"])):
        assert list(map(vars, twin)) == list(map(vars, PARTS["slots"]))


@pytest.mark.parametrize("arguments, message", [
    ({"over": "parameter"}, "slot 'v' is over 'element' or 'segment' or 'all', not 'parameter'"),
    ({"low": 1.0}, r"start=0\.0 is out of range: expected a finite number in \[1\.0, inf\)"),
    ({"over": np.array("all")}, "slot 'v' is over 'element'"),
    ({"low": np.array([0.0, 1.0])}, "low=array.*: expected a number"),
    ({"low": np.nan}, "low=nan is out of range"), ({"start": np.nan}, "start=nan is out of range"),
    ({"start": 10**400}, "start=10.* is out of range"), ({"start": "0"}, "start='0': expected a number"),
    ({"name": Slot("v", over="segment")}, "a slot's name is a string, not Slot"),
])
def test_slots_that_are_refused(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Slot(**{"name": "v", **arguments})


def test_a_start_beyond_the_elements_type():
    rule = Rule("own", averaged, (Slot("z", start=1e300), Slot("total", over="all")), AVERAGED.hyper, shares,
                ("total", "share"))
    own = optimizer.rule_optimizer.from_rule(rule)()
    assert (own.create_state(0, np.zeros(2)).slots["z"] == 1e300).all()
    with pytest.raises(ValueError, match=r"a slot that begins at 1e\+300 is out of range for float32"):
        own.create_state(0, np.zeros(2, np.float32))


def reads(name):
    return {"prepare": lambda t, h: (h.v,), "all": lambda w, g, m, h: (g * h.v,)}[name]


@pytest.mark.parametrize("changed, message", [
    ({"reductions": PARTS["reductions"][:1]}, "slot 'v' is over 'segment': its new value is a result of one reduction"),
    ({"reductions": PARTS["reductions"][1:]}, "slot 'd' is over 'all': .* of one reduction over 'all', or derived"),
    ({"derived": ("d",)}, "slot 'd' is over 'all'"),                                     # twice
    ({"reductions": (PARTS["reductions"][0], Reduction(squares, moment, ("d", "v"), squares=("ss",)))}, "slot 'd' is"),
    ({"init": lambda w, h: (w,)}, "init says where slots over elements start, and they do, too"),
    ({"prepare": reads("prepare")}, "there is no hyper-parameter 'v'"),                 # of which parameter?
    ({"reductions": (Reduction(reads("all"), distance, ("d",), ("gw",), ("gg",), over="all"), PARTS["reductions"][1])},
     "there is no hyper-parameter 'v'"),
    ({"slots": (*PARTS["slots"], Slot("_x", over="all")), "derived": ("_x",)}, "begins with an underscore"),
])
def test_rules_that_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        Rule("own", adapted, **{**PARTS, **changed})


def drawn(rule, dtype):
    buffers = beginning(rule, np.random.default_rng(1).standard_normal(OFFSETS[-1]).astype(dtype), len(SIZES))
    for slot, buffer in zip(rule.slots, buffers[2:], strict=True):
        buffer[:] = held(slot, np.random.default_rng(2).standard_normal(len(buffer)))
    return buffers


@each_dtype
@each_own
def test_the_bits_of_the_rule_on_scalars(rule, dtype):
    """Of whole buffers, arrays and ranges cut anywhere; then with frozen segments and two groups, the second first."""
    rng, offsets = np.random.default_rng(1), OFFSETS if rule.layerwise else OFFSETS[[0, -1]]
    expected, *got = copies(drawn(rule, FLOAT[dtype]), 3)
    group = values(rule, clip_gradient=np.inf)
    for t in (1, 2):
        for buffers in (expected, *got):
            buffers[1][:] = np.random.default_rng(t).standard_normal(OFFSETS[-1])
        step(rule, expected, [group], t, offsets)
        assert whole(rule, got[0], group, t, offsets) == 0
        arrays(rule, got[1], group, t, offsets)
        for buffers in got:
            assert_same(buffers, expected, rule)
    groups, which = [group, values(rule, growth=1e-3, learning_rate=0.5)], np.array([-1, 1, 0, -1, 1, 0])
    for t in (3, 4):
        step(rule, expected, groups, t, OFFSETS, which)
        for buffers, pieces in zip(got, ([(0, OFFSETS[-1])], cuts(rng, OFFSETS[-1], 9)), strict=True):
            ranges(rule, buffers, groups, t, OFFSETS, which, pieces, cuts(rng, OFFSETS[-1], 4))
            assert_same(buffers, expected, rule)
    before = [b.copy() for b in got[0]]
    ranges(rule, got[0], groups[:0], 5, OFFSETS, np.full(6, -1), [(0, OFFSETS[-1])])
    assert_same(got[0], before, rule)


@each_dtype
def test_kernels_over_arrays_want_as_many_numbers(dtype):
    w, offsets = np.zeros(5, FLOAT[dtype]), np.array([0, 2, 5])
    good = {"d": np.zeros(1), "m": w.copy(), "v": np.zeros(2)}
    for slot, bad in (("d", np.zeros(2)), ("v", np.zeros(1)), ("v", np.zeros(3)), ("d", np.zeros(0))):
        with pytest.raises(ValueError, match="a slot over segments has a number for each, and one over all has one"):
            kernel(ADAPTED, w.dtype)(offsets, w, w + 1, *{**good, slot: bad}.values(), hyper(ADAPTED), 1)
        assert not w.any()


@each_own
def test_first_slots(rule):
    """Where a C host asks for them, those over elements alone."""
    w = np.array([1.0, -2.0, 3.0])
    slots = beginning(rule, w)[2:]
    for slot, x in zip(rule.slots, slots, strict=True):
        assert (x == (w if slot == "z" else slot.start)).all() and x.size == (3 if slot.over == "element" else 1)
    empty = [np.zeros(3) if slot.over == "element" else None for slot in rule.slots]
    made = plan(0, 3, np.array([0, 3]), None, records(rule, [values(rule)]), [w, None, *empty])
    assert planned(rule, "init", made, 1, w.dtype) == 0
    assert all(x is None or same_bits(x, slot) for x, slot in zip(empty, slots, strict=True))


# --- trainers

SHAPES = {"a": (97, 103), "b": (), "empty": (0, 2), "c": (4096,), "d": (3,)}


def trained(name, steps, shapes=SHAPES, **keywords):
    rng = np.random.default_rng(3)
    params = Parameters({key: rng.standard_normal(shape).astype(np.float32) for key, shape in shapes.items()})
    trainer = Trainer(params, name, keywords.pop("hyper", {}), **keywords)
    for _ in range(steps):
        advance(trainer)
    return trainer


def advance(trainer):
    rng = np.random.default_rng(trainer.optimizer.num_update)
    trainer.step(1, {key: rng.standard_normal(w.shape).astype(np.float32) for key, w in trainer.params.items()})


def state_of(trainer):
    return [trainer.params.flat, *trainer._state.slots.values()]


def assert_twins(a, b):
    assert all(x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
               for x, y in zip(state_of(a), state_of(b), strict=True))


NAMES = ["averaged", "adapted", "novograd"]


@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_threads_and_any_way_to_go_on(name, tmp_path, monkeypatch):
    monkeypatch.setattr("numoptim.native.plan.SERIAL_BELOW", 2)
    one, *others = (trained(name, 4, threads=threads) for threads in (1, 2, 3))
    one.save_states(tmp_path / "states")
    loaded = trained(name, 1)
    loaded.params.flat[:] = one.params.flat
    loaded.load_states(tmp_path / "states")
    others += [loaded, copy.deepcopy(one), pickle.loads(pickle.dumps(one))]
    for trainer in (one, *others):
        advance(trainer)
    for trainer in others:
        assert_twins(trainer, one)


def test_slots_by_name():
    trainer = trained("adapted", 2)
    slots = trainer.slots
    assert list(slots) == ["d", "m", "v"] and slots["d"].shape == () and slots["d"].dtype == np.float64
    assert {key: view.shape for key, view in slots["m"].items()} == SHAPES
    assert {(view.shape, view.dtype) for view in slots["v"].values()} == {((), np.dtype(np.float64))}
    assert slots["v"]["empty"] == -0.5 != slots["v"]["b"]
    slots["v"]["b"][...] = 7.0
    assert trainer._state.slots["v"].tolist()[1] == 7.0


def test_states_of_more_parameters(tmp_path):
    old = trained("adapted", 3, {"a": (5,), "c": (2, 2)})
    old.save_states(tmp_path / "states")
    new = trained("adapted", 0, {"first": (3,), "c": (2, 2), "between": (), "a": (5,)})
    new.load_states(tmp_path / "states", missing="new")
    slots = new.slots
    assert slots["d"] == old.slots["d"] > 1e-3
    for key in ("a", "c"):
        assert slots["v"][key] == old.slots["v"][key] and same_bits(slots["m"][key], old.slots["m"][key])
    for key in ("first", "between"):
        assert slots["v"][key] == -0.5 and (slots["m"][key] == 0.25).all()


@pytest.mark.parametrize("slot, x", [("v", np.zeros(4)), ("v", np.zeros(5, np.float32)), ("d", np.zeros(1)), ("d", 1.0),
                                     ("v", [1.0])])
def test_files_of_other_slots_change_nothing(slot, x, tmp_path):
    trainer = trained("adapted", 2)
    trainer.save_states(tmp_path / "good")
    with checkpoint.reading(tmp_path / "good") as tree:
        tree = checkpoint.loaded(tree)
    tree["slots"][slot] = x
    checkpoint.save(tmp_path / "bad", tree)
    before = [b.tobytes() for b in state_of(trainer)]
    with pytest.raises(ValueError, match=f"slot '{slot}' is .*; expected float64"):
        trainer.load_states(tmp_path / "bad")
    assert [b.tobytes() for b in state_of(trainer)] == before


@pytest.mark.parametrize("name", NAMES)
def test_one_parameter_at_a_time(name):
    """A state of its own for each: what is over all is then over that one."""
    trainer = trained(name, 0, {"a": (4100,)})
    own = optimizer.create(name)
    w = trainer.params["a"].copy()
    state = own.create_state(0, w)
    assert {x.shape for slot, x in state.slots.items() if slot.over != "element"} == {()}
    for _ in range(3):
        g = np.random.default_rng(trainer.optimizer.num_update).standard_normal(4100).astype(np.float32)
        own.update(0, w, g, state)
        advance(trainer)
    assert same_bits(w, trainer.params["a"])
    assert all(float(x.reshape(-1)[0]) == float(y.reshape(-1)[0])
               for x, y in zip(state.slots.values(), trainer._state.slots.values(), strict=True))


def test_schedules_reach_what_is_over_all():
    rates = [0.5, 0.25, 1.0]
    trainer = trained("averaged", 0, {"a": (2,)}, hyper={"lr_scheduler": lambda n: rates[n - 1]})
    w = z = trainer.params["a"].astype(float)
    total = 0.0
    for rate_now in rates:
        g = np.random.default_rng(trainer.optimizer.num_update).standard_normal(2).astype(np.float32)
        advance(trainer)
        total += rate_now**2
        z = z - rate_now * g
        w = (1 - rate_now**2 / total) * w + rate_now**2 / total * z
        np.testing.assert_allclose(trainer.params["a"], w, rtol=1e-6)
        assert trainer.slots["total"] == total


# --- NovoGrad

def test_novograd_is_the_algorithm():
    rng = np.random.default_rng(5)
    weights = {"a": rng.standard_normal((30, 7)), "b": rng.standard_normal(4)}
    params = Parameters(weights)
    trainer = Trainer(params, "novograd", {"wd": 0.01, "lr_mult": {"b": 0.5}})
    v, m = {}, dict.fromkeys(weights, 0.0)
    for t in range(1, 6):
        grads = {key: rng.standard_normal(w.shape) for key, w in weights.items()}
        trainer.step(1, grads)
        for key, g in grads.items():
            square = (g**2).sum()
            v[key] = square if t == 1 else 0.98 * v[key] + 0.02 * square
            m[key] = 0.95 * m[key] + g / (np.sqrt(v[key]) + 1e-8) + 0.01 * weights[key]
            weights[key] = weights[key] - 0.01 * (0.5 if key == "b" else 1) * m[key]
            np.testing.assert_allclose(params[key], weights[key], rtol=1e-12)
            np.testing.assert_allclose(trainer.slots["v"][key], v[key], rtol=1e-12)


def test_novograd_keeps_the_moment_of_what_is_frozen():
    trainer = trained("novograd", 2, {"a": (3,), "b": (4,)})
    before = trainer.slots["v"]["b"].copy(), trainer.params["b"].copy()
    trainer.optimizer.set_lr_mult({"b": 0})
    advance(trainer)
    assert (trainer.slots["v"]["b"], *trainer.params["b"]) == (before[0], *before[1])
    trainer.optimizer.set_lr_mult({})
    advance(trainer)
    assert trainer.slots["v"]["b"] != before[0]


def test_rules_that_differ_in_their_slots_alone_are_two():
    rules = [Rule("own", adapted, **{**PARTS, "slots": (Slot("d", over="all", start=start), *PARTS["slots"][1:])})
             for start in (1.0, 2.0)]
    assert [pickle.loads(pickle.dumps(rule)) for rule in rules] == rules


def test_a_step_without_elements_advances_nothing():
    none, offsets = np.zeros(0), np.array([0, 0])
    d, v = np.ones(1), np.ones(1)
    kernel(ADAPTED, float)(offsets, none, none, d, none, v, hyper(ADAPTED), 1)
    trainer = trained("adapted", 1, {"empty": (0, 2)})
    assert d == v == 1 and trainer.slots["d"] == 1e-3 and trainer.slots["v"]["empty"] == -0.5


@pytest.mark.parametrize("slot, x", [("v", np.zeros(1)), ("v", np.zeros((), np.float32)), ("d", np.zeros(2))])
def test_states_of_other_slots_are_refused(slot, x):
    own, w = optimizer.create("adapted"), np.ones(3, np.float32)
    good = own.create_state(0, w)
    state = optimizer.State(ADAPTED, {**good.slots, slot: x}, 0)
    with pytest.raises(ValueError, match=rf"slot '{slot}' of 0 is float.*; expected float64 \(\)"):
        own.update(0, w, w, state)
    assert (w == 1).all()


@pytest.mark.parametrize("there, here", [("novograd", "adam"), ("adam", "novograd")])
def test_slots_of_another_rule_are_its_own_whatever_they_were(there, here):
    """Names alone are equal: of one, v has as many numbers as there are elements, of the other one."""
    w = np.ones(1000, np.float32)
    state = optimizer.State(optimizer.create(here).rule, optimizer.create(there).create_state(0, w).slots, 0)
    assert [slot.over for slot in state.slots] == [slot.over for slot in optimizer.create(here).rule.slots]
    with pytest.raises((ValueError, TypeError), match="slot 'v' of 0 is float"):
        optimizer.create(here).update(0, w, w, state)
    assert (w == 1).all()


def test_slots_with_scopes_of_their_own_are_the_rules():
    w, adam = np.ones(1, np.float32), optimizer.create("adam")
    state = optimizer.State(adam.rule, {"m": np.zeros(1, np.float32), Slot("v", over="all"): np.zeros(())}, 0)
    with pytest.raises(TypeError, match="slot 'v' of 0 is float64"):
        adam.update(0, w, w, state)
