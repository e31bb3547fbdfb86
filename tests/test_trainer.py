"""Trainer: one step on all parameters, equal bit by bit to separate updates."""
import numpy as np
import pytest
from test_optimizer import COMMON, SHAPES, bits, draw, each_case, each_case_and_dtype, make

from numoptim import Parameters, Trainer, optimizer
from numoptim.lr_scheduler import CosineScheduler, PolyScheduler

LR_MULT = {"w": 0.5, "b": 0.0, "none": 3.0, "v": 0.25}
WD_MULT = {"w": 3.0, "b": 0.0, "v": 0.3}


def trained(params, opt, steps, batch_size=4, **keywords):
    """A trainer after some steps with gradients draw(1), draw(2), ..."""
    trainer = Trainer(params, opt, **keywords)
    for k in range(steps):
        trainer.step(batch_size, grads=draw(k + 1, params.shapes, params.flat.dtype))
    return trainer


# --- a step on all is a step on each

@each_case_and_dtype
@pytest.mark.parametrize("scheduled", [False, True], ids=["constant", "scheduled"])
def test_equals_separate_optimizers(name, keywords, dtype, scheduled):
    """Multipliers, rescaling and schedules by Trainer are those of an optimizer per parameter with its own values."""
    schedule = {"lr_scheduler": PolyScheduler(max_update=6, warmup_steps=2, warmup_begin_lr=0.01)} if scheduled else {}
    params = Parameters(draw(0, dtype=dtype))
    trainer = trained(params, make(name, keywords, lr_mult=LR_MULT, wd_mult=WD_MULT, **schedule), 5)
    assert trainer.optimizer.rescale_grad == COMMON["rescale_grad"] and trainer.optimizer.num_update == 5
    for (key, w), start in zip(draw(0, dtype=dtype).items(), params.offsets, strict=False):
        own = {"rescale_grad": COMMON["rescale_grad"] / 4, "wd": COMMON["wd"] * WD_MULT.get(key, 1)}
        factor = {"lr_mult": {0: LR_MULT[key]}} if key in LR_MULT else {}
        # LBSGD's warm-up comes before the multiplier; a rate of 0 itself allows no warm start.
        if not scheduled and name != "LBSGD" and not keywords.get("warm_start"):
            own["learning_rate"], factor = COMMON["learning_rate"] * LR_MULT.get(key, 1), {}
        opt = make(name, keywords, **own, **schedule, **factor)
        opt.create_state("before", np.zeros(start, dtype))  # moves on in the noise
        state, initial = opt.create_state(0, w), bits(w)
        for k in range(5):
            opt.update(0, w, draw(k + 1, dtype=dtype)[key], state)
        assert bits(w) == bits(params[key])
        assert (bits(w) == initial) == (key in ("b", "none"))


@pytest.mark.parametrize("frozen", ["w", "v"])
@each_case
def test_a_multiplier_of_0_freezes_one_parameter(name, keywords, frozen):
    initial = {key: w.clip(-0.8, 0.8) for key, w in draw(0).items()}      # clip_weights=0.9 would move others
    params = Parameters(initial)
    trained(params, make(name, keywords, lr_mult={frozen: 0}), 3)
    for key, w in params.items():
        assert w.size == 0 or (bits(w) == bits(initial[key])) == (key == frozen)
    assert np.isfinite(params.flat).all()


def test_precedence_of_multipliers():
    """A name before an index before the first pattern; what no entry fits has 1; a name is no pattern."""
    names = ["a.weight", "a.bias", "b.weight", "b.bias", "*", "other", "layers[0].w", "layers0.w"]
    table = {"?.*": 0.5, "*.bias": 0.25, 1: 2.0, "a.bias": 3.0, 0: 4.0, "*": 5.0, "layers[0].w": 6, "ot*": 7}
    expected = {"a.weight": 4, "a.bias": 3, "b.weight": 0.5, "b.bias": 0.5, "*": 5, "other": 7, "layers[0].w": 6,
                "layers0.w": 1}
    for what in ("lr_mult", "wd_mult"):
        params = Parameters({name: np.ones(2) for name in names})
        rate = {"learning_rate": 1, "wd": 1, what: table}
        Trainer(params, "sgd", rate).step(1)
        assert {name: 1 - w[0] for name, w in params.items()} == expected
    params = Parameters({name: np.ones(2) for name in names})
    Trainer(params, "sgd", {"learning_rate": 1, "wd": 1, "lr_mult": {"b.*": 0}}).step(1)
    assert params.flat.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]


def test_no_name_is_special():
    params = Parameters({name: np.ones(1, np.float32) for name in ("weight", "bias", "gamma", "beta", "running_mean")})
    Trainer(params, "lars", {"wd": 0.5, "learning_rate": 1, "eta": 1}).step(1, grads={name: [1] for name in params})
    assert len(set(params.flat.tolist())) == 1 and params.flat[0] != 1


# --- step

@pytest.mark.parametrize("batch_size", [1, 4, 7, 0.5, np.int64(3), np.float32(2.5), True])
def test_the_gradient_is_divided_by_the_batch_size(batch_size):
    params = Parameters({"w": np.zeros(3)})
    trainer = Trainer(params, "sgd", {"learning_rate": 1, "rescale_grad": 0.25})
    params.grad["w"][...] = [4, -8, 1]
    assert trainer.step(batch_size) == (True, "", None, None, None)
    assert params.flat.tolist() == [-(0.25 / float(batch_size)) * g for g in (4, -8, 1)]
    assert params.grad.flat.tolist() == [4, -8, 1] and trainer.optimizer.rescale_grad == 0.25


def test_gradients_can_be_given_by_name():
    params = Parameters({"a": np.zeros((2, 2)), "b": np.zeros(()), "c": np.zeros(2)})
    trainer, view = Trainer(params, "sgd", {"learning_rate": 1}), params.grad["a"]
    given = {"c": np.array([5, 6], np.float32), "a": [[1.0, 2], [3, 4]], "b": 7}
    trainer.step(1, grads=given)
    assert params.flat.tolist() == [-1, -2, -3, -4, -7, -5, -6]
    assert params.grad["a"] is view and view.tolist() == given["a"]
    trainer.step(1)                                         # they stay
    assert params.flat[0] == -2
    trainer.zero_grad()
    assert not params.grad.flat.any() and params.grad["a"] is view
    trainer.step(1)
    assert params.flat[0] == -2
    trainer.step(1, grads=params.grad)                      # themselves
    assert params.flat[0] == -2


def test_weights_can_be_changed_between_steps():
    params = Parameters({"w": np.zeros(2)})
    trainer = Trainer(params, "sgd", {"learning_rate": 1})
    params.grad["w"][0] = 1
    trainer.step(1)
    params["w"] = [10, 20]
    trainer.step(1)
    assert params["w"].tolist() == [9, 20]


@each_case
def test_hyper_parameters_between_steps(name, keywords):
    """Set by attribute, method or table, they hold from the next step on."""
    def change(opt, k):
        if k == 1:
            opt.clip_gradient = None
            if name != "Rprop":                             # refuses both
                opt.set_learning_rate(0.2)
                opt.wd = 0.3
        elif k == 2:
            opt.set_lr_mult({"w": 0.5, "v": 0})
            opt.set_wd_mult({"*": 2})
        elif k == 3:
            opt.rescale_grad = 2
            for key, (default, _) in opt.hyper.items():
                if default == 0.999:
                    setattr(opt, key, 0.5)

    params = Parameters(draw(0))
    trainer = Trainer(params, make(name, keywords))
    opt, weights = make(name, keywords, param_idx2name=dict(enumerate(SHAPES))), draw(0)
    states = [opt.create_state(i, w) for i, w in enumerate(weights.values())]
    for k in range(6):
        change(trainer.optimizer, k)
        change(opt, k)
        trainer.step(1, grads=draw(k))
        opt.update(list(range(4)), list(weights.values()), list(draw(k).values()), states)
        assert {key: bits(w) for key, w in weights.items()} == {key: bits(w) for key, w in params.items()}
    without = trained(Parameters(draw(0)), make(name, keywords), 6, batch_size=1)
    assert bits(without.params.flat) != bits(params.flat)


def test_learning_rate():
    trainer = Trainer(Parameters({"w": np.zeros(1)}), "sgd", {"learning_rate": 0.5})
    assert trainer.learning_rate == 0.5
    trainer.set_learning_rate(0.25)
    assert trainer.learning_rate == trainer.optimizer.learning_rate == 0.25
    trainer.step(1, grads={"w": [1]})
    assert trainer.params["w"] == -0.25


def test_a_schedule_counts_steps():
    schedule = CosineScheduler(max_update=4, base_lr=1.0)
    params = Parameters({"w": np.zeros(1)})
    trainer, rates = Trainer(params, "sgd", {"lr_scheduler": schedule}), []
    for n in range(1, 7):
        before = params["w"][0]
        trainer.step(1, grads={"w": [1]})
        assert trainer.learning_rate == schedule(n)
        rates.append(before - params["w"][0])
    assert rates == pytest.approx([schedule(n) for n in range(1, 7)]) and rates[-1] == 0 < rates[0]
    with pytest.raises(ValueError, match="lr_scheduler"):
        trainer.set_learning_rate(0.1)


def test_a_function_is_a_schedule():
    seen, params = [], Parameters({"w": np.zeros(1), "v": np.zeros(1)})
    trainer = Trainer(params, "sgd", {"lr_scheduler": lambda n: seen.append(n) or 1 / n, "begin_num_update": 3})
    for _ in range(3):
        trainer.step(1, grads={"w": [1], "v": [2]})
    assert sorted(set(seen)) == [4, 5, 6]
    assert params.flat.tolist() == pytest.approx([-(1 / 4 + 1 / 5 + 1 / 6), -2 * (1 / 4 + 1 / 5 + 1 / 6)])


# --- what it is made of

def test_an_optimizer_or_a_name():
    opt = optimizer.Adam(learning_rate=0.5)
    by_name = trained(Parameters(draw(0)), "ADAM", 3, optimizer_params={"learning_rate": 0.5})
    by_object = trained(Parameters(draw(0)), opt, 3)
    assert by_object.optimizer is opt and type(by_name.optimizer) is optimizer.Adam
    assert bits(by_name.params.flat) == bits(by_object.params.flat)
    assert opt.param_idx2name == dict(enumerate(SHAPES))


def test_threads_are_those_asked_for():
    params = Parameters({"w": np.zeros(1)})
    assert [Trainer(params, "sgd", threads=n).threads for n in (1, 2, 5)] == [1, 2, 5]
    assert Trainer(params, "sgd").threads >= 1


def test_a_trainer_leaves_other_parameters_alone():
    first, second = Parameters(draw(0)), Parameters(draw(0))
    trained(first, "adam", 2)
    assert bits(second.flat) == bits(Parameters(draw(0)).flat) != bits(first.flat) and not second.grad.flat.any()


@pytest.mark.parametrize("arguments, error, message", [
    (({"w": np.zeros(1)}, "sgd"), TypeError, "params is dict; expected numoptim.Parameters"),
    ((None, "sdg"), ValueError, "unknown optimizer 'sdg'; did you mean 'SGD'"),
    ((None, "adam", {"beta3": 0.5}), TypeError, "Adam has no keyword 'beta3'; did you mean"),
    ((None, optimizer.Adam), TypeError, "expected the name of an optimizer or an Optimizer, was given .*Adam"),
    ((None, optimizer.Adam(), {"beta1": 0.5}), ValueError, "optimizer_params go with an optimizer's name"),
    ((None, optimizer.Adam(param_idx2name={0: "x"})), ValueError, "belongs to the parameters .*'x'.* not .*'w'"),
], ids=["dict", "name", "keyword", "class", "both", "other parameters"])
def test_what_is_refused(arguments, error, message):
    params, *rest = arguments
    with pytest.raises(error, match=message):
        Trainer(Parameters({"w": np.zeros(1)}) if params is None else params, *rest)


def test_an_optimizer_belongs_to_its_parameters():
    opt = optimizer.SGD()
    Trainer(Parameters({"w": np.zeros(1)}), opt)
    with pytest.raises(ValueError, match="make one for each Trainer"):
        Trainer(Parameters({"v": np.zeros(1)}), opt)
    assert opt.param_idx2name == {0: "w"}


def test_a_step_without_a_batch_size_is_of_one():
    first, second = (Parameters({"w": np.ones(3)}) for _ in range(2))
    Trainer(first, "sgd").step(grads={"w": np.ones(3)})
    Trainer(second, "sgd").step(1, grads={"w": np.ones(3)})
    assert np.array_equal(first.flat, second.flat) and not (first.flat == 1).any()
