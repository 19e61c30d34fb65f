import numpy as np
import pytest

from nndyn import numerics


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("size", "width"), [(1, 1), (7, 7), (8, 8), (29, 29), (16, 40)])
def test_distances_and_gram_equal_numpy(size, width, dtype):
    rows = np.random.default_rng(0).normal(size=(4, width)).astype(dtype)
    l1, linf, gram = np.empty((2, 4)), np.empty((2, 4)), np.empty((2, 4, 4))
    numerics.separate(rows, size, 1, l1, linf, gram)
    l1, linf, gram = l1[1], linf[1], gram[1]
    delta = (rows.astype(np.float64) - rows[0])[:, :size]
    np.testing.assert_allclose(l1, np.abs(delta).sum(axis=1), rtol=1e-14)
    np.testing.assert_array_equal(linf, np.abs(delta).max(axis=1))
    np.testing.assert_allclose(gram, delta @ delta.T, atol=1e-13)


def test_distances_do_not_depend_on_place_or_on_other_rows():
    row, other = np.random.default_rng(0).normal(size=(2, 67))
    for offset in range(8):
        room = np.zeros(6 * 67 + 16)
        first = -room.ctypes.data % 64 // 8 + offset
        rows = room[first : first + 6 * 67].reshape(6, 67)
        rows[1:] = other
        rows[0] = row
        l1, linf, gram = np.empty((1, 6)), np.empty((1, 6)), np.empty((1, 6, 6))
        numerics.separate(rows, 67, 0, l1, linf, gram)
        alone = np.empty((1, 2)), np.empty((1, 2)), np.empty((1, 2, 2))
        numerics.separate(np.stack([row, other]), 67, 0, *alone)
        assert (l1[0, 1:] == alone[0][0, 1]).all()
        assert (linf[0, 1:] == alone[1][0, 1]).all()
        assert (gram[0, 1:, 1:] == alone[2][0, 1, 1]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_have_no_distance(bad):
    rows = np.zeros((3, 2))
    rows[1, 0] = bad
    l1, linf, gram = np.empty((1, 3)), np.empty((1, 3)), np.empty((1, 3, 3))
    numerics.separate(rows, 2, 0, l1, linf, gram)
    l1, linf, gram = l1[0], linf[0], gram[0]
    assert np.isnan(l1[1])
    assert np.isnan(linf[1])
    assert not np.isfinite(gram[1, 1])
    assert l1[2] == linf[2] == gram[2, 2] == 0.0


def test_autocorrelation_equals_the_direct_sum():
    x = np.random.default_rng(0).normal(size=50)
    c = x - x.mean()
    direct = [np.sum(c[: 50 - k] * c[k:]) / np.sum(c * c) for k in range(50)]
    np.testing.assert_allclose(numerics.autocorrelation(x), direct, atol=1e-12)


def test_autocorrelation_in_stretches_equals_the_direct_sum(monkeypatch):
    monkeypatch.setattr(numerics, "FEWEST_LAGS", 8)
    monkeypatch.setattr(numerics, "MOST_LAGS", 32)
    monkeypatch.setattr(numerics, "SAMPLES", 16)
    for n in (2, 7, 100, 333):
        x = np.cumsum(np.random.default_rng(n).normal(size=n))
        c = x - x.mean()
        direct = np.correlate(c, c, "full")[n - 1 :] / (c @ c)
        np.testing.assert_allclose(numerics.autocorrelation(x), direct, atol=1e-12)
        times = 2.0 * np.cumsum(direct) - 1.0
        enough = np.flatnonzero(np.arange(n) >= 5.0 * np.maximum(times, 1.0))
        time = times[enough[0] if enough.size else -1]
        assert numerics.autocorrelation_time(x) == pytest.approx(max(time, 1.0 / n))


def test_constant_series_has_no_correlation_and_no_nan():
    flat = numerics.autocorrelation(np.full(20, 0.1))
    assert flat[0] == 1.0
    assert not flat[1:].any()
    assert numerics.autocorrelation_time(np.full(20, 0.1)) == 1.0


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, -0.5])
def test_autocorrelation_time_of_an_autoregression_is_known(phi):
    rng = np.random.default_rng(3)
    x = rng.normal(size=200_000)
    for t in range(1, len(x)):
        x[t] += phi * x[t - 1]
    assert numerics.autocorrelation_time(x) == pytest.approx((1 + phi) / (1 - phi), rel=0.1)


def test_autocorrelation_time_of_an_alternation_stays_positive():
    assert 0.0 < numerics.autocorrelation_time(np.tile([1.0, -1.0], 50)) < 0.1


def test_batch_means_leave_out_the_start():
    np.testing.assert_array_equal(numerics.batch_means(np.arange(7.0), 3), [1.5, 3.5, 5.5])


def test_t_interval_equals_scipy():
    from scipy import stats

    x = np.random.default_rng(0).normal(size=12)
    mean, half = numerics.t_interval(x, 0.9)
    low, high = stats.t.interval(0.9, 11, loc=x.mean(), scale=stats.sem(x))
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_one_value_has_an_infinite_interval():
    assert numerics.t_interval(np.array([2.0])) == (2.0, np.inf)


def test_jackknife_of_a_mean_is_its_standard_error():
    x = np.random.default_rng(0).normal(size=9)
    left_out = np.array([np.delete(x, i).mean() for i in range(9)])
    assert numerics.jackknife_error(left_out) == pytest.approx(x.std(ddof=1) / 3)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 60, 301])
def test_running_median_equals_numpy(n):
    rng = np.random.default_rng(n)
    for x in (rng.integers(0, 9, size=n).astype(float), rng.normal(size=n), np.arange(n) * -1.0):
        direct = [np.median(x[: i + 1]) for i in range(n)]
        np.testing.assert_array_equal(numerics.short_running_median(x), direct)
        np.testing.assert_array_equal(numerics.long_running_median(x), direct)


def test_running_median_of_a_long_series_goes_on_from_that_of_a_short_one():
    x = np.random.default_rng(0).normal(size=numerics.SHORT)
    long, short = numerics.running_median(x), numerics.running_median(x[:-1])
    np.testing.assert_array_equal(long[:-1], short)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 1024, 3001])
def test_lengths_of_steps_equal_numpy(size, dtype):
    before, new = np.random.default_rng(0).normal(size=(2, size)).astype(dtype)
    after = np.empty(size, dtype)
    square = numerics.moved(new, before, after)
    np.testing.assert_array_equal(after, new)
    step = new.astype(np.float64) - before
    np.testing.assert_allclose(square, (step**2).sum(), rtol=1e-13)
    if size:
        new[-1] = np.inf
        assert not np.isfinite(numerics.moved(new, before, after))


@pytest.mark.parametrize("size", [1023, 1024, 5000])
def test_distances_of_many_components_equal_numpy(size):
    rows = np.random.default_rng(0).normal(size=(5, size))
    rows[4] = rows[0]
    l1, linf, gram = np.empty((1, 5)), np.empty((1, 5)), np.empty((1, 5, 5))
    for bad in (None, np.nan, np.inf):
        if bad is not None:
            rows[2, size // 2] = bad
        numerics.separate(rows, size, 0, l1, linf, gram)
        good = [0, 1, 3, 4] if bad is not None else [0, 1, 2, 3, 4]
        delta = (rows - rows[0])[good]
        np.testing.assert_allclose(l1[0][good], np.abs(delta).sum(axis=1), rtol=1e-13)
        np.testing.assert_array_equal(linf[0][good], np.abs(delta).max(axis=1))
        np.testing.assert_allclose(gram[0][np.ix_(good, good)], delta @ delta.T, atol=1e-11)
        if bad is not None:
            assert np.isnan([l1[0, 2], linf[0, 2]]).all()
            assert not np.isfinite(gram[0, 2, 2])
