"""What an analysis holds is bounded, and holding less changes no result."""

from pathlib import Path

import numpy as np
import pytest

from analyzers.common import blocks, states
from analyzers.common.states import Tail, weights
from analyzers.growth.attractor import attractor
from analyzers.growth.separation import separation
from analyzers.lyapunov import slopes as fits
from analyzers.lyapunov.analyzer import lyapunov
from analyzers.lyapunov.slopes import autoregression, slopes, smallest_deviance, whiten
from tests.analyzers.synthetic import piecewise, recording, twins
from tests.benchmarks.memory import allowed, measured, write

resident = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="resident memory is read from Linux"
)


def rise(folder, steps, options=None, **how):
    """Bytes that analyzing a recording takes at its peak, and bytes it may take."""
    path, warm = folder / "run.nc", folder / "warm.nc"
    write(path, steps, **how)
    write(warm, 100, **how | ({"components": 2} if "components" in how else {}))
    return measured(path, warm, options or {})[0], allowed(steps, **how)


@resident
def test_a_long_recording_takes_twice_its_result(tmp_path):
    most = rise(tmp_path, 150_000, replicas=8, rescale=10)
    assert most[0] < most[1]


@resident
def test_large_states_take_64_mib(tmp_path):
    most = rise(tmp_path, 20, rescale=10, components=400_000)
    assert most[0] < most[1]


@resident
@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "how", "options"),
    [
        (10**6, {"rescale": 10}, {"distance": "l1"}),
        (10**6, {"rescale": 10, "replicas": 4, "pairs": True, "components": 2}, {}),
        (10**6, {"stationary": False, "growth": 1e-3, "replicas": 3, "tangents": True}, {}),
        (10**6, {"stationary": False, "growth": 1e-3, "replicas": 3}, {"window": (1e3, 9e5)}),
        (40, {"rescale": 10, "components": 2_000_000, "replicas": 2, "pairs": True}, {}),
    ],
)
def test_every_kind_of_recording_is_analyzed_in_bounded_memory(tmp_path, steps, how, options):
    most = rise(tmp_path, steps, options, **how)
    assert most[0] < most[1]


def henon(x):
    return np.array([1.0 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0]])


def runs():
    s = piecewise([0.3, 0.02], [60], 300, noise=0.03)
    kinked, zero = np.exp(s - 18.0), np.exp(s - 18.0)
    kinked[50:, 1] *= 100.0
    zero[60:70] = 0.0
    taken = np.floor(s / 3.0) * 3.0
    stretch = (("time", "vector"), (0.3 * np.arange(len(s)) + np.sin(np.arange(len(s))))[:, None])
    alignment = np.linspace(0.8, 1.0, len(s))
    tangents = recording(np.exp(s - 18.0), step_length=1e-4, alignment=alignment)
    rescaled = recording(np.exp(s - 18.0 - taken), log_rescale=taken, step_length=1e-4)
    mirrored = twins(henon, [0.1, 0.1], 200, rescale=10, discard=100, replicas=4, pairs=True)
    return {
        "transient": recording(np.exp(s - 18.0), step_length=1e9, redrawn=[[2, 20]]),
        "kinked": recording(kinked, step_length=1e9),
        "zero": recording(zero, step_length=np.linspace(1.0, 2.0, len(s))),
        "tangents": tangents.assign(tangent_log_stretch=stretch),
        "rescaled tangents": rescaled.assign(tangent_log_stretch=stretch),
        "stationary": mirrored.assign_attrs(stationary=1),
        "states alone": mirrored.drop_vars(["distance_l1", "distance_l2", "distance_linf"]),
    }


@pytest.mark.parametrize("name", list(runs()))
@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_parts_of_a_few_times_give_the_same(name, distance, monkeypatch):
    run = runs()[name]
    whole = lyapunov(run, distance=distance)
    monkeypatch.setattr(blocks, "PART", 40)
    monkeypatch.setattr(states, "BLOCK_BYTES", 100)
    cut = lyapunov(run, distance=distance)
    assert cut.attrs == whole.attrs
    for variable in whole.variables:
        if whole[variable].dtype.kind == "f":
            values = whole[variable].values
            np.testing.assert_allclose(cut[variable].values, values, rtol=1e-9, atol=1e-12)
        else:
            np.testing.assert_array_equal(cut[variable].values, whole[variable].values)


@pytest.mark.parametrize("pieces", [False, True])
def test_distances_of_the_last_states_equal_numpy(pieces, monkeypatch):
    run = twins(henon, [0.1, 0.1], 40, replicas=1)
    run["state"] = run["state"].copy(data=run["state"].values)
    run["state"][30, 0, 1] = np.nan  # one that is not finite is left out
    if pieces:
        monkeypatch.setattr(states, "BLOCK_BYTES", 8)
    tail = Tail(weights(run)[:, 0])
    x = np.delete(run["state"].values[:, 0], 30, axis=0)
    assert tail.rows.tolist() == [i for i in range(41) if i != 30]
    np.testing.assert_allclose(tail.steps, np.linalg.norm(np.diff(x, axis=0), axis=1), rtol=1e-15)
    assert tail.largest == np.abs(x).max()
    pairs = np.array([[39, 0], [39, 38], [7, 3]])
    direct = np.linalg.norm(x[pairs[:, 0]] - x[pairs[:, 1]], axis=1)
    np.testing.assert_allclose(tail.distances(pairs), direct, rtol=1e-15)


@pytest.mark.parametrize(("r", "period"), [(2.8, 1), (3.2, 2), (3.5, 4), (3.83, 3), (4.0, 0)])
def test_states_in_pieces_show_the_same_attractor(r, period, monkeypatch):
    run = twins(lambda x: r * x * (1.0 - x), [0.3, 0.3, 0.3], 400, replicas=1, discard=2000)
    monkeypatch.setattr(states, "BLOCK_BYTES", 8)
    assert attractor(run)[1] == period


def test_distances_of_states_in_pieces_equal_those_of_whole_ones(monkeypatch):
    rng = np.random.default_rng(0)
    run = twins(henon, [0.1, 0.1], 20, replicas=4, pairs=True)
    run = run.drop_vars(["state", "distance_l1", "distance_l2", "distance_linf"])
    run["state"] = (("time", "replica", "component"), rng.normal(size=(21, 6, 50)))
    run["state"][9, 2, 7] = np.nan
    for norm in ("l1", "l2", "linf"):
        monkeypatch.setattr(states, "BLOCK_BYTES", 2**20)
        whole = separation(run, norm)
        monkeypatch.setattr(states, "BLOCK_BYTES", 8 * 6 * 16)
        cut = separation(run, norm)
        np.testing.assert_allclose(cut.log_separation, whole.log_separation, rtol=1e-13)
        np.testing.assert_allclose(cut.sizes.asymmetry, whole.sizes.asymmetry, rtol=1e-13)


def test_slopes_of_a_curve_in_parts_equal_least_squares(monkeypatch):
    rng = np.random.default_rng(1)
    curves = np.cumsum(rng.normal(0.1, 1.0, (200, 3)), axis=0)
    for phi in (0.0, 0.6, 1.0):
        x = whiten(np.column_stack([np.ones(200), np.arange(200.0)]), phi)
        direct = np.linalg.lstsq(x, whiten(curves, phi), rcond=None)[0][1]
        monkeypatch.setattr(blocks, "PART", 35)
        np.testing.assert_allclose(slopes(curves, phi), direct, rtol=1e-10)
    t, y = np.arange(200) - 99.5, curves[:, 0]
    residual = y - y.mean() - t * (t @ y) / (t @ t)
    raw = residual[1:] @ residual[:-1] / (residual @ residual)
    assert autoregression(y) == pytest.approx(np.clip((200 * raw + 2.0) / 196.0, 0.0, 1.0))


def test_deviance_of_a_curve_in_parts_equals_that_of_weighted_fits(monkeypatch):
    """As written down: a fit of all whitened rows for every φ, weighted anew six times."""
    rng, breaks, first = np.random.default_rng(2), [40, 90], 3
    group = np.searchsorted(breaks, np.arange(160), side="left")
    curve = np.cumsum(rng.normal(0.2, np.array([1.0, 0.1, 0.5])[group]))
    t = first + np.arange(160.0)
    design = np.column_stack([np.ones(160), t, *(np.maximum(t - first - b, 0.0) for b in breaks)])
    least = np.inf
    for phi in np.linspace(0.0, fits.NEARLY_ONE, 25):
        wx, wy, variance = whiten(design, phi), whiten(curve, phi), np.ones(3)
        for _ in range(6):
            scale = 1.0 / np.sqrt(variance[group])
            beta = np.linalg.lstsq(wx * scale[:, None], wy * scale, rcond=None)[0]
            variance = np.bincount(group, (wy - wx @ beta) ** 2) / np.bincount(group)
        deviance = np.bincount(group) @ np.log(variance) - np.log(1.0 - phi * phi)
        least = min(least, deviance)
    monkeypatch.setattr(blocks, "PART", 100)
    found = smallest_deviance(
        curve, first, lambda t: [t, *(np.maximum(t - first - b, 0.0) for b in breaks)], breaks
    )
    assert found == pytest.approx(least, rel=1e-9)
