"""A recording that is cut back to an earlier time, and goes on from there."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from nndyn.errors import RecordingError, UsageError
from nndyn.header import COMMENT
from nndyn.store import Writer, open_recording, verify
from nndyn.store.journal import Journal
from tests.nndyn.store.recordings import assert_holds, header, record, rows, without_digests

PLAN = header()
PLAN = header(
    replicas=5,
    block=4,
    variables=tuple(v for v in PLAN.variables if not v.name.startswith("checkpoint")),
)


def write(writer, start, stop, *, other=0.0):
    """Append and commit the times ``[start, stop)`` in blocks, moved by `other`."""
    for at in range(start, stop, PLAN.block):
        new = rows(PLAN, at, min(stop, at + PLAN.block))
        new |= {name: new[name] + other for name in ("state", "loss", "log_rescale")}
        writer.append(new)
        writer.commit()


def made(path, times, *, other=0.0):
    with Writer.create(path, PLAN) as writer:
        write(writer, 0, times, other=other)


@pytest.mark.parametrize("times", [1, 2, 3, 4, 5, 8, 19, 20, 37, 38])
def test_what_is_appended_after_a_cut_takes_the_place_of_what_was_there(tmp_path, times):
    path = tmp_path / "run.nc"
    made(path, times)
    with Writer.resume(path) as writer:
        write(writer, times, 38, other=7.0)
        writer.cut(times)
        assert writer.n_committed == times
        np.testing.assert_array_equal(writer.read("time"), np.arange(times))
    with open_recording(path) as run:
        assert_holds(run, PLAN, times)
    assert verify(path).problems == ()
    with Writer.resume(path) as writer:
        write(writer, times, times + 1)
        write(writer, times + 1, 50)
        writer.finish("complete")
    with open_recording(path) as run:
        assert_holds(run, PLAN, 50)
    assert verify(path).problems == ()


def test_one_writer_cuts_and_goes_on_as_often_as_it_likes(tmp_path):
    path, rng = tmp_path / "run.nc", np.random.default_rng(0)
    with Writer.create(path, PLAN) as writer:
        write(writer, 0, 300)
        for _ in range(25):
            times = int(rng.integers(1, writer.n_committed + 1))
            writer.cut(times)
            write(writer, times, times + int(rng.integers(0, 40)))
        times = writer.n_committed
    with open_recording(path) as run:
        assert_holds(run, PLAN, times)
    assert verify(path).problems == ()


def test_rows_of_other_dimensions_can_be_cut_further(tmp_path):
    path = tmp_path / "run.nc"
    made(path, 30)
    with Writer.resume(path) as writer:
        assert writer.committed["evaluation_time"] == 10
        writer.cut(20, {"evaluation_time": 2, "floor_time": 0})
        assert writer.committed == {"time": 20, "evaluation_time": 2, "floor_time": 0}
        with pytest.raises(UsageError, match="rows has 3 of evaluation_time, expected 0 to 2"):
            writer.cut(20, {"evaluation_time": 3})
        with pytest.raises(UsageError, match="'state_time' is no growing dimension"):
            writer.cut(20, {"state_time": 3})
        for times in (0, 21):
            with pytest.raises(UsageError, match=rf"times is {times}, expected 1 to 20"):
                writer.cut(times)
    assert verify(path).sound


def test_a_file_that_ends_before_its_rows_says_so_to_other_programs(tmp_path):
    path = tmp_path / "run.nc"
    made(path, 30)
    with Writer.resume(path) as writer:
        writer.cut(20)
        writer.finish("complete")
    with xr.open_dataset(path, engine="netcdf4") as plain:
        assert plain.sizes["time"] == 30
        assert "cut back: nndyn.open gives what counts" in plain.attrs[COMMENT]
    with open_recording(path) as run:
        assert run.sizes["time"] == 20
        assert COMMENT not in run.attrs


def test_a_recording_with_checkpoints_stays_whole(tmp_path):
    record(tmp_path / "run.nc")
    with (
        Writer.resume(tmp_path / "run.nc") as writer,
        pytest.raises(UsageError, match="has checkpoints, none of an earlier step"),
    ):
        writer.cut(3)


def test_rows_that_wait_for_a_commit_are_not_cut(tmp_path):
    with Writer.create(tmp_path / "run.nc", PLAN) as writer:
        write(writer, 0, 4)
        writer.append(rows(PLAN, 4, 6))
        with pytest.raises(UsageError, match="rows that are not committed"):
            writer.cut(3)


def test_a_damaged_chunk_is_not_cut_through(tmp_path):
    path = tmp_path / "run.nc"
    made(path, 40)
    value = rows(PLAN, 5, 6)["log_rescale"].tobytes()
    content = path.read_bytes()
    assert content.count(value) == 1
    path.write_bytes(content.replace(value, bytes(len(value))))
    with (
        Writer.resume(path) as writer,
        pytest.raises(RecordingError, match=r"log_rescale|checksum"),
    ):
        writer.cut(6)


def test_a_file_without_digests_is_cut_too(tmp_path):
    path = tmp_path / "run.nc"
    made(path, 30)
    without_digests(path)
    with Writer.resume(path) as writer:
        writer.cut(21)
        write(writer, 21, 26)
    with pytest.warns(UserWarning, match="has no digests"), open_recording(path) as run:
        assert_holds(run, PLAN, 26)


def test_who_has_it_open_gets_no_other_values(tmp_path):
    path = tmp_path / "run.nc"
    made(path, 30, other=1.0)
    with open_recording(path) as run:
        with Writer.resume(path) as writer:
            writer.cut(3)
            write(writer, 3, 30)
        with pytest.raises(RecordingError, match="not what was written"):
            run["state"].load()
    with open_recording(path) as run:
        np.testing.assert_array_equal(run["state"][3:], rows(PLAN, 3, 30)["state"])


@pytest.fixture(scope="module")
def moments(tmp_path_factory):
    """Files before and after every change of a recording that is cut, and the journals between."""
    path = tmp_path_factory.mktemp("moments") / "run.nc"
    found, before = [], b""
    clear = Journal.clear

    def observed(journal):
        nonlocal before
        after, saved = path.read_bytes(), journal.path.read_bytes()
        if before and saved:
            found.append((before, after, saved))
        clear(journal)
        before = after

    with pytest.MonkeyPatch.context() as patch:
        writer = Writer.create(path, PLAN)
        write(writer, 0, 290)
        patch.setattr(Journal, "clear", observed)
        for times in (285, 270, 201, 130, 129, 128, 63, 5):
            writer.cut(times)
            for count in (3, 1, 4, 2):  # with other values than are there
                write(writer, writer.n_committed, writer.n_committed + count, other=float(times))
        writer.close()
    return found


def contents(path):
    with open_recording(path) as run:
        return run.load()


def test_a_change_torn_anywhere_is_undone(moments, tmp_path):
    """Each byte that differs may have been written or not, whatever the order."""
    rng = np.random.default_rng(0)
    assert len(moments) > 35
    path = tmp_path / "run.nc"
    for before, after, saved in moments:
        old = np.frombuffer(before, np.uint8)
        torn = np.frombuffer(after, np.uint8).copy()
        changed = np.flatnonzero(old != torn[: old.size])
        for part in np.array_split(changed, int(rng.integers(1, 60))):
            if rng.random() < 0.5:
                torn[part] = old[part]
        (tmp_path / "before.nc").write_bytes(before)
        path.write_bytes(torn.tobytes())
        (tmp_path / ".run.nc.journal").write_bytes(_of(path, saved))
        assert contents(path).identical(contents(tmp_path / "before.nc"))
        assert not (tmp_path / ".run.nc.journal").exists()
        assert verify(path).problems == ()


def _of(path: Path, saved: bytes) -> bytes:
    """Return a journal as it would be of the file that has the name now."""
    body = saved[:16] + path.stat().st_ino.to_bytes(8, "little") + saved[24:-32]
    return body + hashlib.blake2b(body, digest_size=32).digest()


_KILLED = """
import itertools, os, shutil, sys
from pathlib import Path
import netCDF4
from nndyn.store import Writer, open_recording, verify
from tests.nndyn.store.recordings import assert_holds
from tests.nndyn.store.test_cut import PLAN, contents, made, write

whole, path = Path(sys.argv[1]) / "whole.nc", Path(sys.argv[1]) / "run.nc"
times, end = int(sys.argv[2]), int(sys.argv[3])
made(whole, times)
with Writer.resume(whole) as writer:
    write(writer, times, end, other=7.0)
before = contents(whole)

def child(left):
    def dying(call):
        def called(*arguments):
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(9)
            return call(*arguments)
        return called
    for name in ("fsync", "pwrite", "ftruncate"):
        setattr(os, name, dying(getattr(os, name)))
    class Dataset(netCDF4.Dataset):
        sync = dying(netCDF4.Dataset.sync)
        setncattr = dying(netCDF4.Dataset.setncattr)
    netCDF4.Dataset = Dataset
    writer = Writer.resume(path)
    writer.cut(times)
    write(writer, times, times + 10)
    writer.close()
    os._exit(0)

seen = set()
for last in itertools.count():
    shutil.copyfile(whole, path)
    pid = os.fork()
    if not pid:
        child(last)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, 9), code
    left = contents(path)
    n = left.sizes["time"]
    if n == end:
        assert left.identical(before)
    else:
        assert_holds(left, PLAN, n)
    seen.add(n)
    assert verify(path).problems == (), last
    if code == 0:
        break
print(sorted(seen))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("times", "end"), [(13, 37), (290, 301), (129, 300), (128, 300)])
def test_a_writer_that_is_killed_at_any_write_leaves_it_as_it_was_or_cut(tmp_path, times, end):
    code = [sys.executable, "-c", _KILLED, str(tmp_path), str(times), str(end)]
    done = subprocess.run(code, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    assert done.stdout.strip() == str(sorted({times, times + 4, times + 8, times + 10, end}))
