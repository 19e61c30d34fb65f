"""Layout of the numbers of a module that change in a step, within a row, and of gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

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


def place_in(rows: Tensor, place: Parameter) -> Tensor:
    """Return the numbers of a parameter in rows ``(…, D)``."""
    return rows[..., place.start : place.start + place.size]


def split(rows: Tensor, places: Sequence[Parameter]) -> dict[str, Tensor]:
    """Return the parts of `rows` by name, each in memory of its own, which autograd may fill.

    On a CPU the first row comes once more at the end. Elementwise kernels compute the last numbers
    of an array, those that fill no vector register, by other approximations: so they belong to a
    row that counts for nothing.

    Returns
    -------
    dict of str to (G, ...) or (G + 1, ...)
    """
    padded = not rows.is_cuda and len(rows) > 1
    found = {}
    for place in places:
        part = place_in(rows, place)
        whole = torch.contiguous_format
        own = torch.cat([part, part[:1]]) if padded else part.clone(memory_format=whole)
        found[place.name] = own.view(len(own), *place.shape)
    return found


def descend(
    loss: Tensor, leaves: Sequence[Tensor], places: Sequence[Parameter], out: Tensor, *, add: bool
) -> None:
    """Write the gradients of a loss into `out`, or add them, each as soon as it is there.

    So there is no time at which all of them are held beside `out`.

    Parameters
    ----------
    loss : ()
    leaves : sequence of (...) or of (G + 1, ...)
    places : sequence of Parameter
        Of the leaves.
    out : (D,) or (G, D)
    add : bool
    """
    reached = set()

    def take(leaf: Tensor, place: Parameter) -> None:
        target, gradient = place_in(out, place), leaf.grad
        leaf.grad = None
        assert gradient is not None
        dense = gradient.to_dense()
        dense = (dense if out.dim() == 1 else dense[: len(out)]).reshape(target.shape)
        if add:
            target += dense
        else:
            target.copy_(dense)
        reached.add(place.start)

    pairs = list(zip(leaves, places, strict=True))
    handles = []
    try:
        for leaf, place in pairs:
            leaf.grad = None
            hook = partial(take, place=place)
            handles.append(leaf.register_post_accumulate_grad_hook(hook))  # type: ignore[no-untyped-call]
        torch.autograd.backward(loss, inputs=list(leaves))
    finally:
        for handle in handles:
            handle.remove()
    for place in places if not add else ():
        if place.start not in reached:
            place_in(out, place).zero_()
