"""Groups: any hyper-parameter may be another, or follow a schedule of its own, for some parameters."""
import copy
import io
import pickle

import numpy as np
import pytest
from test_optimizer import COMMON, REFUSED, SHAPES, bits, draw, each_case, make
from test_repeated_steps import steps_taking_the_lock
from test_whole_steps import content

from numoptim import Parameters, Trainer, lr_scheduler, native, optimizer
from numoptim.lr_scheduler import CosineScheduler, LinearScheduler, Plateau
from numoptim.native.library import extension
from numoptim.rules import RULES

NAMES = list(SHAPES)
RATE, DECAY = CosineScheduler(20, 0.3), 0.1 * LinearScheduler(9, 0.7)
SEGMENT_RULES = {rule.name for rule in RULES if rule.slots_over("all") or any(r.over == "all" for r in rule.reductions)}


def stepped(trainer, steps=6, size=4, seed=1):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for grad in trainer.params.grad.values():
            grad[...] = rng.standard_normal(grad.shape)
        trainer.step(size)
    return trainer


def alone(name, keywords, parameter, steps=6, size=4, seed=1):
    """What a trainer of one parameter with these keywords comes to, with the gradients of ``stepped``."""
    weights = draw(0)
    trainer, rng = Trainer(Parameters({"w": weights[parameter]}), name, keywords), np.random.default_rng(seed)
    for _ in range(steps):
        grads = {key: rng.standard_normal(shape) for key, shape in SHAPES.items()}
        trainer.params.grad["w"][...] = grads[parameter]
        trainer.step(size)
    return trainer


def numbers(name, keywords):
    """Hyper-parameters of an optimizer's rule, with a number that each may have."""
    opt = make(name, keywords)
    found = {key: float(x) for key, x in opt._values.items() if key in opt.rule.fields and np.isfinite(x)}
    own = {key: 0.9 * x for key, x in found.items() if x and not isinstance(opt._values[key], int)}
    return {**own, "clip_gradient": 0.4, "rescale_grad": 0.3,
            **({"learning_rate": 0.5 * opt._learning_rate} if opt._rated else {})}


@each_case
def test_every_number_of_every_rule(name, keywords):
    """Each parameter ends, to the bit, as one with a trainer of its own does."""
    opt = make(name, keywords)
    if opt.rule.noisy or opt.rule.name in SEGMENT_RULES:
        pytest.skip("parameters share noise or sums")
    own, keywords = numbers(name, keywords), {**COMMON, **keywords}
    keywords = {key: x for key, x in keywords.items() if key not in REFUSED.get(name, ())}
    groups = {NAMES[1]: own, NAMES[3]: {"clip_gradient": 0.2}}
    made = stepped(Trainer(Parameters(draw(0)), opt, groups=groups))
    for key in NAMES:
        wanted = alone(name, {**keywords, **groups.get(key, {})}, key)
        assert bits(made.params[key]) == bits(wanted.params["w"]), key


@pytest.mark.parametrize("name, keywords", [("adamw", {}), ("sgd", {"momentum": 0.9}), ("lamb", {}), ("lars", {})])
@pytest.mark.parametrize("foreseen", [True, False])
def test_schedules_of_groups(name, keywords, foreseen):
    def shown(schedule):
        return schedule if foreseen else lambda n: schedule(n)
    groups = {NAMES[0]: {"learning_rate": RATE, "wd": DECAY}, NAMES[2]: {"learning_rate": 0.02}}
    given = {key: {k: shown(x) if callable(x) else x for k, x in entry.items()} for key, entry in groups.items()}
    main = lr_scheduler.PolyScheduler(30, 0.2)
    made = stepped(Trainer(Parameters(draw(0)), name, {**keywords, "lr_scheduler": main}, groups=given), 12)
    for key in NAMES:
        entry = dict(groups.get(key, {"learning_rate": main}))
        rate, decay = entry.pop("learning_rate"), entry.pop("wd", None)
        more = {"lr_scheduler": rate} if callable(rate) else {"learning_rate": rate}
        wanted = alone(name, {**keywords, **more, **({"schedules": {"wd": decay}} if decay else {})}, key, 12)
        assert bits(made.params[key]) == bits(wanted.params["w"]), key


@pytest.mark.skipif(extension().repeat is None, reason="no C compiler: every step takes the lock")
def test_steps_with_groups_are_one_call():
    for groups in ({NAMES[0]: {"wd": 0.1}}, {NAMES[0]: {"learning_rate": 0.1, "rescale_grad": 3}},
                   {NAMES[0]: {"learning_rate": RATE, "beta1": 0.1 * RATE}}):
        trainer = Trainer(Parameters(draw(0)), "adam", groups=groups)
        assert steps_taking_the_lock(trainer, 4, 4, 4, 2, 2) == [True, False, False, True, False]
    trainer = Trainer(Parameters(draw(0)), "adam", groups={NAMES[0]: {"learning_rate": lambda n: 0.1}})
    assert steps_taking_the_lock(trainer, 4, 4, 4) == [True, True, True]


def test_schedules_of_the_optimizer_leave_groups_alone():
    beta = LinearScheduler(9, 0.9, 0.1)
    trainer = Trainer(Parameters(draw(0)), optimizer.Adam(schedules={"beta1": beta, "wd": DECAY}),
                      groups={NAMES[1]: {"beta1": 0.5}, NAMES[2]: {"wd": 0.25}})
    for t in range(1, 8):
        stepped(trainer, 1)
        plan = trainer._stepper.plans[0]
        sets = dict(zip(trainer._stepper._grouped[1].tolist(), NAMES, strict=True))
        for k, name in sets.items():
            assert plan.hyper["beta1"][k] == (0.5 if name == NAMES[1] else beta(t))
            assert plan.hyper["wd"][k] == (0.25 if name == NAMES[2] else DECAY(t))


def test_batch_sizes_scale_gradients_of_groups():
    for sizes in ((4, 4, 2, 2, 4), (1, 3, 3)):
        made = Trainer(Parameters(draw(0)), "sgd", {"learning_rate": 0.1}, groups={NAMES[0]: {"rescale_grad": 0.5}})
        want = Trainer(Parameters(draw(0)), "sgd", {"learning_rate": 0.1, "lr_mult": {NAMES[0]: 0.5}})
        for size in sizes:
            for trainer in (made, want):
                trainer.params.grad.flat[:] = 1
                trainer.step(size)
        np.testing.assert_allclose(made.params.flat, want.params.flat, 1e-6)


def test_the_first_that_fits_wins_and_names_come_first():
    params = Parameters({"a.bias": np.ones(1), "b.bias": np.ones(1), "c": np.ones(1)})
    trainer = Trainer(params, "sgd", {"learning_rate": 1}, groups={
        "*.bias": {"wd": 0.25}, "*": {"wd": 0.5}, "b.bias": {"wd": 0.75}})
    trainer.step()
    assert params.flat.tolist() == [0.75, 0.25, 0.5]


@pytest.mark.parametrize("name, keywords", [("adamw", {}), ("novograd", {}), ("lbsgd", {"batch_scale": 2})])
def test_multipliers_and_frozen_parameters(name, keywords):
    more = {"lr_mult": {NAMES[1]: 0.5, NAMES[2]: 0}, "wd_mult": {NAMES[1]: 3, NAMES[3]: 2}}
    made = stepped(Trainer(Parameters(draw(0)), name, {**keywords, **more}, groups={
        NAMES[1]: {"learning_rate": 0.125, "wd": 0.5}, NAMES[2]: {"wd": 0.5}}))
    wanted = alone(name, {**keywords, "learning_rate": 0.125, "wd": 0.5, "lr_mult": {"w": 0.5}, "wd_mult": {"w": 3}},
                   NAMES[1])
    assert bits(made.params[NAMES[1]]) == bits(wanted.params["w"])
    assert bits(made.params[NAMES[2]]) == bits(draw(0)[NAMES[2]])


def test_warmups_are_of_all_rates():
    keywords = {"batch_scale": 2, "warmup_epochs": 2, "updates_per_epoch": 4, "momentum": 0.5}
    made = stepped(Trainer(Parameters(draw(0)), "lbsgd", keywords, groups={NAMES[0]: {"learning_rate": 0.3}}), 8)
    wanted = alone("lbsgd", {**keywords, "learning_rate": 0.3}, NAMES[0], 8)
    assert bits(made.params[NAMES[0]]) == bits(wanted.params["w"])


def test_slots_that_begin_by_hyper_parameters_begin_by_those_of_groups():
    made = Trainer(Parameters(draw(0)), "ftrl", {"warm_start": True}, groups={
        NAMES[1]: {"learning_rate": RATE, "lamda1": 0.5, "wd": 0.25}})
    wanted = alone("ftrl", {"warm_start": True, "lr_scheduler": RATE, "lamda1": 0.5, "wd": 0.25}, NAMES[1], 0)
    assert bits(made.slots["z"][NAMES[1]]) == bits(wanted.slots["z"]["w"])


def test_weights_to_evaluate_have_the_betas_of_their_groups():
    keywords = {"learning_rate": 0.1}
    made = stepped(Trainer(Parameters(draw(0)), "sgdschedulefree", keywords, groups={NAMES[1]: {"beta": 0.5}}))
    wanted = alone("sgdschedulefree", {**keywords, "beta": 0.5}, NAMES[1])
    made.optimizer.set_wd_mult({NAMES[0]: 2, NAMES[1]: 2})               # other sets than the latest step had
    with made.averaged() as here, wanted.averaged() as there:
        assert bits(here[NAMES[1]]) == bits(there["w"])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_large_buffers(threads):
    shapes = {"a": (70_001,), "b": (3,), "c": (300, 301)}
    params = Parameters({name: np.ones(shape, np.float32) for name, shape in shapes.items()})
    trainer = Trainer(params, "lamb", {"wd": 0.1}, threads=threads, groups={"c": {"wd": 0.5, "beta1": 0.5}})
    params.grad.flat[:] = np.linspace(-1, 1, params.flat.size)
    trainer.step(2)
    for name, own in {"a": {}, "c": {"wd": 0.5, "beta1": 0.5}}.items():
        single = Trainer(Parameters({"w": np.ones(shapes[name], np.float32)}), "lamb", {"wd": 0.1, **own}, threads=1)
        single.params.grad["w"] = params.grad[name]
        single.step(2)
        assert bits(single.params["w"]) == bits(params[name])


def test_changes_hold_from_the_next_step_and_make_no_plan():
    trainer = stepped(Trainer(Parameters(draw(0)), "adam", groups={NAMES[0]: {"beta1": 0.5}}), 2)
    plans, hyper = trainer._stepper.plans, trainer._stepper.plans[0].hyper
    trainer.optimizer.beta1, trainer.optimizer.wd = 0.25, 0.125
    stepped(trainer, 1)
    assert hyper["beta1"].tolist() == [0.5, 0.25] and hyper["wd"].tolist() == [0.125, 0.125]
    trainer.optimizer.set_groups({NAMES[0]: {"beta1": 0.75, "learning_rate": 0.5}})
    stepped(trainer, 1)
    assert hyper["beta1"].tolist() == [0.75, 0.25] and hyper["learning_rate"].tolist() == [0.5, 0.001]
    assert trainer._stepper.plans is plans
    trainer.optimizer.set_groups({})
    stepped(trainer, 2)
    assert trainer.optimizer.groups == {} and len(trainer._stepper.plans[0].hyper) == 1


def test_a_resumed_run_goes_on():
    groups = {"*": {"wd": DECAY, "clip_gradient": None}, NAMES[0]: {"learning_rate": RATE, "beta2": 0.5}}
    made = stepped(Trainer(Parameters(draw(0)), "adamw", groups=groups), 3)
    file = io.BytesIO()
    made.save_states(file)
    twin = Trainer(Parameters(made.params), "adamw", groups={NAMES[1]: {"wd": 0.5}})
    file.seek(0)
    twin.load_states(file)
    assert dict(twin.optimizer.groups) == dict(made.optimizer.groups) == groups
    assert content(stepped(made, 5, seed=2)) == content(stepped(twin, 5, seed=2))


def test_functions_of_groups_are_left_to_the_program():
    def rate(n):
        return 0.1 / n
    made = stepped(Trainer(Parameters(draw(0)), "adam", groups={NAMES[0]: {"learning_rate": rate}}), 3)
    file = io.BytesIO()
    made.save_states(file)
    file.seek(0)
    with pytest.raises(ValueError, match="its learning_rate came from a function: give this trainer that in groups"):
        Trainer(Parameters(made.params), "adam").load_states(file)
    twin = Trainer(Parameters(made.params), "adam", groups={NAMES[0]: {"learning_rate": rate}})
    file.seek(0)
    twin.load_states(file)
    assert content(stepped(made, 3)) == content(stepped(twin, 3))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_go_on(copied):
    made = stepped(Trainer(Parameters(draw(0)), "lamb", groups={NAMES[0]: {"learning_rate": RATE, "wd": 0.5}}), 3)
    twin = copied(made)
    assert twin.optimizer.groups == made.optimizer.groups
    assert content(stepped(made)) == content(stepped(twin))


def test_updates_of_single_arrays_have_them_by_index_and_name():
    weights, grad = draw(0), np.ones(SHAPES[NAMES[1]], np.float32)
    opt = optimizer.Adam(param_idx2name=dict(enumerate(NAMES)))
    opt.set_groups({NAMES[1]: {"learning_rate": 0.5, "beta1": 0.25}})
    plain = optimizer.Adam(learning_rate=0.5, beta1=0.25)
    mine, wanted = weights[NAMES[1]].copy(), weights[NAMES[1]].copy()
    states = opt.create_state(1, mine), plain.create_state(0, wanted)
    for _ in range(3):
        opt.update(1, mine, grad, states[0])
        plain.update(0, wanted, grad, states[1])
    assert bits(mine) == bits(wanted)


@pytest.mark.parametrize("groups, error, message", [
    ([("a", {})], TypeError, r"groups=.*expected a mapping, \{name or pattern"),
    ({0: {"wd": 1}}, TypeError, "groups: 0 is neither a name nor a pattern"),
    ({"*": 0.1}, TypeError, r"groups\['\*'\]=0.1: expected a mapping, such as \{'wd': 0\}"),
    ({"*.nothing": {"wd": 0}}, ValueError, r"groups: '\*.nothing' fits no parameter"),
    ({"*": {"amsgrad": True}}, ValueError, "'amsgrad' chooses the rule, which is one for all parameters"),
    ({"*": {"weight_decay": 0}}, ValueError, "Adam has no 'weight_decay'.*write wd"),
    ({"*": {"bata1": 0}}, ValueError, r"groups\['\*'\]: Adam has no 'bata1'; did you mean 'beta1'"),
    ({"*": {"lr_mult": 0}}, ValueError, "'lr_mult' is no hyper-parameter: that is a table of its own, lr_mult="),
    ({"*": {"lr_scheduler": RATE}}, ValueError, "learning_rate takes a schedule, too"),
    ({"*": {"wd": -1}}, ValueError,
     r"groups\['\*'\]\['wd'\]=-1 is out of range: expected a finite number in \[0, inf\)"),
    ({"*": {"beta1": "x"}}, TypeError, r"groups\['\*'\]\['beta1'\]"),
    ({"*": {"learning_rate": None}}, TypeError, r"groups\['\*'\]\['learning_rate'\]"),
    ({"*": {"learning_rate": Plateau()}}, ValueError, "a Plateau is a learning rate's, that of lr_scheduler"),
    ({"*": {"beta1": CosineScheduler}}, TypeError, "expected a function of the update number"),
])
def test_what_is_refused(groups, error, message):
    params = Parameters(draw(0))
    with pytest.raises(error, match=message):
        Trainer(params, "adam", groups=groups)
    trainer = Trainer(params, "adam")
    with pytest.raises(error, match=message):
        trainer.optimizer.set_groups(groups)
    assert trainer.optimizer.groups == {}


def test_what_a_rule_does_not_read_is_refused():
    with pytest.raises(ValueError, match="groups: 'momentum' would have no effect: the options choose the rule 'sgd'"):
        Trainer(Parameters(draw(0)), "sgd", groups={"*": {"momentum": 0.9}})
    trainer = stepped(Trainer(Parameters(draw(0)), "sgd", {"momentum": 0.9}, groups={NAMES[0]: {"momentum": 0}}), 2)
    assert trainer.slots["v"][NAMES[0]].any() and trainer.optimizer.rule.name == "sgd_momentum"
    trainer.optimizer.momentum = 0
    before = content(trainer)
    with pytest.raises(ValueError, match="the state belongs to 'sgd_momentum'"):
        trainer.step(1)
    assert content(trainer) == before
    with pytest.raises(ValueError, match="holds for a whole run"):
        Trainer(Parameters(draw(0)), "sgdschedulefree", groups={"*": {"beta": RATE}})


def test_an_optimizer_in_python_has_none():
    class Mine(optimizer.Optimizer):
        def update(self, index, weight, grad, state):
            weight -= grad
    with pytest.raises(ValueError, match="groups go with a rule's steps; those of Mine are its own"):
        Trainer(Parameters(draw(0)), Mine(), groups={"*": {"wd": 0}})


@pytest.mark.parametrize("schedule", [lambda n: 0.1 if n < 3 else -1,
                                      lr_scheduler.PiecewiseScheduler({2: 0.1, 3: 5.0})])
def test_a_value_out_of_range_stops_before_anything_is_written(schedule):
    trainer = Trainer(Parameters(draw(0)), "adam", groups={NAMES[0]: {"beta1": schedule}})
    stepped(trainer, 2)
    before = content(trainer)
    for _ in range(2):
        with pytest.raises(ValueError, match="beta1"):
            trainer.step(4)
        assert content(trainer) == before


def test_a_hundred_groups(monkeypatch):
    """A hundred groups are as many sets, each with its own numbers, on one or on several threads."""
    monkeypatch.setattr(native.plan, "SERIAL_BELOW", 64)
    params = Parameters({f"p{k}": np.ones(10) for k in range(100)})
    groups = {f"p{k}": {"wd": k / 128} for k in range(100)}
    trainer = Trainer(params, "sgd", {"learning_rate": 1}, threads=2, groups=groups)
    trainer.step(1)
    assert params.flat.tolist() == [1 - k / 128 for k in range(100) for _ in range(10)]


@pytest.mark.parametrize("name, refused, taken", [
    ("sgdschedulefree", ["learning_rate", "weight_power"], {"beta": 0.5, "wd": 0.1}),
    ("adamwschedulefree", ["learning_rate", "weight_power"], {"beta": 0.5, "beta2": 0.5, "epsilon": 0.1}),
    ("prodigy", ["learning_rate", "beta1", "d0", "d_coef", "safeguard_warmup"], {"wd": 0.1, "clip_gradient": 0.5}),
])
def test_numbers_for_all_parameters_are_of_no_group(name, refused, taken):
    for key in refused:
        with pytest.raises(ValueError, match=f"has numbers for all parameters, of which '{key}' is a part"):
            Trainer(Parameters(draw(0)), name, groups={NAMES[0]: {key: 0.5}})
    for names in (NAMES, NAMES[::-1]):
        params = Parameters({key: draw(0)[key] for key in names})
        assert stepped(Trainer(params, name, groups={NAMES[0]: taken})).optimizer.groups == {NAMES[0]: taken}


def test_rprop_refuses_what_would_have_no_effect():
    with pytest.raises(ValueError, match="Rprop takes no wd"):
        Trainer(Parameters(draw(0)), "rprop", groups={"*": {"wd": 0}})
    with pytest.raises(ValueError, match="Rprop takes no wd"):
        optimizer.Rprop(schedules={"wd": RATE})
    with pytest.raises(ValueError, match="Rprop's learning_rate holds for a whole run"):
        Trainer(Parameters(draw(0)), "rprop", groups={"*": {"learning_rate": RATE}})


def test_tables_change_while_parameters_sit_out():
    """The sets of those that step may be as many as before, or as they were."""
    for change in (lambda o: o.set_groups({"b": {"wd": 0.5}}), lambda o: o.set_lr_mult({"b": 0.1}),
                   lambda o: o.set_wd_mult({"b": 0, "v": 2})):
        for how in ("frozen", "missing"):
            made, plain = (Trainer(Parameters(draw(0)), "adamw", {"wd": 0.1}) for _ in range(2))
            change(plain.optimizer)
            for t in range(4):
                if t == 2:
                    change(made.optimizer)
                grads = {key: g for key, g in draw(t).items() if key != "b"}
                for each in (made, plain):
                    if how == "frozen":
                        each.freeze("b")
                    each.step(4, grads, missing="skip" if how == "missing" else "error")
            assert bits(made.params["w"]) == bits(plain.params["w"])


def test_states_of_before_leave_groups_and_new_parameters_keep_theirs():
    file = io.BytesIO()
    Trainer(Parameters({"a": np.ones(1), "b": np.ones(1)}), "adam", groups={"a": {"wd": 0.25}}).save_states(file)
    more = Trainer(Parameters({"a": np.ones(1), "b": np.ones(1), "c": np.ones(1)}), "adam",
                   groups={"b": {"wd": 0.75}, "c": {"wd": 0.5, "learning_rate": RATE}})
    more.freeze("c")
    file.seek(0)
    more.load_states(file, missing="new")
    assert more.optimizer.groups == {"a": {"wd": 0.25}, "c": {"wd": 0.5, "learning_rate": RATE}}
    assert more.frozen == ("c",)


def test_a_trainer_that_is_refused_changes_no_optimizer():
    shared = optimizer.AdamW()
    first = Trainer(Parameters(draw(0)), shared, groups={"w": {"wd": 0.25}})
    for wrong in ({"clip_norm": -1}, {"on_step": 3}, {"loss_scaler": 2}, {"skip_nonfinite": 2}):
        with pytest.raises((TypeError, ValueError)):
            Trainer(Parameters(draw(0)), shared, groups={"w": {"wd": 0.75}}, **wrong)
    assert first.optimizer.groups == {"w": {"wd": 0.25}}
