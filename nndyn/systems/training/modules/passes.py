"""Passes of any module: losses and gradients of rows of weights, one by one or by vmap.

Both take the same arguments and agree to rounding. Row after row, every row's arithmetic is that
of a plain torch loop. Batched, the rows are one call of every operation; the gradients of all rows
are one backward pass of the sum of their losses, since no row's loss depends on another row.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from nndyn.systems.training.data.several import Several, arguments, called, each
from nndyn.systems.training.modules.criterion import Criterion
from nndyn.systems.training.modules.layout import Layout, descend, place_in, split, trained
from nndyn.systems.training.modules.modes import evaluating
from nndyn.systems.training.modules.nested import filled, joined, leaves, numbers
from nndyn.systems.training.torch_state.randomness import reseed, seeded

Tensor = torch.Tensor


@dataclass(frozen=True)
class Batch:
    """Samples as a module and a criterion take them.

    Attributes
    ----------
    x : (samples, ...), or Several
    target : (samples, ...)
    labels : (samples, ...) int64 or None
        Where outputs are (samples, classes, ...); -1 where none counts.
    """

    x: Tensor | Several
    target: Tensor
    labels: Tensor | None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.x)

    def take(self, rows: Tensor | slice) -> Batch:
        """Return the samples in `rows`."""
        labels = None if self.labels is None else self.labels[rows]
        return Batch(self.x[rows], self.target[rows], labels)

    def cast(self, dtype: torch.dtype) -> Batch:
        """Return the same samples with real numbers in another precision."""

        def real(v: Tensor) -> Tensor:
            return v.to(dtype) if v.is_floating_point() else v

        return Batch(each(real, self.x), real(self.target), self.labels)


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation of G rows of weights gives.

    Attributes
    ----------
    outputs : tuple of (G, ...)
        The tensors of real numbers in the output.
    loss : (G,)
    correct : (G,) float64
        Labels that are right; 0 where there are none.
    """

    outputs: tuple[Tensor, ...]
    loss: Tensor
    correct: Tensor


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
        correct : (G,) float64
            0 where there are no labels.
        """

    def evaluate(
        self,
        weights: Tensor,
        statistics: Tensor,
        batch: Batch,
        *,
        key: int,
        parts: Sequence[slice],
    ) -> Evaluation:
        """Return what an evaluation of the samples gives; `statistics` stay."""


class RowByRow:
    """One row after the other through a copy of the module.

    Parameters
    ----------
    module : torch.nn.Module
    layout : Layout
    criterion : Criterion
    counters : sequence of (int, int)
        Initial value and increase a step of every counter.
    graph : bool, default False
        Whether evaluations differentiate, too.
    """

    def __init__(
        self,
        module: nn.Module,
        layout: Layout,
        criterion: Criterion,
        counters: Sequence[tuple[int, int]],
        *,
        graph: bool = False,
    ) -> None:
        self._module = copy.deepcopy(module)
        self._criterion = criterion
        self._graph = graph
        self._weights = [value for _, value in trained(self._module)]
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
        correct = weights.new_zeros(len(weights), dtype=torch.float64)
        with seeded(key, weights.device), torch.enable_grad():
            for r, row in enumerate(weights):
                reseed(key, weights.device)
                self._load(row, statistics[r], t)
                for i, part in enumerate(parts):
                    few = batch.take(part)
                    x = entering(few.x, self._criterion, graph=self._graph)
                    output = called(self._module, x)
                    loss = self._criterion(output, few.target, x, len(batch))
                    descend(loss, self._weights, self._layout.parameters, out[r], add=i > 0)
                    losses[r] += loss.detach()
                    if few.labels is not None:
                        correct[r] += _right(output.detach(), few.labels, 1).sum()
                for place, buffer in zip(self._layout.statistics, self._statistics, strict=True):
                    place_in(statistics[r], place).copy_(buffer.view(-1))
        return losses, correct

    def evaluate(
        self,
        weights: Tensor,
        statistics: Tensor,
        batch: Batch,
        *,
        key: int,
        parts: Sequence[slice],
    ) -> Evaluation:
        """See `Pass.evaluate`."""
        losses = weights.new_zeros(len(weights))
        correct = weights.new_zeros(len(weights), dtype=torch.float64)
        rows = []
        with (
            seeded(key, weights.device),
            torch.set_grad_enabled(self._graph),
            evaluating(self._module),
        ):
            for r, row in enumerate(weights):
                reseed(key, weights.device)
                self._load(row, statistics[r], 0)
                x = entering(batch.x, self._criterion, graph=self._graph)
                output = joined([called(self._module, x[part]) for part in parts])
                losses[r] = self._criterion(output, batch.target, x, len(batch)).detach()
                if batch.labels is not None:
                    correct[r] = _right(output.detach(), batch.labels, 1).sum()
                rows.append([leaf.detach() for leaf in numbers(output)])
        return Evaluation(tuple(map(torch.stack, zip(*rows, strict=True))), losses, correct)

    def _load(self, row: Tensor, statistics: Tensor, t: int) -> None:
        with torch.no_grad():
            for place, weight in zip(self._layout.parameters, self._weights, strict=True):
                weight.copy_(place_in(row, place).view(place.shape))
            for place, buffer in zip(self._layout.statistics, self._statistics, strict=True):
                buffer.copy_(place_in(statistics, place).view(place.shape))
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
        # weights are put in their place in every call: a copy of them would be memory for nothing
        self._module = copy.deepcopy(module, {id(value): value for _, value in trained(module)})
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
        correct = weights.new_zeros(G, dtype=torch.float64)
        rows = split(weights, self._layout.parameters)
        running = split(statistics, self._layout.statistics)
        counters = self._counters(weights.device, t)
        for row in rows.values():
            row.requires_grad_()
        with seeded(key, weights.device), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            for i, part in enumerate(parts):
                few = batch.take(part)

                def objective(
                    row: dict[str, Tensor], running: dict[str, Tensor], few: Batch = few
                ) -> tuple[Tensor, Tensor]:
                    state = (row, running, counters)
                    output = functional_call(self._module, state, *arguments(few.x))
                    loss = self._criterion(output, few.target, few.x, len(batch))
                    return loss, loss if few.labels is None else output

                # the masks of every row are those of the reference
                loss, output = vmap(objective, randomness="same")(rows, running)
                descend(loss.sum(), list(rows.values()), self._layout.parameters, out, add=i > 0)
                losses += loss.detach()[:G]
                if few.labels is not None:
                    correct += _right(output.detach()[:G], few.labels, 2).flatten(1).sum(1)
        for place in self._layout.statistics:
            place_in(statistics, place).copy_(running[place.name][:G].view(G, -1))
        return losses, correct

    def evaluate(
        self,
        weights: Tensor,
        statistics: Tensor,
        batch: Batch,
        *,
        key: int,
        parts: Sequence[slice],
    ) -> Evaluation:
        """See `Pass.evaluate`."""
        G = len(weights)
        rows = split(weights, self._layout.parameters)
        running = split(statistics, self._layout.statistics)
        counters = self._counters(weights.device, 0)
        forms: list[Any] = []

        def output(
            row: dict[str, Tensor], running: dict[str, Tensor], x: Any
        ) -> tuple[Tensor, ...]:
            found = functional_call(self._module, (row, running, counters), *arguments(x))
            forms.append(found)
            return tuple(leaves(found))

        def loss(*row: Tensor) -> Tensor:
            whole = filled(forms[0], iter(row))
            return self._criterion(whole, batch.target, batch.x, len(batch))

        batched = vmap(output, in_dims=(0, 0, None), randomness="same")
        with (
            seeded(key, weights.device),
            torch.no_grad(),
            sdpa_kernel(SDPBackend.MATH),
            evaluating(self._module),
        ):
            found = [batched(rows, running, batch.x[part]) for part in parts]
            whole = list(found[0])
            if len(found) > 1:
                whole = [torch.cat(several, 1) for several in zip(*found, strict=True)]
            whole = [leaf[:G] for leaf in whole]
            losses = vmap(loss, randomness="same")(*whole)
        correct = weights.new_zeros(G, dtype=torch.float64)
        if batch.labels is not None:
            correct += _right(whole[0], batch.labels, 2).flatten(1).sum(1)
        return Evaluation(tuple(numbers(whole)), losses.to(weights.dtype), correct)

    def _counters(self, device: torch.device, t: int) -> dict[str, Tensor]:
        return {
            name: torch.tensor(start + stride * t, device=device)
            for name, (start, stride) in self._counts.items()
        }


def entering(x: Any, criterion: Criterion, *, graph: bool) -> Any:
    """Return samples as they enter a module: where the loss differentiates by them, as a leaf."""
    if not (graph and criterion.takes_input):
        return x
    return each(lambda v: v.detach().requires_grad_() if v.is_floating_point() else v, x)


def _right(outputs: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return where the largest output, the first of equals, along `classes` is that of labels."""
    return outputs.argmax(classes) == labels
