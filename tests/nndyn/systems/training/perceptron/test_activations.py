"""Kernels of activations against torch, and their bits in every place."""

import threading

import numpy as np
import pytest
import torch

from nndyn.systems.training.perceptron.activations import ACTIVATIONS

DTYPES = {"float64": 1e-14, "float32": 3e-7}
#: All but the identity, whose kernel adds alone.
BENT = [name for name, one in ACTIVATIONS.items() if one.expand is not None]


def values(dtype, count=400):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-3, 3, count), 10.0 ** rng.uniform(-12, 2, count)])
    x *= np.where(rng.random(x.size) < 0.5, -1, 1)
    return x.astype(dtype)[None]


def forward(name, x, bias=0.0):
    """Return value and derivative of a row of numbers, as training has them."""
    one = ACTIVATIONS[name]
    x = x.copy()
    value = np.empty_like(x) if one.keeps_slope else x
    one.forward(x, np.full(len(x), bias, x.dtype), value)
    slope = np.ones_like(x)
    if one.backward is not None:
        one.backward(slope, value, x)
    return value, slope


def expanded(name, x):
    x = x.copy()
    first, second = np.empty_like(x), np.empty_like(x)
    ACTIVATIONS[name].expand(x, first, second)
    return x, first, second


def by_torch(name, x):
    """Return value and two derivatives in float64."""
    x = torch.from_numpy(x.astype(np.float64)).requires_grad_()
    value = ACTIVATIONS[name].module()(x)
    (first,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    if not first.requires_grad:
        return value.detach().numpy(), first.numpy(), np.zeros(x.shape)
    (second,) = torch.autograd.grad(first.sum(), x)
    return value.detach().numpy(), first.detach().numpy(), second.numpy()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_and_derivatives_are_those_of_torch(name, dtype):
    x, near = values(dtype), {"rtol": 2e-13, "atol": DTYPES[dtype]}
    if dtype == "float32":
        near["rtol"] = 2e-7
    value, first, second = by_torch(name, x)
    found, slope = forward(name, x)
    np.testing.assert_allclose(found, value, **near)
    np.testing.assert_allclose(slope, first, **near)
    np.testing.assert_allclose(forward(name, x - 1, 1.0)[0], found, rtol=1e-6, atol=1e-6)
    if name in BENT:
        for one, expected in zip(expanded(name, x), (value, first, second), strict=True):
            np.testing.assert_allclose(one, expected, **near)


def test_the_derivative_of_relu_at_zero_is_zero():
    x = np.array([[0.0, -0.0, 5e-324, -5e-324]])
    np.testing.assert_array_equal(forward("relu", x)[1], [[0, 0, 1, 0]])
    np.testing.assert_array_equal(expanded("relu", x)[1], [[0, 0, 1, 0]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_infinite_has_its_limits_and_what_is_no_number_stays_none(dtype):
    largest = np.finfo(dtype).max
    x = np.array([[np.inf, largest, -largest, -np.inf, np.nan]], dtype)
    inf, nan, big = np.inf, np.nan, float(largest)
    limits = {
        "tanh": ([1, 1, -1, -1], [0, 0, 0, 0]),
        "sigmoid": ([1, 1, 0, 0], [0, 0, 0, 0]),
        "relu": ([inf, big, 0, 0], [1, 1, 0, 0]),
        "gelu": ([inf, big, 0, 0], [1, 1, 0, 0]),
        "silu": ([inf, big, 0, 0], [1, 1, 0, 0]),
        "identity": ([inf, big, -big, -inf], [1, 1, 1, 1]),
    }
    for name, (value, slope) in limits.items():
        found = forward(name, x)
        np.testing.assert_array_equal(found[0], [[*value, nan]], err_msg=name)
        np.testing.assert_array_equal(found[1][:, :-1], [slope], err_msg=name)
        if name in BENT:
            for one, expected in zip(expanded(name, x), (value, slope, [0] * 4), strict=True):
                np.testing.assert_array_equal(one[:, :-1], [expected], err_msg=name)
    for array in (*forward("sin", x), *expanded("sin", x)):
        assert np.isnan(array[0, [0, 3, 4]]).all()
        assert np.isfinite(array[0, 1:3]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_number_gives_the_same_bits_in_every_place(name, dtype):
    x = values(dtype, 45)[:, :90]
    x[0, 60] = 2.0**21  # a sine that is computed otherwise
    delta = values(dtype, 45)[:, ::-1][:, :90].copy()
    whole = [*forward(name, x, 0.25), *(expanded(name, x) if name in BENT else ())]
    one = ACTIVATIONS[name]
    backward = delta.copy()
    kept = x.copy(), np.empty_like(x)
    value = kept[1] if one.keeps_slope else kept[0]
    one.forward(kept[0], np.zeros(1, dtype), value)
    if one.backward is not None:
        one.backward(backward, value, kept[0])
    for offset in range(17):
        for length in range(1, 71):
            part = slice(offset, offset + length)
            room = np.empty((6, offset + length), dtype)[:, offset:]
            there = [row[None] for row in room]  # begins anywhere within a line of the cache
            there[0][:] = x[:, part]
            moved = there[1] if one.keeps_slope else there[0]
            one.forward(there[0], np.full(1, 0.25, dtype), moved)
            np.testing.assert_array_equal(moved, whole[0][:, part])
            if one.backward is not None:
                there[2][:] = 1
                one.backward(there[2], moved, there[0])
                np.testing.assert_array_equal(there[2], whole[1][:, part])
                there[3][:] = delta[:, part]
                one.backward(there[3], value[:, part], kept[0][:, part])
                np.testing.assert_array_equal(there[3], backward[:, part])
            if name in BENT:
                there[3][:] = x[:, part]
                one.expand(*there[3:])
                for array, expected in zip(there[3:], whole[2:], strict=True):
                    np.testing.assert_array_equal(array, expected[:, part])


def test_two_threads_that_share_an_array_give_the_bits_of_one():
    x = np.random.default_rng(0).standard_normal((64, 1001))
    for name in BENT:
        one = ACTIVATIONS[name]
        whole, _ = forward(name, x)
        out, value = x.copy(), np.empty_like(x)
        value = value if one.keeps_slope else out
        parts = [slice(0, 23), slice(23, 64)]
        threads = [
            threading.Thread(target=one.forward, args=(out[part], np.zeros(64), value[part]))
            for part in parts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        np.testing.assert_array_equal(value, whole, err_msg=name)
