"""Fingerprints of a user's modules and losses.

Two uses: to tell whether a forward pass changes its module, and to tell, in another process,
whether a recording is continued by the same network and loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from nndyn.systems.fingerprint import DEPTH, Comparer, content_bytes, digest

Tensor = torch.Tensor

#: What torch keeps in every module, by names and numbers of its own.
_BOOKKEEPING = frozenset(vars(nn.Module()))


def contents(module: nn.Module, moving: set[str]) -> dict[str, Any]:
    """Return by name everything in `module` but the buffers `moving`, in a form that compares.

    Parameters
    ----------
    module : torch.nn.Module
    moving : set of str

    Returns
    -------
    dict
        Of every parameter, buffer and attribute.
    """
    found: dict[str, Any] = {}
    for prefix, part in module.named_modules():
        for name, value in _state(part):
            path = f"{prefix}.{name}" if prefix else name
            if path not in moving:
                found[path] = _COMPARER.comparable(value)
    return found


def attributes_digest(module: nn.Module, moving: set[str]) -> str:
    """Return a digest of what `module` holds but its parameters and the buffers `moving`.

    Parameters
    ----------
    module : torch.nn.Module
    moving : set of str

    Returns
    -------
    str
    """
    apart = moving | {name for name, _ in module.named_parameters(remove_duplicate=False)}
    return digest(contents(module, apart))


def code_digest(module: nn.Module) -> str:
    """Return a digest of the classes of the parts of `module`, with the code that is not torch's.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    str
    """
    return digest(
        [(prefix, _COMPARER.of_class(type(part))) for prefix, part in module.named_modules()]
    )


def function_digest(function: Callable[..., Any]) -> str:
    """Return a digest of what a callable computes: its code and all that it holds.

    Parameters
    ----------
    function : callable

    Returns
    -------
    str
    """
    if isinstance(function, nn.Module):
        return digest((code_digest(function), contents(function, set())))
    return content_digest(function)


def content_digest(value: Any) -> str:
    """Return a digest of any value: its numbers, and the code of what is no library's."""
    return digest(_COMPARER.comparable(value))


def _state(part: nn.Module) -> Iterator[tuple[str, Any]]:
    yield from part._parameters.items()
    yield from part._buffers.items()
    for name, value in vars(part).items():
        if name in {"_parameters", "_buffers", "_modules", "training"}:
            continue
        # the keys of hooks count up over a process
        kept = name in _BOOKKEEPING and isinstance(value, dict)
        yield name, list(value.values()) if kept else value


class _Comparer(Comparer):
    """Knows tensors and modules as well."""

    def special(self, value: Any, depth: int) -> Any:
        """Return the form of a tensor, a module, or a name of torch's."""
        if isinstance(value, Tensor):
            numbers = content_bytes(value.detach().cpu().numpy())
            return str(value.dtype), tuple(value.shape), numbers
        if isinstance(value, (torch.dtype, torch.device)):
            return f"{type(value).__module__}.{type(value).__qualname__}"
        if depth < DEPTH and isinstance(value, nn.Module):
            return code_digest(value), self.comparable(contents(value, set()), depth + 1)
        return None

    def is_local(self, value: Any, module: str) -> bool:
        """Count tensors as well."""
        return isinstance(value, Tensor) or super().is_local(value, module)


_COMPARER = _Comparer()
