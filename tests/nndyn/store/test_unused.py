"""Files that nobody refers to any more, and another thread in the library meanwhile."""

import gc
import threading

import numpy as np
import pytest

import nndyn
from nndyn import systems
from nndyn.store import library


@pytest.fixture
def recording(tmp_path):
    nndyn.record(systems.henon(), tmp_path / "run.nc", steps=20).close()
    return tmp_path / "run.nc"


@pytest.fixture
def closed(monkeypatch):
    """Names of the files that are closed, in their order."""
    gc.collect()
    found, plain = [], library.close

    def spy(nc):
        found.append(nc.filepath())
        plain(nc)

    monkeypatch.setattr(library, "close", spy)
    return found


def opened_and_dropped(path):
    run = nndyn.open(path)
    assert np.isfinite(run["distance_l2"]).all()
    circle = [run]
    circle.append(circle)  # the collector of garbage lets go of it, sometime
    del run, circle
    gc.collect()


def test_a_recording_that_is_dropped_is_closed_at_once(recording, closed):
    opened_and_dropped(recording)
    assert closed == [str(recording)]
    nndyn.record(systems.henon(), recording, steps=30, resume=True).close()


def test_it_is_closed_before_the_next_call_where_another_thread_is_in_the_library(
    recording, closed
):
    inside, go_on = threading.Event(), threading.Event()

    @library.exclusive
    def stay():
        inside.set()
        go_on.wait(30)

    run = nndyn.open(recording)
    thread = threading.Thread(target=stay)
    thread.start()
    inside.wait(30)
    del run
    gc.collect()
    assert closed == []
    go_on.set()
    thread.join()
    nndyn.record(systems.henon(), recording, steps=30, resume=True).close()
    assert closed[0] == str(recording)


def test_a_dataset_that_another_refers_to_stays_open(recording, closed):
    run = nndyn.open(recording)
    part = run[["distance_l2"]]
    del run
    gc.collect()
    assert closed == []
    assert np.isfinite(part["distance_l2"]).all()
