"""Where a search looks next: it brackets every threshold between neighbours, in few looks."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nndyn.finder.bracketing import Lattice, following, lattice

RATES = Lattice(anchor=1.0, octave=4, low=-32, high=32)


def brackets(threshold, start, stride, rates=RATES):
    """Return what a seed that grows from k ≥ threshold is seen to do at the rates looked at."""
    grows = {}
    while (k := following(grows, start, stride, rates)) is not None:
        assert k not in grows
        assert rates.low <= k <= rates.high
        grows[k] = k >= threshold
    return grows


@given(st.integers(-40, 40), st.integers(-32, 32), st.sampled_from([1, 2, 4]))
def test_a_threshold_is_bracketed_by_neighbours_or_lies_beyond_the_bounds(threshold, start, stride):
    grows = brackets(threshold, start, stride)
    up = [k for k, grown in grows.items() if grown]
    down = [k for k, grown in grows.items() if not grown]
    if threshold <= RATES.low:
        assert min(up) == RATES.low
    elif threshold > RATES.high:
        assert max(down) == RATES.high
        assert not up
    else:
        assert (max(down), min(up)) == (threshold - 1, threshold)


@given(st.integers(-32, 32), st.integers(-6, 6))
def test_a_seed_near_the_start_takes_few_looks(start, away):
    threshold = min(max(start + away, RATES.low + 1), RATES.high)
    assert len(brackets(threshold, min(max(start, -32), 32), 1)) <= 7


def test_the_lowest_rate_at_which_a_seed_grows_counts_where_it_crosses_back():
    grows = {0: False, 4: True, 8: False}
    assert following(grows, 0, 4, RATES) == 2
    assert following({**grows, 2: True, 1: False}, 0, 4, RATES) is None


def test_jumps_double_up_to_a_factor_of_two():
    seen = [k for k in brackets(threshold=100, start=0, stride=1)]
    assert seen == [0, 1, 3, 7, 11, 15, 19, 23, 27, 31, 32]


@pytest.mark.parametrize("precision", [1.1, 1.5, 3.0])
def test_two_steps_of_the_lattice_are_narrower_than_the_precision(precision):
    rates = lattice(0.7, precision, None)
    assert rates.rate(2) / rates.rate(0) < precision
    assert rates.rate(0) == 0.7


def test_a_lattice_keeps_to_its_bounds():
    rates = lattice(1.0, 1.5, (0.3, 3.0))
    assert 0.3 <= rates.rate(rates.low) <= rates.rate(rates.high) <= 3.0
    assert rates.rate(rates.low - 1) < 0.3
    assert rates.rate(rates.high + 1) > 3.0
    assert rates.near(1e9) == rates.high
    assert math.isclose(rates.rate(rates.near(1.2)), 1.189)
