"""Activations and their derivatives, one row each, written into given buffers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

Tensor = torch.Tensor
_aten = torch.ops.aten


@dataclass(frozen=True)
class Activation:
    """An activation.

    Attributes
    ----------
    module : type of torch.nn.Module
    activate : callable
        Writes the activation of its first argument, the preactivation, to the second, the same
        buffer unless `keeps_input`.
    derive : callable
        Takes the derivative of the loss at the activation, its value and the preactivation;
        multiplies the first, in place, by the derivative of the activation. As in torch, that of
        relu at 0 is 0.
    derivatives : callable
        Takes value and preactivation, and two buffers to which it writes the first and the second
        derivative of the activation. As in torch, both are 0 for relu at 0.
    keeps_input : bool
        Whether the derivatives need the preactivation, not only the value.
    """

    module: type[nn.Module]
    activate: Callable[[Tensor, Tensor], object]
    derive: Callable[[Tensor, Tensor, Tensor], object]
    derivatives: Callable[[Tensor, Tensor, Tensor, Tensor], object]
    keeps_input: bool = False


class Sin(nn.Module):
    """The sine as an activation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``sin(x)``."""
        return torch.sin(x)


def _of_tanh(value: Tensor, x: Tensor, first: Tensor, second: Tensor) -> None:
    torch.mul(value, value, out=first).neg_().add_(1)
    torch.mul(value, first, out=second).mul_(-2)


def _of_relu(value: Tensor, x: Tensor, first: Tensor, second: Tensor) -> None:
    torch.sign(value, out=first)
    second.zero_()


def _of_sigmoid(value: Tensor, x: Tensor, first: Tensor, second: Tensor) -> None:
    torch.mul(value, value, out=first).neg_().add_(value)
    torch.mul(value, first, out=second).mul_(-2).add_(first)


def _of_gelu(value: Tensor, x: Tensor, first: Tensor, second: Tensor) -> None:
    torch.mul(x, x, out=first).mul_(-0.5).exp_().mul_(1 / math.sqrt(2 * math.pi))
    torch.mul(x, x, out=second).neg_().add_(2).mul_(first)
    first.mul_(x).add_(torch.erfc(-x / math.sqrt(2)), alpha=0.5)


def _of_sin(value: Tensor, x: Tensor, first: Tensor, second: Tensor) -> None:
    torch.cos(x, out=first)
    torch.neg(value, out=second)


def _of_silu(value: Tensor, x: Tensor, first: Tensor, second: Tensor) -> None:
    torch.sigmoid(x, out=first)
    rest = 1 - first
    torch.mul(first, -2, out=second).add_(1).mul_(x).add_(2).mul_(first).mul_(rest)
    first.mul_(rest.mul_(x).add_(1))


def _of_identity(value: Tensor, x: Tensor, first: Tensor, second: Tensor) -> None:
    first.fill_(1)
    second.zero_()


#: Every activation, by name.
ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(
        nn.Tanh,
        lambda x, out: torch.tanh(x, out=out),
        lambda d, value, x: _aten.tanh_backward.grad_input(d, value, grad_input=d),
        _of_tanh,
    ),
    "relu": Activation(
        nn.ReLU,
        lambda x, out: torch.clamp_min(x, 0, out=out),
        lambda d, value, x: _aten.threshold_backward.grad_input(d, value, 0, grad_input=d),
        _of_relu,
    ),
    "sigmoid": Activation(
        nn.Sigmoid,
        lambda x, out: torch.sigmoid(x, out=out),
        lambda d, value, x: _aten.sigmoid_backward.grad_input(d, value, grad_input=d),
        _of_sigmoid,
    ),
    "gelu": Activation(
        nn.GELU,
        lambda x, out: _aten.gelu.out(x, out=out),
        lambda d, value, x: _aten.gelu_backward.grad_input(d, x, grad_input=d),
        _of_gelu,
        keeps_input=True,
    ),
    "sin": Activation(
        Sin,
        lambda x, out: torch.sin(x, out=out),
        lambda d, value, x: d.mul_(torch.cos(x)),
        _of_sin,
        keeps_input=True,
    ),
    "silu": Activation(
        nn.SiLU,
        lambda x, out: _aten.silu.out(x, out=out),
        lambda d, value, x: _aten.silu_backward.grad_input(d, x, grad_input=d),
        _of_silu,
        keeps_input=True,
    ),
    "identity": Activation(
        nn.Identity, lambda x, out: None, lambda d, value, x: None, _of_identity
    ),
}
