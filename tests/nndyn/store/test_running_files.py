"""What of a recording is seen while it is written."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import netCDF4
import pytest
import xarray as xr

from nndyn.errors import RecordingError
from nndyn.header import COMMENT
from nndyn.store import Writer, journal, open_recording, reader, verify
from nndyn.store.library import exclusive
from tests.nndyn.store.recordings import (
    assert_holds,
    header,
    phase_at,
    record,
    rows,
    without_digests,
    write,
)


def comment(path: Path) -> str:
    with xr.open_dataset(path, engine="netcdf4") as run:
        return str(run.attrs[COMMENT])


def test_a_running_file_says_who_reads_it_rightly_until_it_is_whole(tmp_path):
    path, plan = tmp_path / "run.nc", header()
    with Writer.create(path, plan) as writer:
        write(writer, plan, 0, 16)
        assert "until status is complete or stopped nndyn.open gives what counts" in comment(path)
        writer.finish("complete")
        assert "being recorded" not in comment(path)
        writer.finish("recording")
        assert "nndyn.open gives what counts" in comment(path)
        write(writer, plan, 16, 24)
        writer.finish("stopped", "the reference diverged")
    assert "being recorded" not in comment(path)
    assert verify(path).sound


def test_the_comment_is_of_the_file_and_not_of_what_is_read_of_it(tmp_path):
    path, plan = tmp_path / "run.nc", header()
    with Writer.create(path, plan) as writer:
        write(writer, plan, 0, 16)
    with open_recording(path) as run:
        assert COMMENT not in run.attrs
        run.assign_attrs({COMMENT: "mine"}).to_netcdf(tmp_path / "copy.nc")
    with open_recording(tmp_path / "copy.nc") as copy:
        assert copy.attrs[COMMENT] == "mine"
        assert_holds(copy, plan, 16)


def test_a_file_without_a_comment_gets_one_when_it_is_gone_on_with(tmp_path):
    path = tmp_path / "run.nc"
    plan = record(path)
    without_digests(path)
    with netCDF4.Dataset(path, "r+") as nc:
        nc.delncattr(COMMENT)
    with Writer.resume(path) as writer:
        writer.finish("recording")
        write(writer, plan, 40, 48)
    assert "nndyn.open gives what counts" in comment(path)


def test_a_file_that_changes_while_it_is_opened_is_not_called_damaged(tmp_path, monkeypatch):
    path, plan = tmp_path / "run.nc", header()
    writer = Writer.create(path, plan)
    write(writer, plan, 0, 16)
    monkeypatch.setattr(reader, "_PATIENCE", 0.05)

    def opened(*args, **options):
        end = writer.n_committed
        writer.append(rows(plan, end, end + 1))
        writer.commit(phase_at(plan, end), end)
        raise RecordingError("damaged")

    monkeypatch.setattr(reader, "_open", opened)
    with pytest.raises(journal.UnsettledError, match="is written faster than it opens"):
        open_recording(path)
    writer.close()


def test_values_are_read_and_files_closed_while_no_other_thread_is_in_the_library(tmp_path):
    path, plan = tmp_path / "run.nc", header()
    record(path, plan)
    inside, leave, done = threading.Event(), threading.Event(), []

    @exclusive
    def stay():
        inside.set()
        leave.wait(20)

    def read():
        done.append(run["state"][:2].values)
        run.close()

    run = open_recording(path)
    threads = [threading.Thread(target=stay), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
        assert inside.wait(20)
    threads[1].join(0.05)
    assert done == []
    leave.set()
    for thread in threads:
        thread.join(20)
    assert len(done) == 1


_WRITER = """
import sys, time
from pathlib import Path
from nndyn.store import Writer
from tests.nndyn.store.recordings import header, write
path, plan = Path(sys.argv[1]), header(replicas=4, components=200)
with Writer.create(path, plan) as writer:
    print("ready", flush=True)
    for start in range(0, int(sys.argv[2]), 8):
        # every third commit leaves chunks that the next one fills
        write(writer, plan, start, start + 3)
        time.sleep(0.15)
        write(writer, plan, start + 3, start + 8)
        time.sleep(0.15)
    writer.finish("complete")
"""


@pytest.mark.slow
def test_all_that_is_committed_is_read_rightly_while_it_is_written(tmp_path):
    path, plan, times = tmp_path / "run.nc", header(replicas=4, components=200), 640
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, path, str(times)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        seen, opened, anew, status = [0], 0, 0, ""
        while status != "complete":
            try:
                with open_recording(path) as run:
                    status = run.attrs["status"]
                    assert_holds(run, plan, run.attrs["n_committed"])
                    seen.append(run.attrs["n_committed"])
                    opened += 1
            except RecordingError as error:
                # a chunk that a further commit filled since: refused, never other values
                if not re.search("open it again|just being written|written faster", str(error)):
                    raise
                anew += 1
        assert writer.wait(60) == 0
    assert opened >= 20
    assert anew <= opened
    assert seen == sorted(seen)
    assert seen[-1] == times
