"""What a path looks like: known kinds of motion, plain numpy, and input that tells nothing."""

from importlib.util import find_spec

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import nndyn
from analyzers.exploration import displacements, squared_displacements
from analyzers.exploration.diffusion import decades, shrinks
from analyzers.exploration.random_walk import random_walk_participation
from nndyn.errors import DataError, UsageError
from nndyn.results import to_dict


def path(x, *, interval=1.0, **variables):
    """Label states (T, D), or (T, R, D), as a recording."""
    x = np.asarray(x, float)
    x = x[:, None] if x.ndim == 2 else x
    T, R = x.shape[:2]
    data = {
        "state": (("time", "replica", "component"), x),
        "role": ("replica", np.r_[0, [1] * (R - 1)]),
        **variables,
    }
    return xr.Dataset(data, coords={"time": ("time", interval * np.arange(T), {"units": "step"})})


def motion(kind, D, T=5001, seed=0):
    rng = np.random.default_rng(seed)
    t, noise = np.arange(T)[:, None], rng.standard_normal((T, D))
    if kind == "ballistic":
        return t * noise[0]
    if kind == "diffusive":
        return np.cumsum(noise, axis=0)
    if kind == "withheld":
        return np.exp(-t / 300) * noise[0]
    x = np.zeros((T, D))
    for i in range(1, T):
        x[i] = np.exp(-1 / 5) * x[i - 1] + noise[i]
    return x


@pytest.mark.parametrize("D", [1, 3, 400, pytest.param(2000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["ballistic", "diffusive", "confined", "withheld"])
def test_known_kinds_of_motion_are_told(kind, D):
    found = nndyn.exploration(path(motion(kind, D)))
    assert found.attrs["verdict"] == kind
    value = float(found["msd_exponent"])
    if kind == "withheld":
        assert np.isnan(value)
        assert found.attrs["reason"].startswith("displacements shrink: ")
        assert found["msd_exponent"].attrs["note"].startswith("withheld: displacements shrink")
        return
    low, high = found["msd_exponent_ci"].values
    assert low <= {"ballistic": 2.0, "diffusive": 1.0, "confined": 0.0}[kind] <= high
    if kind == "ballistic":
        assert value == pytest.approx(2.0, abs=1e-9)
    if kind == "diffusive":
        low, high = found["random_walk_participation_ratio_ci"].values
        assert low <= float(found["participation_ratio"]) <= high


@pytest.mark.slow
@pytest.mark.parametrize(("D", "T"), [(1, 1001), (3, 1001), (50, 501)])
def test_the_interval_of_a_random_walk_covers_its_exponent(D, T):
    covered = 0
    for seed in range(300):
        x = motion("diffusive", D, T, seed + 1000 * D)
        low, high = nndyn.exploration(path(x), walks=40)["msd_exponent_ci"].values
        covered += low <= 1.0 <= high
    assert 0.91 * 300 <= covered <= 0.985 * 300


def plain(x, longest):
    """Return by whole-array numpy what a path (T, D) gives."""
    steps = np.diff(x, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    centred = x - x.mean(axis=0)
    few = len(x) < x.shape[1]
    eigenvalues = np.linalg.eigvalsh(centred @ centred.T if few else centred.T @ centred)
    msd = [np.mean(np.sum((x[k:] - x[: len(x) - k]) ** 2, axis=1)) for k in range(longest + 1)]
    with np.errstate(invalid="ignore", divide="ignore"):
        units = steps / lengths[:, None]
        rest = x[-1] - x[:-1]
        progress = np.sum(units * rest, axis=1) / np.linalg.norm(rest, axis=1)
        turns = 2 * np.arctan2(
            np.linalg.norm(units[1:] - units[:-1], axis=1),
            np.linalg.norm(units[1:] + units[:-1], axis=1),
        )
        participation = eigenvalues.sum() ** 2 / np.sum(eigenvalues**2)
    return {
        "step_length": np.r_[np.nan, lengths],
        "progress": np.r_[np.nan, progress],
        "turning_angle": np.r_[np.nan, turns, np.nan],
        "mean_squared_displacement": np.array(msd),
        "path_length": lengths.sum(),
        "displacement": np.linalg.norm(x[-1] - x[0]),
        "radius_of_gyration": np.sqrt(np.mean(np.sum(centred**2, axis=1))),
        "participation_ratio": participation,
    }


@settings(max_examples=20, deadline=None)
@given(
    st.integers(2, 90),
    st.integers(1, 2),
    st.integers(1, 120),
    st.sampled_from([1e-3, 1.0, 1e4]),
    st.sampled_from([(64, 700, 3, 5), (10**6, 10**6, 7, 2), (10**9, 10**9, 256, 2048)]),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_every_quantity_is_that_of_plain_numpy_for_any_block(T, R, D, offset, sizes, dask, seed):
    rng = np.random.default_rng(seed)
    x = offset * rng.standard_normal(D) + np.cumsum(rng.standard_normal((T, R, D)), axis=0)
    with pytest.MonkeyPatch.context() as patch:
        block, panel, rows, columns = sizes
        patch.setattr(displacements, "BLOCK_BYTES", block)
        patch.setattr(displacements, "PANEL_BYTES", panel)
        patch.setattr(displacements, "PASSING_BYTES", 2 * block)
        patch.setattr(displacements, "ROWS", rows)
        patch.setattr(displacements, "COLUMNS", columns)
        patch.setattr(squared_displacements, "OCTAVE", 2 if T % 2 else squared_displacements.OCTAVE)
        chunked = dask and find_spec("dask") is not None  # an extra
        recording = path(x).chunk({"time": 7}) if chunked else path(x)
        found = nndyn.exploration(recording, walks=40)
    longest = max(1, (T - 1) // 10)
    for r in range(R):
        for name, expected in plain(x[:, r], longest).items():
            if np.ndim(expected) == 0:
                name = f"replica_{name}"
            got = found[name][..., r].values
            scale = np.nanmax(np.abs(expected)) if np.isfinite(expected).any() else 1.0
            # an angle or cosine is known to the rounding of states by the length of a step
            loose = 1e-7 if name in ("progress", "turning_angle") and offset > 1 else 1e-10
            np.testing.assert_allclose(got, expected, rtol=loose, atol=loose * scale, err_msg=name)
    tortuosity = float(found["tortuosity"])
    expected = plain(x[:, 0], longest)
    if np.isfinite(tortuosity):
        assert tortuosity == pytest.approx(expected["path_length"] / expected["displacement"])
    else:
        assert expected["displacement"] < expected["path_length"] / (T - 1) * (1 + 1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 700),
    st.integers(1, 4),
    st.sampled_from([2, 3, 16]),
    st.sampled_from([1, 200, 10**6]),
    st.sampled_from(["walk", "line", "noise", "periodic", "still"]),
    st.integers(0, 10**6),
)
def test_displacements_by_transform_are_plain_differences(T, D, octave, values, kind, seed):
    rng = np.random.default_rng(seed)
    x = {
        "walk": np.cumsum(rng.standard_normal((T, D)), axis=0),
        "line": 1e3 + np.arange(T)[:, None] * rng.standard_normal(D),
        "noise": rng.standard_normal((T, D)),
        "periodic": np.resize(rng.standard_normal((5, D)), (T, D)),
        "still": np.ones((T, D)),
    }[kind]
    longest = max(1, (T - 1) // int(rng.integers(1, 10)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(squared_displacements, "OCTAVE", octave)
        patch.setattr(squared_displacements, "VALUES", values)
        found = squared_displacements.squared_displacements(x, longest)
    expected = [np.sum((x[k:] - x[: len(x) - k]) ** 2) for k in range(longest + 1)]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13 * max(expected))


def test_rounding_is_that_of_the_lag_and_not_of_the_extent():
    x = np.arange(200_000.0)[:, None] + 0.1 * np.random.default_rng(0).standard_normal((200_000, 1))
    found = squared_displacements.squared_displacements(x, 20_000)
    for k in (1, 15, 16, 17, 250, 260, 4000, 20_000):
        assert found[k] == pytest.approx(np.sum((x[k:] - x[:-k]) ** 2), rel=1e-11)


def test_exponents_and_their_blocks_are_those_of_plain_numpy():
    x = motion("diffusive", 3, 401)
    found = nndyn.exploration(path(x))
    cut = decades(401, 40)[1]
    assert (cut.lags[0], cut.lags[-1], cut.blocks) == (4, 40, 5)
    blocks = np.arange(401) * 5 // 401
    squares = [np.sum((x[k:] - x[:-k]) ** 2, axis=1) for k in cut.lags]
    slope = np.polyfit(np.log(cut.lags), np.log([q.mean() for q in squares]), 1)[0]
    assert float(found["msd_exponent"]) == pytest.approx(slope, abs=1e-10)
    without = []
    for b in range(5):
        left = np.zeros(len(cut.lags))
        for i, (k, q) in enumerate(zip(cut.lags, squares, strict=True)):
            inside = [q[(blocks[:-k] == c) & (blocks[k:] == c)].mean() for c in range(5) if c != b]
            left[i] = np.mean(inside)
        without.append(np.polyfit(np.log(cut.lags), np.log(left), 1)[0])
    error = np.sqrt(4 / 5 * np.sum((without - np.mean(without)) ** 2))
    half = np.diff(found["msd_exponent_ci"].values)[0] / 2
    assert half == pytest.approx(2.7764451 * error, rel=1e-6)


@pytest.mark.parametrize(
    ("T", "D", "walks"), [(10, 1, 400), (30, 2, 400), (120, 5, 400), (120, 300, 100)]
)
def test_random_walks_are_drawn_as_if_step_by_step(T, D, walks):
    rng = np.random.default_rng(1)
    walked = []
    for _ in range(walks):
        x = np.cumsum(rng.standard_normal((T, D)), axis=0)
        walked.append(plain(x, 0)["participation_ratio"])
    drawn = random_walk_participation(T, D, walks=5 * walks // 2, seed=0)
    np.testing.assert_allclose(np.mean(drawn), np.mean(walked), rtol=0.06)
    np.testing.assert_allclose(
        np.quantile(drawn, [0.1, 0.9]), np.quantile(walked, [0.1, 0.9]), rtol=0.12
    )


def test_a_large_walk_comes_near_the_limit():
    drawn = random_walk_participation(10**5, 10**6, walks=40, seed=0)
    np.testing.assert_allclose(drawn, 2.5, rtol=0.01)


def test_steps_shrink_by_a_trend_or_at_once_and_not_by_chance():
    rng = np.random.default_rng(0)
    assert shrinks(np.exp(-np.arange(100) / 30), 0.95)
    assert shrinks(np.r_[np.ones(5), np.full(95, 1e-6)], 0.95)
    assert not shrinks(np.exp(np.arange(100) / 30), 0.95)
    assert not shrinks(np.ones(100), 0.95)
    assert not shrinks(np.zeros(100), 0.95)
    chance = [bool(shrinks(np.abs(rng.standard_normal(100)), 0.95)) for _ in range(300)]
    assert np.mean(chance) < 0.01


def test_what_tells_nothing_is_a_null_with_a_reason():
    still = to_dict(nndyn.exploration(path(np.ones((200, 3)))))["results"]
    assert still["path_length"]["value"] == 0.0
    assert still["tortuosity"]["note"] == "the state does not move"
    assert still["participation_ratio"]["note"] == "the state does not move"
    assert "zero but for rounding" in still["msd_exponent"]["note"]
    single = to_dict(nndyn.exploration(path([[0.0, 0.0], [3.0, 4.0]])))["results"]
    assert (single["path_length"]["value"], single["tortuosity"]["value"]) == (5.0, 1.0)
    assert "two steps" in single["mean_turning_angle"]["note"]
    assert "at least 40 steps" in single["msd_exponent"]["note"]
    loop = to_dict(nndyn.exploration(path([[0.0], [1.0], [0.0]])))["results"]
    assert loop["tortuosity"] == {
        "value": None,
        "ci": None,
        "unit": "1",
        "note": "the displacement is shorter than a mean step",
    }


def test_replicas_that_diverge_are_left_out_and_a_reference_that_does_ends_the_run():
    x = np.cumsum(np.random.default_rng(0).standard_normal((100, 3, 2)), axis=0)
    x[50:, 2] = np.nan
    recording = path(x, diverged_at=("replica", [-1, -1, 50]))
    found = nndyn.exploration(recording)
    assert np.isfinite(found["replica_path_length"].values).tolist() == [True, True, False]
    assert "replica 2 diverged" in found.attrs["warnings"]
    x[60:, 0] = np.nan
    ended = nndyn.exploration(path(x, diverged_at=("replica", [60, -1, 50])))
    assert ended.attrs["verdict"] == "diverged"
    assert ended.attrs["reason"].startswith("the reference is not finite from step 60 on; before")
    assert ended.sizes["time"] == 60
    stopped = nndyn.exploration(path(x[:60], diverged_at=("replica", [60, -1, 50])))
    assert stopped.attrs["reason"] == ended.attrs["reason"]
    at_once = nndyn.exploration(path(x, diverged_at=("replica", [1, -1, 50])))
    assert at_once.attrs["verdict"] == "diverged"
    assert to_dict(at_once)["results"]["path_length"]["value"] is None


def test_states_too_large_to_be_squared_are_cut_off():
    x = np.cumsum(np.random.default_rng(0).standard_normal((100, 3, 2)), axis=0)
    large = x * np.where(np.arange(100) < 90, 1.0, 1e200)[:, None, None]
    found = nndyn.exploration(path(large))
    assert found.attrs["verdict"] == "diverged"
    assert found.attrs["reason"].startswith("the reference is larger than 1e+70 from step 90 on; b")
    expected = nndyn.exploration(path(x[:90]))
    assert float(found["path_length"]) == float(expected["path_length"])
    at_once = nndyn.exploration(path(1e200 * x))
    assert at_once.attrs["reason"] == "the reference is larger than 1e+70 from step 0 on"
    edge = nndyn.exploration(path(1e68 * x))
    assert float(edge["participation_ratio"]) == pytest.approx(
        float(nndyn.exploration(path(x))["participation_ratio"])
    )


def test_intervals_say_where_another_perturbed_run_would_lie():
    x = np.cumsum(np.random.default_rng(0).standard_normal((100, 4, 2)), axis=0)
    found = nndyn.exploration(path(x))
    values = found["replica_path_length"].values[1:]
    half = 4.30265273 * values.std(ddof=1) * np.sqrt(1 + 1 / 3)
    expected = [values.mean() - half, values.mean() + half]
    np.testing.assert_allclose(found["path_length_ci"].values, expected, rtol=1e-6)
    assert found["path_length_ci"].attrs["interval_over"] == "perturbations"
    assert "path_length_ci" not in nndyn.exploration(path(x[:, :2]))


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (lambda r: r.drop_vars("state"), {}, DataError, "keeps no states; record with `store"),
        (
            lambda r: r.isel(time=[0]),
            {},
            DataError,
            "expected at least 2 states, the recording has 1",
        ),
        (lambda r: r.isel(replica=0), {}, DataError, "state has dimensions"),
        (lambda r: 3, {}, UsageError, "expected a recording, got 3"),
        (
            lambda r: r.assign(state=r["state"].where(r["time"] != 7)),
            {},
            DataError,
            "the reference is not finite at time 7",
        ),
        (lambda r: r, {"max_lag": 0}, UsageError, "max_lag is 0"),
        (lambda r: r, {"max_lag": 30}, UsageError, "at most 24, a quarter of the 99 steps"),
        (lambda r: r, {"confidence": 1.0}, UsageError, "confidence is 1.0"),
        (lambda r: r, {"walks": 3}, UsageError, "walks is 3"),
        (lambda r: r, {"seed": -1}, UsageError, "seed is -1"),
    ],
)
def test_what_cannot_be_explored_is_refused(change, options, error, message):
    x = np.cumsum(np.random.default_rng(0).standard_normal((100, 2)), axis=0)
    with pytest.raises(error, match=message):
        nndyn.exploration(change(path(x)), **options)


def test_a_recorded_run_has_paths_spread_and_loss_rises(tmp_path):
    system = nndyn.Training("mlp:4-8-3", "iris", lr=0.5)
    run = nndyn.record(system, tmp_path / "r.nc", steps=60, replicas=3)
    thin = nndyn.record(system, tmp_path / "s.nc", steps=60, replicas=3, store="every:5")
    whole, sparse = nndyn.exploration(run), nndyn.exploration(thin)
    steps = run["step_length"].values.sum(axis=0)
    np.testing.assert_allclose(whole["replica_path_length"].values, steps, rtol=1e-10)
    np.testing.assert_allclose(sparse["replica_path_length"].values, steps, rtol=1e-10)
    loss = run["loss"].values
    np.testing.assert_array_equal(
        whole["replica_loss_rise_fraction"].values, np.mean(np.diff(loss, axis=0) > 0, axis=0)
    )
    distance = run["distance_l2"].values[:, 1:4]
    np.testing.assert_allclose(
        whole["replica_spread"].values, np.sqrt(np.mean(distance**2, axis=1)), rtol=1e-12
    )
    control = whole["replica_displacement"].values
    assert control[4] == control[0]
