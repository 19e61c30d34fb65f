"""Forms in which an optimizer is given: all that mean the same make the same training."""

import functools

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

import nndyn
from nndyn.errors import UnknownNameError, UsageError
from tests.nndyn.systems.training.torch_optimizers import plain

STEPS = 30


def made(optimizer, model=None, **options):
    return nndyn.Training(
        model or plain.network(), plain.data(), optimizer=optimizer, batch_size=20, **options
    )


def path(system):
    return system.advance(system.initial()[None], 0, STEPS, range(STEPS)).states[:, 0]


ADAM = {"lr": 0.02, "betas": (0.8, 0.95), "weight_decay": 0.01}
SAME = {
    "class in a partial": (functools.partial(torch.optim.AdamW, **ADAM), {}),
    "partial without a rate": (
        functools.partial(torch.optim.AdamW, betas=(0.8, 0.95), weight_decay=0.01),
        {"lr": 0.02},
    ),
    "function": (lambda model: torch.optim.AdamW(model.parameters(), **ADAM), {}),
    "function of the rate": (
        lambda model, lr: torch.optim.AdamW(model.parameters(), **{**ADAM, "lr": lr}),
        {"lr": 0.02},
    ),
    "function whose rate is replaced": (
        lambda model: torch.optim.AdamW(model.parameters(), **{**ADAM, "lr": 5.0}),
        {"lr": 0.02},
    ),
    "decoupled": (
        lambda model: torch.optim.Adam(model.parameters(), **ADAM, decoupled_weight_decay=True),
        {},
    ),
    "one group of a name": (
        lambda model: torch.optim.AdamW(list(model.named_parameters()), **ADAM, foreach=True),
        {},
    ),
}


@pytest.mark.parametrize("form", SAME)
def test_every_form_is_the_training_of_the_name(form):
    expected = made("AdamW", **ADAM)
    optimizer, options = SAME[form]
    system = made(optimizer, **options)
    np.testing.assert_array_equal(path(system), path(expected))
    assert system.describe() == expected.describe()
    assert not system.no_tangents


def test_an_instance_is_made_anew_of_a_copy():
    model = plain.network()
    optimizer = torch.optim.AdamW(model.parameters(), **ADAM)
    system = made(optimizer, model)
    expected = made("adamw", **ADAM)
    np.testing.assert_array_equal(path(system), path(expected))
    assert system.describe() == expected.describe()
    assert not optimizer.state
    assert torch.equal(model[0].weight, plain.network()[0].weight)


def test_groups_of_every_form_are_those_by_name():
    groups = [{"params": "*.bias", "weight_decay": 0.0}]
    common = {"clip_norm": 1.0, "schedule": lambda o: lr_scheduler.StepLR(o, 100)}
    expected = made("adamw", lr=0.01, weight_decay=0.1, groups=groups, **common)
    model = plain.network()
    systems = [made(plain.grouped, **common), made(plain.grouped(model), model, **common)]
    found = plain.trained(
        model, plain.grouped(model), expected.order, plain.data(), STEPS, clip=1.0
    )
    for system in systems:
        assert system.describe() == expected.describe()
        np.testing.assert_array_equal(path(system), path(expected))
    last = expected.advance(expected.initial()[None], 0, STEPS, ()).phase[0, : len(found)]
    np.testing.assert_allclose(last, found, rtol=0, atol=1e-12)


def test_a_class_has_the_defaults_of_torch():
    described = made(torch.optim.AdamW).describe()
    assert (described["lr"], described["weight_decay"]) == (1e-3, 1e-2)


MAPPED = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, momentum=0.5),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1, eps=1e-4, amsgrad=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1, lr_decay=0.01, eps=1e-6),
}


@pytest.mark.parametrize("name", MAPPED)
def test_what_has_a_rule_here_is_torch_to_rounding(name):
    system = made(lambda model: MAPPED[name](model.parameters()), clip_norm=0.5)
    assert system.describe()["optimizer"] == name
    model = plain.network()
    optimizer = MAPPED[name](model.parameters())
    last = system.advance(system.initial()[None], 0, STEPS, ()).phase[0, system.components]
    found = plain.trained(model, optimizer, system.order, plain.data(), STEPS, clip=0.5)
    np.testing.assert_allclose(last, found, rtol=0, atol=1e-12)


def test_an_instance_with_groups_and_attributes_of_its_own_is_rebuilt():
    class Scaled(plain.Signed):
        def __init__(self, params, scale):
            super().__init__(params)
            self.scale = scale

        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.grad.mul_(self.scale)
            super().step()

    def optimizer(model):
        return Scaled(
            [{"params": [p], "lr": 0.01 * (1 + i)} for i, p in enumerate(model.parameters())], 3
        )

    model = plain.network()
    with pytest.warns(UserWarning, match="Scaled is none"):
        system = made(optimizer(model), model)
    with pytest.warns(UserWarning, match="is none"):
        other = made(optimizer)
    assert system.describe() == other.describe()
    assert [g["options"]["lr"] for g in system.describe()["groups"]] == [0.01, 0.02, 0.03, 0.04]
    found = plain.trained(model, optimizer(model), system.order, plain.data(), STEPS)
    last = system.advance(system.initial()[None], 0, STEPS, ()).phase[0, system.components]
    np.testing.assert_array_equal(last, found)


def test_a_state_from_the_beginning_is_none_of_steps():
    class Prepared(plain.Signed):
        def __init__(self, params):
            super().__init__(params)
            for p in self.param_groups[0]["params"]:
                self.state[p].update(mean=torch.zeros_like(p), count=0, last=[0.0, 0.0])

    with pytest.warns(UserWarning, match="Prepared is none"):
        prepared = made(Prepared)
    with pytest.warns(UserWarning, match="Signed is none"):
        np.testing.assert_array_equal(path(prepared), path(made(plain.Signed)))
    model = plain.network()
    accumulating = torch.optim.Adagrad(model.parameters(), initial_accumulator_value=0.1)
    assert accumulating.state
    expected = made("adagrad", lr=0.01, initial_accumulator_value=0.1)
    np.testing.assert_array_equal(path(made(accumulating, model)), path(expected))


def stepped(model):
    optimizer = torch.optim.AdamW(model.parameters())
    model(plain.data()[0]).sum().backward()
    optimizer.step()
    return optimizer


def scheduled(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lr_scheduler.LinearLR(optimizer)
    return optimizer


REFUSED = {
    "of other parameters": (
        lambda model: torch.optim.AdamW(plain.network().parameters()),
        "trains parameter 0 of its group 0, of shape .* none of the model that it is given",
    ),
    "of some parameters": (
        lambda model: torch.optim.AdamW(model[0].parameters()),
        "leaves out 2.weight and 1 others, which requires a gradient; add it to a group, or freeze",
    ),
    "no optimizer": (lambda model: model, "returns an object of type Sequential, expected a torch"),
    "a pair": (
        lambda model: (scheduled(model), None),
        "returns an object of type tuple, expected a torch.optim.Optimizer",
    ),
    "raises": (lambda model: model.nothing, "raises AttributeError: .*nothing"),
    "of parameters": (
        lambda parameters: torch.optim.AdamW(parameters),
        r"raises TypeError: .*; it is called with the model, and takes its parameters\(\)",
    ),
    "stepped": (stepped, "has a state, of steps that it has taken; give a fresh one"),
    "scheduled": (scheduled, "has a scheduler, which is left out here; give what makes it"),
    "a number": (3, "optimizer is 3, expected a name, a class"),
    "a class": (nn.Linear, "optimizer Linear raises TypeError"),
    "LBFGS": (torch.optim.LBFGS, "it is no map of one update"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_optimizer_of_the_model_is_refused(name):
    optimizer, message = REFUSED[name]
    with pytest.raises(UsageError, match=message):
        made(optimizer)


def test_instances_that_do_not_belong_to_the_model_are_refused():
    model = plain.network()
    with pytest.raises(UsageError, match=r"parameter 0 of group 0, of shape \(8, 6\), is none of"):
        made(torch.optim.SGD(plain.network().parameters(), lr=0.1), model)
    with pytest.raises(UsageError, match="model is no module whose these could be"):
        made(torch.optim.SGD(model.parameters(), lr=0.1), plain.network)
    with pytest.raises(UsageError, match="AdamW has a state, of steps"):
        made(stepped(model), model)


def test_hyperparameters_beside_an_optimizer_that_brings_its_own_are_refused():
    with pytest.raises(UsageError, match=r"momentum is 0.9, and optimizer SGD brings its own; say"):
        made(torch.optim.SGD, momentum=0.9)
    with pytest.raises(UsageError, match=r"betas is .0.5, 0.9., and optimizer AdamW brings"):
        made(torch.optim.AdamW, betas=[0.5, 0.9])
    with pytest.raises(UsageError, match="optimizer AdamW brings its own; make them there"):
        made(torch.optim.AdamW, groups=[{"params": "*.bias", "weight_decay": 0}])
    with pytest.raises(UnknownNameError, match=r"no name here; give the class, .*optim.Adadelta"):
        made("adadelta", lr=0.1)
    with pytest.raises(UsageError, match="lr is missing; adam needs a learning rate"):
        made("adam")
    with pytest.raises(UsageError, match=r"lr is missing, and optimizer .* takes one"):
        made(lambda model, lr: torch.optim.SGD(model.parameters(), lr=lr))
    with pytest.raises(UsageError, match="lr is -1, expected"):
        made(torch.optim.SGD, lr=-1)


def test_what_is_of_all_optimizers_is_checked_and_taken_where_it_can_be():
    with pytest.raises(UsageError, match="ema is 2"):
        made(torch.optim.Adadelta, ema=2)
    with pytest.raises(UsageError, match=r"ema is 0.9, and optimizer Adadelta, which steps for"):
        made(torch.optim.Adadelta, ema=0.9)
    averaged = made(torch.optim.SGD, lr=0.1, ema=0.9, accumulate=2, clip_value=0.1)
    expected = made("sgd", lr=0.1, ema=0.9, accumulate=2, clip_value=0.1)
    np.testing.assert_array_equal(path(averaged), path(expected))


def test_a_rate_beside_groups_with_rates_of_their_own_is_refused():
    def optimizer(model):
        return torch.optim.SGD([{"params": [p], "lr": 1.0 + p.dim()} for p in model.parameters()])

    with pytest.raises(UsageError, match="has the learning rates 2, 3; leave lr out, or give a"):
        made(optimizer, lr=0.1)


def test_a_scheduler_that_follows_a_measured_loss_is_refused():
    with pytest.raises(UsageError, match="ReduceLROnPlateau follows a measured loss"):
        made(torch.optim.SGD, lr=0.1, schedule=lr_scheduler.ReduceLROnPlateau)
    with pytest.raises(UsageError, match="ReduceLROnPlateau follows a measured loss"):
        made(torch.optim.Adadelta, schedule=lr_scheduler.ReduceLROnPlateau)


def test_a_scheduler_already_made_of_an_instance_is_made_anew():
    model = plain.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lr_scheduler.LinearLR(optimizer, 0.5, total_iters=10)
    system = made(
        optimizer, model, schedule=lambda o: lr_scheduler.LinearLR(o, 0.5, total_iters=10)
    )
    expected = made("sgd", lr=0.1, schedule=lambda o: lr_scheduler.LinearLR(o, 0.5, total_iters=10))
    np.testing.assert_array_equal(path(system), path(expected))


def test_an_instance_whose_momentum_is_being_cycled_is_refused():
    model = plain.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=60)

    def schedule(optimizer):
        return lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=60, cycle_momentum=False)

    with pytest.raises(UsageError, match="has begun to cycle its momentum"):
        made(optimizer, model, schedule=schedule)


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.RAdam])
@pytest.mark.filterwarnings("ignore:optimizer RAdam")
def test_a_rate_that_is_a_tensor_is_scheduled_from_its_own_value(kind):
    def optimizer(model):
        rate = torch.tensor(0.01, dtype=torch.float64)
        return kind(model.parameters(), lr=rate, foreach=False)

    def schedule(optimizer):
        return lr_scheduler.LambdaLR(optimizer, lambda t: (t + 1) / 10)

    system = made(optimizer, schedule=schedule)
    model = plain.network()
    own = optimizer(model)
    found = plain.trained(model, own, system.order, plain.data(), 9, schedule=schedule(own))
    last = system.advance(system.initial()[None], 0, 9, ()).phase[0, system.components]
    np.testing.assert_allclose(last, found, rtol=0, atol=1e-12)


def test_groups_with_a_schedule_each_take_turns():
    def schedule(optimizer):
        return lr_scheduler.LambdaLR(optimizer, [lambda t: 0.9**t, lambda t: float(t > 3)])

    with pytest.warns(UserWarning, match="the schedule gives groups .* factors of their own"):
        system = made(plain.grouped, schedule=schedule)
    model = plain.network()
    optimizer = plain.grouped(model)
    found = plain.trained(
        model, optimizer, system.order, plain.data(), STEPS, schedule=schedule(optimizer)
    )
    last = system.advance(system.initial()[None], 0, STEPS, ()).phase[0, system.components]
    np.testing.assert_array_equal(last, found)


def test_groups_with_one_schedule_have_a_rule():
    def schedule(optimizer):
        return lr_scheduler.LambdaLR(optimizer, [lambda t: 0.9**t, lambda t: 0.9**t])

    def optimizer(model):
        made = plain.grouped(model)
        made.param_groups[1]["lr"] = 0.03
        return made

    system = made(optimizer, schedule=schedule)
    model = plain.network()
    own = optimizer(model)
    found = plain.trained(model, own, system.order, plain.data(), STEPS, schedule=schedule(own))
    last = system.advance(system.initial()[None], 0, STEPS, ()).phase[0, system.components]
    np.testing.assert_allclose(last, found, rtol=0, atol=1e-12)


def test_a_checkpoint_has_the_groups_in_their_order():
    system = made(plain.grouped)
    model = plain.network()
    optimizer = plain.grouped(model)
    plain.trained(model, optimizer, system.order, plain.data(), 7)
    start = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": 7}
    later = made(plain.grouped, start=start)
    last = later.advance(later.initial()[None], 0, 9, ()).phase[0, system.components]
    found = plain.trained(model, optimizer, system.order, plain.data(), 9, start=7)
    np.testing.assert_allclose(last, found, rtol=0, atol=1e-12)
