"""The learning rate at the onset: found with few runs, gone on with, honest where it cannot be."""

import json

import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn.cli import nndyn as command
from nndyn.cli.lazy import run
from nndyn.errors import UsageError
from nndyn.finder.bracketing import lattice
from nndyn.finder.course import Course
from nndyn.finder.labels import _side
from nndyn.studies import sweep
from tests.analyzers.made_up_studies import grew

SMALL = {"steps": 60, "replicas": 3, "threshold": 0.9}


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onset") / "runs"
    lines = []
    found = nndyn.find_onset("mlp:4-8-3", "iris", path=folder, say=lines.append, **SMALL)
    return found, folder, lines


def test_the_onset_is_found_with_an_interval_and_a_rate_to_train_at(iris):
    found, _, _ = iris
    low, high = found["onset_ci"].values
    assert found.attrs["verdict"] == "found"
    assert low < float(found["onset"]) < high
    assert high / low <= 1.5
    assert float(found["recommended"]) in found["lr"].values
    assert "reach 0.9 by step" in found["recommended"].attrs["note"]
    assert np.isfinite(found["training_time_at_onset"])
    assert np.isfinite(found["training_time_below"])


def test_it_says_what_it_spent(iris):
    found, folder, lines = iris
    index = nndyn.open_study(folder)
    assert int(found["steps_spent"]) == int(index["steps"].sum())
    assert int(found["runs"]) == int((index["status"] != "unplanned").sum())
    assert int(found["steps_spent"]) < 60 * 60
    assert lines[0].startswith("3 runs to step 30 at lr")


def test_runs_that_have_grown_end_early(iris):
    _, folder, _ = iris
    index = nndyn.open_study(folder)
    assert set(np.unique(index["steps"].values)) >= {30, 60}


@pytest.mark.slow
def test_the_onset_is_that_of_a_sweep_over_the_same_rates(iris, tmp_path):
    found, _, _ = iris
    seeds = list(range(int(found["seeds_used"])))
    rates = [float(v) for v in found["lr"].values]
    swept = nndyn.sweep(
        "training",
        tmp_path / "swept",
        model="mlp:4-8-3",
        data="iris",
        lr=rates,
        seeds=seeds,
        steps=60,
        replicas=3,
        store="distances",
    ).nndyn.lyapunov()
    assert float(found["onset"]) == pytest.approx(float(swept["onset"]), rel=0.15)


def test_the_same_call_goes_on_in_its_folder_without_a_run(iris):
    found, folder, _ = iris
    lines = []
    again = nndyn.find_onset("mlp:4-8-3", "iris", path=folder, say=lines.append, **SMALL)
    assert lines == []
    for name in ("onset", "recommended", "steps_spent"):
        assert float(again[name]) == float(found[name])


THREE = {"seeds": 3, "budget": 12 * 60, **SMALL}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onset") / "whole"
    return nndyn.find_onset("mlp:4-8-3", "iris", path=folder, **THREE)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_round_that_was_cut_short_is_run_first_of_all(tmp_path, monkeypatch, whole, at):
    """Its runs end earlier than planned, and of one there is no file."""
    record, rounds = sweep.work, []

    def cut(*arguments, **options):
        rounds.append(1)
        if len(rounds) == at + 1:
            options["stop"] = lambda: True
        return record(*arguments, **options)

    monkeypatch.setattr(sweep, "work", cut)
    with pytest.raises(KeyboardInterrupt):
        nndyn.find_onset("mlp:4-8-3", "iris", path=tmp_path / "cut", **THREE)
    for path in sorted((tmp_path / "cut" / "cells").glob("*.nc"))[-1:]:
        path.unlink()
    again = nndyn.find_onset("mlp:4-8-3", "iris", path=tmp_path / "cut", **THREE)
    assert set(np.ravel(nndyn.open_study(tmp_path / "cut")["status"])) <= {"complete", "unplanned"}
    for name in ("lr", "onset", "steps_spent", "runs", "growth_median"):
        if name in whole:
            np.testing.assert_array_equal(again[name], whole[name], err_msg=name)


def test_another_study_in_the_folder_is_refused(iris):
    _, folder, _ = iris
    with pytest.raises(UsageError, match="model is mlp:4-8-3 in the folder, mlp:4-6-3 asked"):
        nndyn.find_onset("mlp:4-6-3", "iris", path=folder, **SMALL)


def test_a_budget_that_ends_the_search_is_said_so(whole):
    found = whole
    assert found.attrs["verdict"] != "found"
    assert "the part of the budget for the search is spent" in found.attrs["reason"]
    assert int(found["steps_spent"]) <= 12 * 60
    assert np.isnan(found["recommended"])
    assert found["recommended"].attrs["note"]


@pytest.fixture(scope="module")
def bounded(iris):
    onset = float(iris[0]["onset"])
    bounds = (0.6 * onset, 3 * onset)
    return nndyn.find_onset("mlp:4-8-3", "iris", lr=bounds, seeds=3, precision=3.0, **SMALL)


def test_three_seeds_are_too_few_for_an_interval(bounded):
    found = bounded
    assert np.isfinite(found["onset"])
    assert found.attrs["verdict"] == "imprecise"
    assert "3 seeds: no interval over so few holds the median" in found.attrs["reason"]


@pytest.mark.parametrize(
    ("cell", "grown"),
    [
        ({"growth": 5.0, "growth_p": 0.3}, False),
        ({"growth": 5.0, "growth_p": 0.02}, True),
        ({"growth": 5.0, "growth_p": np.nan}, True),
        ({"growth": 5.0}, True),
        ({"growth": 1.0, "growth_lower_bound": 1.0, "growth_p": 0.3}, False),
        ({"growth": 1.0, "growth_lower_bound": 1.0}, True),
        ({"growth": 1.0, "growth_p": 0.001}, False),
        ({"growth": 1.0, "growth_p": 0.9, "verdict": "diverged"}, True),
    ],
)
def test_a_search_counts_growth_only_where_it_is_told_from_a_neutral_path(cell, grown):
    class Looked(Course):
        def cells(self, name, points):
            full = {key: np.full((1, 1), v, dtype=np.array(v).dtype) for key, v in cell.items()}
            return grew(full.pop("growth"), [0.5], **full)

    search = Looked(None, lattice(0.5, 1.5, None), 60, 0.9, 1000, print, {0: {}})
    search._look([(0, 0)], last=False)
    assert search.grows[0] == ({0: True} if grown else {})
    search._look([(0, 0)], last=True)
    assert search.grows[0] == {0: grown}


@pytest.mark.parametrize(
    ("rate", "seeds", "said"),
    [
        (2.7, 8, "above the onset, which is 2 [1.5, 2.5]"),
        (2.1, 8, "not told from the onset, which is 2 [1.5, 2.5]"),
        (1.0, 8, "below the onset, which is 2 [1.5, 2.5]"),
        (1.0, 5, "the onset is 2, of too few seeds to say on which side of it that is"),
    ],
)
def test_a_rate_is_beside_the_onset_only_outside_its_interval(rate, seeds, said):
    growth = xr.Dataset({"onset": 2.0, "onset_ci": ("bound", [1.5, 2.5]), "seeds_used": seeds})
    assert _side(rate, growth, {"confidence": 0.95}) == said


def test_no_growth_within_the_bounds_is_a_null_with_the_reason():
    found = nndyn.find_onset("mlp:4-8-3", "iris", lr=(0.1, 0.15), seeds=3, **SMALL)
    assert found.attrs["verdict"] == "above the grid"
    assert np.isnan(found["onset"])
    assert "no onset" in found["recommended"].attrs["note"]


def test_half_of_the_onset_beyond_the_bounds_is_said_so(bounded):
    assert np.isfinite(bounded["training_time_at_onset"])
    assert np.isnan(bounded["training_time_below"])
    assert "lies beyond the bounds" in bounded["training_time_below"].attrs["note"]


@pytest.mark.slow
def test_targets_without_classes_have_an_onset_and_no_training_time():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 4))
    y = np.sin(x[:, :1])
    found = nndyn.find_onset("mlp:4-8-1", (x, y), loss="mse", budget=40 * 60, **SMALL)
    assert np.isfinite(found["onset"])
    assert np.isnan(found["recommended"])
    for name in ("recommended", "training_time_at_onset"):
        assert "no test accuracy" in found[name].attrs["note"]


def test_a_module_that_keeps_its_weights_is_a_warning():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    found = nndyn.find_onset(model, "iris", budget=6 * 60, **SMALL)
    assert "all seeds begin at the same weights" in found.attrs["warnings"]
    drawn = nndyn.find_onset(model, "iris", budget=6 * 60, init="default", **SMALL)
    assert "same weights" not in drawn.attrs["warnings"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 10}, "steps is 10, expected a whole number, 30 or more"),
        ({"seeds": 2}, "seeds is 2, expected a whole number, 3 or more"),
        ({"precision": 1.0}, "precision is 1.0, expected a factor above 1.05"),
        ({"budget": 10}, "budget is 10, expected a whole number of training steps, 180 or more"),
        ({"lr": (2.0, 1.0)}, "expected the smallest and the largest rate"),
        ({"lr": 1.0}, "expected the smallest and the largest rate"),
        ({"momentum": [0.0, 0.9]}, "momentum is a grid; sweep it instead"),
        ({"model": "mlp:5-3"}, "x has 4 features"),
        ({"nonsense": 1}, "training has no option 'nonsense'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    given = {"model": "mlp:4-8-3", "data": "iris", **SMALL, **options}
    with pytest.raises(UsageError, match=message):
        nndyn.find_onset(given.pop("model"), given.pop("data"), **given)


def test_the_command_prints_one_json_object(iris, capsys):
    _, folder, _ = iris
    line = "onset --data iris --model mlp:4-8-3 --steps 60 --replicas 3 --threshold 0.9"
    assert run(command, [*line.split(), "-o", str(folder), "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert out["analyzer"] == "onset"
    assert out["results"]["onset"]["ci"]
    assert out["results"]["recommended"]["note"]
    assert len(out["results"]["lr"]["value"]) == len(out["results"]["growing_share"]["value"])
