"""What a writer that died leaves behind is put back to its last commit."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from nndyn.errors import RecordingError
from nndyn.store import Writer, open_recording, verify
from nndyn.store.journal import Journal
from nndyn.validity import validate
from tests.nndyn.store.recordings import assert_holds, header, phase_at, record, rows, write

pytestmark = pytest.mark.usefixtures("waiting_for_the_disk")

PLAN = header(replicas=5, block=4)


@dataclass(frozen=True)
class Moment:
    """The file before a block, all of the block flushed, the journal between, times before."""

    before: bytes
    after: bytes
    journal: bytes
    times: int

    def torn(self, rng: np.random.Generator) -> bytes:
        """Mix both states at random, as a flush cut off anywhere does, whatever its order."""
        old = np.frombuffer(self.before, dtype=np.uint8)
        new = np.frombuffer(self.after, dtype=np.uint8)
        end = int(rng.integers(len(old), len(new) + 1)) if len(new) > len(old) else len(new)
        mixed = new[:end].copy()
        shared = min(len(old), end)
        changed = np.flatnonzero(old[:shared] != new[:shared])
        parts = np.array_split(changed, rng.integers(1, 60))
        for part in parts:
            if rng.random() < 0.5:
                mixed[part] = old[part]
        return mixed.tobytes()


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> list[Moment]:
    """Every block of a run whose indices split, with partial blocks, new attributes, a resume."""
    path = tmp_path_factory.mktemp("moments") / "run.nc"
    found: list[Moment] = []
    before = b""
    clear = Journal.clear

    def observed(journal: Journal) -> None:
        nonlocal before
        after, saved = path.read_bytes(), journal.path.read_bytes()
        if before and saved:
            found.append(Moment(before, after, saved, done))
        clear(journal)
        before = after

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "clear", observed)
        done = 0
        writer = Writer.create(path, PLAN)
        for step in [4] * 66 + [3, 1, 2, 7, 4]:
            writer.append(rows(PLAN, done, done + step))
            writer.commit(phase_at(PLAN, done + step - 1), done + step - 1)
            done += step
        for number in range(1, 9):
            writer.finish("stopped" if number % 2 else "recording", "so" * 3 * number)
            writer.set_attrs(manifest="{" + " " * 900 * (number % 5) + "}")
            writer.append(rows(PLAN, done, done + number))
            writer.commit(phase_at(PLAN, done + number - 1), done + number - 1)
            done += number
        writer.finish("stopped", "in the change that closes it" * 20, close=True)
        writer = Writer.resume(path)
        writer.append(rows(PLAN, done, done + 3))
        writer.commit(phase_at(PLAN, done + 2), done + 2)
        done += 3
        writer.close()
    return found


def leave(folder: Path, recording: bytes, journal: bytes | None) -> Path:
    path = folder / "run.nc"
    path.write_bytes(recording)
    if journal is not None:
        (folder / ".run.nc.journal").write_bytes(journal_of(path, journal))
    return path


def journal_of(path: Path, journal: bytes) -> bytes:
    """Return a journal as it would be of the file that has the name now."""
    if len(journal) < 64:
        return journal
    body = journal[:16] + path.stat().st_ino.to_bytes(8, "little") + journal[24:-32]
    whole = hashlib.blake2b(journal[:-32], digest_size=32).digest() == journal[-32:]
    return body + (hashlib.blake2b(body, digest_size=32).digest() if whole else journal[-32:])


def test_a_block_torn_anywhere_is_undone_on_reading(moments: list[Moment], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tested = [m for m in moments if m.times]
    tested = tested[1:60:4] + tested[60:]  # the later ones have partial chunks and moved attributes
    assert len(tested) > 40
    for moment in tested:
        path = leave(tmp_path, moment.torn(rng), moment.journal)
        with open_recording(path) as run:
            assert_holds(run, PLAN, moment.times)
        assert os.listdir(tmp_path) == ["run.nc"]
        assert path.stat().st_size == len(moment.before)


def test_a_torn_block_is_undone_on_resuming_and_the_run_goes_on(
    moments: list[Moment], tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    for moment in moments[2:60:12] + moments[60::4]:
        path = leave(tmp_path, moment.torn(rng), moment.journal)
        with Writer.resume(path) as writer:
            assert writer.n_committed == moment.times
            np.testing.assert_array_equal(writer.checkpoint()[0], phase_at(PLAN, moment.times - 1))
            write(writer, PLAN, moment.times, moment.times + 9)
        with open_recording(path) as run:
            assert_holds(run, PLAN, moment.times + 9)
        assert verify(path).problems == ()


def test_without_the_journal_torn_indices_are_noticed(
    moments: list[Moment], tmp_path: Path
) -> None:
    """The states above do lose data without a journal, and verify says so."""
    rng = np.random.default_rng(2)
    lost = 0
    for moment in [m for m in moments if m.times][::8]:
        path = leave(tmp_path, moment.torn(rng), None)
        try:
            lost += not verify(path).sound
        except RecordingError:
            lost += 1
    assert lost > 2


def test_undoing_is_harmless_after_a_commit_whose_journal_came_back(
    moments: list[Moment], tmp_path: Path
) -> None:
    moment = moments[-3]
    path = leave(tmp_path, moment.after, moment.journal)
    with open_recording(path) as run:
        assert_holds(run, PLAN, moment.times)


def test_a_journal_that_was_not_finished_changes_nothing(
    moments: list[Moment], tmp_path: Path
) -> None:
    moment = moments[20]
    for cut in (1, 100, len(moment.journal) - 1):
        path = leave(tmp_path, moment.before, moment.journal[:cut])
        with open_recording(path) as run:
            assert_holds(run, PLAN, moment.times)
        assert path.read_bytes() == moment.before
        assert os.listdir(tmp_path) == ["run.nc"]


def test_a_journal_of_another_recording_of_that_name_changes_nothing(
    moments: list[Moment], tmp_path: Path
) -> None:
    path = tmp_path / "run.nc"
    plan = record(path)
    leave(tmp_path, path.read_bytes(), moments[20].journal)
    with open_recording(path) as run:
        assert_holds(run, plan, 40)
    assert os.listdir(tmp_path) == ["run.nc"]


def test_a_recording_shorter_than_its_last_commit_is_refused(
    moments: list[Moment], tmp_path: Path
) -> None:
    path = leave(tmp_path, moments[60].before[:-20_000], moments[60].journal)
    with pytest.raises(RecordingError, match=r"is cut off: \d+ bytes, \d+ were committed"):
        open_recording(path)


_ENDLESS = """
import sys, time
from pathlib import Path
from nndyn.store import Writer
from tests.nndyn.store.recordings import header, rows, write
path, plan = Path(sys.argv[1]), header(replicas=5, components=500, block=4)
writer = Writer.resume(path) if path.exists() else Writer.create(path, plan)
ready = False
while True:
    write(writer, plan, writer.n_committed, writer.n_committed + 4)
    if not ready:
        ready = True
        print("ready", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def start_endless_writer(path: Path, pause: float = 0.0) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(path), str(pause)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def stop(child: subprocess.Popen[str], number: signal.Signals = signal.SIGKILL) -> None:
    child.send_signal(number)
    child.wait(timeout=30)
    assert child.stdout is not None
    child.stdout.close()


def kill_and_check(path: Path, times: int, seed: int) -> None:
    plan = header(replicas=5, components=500, block=4)
    rng = np.random.default_rng(seed)
    before = 0
    for _ in range(times):
        child = start_endless_writer(path)
        time.sleep(0.05 + float(rng.random()) / 4)
        stop(child)
        with open_recording(path) as run:
            n = int(run.attrs["n_committed"])
            assert n > before
            assert_holds(run, plan, n)
        assert verify(path).problems == ()
        before = n


def test_killed_writers_lose_nothing_committed(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    kill_and_check(tmp_path / "runs" / "run.nc", times=3, seed=0)


@pytest.mark.slow
def test_many_killed_writers_lose_nothing_committed(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    kill_and_check(tmp_path / "runs" / "run.nc", times=60, seed=1)


def test_a_running_recording_can_be_read_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    plan = header(replicas=5, components=500, block=4)
    child = start_endless_writer(path, pause=0.2)
    try:
        seen = set()
        deadline = time.monotonic() + 10
        while len(seen) < 5 and time.monotonic() < deadline:
            with open_recording(path) as run:
                n = int(run.attrs["n_committed"])
                assert_holds(run, plan, n)
                seen.add(n)
        assert len(seen) > 3
        assert child.poll() is None
    finally:
        stop(child)


def test_a_recording_without_a_commit_opens_without_times(tmp_path: Path) -> None:
    Writer.create(tmp_path / "run.nc", PLAN).close()
    with open_recording(tmp_path / "run.nc") as run:
        assert run.sizes["time"] == 0
        assert run.attrs["status"] == "recording"


def test_only_the_committed_checkpoint_is_shown(tmp_path: Path) -> None:
    plan = record(tmp_path / "run.nc")
    with open_recording(tmp_path / "run.nc") as run:
        validate(run)
        assert run["checkpoint_step"].values.tolist() == [39]
        np.testing.assert_array_equal(run["checkpoint"].values[0], phase_at(plan, 39))
