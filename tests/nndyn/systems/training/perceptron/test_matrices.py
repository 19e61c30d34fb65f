"""Products of layers of few weights against numpy, and their bits against their places."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nndyn.systems.training.perceptron.kernels import matrices

#: Outputs, inputs and columns: every height of a tile, and more than one piece of the columns.
SHAPES = st.tuples(st.integers(1, 11), st.integers(1, 9), st.sampled_from([8, 40, 520]))


def drawn(H, K, columns, R, seed, *, before=3, behind=2):
    """Return rows of weights, values below and deltas of a layer that is not the first."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((R, before + H * (K + 1) + behind))
    return rows, rng.standard_normal((R, K, columns)), rng.standard_normal((R, H, columns))


def computed(rows, below, delta, *, first=0, at=3, biased=True):
    """Return outputs, gradient at the values below, and rows with the gradient of the weights."""
    out, lower, found = np.empty_like(delta), np.empty_like(below), np.full_like(rows, np.nan)
    matrices.forward(rows, first, at, biased, below, out)
    matrices.backward(rows, first, at, delta, lower)
    matrices.gradient(delta, below, found, first, at, biased)
    return out, lower, found


@settings(max_examples=60, deadline=None)
@given(shape=SHAPES, biased=st.booleans(), seed=st.integers(0, 999))
def test_products_equal_those_of_numpy(shape, biased, seed):
    H, K, _ = shape
    rows, below, delta = drawn(*shape, 2, seed)
    weights, bias = rows[:, 3 : 3 + H * K].reshape(2, H, K), rows[:, 3 + H * K : 3 + H * (K + 1)]

    out, lower, found = computed(rows, below, delta, biased=biased)
    near = {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(out, weights @ below + (bias[..., None] if biased else 0), **near)
    np.testing.assert_allclose(lower, weights.swapaxes(1, 2) @ delta, **near)
    gradient = np.concatenate([(delta @ below.swapaxes(1, 2)).reshape(2, -1), delta.sum(2)], 1)
    end = 3 + (H * (K + 1) if biased else H * K)
    np.testing.assert_allclose(found[:, 3:end], gradient[:, : end - 3], **near)
    assert np.isnan(found[:, :3]).all()  # nothing is written beside it
    assert np.isnan(found[:, end:]).all()


@pytest.mark.parametrize("H", [1, 3, 5, 8])
def test_a_replica_gives_the_same_bits_beside_others_and_in_every_row(H):
    rows, below, delta = drawn(H, 6, 24, 3, seed=1)
    together = computed(rows, below, delta)
    for r in range(3):
        one = slice(r, r + 1)
        alone = computed(rows[one].copy(), below[one].copy(), delta[one].copy())
        for found, whole in zip(alone, together, strict=True):
            np.testing.assert_array_equal(found, whole[one])
        wide = np.zeros((5, 2 * rows.shape[1]))  # a phase, with a buffer behind the weights
        wide[4, : rows.shape[1]] = rows[r]
        inside = wide[:, : rows.shape[1]]
        out, lower, found = computed(inside, below[one].copy(), delta[one].copy(), first=4)
        np.testing.assert_array_equal(out, together[0][one])
        np.testing.assert_array_equal(lower, together[1][one])
        np.testing.assert_array_equal(found[4:], together[2][one])


def test_a_column_gives_the_same_bits_wherever_it_is():
    rows, below, delta = drawn(7, 6, 40, 1, seed=2)
    out, lower, _ = computed(rows, below, delta)
    order = np.random.default_rng(0).permutation(40)
    turned = computed(rows, below[..., order].copy(), delta[..., order].copy())
    np.testing.assert_array_equal(turned[0], out[..., order])
    np.testing.assert_array_equal(turned[1], lower[..., order])


def test_sums_are_chains_in_the_order_that_is_written_down():
    """One that needs no more digits than there are, but for one fused product."""
    tiny = 2.0**-30
    rows = np.array([[1.0 + tiny, 1.0, -1.0]])  # two weights and a bias
    below = np.stack([np.full(8, 1.0 + tiny), np.full(8, -2.0 * tiny)])[None]
    out = np.empty((1, 1, 8))
    matrices.forward(rows, 0, 0, True, below, out)
    assert (out == tiny**2).all()  # (1 + 2 tiny + tiny²) - 1 - 2 tiny, where two roundings give 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_replica(bad):
    rows, below, delta = drawn(4, 3, 16, 2, seed=3)
    clean = computed(rows, below, delta)
    rows[0, 3], delta[0, 0, 0] = bad, bad
    for found, before in zip(computed(rows, below, delta), clean, strict=True):
        np.testing.assert_array_equal(found[1], before[1])
        assert not np.isfinite(found[0]).all()
