"""Measured series as recordings, in memory and from files."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import nndyn
from nndyn.errors import DataError, UsageError
from nndyn.recording import validate
from nndyn.systems.series import load
from recorders.series import record_series

numbers = st.floats(-1e9, 1e9)
shapes = st.one_of(st.tuples(st.integers(1, 40)), st.tuples(st.integers(1, 40), st.integers(1, 3)))


@settings(deadline=None)
@given(arrays(np.float64, shapes, elements=numbers), st.floats(1e-3, 1e3))
def test_a_series_is_a_recording_of_one_replica(values, interval):
    found = validate(nndyn.from_array(values, interval))
    np.testing.assert_array_equal(found["state"].values[:, 0], values.reshape(len(values), -1))
    np.testing.assert_allclose(found["time"].values, interval * np.arange(len(values)))
    assert found["role"].values.tolist() == [0]
    assert found.attrs["stationary"] == 1
    again = nndyn.from_array(values, interval)
    assert again.attrs["recording_id"] == found.attrs["recording_id"]


def test_time_counts_steps_unless_there_is_an_interval():
    assert nndyn.from_array([1, 2, 3])["time"].attrs["units"] == "step"
    assert nndyn.from_array([1, 2, 3], 0.5)["time"].attrs["units"] == "time unit"


def test_analyzers_take_a_series():
    walk = np.cumsum(np.random.default_rng(0).standard_normal((500, 2)), axis=0)
    found = nndyn.from_array(walk, interval=0.1).nndyn.exploration()
    lengths = np.linalg.norm(np.diff(walk, axis=0), axis=1)
    assert float(found["path_length"]) == pytest.approx(lengths.sum())


@pytest.mark.parametrize(
    ("states", "options", "error", "message"),
    [
        ([], {}, DataError, "the series is empty"),
        ([1.0, np.nan, 2.0], {}, DataError, "not finite in row 1; cut"),
        ([np.inf, np.nan], {}, DataError, "not finite in row 0 and 1 others"),
        ([1j], {}, UsageError, "complex128"),
        (["a"], {}, UsageError, "expected real numbers"),
        ([[1, 2], [3]], {}, UsageError, "expected real numbers"),
        (np.zeros((2, 2, 2)), {}, UsageError, r"shape \(2, 2, 2\)"),
        (3.0, {}, UsageError, r"shape \(\)"),
        ([1.0], {"interval": 0.0}, UsageError, "interval is 0.0"),
        ([1.0], {"interval": "x"}, UsageError, "interval is 'x'"),
        ([1.0], {"names": ["a", "b"]}, UsageError, "one for each of 1 columns"),
    ],
)
def test_what_is_no_series_is_refused(states, options, error, message):
    with pytest.raises(error, match=message):
        nndyn.from_array(states, **options)


def test_files_hold_what_was_saved(tmp_path):
    rows = np.random.default_rng(0).standard_normal((50, 2))
    np.save(tmp_path / "a.npy", rows)
    np.savetxt(tmp_path / "b.csv", rows, delimiter=",", header='one,"two"', comments="")
    np.savetxt(tmp_path / "c.csv", rows, delimiter=",")
    xr.Dataset({"x": (("t", "k"), rows), "text": ("t", ["a"] * 50)}).to_netcdf(tmp_path / "d.nc")
    names = {"a.npy": ("x0", "x1"), "b.csv": ("one", "two"), "c.csv": ("x0", "x1")}
    for file in ("a.npy", "b.csv", "c.csv", "d.nc"):
        found, columns = load(tmp_path / file)
        np.testing.assert_array_equal(found, rows)
        assert columns == names.get(file, ("x0", "x1"))


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


def test_a_wrong_file_is_told_in_a_line(tmp_path):
    xr.Dataset({"a": ("t", [1.0]), "b": ("t", [2.0])}).to_netcdf(tmp_path / "two.nc")
    for name, text in (("t.nc", "text"), ("t.npy", "text"), ("t.csv", "a\nb\n"), ("e.csv", "")):
        (tmp_path / name).write_text(text)
    for file, options, error, message in (
        ("no.csv", {}, UsageError, "does not exist"),
        ("x.txt", {}, UsageError, "is none of .csv, .npy, .nc"),
        ("two.nc", {}, UsageError, "a, b; name one with --variable"),
        ("two.nc", {"variable": "c"}, UsageError, "no variable 'c'"),
        ("t.csv", {"variable": "c"}, UsageError, "is of .nc files"),
        ("t.nc", {}, DataError, "cannot read .*t.nc"),
        ("t.npy", {}, DataError, "it is no .npy file of numbers"),
        ("t.csv", {}, DataError, "cannot read .*t.csv"),
    ):
        with pytest.raises(error, match=message):
            load(tmp_path / file, **options)
