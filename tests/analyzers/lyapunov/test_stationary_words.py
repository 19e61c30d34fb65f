"""Stationary recordings a specialist would try: the word against the truth."""

import numpy as np
import pytest

import nndyn
from analyzers.growth.doubling import longer
from analyzers.lyapunov.analyzer import lyapunov
from analyzers.spectrum.analyzer import spectrum
from tests.analyzers.synthetic import recording


def grown(level, **options):
    """Record replicas that all follow a log separation (T,), rescaled at every time."""
    level = np.asarray(level, float)[:, None] * np.ones(3)
    labels = {"stationary": True, "step_length": 1.0, "rounding": 1e-16, **options}
    return recording(np.full(level.shape, 1e-8), log_rescale=level, **labels)


@pytest.mark.parametrize("seed", range(0, 42, 2))
def test_a_neutral_walk_ends_with_a_word_and_never_in_chaos_by_shrinking(seed):
    rng = np.random.default_rng(seed)
    found = lyapunov(grown(np.r_[0.0, np.cumsum(0.5 * rng.normal(size=1000))]))
    if float(found["growth"]) < 0.0:
        assert found.attrs["verdict"] in ("regular", "unresolved")


def test_the_length_asked_for_is_finite():
    assert 2.0 <= longer(-1.0, 1.5, 1000) <= 1100.0
    assert 2.0 <= longer(0.0, 0.0, 10) <= 1100.0


@pytest.mark.parametrize("steps", [100, 233])
def test_short_dense_series_have_an_answer(tmp_path, steps):
    run = nndyn.record(
        nndyn.systems.lorenz63(), tmp_path / "r.nc", steps=steps, replicas=2, tangents="all", seed=1
    )
    for found in (lyapunov(run), spectrum(run)):
        assert found.attrs["verdict"] in ("unresolved", "regular")


@pytest.mark.parametrize("T", [60, 2000, 20_000])
def test_a_constant_slope_is_resolved_at_any_length(T):
    rng = np.random.default_rng(0)
    ds = grown(0.05 * np.arange(T + 1) * (1.0 if T > 60 else 10.0) + 1e-9 * rng.normal(size=T + 1))
    found = lyapunov(ds)
    assert found.attrs["verdict"] == "chaotic", found.attrs["reason"]


def test_shrinking_is_not_neutral():
    level = np.r_[np.linspace(0.0, -40.0, 500), -40.0 + 0.3 * np.sin(np.arange(2000.0))]
    found = lyapunov(grown(level), burn_in=10.0)
    assert found.attrs["verdict"] == "regular"
    assert "shrank by" in found.attrs["reason"] or "shrink" in found.attrs["reason"]


def test_the_number_that_fails_is_named():
    rng = np.random.default_rng(0)
    level = 0.01 * np.arange(1001.0) + 0.05 * np.cumsum(rng.normal(size=1001)) * 0.1
    found = lyapunov(grown(level))
    if found.attrs["verdict"] == "unresolved":
        assert "exceed what t² gives" in found.attrs["reason"]
    else:
        assert float(found["growth"]) > 9.0


def test_deviations_as_large_as_the_attractor_are_no_regular_orbit():
    level = np.r_[0.05 * np.arange(200.0), 10.0 + 0.3 * np.sin(3.7 * np.arange(3000.0) ** 1.01)]
    ds = recording(
        1e-8 * np.exp(level)[:, None] * np.ones(3), stationary=True, step_length=1e3, rounding=None
    )
    found = lyapunov(ds)
    assert found.attrs["verdict"] == "saturated"
    assert "`rescale=10`" in found.attrs["reason"]


def test_a_reference_that_leaves_is_not_chaotic():
    T = np.arange(301.0)
    step = np.r_[0.0, 0.1 * 1.1 ** T[:-1]]
    found = lyapunov(grown(np.log(1.1) * T, step_length=step))
    assert found.attrs["verdict"] == "unresolved"
    assert "leaves" in found.attrs["reason"]


def test_a_rise_after_a_fall_along_a_transient_is_growth():
    rng = np.random.default_rng(0)
    steps = np.r_[np.full(100, -0.1), np.full(100, 0.1)][:, None] + 0.01 * rng.normal(size=(200, 5))
    level = np.cumsum(np.r_[np.zeros((1, 5)), steps], axis=0)
    found = lyapunov(recording(1e-3 * np.exp(level), step_length=1e9, rounding=1e-30))
    assert found.attrs["verdict"] == "chaotic"
    assert "from their smallest" in found.attrs["reason"]


def test_growth_along_a_cycle_is_told_from_chance():
    rng = np.random.default_rng(0)
    steps = np.tile([1.0, 1.0, -1.7], 50)[:, None] + 0.01 * rng.normal(size=(150, 5))
    level = np.cumsum(np.r_[np.zeros((1, 5)), steps], axis=0)
    found = lyapunov(recording(1e-8 * np.exp(level), step_length=1e9, rounding=1e-30))
    assert float(found["growth_p"]) <= 0.02


def test_what_grows_as_a_power_of_time_counts_as_zero():
    rng = np.random.default_rng(0)
    t = np.arange(3001.0)
    ds = grown(np.log1p(t))
    power = np.log1p(t) + 0.05 * rng.normal(size=t.size)
    ds["tangent_log_stretch"] = (("time", "vector"), np.stack([power, -power], axis=1))
    found = spectrum(ds)
    assert found.attrs["verdict"] == "regular"
    assert int(found["positive_count"]) == 0
    assert int(found["zero_count"]) == 2
    assert float(found["positive_sum"]) == 0.0


def test_a_smaller_perturbation_is_the_cure_where_the_first_is_too_large():
    s = 0.3 * np.arange(100.0)[:, None] * np.ones(3)
    ds = recording(0.1 * np.exp(s), step_length=1.0)
    assert "perturb less (`epsilon`)" in lyapunov(ds).attrs["reason"]
    assert "rescale" not in lyapunov(ds).attrs["reason"]
