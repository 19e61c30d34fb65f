"""What a sweep is asked for: axes, seeds, labels."""

import json
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import nndyn
from nndyn.errors import UnknownNameError, UsageError
from nndyn.studies.request import file_name, request
from tests.nndyn.studies.small import MAP, TRAINING


def axes(**options):
    return request("training", {**TRAINING, **options}).describe()["axes"]


def test_numbers_ascend_texts_keep_their_order_and_seed_comes_last():
    found = axes(lr=[2.0, 0.5, 1.0], activation=["tanh", "relu"])
    assert found == {"lr": [0.5, 1.0, 2.0], "activation": ["tanh", "relu"], "seed": [0]}
    assert list(found) == ["lr", "activation", "seed"]


def test_lists_and_arrays_are_grids_and_tuples_are_values():
    found = request(
        "training",
        {**TRAINING, "lr": np.array([1.0, 2.0]), "optimizer": "adam", "betas": (0.8, 0.9)},
    )
    assert list(found.axes) == ["lr", "seed"]
    assert found.fixed["betas"] == (0.8, 0.9)
    pairs = axes(betas=[(0.8, 0.9), (0.9, 0.99)])
    assert pairs["betas"] == ["0.8,0.9", "0.9,0.99"]


def test_labels_of_whole_numbers_among_others_are_floats():
    found = axes(lr=[1, 0.5])["lr"]
    assert found == [0.5, 1.0]
    assert all(isinstance(label, float) for label in found)
    assert all(isinstance(label, int) for label in axes(batch_size=[16, 32])["batch_size"])


def test_what_json_has_not_gets_a_label():
    models = [nn.Linear(4, 3), nn.Linear(4, 3)]
    assert axes(model=models)["model"] == ["Linear-0", "Linear-1"]
    assert axes(rescale=[None, 5])["rescale"] == ["None", 5]
    assert axes(data=[Path("a.csv"), Path("b.csv")])["data"] == ["a.csv", "b.csv"]
    assert axes(pairs=[False, True])["pairs"] == [False, True]
    json.dumps(axes(model=models, rescale=[None, 5]))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"seeds": 3}, [0, 1, 2]),
        ({"seeds": 2, "seed": 5}, [5, 6]),
        ({"seeds": [7, 3]}, [3, 7]),
        ({"seeds": range(2)}, [0, 1]),
        ({"seeds": np.arange(2)}, [0, 1]),
        ({"seeds": np.int64(2)}, [0, 1]),
    ],
)
def test_seeds_are_how_many_or_which(given, expected):
    found = request("logistic", MAP, **given).describe()["axes"]["seed"]
    assert found == expected
    assert all(type(seed) is int for seed in found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seeds": 0}, "seeds is 0, expected a whole number, 1 or more"),
        ({"seeds": 2.5}, "seeds is 2.5, expected a whole number"),
        ({"seeds": True}, "seeds is True, expected a whole number"),
        ({"seeds": "3"}, "seeds is '3', expected how many, or whole numbers"),
        ({"seeds": [0.5]}, "expected how many, or whole numbers"),
        ({"seeds": [True]}, "expected how many, or whole numbers"),
        ({"seeds": [-1]}, "expected how many, or whole numbers"),
        ({"seeds": []}, "seed is an empty grid"),
        ({"seeds": [1, 1]}, "seed has the value 1 twice"),
        ({"seeds": np.array(2.5)}, "expected how many, or whole numbers"),
        ({"seed": -1}, "seed is -1, expected a whole number, 0 or more"),
    ],
)
def test_wrong_seeds_are_named(given, message):
    with pytest.raises(UsageError, match=message):
        request("logistic", MAP, **given)


@pytest.mark.parametrize(
    ("system", "options", "message"),
    [
        ("logistic", {"r": []}, "r is an empty grid; give at least one value"),
        ("logistic", {"r": [1.0, 1]}, "r has the value 1 twice"),
        ("logistic", {"s": [1.0]}, "logistic has no option 's'; known: r, initial, discard, steps"),
        ("logistic", {"resume": True}, "resume is no option of single runs"),
        ("training", {"learning_rate": 1.0}, "training has no option 'learning_rate'; known:"),
        (5, {}, "system is 5, expected 'training', a name of nndyn.systems"),
        (lambda status: None, {"status": [1, 2]}, "status cannot be swept"),
    ],
)
def test_wrong_options_are_named(system, options, message):
    with pytest.raises(UsageError, match=message):
        request(system, options)


def test_an_unknown_system_lists_the_known():
    with pytest.raises(UnknownNameError, match="logistc"):
        request("logistc", {})


def test_options_of_a_run_are_the_fixed_ones_and_its_own():
    asked = request("training", {**TRAINING, "lr": [0.5, 1.0]}, seeds=2)
    points = list(asked.points())
    assert points[:3] == [
        {"lr": 0.5, "seed": 0},
        {"lr": 0.5, "seed": 1},
        {"lr": 1.0, "seed": 0},
    ]
    assert asked.options(points[2])["lr"] == 1.0
    assert asked.system(points[1]).describe()["seed"] == 1


def test_a_function_is_given_the_seed_where_it_has_that_parameter():
    def with_seed(seed, r):
        return nndyn.systems.logistic(r=r, initial=[0.1 + 0.01 * seed], discard=0)

    asked = request(with_seed, {"r": [3.9], "steps": 10}, seeds=2)
    assert asked.system({"r": 3.9, "seed": 1}).initial(0) == pytest.approx([0.11])
    with pytest.raises(UsageError, match="with_seed has no option 's'; known: r, steps"):
        request(with_seed, {"s": 1})


def test_file_names_tell_signs_apart_and_are_unique():
    taken = set()
    for label, expected in (
        (-0.5, "a=-0.5_seed=0.nc"),
        (0.5, "a=0.5_seed=0.nc"),
        (0.5 + 1e-9, "a=0.5_seed=0-2.nc"),
        ("mlp:4-8-3", "a=mlp-4-8-3_seed=0.nc"),
        ("../x", "a=..-x_seed=0.nc"),
        ("::", "a=x_seed=0.nc"),
        (1e-8, "a=1e-08_seed=0.nc"),
    ):
        name = file_name({"a": label, "seed": 0}, taken)
        assert name == expected
        taken.add(name)
    long = [file_name({"a": "y" * 300, "seed": s}, taken) for s in range(2)]
    assert all(len(name) < 140 for name in long)
