"""From arguments to an update rule and its entry in the manifest."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from nndyn.errors import UnknownNameError, UsageError
from nndyn.options import OPTIONS
from nndyn.systems.training.optimizers.arguments import OPTIMIZERS, make
from nndyn.systems.training.optimizers.formulas.adam import Adam, AdamW
from nndyn.systems.training.optimizers.formulas.rmsprop import RMSprop
from nndyn.systems.training.optimizers.formulas.sgd import SGD
from nndyn.systems.training.optimizers.schedules import parse

RULES = [
    ({"lr": 2}, SGD(2.0)),
    ({"lr": 0.1, "momentum": 0.9, "nesterov": True}, SGD(0.1, 0.9, nesterov=True)),
    ({"optimizer": "adam", "lr": 0.1, "betas": [0, 0.5]}, Adam(0.1, (0.0, 0.5))),
    ({"optimizer": "adamw", "lr": 0.1, "weight_decay": 0.2}, AdamW(0.1, weight_decay=0.2)),
    ({"optimizer": "rmsprop", "lr": 0.1, "momentum": 0.5}, RMSprop(0.1, 0.5)),
    ({"optimizer": "rmsprop", "lr": 0.1, "alpha": 0.5}, RMSprop(0.1, alpha=0.5)),
    (
        {"lr": 0.1, "schedule": "warmup:3,cosine:9", "clip_norm": 1},
        SGD(0.1, schedule=parse("warmup:3,cosine:9"), clip_norm=1.0),
    ),
]


@pytest.mark.parametrize(("arguments", "rule"), RULES)
def test_arguments_give_their_rule(arguments, rule):
    assert make(**arguments)[0] == rule


@pytest.mark.parametrize(
    ("arguments", "described"),
    [
        ({"lr": 2}, {"optimizer": "sgd", "lr": 2.0, "momentum": 0.0, "betas": None}),
        (
            {"optimizer": "adam", "lr": 0.1},
            {"optimizer": "adam", "lr": 0.1, "momentum": None, "betas": [0.9, 0.999]},
        ),
        (
            {"optimizer": "rmsprop", "lr": 0.1, "alpha": 0.5, "schedule": "step:10:.1"},
            {
                "optimizer": "rmsprop",
                "lr": 0.1,
                "momentum": 0.0,
                "betas": None,
                "alpha": 0.5,
                "schedule": "step:10",
            },
        ),
        (
            {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1, "clip_norm": 3},
            {
                "optimizer": "sgd",
                "lr": 0.1,
                "momentum": 0.9,
                "betas": None,
                "nesterov": True,
                "weight_decay": 1.0,
                "clip_norm": 3.0,
            },
        ),
    ],
)
def test_only_what_differs_from_its_default_is_described(arguments, described):
    found = make(**arguments)[1]
    assert found == described
    assert json.loads(json.dumps(found)) == found
    # what is described makes the same rule again
    again = {name: value for name, value in found.items() if value is not None}
    assert make(**again)[0] == make(**arguments)[0]


def test_numbers_of_numpy_and_torch_are_taken():
    rule, described = make(
        np.str_("rmsprop"),
        lr=np.float32(0.5),
        momentum=np.array(0.25),
        nesterov=np.bool_(False),
        weight_decay=torch.tensor(0.125),
        alpha=np.float64(0.75),
        clip_norm=np.int64(2),
    )
    assert rule == RMSprop(0.5, 0.25, 0.75, weight_decay=0.125, clip_norm=2.0)
    assert {type(value) for value in described.values()} <= {str, float, type(None)}
    json.dumps(described)
    assert make("adam", lr=1, betas=(np.float64(0.5), np.float32(0.5)))[0] == Adam(1.0, (0.5, 0.5))
    assert make(lr=1, momentum=0.5, nesterov=np.bool_(True))[1]["nesterov"] is True


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_known_optimizer_can_be_made(optimizer):
    assert make(optimizer, lr=0.1)[1]["optimizer"] == optimizer


WRONG = [
    (
        {"optimizer": "SGD"},
        "optimizer is 'SGD', expected 'sgd', 'adam', 'adamw', 'rmsprop', 'nadam', 'adagrad' or ",
    ),
    ({"optimizer": None}, "optimizer is None"),
    ({"lr": 0}, "lr is 0, expected a finite number above 0"),
    ({"lr": -1}, "lr is -1"),
    ({"lr": float("nan")}, "lr is nan"),
    ({"lr": float("inf")}, "lr is inf"),
    ({"lr": 10**400}, "lr is 1000"),
    ({"lr": "0.1"}, "lr is '0.1'"),
    ({"lr": True}, "lr is True"),
    ({"lr": np.bool_(True)}, "lr is np.True_"),
    ({"lr": None}, "lr is None"),
    ({"lr": 1j}, "lr is 1j"),
    ({"lr": np.complex128(1)}, r"lr is np.complex128\(1"),
    ({"lr": [0.1]}, r"lr is \[0.1\]"),
    ({"lr": np.array([0.1])}, r"lr is array\(\[0.1\]\)"),
    ({"lr": torch.tensor([0.1, 0.2])}, "lr is tensor"),
    ({"momentum": 1}, r"momentum is 1, expected a number in \[0, 1\)"),
    ({"momentum": -0.1}, "momentum is -0.1"),
    ({"momentum": "heavy"}, "momentum is 'heavy'"),
    ({"momentum": float("nan")}, "momentum is nan"),
    ({"weight_decay": -1e-9}, "weight_decay is -1e-09, expected a finite number, 0 or more"),
    ({"weight_decay": float("inf")}, "weight_decay is inf"),
    ({"weight_decay": False}, "weight_decay is False"),
    ({"nesterov": 1}, "nesterov is 1, expected True or False"),
    ({"nesterov": "yes"}, "nesterov is 'yes'"),
    ({"nesterov": True}, "nesterov needs a momentum above 0"),
    ({"nesterov": True, "momentum": 0.5, "optimizer": "rmsprop"}, "nesterov applies to sgd"),
    ({"nesterov": True, "optimizer": "adam"}, "nesterov applies to sgd; the optimizer is adam"),
    ({"optimizer": "adam", "betas": 0.5}, "betas is 0.5, expected two numbers"),
    ({"optimizer": "adam", "betas": "ab"}, "betas is 'ab', expected two numbers"),
    (
        {"optimizer": "adam", "betas": (0.9, 1.0)},
        r"one of betas is 1.0, expected a number in \[0, 1\)",
    ),
    ({"optimizer": "adam", "betas": (0.9, None)}, "one of betas is None, expected a number"),
    ({"optimizer": "adam", "betas": (0.9, 0.9, 0.9)}, "expected two numbers"),
    ({"betas": (0.5, 0.5)}, "betas apply to adam, adamw, nadam and lion; the optimizer is sgd"),
    ({"betas": (0.5, 0.5), "optimizer": "rmsprop"}, "the optimizer is rmsprop"),
    ({"momentum": 0.9, "optimizer": "adamw"}, "momentum applies to sgd and rmsprop"),
    ({"alpha": 1.0, "optimizer": "rmsprop"}, r"alpha is 1.0, expected a number in \[0, 1\)"),
    ({"alpha": 0.9}, "alpha applies to rmsprop; the optimizer is sgd"),
    ({"clip_norm": 0}, "clip_norm is 0, expected a finite number above 0"),
    ({"clip_norm": "1"}, "clip_norm is '1'"),
    ({"clip_norm": float("inf")}, "clip_norm is inf"),
    ({"schedule": None}, "schedule is None"),
    ({"schedule": "lineal:3"}, "'lineal:3' is not known"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_arguments_are_refused(arguments, message):
    unknown = "optimizer is" in message[:12] or "not known" in message
    with pytest.raises(UnknownNameError if unknown else UsageError, match=message) as caught:
        make(**{"lr": 0.1, **arguments})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", OPTIMIZERS.values())
def test_the_hyperparameters_of_an_optimizer_have_the_defaults_of_the_options(kind):
    rows = {row.name: row.default for row in OPTIONS}
    own = {name for name in kind.takes if rows[name] is None}  # of every optimizer another
    assert own <= {"betas", "eps"}
    of_all = set(kind.takes) - own
    assert {name: getattr(kind, name) for name in of_all} == {n: rows[n] for n in of_all}
    assert set(kind.takes) <= {field.name for field in dataclasses.fields(kind)}
