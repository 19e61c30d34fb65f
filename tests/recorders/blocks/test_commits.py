"""A block is written while the next one is computed; what is on disk is as if it were not."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import nndyn
from nndyn.errors import StoreError
from nndyn.recording import VARIABLES
from nndyn.store import Header, Writer, session, verify
from recorders import batch, request
from recorders.blocks import commits
from tests.recorders.linear import Linear, assert_same, values

STEPS = 60
RUN = {"steps": STEPS, "replicas": 2, "epsilon": 1e-3}


@pytest.fixture
def cores(monkeypatch):
    """Return a function that sets how many cores there seem to be; blocks are short."""
    monkeypatch.setattr(request, "_BLOCK_STEPS", 7)
    return lambda n: monkeypatch.setattr(batch, "cores", lambda: n)


class Told:
    """A system that calls `act` when it advances from `at`."""

    def __init__(self, system, at, act):
        self._system, self._at, self._act = system, at, act

    def __getattr__(self, attribute):
        return getattr(self._system, attribute)

    def advance(self, phase, start, steps, *arguments, **keywords):
        if start <= self._at < start + steps:
            self._act()
        return self._system.advance(phase, start, steps, *arguments, **keywords)


def linear():
    return Linear(0.9, 1.01, -1.02)


def slow_commits(monkeypatch, before=lambda: None):
    """Let something happen before each commit; return the threads in which they are."""
    true, threads = Writer.commit, []

    def commit(*arguments):
        threads.append(threading.current_thread())
        before()
        return true(*arguments)

    monkeypatch.setattr(Writer, "commit", commit)
    return threads


def test_the_next_block_is_computed_while_one_is_written(tmp_path, cores, monkeypatch):
    cores(2)
    computed = threading.Event()
    threads = slow_commits(monkeypatch, lambda: computed.wait(30) or pytest.fail("it waited"))
    nndyn.record(Told(linear(), 10, computed.set), tmp_path / "r.nc", **RUN).close()
    assert threading.main_thread() not in threads
    assert threads[0] not in threading.enumerate()


@pytest.mark.parametrize("why", ["one core", "several runs", "a system for one thread", "large"])
def test_nothing_is_written_in_a_thread(tmp_path, cores, monkeypatch, why):
    cores(1 if why == "one core" else 2)
    if why == "large":
        monkeypatch.setattr(commits, "_SMALL", 0)
    threads = slow_commits(monkeypatch)
    system = linear()
    system.concurrent = why != "a system for one thread"
    paths = [tmp_path / "0.nc", tmp_path / "1.nc"][: 1 + (why == "several runs")]
    batch.record_batch([system] * len(paths), paths, **RUN)
    assert set(threads) == {threading.main_thread()}


def training(**options):
    rng = np.random.default_rng(0)
    data = rng.normal(size=(12, 2)), np.arange(12) % 3
    return nndyn.Training("mlp:2-3-3", data, test=data, lr=0.2, **options)


RUNS = {
    "tangents": (training, {"tangents": 2}),
    "minibatches": (lambda: training(batch_size=5, optimizer="adam"), {"rescale": 4}),
    "perturbed later": (training, {"perturb_at": 17}),
    "a reference that diverges": (lambda: Linear(0.5, 1e20), {"pairs": True}),
    "map": (nndyn.systems.henon, {"store": "every:3"}),
}


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.slow) if k == "tangents" else k for k in RUNS]
)
def test_a_file_is_the_same_with_and_without_a_thread(tmp_path, cores, kind):
    made, options = RUNS[kind]
    found, sizes = [], []
    for n in (1, 2):
        cores(n)
        found.append(values(nndyn.record(made(), tmp_path / f"{n}.nc", **RUN, **options)))
        sizes.append((tmp_path / f"{n}.nc").stat().st_size)
    assert_same(*found)
    assert sizes[0] == sizes[1]
    assert verify(tmp_path / "2.nc").problems == ()


@pytest.mark.parametrize(
    "number",
    [
        errno.ENOSPC,
        pytest.param(errno.EDQUOT, marks=pytest.mark.slow),
        pytest.param(errno.EIO, marks=pytest.mark.slow),
    ],
)
def test_a_write_that_fails_is_told_and_leaves_the_same_file(tmp_path, cores, monkeypatch, number):
    true, said = session.reserve, []
    for n in (1, 2):
        cores(n)
        calls = 0

        def full(*arguments):
            nonlocal calls
            calls += 1
            if calls > 12:
                raise OSError(number, os.strerror(number))
            return true(*arguments)

        path = tmp_path / f"{n}.nc"
        with monkeypatch.context() as patch:
            patch.setattr(session, "reserve", full)
            with pytest.raises(StoreError, match=os.strerror(number)) as caught:
                nndyn.record(linear(), path, **RUN)
        said.append(str(caught.value).replace(path.name, ""))
        with nndyn.open(path) as left:
            said.append(left.sizes["time"])
    assert said[:2] == said[2:]
    assert said[1] > 7
    whole = values(nndyn.record(linear(), tmp_path / "whole.nc", **RUN))
    assert_same(whole, values(nndyn.record(linear(), path, resume=True, **RUN)))


def test_a_failure_ends_the_run_soon(tmp_path, cores, monkeypatch):
    cores(2)

    def fail():
        raise StoreError("full")

    slow_commits(monkeypatch, fail)
    steps = []
    system = Told(linear(), 10**9, None)
    true = system._system.advance
    system._system.advance = lambda phase, start, *a, **k: (
        steps.append(start),
        time.sleep(0.01),
        true(phase, start, *a, **k),
    )[2]
    with pytest.raises(StoreError, match="full"):
        nndyn.record(system, tmp_path / "r.nc", **{**RUN, "steps": 10**6})
    assert max(steps) < 30


def test_a_write_that_fails_beside_another_error_is_noted_on_it(tmp_path, cores, monkeypatch):
    cores(2)
    failed = threading.Event()

    def full():
        failed.set()
        raise StoreError("the disk is full")

    def divide():
        assert failed.wait(30)
        raise ArithmeticError("one more")

    slow_commits(monkeypatch, full)
    with pytest.raises(ArithmeticError, match="one more") as caught:
        nndyn.record(Told(linear(), 10, divide), tmp_path / "r.nc", **RUN)
    assert any("the disk is full" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("at", [3, 10, 59])
def test_an_interrupt_commits_what_there_is(tmp_path, cores, monkeypatch, at):
    cores(2)
    slow_commits(monkeypatch, lambda: time.sleep(0.01))
    press = lambda: signal.raise_signal(signal.SIGINT)  # noqa: E731
    path = tmp_path / "r.nc"
    with pytest.raises(KeyboardInterrupt):
        nndyn.record(Told(linear(), at, press), path, **RUN)
    with nndyn.open(path) as left:
        assert at < left.sizes["time"] <= STEPS + 1
        assert left.attrs["status"] == ("complete" if at == 59 else "recording")
    assert os.listdir(tmp_path) == ["r.nc"]
    whole = values(nndyn.record(linear(), tmp_path / "whole.nc", **RUN))
    assert_same(whole, values(nndyn.record(linear(), path, resume=True, **RUN)))


def test_a_second_interrupt_while_a_block_is_written_leaves_a_whole_one(
    tmp_path, cores, monkeypatch
):
    cores(2)
    writes = threading.Event()
    slow_commits(monkeypatch, lambda: (writes.set(), time.sleep(0.05)))

    def press():
        writes.wait(30)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    path = tmp_path / "r.nc"
    with pytest.raises(KeyboardInterrupt):
        nndyn.record(Told(linear(), 8, press), path, **RUN)
    assert os.listdir(tmp_path) == ["r.nc"]
    with nndyn.open(path) as left:
        assert left.sizes["time"] == 7
    assert verify(path).problems == ()


class TwoBuffers(Linear):
    """A system that writes over the phase it has returned the time before last."""

    returned = ()

    def advance(self, *arguments, **keywords):
        block = super().advance(*arguments, **keywords)
        for phase in self.returned[:-1]:
            phase[:] = np.nan
        self.returned = (*self.returned[-1:], block.phase)
        return block


def test_a_checkpoint_is_what_it_was_when_its_block_was_whole(tmp_path, cores, monkeypatch):
    cores(2)
    computed = threading.Event()
    slow_commits(monkeypatch, lambda: computed.wait(30))
    path, two = tmp_path / "r.nc", TwoBuffers(0.9, 1.01, -1.02)

    def fail():
        computed.set()
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        nndyn.record(Told(two, 13, fail), path, **RUN)
    whole = values(nndyn.record(linear(), tmp_path / "whole.nc", **RUN))
    assert_same(whole, values(nndyn.record(linear(), path, resume=True, **RUN)))


def test_who_is_told_of_progress_may_read_the_file(tmp_path, cores, monkeypatch):
    cores(2)
    slow_commits(monkeypatch, lambda: time.sleep(0.002))
    path, seen = tmp_path / "r.nc", []

    def look(done, total):
        with nndyn.open(path) as recording:
            seen.append(np.isfinite(recording["state"].values).all())
            assert recording.sizes["time"] <= done + 1

    nndyn.record(linear(), path, progress=look, **RUN).close()
    assert len(seen) > 3
    assert all(seen)


KILLED = """
import os, signal, sys, threading
from nndyn.store import session
from recorders import batch, request
from tests.recorders.blocks.test_commits import RUN, Told, linear
import nndyn

request._BLOCK_STEPS, batch.cores = 7, lambda: 2
path, call, moment = sys.argv[1], int(sys.argv[2]), sys.argv[3]
for name in ("put", "count", "settle"):
    def counted(*arguments, true=getattr(session.Session, name), name=name):
        global call
        call -= name == moment and threading.current_thread() is not threading.main_thread()
        if call == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return true(*arguments)
    setattr(session.Session, name, counted)
nndyn.record(linear(), path, resume=True, **RUN)
"""


@pytest.mark.parametrize(
    ("moment", "calls"),
    [
        ("put", 40),
        *(
            pytest.param(moment, calls, marks=pytest.mark.slow)
            for moment, every in (("put", 9), ("count", 1), ("settle", 1))
            for calls in range(2, 7 * every, every)
        ),
    ],
)
def test_a_kill_while_a_block_is_written_loses_that_and_what_was_computed_since(
    tmp_path, moment, calls
):
    path = tmp_path / "r.nc"
    command = [sys.executable, "-c", KILLED, str(path), str(calls), moment]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    whole = values(nndyn.record(linear(), tmp_path / "whole.nc", **RUN))
    with nndyn.open(path) as left:
        n = left.attrs["n_committed"]
        assert n % 7 == 0 or n == STEPS + 1
        assert left.sizes["time"] == n
        np.testing.assert_array_equal(left["state"].values, whole["state"][:n])
    resumed = nndyn.record(linear(), path, resume=True, **RUN)
    assert resumed.attrs["status"] == "complete"
    assert_same(whole, values(resumed))


@pytest.mark.parametrize("width", [200, 1000, 3000, 8000])
def test_the_end_of_a_long_block_cuts_through_no_chunk_of_states(width):
    plan = request.make(Linear(*np.ones(width)), steps=10**6)
    rows = Header({"replica": 7, "component": width}, (), {}, plan.block, {}, "step", "float64")
    assert plan.block >= 64
    assert plan.block % rows.chunk(VARIABLES["state"])[0] == 0
