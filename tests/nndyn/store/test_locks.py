"""Locks of processes of other hosts, where ``flock`` tells nothing of them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nndyn.errors import RecordingError, StoreError
from nndyn.store import Writer, facts, holder, locks, open_recording, verify
from nndyn.store.holder import Holder, parsed
from nndyn.store.journal import UnsettledError
from nndyn.store.locks import BusyError, TakenOverError, WriterLock, has_writer, lock_path
from tests.nndyn.store.recordings import assert_holds, header, phase_at, rows, write
from tests.nndyn.store.test_strangers import left_in_a_block

HERE, THERE = ("login1", "b00d"), ("node7", "feed")


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    monkeypatch.setattr(locks, "here", lambda: HERE)
    monkeypatch.setattr(holder, "here", lambda: HERE)
    monkeypatch.setattr(locks, "_ENDING", 0.01)


def leave(path: Path, *, host=THERE[0], boot=THERE[1], age=0.0, **changes) -> Path:
    """Put a lock of a process beside a file, renewed so many seconds ago."""
    lock = lock_path(path)
    lock.write_bytes(Holder(host, boot, 4711, **changes).packed())
    os.utime(lock, (time.time() - age,) * 2)
    return lock


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}


def settled(folder: Path) -> Path:
    """Return a recording between two blocks, whose writer is gone."""
    folder.mkdir()
    path, plan = folder / "run.nc", header()
    with Writer.create(path, plan) as writer:
        write(writer, plan, 0, 16)
    return path


def test_a_lock_says_host_boot_process_and_recording(tmp_path):
    path = tmp_path / "run.nc"
    with Writer.create(path, header()) as writer:
        tree = json.loads(lock_path(path).read_bytes())
        assert (tree["host"], tree["boot"], tree["pid"]) == (*HERE, os.getpid())
        assert tree["recording"] == writer.attrs["recording_id"]
    assert os.listdir(tmp_path) == ["run.nc"]


def test_the_time_of_a_lock_is_that_of_the_last_commit(tmp_path):
    path, plan = tmp_path / "run.nc", header()
    with Writer.create(path, plan) as writer:
        os.utime(lock_path(path), (1000.0, 1000.0))
        writer.append(rows(plan, 0, 8))
        assert lock_path(path).stat().st_mtime == 1000.0
        writer.commit(phase_at(plan, 7), 7)
        assert abs(lock_path(path).stat().st_mtime - time.time()) < 60


def test_a_reader_leaves_what_another_host_has_in_a_block_as_it_is(tmp_path, monkeypatch):
    path = left_in_a_block(tmp_path / "runs")
    for age in (0.0, 7200.0):
        leave(path, age=age)
        before = snapshot(path.parent)
        monkeypatch.setattr("nndyn.store.journal.settle.__defaults__", (0.05,))
        monkeypatch.setattr("nndyn.store.reader._PATIENCE", 0.05)
        for read in (open_recording, verify, facts):
            with pytest.raises(UnsettledError, match=r"process 4711 on node7, heard of last at 20"):
                read(path)
        assert snapshot(path.parent) == before


def test_a_reader_reads_between_the_blocks_of_another_host(tmp_path):
    path = settled(tmp_path / "runs")
    for age in (0.0, 7200.0):
        leave(path, age=age)
        before = snapshot(path.parent)
        with open_recording(path) as run:
            assert_holds(run, header(), 16)
        assert facts(path).committed == 16
        if age:  # it is taken for gone
            assert verify(path).sound
        else:
            with pytest.raises(RecordingError, match=r"is being written; .* process 4711 on node7"):
                verify(path)
        assert snapshot(path.parent) == before


@pytest.mark.parametrize(("host", "boot"), [HERE, ("pod-3", HERE[1]), (HERE[0], "before")])
def test_what_a_process_of_this_host_left_is_repaired_at_once(tmp_path, host, boot):
    path = left_in_a_block(tmp_path / "runs")
    leave(path, host=host, boot=boot)
    with open_recording(path) as run:
        assert_holds(run, header(), 16)
    assert os.listdir(path.parent) == ["run.nc"]


def test_a_host_without_identities_of_boots_is_known_by_its_name(monkeypatch):
    monkeypatch.setattr(holder, "here", lambda: ("mac", ""))
    assert not Holder("mac", "", 1).elsewhere
    assert Holder("other", "", 1).elsewhere


def test_a_lock_of_another_host_is_taken_over_when_it_is_old_or_on_demand(tmp_path):
    path, plan = left_in_a_block(tmp_path / "runs"), header()
    leave(path, age=540.0)
    before = snapshot(path.parent)
    cure = r"wait for 10 minutes .* or take over with `take_over=True`"
    with pytest.raises(BusyError, match=rf"another process \(process 4711 on node7, .*{cure}"):
        Writer.resume(path)
    with pytest.raises(BusyError, match="node7"):
        Writer.create(path, plan, overwrite=True)
    assert snapshot(path.parent) == before
    with Writer.resume(path, take_over=True) as writer:
        assert writer.n_committed == 16
        assert json.loads(lock_path(path).read_bytes())["host"] == HERE[0]
    leave(path, age=660.0)
    with Writer.resume(path) as writer:
        write(writer, plan, 16, 24)
    leave(path)
    Writer.create(path, plan, overwrite=True, take_over=True).close()
    assert os.listdir(path.parent) == ["run.nc"]


def test_long_blocks_are_waited_for_three_times(tmp_path):
    path = settled(tmp_path / "runs")
    leave(path, age=3000.0, block=1100.0)
    with pytest.raises(BusyError, match="wait for 55 minutes"):
        Writer.resume(path)
    leave(path, age=3400.0, block=1100.0)
    Writer.resume(path).close()


def test_a_writer_of_long_blocks_says_so(tmp_path, monkeypatch):
    path, plan = tmp_path / "run.nc", header()
    with Writer.create(path, plan) as writer:
        write(writer, plan, 0, 8)
        assert json.loads(lock_path(path).read_bytes())["block"] == 0
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 1000.0)
        write(writer, plan, 8, 16)
        assert 999 < json.loads(lock_path(path).read_bytes())["block"] < 1100
        write(writer, plan, 16, 24)
    assert verify(path).sound


def test_the_clock_of_the_file_system_tells_how_old_a_lock_is(tmp_path, monkeypatch):
    path = settled(tmp_path / "runs")
    leave(path)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert not has_writer(path)
    with pytest.raises(BusyError, match="node7"):
        Writer.resume(path)


@pytest.mark.parametrize("taken", ["now", "by a sleeper"])
def test_a_writer_whose_lock_was_taken_over_writes_no_more(tmp_path, monkeypatch, taken):
    path, plan = tmp_path / "run.nc", header()
    writer = Writer.create(path, plan)
    write(writer, plan, 0, 16)
    writer.append(rows(plan, 16, 24))
    if taken == "now":  # a file of its own has the name
        lock_path(path).rename(tmp_path / "old")
    leave(path)
    before = path.read_bytes()
    with pytest.raises(TakenOverError, match="was taken over by process 4711 on node7") as caught:
        writer.commit(phase_at(plan, 23), 23)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    writer.close()
    assert json.loads(lock_path(path).read_bytes())["host"] == THERE[0]
    assert path.read_bytes() == before


def test_of_two_hosts_that_take_over_at_once_one_has_it(tmp_path, monkeypatch):
    path = settled(tmp_path / "runs")
    leave(path, age=3600.0)
    monkeypatch.setattr(time, "sleep", lambda seconds: leave(path, host="node8", boot="cafe"))
    with pytest.raises(BusyError, match="process 4711 on node8"):
        WriterLock(path, take_over=True)
    assert json.loads(lock_path(path).read_bytes())["host"] == "node8"


def _tree(**changes):
    return json.dumps({**json.loads(Holder(*THERE, 4711).packed()), **changes}).encode()


GARBAGE = {
    "empty": b"",
    "zeros": b"\0" * 1024,
    "torn": _tree()[:9],
    "no host": _tree(host=""),
    "host of another kind": _tree(host=["node7"]),
    "long host": _tree(host="n" * 900),
    "boot missing": json.dumps({"host": "node7", "pid": 1}).encode(),
    "pid true": _tree(pid=True),
    "pid huge": _tree(pid=10**300),
    "pid negative": _tree(pid=-1),
    "block NaN": _tree(block=float("nan")),
    "block infinite": _tree(block=float("inf")),
    "block huge": _tree(block=10**400),
    "block a text": _tree(block="1"),
}
FOREIGN = {
    "text": b"left behind",
    "no UTF-8": b"\xff\xfe" * 40,
    "deep": b"[" * 1000,
    "no object": b"[1]",
    "endless": _tree() + b" " * 10**6,
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_content_of_a_lock_counts_as_none(tmp_path, name):
    assert parsed(GARBAGE[name]) is None
    path = left_in_a_block(tmp_path / "runs")
    lock_path(path).write_bytes(GARBAGE[name])
    with open_recording(path) as run:
        assert_holds(run, header(), 16)
    lock_path(path).write_bytes(GARBAGE[name])
    Writer.resume(path).close()
    assert os.listdir(path.parent) == ["run.nc"]


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_lock_is_left_alone(tmp_path, name):
    path = left_in_a_block(tmp_path / "runs")
    lock_path(path).write_bytes(FOREIGN[name])
    before = snapshot(path.parent)
    with pytest.raises(RecordingError, match="no lock of nndyn's, or has other names; move it"):
        open_recording(path)
    with pytest.raises(StoreError, match="no lock of nndyn's"):
        Writer.resume(path)
    assert snapshot(path.parent) == before


def test_a_hostile_lock_cannot_act_on_a_terminal_or_hold_for_ever_without_a_cure(tmp_path):
    path = settled(tmp_path / "runs")
    lock = leave(path, host="\x1b]0;evil\x07\u202e\nnode7")
    os.utime(lock, (9e9, 9e9))
    with pytest.raises(BusyError) as caught:
        Writer.resume(path)
    assert "\\x1b]0;evil\\x07\\u202e\\nnode7" in str(caught.value)
    assert not set(str(caught.value)) & set("\x1b\x07\n\u202e")
    Writer.resume(path, take_over=True).close()


def test_a_full_disk_leaves_a_lock_without_content(tmp_path, monkeypatch):
    path = left_in_a_block(tmp_path / "runs")

    def full(fd, content, start):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(locks, "write_at", full)
    lock = WriterLock(path)
    assert lock.keep()
    assert lock_path(path).read_bytes() == b""
    lock.release()
    with open_recording(path) as run:
        assert_holds(run, header(), 16)
    assert os.listdir(path.parent) == ["run.nc"]


def test_a_writer_goes_on_where_the_content_of_its_lock_was_lost(tmp_path):
    path, plan = tmp_path / "run.nc", header()
    with Writer.create(path, plan) as writer:
        write(writer, plan, 0, 8)
        lock_path(path).write_bytes(b"")
        write(writer, plan, 8, 16)
        assert json.loads(lock_path(path).read_bytes())["host"] == HERE[0]
    assert os.listdir(tmp_path) == ["run.nc"]


_WITHOUT_FLOCK = """
import fcntl, sys
from pathlib import Path
from nndyn.store import holder, locks
from tests.nndyn.store.recordings import assert_holds, header, write
fcntl.flock = lambda fd, operation: None
me = sys.argv[2], sys.argv[2]
holder.here = locks.here = lambda: me
path, plan = Path(sys.argv[1]), header(replicas=4, components=200)
"""
_WRITER = """
import time
from nndyn.store import Writer
with Writer.create(path, plan) as writer:
    print("ready", flush=True)
    times = int(sys.argv[3])
    write(writer, plan, 0, times - 160)  # faster than it opens
    for start in range(times - 160, times, 8):
        time.sleep(0.25)
        write(writer, plan, start, start + 8)
    writer.finish("complete")
print("done", flush=True)
"""
_READER = """
from nndyn.store import open_recording, facts
from nndyn.errors import RecordingError
seen = opened = 0
status = ""
while status != "complete":
    try:
        with open_recording(path) as run:
            seen, status = run.attrs["n_committed"], run.attrs["status"]
            assert_holds(run, plan, seen)
            opened += 1
    except RecordingError as error:
        assert "just being written" in str(error) or "written faster" in str(error), error
print(opened, seen)
"""


def _process(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _WITHOUT_FLOCK + code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_reader_on_another_host_without_flock_destroys_no_running_file(tmp_path):
    path, plan, times = tmp_path / "run.nc", header(replicas=4, components=200), 960
    with _process(_WRITER, path, "node7", times) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        with _process(_READER, path, "login1") as reader:
            said, wrong = reader.communicate(timeout=120)
        rest, failed = writer.communicate(timeout=120)
    assert (rest, failed, writer.returncode) == ("done\n", "", 0)
    assert (wrong, reader.returncode) == ("", 0)
    opened, seen = map(int, said.split())
    assert opened >= 5
    assert seen == times
    assert verify(path).sound
    with open_recording(path) as run:
        assert_holds(run, plan, times)
