"""Types inside a file are not trusted: every reader refuses what is of another kind."""

import json
import re
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from nndyn.errors import RecordingError
from nndyn.store import Writer, digests, facts, open_recording, verify
from tests.nndyn.store.recordings import assert_holds, header, record, rows, without_digests

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*has no digests"),
    pytest.mark.filterwarnings("ignore:.* was written anew by another program"),
]

DEEP = "[" * 10_000 + "]" * 10_000
HOSTILE: list[tuple[str, Any]] = [
    *(("manifest", v) for v in ("", "x", "[]", "null", "{", DEEP, np.int64(1), np.arange(3))),
    *(("nndyn_schema", v) for v in ("1", 1.0, np.float64("nan"), np.array([1, 1]), np.int64(0))),
    *(("n_committed", v) for v in ("40", 40.0, np.array([40, 40]), np.int64(-1), np.int64(2**62))),
    *(("stationary", v) for v in ("0", 0.5, np.int64(7), np.array([0, 1]), "x")),
    *(("status", v) for v in ("", "done", np.int64(1), np.array([1.0, 2.0]))),
    *(("recording_id", v) for v in ("", "x" * 9000, np.int64(1), np.array([1.0, 2.0]))),
    *(("stop_reason", v) for v in (np.int64(1), np.float64("inf"))),
    *(("block", v) for v in ("8", np.int64(0), np.int64(-8), np.float64(8.0))),
    *(("redrawn", v) for v in ("x", "{}", "[1]", "[[1]]", '[["a", 1]]', "[[1, -1]]", DEEP)),
    *(("floor_steps", v) for v in ("x", np.int64(-1), 5.5)),
    ("Conventions", np.int64(1)),
]
MANIFESTS = [
    {"system": "logistic"},
    {"system": {"kind": 1}},
    {"system": {"lr": "0.5"}},
    {"system": {"lr": 0}},
    {"system": {"lr": 10**400}},
    {"system": {"optimizer": ["sgd"]}},
    {"system": {"betas": [0.9]}},
    {"system": {"betas": [1.0, 0.9]}},
    {"system": {"kind": "flow", "dt": 0.0}},
    {"system": {"method": 4}},
    {"recording": []},
    {"recording": {"tangent_every": 0}},
    {"recording": {"tangent_every": "1"}},
    {"recording": {"seed": None}},
    {"steps": "many"},
    {"steps": -1},
    {"exponent_sum": "0"},
    {"versions": [1]},
    {"hardware": {"processor": 1}},
    {"continued": {}},
    {"continued": [{"created": "now"}]},
]


def changed(path: Path, *, sealed: bool, **attrs: Any) -> None:
    with netCDF4.Dataset(path, "r+") as nc:
        nc.setncatts(attrs)
        if sealed:
            digests.seal(nc, attrs)
    if not sealed:
        without_digests(path)


def assert_refused(path: Path, name: str) -> None:
    for read in (open_recording, facts, Writer.resume):
        with pytest.raises(RecordingError, match=re.escape(name)) as caught:
            read(path)
        assert str(caught.value).startswith(str(path))
        assert len(str(caught.value)) < 500
        assert "\n" not in str(caught.value)
    assert any(name in problem for problem in verify(path).problems)


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("case", range(len(HOSTILE)))
def test_an_attribute_of_another_type_is_refused(tmp_path: Path, case: int, sealed: bool) -> None:
    name, value = HOSTILE[case]
    path = tmp_path / "run.nc"
    record(path)
    changed(path, sealed=sealed, **{name: value})
    if name == "n_committed" and np.shape(value) == () and value == 2**62:
        with pytest.raises(RecordingError, match=r"\d+ times committed, 40 found"):
            open_recording(path)
    else:
        assert_refused(path, name)


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_manifest_with_a_value_of_another_type_is_refused(tmp_path: Path, manifest: Any) -> None:
    path = tmp_path / "run.nc"
    record(path)
    changed(path, sealed=True, manifest=json.dumps(manifest))
    assert_refused(path, "manifest.")


@pytest.mark.parametrize("name", ["nndyn_schema", "status", "manifest", "stationary"])
def test_a_missing_attribute_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / "run.nc"
    record(path)
    without_digests(path)
    with netCDF4.Dataset(path, "r+") as nc:
        nc.delncattr(name)
    assert_refused(path, f"is not an nndyn recording: attribute {name!r} is missing")


def test_a_newer_schema_is_told_from_damage(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    record(path)
    changed(path, sealed=True, nndyn_schema=np.int64(2), status="resting")
    assert_refused(path, "has schema 2, this version of nndyn reads schema 1; use a version")


def test_a_block_that_is_not_that_of_the_chunks_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    record(path)
    changed(path, sealed=True, block=np.int64(2**40))
    with pytest.raises(RecordingError, match=r"block is 1099511627776, expected 8, the times of"):
        Writer.resume(path)


@pytest.mark.parametrize("value", [2**60, -5])
def test_a_list_of_the_metadata_that_is_none_is_refused(tmp_path: Path, value: int) -> None:
    path = tmp_path / "run.nc"
    record(path)
    with netCDF4.Dataset(path, "r+") as nc:
        extents = nc.getncattr("metadata_extents")
        extents[:2] = value, 2**61
        nc.setncattr("metadata_extents", extents)
        digests.seal(nc)
    for read in (open_recording, Writer.resume):
        with pytest.raises(RecordingError, match="metadata_extents are no parts of it"):
            read(path)


@pytest.mark.parametrize("value", ["x", np.float64(3.0), np.arange(2), np.float64("nan")])
def test_counters_of_another_type_are_refused(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "run.nc"
    record(path)
    changed(path, sealed=True, committed_counts=value)
    with pytest.raises(RecordingError, match=r"committed_counts is .*, expected a whole number"):
        open_recording(path)
    changed(path, sealed=True, committed_dimensions=np.int64(1))
    with pytest.raises(RecordingError, match="committed_counts is"):
        open_recording(path)


def test_a_variable_left_out_of_the_list_of_digests_is_not_read_without(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    record(path)
    with netCDF4.Dataset(path, "r+") as nc:
        names = nc.getncattr("digest_variables").split()
        nc.setncattr("digest_variables", " ".join(n for n in names if n != "distance_l1"))
        digests.seal(nc)
    for read in (open_recording, Writer.resume):
        with pytest.raises(RecordingError, match=r"digest_variables are not .*distance_l1"):
            read(path)


@pytest.mark.parametrize("times", ["nan", "reversed", "equal"])
def test_times_that_do_not_increase_are_refused_without_digests_too(
    tmp_path: Path, times: str
) -> None:
    path = tmp_path / "run.nc"
    record(path)
    without_digests(path)
    with netCDF4.Dataset(path, "r+") as nc:
        values = nc["time"][:]
        values[20] = {"nan": np.nan, "reversed": -1.0, "equal": values[19]}[times]
        nc["time"][:] = values
    with pytest.raises(RecordingError, match="time does not increase"):
        open_recording(path)


@pytest.mark.parametrize("kind", [np.int32, str])
@pytest.mark.parametrize("name", ["time", "floor_time", "role", "distance_l2", "parameter_start"])
def test_a_variable_of_another_type_is_refused(tmp_path: Path, name: str, kind: Any) -> None:
    """As a program might write it that copies recordings."""
    record(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc") as run:
        other = run.load()
    other.encoding.pop("unlimited_dims")
    values = other[name].values.astype(kind)
    if name == "role" and kind is np.int32:
        values = values.astype(np.float32)
    if name == "parameter_start" and kind is np.int32:
        values = values.astype(np.float64)
    other = other.drop_vars(name).assign({name: (other[name].dims, values)})
    other.to_netcdf(tmp_path / "copy.nc", engine="netcdf4")
    with pytest.raises(RecordingError, match=rf"{name} is of type .*, expected"):
        open_recording(tmp_path / "copy.nc")


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("kind", ["f8", str, "S1"])
def test_a_variable_that_another_program_added_is_left_alone(
    tmp_path: Path, kind: Any, sealed: bool
) -> None:
    path = tmp_path / "run.nc"
    plan = record(path)
    if not sealed:
        without_digests(path)
    with netCDF4.Dataset(path, "r+") as nc:
        nc.createVariable("scalar", kind)
        nc.createVariable("weights", kind, ("replica",))
        nc.createVariable("steps", kind, ("time",))
    assert_holds(open_recording(path), plan, 40)
    assert verify(path).sound
    with Writer.resume(path) as writer:
        assert "weights" not in writer.names
        writer.append(rows(plan, 40, 42))
    assert_holds(open_recording(path), plan, 40)


def test_a_file_whose_header_another_program_moved_is_read_and_not_gone_on_with(
    tmp_path: Path,
) -> None:
    """A further dimension lets the library write headers anew, elsewhere."""
    path = tmp_path / "run.nc"
    plan = record(path)
    with netCDF4.Dataset(path, "r+") as nc:
        nc.createDimension("station", 4)
        nc.createVariable("station", "f8", ("station",), contiguous=True)[:] = np.arange(4.0)
    assert_holds(open_recording(path), plan, 40)
    assert verify(path).sound
    with pytest.raises(RecordingError, match=r"the chunk index of .* is not where it was written"):
        Writer.resume(path)


@pytest.mark.parametrize("chunks", [None, {}, {"time": 8}])
@pytest.mark.parametrize("way", ["digests", "earlier version", "copy"])
def test_reading_a_damaged_file_when_values_are_used_raises_one_error(
    tmp_path: Path, way: str, chunks: Any
) -> None:
    path, plan = tmp_path / "run.nc", header()
    record(path, plan)
    if way == "earlier version":
        without_digests(path)
    if way == "copy":
        with xr.open_dataset(path) as run:
            encoding = {"state": {"fletcher32": True, "chunksizes": (8, 1, 5)}}
            run.load().to_netcdf(tmp_path / "copy.nc", engine="netcdf4", encoding=encoding)
        path = tmp_path / "copy.nc"
    raw = bytearray(path.read_bytes())
    at = raw.index(np.ascontiguousarray(rows(plan, 0, 40)["state"][39, 2]).tobytes())
    raw[at + 3] ^= 1
    path.write_bytes(raw)
    run = open_recording(path, chunks=chunks)
    for read in (
        lambda: run["state"].values,
        lambda: run["state"].compute(),
        lambda: run["state"].isel(time=slice(35, 40), replica=2).mean().values,
        lambda: run.load(),
        lambda: run.nndyn.layer("0.weight").values,
    ):
        with pytest.raises(RecordingError, match=r"run\.nc|copy\.nc"):
            read()
