"""Losses and gradients of many replicas of a perceptron of few weights a layer.

All layers of a row are computed by one kernel, a tile of the samples after the other, so that what
lies between the first layer and the gradient stays in the processor's caches. A row's arithmetic
is written down number by number, and does not depend on its place, on the rows beside it, on the
runs, or on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch

from nndyn.numerics.arrays import Array
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.perceptron.evaluations import Evaluations
from nndyn.systems.training.perceptron.fused import kernels, threads
from nndyn.systems.training.perceptron.inputs import Feed, Inputs
from nndyn.systems.training.perceptron.losses import Loss
from nndyn.systems.training.perceptron.network import Network
from nndyn.systems.training.torch_state.threads import allowed

Tensor = torch.Tensor


class FusedPerceptrons(Evaluations):
    """M runs of R replicas of a network, computed together; see `Engine`.

    Parameters
    ----------
    network : Network
    loss : Loss
    training : Inputs
        In float64.
    test : Inputs or None
    orders : sequence of Order
        One a run.
    replicas : int
        R.

    Notes
    -----
    Takes as many threads as torch has, each some of the rows; its share of them where other runs go
    on beside it. Memory: of the samples one copy more for each pass that reads them, evaluations
    apart from steps; the outputs of an evaluation; and in a thread about ``16 tile (sum of widths +
    widest)`` bytes, 1 to 10 MB.
    """

    reason: str | None = None

    def __init__(
        self,
        network: Network,
        loss: Loss,
        training: Inputs,
        test: Inputs | None,
        orders: Sequence[Order],
        *,
        replicas: int,
    ) -> None:
        super().__init__(loss, training, test, runs=len(orders), replicas=replicas)
        self.size = network.size
        self.whole = network.tells_loss(orders[0].batch_size)
        self.statistics = torch.zeros((self.runs * replicas, 0), dtype=torch.float64)
        self._layers = network.layers
        self._plan = kernels.plan(network.layers)
        self._tile = kernels.columns(network.layers)
        self._feed = Feed(training, orders)
        self._work = network.work
        step = 3 * orders[0].size * self._work * self.runs * replicas
        self._long = step >= threads.THREADED_WORK
        self._weights: tuple[Array, int] = np.empty(0), 0
        self._own: Tensor | None = None
        self._rooms: list[Array] = []
        self._outputs: dict[tuple[int, int], Array] = {}

    def load(self, weights: Tensor, statistics: Tensor) -> None:
        """Take the weights ``(M·R, D)``, where they lie; there are no statistics."""
        self._weights = _flat(weights)

    def gradient(
        self, t: int, *, correct: bool = False, out: Tensor | None = None
    ) -> tuple[Tensor, Array, Array | None]:
        """Return gradient, loss and correct samples of the step from time `t`."""
        batches = self._feed.at(t)
        if out is None:
            if self._own is None:
                shape = self.runs * self.replicas, self.size
                self._own = torch.zeros(shape, dtype=torch.float64)
            out = self._own
        loss, right = np.empty((2, self.runs * self.replicas))
        R = self.replicas
        for batch, runs in _alike(batches):
            panels, targets = batch.panels, batch.targets
            samples = panels.forward, panels.back, *targets.arrays, targets.count
            how = self.loss.squared, self._tile
            given: list[Any] = [*self._weights, self._plan, *samples, *how, *_flat(out)]
            step: Callable[..., None] = kernels.gradient
            kernel = partial(step, *given, loss, right)
            self._shared(kernel, runs.start * R, runs.stop * R, 3 * batch.x.shape[1])
        return out, loss, right if correct else None

    def outputs(self, piece: Inputs, replicas: int) -> tuple[Sequence[Array], Array | None]:
        """Return outputs of the first `replicas` rows of every run; see `Evaluations`."""
        key = replicas, piece.x.shape[1]
        if key not in self._outputs:
            shape = self.runs, replicas, self._layers[-1].outputs, key[1]
            self._outputs[key] = np.empty(shape)
        found, (weights, stride) = self._outputs[key], self._weights
        for m, out in enumerate(found):
            given = weights[m * self.replicas * stride :], stride, self._plan, piece.panels.forward
            self._shared(partial(kernels.outputs, *given, self._tile, out), 0, replicas, key[1])
        return list(found), found.reshape(-1, *found.shape[2:])

    def _shared(
        self, kernel: Callable[[int, int, Array], None], first: int, end: int, passes: int
    ) -> None:
        """Call a kernel for rows from `first` to `end`, of so many passes: some in each thread."""
        work = self._work * passes * (end - first)
        # steps of little work, and a test set of few samples
        few = not self._long or work < threads.THREADED_WORK / 10
        with nullcontext(1) if few else threads.share(allowed()) as count:
            parts = min(count, end - first)
            while len(self._rooms) < parts:
                self._rooms.append(kernels.room(self._layers))
            bounds = [first + (end - first) * i // parts for i in range(parts + 1)]
            threads.each(kernel, list(zip(bounds, bounds[1:], self._rooms, strict=False)))


def _flat(rows: Tensor) -> tuple[Array, int]:
    """Return rows of numbers as an array of one dimension, and how far they are apart in it."""
    (count, size), (apart, _) = rows.shape, rows.stride()
    return rows.as_strided(((count - 1) * apart + size,), (1,)).numpy(), apart


def _alike(batches: Sequence[Inputs]) -> list[tuple[Inputs, range]]:
    """Return the batches with the runs that have them: all, or one after the other."""
    if all(batch is batches[0] for batch in batches):
        return [(batches[0], range(len(batches)))]
    return [(batch, range(m, m + 1)) for m, batch in enumerate(batches)]
