import numpy as np
import pytest

from analyzers.common import states
from analyzers.growth.separation import kinks, separation
from analyzers.lyapunov.analyzer import lyapunov
from nndyn.errors import DataError
from tests.analyzers.synthetic import piecewise, recording, twins


def henon(x):
    return np.array([1.0 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0]])


@pytest.fixture(scope="module")
def full():
    return twins(henon, [0.1, 0.1], 300, rescale=10, discard=100, replicas=4, pairs=True)


def test_curve_is_log_distance_with_the_rescaling_put_back():
    s = piecewise([0.3], [], 50)
    taken = np.repeat(np.floor(np.arange(51) / 5)[:, None] * 1.5, 5, axis=1)
    sep = separation(recording(np.exp(s - taken), log_rescale=taken))
    np.testing.assert_allclose(sep.log_separation, s, atol=1e-12)
    assert sep.rescaled


def log_distance(run, norm="l2"):
    return separation(run, norm).log_separation - run["log_rescale"].values[:, 1:5]


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_distances_from_state_equal_numpy(full, norm):
    order = {"l1": 1, "l2": 2, "linf": np.inf}[norm]
    state = full["state"].values
    direct = np.linalg.norm(state - state[:, :1], ord=order, axis=2)[:, 1:5]
    alone = full.drop_vars(["distance_l1", "distance_l2", "distance_linf"])
    np.testing.assert_allclose(log_distance(alone, norm), np.log(direct), atol=1e-12)


def test_blocks_of_one_time_and_lazy_input_give_the_same(full, tmp_path, monkeypatch):
    import xarray as xr

    alone = full.drop_vars(["distance_l1", "distance_l2", "distance_linf"])
    whole = log_distance(alone)
    monkeypatch.setattr(states, "BLOCK_BYTES", 1)
    np.testing.assert_array_equal(log_distance(alone), whole)
    alone.to_netcdf(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc") as lazy:
        np.testing.assert_array_equal(log_distance(lazy), whole)


def test_result_from_state_equals_that_from_stored_distances(full):
    stored = lyapunov(full)
    alone = lyapunov(full.drop_vars(["distance_l1", "distance_l2", "distance_linf"]))
    assert stored.attrs["verdict"] == alone.attrs["verdict"]
    np.testing.assert_allclose(alone["lyapunov_max_ci"], stored["lyapunov_max_ci"], atol=1e-9)


def test_state_kept_at_some_times_gives_the_curve_at_those(full):
    alone = full.drop_vars(["distance_l1", "distance_l2", "distance_linf"])
    sparse = alone.drop_vars("state").assign(
        state=(("state_time", "replica", "component"), full["state"].values[::7]),
        state_time=full["time"].values[::7],
    )
    sep = separation(sparse)
    np.testing.assert_allclose(sep.log_separation, separation(full).log_separation[::7], atol=1e-9)


def test_asymmetry_of_mirrored_pairs_equals_numpy(full):
    state = full["state"].values
    delta = state[:, 1:5] - state[:, :1]
    both = np.linalg.norm(delta[:, ::2] + delta[:, 1::2], axis=2)
    length = np.linalg.norm(delta, axis=2)
    expected = (both / (length[:, ::2] + length[:, 1::2])).max(axis=1)
    np.testing.assert_allclose(separation(full).sizes.asymmetry, expected, atol=2e-8)


def test_zero_distance_is_left_out_never_averaged():
    s = piecewise([0.3, 0.0], [40], 120)
    distance = np.exp(s)
    distance[60:, 2] = 0.0
    found = lyapunov(recording(distance, step_length=1.0))
    assert np.isfinite(found["mean_log_separation"]).all()
    assert "replica 3 coincides with the reference" in found.attrs["warnings"]


def test_redrawn_replica_adds_no_growth():
    s = piecewise([0.3], [], 100, noise=0.01)
    jumped = s.copy()
    jumped[50:, 1] -= 9.0
    ds = recording(np.exp(jumped), step_length=1e9, redrawn=[[2, 50]])
    steps = separation(ds).increments()
    assert np.isnan(steps[49, 1])
    assert np.isfinite(np.delete(steps, 49, axis=0)).all()


def test_one_replica_that_jumps_is_a_kink_but_all_together_are_not():
    steps = np.full((10, 5), 0.3)
    steps[4] += 5.0
    steps[6, 2] += 5.0
    assert np.argwhere(kinks(steps)).tolist() == [[6, 2]]
    assert not kinks(steps[:, :2]).any()


def test_recording_without_perturbed_replicas_is_refused():
    ds = recording(np.exp(piecewise([0.3], [], 20)))
    with pytest.raises(DataError, match="no perturbed replica: record with `replicas=5`"):
        separation(ds.isel(replica=[0]))
    with_tangents = ds.isel(replica=[0]).assign(
        tangent_log_stretch=(("time", "vector"), [[0.0]] * 21)
    )
    with pytest.raises(DataError, match="its tangents have a spectrum"):
        separation(with_tangents)


def test_norm_that_is_not_stored_is_refused():
    ds = recording(np.exp(piecewise([0.3], [], 20)), distances=("l2",))
    with pytest.raises(DataError, match="neither distance_l1 nor state"):
        separation(ds, "l1")
