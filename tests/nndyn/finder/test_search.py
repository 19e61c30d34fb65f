"""What a search asks of runs that are not there yet."""

import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn.errors import UsageError
from nndyn.finder import runs
from nndyn.finder.course import Course
from nndyn.finder.request import asked_of, seldom
from nndyn.studies.folder import Folder

POINTS = [{"lr": 0.5, "seed": 0}, {"lr": 0.5, "seed": 1}]


@pytest.mark.parametrize(
    ("cells", "left"),
    [
        (xr.Dataset(), POINTS),
        (xr.Dataset(coords={"lr": [0.5], "seed": [0, 1]}), POINTS),
        (
            xr.Dataset(
                {"training_time": (("lr", "seed"), [[7.0, np.nan]])},
                coords={"lr": [0.5], "seed": [0, 1]},
            ),
            POINTS[1:],
        ),
    ],
    ids=["no variable", "runs without times", "one has learned"],
)
def test_runs_that_have_not_learned_are_left(cells, left, monkeypatch):
    monkeypatch.setattr(Course, "cells", lambda self, name, points=None: cells)
    one = object.__new__(Course)
    assert one._unlearned(POINTS) == left


def test_trainings_in_full_batch_are_evaluated_a_hundred_times_or_more(tmp_path):
    """As often as takes a twentieth of the work, unless the call says how often, or did before."""

    def every(system="mlp:4-5-3", folder=None, **options):
        asked = asked_of(system, options.pop("data", "iris"), None, 300, 0, options)
        return seldom(asked, 0, folder).fixed["evaluate"]

    x, y = np.random.default_rng(0).standard_normal((40, 4)), np.arange(40) % 3
    many = (np.tile(x, (50, 1)), np.tile(y, 50))
    assert every() == 2  # of auto: a fifth of the samples is held back
    assert every(data=(x, y), test=many) == 3
    assert every(data=(x, y), test=(x[:1], y[:1])) == 1
    assert every(evaluate=1) == 1
    assert every(evaluate="auto", data=(x, y), test=many) == "auto"
    assert every(batch_size=16) is None
    nndyn.find_onset("mlp:4-5-3", "iris", path=tmp_path / "s", evaluate=5, steps=30, seeds=3)
    folder = Folder(tmp_path / "s")
    assert every(folder=folder) == 5
    assert every(folder=folder, evaluate=1) == 1


def test_a_search_looks_at_a_run_when_it_is_planned_and_after_each_time_it_went_on(
    tmp_path, monkeypatch
):
    seen, real = [], runs.look
    monkeypatch.setattr(runs, "look", lambda *given: seen.append(given) or real(*given))
    found = runs.Adaptive(Folder(tmp_path / "s"), asked_of("mlp:4-3-3", "iris", None, 30, 0, {}))
    for steps, looks in ((10, 4), (10, 4), (20, 6)):
        found.record(POINTS, steps)
        assert found.lacking(POINTS, 30) == 2 * (30 - steps)
        assert (found.spent, len(seen)) == (2 * steps, looks)
    again = runs.Adaptive(Folder(tmp_path / "s"), asked_of("mlp:4-3-3", "iris", None, 30, 0, {}))
    assert (again.spent, again.lacking(POINTS, 30)) == (found.spent, 20)


@pytest.mark.parametrize(("name", "value"), [("threshold", 93), ("confidence", 95)])
def test_what_is_no_share_is_refused_before_anything_is_recorded(tmp_path, name, value):
    with pytest.raises(UsageError, match=name):
        nndyn.find_onset("mlp:4-3-3", "iris", path=tmp_path / "s", **{name: value})
    assert not (tmp_path / "s").exists()


def test_a_search_says_how_many_runs_it_records(monkeypatch):
    said, recorded, real = [], [], runs.Adaptive.record

    def record(self, points, steps, *args, **how):
        recorded.append(len(self.short(points, steps)))
        return real(self, points, steps, *args, **how)

    monkeypatch.setattr(runs.Adaptive, "record", record)
    nndyn.find_onset("mlp:4-3-3", "iris", steps=30, seeds=4, replicas=2, say=said.append)
    counts = [int(line.split()[0]) if " runs to " in line else 1 for line in said]
    assert counts == recorded
