"""Evaluations as often as a twentieth of the work allows."""

import json

import numpy as np
import pytest
from torch import nn

import nndyn
from nndyn.errors import UsageError
from tests.nndyn.systems.training.loop import loops

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(120, 4)), RNG.integers(3, size=120)


def training(tested=60, model="mlp:4-8-3", **options):
    test = (X[:tested], Y[:tested]) if tested else None
    return nndyn.Training(model, (X, Y), test=test, lr=0.5, **options)


def module():
    return nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (lambda: training(60), 4),  # 60 passes forward; 5 % of 120 forward and backward are 18
        (lambda: training(18), 1),
        (lambda: training(0), 1),  # the step's loss is that of the training set
        (lambda: training(60, batch_size=20), 60),  # that of a batch is not: 180 / 3
        (lambda: training(60, module()), 10),  # nor is that with dropout: 180 / 18
        (lambda: nndyn.systems.henon(), 1),
    ],
    ids=["tested", "little tested", "not tested", "minibatches", "dropout", "map"],
)
def test_steps_between_evaluations_are_counted(system, expected):
    assert system().evaluate_auto == expected


def test_the_operations_of_an_evaluation_of_ones_own_are_counted_as_those_of_a_step():
    loop = loops.sgd()
    (x, y), calls = loops.data(), []

    def evaluate():
        calls.append(len(calls))
        for _ in range(30):
            loss = loops.cross_entropy(loop.model(x), y)
        return {"loss": loss}

    system = loop.system(evaluate=evaluate)
    assert system.evaluate_auto > 20
    assert loops.sgd().system().evaluate_auto == 1


def test_auto_writes_and_resumes_what_the_same_number_does(tmp_path):
    options = {"steps": 30, "replicas": 2}
    asked = nndyn.record(training(), tmp_path / "a.nc", evaluate="auto", **options)
    given = nndyn.record(training(), tmp_path / "g.nc", evaluate=4, **options)
    assert json.loads(asked.manifest)["recording"]["evaluate"] == 4
    assert asked.drop_attrs().equals(given.drop_attrs())
    more = options | {"steps": 45}
    longer = nndyn.record(training(), tmp_path / "a.nc", evaluate="auto", resume=True, **more)
    times = [*range(0, 30, 4), 30, *range(32, 45, 4), 45]
    assert longer["evaluation_time"].values.tolist() == times


def test_a_training_time_carries_the_gap_between_evaluations(tmp_path):
    options = {"steps": 120, "replicas": 1, "seed": 3}
    system = nndyn.Training("mlp:4-10-3", "iris", lr=0.1)  # accuracies only rise
    every = nndyn.learning(nndyn.record(system, tmp_path / "e.nc", **options), threshold=0.9)
    auto = nndyn.record(system, tmp_path / "a.nc", evaluate="auto", **options)
    found = nndyn.learning(auto, threshold=0.9)
    lower, upper = found["training_time_ci"].values
    assert lower < upper
    assert lower <= every["training_time"] <= upper


@pytest.mark.parametrize("value", ["often", 1.5, -1], ids=str)
def test_what_is_neither_a_number_of_steps_nor_auto_is_refused(tmp_path, value):
    with pytest.raises(UsageError, match=r"evaluate is .*, expected a whole number.* or 'auto'"):
        nndyn.record(training(), tmp_path / "r.nc", steps=9, evaluate=value)
