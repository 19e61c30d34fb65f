"""Nested outputs of a module: tuples, lists, dicts and dataclasses of tensors."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

Tensor = torch.Tensor


def leaves(output: Any) -> list[Tensor]:
    """Return the tensors in an output, in order."""
    if isinstance(output, Tensor):
        return [output]
    return [leaf for part in _parts(output) for leaf in leaves(part)]


def numbers(output: Any) -> list[Tensor]:
    """Return the tensors of real numbers in an output, in order; complex ones as pairs of them."""
    real = [torch.view_as_real(leaf) if leaf.is_complex() else leaf for leaf in leaves(output)]
    return [leaf for leaf in real if leaf.is_floating_point()]


def filled(output: Any, values: Iterator[Tensor]) -> Any:
    """Return an output of the same form with its tensors replaced, in order, by `values`."""
    if isinstance(output, Tensor):
        return next(values)
    if isinstance(output, Mapping):
        made: Any = copy.copy(output)
        for key, value in output.items():
            made[key] = filled(value, values)
        return made
    if dataclasses.is_dataclass(output) and not isinstance(output, type):
        made = copy.copy(output)
        for field in dataclasses.fields(output):
            # past __setattr__, which a frozen dataclass refuses
            object.__setattr__(made, field.name, filled(getattr(output, field.name), values))
        return made
    if isinstance(output, (tuple, list)):
        parts = [filled(part, values) for part in output]
        # a named tuple takes its fields one by one
        return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
    return output


def joined(outputs: Sequence[Any]) -> Any:
    """Return outputs of parts of the samples as one, their tensors joined along the samples."""
    if len(outputs) == 1:
        return outputs[0]
    return filled(outputs[0], map(torch.cat, zip(*map(leaves, outputs), strict=True)))


def _parts(output: Any) -> Sequence[Any]:
    if isinstance(output, Mapping):
        return list(output.values())
    if dataclasses.is_dataclass(output) and not isinstance(output, type):
        return [getattr(output, field.name) for field in dataclasses.fields(output)]
    return output if isinstance(output, (tuple, list)) else ()
