"""Damaged bytes never become numbers."""

import fcntl
import os
import re
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from nndyn.errors import NndynError, RecordingError, StoreError, UsageError
from nndyn.store import (
    Header,
    MissingRecordingError,
    Writer,
    digests,
    open_recording,
    reading,
    verify,
)
from nndyn.store.chunks import find_layouts, walk
from nndyn.store.library import explain
from tests.nndyn.store.recordings import (
    assert_holds,
    header,
    phase_at,
    record,
    rows,
    without_digests,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Header, int]:
    """Bytes of a complete recording whose indices have two levels; plan; times."""
    path = tmp_path_factory.mktemp("sound") / "run.nc"
    plan = header(replicas=2, block=1)
    record(path, plan, times=70)
    return path.read_bytes(), plan, 70


def shapes(plan: Header) -> set[tuple[int, ...]]:
    items = {"str": 1, "float": 8}
    found = set()
    for v in plan.variables:
        size = items.get(v.dtype) or np.dtype(v.dtype).itemsize
        width = (10,) if v.dtype == "str" else ()
        found.add((*plan.chunk(v), *width, size))
    return found


def index_nodes(path: Path, plan: Header) -> list[tuple[int, int]]:
    """Spans of all index nodes, without their unused ends."""
    nodes = []
    with path.open("rb") as file:
        layouts = find_layouts(file.read(), shapes(plan))
        assert len(layouts) == len(plan.variables)
        for layout in layouts:
            for node in walk(file.fileno(), layout):
                used = 24 + len(node.children) * (16 + 8 * len(layout.shape))
                nodes.append((node.address, node.address + used))
    return nodes


def is_sound(path: Path) -> bool:
    try:
        return verify(path).sound
    except RecordingError:
        return False


def read_everything(path: Path) -> xr.Dataset:
    with reading(path), open_recording(path) as run:
        return run.load()


def test_a_sound_recording_is_called_sound(
    sound: tuple[bytes, Header, int], tmp_path: Path
) -> None:
    path = tmp_path / "run.nc"
    path.write_bytes(sound[0])
    report = verify(path)
    assert report.problems == ()
    assert report.sound
    assert (report.status, report.n_committed) == ("complete", 70)
    assert {c.name: c.shape for c in report.variables}["state"] == (70, 2, 5)
    assert report.bytes == sum(c.bytes for c in report.variables) > 70 * 2 * 5 * 8


def test_a_flipped_byte_in_any_variable_is_refused(
    sound: tuple[bytes, Header, int], tmp_path: Path
) -> None:
    path = tmp_path / "run.nc"
    raw, plan, _ = sound
    path.write_bytes(raw)
    chosen: dict[int, tuple[int, int]] = {}
    with path.open("rb") as file:
        for layout in find_layouts(raw, shapes(plan)):
            leaves = [n for n in walk(file.fileno(), layout) if n.level == 0]
            size = int(leaves[-1].keys["size"][-2])
            chosen[layout.position] = (int(leaves[-1].children[-1]), size)
    assert len(chosen) == len(plan.variables)
    for address, size in chosen.values():
        for offset in (0, size // 2):
            damaged = bytearray(raw)
            damaged[address + offset] ^= 0x10
            path.write_bytes(damaged)
            with pytest.raises(RecordingError, match=r"run\.nc is damaged.*restore it"):
                read_everything(path)
            assert not is_sound(path)


def test_a_flipped_byte_in_an_index_is_noticed_or_harmless(
    sound: tuple[bytes, Header, int], tmp_path: Path
) -> None:
    path = tmp_path / "run.nc"
    raw, plan, times = sound
    path.write_bytes(raw)
    nodes = index_nodes(path, plan)
    rng = np.random.default_rng(0)
    noticed = harmless = 0
    for start, stop in nodes:
        damaged = bytearray(raw)
        damaged[int(rng.integers(start, stop))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            read = read_everything(path)
        except RecordingError:
            noticed += 1
            assert not is_sound(path)
        else:
            assert_holds(read, plan, times)
            harmless += 1
    assert noticed > 2 * harmless


def test_values_that_contradict_each_other_are_noticed(tmp_path: Path) -> None:
    plan = header()
    for name, index, value, message in (
        ("time", 7, 3.0, "time does not increase"),
        ("distance_l1", (5, 0), 1.0, "not zero for the reference"),
        ("distance_l2", (5, 1), 50.0, "distance_l2 exceeds distance_l1"),
    ):
        path = tmp_path / f"{name}.nc"
        with Writer.create(path, plan) as writer:
            given = rows(plan, 0, 8)
            given[name][index] = value
            writer.append(given)
            writer.commit(phase_at(plan, 7), 7)
        assert any(re.search(message, p) for p in verify(path).problems), name


def test_a_checkpoint_of_another_step_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    record(path)
    without_digests(path)
    with netCDF4.Dataset(path, "r+") as nc:
        nc["checkpoint_step"][:] = [12, 13]
    with pytest.warns(UserWarning, match="has no digests"):
        report = verify(path)
    assert any("no checkpoint is of step 39, the last" in p for p in report.problems)


def test_a_counter_beyond_the_rows_is_refused(tmp_path: Path) -> None:
    record(tmp_path / "run.nc")
    with netCDF4.Dataset(tmp_path / "run.nc", "r+") as nc:
        nc.n_committed = np.int64(41)
        digests.seal(nc)
    with pytest.raises(RecordingError, match=r"41 times committed, 40 found"):
        open_recording(tmp_path / "run.nc")
    assert not verify(tmp_path / "run.nc").sound


def test_files_that_are_no_recordings_are_refused_in_one_line(tmp_path: Path) -> None:
    record(tmp_path / "run.nc")
    whole = (tmp_path / "run.nc").read_bytes()
    (tmp_path / "text.nc").write_text("step,loss\n0,1.0\n")
    (tmp_path / "empty.nc").write_bytes(b"")
    (tmp_path / "short.nc").write_bytes(whole[:-1000])
    (tmp_path / "stub.nc").write_bytes(whole[:20])
    (tmp_path / "garbage.nc").write_bytes(whole[:48] + os.urandom(len(whole) - 48))
    xr.Dataset({"x": ("t", np.arange(3.0))}).to_netcdf(tmp_path / "other.nc", engine="netcdf4")
    for name, message in (
        ("text.nc", r"is not an nndyn recording: expected a netCDF-4 file, it begins with b'step"),
        ("empty.nc", r"is not an nndyn recording"),
        ("short.nc", r"is cut off: expected \d+ bytes, found \d+"),
        ("stub.nc", r"damaged or foreign|cut off"),
        ("garbage.nc", r"damaged or foreign"),
        ("other.nc", r"is not an nndyn recording: attribute 'Conventions' is missing"),
    ):
        with pytest.raises(RecordingError, match=message) as caught:
            open_recording(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 4
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".nc"] * 7


def test_a_copy_saved_by_xarray_opens_but_is_not_what_verify_checks(tmp_path: Path) -> None:
    plan = record(tmp_path / "run.nc")
    with open_recording(tmp_path / "run.nc") as run:
        run.to_netcdf(tmp_path / "copy.nc", engine="netcdf4")
    with open_recording(tmp_path / "copy.nc") as run:
        assert_holds(run, plan, 40)
    with pytest.raises(RecordingError, match=r"was not written by nndyn's recorder"):
        verify(tmp_path / "copy.nc")
    with pytest.raises(RecordingError, match=r"attribute 'metadata_extents' is missing"):
        Writer.resume(tmp_path / "copy.nc")


def test_a_running_recording_is_not_verified(tmp_path: Path) -> None:
    plan = record(tmp_path / "run.nc")
    with Writer.resume(tmp_path / "run.nc"):
        with open_recording(tmp_path / "run.nc") as run:
            assert_holds(run, plan, 40)
        with pytest.raises(RecordingError, match=r"is being written; verify it when"):
            verify(tmp_path / "run.nc")


def test_a_missing_file_or_a_folder_is_a_usage_error(tmp_path: Path) -> None:
    for function in (open_recording, verify):
        with pytest.raises(MissingRecordingError, match=r"absent\.nc does not exist") as caught:
            function(tmp_path / "absent.nc")
        assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match=r"is a folder, expected a recording"):
        open_recording(tmp_path)


def test_other_errors_pass_through_reading() -> None:
    def fail(error: Exception) -> None:
        with reading("run.nc"):
            raise error

    with pytest.raises(RuntimeError, match=r"^mine$"):
        fail(RuntimeError("mine"))
    with pytest.raises(StoreError, match="full"):
        fail(StoreError("full"))
    with pytest.raises(RecordingError, match=r"^run\.nc is damaged: .* HDF error"):
        fail(RuntimeError("NetCDF: HDF error"))


def test_a_lock_of_the_library_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    record(path)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        error: NndynError = explain(path, OSError(11, "Resource temporarily unavailable"))
    assert isinstance(error, RecordingError)
    assert "set HDF5_USE_FILE_LOCKING=FALSE before Python starts" in str(error)
    assert "damaged or foreign" in str(explain(path, OSError(11, "Resource unavailable")))
