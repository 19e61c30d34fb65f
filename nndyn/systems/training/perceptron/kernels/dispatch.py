"""Activations by number, for kernels that meet several of them."""

from __future__ import annotations

import numba

from nndyn.numerics.arrays import Array
from nndyn.systems.training.perceptron.kernels import gelu, relu, sigmoid, silu, sine, slope, tanh

#: The activations as kernels know them; a kernel's branch a number.
KINDS = {"identity": 0, "tanh": 1, "relu": 2, "sigmoid": 3, "gelu": 4, "sin": 5, "silu": 6}
#: Those whose value does not tell the derivative: `Activation.keeps_slope`.
KEEP = (4, 5, 6)


@numba.njit(cache=True, nogil=True)
def forward(kind: int, x: Array, bias: Array, value: Array) -> None:
    """Compute values; see `Activation.forward`. The identity adds no bias."""
    if kind == 1:
        tanh.forward(x, bias, value)
    elif kind == 2:
        relu.forward(x, bias, value)
    elif kind == 3:
        sigmoid.forward(x, bias, value)
    elif kind == 4:
        gelu.forward(x, bias, value)
    elif kind == 5:
        sine.forward(x, bias, value)
    elif kind == 6:
        silu.forward(x, bias, value)


@numba.njit(cache=True, nogil=True)
def backward(kind: int, delta: Array, value: Array, kept: Array) -> None:
    """Multiply by the derivative; see `Activation.backward`."""
    if kind == 1:
        tanh.backward(delta, value, kept)
    elif kind == 2:
        relu.backward(delta, value, kept)
    elif kind == 3:
        sigmoid.backward(delta, value, kept)
    elif kind in KEEP:
        slope.backward(delta, value, kept)
