"""Groups and verdicts of ends whose barriers are known."""

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import squareform

import nndyn
from analyzers.endings.groups import groups
from nndyn.errors import DataError, UsageError
from nndyn.numerics.barrier import excess, height
from nndyn.results import to_dict
from tests.analyzers.endings.made_up import recording


def test_a_barrier_is_what_rises_above_the_straight_line():
    at = np.linspace(0, 1, 5)
    assert height(np.array([1.0, 2, 3, 4, 5]), at) == 0.0
    assert height(np.array([1.0, 0, 0, 0, 5]), at) == 0.0  # below it, ends included
    assert height(np.array([1.0, 2, 7, 4, 5]), at) == 4.0
    np.testing.assert_allclose(excess(np.array([1.0, 0, 0, 0, 5]), at), [0, -2, -3, -4, 0])
    assert np.isnan(height(np.array([np.inf, 0, 0, 0, 5.0]), at))


@given(arrays(float, (3, 7), elements=st.floats(-1e3, 1e3)))
def test_a_barrier_is_never_negative_and_alike_from_both_ends(values):
    at = np.linspace(0, 1, 7)
    found = height(values, at)
    assert (found >= 0).all()
    np.testing.assert_allclose(height(values[:, ::-1], at), found, atol=1e-9)


@given(arrays(float, 10, elements=st.floats(0, 1)), st.floats(0.05, 0.95))
def test_any_two_of_a_group_are_closer_than_the_limit(pairs, limit):
    apart = squareform(pairs)
    found = groups(apart, limit)
    assert found[0] == 1
    for one in np.unique(found):
        among = apart[np.ix_(found == one, found == one)]
        assert (among < limit).all()


def test_groups_are_not_chains():
    apart = np.abs(np.subtract.outer([0.0, 0.015, 0.03], [0.0, 0.015, 0.03]))
    assert groups(apart, 0.02).tolist() in ([1, 1, 2], [1, 2, 2])
    assert groups(apart, 0.031).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("heights", "verdict", "group"),
    [
        ([0.0, 0.0, 0.0], "connected", [1, 1]),
        ([0.019, 0.01, 0.0], "connected", [1, 1]),
        ([0.0, 0.3, 0.3], "in groups", [1, 2]),
        ([0.3, 0.3, 0.0], "in groups", [2, 2]),
        ([0.3, 0.3, 0.3], "not connected", [2, 3]),
        ([0.02, 0.02, 0.02], "not connected", [2, 3]),
    ],
)
def test_ends_are_connected_below_two_percent_of_test_error(heights, verdict, group):
    result = nndyn.endings(recording(heights))
    assert result.attrs["verdict"] == verdict
    assert result.group.values.tolist() == group
    np.testing.assert_allclose(result.test_error_barrier, heights[:2], atol=1e-15)
    np.testing.assert_allclose(result.error_barrier, np.array(heights[:2]) / 2, atol=1e-15)
    np.testing.assert_allclose(result.loss_barrier, 2 * np.array(heights[:2]), atol=1e-15)
    assert result.connected.values.tolist() == [float(h < 0.02) for h in heights[:2]]
    assert float(result.largest_barrier) == pytest.approx(max(heights), abs=1e-15)
    assert "without alignment of units" in result.attrs["reason"]
    assert result.relative_distance.values.tolist() == [0.25, 0.25]


def test_functions_are_grouped_by_the_predictions_that_differ():
    run = recording([0.0] * 3, disagreement=[0.005, 0.04, 0.04])
    result = nndyn.endings(run)
    assert result.attrs["verdict"] == "connected"
    assert result.output_group.values.tolist() == [1, 2]
    assert int(result.output_groups) == 2
    assert float(result.largest_disagreement) == 0.04
    assert nndyn.endings(run, same=0.1).output_group.values.tolist() == [1, 1]
    assert nndyn.endings(recording([0.3]), connected=0.5).attrs["verdict"] == "connected"


def test_too_few_points_are_a_warning_that_names_the_ends():
    run = recording([0.3, 0.3, 0.0], peaks=[2, 1, 2])  # points 1 and 3 lie between the N
    said = json.loads(nndyn.endings(run).attrs["warnings"])
    assert [line for line in said if line.startswith("3 points and twice as many give")]
    assert all("between the reference and 2" in line for line in said)
    assert not any("reference and 1" in line for line in said)
    assert any("another thing at 3 points" in line for line in said)
    assert json.loads(nndyn.endings(recording([0.3, 0.3, 0.0])).attrs["warnings"]) == []
    tiny = recording([1e-9, 1e-9, 0.0], peaks=[1, 1, 2])  # rounding
    assert json.loads(nndyn.endings(tiny).attrs["warnings"]) == []


def test_a_small_test_set_leaves_open_what_is_connected():
    run = recording([0.03, 0.3, 0.0])
    run.attrs["manifest"] = json.dumps({"system": {"kind": "training", "test": {"y": [100]}}})
    (said,) = json.loads(nndyn.endings(run).attrs["warnings"])
    assert "100 test samples has a standard error of 3.4 %" in said
    assert "between the reference and 1" in said
    run.attrs["manifest"] = json.dumps({"system": {"kind": "training", "test": {"y": [10**5]}}})
    assert json.loads(nndyn.endings(run).attrs["warnings"]) == []


def test_without_a_test_set_the_error_on_the_training_set_decides():
    names = ["barrier_test_loss", "barrier_test_accuracy", "barrier_disagreement"]
    run = recording([0.03]).drop_vars(names)  # 0.015 of the training error
    result = nndyn.endings(run)
    assert result.attrs["verdict"] == "connected"
    assert "error on the training set" in result.attrs["reason"]
    assert "error_barrier" in to_dict(result)["results"]
    assert "error_barrier" not in to_dict(nndyn.endings(recording([0.0])))["results"]
    for name in ("test_error_barrier", "disagreement", "output_groups"):
        assert np.isnan(result[name]).all()
        assert result[name].attrs["note"]
    bare = nndyn.endings(run.drop_vars("barrier_accuracy"))
    assert bare.attrs["verdict"] == "unresolved"
    assert "no classes" in bare.attrs["reason"]
    assert float(bare.loss_barrier[0]) == pytest.approx(0.06)


def test_a_null_is_never_without_a_note():
    lost = recording([np.nan, 0.0, np.nan])
    lost["diverged_at"] = ("replica", [-1, 7, -1, -1])
    lost["barrier_distance_l2"][0, [0, 2]] = np.nan
    for run in (lost, recording([0.0] * 3).drop_vars("barrier_loss")):
        found = to_dict(nndyn.endings(run))["results"]
        for name, entry in found.items():
            values = entry["value"] if isinstance(entry["value"], list) else [entry["value"]]
            assert None not in values or entry["note"], name
    result = nndyn.endings(lost)
    assert result.attrs["verdict"] == "connected"
    np.testing.assert_array_equal(result.group, [np.nan, 1])
    assert "replica 1 from step 7 on" in result.group.attrs["note"]


def test_a_reference_that_diverged_has_no_end():
    run = recording([0.0])
    run["diverged_at"] = ("replica", [2, -1, -1])
    assert nndyn.endings(run).attrs["verdict"] == "diverged"


def test_a_selection_of_replicas_or_times_is_told_from_the_whole():
    run = recording([0.0] * 3)
    chosen = nndyn.endings(run.isel(replica=[0, 2, 3]))
    assert "replicas were selected" in chosen.attrs["reason"]
    earlier = nndyn.endings(run.isel(time=slice(0, 2)))
    assert "times were selected" in earlier.attrs["reason"]
    under_way = run.isel(barrier_time=slice(0, 0))
    assert "step 2 and has not come to its end" in nndyn.endings(under_way).attrs["reason"]
    stopped = run.isel(barrier_time=slice(0, 0)).assign_attrs(status="stopped")
    assert "stopped at step 2" in nndyn.endings(stopped).attrs["reason"]


def test_another_recording_stands_beside_with_its_smallest_barriers():
    seeds = recording([0.3, 0.4, 0.2], disagreement=[0.1, 0.3, 0.2])
    result = nndyn.endings(recording([0.0] * 3), beside=seeds)
    assert float(result.beside_barrier) == pytest.approx(0.2)
    assert float(result.beside_loss_barrier) == pytest.approx(0.4)
    assert float(result.beside_disagreement) == 0.1
    assert "beside, between two ends at least" in result.attrs["reason"]
    with pytest.raises(DataError, match="beside: nothing was recorded"):
        nndyn.endings(seeds, beside=seeds.drop_vars("barrier_loss"))


def test_what_has_no_ends_is_refused():
    run = recording([0.0])
    with pytest.raises(DataError, match="attractor"):
        nndyn.endings(run.assign_attrs(stationary=1))
    with pytest.raises(DataError, match="no perturbed replica"):
        nndyn.endings(run.isel(replica=[0, 2]))
    with pytest.raises(DataError, match="no recording"):
        nndyn.endings(xr.Dataset())
    with pytest.raises(UsageError, match="connected is 2"):
        nndyn.endings(run, connected=2)
