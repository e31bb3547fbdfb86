"""Keywords of other libraries are refused with what to write here."""
import inspect
import string

import numpy as np
import pytest
from test_optimizer import NAMES

import numoptim
from numoptim import lr_scheduler, optimizer
from numoptim.face.hints import HINTS

CASES = [
    ("Adam", "lr", "write learning_rate"),
    ("Adam", "betas", "write beta1 and beta2"),
    ("Adam", "eps", "write epsilon"),
    ("Adam", "alpha", "write learning_rate"),
    ("Adam", "weight_decay", "write wd"),
    ("Adam", "momentum", "write beta1"),
    ("Adam", "nesterov", "with beta1 as Nesterov's momentum it is Nadam"),
    ("Nadam", "amsgrad", "Adam and AdamW have it"),
    ("Nadam", "decoupled_weight_decay", "decay is decoupled in AdamW, NAdamW"),
    ("AdamW", "lr", "write learning_rate"),
    ("AdamW", "betas", "write beta1 and beta2"),
    ("AdamW", "weight_decay", "write wd"),
    ("Lion", "weight_decay", "write wd"),
    ("Yogi", "initial_accumulator_value", "write initial"),
    ("Adam", "maximize", "write rescale_grad=-1"),
    ("Adam", "params", "numoptim.Trainer(params, optimizer)"),
    ("Adam", "beta_1", "did you mean 'beta1'?"),
    ("Adam", "clipnorm", "clip_gradient"),
    ("Adam", "betta1", "did you mean 'beta1'?"),
    ("RMSProp", "alpha", "write gamma1"),
    ("RMSProp", "rho", "write gamma1"),
    ("RMSProp", "decay", "write gamma1"),
    ("SGD", "decay", "lr_scheduler"),
    ("LARS", "dampening", "multiply the learning rate by 1 - dampening"),
    ("NAG", "dampening", "Nesterov's momentum has none"),
    ("AdaGrad", "initial_accumulator_value", "write initial"),
    ("Rprop", "etas", "write eta_minus and eta_plus"),
    ("SGD", "nesterov", "the optimizer is NAG"),
    ("SGD", "gradient_accumulation_steps", "the optimizer LBSGD"),
    ("LBSGD", "gradient_accumulation_steps", "write batch_scale"),
    ("AdaGrad", "epsilon", "write eps"),
    ("AdaGrad", "momentum", "it has no momentum"),
    ("Ftrl", "lambda_l1", "write lamda1"),
    ("Ftrl", "l2", "write wd"),
    ("LARS", "trust_coefficient", "write eta"),
    ("Nadam", "momentum_decay", "write schedule_decay"),
    ("DCASGD", "lambda", "write lamda"),
    ("Signum", "dampening", "are the same for any dampening: leave it out"),
    ("Ftrl", "l2_regularization_strength", "write wd=2*l2_regularization_strength"),
    ("RMSProp", "eps", "write epsilon, inside the root of what gamma1 averages: eps**2 for torch's"),
    ("SGD", "alpha", "write learning_rate, or wd for scikit-learn's"),
]


@pytest.mark.parametrize("name, word, said", CASES, ids=lambda x: x.replace(" ", "-"))
def test_what_to_write(name, word, said):
    with pytest.raises(TypeError) as error:
        optimizer.create(name, **{word: 1})
    assert str(error.value).startswith(f"{name} has no keyword {word!r}") and said in str(error.value)


def test_real_keywords_keep_their_meaning():
    assert optimizer.SGD(momentum=0.5).momentum == optimizer.Signum(momentum=0.5).momentum == 0.5
    assert optimizer.AdaGrad(eps=0.5).eps == optimizer.AdaDelta(rho=0.5).rho == optimizer.LARS(eta=0.5).eta == 0.5


def test_every_hint_fits_an_optimizer_that_does_not_have_the_word():
    keywords = [set(inspect.signature(getattr(optimizer, name)).parameters) for name in NAMES]
    for word, hints in HINTS.items():
        for hint in hints:
            needed = {field for _, field, *_ in string.Formatter().parse(hint) if field}
            assert any(needed <= known and word not in known for known in keywords), (word, hint)


def test_a_step_is_what_the_hints_promise():
    """maximize is rescale_grad=-1, dampening d a learning rate times 1 - d, in whole steps of torch's formulas."""
    rng, w = np.random.default_rng(0), np.ones(5)
    grads = rng.standard_normal((6, 5))
    grads[0] = 0.0                                  # torch does not dampen the first gradient
    params = numoptim.Parameters({"w": w})
    trainer = numoptim.Trainer(params, "sgd", {
        "learning_rate": 0.1 * (1 - 0.25), "momentum": 0.9, "rescale_grad": -1})
    v = np.zeros(5)
    for g in grads:
        v = 0.9 * v + (1 - 0.25) * -g
        w = w - 0.1 * v
        trainer.step(grads={"w": g})
    np.testing.assert_allclose(params["w"], w, rtol=1e-13)


def test_classes_in_python_rules_and_records_hint_too():
    class Plain(optimizer.Optimizer):
        def __init__(self, damping=0.9, **keywords):
            super().__init__(**keywords)

    for call, message in [
        (lambda: Plain(lr=0.1), "Plain has no keyword 'lr': write learning_rate"),
        (lambda: Plain(dampin=0.1), "Plain has no keyword 'dampin'; did you mean 'damping'?"),
        (lambda: optimizer.Optimizer(lr=0.1), "Optimizer has no keyword 'lr': write learning_rate"),
        (lambda: numoptim.hyper("adam", betas=(0.9, 0.99)), "adam has no hyper-parameter 'betas': write beta1 and"),
    ]:
        with pytest.raises(TypeError) as error:
            call()
        assert str(error.value).startswith(message)


PARAMS = numoptim.Parameters({"w": np.ones(2)})
SCHEDULE = lr_scheduler.CosineScheduler(max_update=9)
CALLS = [
    (lambda: numoptim.Trainer(PARAMS, optimizer.Adam), "write Adam()"),
    (lambda: numoptim.Trainer(PARAMS, "adam", learning_rate=0.1), "Trainer(params, 'adam', {'learning_rate': 0.1})"),
    (lambda: numoptim.Trainer(PARAMS, optimizer.Adam(), wd=0.1), "go to it: Trainer(params, Adam(wd=0.1))"),
    (lambda: numoptim.Trainer(PARAMS, optimizer.Adam, learning_rate=0.1), "Trainer(params, Adam(learning_rate=0.1))"),
    (lambda: numoptim.Trainer(PARAMS, "sgd", lr=0.1), "'lr'; an optimizer's go in a dict: "
     "Trainer(params, 'sgd', {'learning_rate': 0.1})"),
    (lambda: numoptim.Trainer(PARAMS, "sgd", momentum=0.9),
     "no keyword 'momentum'; an optimizer's go in a dict: Trainer(params, 'sgd', {'momentum': 0.9})"),
    (lambda: numoptim.Trainer(PARAMS, "adam", momentum=0.9, weight_decay=0), "'adam', {'beta1': 0.9, 'wd': 0})"),
    (lambda: numoptim.Trainer(PARAMS, "adam", learning_rate=0.1, betas=(0.9, 0.99)),
     "'betas': write beta1 and beta2; an optimizer's go in a dict: Trainer(params, 'adam', {'learning_rate': 0.1})"),
    (lambda: numoptim.Trainer(PARAMS, "rmsprop", eps=1e-8), "'eps': write epsilon, inside the root"),
    (lambda: numoptim.Trainer(PARAMS, "sgd", update_on_kvstore=False), "Trainer(params, 'sgd', {...})"),
    (lambda: numoptim.Trainer(PARAMS, "adam", betta1=1), "'betta1'; did you mean 'beta1'?"),
    (lambda: numoptim.Trainer(PARAMS, "adam", thread=1), "did you mean 'threads'?"),
    (lambda: numoptim.Trainer(PARAMS, "adam", update_on_kvstore=False), "leave it out"),
    (lambda: optimizer.Adam(learning_rate=SCHEDULE), "a schedule is given as lr_scheduler"),
    (lambda: optimizer.Adam(lr_scheduler=lr_scheduler.CosineScheduler), "expected a function of the update number"),
    (lambda: optimizer.Adam(0.1), "Adam takes keywords alone"),
    (lambda: optimizer.Adam(PARAMS, learning_rate=0.1), "parameters go to numoptim.Trainer(params, optimizer)"),
]


@pytest.mark.parametrize("call, said", CALLS, ids=[said.replace(" ", "-") for _, said in CALLS])
def test_calls_of_other_libraries_say_what_to_write(call, said):
    with pytest.raises(TypeError) as error:
        call()
    assert said in str(error.value)
