"""Activations on a GPU and their derivatives: torch's kernels, in place.

Those of `nndyn.systems.training.perceptron.activations` are for a processor's vector registers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

Tensor = torch.Tensor
_aten = torch.ops.aten


@dataclass(frozen=True)
class Activation:
    """An activation.

    Attributes
    ----------
    activate : callable
        Writes the activation of its first argument, the preactivation, to the second, the same
        buffer unless `keeps_input`.
    derive : callable
        Takes the derivative of the loss at the activation, its value and the preactivation;
        multiplies the first, in place, by the derivative of the activation.
    keeps_input : bool
        Whether the derivative needs the preactivation, not only the value.
    """

    activate: Callable[[Tensor, Tensor], object]
    derive: Callable[[Tensor, Tensor, Tensor], object]
    keeps_input: bool = False


#: Every activation, by name.
ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(
        lambda x, out: torch.tanh(x, out=out),
        lambda d, value, x: _aten.tanh_backward.grad_input(d, value, grad_input=d),
    ),
    "relu": Activation(
        lambda x, out: torch.clamp_min(x, 0, out=out),
        lambda d, value, x: _aten.threshold_backward.grad_input(d, value, 0, grad_input=d),
    ),
    "sigmoid": Activation(
        lambda x, out: torch.sigmoid(x, out=out),
        lambda d, value, x: _aten.sigmoid_backward.grad_input(d, value, grad_input=d),
    ),
    "gelu": Activation(
        lambda x, out: _aten.gelu.out(x, out=out),
        lambda d, value, x: _aten.gelu_backward.grad_input(d, x, grad_input=d),
        keeps_input=True,
    ),
    "sin": Activation(
        lambda x, out: torch.sin(x, out=out),
        lambda d, value, x: d.mul_(torch.cos(x)),
        keeps_input=True,
    ),
    "silu": Activation(
        lambda x, out: _aten.silu.out(x, out=out),
        lambda d, value, x: _aten.silu_backward.grad_input(d, x, grad_input=d),
        keeps_input=True,
    ),
    "identity": Activation(lambda x, out: None, lambda d, value, x: None),
}
