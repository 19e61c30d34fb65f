"""What a search for the onset would take, and processes that share it."""

import json
from pathlib import Path

import numpy as np
import pytest

import nndyn as package
from nndyn.errors import UsageError
from nndyn.finder.request import search_cost
from nndyn.finder.runs import dealt
from nndyn.studies.design import Batch, Cell, Design

ONSET = ("onset", "--data", "iris", "--model", "mlp:4-5-3", "--steps", 60)
SMALL = {"steps": 30, "seeds": 3, "budget": 200, "replicas": 2}


def test_a_dry_run_says_what_it_takes_at_most_and_writes_nothing(cli):
    code, out, err = cli(*ONSET, "--budget", "6e2", "--lr", "0.5:8", "-o", "runs", "--dry-run")
    assert (code, err) == (0, "")
    assert out.startswith("runs: iris mlp:4-5-3, at most 30 runs of 20 to 60 steps, of 40 seeds")
    assert "at lr 0.5" in out
    assert "600 steps in all; " in out
    assert "Nothing was written." in out
    found = json.loads(cli(*ONSET, "--budget", 600, "--dry-run", "--json")[1])
    assert (found["runs"], found["budget"], found["spent"]) == (30, 600, 0)
    assert found["bytes"] > 30 * 60_000
    assert not list(Path.cwd().iterdir())


def test_a_dry_run_refuses_what_the_search_does(cli):
    assert cli(*ONSET, "--seeds", 1, "--dry-run")[0] == 2
    assert cli(*ONSET, "--optimizer", "adma", "--dry-run")[0] == 2


def test_what_it_takes_is_more_than_what_is_spent(tmp_path):
    cost = search_cost("mlp:4-5-3", "iris", path=tmp_path / "s", **SMALL)
    found = package.find_onset("mlp:4-5-3", "iris", path=tmp_path / "s", **SMALL)
    there = search_cost("mlp:4-5-3", "iris", path=tmp_path / "s", **SMALL)
    assert there.spent == int(found["steps_spent"]) <= cost.budget
    assert int(found["runs"]) <= cost.runs
    assert sum(p.stat().st_size for p in (tmp_path / "s" / "cells").iterdir()) <= cost.bytes


def test_batches_are_cut_until_every_process_has_one():
    cells = tuple(Cell({"lr": 1.0, "seed": i}, f"{i}.nc") for i in range(7))
    planned = Design("id", "training", {}, {}, (Batch(cells[:5], 9), Batch(cells[5:], 9)))
    cut = dealt(planned, 3)
    assert [len(batch.cells) for batch in cut.batches] == [3, 2, 2]
    assert cut.cells == planned.cells
    assert dealt(planned, 1) == planned


def test_a_search_that_processes_share_makes_the_same_runs(tmp_path, monkeypatch):
    """The processes are this one: what counts is how runs are dealt out."""
    from nndyn.studies.batch_run import work
    from nndyn.studies.folder import Folder

    shares = []

    def spread(path, asked, study, batches, **how):
        assert how["scheduler"] == "here"
        shares.append([len(batch.cells) for batch in batches])
        return [b for b in batches if not work(Folder(path), asked, b, study=study)]

    from contextlib import nullcontext

    from nndyn.finder import search

    monkeypatch.setattr(search, "processes", lambda workers: nullcontext("here"))
    monkeypatch.setattr("nndyn.studies.sweep.spread", spread)
    package.find_onset("mlp:4-5-3", "iris", path=tmp_path / "two", workers=2, **SMALL)
    monkeypatch.undo()
    package.find_onset("mlp:4-5-3", "iris", path=tmp_path / "one", **SMALL)
    assert shares[0] == [2, 1]
    one, two = (package.open_study(tmp_path / name) for name in ("one", "two"))
    assert one["lr"].values.tolist() == two["lr"].values.tolist()
    for a, b in zip(one["path"].values.ravel(), two["path"].values.ravel(), strict=True):
        if a:
            with package.open(str(a)) as x, package.open(str(b)) as y:
                np.testing.assert_array_equal(x["distance_l2"].values, y["distance_l2"].values)


def test_a_number_of_processes_that_is_none_is_refused():
    with pytest.raises(UsageError, match="workers is 0, expected a whole number, 1 or more"):
        package.find_onset("mlp:4-5-3", "iris", workers=0)


@pytest.mark.slow
def test_processes_record_the_runs_of_a_search(cli):
    line = (*ONSET, "--seeds", 3, "--budget", 400, "--replicas", 2, "--workers", 2, "-o", "s")
    code, _, err = cli(*line)
    assert code == 0, err
    assert package.open_study("s").sizes["seed"] == 3
