import numpy as np
import pytest

from nndyn.numerics import lanes


def folded(x):
    """Return the sums over every eighth number, in the order of the numbers."""
    return np.add.accumulate(x.reshape(-1, 8), axis=0)[-1]


@pytest.mark.parametrize("count", [8, 16, 1024])
def test_sums_over_every_eighth_number_are_those_of_numpy_bit_for_bit(count):
    x, y = np.random.default_rng(0).normal(size=(2, count))
    total, largest, products = np.zeros(8), np.zeros(8), np.zeros(8)
    lanes.add_sizes(x, count, total, largest)
    lanes.add_products(x, y, count, products)
    np.testing.assert_array_equal(total, folded(np.abs(x)))
    np.testing.assert_array_equal(largest, np.abs(x).reshape(-1, 8).max(axis=0))
    np.testing.assert_array_equal(products, folded(x * y))


def test_sums_go_on_from_what_is_there_and_leave_further_numbers_out():
    x = np.random.default_rng(0).normal(size=32)
    total, largest, products = np.zeros(8), np.zeros(8), np.zeros(8)
    for part in (x[:8], x[8:]):
        count = min(len(part), 16)
        lanes.add_sizes(part, count, total, largest)
        lanes.add_products(part, part, count, products)
    np.testing.assert_array_equal(total, folded(np.abs(x[:24])))
    np.testing.assert_array_equal(largest, np.abs(x[:24]).reshape(-1, 8).max(axis=0))
    np.testing.assert_array_equal(products, folded(x[:24] ** 2))


def test_what_is_no_number_is_seen_in_the_sums_alone():
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 1.0, -1.0, 1e308, 5e-324])
    total, largest = np.zeros(8), np.full(8, 0.5)
    lanes.add_sizes(x, 8, total, largest)
    np.testing.assert_array_equal(total, np.abs(x))
    np.testing.assert_array_equal(largest, [0.5, np.inf, np.inf, 0.5, 1.0, 1.0, 1e308, 0.5])
    assert not np.signbit(total).any()
