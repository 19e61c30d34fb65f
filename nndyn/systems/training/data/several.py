"""Several arrays, a row a sample each, that a model takes together: by name, or in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

Tensor = torch.Tensor


class Several:
    """Arrays or tensors of as many rows each; rows are taken of all.

    Parameters
    ----------
    parts : mapping or sequence of (N, ...)
        By the names of arguments of a model, or in their order.
    """

    def __init__(self, parts: Mapping[str, Any] | Sequence[Any]) -> None:
        named = isinstance(parts, Mapping)
        self.names = tuple(map(str, parts)) if named else None
        self.parts = tuple(parts.values()) if isinstance(parts, Mapping) else tuple(parts)

    @property
    def given(self) -> dict[str, Any] | tuple[Any, ...]:
        """As who wrote a model or a loss knows them: a dict, or a tuple."""
        return self.parts if self.names is None else dict(self.items())

    def items(self) -> list[tuple[str, Any]]:
        """Return the parts with their names, or with what messages call them."""
        names = self.names or tuple(f"x{i + 1}" for i in range(len(self.parts)))
        return list(zip(names, self.parts, strict=True))

    def map(self, function: Callable[[Any], Any]) -> Several:
        """Return what a function makes of every part."""
        return Several(
            dict((n, function(v)) for n, v in self.items())
            if self.names
            else [function(v) for v in self.parts]
        )

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.parts[0])

    def __getitem__(self, rows: Any) -> Several:
        """Return some samples."""
        return self.map(lambda part: part[rows])

    @property
    def device(self) -> torch.device:
        """Of the tensors."""
        found: torch.device = self.parts[0].device
        return found


def each(function: Callable[[Any], Any], x: Any) -> Any:
    """Return what a function makes of an array, or of every one of several."""
    return x.map(function) if isinstance(x, Several) else function(x)


def plain(x: Any) -> Any:
    """Return samples as a user's function takes them."""
    return x.given if isinstance(x, Several) else x


def arguments(x: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments, and those by name, with which a model is called."""
    if not isinstance(x, Several):
        return (x,), {}
    return (x.parts, {}) if x.names is None else ((), dict(x.items()))


def called(module: nn.Module, x: Any) -> Any:
    """Return what a module makes of samples."""
    placed, named = arguments(x)
    return module(*placed, **named)


def told(x: Any) -> str:
    """Return shapes and types, for messages."""
    if isinstance(x, Several):
        return ", ".join(f"{name} {told(part)}" for name, part in x.items())
    return f"{tuple(x.shape)} {str(x.dtype).removeprefix('torch.')}"


def equal(a: Any, b: Any) -> bool:
    """Whether samples are equal, bit for bit."""
    if isinstance(a, Several):
        return all(map(torch.equal, a.parts, b.parts))
    return torch.equal(a, b)
