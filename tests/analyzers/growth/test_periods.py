import numpy as np
import pytest

import nndyn
from analyzers.growth.growth_rate import growth_rate
from analyzers.growth.periods import over_periods, period
from analyzers.lyapunov.analyzer import lyapunov
from analyzers.spectrum.analyzer import spectrum
from tests.analyzers.synthetic import recording


@pytest.mark.parametrize("p", [2, 3, 8, 100])
def test_period_of_a_cycle_is_found(p):
    x = np.tile(np.random.default_rng(p).normal(size=p), 40)
    assert period(x) == p


def test_a_period_that_is_no_whole_number_is_found_as_a_multiple():
    found = period(np.sin(np.arange(4000)))
    assert found / (2.0 * np.pi) == pytest.approx(round(found / (2.0 * np.pi)), abs=5e-3)
    assert period(np.sin(2.0 * np.pi * np.arange(20_000) / 628.3)) == pytest.approx(628.3, abs=0.01)


def test_means_over_periods_end_with_the_series():
    x = np.random.default_rng(0).normal(size=100)
    assert over_periods(x, 7.0) == pytest.approx(x[2:].reshape(14, 7).mean(axis=1))
    assert len(over_periods(x, 7.5)) == 13
    assert over_periods(np.ones(100), 7.3) == pytest.approx(np.ones(13))


@pytest.mark.parametrize("seed", range(5))
def test_noise_chaos_and_constants_have_no_period(seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=3000)
    for t in range(1, x.size):
        x[t] = 4.0 * x[t - 1] * (1.0 - x[t - 1]) if 0.0 < x[t - 1] < 1.0 else 0.3
    for series in (rng.normal(size=3000), x, np.full(3000, 0.3), np.arange(3000.0), x[:3]):
        assert period(series) == 0


def test_growth_on_a_cycle_has_the_interval_of_its_mean_alone():
    x = np.sin(2.0 * np.pi * np.arange(20_000) / 628.3)[:, None]
    found = growth_rate(x, 1000)
    assert found.resolved
    assert abs(found.value) + found.half_width < 1e-4


def stuart_landau(v):
    x, y = v
    r = x * x + y * y
    return [x * (0.5 - r) - 1.3 * y, y * (0.5 - r) + 1.3 * x]


def van_der_pol(v):
    x, y = v
    return [y, 2.0 * (1.0 - x * x) * y - x]


def along_stuart_landau(v):
    x, y = v
    r = x * x + y * y
    return [[0.5 - r - 2.0 * x * x, -1.3 - 2.0 * x * y], [1.3 - 2.0 * x * y, 0.5 - r - 2.0 * y * y]]


def along_van_der_pol(v):
    x, y = v
    return [[0.0, 1.0], [-4.0 * x * y - 1.0, 2.0 * (1.0 - x * x)]]


@pytest.mark.parametrize(
    ("formula", "jacobian"),
    [(stuart_landau, along_stuart_landau), (van_der_pol, along_van_der_pol)],
)
@pytest.mark.parametrize("steps", [4000, 16_000])
def test_a_limit_cycle_of_a_flow_is_neutral_and_regular(tmp_path, formula, jacobian, steps):
    flow = nndyn.Flow(formula, 2, jacobian=jacobian, initial=[1.0, 0.5])
    run = nndyn.record(flow, tmp_path / "r.nc", steps=steps, replicas=2, rescale=10, tangents="all")
    for found in (lyapunov(run), spectrum(run)):
        assert found.attrs["verdict"] == "regular", found.attrs["reason"]
        if steps > 4000:
            assert "neutral: |λ| ≤" in found.attrs["reason"]
            assert "cannot be excluded" in found.attrs["reason"]


def test_weak_chaos_over_a_short_time_is_neither_regular_nor_chaotic():
    rng = np.random.default_rng(0)
    level = 0.01 * np.arange(301.0)[:, None] + 0.01 * rng.normal(size=(301, 3))
    taken = 5e-2 * (np.arange(301) // 5)[:, None] * np.ones(3)
    ds = recording(
        1e-8 * np.exp(level - taken), log_rescale=taken, stationary=True, step_length=1.0
    )
    found = lyapunov(ds)
    assert found.attrs["verdict"] == "unresolved"
    assert "power of time" in found.attrs["reason"]
    assert "record longer, to step" in found.attrs["reason"]
