"""Results of runs, stacked and taken apart again."""

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from nndyn.studies.stack import Found, reduce, split, stack

NUMBER = st.floats(allow_nan=False, width=32)


@st.composite
def found(draw):
    """A run with a number, a text, a list of any length, or a failure."""
    if draw(st.integers(0, 4)) == 0:
        return Found(failure="it is gone")
    size = draw(st.integers(0, 4))
    run = Found(verdict="regular", reason="slow", stationary=draw(st.sampled_from([0.0, 1.0])))
    run.variables["number"] = ((), np.array(draw(NUMBER)), {"units": "1"})
    run.variables["text"] = ((), np.array(draw(st.sampled_from(["", "a", "long"]))), {})
    values = draw(st.lists(NUMBER, min_size=size, max_size=size))
    run.variables["exponents"] = (("vector",), np.array(values), {"units": "per step"})
    if draw(st.booleans()):
        lags = sorted(draw(st.sets(st.integers(0, 9), min_size=2, max_size=2)))
        run.variables["curve"] = (("lag", "bound"), np.arange(4.0).reshape(2, 2), {})
        run.coords["lag"] = np.array(lags, float)
    return run


@settings(deadline=None)  # the first call imports xarray
@given(st.lists(found(), min_size=1, max_size=5))
def test_what_is_stacked_is_found_again_with_nan_for_what_a_run_has_not(runs):
    stacked = stack(runs)
    again = split(stacked)
    assert stack(again).identical(stacked)
    for run, back in zip(runs, again, strict=True):
        assert (run.verdict, run.reason, run.failure) == (back.verdict, back.reason, back.failure)
        np.testing.assert_equal(back.stationary, run.stationary)
        for name, (dims, values, _) in run.variables.items():
            found_dims, found_values, _ = back.variables[name]
            assert found_dims == dims
            if name == "curve":
                at = np.isin(back.coords["lag"], run.coords["lag"])
                found_values, rest = found_values[at], found_values[~at]
                assert np.isnan(rest).all()
            elif name == "exponents":
                found_values, rest = found_values[: values.size], found_values[values.size :]
                assert np.isnan(rest).all()
            np.testing.assert_array_equal(found_values, values)


def test_coordinates_that_do_not_ascend_keep_their_values():
    def run(names, values):
        return Found({"x": (("layer",), np.array(values), {})}, {"layer": np.array(names)}, "fine")

    same = stack([run(["out", "in"], [1.0, 2.0]), run(["out", "in"], [3.0, 4.0])])
    assert same["x"].sel(layer="out").values.tolist() == [1.0, 3.0]
    assert same["x"].sel(layer="in").values.tolist() == [2.0, 4.0]
    other = stack([run(["out", "in"], [1.0, 2.0]), run(["in", "a"], [3.0, 4.0])])
    assert other["x"].sel(layer="in").values.tolist() == [2.0, 3.0]
    np.testing.assert_array_equal(other["x"].sel(layer="a").values, [np.nan, 4.0])


def test_of_a_result_its_summary_with_intervals_and_what_is_to_be_kept_stay():
    result = xr.Dataset(
        {
            "rate": ((), 0.5, {"units": "1", "note": "of this run alone"}),
            "rate_ci": ("bound", [0.4, 0.6]),
            "count": ((), 3),
            "curve": ("lag", [1.0, 2.0]),
            "other": ("time", np.zeros(5)),
            "attractor": ((), "cycle"),
        },
        {"lag": [1, 2], "bound": ["lower", "upper"]},
        {"summary": json.dumps(["rate", "count", "attractor"]), "verdict": "v", "reason": "r"},
    )
    kept = reduce(result, ("curve", "not there"), 1.0)
    assert list(kept.variables) == ["rate", "count", "attractor", "curve", "rate_ci"]
    assert kept.variables["count"][1].dtype == np.float64
    assert list(kept.coords) == ["lag"]
    stacked = stack([kept, Found(failure="gone")])
    assert "note" not in stacked["rate"].attrs
    assert stacked["attractor"].values.tolist() == ["cycle", ""]
    assert stacked["bound"].values.tolist() == ["lower", "upper"]


@pytest.mark.parametrize("runs", [[], [Found(failure="gone")]], ids=["none", "failures"])
def test_nothing_found_is_a_stack_too(runs):
    stacked = stack(runs)
    assert stacked.sizes["cell"] == len(runs)
    assert len(split(stacked)) == len(runs)
