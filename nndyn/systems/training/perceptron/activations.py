"""Activations and their derivatives, one row each, written into given buffers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from nndyn.numerics.arrays import Array
from nndyn.systems.training.perceptron.kernels import (
    gelu,
    identity,
    relu,
    sigmoid,
    silu,
    sine,
    slope,
    tanh,
)


@dataclass(frozen=True)
class Activation:
    """An activation: kernels over arrays (rows, columns) without gaps.

    Attributes
    ----------
    module : type of torch.nn.Module
    forward : callable
        Takes the preactivation without its bias, the bias (rows,), and where the value goes: the
        same buffer, unless `keeps_slope`; then the derivative takes the preactivation's place.
    backward : callable or None
        Takes the derivative of the loss at the activation, the value, and the buffer that held the
        preactivation; multiplies the first, in place, by the derivative of the activation. As in
        torch, that of relu at 0 is 0. None where it is 1.
    expand : callable or None
        Takes the preactivation, which it overwrites by the value, and two buffers to which it
        writes the first and the second derivative of the activation. As in torch, both are 0 for
        relu at 0. None where they are 1 and 0.
    keeps_slope : bool
        Whether the value does not tell the derivative, so that both are kept.
    """

    module: type[nn.Module]
    forward: Callable[[Array, Array, Array], None]
    backward: Callable[[Array, Array, Array], None] | None
    expand: Callable[[Array, Array, Array], None] | None
    keeps_slope: bool = False


class Sin(nn.Module):
    """The sine as an activation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``sin(x)``."""
        return torch.sin(x)


#: Every activation, by name.
ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(nn.Tanh, tanh.forward, tanh.backward, tanh.expand),
    "relu": Activation(nn.ReLU, relu.forward, relu.backward, relu.expand),
    "sigmoid": Activation(nn.Sigmoid, sigmoid.forward, sigmoid.backward, sigmoid.expand),
    "gelu": Activation(nn.GELU, gelu.forward, slope.backward, gelu.expand, keeps_slope=True),
    "sin": Activation(Sin, sine.forward, slope.backward, sine.expand, keeps_slope=True),
    "silu": Activation(nn.SiLU, silu.forward, slope.backward, silu.expand, keeps_slope=True),
    "identity": Activation(nn.Identity, identity.forward, None, None),
}
