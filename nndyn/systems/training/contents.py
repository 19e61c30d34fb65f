"""What a module holds, to tell whether a forward pass changes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

Tensor = torch.Tensor


def contents(module: nn.Module, moving: set[str]) -> dict[str, Any]:
    """Return by name everything in `module` but the buffers `moving`, in a form that compares.

    Parameters
    ----------
    module : torch.nn.Module
    moving : set of str

    Returns
    -------
    dict
        Of every parameter, buffer and attribute: tensors, arrays, numbers, strings and containers
        by what they hold, other objects by which object they are, functions not at all.
    """
    own = ("_parameters", "_buffers", "_modules", "training")
    found: dict[str, Any] = {}
    for prefix, part in module.named_modules():
        for name, value in _state(part, own):
            path = f"{prefix}.{name}" if prefix else name
            if path not in moving:
                found[path] = _comparable(value)
    return found


def _state(part: nn.Module, own: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    yield from part._parameters.items()
    yield from part._buffers.items()
    for name, value in vars(part).items():
        if name not in own:
            yield name, value


def _comparable(value: Any, depth: int = 0) -> Any:
    """Return a copy of `value` that equals later ones of the same content."""
    if isinstance(value, Tensor):
        return value.dtype, tuple(value.shape), value.detach().cpu().numpy().tobytes()
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, (bool, int, float, complex, str, bytes, type(None))):
        return repr(value)
    if depth < 5 and isinstance(value, dict):
        return [(repr(k), _comparable(v, depth + 1)) for k, v in value.items()]
    if depth < 5 and isinstance(value, (list, tuple)):
        return [_comparable(v, depth + 1) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    return "function" if callable(value) else id(value)
