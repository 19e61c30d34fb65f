"""Layout of the numbers of a module that change in a step, within a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from nndyn.systems.protocol import Parameter

Tensor = torch.Tensor


@dataclass(frozen=True)
class Layout:
    """The numbers of a module.

    Attributes
    ----------
    parameters : tuple of Parameter
        The weights that train, in the order of ``torch.nn.utils.parameters_to_vector``; a tied one
        once.
    statistics : tuple of Parameter
        The running means and variances of its normalisations.
    counters : tuple of str
        Buffers that count the batches those have seen: functions of t, and no part of a row.
    """

    parameters: tuple[Parameter, ...]
    statistics: tuple[Parameter, ...]
    counters: tuple[str, ...]

    @property
    def size(self) -> int:
        """D, the number of weights."""
        return sum(parameter.size for parameter in self.parameters)


def layout(module: nn.Module) -> Layout:
    """Return the layout of `module`."""
    statistics: list[tuple[str, Tensor]] = []
    counters: list[str] = []
    for prefix, part in normalisations(module):
        for name, buffer in part.named_buffers(prefix, recurse=False):
            kind = name.rsplit(".", 1)[-1]
            if kind in ("running_mean", "running_var"):
                statistics.append((name, buffer))
            elif kind == "num_batches_tracked":
                counters.append(name)
    return Layout(_places(trained(module)), _places(statistics), tuple(counters))


def trained(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters that train, with their names; a tied one once."""
    return [(name, value) for name, value in module.named_parameters() if value.requires_grad]


def frozen(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the other parameters, which are constants."""
    return [(name, value) for name, value in module.named_parameters() if not value.requires_grad]


def normalisations(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Iterate over the batch and instance normalisations in `module`, with their names."""
    for name, part in module.named_modules():
        if isinstance(part, _NormBase):
            yield name, part


def vector(module: nn.Module, places: tuple[Parameter, ...]) -> Tensor:
    """Return the numbers of `module` at `places` as one row, detached."""
    found = dict(module.named_parameters()) | dict(module.named_buffers())
    parts = [found[place.name].detach().reshape(-1) for place in places]
    return torch.cat(parts) if parts else torch.empty(0)


def _places(tensors: Sequence[tuple[str, Tensor]]) -> tuple[Parameter, ...]:
    places: list[Parameter] = []
    start = 0
    for name, value in tensors:
        places.append(Parameter(name, start, tuple(value.shape)))
        start += value.numel()
    return tuple(places)
