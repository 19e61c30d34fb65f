"""Activations and their derivatives, written into buffers that are there already."""

from __future__ import annotations

import math

import torch

Tensor = torch.Tensor
_aten = torch.ops.aten


def keeps_input(name: str) -> bool:
    """Whether the derivative needs what the activation was applied to, not only its value."""
    return name in ("gelu", "sin")


def activate(name: str, preimage: Tensor, out: Tensor) -> None:
    """Write the activation of `preimage` to `out`, the same buffer unless `keeps_input`."""
    if name == "tanh":
        torch.tanh(preimage, out=out)
    elif name == "relu":
        torch.clamp_min(preimage, 0, out=out)
    elif name == "sigmoid":
        torch.sigmoid(preimage, out=out)
    elif name == "gelu":
        torch.ops.aten.gelu.out(preimage, out=out)
    elif name == "sin":
        torch.sin(preimage, out=out)


def derive(name: str, slope: Tensor, value: Tensor, preimage: Tensor) -> None:
    """Multiply `slope`, in place, by the derivative of the activation.

    As in torch, the derivative of relu at 0 is 0.
    """
    if name == "tanh":
        _aten.tanh_backward.grad_input(slope, value, grad_input=slope)
    elif name == "relu":
        _aten.threshold_backward.grad_input(slope, value, 0, grad_input=slope)
    elif name == "sigmoid":
        _aten.sigmoid_backward.grad_input(slope, value, grad_input=slope)
    elif name == "gelu":
        _aten.gelu_backward.grad_input(slope, preimage, grad_input=slope)
    elif name == "sin":
        slope.mul_(torch.cos(preimage))


def derivatives(name: str, value: Tensor, preimage: Tensor, first: Tensor, second: Tensor) -> None:
    """Write the first and second derivative of the activation at `preimage`.

    As in torch, both are 0 for relu at 0.
    """
    if name == "tanh":
        torch.mul(value, value, out=first).neg_().add_(1)
        torch.mul(value, first, out=second).mul_(-2)
    elif name == "relu":
        torch.sign(value, out=first)
        second.zero_()
    elif name == "sigmoid":
        torch.mul(value, value, out=first).neg_().add_(value)
        torch.mul(value, first, out=second).mul_(-2).add_(first)
    elif name == "gelu":
        torch.mul(preimage, preimage, out=first).mul_(-0.5).exp_().mul_(1 / math.sqrt(2 * math.pi))
        torch.mul(preimage, preimage, out=second).neg_().add_(2).mul_(first)
        first.mul_(preimage).add_(torch.erfc(-preimage / math.sqrt(2)), alpha=0.5)
    elif name == "sin":
        torch.cos(preimage, out=first)
        torch.neg(value, out=second)
    else:
        first.fill_(1)
        second.zero_()
