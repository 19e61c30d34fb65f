"""Results in files: each says when it is not what was written."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

import analyzers
import nndyn
from nndyn.errors import RecordingError
from nndyn.store import load_result, save_result


@pytest.mark.parametrize("name", sorted(set(analyzers.names()) - {"recurrence"}))
def test_what_every_analyzer_found_reads_as_it_was_written(recording_path, tmp_path, name):
    with nndyn.open(recording_path) as recording:
        try:
            result = analyzers.load(name)(recording)
        except nndyn.errors.NndynError as error:
            pytest.skip(str(error))
    save_result(result, tmp_path / "result.nc")
    xr.testing.assert_equal(load_result(tmp_path / "result.nc"), result)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A result with numbers, truths, texts and attributes of every kind."""
    values = {
        "number": ("n", np.array([0.5, np.nan, np.inf]), {"unit": "1", "levels": [0.1, 0.2]}),
        "truth": ((), np.array(True)),
        "whole": ((), np.int64(-3)),
        "text": ("n", np.array(["a", "", "é"])),
    }
    attrs = {"verdict": "regular", "one": [1], "none": [], "texts": ["a", "b"]}
    save_result(xr.Dataset(values, attrs=attrs), tmp_path / "result.nc")
    return tmp_path / "result.nc"


def test_a_result_of_all_kinds_reads_as_it_was_written(saved: Path) -> None:
    assert load_result(saved)["truth"].values.dtype == bool


@pytest.mark.parametrize("change", ["value", "attribute", "attribute of a variable", "name"])
def test_a_result_that_is_not_what_was_written_is_refused(saved: Path, change: str) -> None:
    with netCDF4.Dataset(saved, "r+") as nc:
        match change:
            case "value":
                nc["number"][0] = 0.0
            case "attribute":
                nc.setncattr("verdict", "chaotic")
            case "attribute of a variable":
                nc["number"].setncattr("unit", "e-foldings")
            case _:
                nc.renameVariable("number", "exponent")
    with pytest.raises(RecordingError, match="it is not what was written; analyze again"):
        load_result(saved)


def test_a_result_of_an_earlier_version_is_read(saved: Path) -> None:
    with netCDF4.Dataset(saved, "r+") as nc:
        nc.delncattr("sha256")
        nc["number"][0] = 0.0
    assert load_result(saved)["number"][0] == 0.0
