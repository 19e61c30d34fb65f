"""Principal components of a path, against plain numpy and beside random walks."""

import numpy as np
import pytest
import xarray as xr

from analyzers.exploration import components as module
from analyzers.exploration import principal
from analyzers.exploration.components import components
from analyzers.exploration.random_walk import random_walk_scores, random_walk_shares
from nndyn.errors import DataError, UsageError


def recording(states, **variables):
    """Wrap (T, R, D) states."""
    states = np.asarray(states, np.float64)
    time = ("time", np.arange(len(states), dtype=float), {"units": "step"})
    dims = ("time", "replica", "component")
    return xr.Dataset({"state": (dims, states), **variables}, {"time": time})


def walk(times, dimension, replicas=1, seed=0):
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.standard_normal((times, replicas, dimension)), axis=0)


def lorenz(count, dt=0.02):
    """States of Lorenz's flow, by the midpoint rule."""

    def slope(x):
        return np.array(
            [10.0 * (x[1] - x[0]), x[0] * (28.0 - x[2]) - x[1], x[0] * x[1] - 8.0 / 3.0 * x[2]]
        )

    x, found = np.array([1.0, 2.0, 20.0]), np.empty((count, 3))
    for i in range(count):
        found[i] = x
        x = x + dt * slope(x + 0.5 * dt * slope(x))
    return found


def by_svd(states, count):
    """Scores of the first trajectory, those of the others in its plane, and shares."""
    mean = states[:, 0].mean(axis=0)
    _, s, directions = np.linalg.svd(states[:, 0] - mean, full_matrices=False)
    scores = (states - mean) @ directions[:count].T
    return scores * np.where(scores[-1, 0] < 0.0, -1.0, 1.0), (s**2 / (s**2).sum())[:count]


@pytest.mark.parametrize(
    ("times", "dimension", "held"),
    [(50, 300, 2**29), (200, 4, 2**29), (50, 300, 8 * 50 * 70), (3, 2, 2**29)],
)
def test_components_are_those_of_a_singular_value_decomposition(
    monkeypatch, times, dimension, held
):
    monkeypatch.setattr(principal, "HELD_BYTES", held)
    monkeypatch.setattr(principal, "BLOCK_BYTES", 8 * 7 * dimension)
    states = walk(times, dimension, replicas=3)
    found = components(recording(states))
    scores, shares = by_svd(states, found.sizes["principal_component"])
    size = np.abs(scores).max()
    np.testing.assert_allclose(found["score"], scores, atol=1e-10 * size)
    np.testing.assert_allclose(found["explained_share"], shares, atol=1e-10)
    whole = found.sizes["principal_component"] == min(times - 1, dimension)
    total = float(found["explained_share"].sum())
    assert total == pytest.approx(1.0) if whole else total < 1.0


def test_of_many_states_some_are_taken_the_last_among_them(monkeypatch):
    monkeypatch.setattr(module, "STATES_OF_FEW", 40)
    states = walk(101, 5)
    found = components(recording(states))
    taken = found["time"].values.astype(int)
    assert (len(taken), taken[0], taken[-1]) == (40, 0, 100)
    scores, _ = by_svd(states[taken], 5)
    np.testing.assert_allclose(found["score"], scores, atol=1e-10 * np.abs(scores).max())


def test_components_of_another_replica_are_its_own():
    states = walk(30, 8, replicas=2)
    found = components(recording(states), replica=1)
    scores, shares = by_svd(states[:, ::-1], 6)
    np.testing.assert_allclose(found["score"][:, ::-1], scores, atol=1e-9)
    np.testing.assert_allclose(found["explained_share"], shares, atol=1e-10)


def test_a_random_walk_is_told_from_one_as_seldom_as_the_level_says():
    verdicts = [
        components(recording(walk(40, 60, seed=s)), walks=100).attrs["verdict"] for s in range(20)
    ]
    assert verdicts.count("unlike a random walk") <= 4


def test_a_straight_path_with_noise_is_unlike_a_random_walk():
    line = 10.0 * np.arange(40.0)[:, None, None] * np.ones(60)
    found = components(recording(line + walk(40, 60)))
    assert found.attrs["verdict"] == "unlike a random walk"
    assert found.attrs["reason"].startswith("PC1 and PC2 hold 100 % and 0.0")


def test_a_random_walk_in_three_dimensions_is_seldom_told_from_one():
    found = [components(recording(walk(300, 3, seed=s)), walks=100) for s in range(20)]
    assert [one.attrs["verdict"] for one in found].count("unlike a random walk") <= 4
    # their first components hold anything from half to nearly all, and drift
    shares = [float(one["explained_share"][0]) for one in found]
    assert max(shares) - min(shares) > 0.25


@pytest.mark.parametrize("times", [3, 6])
def test_of_few_states_the_drift_tells_nothing(times):
    for seed in range(20):
        found = components(recording(walk(times, 2, seed=seed)), walks=40)
        low, high = found["random_walk_drift_share_ci"].values
        assert low <= float(found["drift_share"]) <= high


def test_a_motion_on_an_attractor_is_told_from_a_walk_since_it_does_not_drift():
    found = components(recording(lorenz(2000)[:, None]))
    low, high = found["random_walk_share_ci"].values[0]
    assert low < float(found["explained_share"][0]) < high  # its share does not tell it
    assert found.attrs["verdict"] == "unlike a random walk"
    assert float(found["drift_share"]) < 0.2 < float(found["random_walk_drift_share_ci"][0])


@pytest.mark.parametrize(("times", "dimension"), [(90, 3), (90, 400)])
def test_shares_of_random_walks_are_those_of_walks_drawn_step_by_step(times, dimension):
    drawn = np.column_stack(random_walk_shares(times, dimension, 3, walks=300, seed=1))
    plain = []
    at = np.pi / times * (np.arange(times) + 0.5)
    cosines = np.cos(np.arange(1, 6)[:, None] * at) * (2.0 / times) ** 0.5
    for s in range(100):
        one = walk(times, dimension, seed=s)[:, 0]
        u, values, _ = np.linalg.svd(one - one.mean(axis=0), full_matrices=False)
        shares = values[:3] ** 2 / (values**2).sum()
        plain.append([*shares, ((cosines @ u[:, 0]) ** 2).sum()])
    error = np.std(plain, axis=0) / 10.0 + np.std(drawn, axis=0) / 300**0.5
    assert (np.abs(np.mean(plain, axis=0) - drawn.mean(axis=0)) < 4.0 * error + 1e-4).all()


def test_of_many_components_a_walk_goes_along_cosines():
    scores = random_walk_scores(200, 10**7, 3, seed=0)
    shares = (scores**2).sum(axis=0)
    np.testing.assert_allclose(shares / shares[0], [1.0, 1 / 4, 1 / 9], rtol=0.02)
    for k, one in enumerate(scores.T, start=1):
        cosine = np.cos(np.pi * k * (np.arange(200) + 0.5) / 200)
        assert abs(np.corrcoef(cosine, one)[0, 1]) > 0.999
        assert one[-1] > 0.0


def test_replicas_that_diverged_have_components_until_then():
    states = walk(30, 8, replicas=3)
    states[20:, 2] = np.nan
    lost = ("replica", [-1, -1, 20])
    found = components(recording(states, diverged_at=lost))["score"]
    assert np.isfinite(found[:, :2]).all()
    assert np.isfinite(found[:20, 2]).all()
    assert np.isnan(found[20:, 2]).all()


def test_the_loss_along_the_path_is_that_of_the_last_evaluation():
    at = ("evaluation_time", [0.0, 10.0, 20.0])
    loss = (("evaluation_time", "replica"), np.array([[3.0], [np.nan], [1.0]]))
    found = components(recording(walk(30, 8), loss=loss, evaluation_time=at))
    assert found["path_loss"].values.tolist() == [3.0] * 20 + [1.0] * 10


def test_what_has_no_path_is_refused_with_a_cure():
    with pytest.raises(DataError, match="keeps no states; record with `store='full'`"):
        components(recording(walk(9, 3)).drop_vars("state"))
    with pytest.raises(DataError, match="the state is one number"):
        components(recording(walk(9, 1)))
    with pytest.raises(DataError, match="has 2 finite states, expected at least 3"):
        components(recording(walk(2, 3)))
    with pytest.raises(DataError, match="does not move"):
        components(recording(np.ones((9, 1, 3))))
    with pytest.raises(UsageError, match="replica is 4, expected 0 to 0"):
        components(recording(walk(9, 3)), replica=4)
    with pytest.raises(UsageError, match="walks is 5"):
        components(recording(walk(9, 3)), walks=5)
