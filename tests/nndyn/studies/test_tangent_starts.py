"""Where the tangent vectors of a study begin: its further runs as those it has."""

import json

import pytest

import nndyn
from nndyn.errors import UsageError
from nndyn.studies.folder import PLAN
from nndyn.studies.request import request
from tests.nndyn.studies.small import MAP, TRAINING, statuses

ADAM = {**TRAINING, "optimizer": "adam", "tangents": 2}


def options(path):
    return json.loads((path / PLAN).read_text())["options"]


def starts(index):
    found = set()
    for path in index["path"].values.ravel():
        with nndyn.open(str(path)) as run:
            recorded = json.loads(run.attrs["manifest"])["recording"]
            found.add(recorded.get("tangent_start", "random"))
    return found


def net(lr, seed):
    return nndyn.Training("mlp:4-8-3", "iris", optimizer="adam", lr=lr, seed=seed)


def test_a_study_of_trainings_says_that_it_begins_in_the_weights(tmp_path):
    index = nndyn.sweep("training", tmp_path / "s", lr=[0.01, 0.02], **ADAM)
    assert options(tmp_path / "s")["tangent_start"] == "weights"
    assert starts(index) == {"weights"}
    index = nndyn.sweep("training", tmp_path / "s", lr=[0.01, 0.02, 0.03], resume=True, **ADAM)
    assert statuses(index) == {"complete"}
    assert starts(index) == {"weights"}


def test_a_function_that_makes_trainings_is_one_of_trainings(tmp_path):
    own = {k: v for k, v in ADAM.items() if k not in ("model", "data", "optimizer")}
    index = nndyn.sweep(net, tmp_path / "s", lr=[0.01, 0.02], **own)
    assert options(tmp_path / "s")["tangent_start"] == "weights"
    assert starts(index) == {"weights"}


def test_studies_of_older_versions_grow_as_they_began(tmp_path):
    """They do not say where vectors begin, which was at random: what is random is not said now."""
    path = tmp_path / "s"
    index = nndyn.sweep("training", path, lr=[0.01, 0.02], tangent_start="random", **ADAM)
    assert "tangent_start" not in options(path)
    index = nndyn.sweep("training", path, lr=[0.01, 0.02, 0.03], resume=True, **ADAM)
    assert statuses(index) == {"complete"}
    assert starts(index) == {"random"}
    assert "tangent_start" not in options(path)
    with pytest.raises(UsageError, match="tangent_start is not there in the folder, weights asked"):
        nndyn.sweep("training", path, lr=[0.01, 0.02, 0.03], tangent_start="weights", **ADAM)


def test_maps_and_runs_without_tangents_are_asked_as_before():
    for system, asked in (("logistic", {**MAP, "tangents": 1}), ("training", TRAINING)):
        settled = request(system, asked).settled(None)
        assert "tangent_start" not in settled.describe()["options"]
    swept = request("training", {**TRAINING, "tangents": [1, 2]}).settled(None)
    assert swept.describe()["options"]["tangent_start"] == "weights"
    grid = request("training", {**ADAM, "tangent_start": ["weights", "random"]})
    assert grid.settled(None) is grid
