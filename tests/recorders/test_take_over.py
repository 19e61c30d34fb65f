"""Runs and studies that a process of another host had: a job that was queued again elsewhere."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner

import nndyn
from nndyn.cli import nndyn as command
from nndyn.errors import NndynError, StoreError, UsageError
from nndyn.store import Writer
from nndyn.store.holder import PATIENCE, Holder
from nndyn.store.journal import UnsettledError
from nndyn.store.locks import BusyError, TakenOverError, WriterLock, journal_path, lock_path
from nndyn.studies import batch_run as module
from nndyn.studies.batch_run import work
from nndyn.studies.folder import Folder
from nndyn.studies.request import request
from nndyn.studies.sweep import plan
from tests.nndyn.studies.small import MAP, logistic, statuses

STEPS = 2000
RUN = {"steps": STEPS, "replicas": 1}


def leave(path, age=0.0):
    """Put a lock of another host beside a file, renewed so many seconds ago."""
    lock = lock_path(path)
    lock.write_bytes(Holder("node7.cluster", "another-boot", 4711).packed())
    os.utime(lock, (time.time() - age,) * 2)


def snapshot(folder):
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in files}


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """A recording whose process was killed on another host in the middle of its second block."""
    path, left = tmp_path / "run.nc", []
    nndyn.record(nndyn.systems.logistic(r=4.0), path, **{**RUN, "steps": 1000}).close()

    def killing(writer, *args, **options):
        writer._session.nc.sync()
        left.extend([path.read_bytes(), journal_path(path).read_bytes()])
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "commit", killing)
        with pytest.raises(RuntimeError, match="killed"):
            nndyn.record(nndyn.systems.logistic(r=4.0), path, **RUN, resume=True)
    path.write_bytes(left[0])
    journal_path(path).write_bytes(left[1])
    assert left[1]
    leave(path)
    monkeypatch.setattr("nndyn.store.reader._PATIENCE", 0.05)
    return path


def resumed(path, *more):
    arguments = ["--param", "r=4", "--steps", str(STEPS), "--replicas", "1", "-o", str(path)]
    return CliRunner().invoke(command, ["record", "map", "logistic", *arguments, *more])


def complete(path):
    with nndyn.open(path) as run:
        assert run.attrs["status"] == "complete"
        assert np.isfinite(run["state"].values).all()
        return run["state"].values


def test_a_requeued_run_waits_for_the_word_or_the_time(killed, tmp_path):
    before = snapshot(tmp_path)
    with pytest.raises(UnsettledError, match=r"process 4711 on node7\.cluster, heard of last at"):
        nndyn.open(killed)
    assert snapshot(tmp_path) == before
    for option in ("--resume", "--overwrite"):
        error = resumed(killed, option).exception
        assert isinstance(error, BusyError)
        assert "4711 on node7.cluster" in str(error)
        assert "or take over with `take_over=True`" in str(error)
        assert "\n" not in str(error)
    assert snapshot(tmp_path) == before
    os.utime(lock_path(killed), (time.time() - 660,) * 2)
    with pytest.raises(UnsettledError):  # a reader waits for no time
        nndyn.open(killed)
    assert resumed(killed, "--resume").exit_code == 0
    assert os.listdir(tmp_path) == ["run.nc"]
    complete(killed)


def test_a_requeued_run_goes_on_at_once_where_it_is_told_to_take_over(killed, tmp_path):
    assert resumed(killed, "--resume", "--take-over").exit_code == 0
    assert os.listdir(tmp_path) == ["run.nc"]
    whole = nndyn.record(nndyn.systems.logistic(r=4.0), tmp_path / "whole.nc", **RUN)
    np.testing.assert_array_equal(complete(killed), whole["state"].values)
    whole.close()


def test_a_run_is_overwritten_where_python_is_told_to_take_over(killed):
    system = nndyn.systems.logistic(r=4.0)
    with pytest.raises(StoreError, match=r"node7\.cluster"):
        nndyn.record(system, killed, **RUN, overwrite=True)
    nndyn.record(system, killed, **RUN, overwrite=True, take_over=True).close()
    complete(killed)


def test_a_series_too_is_stored_over_what_another_host_had_only_when_told(killed, tmp_path):
    (tmp_path / "x.csv").write_text("x\n" + "1\n2\n4\n" * 5)
    arguments = ["record", "series", str(tmp_path / "x.csv"), "--overwrite", "-o", str(killed)]
    assert isinstance(CliRunner().invoke(command, arguments).exception, BusyError)
    assert CliRunner().invoke(command, [*arguments, "--take-over"]).exit_code == 0
    complete(killed)


def test_a_claim_of_another_host_is_left_unless_old_or_taken_over(tmp_path):
    asked = request("logistic", {**MAP, "r": [3.9]})
    folder = Folder(tmp_path / "s")
    (batch,) = plan(folder, asked, resume=False, overwrite=False).batches
    claimed = folder.path / "batches" / batch.name
    leave(claimed, age=540)
    before = snapshot(tmp_path)
    assert folder.claim(batch) is None
    assert work(folder, asked, batch) is False
    assert folder.claimant(batch).startswith("process 4711 on node7.cluster, heard of last at")
    assert snapshot(tmp_path) == before
    leave(claimed, age=660)
    folder.claim(batch).release()
    leave(claimed)
    assert statuses(logistic(folder.path, [3.9], 1, take_over=True)) == {"complete"}
    assert not lock_path(claimed).exists()


def test_a_sweep_says_whom_it_waits_for_and_goes_on_when_that_is_old(tmp_path, monkeypatch):
    asked = request("logistic", {**MAP, "r": [3.9]})
    folder = Folder(tmp_path / "s")
    (batch,) = plan(folder, asked, resume=False, overwrite=False).batches
    claimed = folder.path / "batches" / batch.name
    leave(claimed)

    def pass_by(seconds):
        if seconds == 1.0:
            leave(claimed, age=660)

    monkeypatch.setattr("time.sleep", pass_by)
    with pytest.warns(UserWarning, match=r"waiting for what process 4711 on node7\.cluster"):
        assert statuses(logistic(folder.path, [3.9], 1)) == {"complete"}


def test_a_cell_of_another_host_is_left_to_it(tmp_path):
    index = logistic(tmp_path / "s", [3.9], 1)
    cell = Folder(tmp_path / "s").recording(Folder(tmp_path / "s").design().cells[0])
    leave(cell)
    assert statuses(nndyn.open_study(tmp_path / "s")) == {"recording"}
    longer = {"steps": 400, "resume": True, "task": "1/1"}
    assert statuses(logistic(tmp_path / "s", [3.9], 1, **longer)) == {"recording"}
    index = logistic(tmp_path / "s", [3.9], 1, **longer, take_over=True)
    assert statuses(index) == {"complete"}
    assert index["steps"].item() == 400


def test_an_unfinished_cell_of_another_host_is_interrupted_not_damaged(killed, monkeypatch):
    folder = killed.parent / "s"
    logistic(folder, [3.9], 1)
    cell = Folder(folder).recording(Folder(folder).design().cells[0])
    cell.write_bytes(killed.read_bytes())
    journal_path(cell).write_bytes(journal_path(killed).read_bytes())
    leave(cell, age=660)
    monkeypatch.setattr("nndyn.store.journal.settle.__defaults__", (0.05,))
    index = nndyn.open_study(folder)
    assert statuses(index) == {"interrupted"}
    assert "4711 on node7.cluster" in index["reason"].item()


def test_a_study_of_another_host_is_not_overwritten_unless_taken_over(tmp_path):
    logistic(tmp_path / "s", [3.9], 1)
    cell = Folder(tmp_path / "s").recording(Folder(tmp_path / "s").design().cells[0])
    leave(cell)
    with pytest.raises(BusyError, match=r"another process records in .* \(process 4711 on node7"):
        logistic(tmp_path / "s", [3.5], 1, overwrite=True)
    index = logistic(tmp_path / "s", [3.5], 1, overwrite=True, take_over=True)
    assert statuses(index) == {"complete"}


def test_a_claim_is_renewed_while_its_batch_is_recorded(tmp_path, monkeypatch):
    asked = request("logistic", {**MAP, "r": [3.9]})
    folder = Folder(tmp_path / "s")
    (batch,) = plan(folder, asked, resume=False, overwrite=False).batches
    lock, real, ages = lock_path(folder.path / "batches" / batch.name), module.record_batch, []

    def recording(systems, paths, *, stop, **options):
        os.utime(lock, (1000.0, 1000.0))
        assert not stop()
        ages.append(time.time() - lock.stat().st_mtime)
        return real(systems, paths, stop=stop, **options)

    monkeypatch.setattr(module, "_PULSE", -1.0)
    monkeypatch.setattr(module, "record_batch", recording)
    assert work(folder, asked, batch)
    assert abs(ages[0]) < 60


def test_who_loses_a_claim_to_another_host_ends_in_one_line(tmp_path, monkeypatch):
    asked = request("logistic", {**MAP, "r": [3.5, 3.9]})
    folder = Folder(tmp_path / "s")
    (batch,) = plan(folder, asked, resume=False, overwrite=False).batches
    claimed, real = folder.path / "batches" / batch.name, module.record_batch

    def recording(*args, **options):
        lock_path(claimed).unlink()
        leave(claimed)
        return real(*args, **options)

    monkeypatch.setattr(module, "_PULSE", -1.0)
    monkeypatch.setattr(module, "record_batch", recording)
    with pytest.raises(TakenOverError, match=r"was taken over by process 4711 on node7") as caught:
        work(folder, asked, batch)
    assert "\n" not in str(caught.value)
    assert json.loads(lock_path(claimed).read_bytes())["host"] == "node7.cluster"


def test_who_loses_a_run_to_another_host_does_not_take_it_back(tmp_path, monkeypatch):
    asked = request("logistic", {**MAP, "r": [3.5, 3.9]})
    folder = Folder(tmp_path / "s")
    (batch,) = plan(folder, asked, resume=False, overwrite=False).batches
    tried = []

    def recording(systems, paths, **options):
        tried.append(len(paths))
        raise TakenOverError(f"{paths[0]} was taken over")

    monkeypatch.setattr(module, "record_batch", recording)
    with pytest.raises(TakenOverError):
        work(folder, asked, batch)
    assert tried == [2]


def test_taking_over_is_an_option_of_sweeps_and_of_no_single_run(tmp_path):
    with pytest.raises(UsageError, match="take_over is no option of single runs"):
        request("logistic", {**MAP, "take_over": True})
    for kind in (["record", "map"], ["sweep", "map"], ["onset"]):
        assert "--take-over" in CliRunner().invoke(command, [*kind, "--help"]).output
    arguments = ["sweep", "map", "logistic", "--param", "r=3.9", "--steps", "20", "--seeds", "1"]
    out = ["-o", str(tmp_path / "s"), "--take-over"]
    found = CliRunner().invoke(command, [*arguments, *out])
    assert not isinstance(found.exception, NndynError)
    assert statuses(nndyn.open_study(tmp_path / "s")) == {"complete"}


TAKING = """
import fcntl, sys
from nndyn.store import holder, locks
locks.here = holder.here = lambda: ("node8.cluster", "its-boot")
fcntl.flock = lambda *arguments: None
import nndyn
nndyn.record("logistic", sys.argv[1], r=4.0, steps=2000, replicas=1, resume=True, take_over=True)
"""


def test_a_writer_that_slept_destroys_nothing_of_one_that_took_over_and_ended(tmp_path):
    """The lock of the second is gone again when the first wakes up."""
    path = tmp_path / "run.nc"
    nndyn.record("logistic", path, r=4.0, steps=1000, replicas=1).close()
    with Writer.resume(path) as slept:
        subprocess.run([sys.executable, "-c", TAKING, path], check=True)
        assert not lock_path(path).exists()
        before = path.read_bytes()
        with pytest.raises(TakenOverError, match="gone on with by another process, which has end"):
            slept.set_attrs(stationary=0)
    assert path.read_bytes() == before
    assert complete(path).shape[0] == STEPS + 1


def test_a_claim_that_was_not_renewed_for_long_is_not_made_again(tmp_path):
    lock = WriterLock(tmp_path / "batch.json")
    lock_path(tmp_path / "batch.json").unlink()
    lock._renewed -= PATIENCE + 1.0
    assert not lock.keep()
    lock.release()


def test_a_long_block_says_now_and_then_that_its_process_lives(tmp_path, monkeypatch):
    path, said = tmp_path / "run.nc", []
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "keep_alive", lambda self: said.append(self.n_committed))
        nndyn.record("logistic", path, r=4.0, steps=200, replicas=1, rescale=10).close()
    assert said.count(0) >= 20  # before the first commit
    with Writer.resume(path) as writer:
        os.utime(lock_path(path), (0.0, 0.0))
        writer.keep_alive()
        assert lock_path(path).stat().st_mtime == 0.0  # said a moment ago
        writer._session._lock._renewed -= 61.0
        writer.keep_alive()
        assert lock_path(path).stat().st_mtime > 0.0
