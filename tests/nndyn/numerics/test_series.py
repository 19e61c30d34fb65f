import numpy as np
import pytest

from nndyn.numerics import series


def test_autocorrelation_equals_the_direct_sum():
    x = np.random.default_rng(0).normal(size=50)
    c = x - x.mean()
    direct = [np.sum(c[: 50 - k] * c[k:]) / np.sum(c * c) for k in range(50)]
    np.testing.assert_allclose(series.autocorrelation(x), direct, atol=1e-12)


def test_autocorrelation_in_stretches_equals_the_direct_sum(monkeypatch):
    monkeypatch.setattr(series, "FEWEST_LAGS", 8)
    monkeypatch.setattr(series, "MOST_LAGS", 32)
    monkeypatch.setattr(series, "SAMPLES", 16)
    for n in (2, 7, 100, 333):
        x = np.cumsum(np.random.default_rng(n).normal(size=n))
        c = x - x.mean()
        direct = np.correlate(c, c, "full")[n - 1 :] / (c @ c)
        np.testing.assert_allclose(series.autocorrelation(x), direct, atol=1e-12)
        times = 2.0 * np.cumsum(direct) - 1.0
        enough = np.flatnonzero(np.arange(n) >= 5.0 * np.maximum(times, 1.0))
        time = times[enough[0] if enough.size else -1]
        assert series.autocorrelation_time(x) == pytest.approx(max(time, 1.0 / n))


def test_constant_series_has_no_correlation_and_no_nan():
    flat = series.autocorrelation(np.full(20, 0.1))
    assert flat[0] == 1.0
    assert not flat[1:].any()
    assert series.autocorrelation_time(np.full(20, 0.1)) == 1.0


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, -0.5])
def test_autocorrelation_time_of_an_autoregression_is_known(phi):
    rng = np.random.default_rng(3)
    x = rng.normal(size=200_000)
    for t in range(1, len(x)):
        x[t] += phi * x[t - 1]
    assert series.autocorrelation_time(x) == pytest.approx((1 + phi) / (1 - phi), rel=0.1)


def test_autocorrelation_time_of_an_alternation_stays_positive():
    assert 0.0 < series.autocorrelation_time(np.tile([1.0, -1.0], 50)) < 0.1


def test_batch_means_leave_out_the_start():
    np.testing.assert_array_equal(series.batch_means(np.arange(7.0), 3), [1.5, 3.5, 5.5])


def test_t_interval_equals_scipy():
    from scipy import stats

    x = np.random.default_rng(0).normal(size=12)
    mean, half = series.t_interval(x, 0.9)
    low, high = stats.t.interval(0.9, 11, loc=x.mean(), scale=stats.sem(x))
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_one_value_has_an_infinite_interval():
    assert series.t_interval(np.array([2.0])) == (2.0, np.inf)


def test_jackknife_of_a_mean_is_its_standard_error():
    x = np.random.default_rng(0).normal(size=9)
    left_out = np.array([np.delete(x, i).mean() for i in range(9)])
    assert series.jackknife_error(left_out) == pytest.approx(x.std(ddof=1) / 3)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 60, 301])
def test_running_median_equals_numpy(n):
    rng = np.random.default_rng(n)
    for x in (rng.integers(0, 9, size=n).astype(float), rng.normal(size=n), np.arange(n) * -1.0):
        direct = [np.median(x[: i + 1]) for i in range(n)]
        np.testing.assert_array_equal(series.short_running_median(x), direct)
        np.testing.assert_array_equal(series.long_running_median(x), direct)


def test_running_median_of_a_long_series_goes_on_from_that_of_a_short_one():
    x = np.random.default_rng(0).normal(size=series.SHORT)
    long, short = series.running_median(x), series.running_median(x[:-1])
    np.testing.assert_array_equal(long[:-1], short)
