"""Whether all numbers of an array are finite."""

import numpy as np
import pytest

from nndyn.numerics import finite


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 6, 7, 22])
def test_one_number_anywhere_is_found(bad, place, monkeypatch):
    monkeypatch.setattr(finite, "_AT_ONCE", 7)
    values = np.ones(23, np.float32)
    assert finite.all_finite(values)
    values[place] = bad
    assert not finite.all_finite(values)
    assert not finite.all_finite(np.stack([values, values]).T)


def test_what_overflows_only_in_sum_is_finite_and_so_is_nothing():
    assert finite.all_finite(np.full((3, 5), np.finfo(np.float64).max))
    assert finite.all_finite(np.zeros((0, 4)))
