"""Compiled kernels of the losses against plain numpy, on random and edge input."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from nndyn.systems.training.perceptron.kernels import outputs as kernels


def entropy(outputs, labels, count, gradient=True):
    """Return loss and correct samples; `outputs` becomes the gradient."""
    loss, correct = np.empty((2, len(outputs)))
    kernels.cross_entropy(outputs, labels, count, count, gradient, loss, correct)
    return loss, correct


@settings(max_examples=100, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 40)),
    padding=st.integers(0, 15),
    levels=st.sampled_from([2, 3, 1000]),
    dtype=st.sampled_from([np.float64, np.float32]),
    seed=st.integers(0, 999),
)
def test_losses_gradients_and_hits_equal_numpy(shape, padding, levels, dtype, seed):
    R, C, count = shape
    rng = np.random.default_rng(seed)
    exact = rng.integers(0, levels, (R, C, count + padding)) / 8.0  # few levels: many ties
    outputs = exact.astype(dtype)
    labels = np.zeros(count + padding, np.int64)
    labels[:count] = rng.integers(0, C, count)
    columns = np.arange(count)
    right = (exact.argmax(1) == labels)[:, :count].sum(1)
    near = {"atol": 1e-15 if dtype == np.float64 else 1e-7}

    loss, correct = entropy(outputs, labels, count)
    np.testing.assert_array_equal(correct, right)
    log_p = scipy.special.log_softmax(exact, axis=1)[..., :count]
    np.testing.assert_allclose(loss, -log_p[:, labels[:count], columns].mean(1), rtol=1e-13)
    slope = np.exp(log_p)
    slope[:, labels[:count], columns] -= 1
    np.testing.assert_allclose(outputs[..., :count], slope / count, rtol=0, **near)
    assert not outputs[..., count:].any()
    again, _ = entropy(exact.astype(dtype), labels, count, gradient=False)
    np.testing.assert_array_equal(again, loss)

    outputs, hits = exact.astype(dtype), np.empty(R)
    kernels.hits(outputs, labels, count, hits)
    np.testing.assert_array_equal(hits, right)
    targets = rng.standard_normal((C, count + padding))
    kernels.mean_square(outputs, targets, 0, count, count, loss)
    off = (exact - targets)[..., :count]
    np.testing.assert_allclose(loss, (off**2).mean((1, 2)), rtol=1e-13)
    np.testing.assert_allclose(outputs[..., :count], 2 * off / (count * C), rtol=1e-6, **near)
    assert not outputs[..., count:].any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_never_hidden(bad):
    outputs = np.zeros((2, 3, 16))
    outputs[0, 2, 4] = bad
    loss, _ = entropy(outputs, np.zeros(16, np.int64), 16)
    assert np.isnan(loss[0])
    assert np.isnan(outputs[0, :, 4]).all()
    assert np.isfinite(np.delete(outputs[0], 4, axis=1)).all()
    np.testing.assert_allclose(loss[1], np.log(3), rtol=1e-15)


def test_what_only_pads_counts_for_nothing_whatever_it_is():
    outputs = np.random.default_rng(0).standard_normal((2, 3, 16))
    labels = np.zeros(16, np.int64)
    other = outputs.copy()
    other[..., 11:] = np.inf
    expected, correct = entropy(outputs, labels, 11)
    for found, wanted in zip(entropy(other, labels, 11), (expected, correct), strict=True):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(other, outputs)


def test_the_loss_of_an_output_that_is_sure_and_wrong_is_its_distance():
    outputs = np.array([[[1e4, 0.0], [-1e4, 0.0]]])
    loss, _ = entropy(outputs, np.array([1, 0]), 2)
    np.testing.assert_allclose(loss, [(2e4 + np.log(2)) / 2], rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_sample_gives_the_same_bits_in_every_column_and_row(dtype):
    rng = np.random.default_rng(0)
    outputs = (3 * rng.standard_normal((1, 10, 45))).astype(dtype)
    labels = rng.integers(0, 10, 45)
    gradient = outputs.copy()
    loss, correct = entropy(gradient, labels, 45)
    for shift in range(1, 45, 3):
        order = np.roll(np.arange(45), shift)
        moved = np.repeat(outputs[..., order], 3, axis=0)
        _, found = entropy(moved, labels[order], 45)
        np.testing.assert_array_equal(found, correct[[0, 0, 0]])
        np.testing.assert_array_equal(moved, gradient[..., order][[0, 0, 0]])
    many = np.repeat(outputs, 5, axis=0)
    np.testing.assert_array_equal(entropy(many, labels, 45)[0], loss[[0] * 5])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_distances_and_disagreements_of_outputs_equal_numpy(dtype):
    rng = np.random.default_rng(4)
    outputs = rng.integers(0, 4, (3, 5, 48)).astype(dtype)  # few levels: many ties
    outputs[..., 41:] = np.nan  # what only pads
    squares, differing = np.zeros((2, 3))
    for _ in range(2):
        kernels.compare(outputs, 41, True, squares, differing)
    real = outputs[..., :41].astype(float)
    np.testing.assert_array_equal(squares, 2 * ((real - real[0]) ** 2).sum((1, 2)))
    classes = real.argmax(1)
    np.testing.assert_array_equal(differing, 2 * (classes != classes[0]).sum(1))
    kernels.compare(outputs, 41, False, squares, differing)
    np.testing.assert_array_equal(differing, 2 * (classes != classes[0]).sum(1))


def test_parts_of_the_samples_add_up_to_the_mean_over_all():
    rng = np.random.default_rng(6)
    outputs, targets = rng.standard_normal((2, 3, 40)), rng.standard_normal((3, 40))
    labels = rng.integers(0, 3, 40)
    parts, shares = [outputs[..., :24].copy(), outputs[..., 24:].copy()], np.empty((2, 2))
    whole, right = entropy(outputs.copy(), labels, 37)
    found, seen = np.empty((2, 2, 2))
    for i, (part, first, count) in enumerate(zip(parts, (0, 24), (24, 13), strict=True)):
        kernels.cross_entropy(part.copy(), labels[first:], count, 37, True, found[i], seen[i])
        kernels.mean_square(part, targets, first, count, 37, shares[i])
    np.testing.assert_allclose(found.sum(0), whole, rtol=1e-14)
    np.testing.assert_array_equal(seen.sum(0), right)
    kernels.mean_square(outputs, targets, 0, 37, 37, whole)
    np.testing.assert_allclose(shares.sum(0), whole, rtol=1e-14)
    np.testing.assert_array_equal(np.concatenate(parts, 2), outputs)
