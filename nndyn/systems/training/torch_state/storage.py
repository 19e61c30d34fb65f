"""Storage of a module that was made without any."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

Kind = TypeVar("Kind", bound=nn.Module)


def allocated(module: Kind) -> Kind:
    """Give weights and buffers memory on the CPU, their numbers not yet drawn.

    Parameters
    ----------
    module : torch.nn.Module
        Changed in place.

    Returns
    -------
    torch.nn.Module
        As of ``module.to_empty(device="cpu")``.

    Raises
    ------
    RuntimeError
        If it does not fit into memory.
    """
    # not to_empty: what is like a tensor without storage torch finds out by importing sympy
    apply: Callable[[Callable[[torch.Tensor], torch.Tensor]], Kind] = module._apply
    return apply(lambda t: torch.empty(t.shape, dtype=t.dtype, device="cpu"))
