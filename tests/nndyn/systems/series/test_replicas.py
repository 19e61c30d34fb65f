"""Trajectories side by side in memory as recordings, from arrays of three dimensions."""

import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn import systems
from nndyn.errors import DataError, UsageError
from nndyn.validity import validate

RNG = np.random.default_rng(0)
WALKS = RNG.standard_normal((40, 1, 3)) + 1e-6 * RNG.standard_normal((40, 4, 3))


def test_distances_and_steps_are_those_of_plain_numpy():
    found = validate(nndyn.from_array(WALKS))
    deviations = WALKS - WALKS[:, :1]
    np.testing.assert_allclose(found["distance_l1"], np.abs(deviations).sum(2), rtol=1e-13)
    np.testing.assert_allclose(found["distance_l2"], np.linalg.norm(deviations, axis=2), rtol=1e-13)
    np.testing.assert_allclose(found["distance_linf"], np.abs(deviations).max(2), rtol=1e-13)
    steps = np.linalg.norm(np.diff(WALKS, axis=0), axis=2)
    np.testing.assert_allclose(found["step_length"][1:], steps, rtol=1e-13)
    assert not found["step_length"][0].any()
    first, second = np.triu_indices(3, 1)
    units = deviations[:, 1:] / np.linalg.norm(deviations[:, 1:], axis=2, keepdims=True)
    cosines = np.abs(np.einsum("trd,tsd->trs", units, units))[:, first, second]
    np.testing.assert_allclose(found["deviation_alignment"], cosines.mean(1), rtol=1e-9)
    assert found["role"].values.tolist() == [0, 1, 1, 1]
    assert found["perturbation"].values.tolist() == np.abs(deviations[0]).max(1).tolist()
    assert found.attrs["stationary"] == 0


def test_the_exponent_is_that_of_the_recorded_run(tmp_path):
    options = {"steps": 60, "replicas": 4, "pairs": True, "epsilon": 1e-12}
    run = nndyn.record(systems.logistic(r=4.0), tmp_path / "run.nc", **options)
    found = nndyn.from_array(run["state"].values, roles=run["role"].values, stationary=True)
    for name in ("distance_l2", "deviation_alignment", "step_length", "pair", "perturbation"):
        np.testing.assert_array_equal(found[name].values, run[name].values, err_msg=name)
    one, other = nndyn.lyapunov(run), nndyn.lyapunov(found)
    assert one.attrs["verdict"] == other.attrs["verdict"]
    assert float(one["lyapunov_max"]) == pytest.approx(float(other["lyapunov_max"]), abs=1e-9)
    run.close()


def test_equal_copies_do_not_grow():
    result = nndyn.lyapunov(nndyn.from_array(np.repeat(WALKS[:, :1], 3, axis=1)))
    assert result.attrs["verdict"] in ("regular", "unresolved")
    assert np.isnan(result["growth"]) or result["growth"] < 1


def test_two_dimensions_are_one_trajectory_and_three_never_are_guessed():
    assert dict(nndyn.from_array(WALKS[:, 0]).sizes) == {
        "time": 40,
        "replica": 1,
        "component": 3,
        "parameter": 3,
    }
    single = nndyn.from_array(WALKS[:, :1])
    assert (single.sizes["replica"], single.attrs["stationary"]) == (1, 1)
    assert nndyn.from_array(WALKS, stationary=True).attrs["stationary"] == 1
    assert nndyn.from_array(WALKS[:, 0], stationary=False).attrs["stationary"] == 0


def test_a_series_has_the_lengths_of_its_steps():
    walk = WALKS[:, 0]
    found = nndyn.from_array(walk)["step_length"].values[1:, 0]
    np.testing.assert_allclose(found, np.linalg.norm(np.diff(walk, axis=0), axis=1), rtol=1e-13)


def test_roles_names_and_losses_are_taken():
    loss = RNG.random((40, 4))
    roles = ["reference", "perturbed", 1, "control"]
    found = nndyn.from_array(WALKS, names={"w": 2, "b": 1}, roles=roles, loss=loss)
    assert found["role"].values.tolist() == [0, 1, 1, 2]
    assert found["parameter"].values.tolist() == ["w", "w", "b"]
    assert found.nndyn.layer("w").sizes["component"] == 2
    np.testing.assert_array_equal(found["loss"].values, loss)
    of_one = nndyn.from_array(WALKS, loss=loss[:, 0])["loss"].values
    np.testing.assert_array_equal(of_one[:, 0], loss[:, 0])
    assert np.isnan(of_one[:, 1:]).all()
    alone = nndyn.from_array(WALKS[:, 0], loss=loss[:, 0], roles=["reference"])
    assert alone["loss"].dims == ("time", "replica")


def test_the_states_of_a_recording_go_in_as_they_are(recording_path):
    with nndyn.open(recording_path) as run:
        state = run["state"].transpose("component", "replica", "time")
        found = nndyn.from_array(state, roles=run["role"].values)
        np.testing.assert_array_equal(found["state"].values, run["state"].values)
        np.testing.assert_array_equal(found["distance_l2"].values, run["distance_l2"].values)
        assert found["time"].attrs["units"] == "step"


def test_float32_stays_what_it_is():
    assert nndyn.from_array(WALKS.astype(np.float32))["state"].dtype == np.float32
    assert nndyn.from_array((100 * WALKS).astype(np.int32))["state"].dtype == np.float64


def test_a_replica_that_is_not_finite_diverged_there():
    states = WALKS.copy()
    states[30:, 2] = np.inf
    found = nndyn.from_array(states)
    assert found["diverged_at"].values.tolist() == [-1, -1, 30, -1]
    for name in ("distance_l2", "distance_linf", "step_length"):
        assert np.isnan(found[name][30:, 2]).all()
        assert np.isfinite(found[name][:30]).all()


def gap(replica, row, last=None):
    states = WALKS.copy()
    states[row:last, replica, 1] = np.nan
    return states


@pytest.mark.parametrize(
    ("states", "options", "error", "message"),
    [
        (gap(0, 7), {}, DataError, "the reference is not finite in row 7; cut"),
        (gap(2, 7, 9), {}, DataError, "replica 2 is not finite in row 7 and finite again in row 9"),
        (gap(1, 0), {}, DataError, "replica 1 is not finite in row 0"),
        (np.zeros((0, 2, 2)), {}, DataError, "states is empty"),
        (np.ma.masked_less(WALKS, 0), {}, DataError, "masked numbers"),
        (WALKS.astype(complex), {}, UsageError, "complex128"),
        (WALKS, {"roles": ["reference"]}, UsageError, "roles has 1 entries, expected 4"),
        (WALKS, {"roles": [1, 0, 1, 1]}, UsageError, "the first and no other to be reference"),
        (WALKS, {"roles": [0, 0, 1, 1]}, UsageError, "the first and no other to be reference"),
        (WALKS, {"roles": ["reference", "copy", 1, 1]}, UsageError, r"roles\[1\] is 'copy'"),
        (WALKS, {"roles": [0, 1, 1, 3]}, UsageError, r"roles\[3\] is 3, .* from 0 to 2"),
        (WALKS[:, 0], {"roles": [0, 1, 1]}, UsageError, r"three dimensions \(T, R, D\)"),
        (WALKS, {"names": {"w": 2}}, UsageError, "2 components together, expected 3"),
        (WALKS, {"loss": np.zeros(3)}, UsageError, r"shape \(3,\), .* \(40,\) or \(40, 4\)"),
        (WALKS, {"loss": ["a"] * 40}, UsageError, "loss is an array of <U1"),
        (WALKS, {"resample": True}, UsageError, "resample is for one trajectory"),
        (WALKS, {"time": "t"}, UsageError, "it is of DataArrays"),
        (WALKS, {"stationary": "no"}, UsageError, "stationary is 'no'"),
        (xr.DataArray(WALKS, dims=("a", "b", "c")), {}, UsageError, "which is time is not clear"),
    ],
)
def test_what_is_no_ensemble_is_refused(states, options, error, message):
    with pytest.raises(error, match=message) as caught:
        nndyn.from_array(states, **options)
    assert "\n" not in str(caught.value)
