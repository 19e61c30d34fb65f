"""What other programs save of a recording, and what claims to be longer than it can be."""

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from nndyn.errors import RecordingError
from nndyn.store import Writer, facts, open_recording, verify
from tests.nndyn.store.recordings import (
    assert_holds,
    phase_at,
    record,
    rows,
    without_digests,
    write,
)

#: Of what plain xarray saved with the digests of the file it read.
pytestmark = pytest.mark.filterwarnings("ignore:.* was written anew by another program:UserWarning")


@pytest.mark.parametrize("how", [open_recording, xr.open_dataset])
@pytest.mark.parametrize("part", [slice(0, 12), slice(7, 30), slice(0, 40, 3)])
def test_a_piece_that_xarray_saved_opens_as_a_piece(tmp_path: Path, how: Any, part: slice) -> None:
    plan = record(tmp_path / "run.nc")
    expected = rows(plan, 0, 40)
    with how(tmp_path / "run.nc") as run:
        run.isel(time=part).to_netcdf(tmp_path / "piece.nc", engine="netcdf4")
    with open_recording(tmp_path / "piece.nc") as piece:
        for name in ("time", "distance_l2", "log_rescale", "state"):
            np.testing.assert_array_equal(piece[name].values, expected[name][part])
        assert piece.attrs["n_committed"] == piece.sizes["time"] == len(expected["time"][part])
        assert piece.attrs["piece_of"] == 40
    assert facts(tmp_path / "piece.nc").committed == len(expected["time"][part])


@pytest.mark.parametrize("how", [open_recording, xr.open_dataset])
def test_what_xarray_saved_is_not_verified_nor_gone_on_with(tmp_path: Path, how: Any) -> None:
    plan = record(tmp_path / "run.nc")
    with how(tmp_path / "run.nc") as run:
        run.to_netcdf(tmp_path / "copy.nc", engine="netcdf4")
    with open_recording(tmp_path / "copy.nc") as copy:
        assert_holds(copy, plan, 40)
        assert "piece_of" not in copy.attrs
    with pytest.raises(RecordingError, match="was not written by nndyn's recorder"):
        verify(tmp_path / "copy.nc")
    with pytest.raises(RecordingError, match=r"is missing|is a copy that another program made"):
        Writer.resume(tmp_path / "copy.nc")


def test_a_recording_of_the_version_before_goes_on(tmp_path: Path) -> None:
    """It does not say where its attribute lies."""
    path = tmp_path / "run.nc"
    plan = record(path)
    without_digests(path)
    with netCDF4.Dataset(path, "r+") as nc:
        extents = nc.getncattr("metadata_extents")
        extents[-2] = 0
        nc.setncattr("metadata_extents", extents)
    with pytest.warns(UserWarning, match="has no digests"), open_recording(path) as run:
        assert_holds(run, plan, 40)
    assert verify(path).problems == ()
    with Writer.resume(path) as writer:
        write(writer, plan, 40, 50)
        assert writer.checkpoint()[0].tolist() == phase_at(plan, 49).tolist()
    assert verify(path).problems == ()


def test_a_dimension_without_end_is_refused_at_once(tmp_path: Path) -> None:
    for name in ("time", "evaluation_time"):
        path = tmp_path / f"{name}.nc"
        record(path)
        with netCDF4.Dataset(path, "r+") as nc:
            nc[name][2**40 - 1] = 1e300
        for read in (open_recording, verify, Writer.resume):
            with pytest.raises(RecordingError, match=r"is damaged: \w+ has \d+ values, a file of"):
                read(path)


def test_a_replica_or_a_state_without_end_is_refused_at_once(tmp_path: Path) -> None:
    for dim in ("replica", "component", "parameter", "phase"):
        path, copy = tmp_path / f"{dim}-run.nc", tmp_path / f"{dim}.nc"
        record(path)
        with netCDF4.Dataset(path) as nc, netCDF4.Dataset(copy, "w") as to:
            to.setncatts({a: nc.getncattr(a) for a in nc.ncattrs()})
            for other, size in nc.dimensions.items():
                length = None if size.isunlimited() else size.size
                to.createDimension(other, 2**40 if other == dim else length)
            for variable in nc.variables.values():
                variable.set_auto_chartostring(False)
                to.createVariable(
                    variable.name,
                    variable.dtype,
                    variable.dimensions,
                    chunksizes=variable.chunking(),
                    fletcher32=True,
                )
                if dim not in variable.dimensions:
                    to[variable.name].set_auto_chartostring(False)
                    to[variable.name][...] = variable[...]
            extents = to.getncattr("metadata_extents")
            extents[-2] = 0  # as if nndyn had laid it out
            to.setncattr("metadata_extents", extents)
        with pytest.raises(RecordingError, match="is damaged"):
            open_recording(copy)
        try:
            assert not verify(copy).sound
        except RecordingError as error:
            assert "is damaged" in str(error)  # noqa: PT017


@pytest.mark.parametrize("value", ["text", -1, np.zeros(3), np.full(128, -7), np.full(128, 2**62)])
def test_an_attribute_that_is_no_layout_is_of_a_copy(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "run.nc"
    plan = record(path)
    with netCDF4.Dataset(path, "r+") as nc:
        nc.setncattr("metadata_extents", value)
    with open_recording(path) as run:
        assert_holds(run, plan, 40)
    with pytest.raises(RecordingError, match="was not written by nndyn's recorder"):
        verify(path)


def test_a_file_that_another_program_changed_beyond_recognition_says_so(tmp_path):
    """Without its place in the file it counts as a copy, whose digests nobody keeps."""
    path = tmp_path / "run.nc"
    record(path)
    with netCDF4.Dataset(path, "a") as nc:
        nc.delncattr("metadata_extents")
    with pytest.warns(UserWarning, match="was written anew by another program: its digests are"):
        open_recording(path).close()
