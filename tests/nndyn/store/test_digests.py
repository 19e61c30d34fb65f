"""What is lost, zeroed, swapped or shortened never becomes a number."""

import contextlib
import pickle
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from nndyn.errors import RecordingError
from nndyn.store import Header, Writer, digests, facts, open_recording, reading, verify
from nndyn.store import checks as checking
from nndyn.store import layout as layouts
from tests.nndyn.store.recordings import (
    assert_holds,
    header,
    phase_at,
    record,
    rows,
    without_digests,
    write,
)


def read_everything(path: Path) -> xr.Dataset:
    with reading(path), open_recording(path) as run:
        return run.load()


def assert_refused(path: Path, what: str = "") -> None:
    """Neither read nor called sound."""
    with pytest.raises(RecordingError, match=what or "damaged") as caught:
        read_everything(path)
    assert "\n" not in str(caught.value)
    with contextlib.suppress(RecordingError):
        assert not verify(path).sound


def assert_refused_or_right(path: Path, plan: Header, times: int) -> bool:
    """Return whether it was refused."""
    try:
        run = read_everything(path)
    except RecordingError:
        with pytest.raises((RecordingError, AssertionError)):
            assert verify(path).sound
        return True
    assert_holds(run, plan, times)
    for name, values in plan.fixed.items():
        if name != "parameter_name":
            np.testing.assert_array_equal(run[name], values)
    return False


def place(raw: bytes, values: np.ndarray) -> slice:
    """Where a chunk lies in a file, its checksum included."""
    content = np.ascontiguousarray(values).tobytes()
    assert raw.count(content) == 1
    at = raw.index(content)
    return slice(at, at + len(content) + 4)


def changed(path: Path, where: slice, content: bytes | None = None) -> None:
    """Put zeros, or `content`, into a file."""
    raw = bytearray(path.read_bytes())
    raw[where] = bytes(where.stop - where.start) if content is None else content
    path.write_bytes(raw)


def test_a_lost_tail_of_zeros_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    record(path, times=200)
    size = path.stat().st_size
    for lost in (3000, 20_000, size // 2):
        record(path.with_name(f"{lost}.nc"), times=200)
        changed(path.with_name(f"{lost}.nc"), slice(size - lost, size))
        assert_refused(path.with_name(f"{lost}.nc"))


def test_a_zeroed_chunk_of_any_variable_is_refused(tmp_path: Path) -> None:
    plan = header()
    values = rows(plan, 0, 40)
    chunks = {name: values[name][8:16] for name in ("time", "distance_l1", "log_rescale")}
    chunks |= {"state": values["state"][16:24, 1], "perturbation": plan.fixed["perturbation"]}
    for name, content in chunks.items():
        path = tmp_path / f"{name}.nc"
        record(path, plan)
        changed(path, place(path.read_bytes(), content))
        assert_refused(path, f"damaged: {name}: ")
        assert any(name in p and "not what was written" in p for p in verify(path).problems)


def test_a_run_does_not_go_on_from_a_zeroed_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    plan = record(path)
    changed(path, place(path.read_bytes(), phase_at(plan, 39)[1]))
    assert any("checkpoint" in p for p in verify(path).problems)
    with (
        Writer.resume(path) as writer,
        pytest.raises(RecordingError, match="checkpoint: row 0 is not what was written"),
    ):
        writer.checkpoint()
    assert_holds(open_recording(path), plan, 40)


def test_rows_are_not_added_to_a_damaged_chunk(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    plan = record(path, times=43)
    inside = place(path.read_bytes(), rows(plan, 40, 43)["distance_l1"]).start
    changed(path, slice(inside, inside + 8 * plan.block * plan.sizes["replica"] + 4))
    with (
        pytest.raises(RecordingError, match="distance_l1: rows 40 to 42 are not"),
        Writer.resume(path) as writer,
    ):
        writer.append(rows(plan, 43, 48))
    assert_refused(path)


def test_swapped_chunks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    plan = record(path)
    raw, values = path.read_bytes(), rows(plan, 0, 40)
    pairs = {
        "state": (values["state"][8:16, 1], values["state"][8:16, 2]),
        "time": (values["state"][0:8, 1], values["state"][32:40, 1]),
        "distance": (values["distance_l1"][8:16], values["distance_l2"][8:16]),
    }
    for one, other in pairs.values():
        first, second = place(raw, one), place(raw, other)
        path.write_bytes(raw)
        changed(path, first, raw[second])
        changed(path, second, raw[first])
        assert_refused(path)


def test_words_that_a_fletcher32_takes_for_one_another_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    plan = record(path)
    where = place(path.read_bytes(), rows(plan, 0, 40)["time"][8:16])
    changed(path, slice(where.start, where.start + 2), b"\xff\xff")
    with xr.open_dataset(path, decode_times=False) as plain:
        assert plain["time"][8] != 8  # the library's checksum holds
    assert_refused(path, "damaged: time: rows 8 to 15 are not what was written")


def test_a_zeroed_heap_does_not_hold_the_library_forever(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    record(path)
    heap = path.read_bytes().index(b"GCOL")
    changed(path, slice(heap + 512, heap + 1024))
    for function in (open_recording, verify, facts, Writer.resume):
        with pytest.raises(RecordingError, match="a part of its header has no length"):
            function(path)


@pytest.mark.slow
def test_a_zeroed_part_of_the_header_is_refused_or_harmless(tmp_path: Path) -> None:
    plan = header()
    path = tmp_path / "run.nc"
    record(path, plan, times=20)
    raw = path.read_bytes()
    with netCDF4.Dataset(path) as nc:
        end = int(nc.getncattr(layouts.EXTENTS)[1])
    refused = 0
    for number, start in enumerate(range(0, end, 512)):
        path = tmp_path / f"{number}.nc"
        path.write_bytes(raw)
        changed(path, slice(start, start + (512 if number % 2 else 64)))
        refused += assert_refused_or_right(path, plan, 20)
        path.unlink()
    assert refused > 10


def test_times_that_do_not_increase_do_not_shorten_what_lies_on_them(tmp_path: Path) -> None:
    for name, where, value, what in (
        ("evaluation_time", slice(None), 0.0, r"evaluation_time"),
        ("evaluation_time", 5, 1e9, r"evaluation_time"),
        ("time", slice(3, 5), np.nan, r"time"),
    ):
        path = tmp_path / "run.nc"
        record(path)
        with netCDF4.Dataset(path, "r+") as nc:
            nc[name][where] = value
        assert_refused(path, what)
        without_digests(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if name == "time":
                with pytest.raises(RecordingError, match="time does not increase"):
                    open_recording(path)
        path.unlink()


def test_written_times_that_do_not_increase_are_refused(tmp_path: Path) -> None:
    plan = header()
    for name, value in (("evaluation_time", 0.0), ("time", 2.0), ("floor_time", 1e9)):
        with Writer.create(tmp_path / f"{name}.nc", plan) as writer:
            given = rows(plan, 0, 8)
            given[name] = given[name].copy()
            given[name][1:] = value
            writer.append(given)
            writer.commit(phase_at(plan, 7), 7)
        with pytest.raises(RecordingError, match=f"{name} (does not increase|goes beyond)"):
            open_recording(tmp_path / f"{name}.nc")
        with pytest.raises(RecordingError, match=f"{name} (does not increase|goes beyond)"):
            Writer.resume(tmp_path / f"{name}.nc")


def test_committed_rows_that_are_missing_are_named(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    record(path)
    with netCDF4.Dataset(path, "r+") as nc:
        counts = nc.getncattr(digests.COUNTS)
        dims = nc.getncattr(digests.DIMENSIONS).split()
        assert dict(zip(dims, counts, strict=True))["evaluation_time"] == 14
        counts[dims.index("evaluation_time")] = 15
        nc.setncattr(digests.COUNTS, counts)
        digests.seal(nc)
    assert_refused(path, "15 rows of evaluation_time committed, 14 found")


def test_a_header_changed_by_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    for number, change in enumerate(
        (
            lambda nc: nc.setncattr("manifest", "{}"),
            lambda nc: nc.setncattr("stationary", np.int64(1)),
            lambda nc: nc.setncattr("stationary", "0"),
            lambda nc: nc["distance_l1"].setncattr("units", "m"),
            lambda nc: nc.delncattr("block"),
            lambda nc: nc.renameVariable("distance_l1", "distance"),
        )
    ):
        path = tmp_path / f"{number}.nc"
        record(path)
        with netCDF4.Dataset(path, "r+") as nc:
            change(nc)
        assert_refused(path, "header")
        with pytest.raises(RecordingError):
            facts(path)
        with pytest.raises(RecordingError):
            Writer.resume(path)


def test_what_another_program_adds_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    plan = record(path)
    with netCDF4.Dataset(path, "r+") as nc:
        nc.setncattr("history", "ncatted")
        nc["distance_l1"].setncattr("comment", "mine")
    assert_holds(open_recording(path), plan, 40)
    assert verify(path).sound


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The chunks whose digests are computed in reading."""
    seen: list[int] = []
    digest = digests.fresh

    def noted(begin: Any, chunk: int) -> Any:
        seen.append(chunk)
        return digest(begin, chunk)

    monkeypatch.setattr(checking.digests, "fresh", noted)
    return seen


def test_each_chunk_is_checked_once_when_it_is_first_read(
    tmp_path: Path, checked: list[int]
) -> None:
    path = tmp_path / "run.nc"
    plan = record(path)
    run = open_recording(path).drop_vars("parameter")  # names are read with the state
    checked.clear()
    np.testing.assert_array_equal(run["state"][9, 1], rows(plan, 0, 40)["state"][9, 1])
    assert checked == [1 * 3 + 1]
    run["state"][8:10, 1:].load()
    assert checked == [4, 5]
    run["state"].load()
    assert sorted(checked) == list(range(15))
    open_recording(path)["state"].load()
    assert len(checked) > 25


def test_lazy_parts_are_checked_and_the_others_can_be_used(tmp_path: Path) -> None:
    dask = pytest.importorskip("dask")
    path = tmp_path / "run.nc"
    plan = record(path)
    changed(path, place(path.read_bytes(), rows(plan, 0, 40)["state"][16:24, 1]))
    # in threads the other tasks go on after the first that fails
    with dask.config.set(scheduler="synchronous"), open_recording(path, chunks={"time": 8}) as run:
        np.testing.assert_array_equal(run["state"][:16].compute(), rows(plan, 0, 16)["state"])
        assert run["state"][:, 2].sum().compute() != 0
        with pytest.raises(RecordingError, match="state: rows 16 to 23 are not"):
            run["state"].sum().compute()
        with pytest.raises(RecordingError, match="state: rows 16 to 23 are not"):
            run["state"].sum().compute()
        copy = pickle.loads(pickle.dumps(run))
        with copy, pytest.raises(RecordingError, match="state: rows 16 to 23 are not"):
            copy["state"].sum().compute()


def test_two_threads_read_what_one_reads(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    plan = record(path, times=80)
    run, expected = open_recording(path), rows(plan, 0, 80)["state"]
    wrong: list[int] = []

    def look(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for i in rng.integers(0, 80, 40):
            if (run["state"][i].values != expected[i]).any():
                wrong.append(i)

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def keys(rng: np.random.Generator, size: int) -> Any:
    """Draw one of the ways to ask for a part of an axis."""
    kind = rng.integers(6)
    a, b = sorted(rng.integers(0, size + 1, 2))
    if kind == 0:
        return int(rng.integers(-size, size))
    if kind == 1:
        return slice(None)
    if kind == 2:
        return slice(int(a), int(b), int(rng.integers(1, 4)))
    if kind == 3 and a < b:
        return slice(int(b) - 1, None if a == 0 else int(a) - 1, -1)
    if kind == 4:
        return rng.permutation(size)
    return rng.integers(0, size, rng.integers(0, 6))


@pytest.mark.parametrize(("across", "piece"), [(2, 1000), (5, 1000), (2, 8)])
def test_any_selection_is_what_numpy_selects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, across: int, piece: int
) -> None:
    monkeypatch.setattr(layouts, "_CHUNK_COMPONENTS", across)
    monkeypatch.setattr(checking, "_PIECE", piece)
    path = tmp_path / "run.nc"
    plan = record(path, times=45)
    expected = rows(plan, 0, 45)["state"]
    rng = np.random.default_rng(across)
    for _ in range(25):
        with open_recording(path) as run:
            for _ in range(2):
                key = [keys(rng, n) for n in expected.shape]
                found = run["state"].isel(
                    dict(zip(("time", "replica", "component"), key, strict=True))
                )
                by_hand = expected
                for axis in reversed(range(3)):
                    by_hand = by_hand[(slice(None),) * axis + (key[axis],)]
                np.testing.assert_array_equal(found.values, by_hand, err_msg=str(key))
    assert verify(path).sound


def test_a_reader_of_a_running_file_keeps_what_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    plan = header()
    with Writer.create(path, plan) as writer:
        write(writer, plan, 0, 11, block=11)
        run = open_recording(path)
        for at in range(11, 40, 3):
            write(writer, plan, at, at + 3)
        assert_holds(run, plan, 11)
        with pytest.raises(RecordingError, match=r"written anew since .*open it again"):
            run["checkpoint"].load()
        writer.set("diverged_at", np.array([-1, 7, -1]))
        write(writer, plan, 41, 44)
    with open_recording(path) as run:
        assert run["diverged_at"].values.tolist() == [-1, 7, -1]
        assert_holds(run, plan, 44)
    assert verify(path).sound


def test_a_file_without_digests_is_read_and_resumed_and_says_so_once(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    plan = record(path)
    without_digests(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            assert_holds(open_recording(path), plan, 40)
        with Writer.resume(path) as writer:
            np.testing.assert_array_equal(writer.checkpoint()[0], phase_at(plan, 39))
            write(writer, plan, 40, 47)
        assert_holds(open_recording(path), plan, 47)
    assert [str(w.message) for w in caught if "has no digests" in str(w.message)] == [
        f"{path} has no digests, as earlier versions of nndyn wrote it: parts of it that were "
        "lost or exchanged would not all be noticed; keep a checksum of it, or record it again"
    ]


def test_plain_readers_open_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    plan = record(path)
    with xr.open_dataset(path, decode_times=False) as plain:
        assert_holds(plain, plan, 40)
        assert plain[digests.NAME].dims == (digests.DIM, digests.WORD)
    with open_recording(path) as run:
        assert not {digests.NAME, *digests.OF_THE_FILE} & {*run.variables, *run.attrs, *run.dims}


def test_chunks_are_checked_anew_when_the_file_is_opened_anew(tmp_path: Path) -> None:
    """Xarray closes files it has too many of, and opens them by name when they are used."""
    path, plan = tmp_path / "run.nc", record(tmp_path / "run.nc")
    record(tmp_path / "other.nc")
    with xr.set_options(file_cache_maxsize=1):
        run = open_recording(path)
        np.testing.assert_array_equal(run["state"][:8], rows(plan, 0, 8)["state"])
        packed = pickle.dumps(run)
        with open_recording(tmp_path / "other.nc") as other:
            other.load()
    raw = path.read_bytes()
    changed(path, place(raw, rows(plan, 0, 8)["state"][:, 1]))
    for again in (run, pickle.loads(packed)):
        with pytest.raises(RecordingError, match="not what was written"), reading(path):
            np.asarray(again["state"][:8].values)
    run.close()


def test_an_endless_list_of_digests_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    record(path)
    with netCDF4.Dataset(path, "r+") as nc:
        counts = dict(zip(nc.committed_dimensions.split(), nc.committed_counts, strict=True))
        counts[digests.DIM] = 2**40
        nc[digests.NAME][2**40 - 1] = 0
        nc.setncattr(digests.COUNTS, np.array(list(counts.values())))
        digests.seal(nc)
    assert "its digests would take 43980465111040 bytes" in "".join(verify(path).problems)
    assert_refused(path)
