"""Samples as a perceptron takes them on a GPU, and the batch of every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nndyn.systems.training.data.order import Order
from nndyn.systems.training.data.samples import Samples
from nndyn.systems.training.perceptron.device.sizes import padded

Tensor = torch.Tensor

#: Features, with a 1 for the bias, are padded with zeros to a multiple of this.
FEATURES = 4


@dataclass(frozen=True)
class Laid:
    """Samples of all runs, or of each.

    Attributes
    ----------
    count : int
        Samples; the rows behind them are zeros that only pad.
    x : (rows, K) or (M, rows, K)
        A sample a row, behind its features a 1 where the first layer has a bias, then zeros.
    labels : (1 or M, rows) int64 or None
    values : (1 or M, rows, outputs)
        Real-valued targets; one-hot rows where there are labels.
    """

    count: int
    x: Tensor
    labels: Tensor | None
    values: Tensor

    def turned(self) -> Laid:
        """Return a copy with the samples in reversed order."""

        def flipped(values: Tensor, rows: int) -> Tensor:
            found = torch.zeros_like(values)
            found.narrow(rows, 0, self.count).copy_(values.narrow(rows, 0, self.count).flip(rows))
            return found

        labels = None if self.labels is None else flipped(self.labels, 1)
        return Laid(self.count, flipped(self.x, self.x.dim() - 2), labels, flipped(self.values, 1))

    def part(self, start: int, size: int) -> Laid:
        """Return a tile: a view of `size` rows at most."""
        rows = slice(start, start + size)
        return Laid(
            min(size, self.count - start),
            self.x[..., rows, :],
            None if self.labels is None else self.labels[:, rows],
            self.values[:, rows],
        )

    def parts(self, size: int) -> list[Laid]:
        """Return tiles of `size` rows, of which the last may be shorter."""
        return [self.part(start, size) for start in range(0, self.count, size)]


def laid(
    samples: Samples, *, outputs: int, bias: bool, dtype: torch.dtype, device: torch.device
) -> Laid:
    """Return samples in rows on a device.

    Parameters
    ----------
    samples : Samples
        x (N, features); y (N,) int64 or (N, outputs).
    outputs : int
        Width of the network's output.
    bias : bool
        Whether a 1 stands behind the features, for the bias of the first layer.
    dtype : torch.dtype
    device : torch.device

    Returns
    -------
    Laid
    """
    count, features = samples.x.shape
    empty = _empty((), count, features + bias, outputs, samples.labelled, dtype, device)
    empty.x[:count, :features] = torch.from_numpy(np.ascontiguousarray(samples.x)).to(device)
    if bias:
        empty.x[:count, features] = 1.0
    y = torch.from_numpy(np.ascontiguousarray(samples.y)).to(device)
    if empty.labels is None:
        empty.values[0, :count] = y
    else:
        empty.labels[0, :count] = y
        empty.values[0, :count] = torch.nn.functional.one_hot(y, outputs).to(dtype)
    return empty


def _empty(
    runs: tuple[int, ...],
    count: int,
    features: int,
    outputs: int,
    labelled: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> Laid:
    rows, several = padded(count), runs or (1,)
    return Laid(
        count,
        torch.zeros((*runs, rows, padded(features, FEATURES)), dtype=dtype, device=device),
        torch.zeros((*several, rows), dtype=torch.int64, device=device) if labelled else None,
        torch.zeros((*several, rows, outputs), dtype=dtype, device=device),
    )


class Feed:
    """The samples of every step of M runs.

    Parameters
    ----------
    whole : Laid
        The training set, reversed where a step of full batch takes it so.
    orders : sequence of Order
        One a run.

    Notes
    -----
    Beside the training set a batch a run, for each number of samples that steps have. A batch stays
    where it is in memory.
    """

    def __init__(self, whole: Laid, orders: Sequence[Order]) -> None:
        self._whole = whole
        self._orders = orders
        self._batches: dict[int, Laid] = {}

    def at(self, t: int) -> Laid:
        """Return the samples of the step from time `t`; the next call overwrites them."""
        whole = self._whole
        if self._orders[0].batch_size is None:
            return whole
        rows = np.stack([order.rows(t) for order in self._orders])
        runs, count = rows.shape
        batch = self._batches.get(count)
        if batch is None:
            K, outputs = whole.x.shape[-1], whole.values.shape[-1]
            labelled, like = whole.labels is not None, whole.x
            batch = _empty((runs,), count, K, outputs, labelled, like.dtype, like.device)
            self._batches[count] = batch
        chosen = torch.from_numpy(rows).to(whole.x.device)
        batch.x[:, :count] = whole.x[chosen]
        batch.values[:, :count] = whole.values[0, chosen]
        if batch.labels is not None and whole.labels is not None:
            batch.labels[:, :count] = whole.labels[0, chosen]
        return batch
