"""The onset of hand-made growth tables, and its interval on drawn ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers.studies.crossings import first_passage
from analyzers.studies.onset import onset, turning_rates
from tests.analyzers.made_up_studies import grown, turning

NAN, INF = np.nan, np.inf
RATES = np.array([1.0, 2.0, 4.0, 8.0])


def turned(*columns, rates=RATES, diverged=None):
    growth = np.array(columns, float).T
    return turning_rates(
        rates, growth, np.zeros(growth.shape, bool) if diverged is None else diverged
    )


@pytest.mark.parametrize(
    ("growth", "rate", "bracket"),
    [
        ([0, 1, 5, 9], 2.0 * 2**0.5, (2, 4)),  # half of the way from 1 to 5, in logs
        ([0, 3, 5, 9], 2.0, (1, 2)),  # three is enough
        ([0, 2, 4, 0], 2.0 * 2**0.5, (2, 4)),
        ([3, 9, 9, 9], -INF, (-INF, 1)),
        ([0, 1, 2, 2.9], INF, (8, INF)),
        ([0, 1, 2, NAN], INF, (4, INF)),
        ([0, NAN, NAN, 6], 2.0 * 2**0.5, (1, 8)),  # what was not sampled is skipped
        ([NAN, NAN, 4, 6], -INF, (-INF, 4)),
        ([NAN, 1, NAN, 5], 4.0, (2, 8)),
        ([0, 1, INF, INF], 2.0 * 2**0.5, (2, 4)),
        ([NAN] * 4, NAN, (NAN, NAN)),
    ],
)
def test_turning_rates_of_tables_drawn_by_hand(growth, rate, bracket):
    found = turned(growth)
    assert found.rate[0] == pytest.approx(rate, nan_ok=True)
    assert (found.lower[0], found.upper[0]) == pytest.approx(bracket, nan_ok=True)


def test_a_diverged_run_grows_without_limit():
    diverged = np.array([[False, False, True, True]]).T
    found = turned([0, 1, NAN, 0.5], diverged=diverged)
    assert found.rate[0] == pytest.approx(8**0.5)
    assert not found.back[0]


def test_crossing_back_is_seen_beyond_the_passage_alone():
    found = turned([0, 4, 1, 5], [0, 1, 4, 5], [0, 4, NAN, 5], [4, 1, 5, 5], [0, 1, 2, 2])
    assert found.back.tolist() == [True, False, False, True, False]


def test_rates_that_are_not_positive_are_interpolated_linearly():
    found = first_passage(np.array([-1.0, 0.0, 1.0]), np.array([[0.0], [1.0], [5.0]]), 3.0)
    assert found.rate[0] == 0.5


def test_the_onset_is_the_median_of_the_seeds():
    odd = onset(turned([0, 1, 5, 9], [0, 3, 5, 9], [0, 1, 1, 5]))
    assert odd.rate == pytest.approx(8**0.5)
    even = onset(turned([0, 3, 5, 9], [0, 1, 3, 9]))
    assert even.rate == pytest.approx(8**0.5)  # of 2 and 4, in logs
    assert (odd.seeds, even.seeds) == (3, 2)


def test_the_interval_is_never_narrower_than_the_grid():
    found = onset(turned(*[[0, 1, 5, 9]] * 10))
    assert (found.low, found.high) == pytest.approx((2.0, 4.0))


def test_seeds_beyond_the_grid_leave_an_open_end():
    many = onset(turned(*[[0, 1, 5, 9]] * 6, *[[0, 1, 1, 1]] * 4))
    assert (many.rate, many.above, many.high) == (pytest.approx(8**0.5), 4, INF)
    most = onset(turned(*[[0, 1, 5, 9]] * 4, *[[0, 1, 1, 1]] * 6))
    assert (most.rate, most.high) == (INF, INF)
    assert most.low == pytest.approx(8**0.5)
    early = onset(turned(*[[0, 1, 5, 9]] * 4, *[[4, 5, 6, 7]] * 6))
    assert (early.rate, early.low, early.below) == (-INF, -INF, 6)
    assert early.high == pytest.approx(8**0.5)
    both = onset(turned(*[[0, 1, 1, 1]] * 5, *[[4, 5, 6, 7]] * 5))
    assert np.isnan(both.rate)
    assert (both.low, both.high) == (-INF, INF)


def test_no_seed_gives_no_onset():
    assert np.isnan(onset(turned([NAN] * 4)).rate)


TABLES = st.integers(0, 2**32 - 1).map(
    lambda seed: (lambda rng: grown(rng, np.geomspace(0.5, 8, 8), turning(rng, 6, 0.4), noise=0.5))(
        np.random.default_rng(seed)
    )
)
GRID = np.geomspace(0.5, 8, 8)


def of(growth, rates=GRID):
    return onset(turning_rates(rates, growth, np.zeros(growth.shape, bool)), resamples=300)


@settings(max_examples=30, deadline=None)
@given(TABLES, st.permutations(range(6)))
def test_the_order_of_seeds_does_not_matter(growth, order):
    assert of(growth) == of(growth[:, list(order)])


@settings(max_examples=30, deadline=None)
@given(TABLES, st.floats(0.01, 100.0))
def test_the_onset_scales_with_the_rates(growth, factor):
    found, scaled = of(growth), of(growth, GRID * factor)
    for name in ("rate", "low", "high"):
        assert getattr(scaled, name) == pytest.approx(factor * getattr(found, name))


@settings(max_examples=30, deadline=None)
@given(TABLES, st.integers(0, 6))
def test_a_rate_that_was_not_sampled_changes_nothing(growth, after):
    between = np.sqrt(GRID[after] * GRID[after + 1])
    more = np.insert(growth, after + 1, np.full(6, np.nan), axis=0)
    assert of(more, np.insert(GRID, after + 1, between)) == of(growth)


@settings(max_examples=30, deadline=None)
@given(TABLES)
def test_a_rate_on_the_line_between_its_neighbours_moves_no_turning_rate(growth):
    between, middle = np.sqrt(GRID[3] * GRID[4]), 0.5 * (growth[3] + growth[4])
    more = turning_rates(
        np.insert(GRID, 4, between), np.insert(growth, 4, middle, axis=0), np.zeros((9, 6), bool)
    )
    plain = turning_rates(GRID, growth, np.zeros(growth.shape, bool))
    np.testing.assert_allclose(more.rate, plain.rate)


@settings(max_examples=30, deadline=None)
@given(TABLES, st.integers(0, 7), st.integers(0, 5))
def test_more_growth_never_raises_the_onset(growth, i, j):
    more = growth.copy()
    more[i, j] += 2.0
    assert of(more).rate <= of(growth).rate


def test_the_interval_is_the_same_when_drawn_again():
    growth = grown(np.random.default_rng(3), GRID, turning(np.random.default_rng(4), 10, 0.3))
    assert of(growth) == of(growth)


@pytest.mark.parametrize("spread", [0.1, 0.2, 0.4])
def test_intervals_of_the_onset_cover_it(spread):
    rng, rates = np.random.default_rng(11), np.geomspace(0.5, 8, 12)
    covered = 0
    for _ in range(300):
        growth = grown(rng, rates, turning(rng, 10, spread))
        found = onset(turning_rates(rates, growth, np.zeros(growth.shape, bool)))
        covered += found.low <= 2.0 <= found.high
    step = np.log(rates[1] / rates[0])
    assert 0.91 <= covered / 300 <= (0.99 if spread > 0.5 * step else 1.0)


@pytest.mark.parametrize("seeds", [5, 20])
def test_intervals_cover_with_few_and_many_seeds_on_a_fine_grid(seeds):
    rng, rates = np.random.default_rng(12), np.geomspace(0.5, 8, 40)
    covered = 0
    for _ in range(300):
        growth = grown(rng, rates, turning(rng, seeds, 0.2))
        found = onset(turning_rates(rates, growth, np.zeros(growth.shape, bool)))
        covered += found.low <= 2.0 <= found.high
    assert 0.91 <= covered / 300 <= 0.99


def test_intervals_cover_where_each_seed_is_bisected_for_itself():
    rng, covered = np.random.default_rng(13), 0
    for _ in range(300):
        turns, sampled = turning(rng, 10, 0.2), {}
        for j, at in enumerate(turns):
            low, high = 0.5, 8.0
            for rate in (low, high):
                sampled[rate, j] = 3.0 * (rate / at) ** 3
            while high / low > 1.3:
                rate = np.sqrt(low * high) * np.exp(0.01 * rng.normal())
                sampled[rate, j] = min(3.0 * (rate / at) ** 3, 15.0) + 0.2 * rng.normal()
                low, high = (low, rate) if sampled[rate, j] >= 3.0 else (rate, high)
        rates = np.array(sorted({rate for rate, _ in sampled}))
        growth = np.full((rates.size, 10), np.nan)
        for (rate, j), value in sampled.items():
            growth[np.searchsorted(rates, rate), j] = value
        found = onset(turning_rates(rates, growth, np.zeros(growth.shape, bool)), resamples=500)
        covered += found.low <= 2.0 <= found.high
    assert 0.91 <= covered / 300 <= 0.99
