"""Series in .npy and netCDF files, and what becomes of them on disk."""

import json

import netCDF4
import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn.errors import DataError, UsageError
from nndyn.systems.series.files import load
from recorders.series import record_series

X = np.random.default_rng(0).random((40, 4))
EEG = xr.DataArray(
    X.T,
    dims=("channel", "time"),
    coords={"channel": list("abcd"), "time": ("time", 0.1 * np.arange(40), {"units": "s"})},
    name="eeg",
    attrs={"units": "uV"},
)


def netcdf(folder, data, **options):
    data.to_netcdf(folder / "d.nc", **options)
    return folder / "d.nc"


def test_files_hold_what_was_saved(tmp_path):
    rows = np.random.default_rng(0).standard_normal((50, 2))
    np.save(tmp_path / "a.npy", rows)
    np.savetxt(tmp_path / "b.csv", rows, delimiter=",", header='one,"two"', comments="")
    np.savetxt(tmp_path / "c.csv", rows, delimiter=",")
    xr.Dataset({"x": (("t", "k"), rows), "text": ("t", ["a"] * 50)}).to_netcdf(tmp_path / "d.nc")
    names = {"a.npy": ("x0", "x1"), "b.csv": ("one", "two"), "c.csv": ("x0", "x1")}
    for file in ("a.npy", "b.csv", "c.csv", "d.nc"):
        found = load(tmp_path / file)
        np.testing.assert_array_equal(found.rows, rows)
        assert found.names == names.get(file, ("x0", "x1"))


def test_a_series_is_stored_block_by_block(tmp_path, monkeypatch):
    monkeypatch.setattr("recorders.series._BLOCK_BYTES", 240)
    rows = np.random.default_rng(0).standard_normal(95)
    np.save(tmp_path / "x.npy", rows)
    with record_series(tmp_path / "x.npy", tmp_path / "r.nc", interval=0.1) as run:
        np.testing.assert_array_equal(run["state"].values[:, 0, 0], rows)
        np.testing.assert_allclose(run["time"].values, 0.1 * np.arange(95))
        assert run.attrs["status"] == "complete"
        assert run["time"].attrs["units"] == "time unit"
        memory = nndyn.from_array(rows, interval=0.1)
        assert set(memory.variables) <= set(run.variables)


def test_a_file_keeps_order_times_names_and_units(tmp_path):
    source = netcdf(tmp_path, EEG)
    with record_series(source, tmp_path / "r.nc") as run:
        np.testing.assert_array_equal(run["state"].values[:, 0], X)
        np.testing.assert_allclose(run["time"].values, EEG["time"].values)
        assert run["time"].attrs["units"] == "s"
        assert run["state"].attrs["units"] == "uV"
        assert run["parameter_name"].values.tolist() == list("abcd")
        system = json.loads(run.attrs["manifest"])["system"]
        assert system["interval"] == 0.1
        assert (system["time"], system["start"], system["units"]) == ("time", 0.0, "uV")


def test_packed_values_are_unpacked_and_fill_values_are_missing(tmp_path):
    packed = {"dtype": "i2", "scale_factor": 0.001, "add_offset": 0.5, "_FillValue": -32768}
    source = netcdf(tmp_path, EEG, encoding={"eeg": packed})
    np.testing.assert_allclose(load(source).rows, X, atol=5e-4)
    for options in (packed, {"_FillValue": 1e20}):
        source = netcdf(
            tmp_path, EEG.where(EEG["time"] != EEG["time"][7]), encoding={"eeg": options}
        )
        with pytest.raises(DataError, match=r"d.nc, eeg: the series is not finite in row 7"):
            load(source)


def test_what_was_never_written_is_refused(tmp_path):
    with netCDF4.Dataset(tmp_path / "d.nc", "w") as file:
        file.createDimension("time", 5)
        file.createVariable("x", "f8", ("time",))[:3] = 1, 2, 1
        file.createVariable("n", "i4", ("time",))[:2] = 1, 2
    for variable, row in (("x", 3), ("n", 2)):
        with pytest.raises(DataError, match=f"stands at time {row} was never written"):
            load(tmp_path / "d.nc", variable=variable)


def test_groups_are_named_and_read(tmp_path):
    netcdf(tmp_path, EEG, group="run/b")
    with pytest.raises(UsageError, match=r"has 0 variables .*; name a group with `group`: run/b"):
        load(tmp_path / "d.nc")
    with pytest.raises(UsageError, match="no group 'c'; known: run/b"):
        load(tmp_path / "d.nc", group="c")
    np.testing.assert_array_equal(load(tmp_path / "d.nc", group="run/b").rows, X)


def test_unclear_dimensions_and_times_are_asked_for(tmp_path):
    source = netcdf(tmp_path, EEG.rename(time="a", channel="b"))
    with pytest.raises(
        UsageError, match="which is time is not clear; say `time='b'` or `time='a'`"
    ):
        load(source)
    assert load(source, time="a").rows.shape == (40, 4)
    source = netcdf(tmp_path, xr.Dataset({"at": ("k", [0.0, 2.0, 4.0]), "x": ("k", [1, 5, 2])}))
    with pytest.raises(UsageError, match="at, x; name one with `variable`"):
        load(source)
    found = load(source, time="at")
    assert (found.interval, found.rows.ravel().tolist()) == (2.0, [1, 5, 2])


@pytest.mark.parametrize(
    ("units", "calendar", "found"),
    [
        ("days since 2000-01-01", "standard", (2.0, "day", "2000-01-01")),
        ("days since 2000-02-28", "noleap", (2.0, "day", "2000-02-28")),
        ("hours since 2000-01-01", "standard", (7200.0, "second", "2000-01-01")),
        ("months since 2000-01-01", "standard", (2.0, "months", 0.0)),
        ("ms", "standard", (2.0, "ms", 0.0)),
    ],
)
def test_times_of_a_file_are_dates_or_numbers(tmp_path, units, calendar, found):
    attrs = {"units": units, "calendar": calendar}
    data = xr.Dataset({"x": ("time", [1.0, 5, 2], {"units": "days"})})
    series = load(netcdf(tmp_path, data.assign_coords(time=("time", [0, 2, 4], attrs))))
    assert (series.interval, series.time_unit, series.facts["start"]) == found
    assert series.units == "days"


def test_uneven_times_of_a_file_are_refused_or_interpolated(tmp_path):
    data = xr.DataArray([0.0, 2, 4, 8], dims="time", coords={"time": [0, 1, 2, 4]}, name="x")
    source = netcdf(tmp_path, data)
    with pytest.raises(
        DataError, match=r"d.nc, x: 'time' is uneven: .* in row 3 .* `resample=True`"
    ):
        load(source)
    assert load(source, resample=True).rows.ravel().tolist() == [0, 2, 4, 6, 8]


def test_a_wrong_file_is_told_in_a_line(tmp_path):
    xr.Dataset({"a": ("t", [1.0]), "b": ("t", [2.0])}).to_netcdf(tmp_path / "two.nc")
    xr.Dataset({"a": (("t", "y", "x"), np.ones((3, 2, 2)))}).to_netcdf(tmp_path / "cube.nc")
    np.save(tmp_path / "wide.npy", X.T)
    np.save(tmp_path / "gap.npy", [1.0, np.nan])
    for name, text in (("t.nc", "text"), ("t.npy", "text"), ("t.csv", "a\nb\n"), ("e.csv", "")):
        (tmp_path / name).write_text(text)
    for file, options, error, message in (
        ("no.csv", {}, UsageError, "does not exist"),
        ("x.doc", {}, UsageError, "is none of .csv, .tsv, .txt, .dat, .npy, .nc"),
        ("two.nc", {}, UsageError, "a, b; name one with `variable`"),
        ("two.nc", {"variable": "c"}, UsageError, "no variable 'c'"),
        ("two.nc", {"column": "c"}, UsageError, "column is of tables; leave it out"),
        (
            "cube.nc",
            {},
            UsageError,
            r"has 0 variables .*; it has a \(t 3, y 2, x 2\): choose a part and save it",
        ),
        ("cube.nc", {"variable": "a"}, UsageError, "t 3, y 2, x 2, expected time and at most one"),
        ("t.csv", {"variable": "c"}, UsageError, "is of .nc files"),
        ("wide.npy", {}, DataError, "4 rows and 40 columns, .* transpose it, or save it as .nc"),
        ("wide.npy", {"time": "x"}, UsageError, "time is of tables and .nc files"),
        ("gap.npy", {}, DataError, "gap.npy: the series is not finite in row 1"),
        ("t.nc", {}, DataError, "cannot read .*t.nc"),
        ("t.npy", {}, DataError, "it is no .npy file of numbers"),
        ("t.csv", {}, DataError, "t.csv: line 2, column 'a' has text, 'b', and no number"),
    ):
        with pytest.raises(error, match=message) as caught:
            load(tmp_path / file, **options)
        assert "\n" not in str(caught.value)
