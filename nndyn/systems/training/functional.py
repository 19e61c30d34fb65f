"""Losses and gradients of rows of weights of any module: row after row, or batched by vmap.

Both take the same arguments and agree to rounding. Row after row, every row's arithmetic is that
of a plain torch loop. Batched, the rows are one call of every operation; the gradients of all rows
are one backward pass of the sum of their losses, since no row's loss depends on another row.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from nndyn.systems.protocol import Parameter
from nndyn.systems.training.criteria import Criterion
from nndyn.systems.training.layout import Layout
from nndyn.systems.training.randomness import reseed, seeded

Tensor = torch.Tensor


@dataclass(frozen=True)
class Batch:
    """Samples as a module and a criterion take them.

    Attributes
    ----------
    x : (samples, ...)
    target : (samples, ...)
    labels : (samples,) int64 or None
        Where an output has one entry a class.
    """

    x: Tensor
    target: Tensor
    labels: Tensor | None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.x)

    def take(self, rows: Tensor | slice) -> Batch:
        """Return the samples in `rows`."""
        labels = None if self.labels is None else self.labels[rows]
        return Batch(self.x[rows], self.target[rows], labels)


class Pass(Protocol):
    """Forward and backward through G rows of weights ``(G, D)`` and statistics ``(G, B)``."""

    def gradient(
        self,
        weights: Tensor,
        statistics: Tensor,
        batch: Batch,
        *,
        t: int,
        key: int,
        parts: Sequence[slice],
        out: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Write the gradients ``(G, D)`` into `out`, move `statistics` on by a step.

        `t` sets the counters of batches, `key` seeds what is random; `parts` are the samples that
        are taken at once.

        Returns
        -------
        loss : (G,)
        hits : (G,)
            0 where there are no labels.
        """

    def outputs(
        self, weights: Tensor, statistics: Tensor, x: Tensor, *, key: int, parts: Sequence[slice]
    ) -> Tensor:
        """Return the outputs ``(G, samples, ...)`` of an evaluation; `statistics` stay."""

    def losses(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the loss ``(G,)`` of such outputs."""


class RowByRow:
    """One row after the other through a copy of the module.

    Parameters
    ----------
    module : torch.nn.Module
    layout : Layout
    criterion : Criterion
    counters : sequence of (int, int)
        Initial value and increase a step of every counter.
    """

    def __init__(
        self,
        module: nn.Module,
        layout: Layout,
        criterion: Criterion,
        counters: Sequence[tuple[int, int]],
    ) -> None:
        self._module = copy.deepcopy(module)
        self._criterion = criterion
        self._weights = list(self._module.parameters())
        buffers = dict(self._module.named_buffers())
        self._statistics = [buffers[place.name] for place in layout.statistics]
        self._counters = [buffers[name] for name in layout.counters]
        self._counts = counters
        self._layout = layout

    def gradient(
        self,
        weights: Tensor,
        statistics: Tensor,
        batch: Batch,
        *,
        t: int,
        key: int,
        parts: Sequence[slice],
        out: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """See `Pass.gradient`."""
        losses = weights.new_zeros(len(weights))
        hits = weights.new_zeros(len(weights))
        with seeded(key, weights.device), torch.enable_grad():
            for r, row in enumerate(weights):
                reseed(key, weights.device)
                self._load(row, statistics[r], t)
                for i, part in enumerate(parts):
                    few = batch.take(part)
                    output = self._module(few.x)
                    loss = self._criterion(output, few.target, len(batch))
                    gradients = torch.autograd.grad(loss, self._weights, materialize_grads=True)
                    _collect(out[r], gradients, self._layout.parameters, add=i > 0)
                    losses[r] += loss.detach()
                    hits[r] += _hits(output, few)
                for place, buffer in zip(self._layout.statistics, self._statistics, strict=True):
                    _at(statistics[r], place).copy_(buffer.view(-1))
        return losses, hits

    def outputs(
        self, weights: Tensor, statistics: Tensor, x: Tensor, *, key: int, parts: Sequence[slice]
    ) -> Tensor:
        """See `Pass.outputs`."""
        rows = []
        with seeded(key, weights.device), torch.no_grad(), evaluating(self._module):
            for r, row in enumerate(weights):
                reseed(key, weights.device)
                self._load(row, statistics[r], 0)
                rows.append(torch.cat([self._module(x[part]) for part in parts]))
        return torch.stack(rows)

    def losses(self, outputs: Tensor, batch: Batch) -> Tensor:
        """See `Pass.losses`."""
        with torch.no_grad():
            return torch.stack(
                [self._criterion(output, batch.target, len(batch)) for output in outputs]
            )

    def _load(self, row: Tensor, statistics: Tensor, t: int) -> None:
        with torch.no_grad():
            for place, weight in zip(self._layout.parameters, self._weights, strict=True):
                weight.copy_(_at(row, place).view(place.shape))
            for place, buffer in zip(self._layout.statistics, self._statistics, strict=True):
                buffer.copy_(_at(statistics, place).view(place.shape))
            for counter, (start, stride) in zip(self._counters, self._counts, strict=True):
                counter.fill_(start + stride * t)


class Batched:
    """All rows in one call, by ``torch.func.functional_call`` and ``vmap``.

    Parameters
    ----------
    module : torch.nn.Module
    layout : Layout
    criterion : Criterion
    counters : sequence of (int, int)
        Initial value and increase a step of every counter.
    """

    def __init__(
        self,
        module: nn.Module,
        layout: Layout,
        criterion: Criterion,
        counters: Sequence[tuple[int, int]],
    ) -> None:
        self._module = copy.deepcopy(module)
        self._criterion = criterion
        self._counts = dict(zip(layout.counters, counters, strict=True))
        self._layout = layout

    def gradient(
        self,
        weights: Tensor,
        statistics: Tensor,
        batch: Batch,
        *,
        t: int,
        key: int,
        parts: Sequence[slice],
        out: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """See `Pass.gradient`."""
        G = len(weights)
        losses = weights.new_zeros(G)
        hits = weights.new_zeros(G)
        rows = _split(_padded(weights), self._layout.parameters)
        running = _split(_padded(statistics), self._layout.statistics)
        counters = self._counters(weights.device, t)
        for row in rows.values():
            row.requires_grad_()
        with seeded(key, weights.device), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            for i, part in enumerate(parts):
                few = batch.take(part)

                def objective(
                    row: dict[str, Tensor], running: dict[str, Tensor], few: Batch = few
                ) -> tuple[Tensor, Tensor]:
                    output = functional_call(self._module, (row, running, counters), (few.x,))
                    return self._criterion(output, few.target, len(batch)), output

                # the masks of every row are those of the reference
                loss, output = vmap(objective, randomness="same")(rows, running)
                gradients = torch.autograd.grad(
                    loss.sum(), list(rows.values()), materialize_grads=True
                )
                _collect(out, [g[:G] for g in gradients], self._layout.parameters, add=i > 0)
                losses += loss.detach()[:G]
                hits += _hits(output[:G], few)
        for place in self._layout.statistics:
            _at(statistics, place).copy_(running[place.name][:G].view(G, -1))
        return losses, hits

    def outputs(
        self, weights: Tensor, statistics: Tensor, x: Tensor, *, key: int, parts: Sequence[slice]
    ) -> Tensor:
        """See `Pass.outputs`."""
        rows = _split(_padded(weights), self._layout.parameters)
        running = _split(_padded(statistics), self._layout.statistics)
        counters = self._counters(weights.device, 0)

        def output(row: dict[str, Tensor], running: dict[str, Tensor], x: Tensor) -> Tensor:
            found: Tensor = functional_call(self._module, (row, running, counters), (x,))
            return found

        batched = vmap(output, in_dims=(0, 0, None), randomness="same")
        with (
            seeded(key, weights.device),
            torch.no_grad(),
            sdpa_kernel(SDPBackend.MATH),
            evaluating(self._module),
        ):
            found = [batched(rows, running, x[part])[: len(weights)] for part in parts]
            return torch.cat(found, 1)

    def losses(self, outputs: Tensor, batch: Batch) -> Tensor:
        """See `Pass.losses`."""
        with torch.no_grad():
            found: Tensor = vmap(lambda output: self._criterion(output, batch.target, len(batch)))(
                outputs
            )
        return found

    def _counters(self, device: torch.device, t: int) -> dict[str, Tensor]:
        return {
            name: torch.tensor(start + stride * t, device=device)
            for name, (start, stride) in self._counts.items()
        }


def hits(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the number of samples ``(G,)`` whose largest output, the first of equals, is right."""
    return (outputs.argmax(-1) == labels).sum(-1)


def _hits(output: Tensor, batch: Batch) -> Tensor | int:
    return 0 if batch.labels is None else hits(output.detach(), batch.labels)


def _at(rows: Tensor, place: Parameter) -> Tensor:
    return rows[..., place.start : place.start + place.size]


def _padded(rows: Tensor) -> Tensor:
    """Return `rows`, on a CPU with the first once more at the end.

    Elementwise kernels compute the last numbers of an array, those that fill no vector register,
    by other approximations: so they belong to a row that counts for nothing.

    Returns
    -------
    torch.Tensor
    """
    if rows.is_cuda or len(rows) == 1:
        return rows
    return torch.cat([rows, rows[:1]])


def _split(rows: Tensor, places: Sequence[Parameter]) -> dict[str, Tensor]:
    """Return the parts of `rows` by name, each in memory of its own, which autograd may fill."""
    return {
        place.name: _at(rows, place)
        .clone(memory_format=torch.contiguous_format)
        .view(len(rows), *place.shape)
        for place in places
    }


def _collect(
    out: Tensor, gradients: Sequence[Tensor], places: Sequence[Parameter], *, add: bool
) -> None:
    for place, gradient in zip(places, gradients, strict=True):
        target = _at(out, place)
        if add:
            target += gradient.reshape(target.shape)
        else:
            target.copy_(gradient.reshape(target.shape))


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put `module` in eval mode, and every part back into its own."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


@contextmanager
def plain() -> Iterator[None]:
    """Let autograd record where it is asked to, and attention compute alike in all modes."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.inference_mode(False), torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
