"""A recording that was just made stays open; what its writer knows of it is what is in it."""

import errno
import os
from pathlib import Path
from typing import Literal

import netCDF4
import pytest

from nndyn.errors import StoreError
from nndyn.store import Writer, handles, open_recording, opening, verify
from nndyn.store.library import open_netcdf
from nndyn.store.locks import WriterLock
from tests.nndyn.store.recordings import assert_holds, header, record, write

#: Rows of a block whose chunks are too large to wait in the library's memory: a mebibyte or more.
LONG = 140_000


def test_a_new_file_holds_what_its_writer_takes_for_granted(tmp_path: Path) -> None:
    path, plan = tmp_path / "run.nc", header()
    with Writer.create(path, plan) as writer:
        session = writer._session
        with open_netcdf(path, "r") as nc:
            found = opening.found(path, nc)
        assert session.attrs == found.attrs
        assert session._extents == found.extents == [(0, path.stat().st_size)]
        assert session._place == found.place > 0
        assert session.dims == found.dims
        assert session._shapes == found.shapes
        assert session._chunk_rows == found.chunk_rows
        assert session.committed == found.committed


def test_a_run_of_one_block_opens_its_file_once_and_waits_six_times_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    opened: list[str] = []

    def noted(path: Path, mode: Literal["r", "r+", "w"]) -> netCDF4.Dataset:
        opened.append(mode)
        return open_netcdf(path, mode)

    monkeypatch.setattr(os, "fsync", flushed.append)
    for module in (handles, opening):
        monkeypatch.setattr(module, "open_netcdf", noted)
    plan = header()
    with Writer.create(tmp_path / "run.nc", plan) as writer:
        write(writer, plan, 0, 8)
        writer.finish("complete", close=True)
    # header, names; journal and file of the block, and of the end
    assert len(flushed) == 6
    assert opened == ["w"]
    with open_recording(tmp_path / "run.nc") as run:
        assert_holds(run, plan, 8)


def test_a_name_is_free_again_when_its_file_was_moved_away_though_that_is_open(
    tmp_path: Path,
) -> None:
    path, plan = tmp_path / "run.nc", header()
    first = Writer.create(path, plan)
    write(first, plan, 0, 8)
    path.rename(tmp_path / "moved.nc")
    (tmp_path / ".run.nc.lock").unlink()
    record(path, plan)
    with pytest.raises(StoreError, match=r"was moved to .*moved\.nc"):
        write(first, plan, 8, 16)
    for name, times in (("run.nc", 40), ("moved.nc", 8)):
        assert verify(tmp_path / name).sound
        with open_recording(tmp_path / name) as run:
            assert_holds(run, plan, times)


def test_large_chunks_are_filled_bit_by_bit(tmp_path: Path) -> None:
    path, plan = tmp_path / "run.nc", header(block=LONG)
    with Writer.create(path, plan) as writer:
        write(writer, plan, 0, 8)
        write(writer, plan, 8, 12)
    with Writer.resume(path) as writer:
        write(writer, plan, 12, 16)
    assert verify(path).sound
    with open_recording(path) as run:
        assert_holds(run, plan, 16)


@pytest.mark.parametrize("how", ["create", "resume"])
def test_a_writer_that_cannot_begin_leaves_nothing_open_and_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    path, plan = tmp_path / "run.nc", header()
    if how == "resume":
        record(path, plan)

    def sign(lock: WriterLock, recording: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    before = os.listdir("/dev/fd")
    with monkeypatch.context() as patch:
        patch.setattr(WriterLock, "sign", sign)
        with pytest.raises(OSError, match="Input/output error"):
            Writer.resume(path) if how == "resume" else Writer.create(path, plan)
    assert os.listdir("/dev/fd") == before
    assert os.listdir(tmp_path) == ["run.nc"]
    with Writer.resume(path) as writer:
        assert writer.n_committed == (40 if how == "resume" else 0)


def test_a_file_that_cannot_be_let_go_of_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(handles, "_memory", none)
    given: list[int] = []

    def fail() -> None:
        with handles.made(tmp_path / "run.nc", 1000) as (fd, handle):
            given.append(fd)
            handle.close()
            raise ValueError

    with pytest.raises(OSError, match="Too many open files"):
        fail()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(given[0])
