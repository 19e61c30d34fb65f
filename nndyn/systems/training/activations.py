"""Activations and their derivatives, written into buffers that are there already."""

from __future__ import annotations

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
