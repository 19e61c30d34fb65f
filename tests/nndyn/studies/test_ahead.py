"""Two batches of a sweep under way at once: the files of one are made while the other advances."""

import os
import signal
import threading

import pytest

import nndyn
from nndyn.studies import design, sweep
from nndyn.studies.folder import Folder
from recorders import batch as batches
from tests.nndyn.studies.small import MAP, TRAINING, arrays, assert_same_recordings, statuses

GRID = {"lr": [0.1, 0.5, 1.0], "seeds": 2, **TRAINING}


@pytest.fixture
def ahead(monkeypatch):
    """Batches of two runs, on two cores."""
    monkeypatch.setattr(design, "_FEWEST", 2)
    monkeypatch.setattr(design, "_MOST", 2)
    for module in (batches, sweep):
        monkeypatch.setattr(module, "cores", lambda: 2)


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory):
    """The same study, as a single core records it."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (batches, sweep):
            patch.setattr(module, "cores", lambda: 1)
        return arrays(nndyn.sweep("training", tmp_path_factory.mktemp("one") / "s", **GRID))


def test_its_recordings_and_notes_are_those_of_batches_one_by_one(
    tmp_path, ahead, at_work, one_by_one
):
    told = []
    index = nndyn.sweep(
        "training", tmp_path / "s", progress=lambda *steps: told.append(steps), **GRID
    )
    assert statuses(index) == {"complete"}
    assert_same_recordings(arrays(index), one_by_one)
    folder = Folder(tmp_path / "s")
    for batch in folder.design().batches:
        assert folder.of(batch).keys() == {cell.file for cell in batch.cells}
    assert len(at_work) == 3
    assert threading.main_thread() not in at_work
    assert told[-1] == (180, 180)
    assert told == sorted(told)
    assert not list(tmp_path.rglob(".*"))


def test_the_files_of_the_next_batch_are_made_while_one_advances(tmp_path, ahead, monkeypatch):
    seen, real = [], batches.Drive.finish

    def finish(drive):
        if not seen:
            seen.append(waits_for(lambda: len(list((tmp_path / "s/cells").glob("*.nc"))) >= 4))
        real(drive)

    monkeypatch.setattr(batches.Drive, "finish", finish)
    nndyn.sweep("training", tmp_path / "s", **GRID)
    assert set(seen) == {True}


def waits_for(what):
    for _ in range(1000):
        if what():
            return True
        threading.Event().wait(0.01)
    return False


def test_a_run_that_fails_in_one_batch_ends_no_other(tmp_path, ahead):
    cells = tmp_path / "s/cells"
    nndyn.sweep("training", tmp_path / "s", **{**GRID, "steps": 1})
    (cells / "lr=0.5_seed=1.nc").write_bytes(b"mine")
    index = nndyn.sweep("training", tmp_path / "s", resume=True, **GRID)
    assert str(index["status"].sel(lr=0.5, seed=1).item()) == "failed"
    assert int((index["status"] == "complete").sum()) == 5
    assert (index["steps"].values.ravel()[[0, 1, 2, 4, 5]] == 30).all()


def test_ctrl_c_while_two_are_under_way_commits_both_and_the_same_call_goes_on(
    tmp_path, ahead, at_work, monkeypatch, one_by_one
):
    real, once = batches.Drive.finish, iter([True])

    def finish(drive):  # of the first batch, when the second one is under way too
        if next(once, False):
            assert waits_for(lambda: len(at_work) == 2)
            os.kill(os.getpid(), signal.SIGINT)
        assert waits_for(drive._interrupted)
        real(drive)

    monkeypatch.setattr(batches.Drive, "finish", finish)
    with pytest.raises(KeyboardInterrupt):
        nndyn.sweep("training", tmp_path / "s", **GRID)
    assert len(at_work) == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not list(tmp_path.rglob(".*"))
    found = statuses(nndyn.open_study(tmp_path / "s"))
    assert found <= {"interrupted", "missing"}
    assert "interrupted" in found
    monkeypatch.setattr(batches.Drive, "finish", real)
    index = nndyn.sweep("training", tmp_path / "s", **GRID)
    assert statuses(index) == {"complete"}
    assert_same_recordings(arrays(index), one_by_one)


def test_while_other_processes_have_all_batches_no_system_is_made(tmp_path, ahead, monkeypatch):
    nndyn.sweep("training", tmp_path / "s", **{**GRID, "steps": 1})
    made, real = [], sweep.fitting

    def fitting(*run):
        made.append(run)
        return real(*run)

    monkeypatch.setattr(sweep, "fitting", fitting)
    monkeypatch.setattr(Folder, "is_claimed", lambda folder, batch: True)
    nndyn.sweep("training", tmp_path / "s", resume=True, task="1/1", **GRID)
    assert made == []


def made(r, seed):
    return nndyn.Map(lambda x: r * x * (1 - x), 1, initial=[0.3], name="made")


@pytest.mark.parametrize("case", ["function", "module", "few runs"])
def test_batches_that_may_not_advance_at_once_or_leave_cores_free_go_one_by_one(
    tmp_path, ahead, at_work, case, monkeypatch
):
    if case == "function":
        nndyn.sweep(made, tmp_path / "s", r=[3.5, 3.9], seeds=2, **MAP)
    elif case == "module":
        options = {**TRAINING, "model": "cnn:2", "data": "digits", "samples": 50, "steps": 1}
        nndyn.sweep("training", tmp_path / "s", lr=[0.1, 0.2], seeds=2, **options)
    else:
        nndyn.sweep("training", tmp_path / "s", optimizer=["sgd", "adam"], seeds=1, **TRAINING)
    assert set(at_work) == {threading.main_thread()}
