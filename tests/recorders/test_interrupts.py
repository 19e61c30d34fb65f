"""Ctrl-C at the edges of runs: in the last segment, beside a failure, from another thread."""

import os
import signal
import threading

import pytest

import nndyn
from nndyn.errors import StoreError
from nndyn.store import Writer
from recorders.batch import record_batch


class Pressing:
    """A system that presses Ctrl-C at the end of its advance to `at`."""

    concurrent = True

    def __init__(self, system, at):
        self._system, self._at = system, at

    def __getattr__(self, name):
        return getattr(self._system, name)

    def together(self, others):
        raise AssertionError("one run")

    def advance(self, phase, start, steps, *arguments, **keywords):
        block = self._system.advance(phase, start, steps, *arguments, **keywords)
        if start < self._at <= start + steps:
            os.kill(os.getpid(), signal.SIGINT)
        return block


def test_an_interrupt_in_the_last_segment_is_not_lost(tmp_path):
    path = tmp_path / "r.nc"
    with pytest.raises(KeyboardInterrupt):
        nndyn.record(Pressing(nndyn.systems.henon(), 50), path, steps=50)
    with nndyn.open(path) as recording:
        assert recording.attrs["status"] == "complete"
        assert recording.sizes["time"] == 51
    assert [p.name for p in tmp_path.iterdir()] == ["r.nc"]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_in_the_last_segment_of_a_batch_is_not_lost(tmp_path, workers):
    systems = [nndyn.Training("mlp:4-5-3", "iris", lr=lr) for lr in (0.1, 0.2)]
    paths = [tmp_path / "0.nc", tmp_path / "1.nc"]

    def press(done, total):
        if done == total:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        record_batch(systems, paths, steps=20, workers=workers, progress=press)
    assert sorted(tmp_path.iterdir()) == paths


def test_an_interrupt_is_not_lost_where_a_run_fails(tmp_path, monkeypatch):
    def failing(self, *arguments):
        os.kill(os.getpid(), signal.SIGINT)
        raise StoreError("full")

    monkeypatch.setattr(Writer, "commit", failing)
    with pytest.raises(KeyboardInterrupt):
        nndyn.record(nndyn.systems.henon(), tmp_path / "r.nc", steps=50)


@pytest.mark.parametrize("name", ["create", "finish"])
def test_an_interrupt_while_a_file_is_made_or_finished_leaves_it_alone_in_its_folder(
    tmp_path, monkeypatch, name
):
    true = getattr(Writer, name)

    def pressing(*arguments, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return true(*arguments, **options)

    monkeypatch.setattr(Writer, name, pressing)
    with pytest.raises(KeyboardInterrupt):
        nndyn.record(nndyn.systems.henon(), tmp_path / "r.nc", steps=50)
    assert [p.name for p in tmp_path.iterdir()] == ["r.nc"]
    monkeypatch.undo()
    nndyn.record(nndyn.systems.henon(), tmp_path / "r.nc", steps=50, resume=True).close()


def test_runs_in_another_thread_end_when_asked_to(tmp_path):
    asked, raised = threading.Event(), []

    def work():
        try:
            record_batch(
                [Pressing(nndyn.systems.henon(), 10**9)],
                [tmp_path / "r.nc"],
                steps=10**8,
                store="distances",
                stop=asked.is_set,
                progress=lambda done, total: asked.set(),
            )
        except KeyboardInterrupt:
            raised.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert raised == [True]
    with nndyn.open(tmp_path / "r.nc") as recording:
        assert recording.attrs["status"] == "recording"
        assert recording.sizes["time"] > 1
