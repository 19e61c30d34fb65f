"""Compiled kernels against plain numpy, on random and edge input."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from nndyn.systems.training.perceptron import kernels


@settings(max_examples=100, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 40)),
    padding=st.integers(0, 15),
    levels=st.sampled_from([2, 3, 1000]),
    seed=st.integers(0, 999),
)
def test_shift_and_slope_equal_numpy(shape, padding, levels, seed):
    R, C, count = shape
    rng = np.random.default_rng(seed)
    outputs = rng.integers(0, levels, (R, C, count + padding)) / 8.0  # few levels: many ties
    labels = np.zeros(count + padding, np.int64)
    labels[:count] = rng.integers(0, C, count)
    shifted = outputs - outputs.max(1, keepdims=True)
    columns = np.arange(count + padding)
    picked, correct = np.empty((R, count + padding)), np.empty(R)
    got = outputs.copy()
    kernels.shift(got, labels, picked, correct, count)
    np.testing.assert_array_equal(got, shifted)
    np.testing.assert_array_equal(picked, shifted[:, labels, columns])
    right = outputs.argmax(1) == labels
    np.testing.assert_array_equal(correct, right[:, :count].sum(1))

    total = np.empty((R, count + padding))
    got = np.exp(shifted)
    kernels.gradient(got, labels, total, count)
    np.testing.assert_allclose(total, np.exp(shifted).sum(1), rtol=1e-14)
    expected = scipy.special.softmax(outputs, axis=1)
    expected[:, labels, columns] -= 1
    np.testing.assert_allclose(got[..., :count], expected[..., :count] / count, atol=1e-15)
    assert not got[..., count:].any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_never_hidden(bad):
    outputs = np.zeros((1, 3, 16))
    outputs[0, 2, 4] = bad
    labels = np.zeros(16, np.int64)
    picked, correct, total = np.empty((1, 16)), np.empty(1), np.empty((1, 16))
    kernels.shift(outputs, labels, picked, correct, 16)
    np.exp(outputs, out=outputs)
    kernels.gradient(outputs, labels, total, 16)
    assert np.isnan(total[0, 4])
    assert np.isfinite(np.delete(total[0], 4)).all()
