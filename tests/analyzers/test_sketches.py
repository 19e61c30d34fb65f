"""Analyzers on sketches, against the same on the states that these are of."""

import numpy as np
import pytest
import xarray as xr

import nndyn
from analyzers.common.sketches import FOLDS, trajectories
from analyzers.spectrum.from_replicas import SKETCHED
from nndyn.errors import DataError, UsageError
from nndyn.numerics.sketch import Sketch

K = 1024


def sketched(recording, seed=0, size=K):
    """Return a recording with sketches for its states."""
    states = recording["state"].values
    sketch = Sketch(states.shape[2], size, seed)
    found = np.stack([sketch.of(rows) for rows in states])
    found[:, :1] -= sketch.of(states[0, :1])
    out = recording.drop_vars("state")
    out["sketch"] = (("time", "replica", "bucket"), found)
    if "parameter_size" not in out:
        out["parameter_size"] = ("parameter", np.array([states.shape[2]]))
    return out


def walk(where, seed, times=121, width=2410):
    """Return a random walk in some of many weights."""
    x = np.zeros((times, 1, width))
    steps = np.random.default_rng(seed).normal(size=(times - 1, x[0, 0, where].size))
    x[1:, 0, where] = np.cumsum(steps, axis=0)
    ds = xr.Dataset({"state": (("time", "replica", "component"), x)}, {"time": np.arange(times)})
    return nndyn.validate(ds)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    training = {"lr": 3.0, "seed": 1}
    options = {"steps": 100, "replicas": 2}
    return [
        nndyn.record(
            nndyn.Training("mlp:64-32-10", "digits", **training),
            folder / f"{store}.nc",
            store=store,
            **options,
        )
        for store in ("full", f"sketch:{K}")
    ]


def holds(result, name, other):
    """Whether the interval of a number from sketches holds that from states."""
    low, high = result[f"{name}_ci"].values
    return bool(low <= float(other[name]) <= high)


def test_on_digits_growth_is_equal_and_the_rest_within_its_errors(digits):
    full, kept = digits
    for name in ("lyapunov_max", "growth"):
        assert float(nndyn.lyapunov(kept)[name]) == float(nndyn.lyapunov(full)[name])
    one, other = nndyn.exploration(full, walks=40), nndyn.exploration(kept, walks=40)
    assert float(one["path_length"]) == pytest.approx(float(other["path_length"]), rel=1e-12)
    names = ["displacement", "tortuosity", "mean_turning_angle", "radius_of_gyration"]
    for name in (*names, "participation_ratio"):
        assert holds(other, name, one), name
        assert float(other[name]) == pytest.approx(float(one[name]), rel=0.1)
        assert "sketch" in other[f"{name}_ci"].attrs["interval_over"]
    radius = float(one["radius_of_gyration"])
    one, other = (nndyn.recurrence(ds, radius=radius) for ds in digits)
    for name in ("recurrence_rate", "determinism", "laminarity"):
        assert holds(other, name, one), name
        assert f"{name}_ci" not in one
    assert "radius_ci" not in other
    assert "radius_ci" in nndyn.recurrence(kept)


def test_the_spectrum_of_replicas_takes_the_deviations(digits):
    full = digits[0]
    one, other = (nndyn.spectrum(ds) for ds in digits)
    np.testing.assert_allclose(other["exponents"], one["exponents"], atol=0.01)
    few = sketched(full.load(), size=64).isel(replica=[0, 1, 2, 1, 2, 1, 2])
    few["role"][1:] = 1
    found = nndyn.spectrum(few)["exponents"]
    assert f"of {64 // SKETCHED} deviations" in found.attrs["note"]


def test_the_participation_ratio_is_corrected_and_null_where_it_is_too_large():
    run = walk(slice(None), 0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 1, 4000)) / np.sqrt(1 + rng.permutation(4000))
    noise = nndyn.validate(
        xr.Dataset({"state": (("time", "replica", "component"), x)}, {"time": np.arange(400)})
    )
    P = float(nndyn.exploration(noise, walks=40)["participation_ratio"])
    found = [
        float(nndyn.exploration(sketched(noise, seed, 256), walks=40)["participation_ratio"])
        for seed in range(8)
    ]
    added = P - 1 / (1 / P + 1 / 256)  # of what is not corrected, 15 %
    assert np.mean(found) == pytest.approx(P, abs=added / 3)
    small = nndyn.exploration(sketched(noise, size=64), walks=40)
    assert np.isnan(small["participation_ratio"])
    assert "quarter" in small["participation_ratio"].attrs["note"]
    assert float(nndyn.exploration(sketched(run), walks=40)["participation_ratio"]) < 4


def test_replicas_are_where_their_deviations_put_them(digits):
    full, kept = digits
    ways = trajectories(kept)
    expected = kept["sketch"].values + kept["sketch"].values[:, :1] * (np.arange(4) > 0)[:, None]
    np.testing.assert_array_equal(ways.values, expected)
    for key in ((3, 1), (slice(2, 9), 0), (slice(None), 2, [4, 8]), (5, slice(1, 3), 7)):
        np.testing.assert_array_equal(ways[key].values, expected[key])
    folds = np.stack([trajectories(kept, fold).values for fold in range(FOLDS)])
    np.testing.assert_allclose((folds**2).sum(axis=(0, 3)) / FOLDS, (expected**2).sum(axis=2))
    states = full["state"].values
    lengths = np.linalg.norm(states[1:] - states[0, 0], axis=2)
    np.testing.assert_allclose(np.linalg.norm(expected[1:], axis=2), lengths, rtol=0.15)


def test_what_sketches_do_not_tell_is_refused(digits):
    full, kept = digits
    for norm in ("l1", "max"):
        with pytest.raises(UsageError, match="l2 distances alone"):
            nndyn.recurrence(kept, norm=norm)
    with pytest.raises(UsageError, match="no components"):
        nndyn.recurrence(kept, component=0)
    with pytest.raises(DataError, match="joint"):
        nndyn.recurrence(kept, kind="cross", other=full)
    assert nndyn.recurrence(kept, kind="cross", other=1).attrs["verdict"] == "recurrent"
    assert nndyn.recurrence(kept, kind="joint", other=full).attrs["verdict"] == "recurrent"


#: Numbers whose intervals hold in 90 of 100 sketches.
EXPLORED = ("participation_ratio", "msd_exponent", "radius_of_gyration")
RECURRENT = ("recurrence_rate", "determinism")


def held(recordings, names):
    """Return in how many of some sketches the interval of each number holds that of the states."""
    hits = dict.fromkeys(names, 0)
    for seed, full in enumerate(recordings):
        states = nndyn.exploration(full, walks=40)
        few = sketched(full, seed)
        radius = float(states["radius_of_gyration"])
        pairs = [(nndyn.exploration(few, walks=40), states)]
        pairs.append(tuple(nndyn.recurrence(ds, radius=radius) for ds in (few, full)))
        for found, known in pairs:
            for name in hits.keys() & set(known.data_vars):
                hits[name] += f"{name}_ci" in found and holds(found, name, known)
    return hits


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "names"),
    [
        (slice(None), RECURRENT[:1]),  # errors near the radius break the lines of a walk
        (slice(640, 704), RECURRENT),
        (slice(5, 2048, 64), RECURRENT),
    ],
    ids=["all", "into a unit", "out of a unit"],
)
def test_intervals_hold_on_walks_of_all_weights_and_of_one_units(where, names):
    hits = held((walk(where, seed) for seed in range(100)), (*EXPLORED, *names))
    assert min(hits.values()) >= 90, hits


@pytest.mark.slow
def test_intervals_hold_on_digits_over_100_seeds(tmp_path):
    def runs():
        for seed in range(100):
            training = nndyn.Training("mlp:64-32-10", "digits", lr=3.0, seed=seed)
            options = {"steps": 100, "replicas": 1, "overwrite": True}
            yield nndyn.record(training, tmp_path / "run.nc", **options).load()

    names = ("participation_ratio", "radius_of_gyration", *RECURRENT)
    hits = held(runs(), names)
    assert min(hits.values()) >= 90, hits
