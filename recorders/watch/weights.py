"""The weights of a user's model: each once, as one row of numbers, wherever they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from nndyn.errors import DataError, UsageError
from nndyn.systems.protocol import Parameter

Tensor = torch.Tensor

#: Numbers summed in their own precision, so few that they lose no more than a rounding or two.
_PART = 4096
#: Numbers looked at at once on the host.
_PIECE = 2**16


class Weights:
    """Parameters that require gradients, each once, in the order of ``named_parameters``.

    Parameters
    ----------
    model : torch.nn.Module

    Attributes
    ----------
    parameters : list of Parameter
        Complex ones as pairs of real numbers.
    size : int
        D, all of their numbers.
    dtype : numpy.dtype
        float64 if any of them is as wide, else float32, which holds narrower ones exactly.

    Raises
    ------
    UsageError
        If it is no module, or has no such parameters, or one that has no values.
    """

    def __init__(self, model: Any) -> None:
        if not isinstance(model, nn.Module):
            raise UsageError(f"model is {type(model).__name__}, expected a torch.nn.Module")
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        if not named:
            raise UsageError(
                f"model, a {type(model).__name__}, has no parameter that requires gradients: there "
                "is nothing that trains"
            )
        for name, p in named.items():
            if isinstance(p, nn.parameter.UninitializedParameter) or p.is_meta:
                raise UsageError(f"{name} has no values yet; run the model once before")
            if p.layout != torch.strided:
                raise UsageError(f"{name} is {p.layout}, expected a dense parameter")
        self._held: list[Tensor] = list(named.values())
        self._identities = {id(p) for p in self._held}
        self.parameters: list[Parameter] = []
        self.size = 0
        for name, p in named.items():
            self.parameters.append(Parameter(name, self.size, tuple(_real(p).shape)))
            self.size += self.parameters[-1].size
        wide = any(p.dtype in (torch.float64, torch.complex128) for p in self._held)
        self.dtype = np.dtype("float64" if wide else "float32")
        self._type = torch.float64 if wide else torch.float32
        self._there: Tensor | None = None

    def trained_by(self, optimizer: torch.optim.Optimizer) -> bool:
        """Whether an optimizer holds any of them."""
        return any(id(p) in self._identities for g in optimizer.param_groups for p in g["params"])

    def forget(self) -> None:
        """Let go of all tensors."""
        self._held, self._identities, self._there = [], set(), None

    def kept(self, room: Tensor | None) -> Tensor:
        """Return a copy ``(D,)`` where the weights are, in `room` if that is there."""
        if room is None or room.device != self._device:
            room = torch.empty(self.size, dtype=self._type, device=self._device)
        self._copy(room)
        return room

    def read(self, row: np.ndarray[Any, Any]) -> Tensor:
        """Copy the weights into a row ``(D,)`` on the host.

        Returns
        -------
        torch.Tensor, (D,)
            The same on the device on which they are; good until the next call.

        Raises
        ------
        DataError
            If one has another shape than at the start.
        """
        host = torch.from_numpy(row)
        if self._device.type == "cpu":
            self._copy(host)
            return host
        self._there = self.kept(self._there)
        host.copy_(self._there)
        return self._there

    def write(self, row: np.ndarray[Any, Any]) -> None:
        """Set the weights to a row ``(D,)``, which may round them."""
        whole = torch.from_numpy(row)
        for part, held in zip(self.parameters, self._held, strict=True):
            values = whole[part.start : part.start + part.size].view(part.shape)
            _real(held).copy_(values)

    @property
    def coarsest(self) -> tuple[str, float]:
        """The narrowest dtype of any of them, and its rounding over that of a row."""
        dtype = max((p.dtype for p in self._held), key=lambda d: torch.finfo(d).eps)
        ratio = torch.finfo(dtype).eps / np.finfo(self.dtype).eps
        return str(dtype).removeprefix("torch."), float(ratio)

    @property
    def _device(self) -> torch.device:
        """The device of all of them; the host where they are on several."""
        first = self._held[0].device
        return first if all(p.device == first for p in self._held) else torch.device("cpu")

    def _copy(self, flat: Tensor) -> None:
        views, sources = [], [_real(p) for p in self._held]
        for part, source in zip(self.parameters, sources, strict=True):
            if source.shape != part.shape:
                raise DataError(
                    f"{part.name} has the shape {tuple(source.shape)} now, {part.shape} when the "
                    "recording began"
                )
            views.append(flat[part.start : part.start + part.size].view(part.shape))
        torch._foreach_copy_(views, sources)


def length(row: Tensor) -> float:
    """Return the l2 length of a row: of short parts in its own precision, of these in float64."""
    return distance(row, None)


def distance(here: Tensor, other: Tensor | None) -> float:
    """Return the l2 distance of two rows on one device, None being 0; see `length`.

    Returns
    -------
    float

    Notes
    -----
    On the host a piece at a time, which stays in the cache of a core; memory for one.
    """
    size = here.numel()
    most = min(size, _PIECE if here.device.type == "cpu" else size)
    room = torch.empty_like(here[:most])
    found = []
    for start in range(0, size, most):
        piece = here[start : start + most]
        if other is not None:
            piece = torch.sub(piece, other[start : start + most], out=room[: piece.numel()])
        whole = piece.numel() // _PART * _PART
        found.append(torch.linalg.vector_norm(piece[:whole].view(-1, _PART), dim=1))
        found.append(torch.linalg.vector_norm(piece[whole:])[None])
    return float(torch.linalg.vector_norm(torch.cat(found), dtype=torch.float64))


def optimizers(given: Any, weights: Weights) -> list[torch.optim.Optimizer]:
    """Return the optimizers that a user gave, one or several, those inside wrappers.

    Returns
    -------
    list of torch.optim.Optimizer

    Raises
    ------
    UsageError
        If one is none, or holds none of the weights.
    """
    several = isinstance(given, Sequence) and not isinstance(given, str)
    listed = list(given) if several else [given]
    if not listed:
        raise UsageError("optimizer is an empty list, expected one that trains the model")
    found = []
    for i, one in enumerate(listed):
        called = f"optimizer[{i}]" if several else "optimizer"
        inner = getattr(one, "optimizer", None)
        if "_optimizer_step_post_hooks" not in getattr(one, "__dict__", {}) and inner is not None:
            one = inner  # a wrapper, as of accelerate: hooks are of what does the step
        if not isinstance(one, torch.optim.Optimizer):
            raise UsageError(f"{called} is {type(one).__name__}, expected a torch.optim.Optimizer")
        if not weights.trained_by(one):
            raise UsageError(
                f"{called}, {type(one).__name__}, holds none of the model's parameters that "
                "require gradients; give the one that trains it, made after any that replaces them"
            )
        found.append(one)
    return found


def _real(tensor: Tensor) -> Tensor:
    """Return a tensor as real numbers, on the same memory."""
    tensor = tensor.detach()
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor
