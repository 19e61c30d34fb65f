"""Seeds of a search side by side: the same runs and results as in rounds, and Ctrl-C in them."""

import itertools
import signal
import threading

import numpy as np
import pytest

import nndyn
from nndyn.errors import RecordingError
from nndyn.finder import course
from nndyn.finder import request as of_search
from nndyn.finder.runs import Adaptive
from nndyn.store import Writer
from recorders import batch
from recorders import request as request_of_runs

SMALL = {"steps": 30, "seeds": 5, "replicas": 2, "threshold": 0.8}
LITTLE = 420  # training steps


def search(path, **options):
    lines = []
    found = nndyn.find_onset("mlp:4-5-3", "iris", path=path, say=lines.append, **SMALL, **options)
    return found, lines


@pytest.fixture
def side_by_side(monkeypatch, at_work):
    """Two cores, and no step too short; gives the threads that batches were recorded from."""
    monkeypatch.setattr(of_search, "_LONG", 0.0)
    for module in (batch, course, of_search):
        monkeypatch.setattr(module, "cores", lambda: 2)
    return at_work


@pytest.fixture(scope="module")
def in_rounds(tmp_path_factory):
    """The search, in rounds, with a budget that ends it."""
    path = tmp_path_factory.mktemp("rounds") / "s"
    return search(path, budget=LITTLE)[0], nndyn.open_study(path)


@pytest.fixture(scope="module")
def whole_in_rounds(tmp_path_factory):
    path = tmp_path_factory.mktemp("rounds") / "s"
    return search(path)[0], nndyn.open_study(path)


def assert_same(found, expected):
    assert found.drop_attrs().identical(expected.drop_attrs())
    same = ("verdict", "reason", "parameters", "warnings")
    assert {key: found.attrs[key] for key in same} == {key: expected.attrs[key] for key in same}


@pytest.mark.slow
@pytest.mark.parametrize(("budget", "before"), [(LITTLE, "in_rounds"), (None, "whole_in_rounds")])
def test_seeds_side_by_side_find_what_they_find_in_rounds(
    tmp_path, request, side_by_side, budget, before
):
    expected, index = request.getfixturevalue(before)
    found, lines = search(tmp_path / "s", budget=budget)
    assert threading.main_thread() not in side_by_side[:3]
    there = nndyn.open_study(tmp_path / "s")
    for name in ("status", "steps"):
        np.testing.assert_array_equal(there[name].values, index[name].values)
    assert_same(found, expected)
    assert lines[0].startswith("seed ")
    assert search(tmp_path / "s", budget=budget)[1] == []


def test_ctrl_c_comes_when_all_seeds_have_left_and_the_same_call_goes_on(
    tmp_path, side_by_side, in_rounds, monkeypatch
):
    real, once = Adaptive.record, iter([False] * 4 + [True])

    def record(*arguments, **options):
        real(*arguments, **options)
        if next(once, False):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    monkeypatch.setattr(Adaptive, "record", record)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "s", budget=LITTLE)
    assert not list(tmp_path.rglob(".*"))
    found, lines = search(tmp_path / "s", budget=LITTLE)
    assert lines
    assert_same(found, in_rounds[0])


@pytest.mark.parametrize(
    ("budget", "commit"),
    [
        (2400, 5),
        (6000, 11),
        *(pytest.param(1800, commit, marks=pytest.mark.slow) for commit in (1, 3, 7)),
        *(pytest.param(6000, commit, marks=pytest.mark.slow) for commit in (2, 16, 23, 31)),
    ],
)
def test_a_search_cut_within_a_run_ends_as_one_that_was_not(tmp_path, monkeypatch, budget, commit):
    """What it holds is spent, and neither lacking nor too much for the part it was in."""
    monkeypatch.setattr(request_of_runs, "_BLOCK_STEPS", 100)
    long = SMALL | {"steps": 600, "budget": budget}
    expected = nndyn.find_onset("mlp:4-5-3", "iris", path=tmp_path / "whole", **long)
    real, commits = Writer.commit, itertools.count(1)

    def press(writer, *arguments):
        real(writer, *arguments)
        if next(commits) == commit:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as pressed:
        pressed.setattr(Writer, "commit", press)
        with pytest.raises(KeyboardInterrupt):
            nndyn.find_onset("mlp:4-5-3", "iris", path=tmp_path / "s", **long)
    told = []
    found = nndyn.find_onset(
        "mlp:4-5-3",
        "iris",
        path=tmp_path / "s",
        progress=lambda done, of: told.append(done),
        **long,
    )
    assert_same(found, expected)
    assert max(told) <= found["steps_spent"] <= budget


def test_a_budget_that_other_runs_have_spent_is_told(tmp_path):
    search(tmp_path / "s", budget=LITTLE)
    with pytest.raises(nndyn.NndynError, match=r"the runs that are there have .* a larger one"):
        search(tmp_path / "s", budget=90, seed=100)


def test_runs_that_were_recorded_and_not_noted_are_spent_too(tmp_path, side_by_side, in_rounds):
    """Ctrl-C may come between the two."""
    search(tmp_path / "s", budget=LITTLE)
    for note in sorted((tmp_path / "s" / "batches").glob("*.json"))[:4]:
        note.unlink()
    found, lines = search(tmp_path / "s", budget=LITTLE)
    assert not lines
    assert_same(found, in_rounds[0])


def test_a_run_that_cannot_be_recorded_ends_the_search_with_its_reason(
    tmp_path, side_by_side, monkeypatch
):
    real = Writer.commit

    def commit(writer, *arguments):
        if "seed=1" in writer.path.name:
            raise OSError("no space left on device")
        real(writer, *arguments)

    monkeypatch.setattr(Writer, "commit", commit)
    with pytest.raises(RecordingError, match=r"seed=1\.nc: OSError: no space left on device"):
        search(tmp_path / "s")
    assert not list(tmp_path.rglob(".*"))
