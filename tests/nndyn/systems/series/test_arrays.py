"""Measured series as recordings in memory, from plain and labelled arrays."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import nndyn
from nndyn.errors import DataError, UsageError
from nndyn.validity import validate

numbers = st.floats(-1e9, 1e9)
shapes = st.one_of(st.tuples(st.integers(1, 40)), st.tuples(st.integers(3, 40), st.integers(1, 3)))


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
        ([[1, 2], [3]], {}, UsageError, "states is no array, expected real numbers"),
        ([1.0, None], {}, UsageError, "an array of object"),
        (
            np.zeros((2, 2, 2, 2)),
            {},
            UsageError,
            r"\(2, 2, 2, 2\).*reshape\(len\(states\), -1\)",
        ),
        (np.ma.masked_less([[3, 1], [1, 4]], 2), {}, DataError, "masked in row 0 and 1 others"),
        (
            np.zeros((4, 400)),
            {},
            DataError,
            "4 rows and 400 columns, .*transpose it, or give nndyn.from_array names",
        ),
        (np.zeros((1, 2)), {}, DataError, "1 row and 2 columns"),
        ([1.0], {"time": "t"}, UsageError, "it is of DataArrays and DataFrames"),
        ([1.0], {"resample": True}, UsageError, "resample needs times"),
        (3.0, {}, UsageError, r"shape \(\)"),
        ([1.0], {"interval": 0.0}, UsageError, "interval is 0.0"),
        ([1.0], {"interval": "x"}, UsageError, "interval is 'x'"),
        ([1.0], {"names": ["a", "b"]}, UsageError, "one for each of 1 columns"),
        (np.zeros((2, 2)), {"names": ["a", "a"]}, UsageError, "two columns are called 'a'"),
    ],
)
def test_what_is_no_series_is_refused(states, options, error, message):
    with pytest.raises(error, match=message):
        nndyn.from_array(states, **options)


X = np.random.default_rng(0).random((400, 4))
EEG = xr.DataArray(
    X.T,
    dims=("channel", "time"),
    coords={"channel": list("abcd"), "time": ("time", 0.1 * np.arange(400), {"units": "s"})},
    name="eeg",
    attrs={"units": "uV"},
)
FRAME = pd.DataFrame({"YEAR": 1700 + np.arange(400), "S": X[:, 0]})


def facts(recording):
    return json.loads(recording.attrs["manifest"])["system"]


def test_an_unmasked_array_and_names_for_many_columns_are_taken():
    assert nndyn.from_array(np.ma.array(X)).sizes["time"] == 400
    assert nndyn.from_array(X.T, names=[f"at {i}" for i in range(400)]).sizes["time"] == 4


@pytest.mark.parametrize("given", [EEG, EEG.transpose(), EEG.expand_dims("trial")])
def test_dimensions_of_a_labelled_array_may_come_in_any_order(given):
    found = nndyn.from_array(given)
    np.testing.assert_array_equal(found["state"].values[:, 0], X)
    assert found["parameter_name"].values.tolist() == list("abcd")
    assert found["state"].attrs["units"] == facts(found)["units"] == "uV"
    assert found["time"].attrs["units"] == "s"
    assert facts(found)["interval"] == 0.1
    np.testing.assert_allclose(found["time"].values, EEG["time"].values)


def test_one_channel_has_the_name_of_the_array():
    found = nndyn.from_array(EEG.isel(channel=2))
    np.testing.assert_array_equal(found["state"].values[:, 0, 0], X[:, 2])
    assert found["parameter_name"].values.tolist() == ["eeg"]


def test_unclear_dimensions_are_asked_for():
    unclear = EEG.rename(time="a", channel="b")
    with pytest.raises(UsageError, match=r"b 4, a 400, and which .* say `time='b'` or `time='a'`"):
        nndyn.from_array(unclear)
    assert nndyn.from_array(unclear, time="a").sizes["time"] == 400


@pytest.mark.parametrize(
    ("times", "unit", "interval"),
    [
        (pd.date_range("2020", periods=400, freq="ME"), "month", 1),
        (pd.date_range("1999", periods=400, freq="YS"), "year", 1),
        (pd.date_range("2020", periods=400, freq="2D"), "day", 2),
        (pd.date_range("2020", periods=400, freq="90min"), "second", 5400),
        (pd.timedelta_range(0, periods=400, freq="250ms"), "second", 0.25),
        (xr.date_range("2020", periods=400, calendar="noleap", use_cftime=True), "day", 1),
    ],
)
def test_dates_give_the_interval(times, unit, interval):
    found = nndyn.from_array(EEG.assign_coords(time=times))
    assert found["time"].attrs["units"] == unit
    assert facts(found)["interval"] == interval


BUSINESS = EEG.assign_coords(time=pd.date_range("2020", periods=400, freq="B"))


@pytest.mark.parametrize(
    ("states", "options", "error", "message"),
    [
        (EEG, {"interval": 0.2}, UsageError, "interval is 0.2 and 'time' has steps of 0.1; leave"),
        (EEG, {"time": "q"}, UsageError, "no times called 'q'; known: channel, time"),
        (BUSINESS, {}, DataError, "2020-01-03 to 2020-01-06 in row 3 .* `resample=True"),
        (EEG[:, ::-1], {}, DataError, "from .* to .* in row 1; sort the rows by it"),
        (EEG.where(EEG < 0.99), {}, DataError, "not finite in row 6"),
        (EEG.expand_dims(lat=2), {}, UsageError, r"stack\(component=\['lat', 'channel'\]\)"),
        (EEG.isel(channel=0, time=0), {}, UsageError, "a single number"),
        (EEG.to_dataset(), {}, UsageError, "one variable of it: eeg"),
        (xr.DataArray(X.T), {}, DataError, "name the dimensions 'time' and 'component'"),
        (FRAME, {}, DataError, r"'YEAR' has the name .* `time='YEAR'`, .* states\[\['S'\]\]"),
        (FRAME[FRAME["S"] < 0.9][["S"]], {}, DataError, r"row 270 .*reset_index\(drop=True\)"),
        (FRAME.assign(S="a"), {"time": "YEAR"}, UsageError, "column 'S' has .* no numbers"),
        (FRAME, {"time": "T"}, UsageError, "no column 'T'; known: YEAR, S"),
        (pd.DataFrame(X, columns=list("abca")), {}, UsageError, "two columns are called 'a'"),
        (pd.DataFrame(X.T), {}, DataError, "4 rows and 400 columns"),
        (pd.DataFrame(np.c_[np.arange(400) ** 2, X]), {}, DataError, "'x0' only rises from row 0"),
        (pd.Series([1.0, 2.0], index=list("ab")), {}, DataError, "row 0 has 'a' for 'index'"),
        (pd.Series(pd.array([1, None], "Int64")), {}, DataError, "not finite in row 1"),
    ],
)
def test_what_labels_do_not_make_clear_is_refused(states, options, error, message):
    with pytest.raises(error, match=message) as caught:
        nndyn.from_array(states, **options)
    assert "\n" not in str(caught.value)


def test_uneven_times_are_resampled_if_asked_for():
    t = np.array([0.0, 1.0, 2.0, 4.0, 5.0])
    found = nndyn.from_array(xr.DataArray(3 * t, dims="time", coords={"time": t}), resample=True)
    np.testing.assert_array_equal(found["state"].values.ravel(), 3 * np.arange(6.0))
    assert facts(found)["resampled"] == "linearly interpolated from 5 uneven rows"
    t[3:] += 1000
    with pytest.raises(DataError, match="too uneven: 5 rows would become 1,006"):
        nndyn.from_array(xr.DataArray(t, dims="time", coords={"time": t}), resample=True)


@pytest.mark.parametrize(
    ("states", "options", "unit"),
    [
        (FRAME, {"time": "YEAR"}, "year"),
        (FRAME.set_index("YEAR"), {}, "year"),
        (FRAME[["S"]], {}, "step"),
        (FRAME["S"], {}, "step"),
        (FRAME["S"].set_axis(pd.period_range("2020-01", periods=400, freq="M")), {}, "month"),
        (
            FRAME.assign(YEAR=pd.date_range("2020", periods=400).astype(str)),
            {"time": "YEAR"},
            "day",
        ),
    ],
)
def test_frames_have_names_and_times(states, options, unit):
    found = nndyn.from_array(states, **options)
    np.testing.assert_array_equal(found["state"].values[:, 0, 0], X[:, 0])
    assert found["parameter_name"].values.tolist() == ["S"]
    assert found["time"].attrs["units"] == unit
