"""Which samples step t sees, a pure function of (seed, t), and their layout for a perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nndyn.errors import DataError, UsageError, is_whole
from nndyn.systems.training.data.samples import Samples
from nndyn.systems.training.models.spec import Network
from nndyn.systems.training.perceptron.losses import Targets
from nndyn.systems.training.perceptron.operands import operand, padded_columns

Tensor = torch.Tensor


def size(batch_size: Any, count: int) -> int | None:
    """Check the samples of a step.

    Parameters
    ----------
    batch_size : Any
        As given; None for all.
    count : int
        Samples there are.

    Returns
    -------
    int or None

    Raises
    ------
    UsageError
        If it is not a whole number from 1 to `count`.
    """
    if batch_size is None:
        return None
    if not is_whole(batch_size) or not 1 <= batch_size <= count:
        raise UsageError(
            f"batch_size is {batch_size!r}; give an integer from 1 to {count}, the number of "
            "training samples"
        )
    return int(batch_size)


@dataclass
class Inputs:
    """Samples in rows as the first layer takes them.

    Attributes
    ----------
    x : (columns, features + 1)
        A sample a row, a 1 behind its features where the first layer has a bias; zero rows behind
        the samples up to `padded_columns`.
    targets : Targets
    """

    x: Tensor
    targets: Targets


def check_width(features: int, what: str, network: Network) -> None:
    """Refuse samples of another number of features than a perceptron takes.

    Raises
    ------
    UsageError
        If the numbers differ; `what` names the samples.
    """
    if features != network.inputs:
        raise UsageError(f"{what}: x has {features} features and the model takes {network.inputs}")


def rows(samples: Samples, what: str, network: Network, loss: str) -> Samples:
    """Return `samples` as rows of features, checked against a perceptron and its loss.

    Parameters
    ----------
    samples : Samples
    what : str
        What messages call them.
    network : Network
    loss : str

    Returns
    -------
    Samples
        x (N, features) float64; y (N,) int64 or (N, outputs) float64.

    Raises
    ------
    UsageError
        If widths differ, a label is not below the number of outputs, or the loss needs class
        labels and there are none.
    DataError
        If a label is negative.
    """
    flat, outputs = samples.flat, network.outputs
    check_width(flat.shape[1], what, network)
    x = flat.astype(np.float64, copy=False)
    labels = samples.y
    if loss == "cross-entropy" and labels.shape[1:] == (1,):
        labels = labels[:, 0]  # one label a sample, either way
    if not samples.labelled or labels.ndim > 1:
        if loss == "cross-entropy":
            raise UsageError(
                f"{what}: cross-entropy needs integer class labels (samples,), y has dtype "
                f"{samples.y.dtype} and shape {samples.y.shape}; pass integers or use `loss='mse'`"
            )
        y = samples.y.reshape(len(samples), -1).astype(np.float64, copy=False)
        if y.shape[1] != outputs:
            raise UsageError(
                f"{what}: y has {y.shape[1]} columns and the model has {outputs} outputs"
            )
        return Samples(x, y)
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0:
        row = int(np.argmin(labels))
        raise DataError(f"{what}: label in row {row} is {lowest}; labels count from 0")
    if highest >= outputs:
        row = int(np.flatnonzero(labels == highest)[0])
        raise UsageError(
            f"{what}: label in row {row} is {highest} and the model has {outputs} outputs; "
            f"labels must be 0 to {outputs - 1}"
            + ("" if loss == "cross-entropy" else " (real-valued targets must be floats)")
        )
    return Samples(x, labels)


def inputs(samples: Samples, *, outputs: int, bias: bool, dtype: torch.dtype) -> Inputs:
    """Return `samples` as the network takes them.

    Parameters
    ----------
    samples : Samples
    outputs : int
        Width of the network's output.
    bias : bool
        Whether a 1 stands behind the features, for the bias of the first layer.
    dtype : torch.dtype

    Returns
    -------
    Inputs
    """
    count, features = samples.x.shape
    empty = _empty(count, features + bias, outputs, samples.labelled, dtype)
    empty.x[:count, :features] = torch.from_numpy(np.ascontiguousarray(samples.x))
    if bias:
        empty.x[:count, -1] = 1.0
    y = torch.from_numpy(np.ascontiguousarray(samples.y))
    if empty.targets.labels is None:
        empty.targets.values[0, :, :count] = y.t()
    else:
        empty.targets.labels[:count] = y
        empty.targets.values[0, y, torch.arange(count)] = 1.0
    return empty


def _empty(count: int, features: int, outputs: int, labelled: bool, dtype: torch.dtype) -> Inputs:
    columns = padded_columns(count, dtype)
    labels = torch.zeros(columns, dtype=torch.int64) if labelled else None
    values = torch.zeros((1, outputs, columns), dtype=dtype)
    x = operand(columns, features, dtype=dtype)
    return Inputs(x, Targets(count, labels, values))


class Order:
    """Which rows of the training set every step sees.

    Parameters
    ----------
    count : int
        Samples in the training set.
    batch_size : int or None
        None for full batch.
    seed : int
        Keys the permutation of every epoch.
    reverse : bool
        Take the samples of every step in reversed order: the same sums, rounded otherwise.

    Notes
    -----
    An epoch is a permutation cut into batches, of which the last may be shorter. In full batch the
    order is that of the training set.
    """

    def __init__(
        self, count: int, *, batch_size: int | None, seed: int, reverse: bool = False
    ) -> None:
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.reverse = reverse
        self._epoch = -1
        self._order = np.empty(0, np.int64)

    def turned(self) -> Order:
        """Return the order with every step's samples reversed."""
        return Order(
            self.count, batch_size=self.batch_size, seed=self.seed, reverse=not self.reverse
        )

    @property
    def size(self) -> int:
        """Samples of a step."""
        return self.batch_size or self.count

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return 1 if self.batch_size is None else -(-self.count // self.batch_size)

    def rows(self, t: int) -> np.ndarray:
        """Return the rows of the training set that the step from time `t` sees, in order."""
        if self.batch_size is None:
            rows = np.arange(self.count)
        else:
            epoch, position = divmod(t, self.steps_per_epoch)
            if epoch != self._epoch:
                generator = np.random.default_rng([self.seed, 1, epoch])
                self._order, self._epoch = generator.permutation(self.count), epoch
            rows = self._order[position * self.batch_size : (position + 1) * self.batch_size]
        return rows[::-1].copy() if self.reverse else rows


class Feed:
    """The samples of every step of M runs, laid out for the network.

    Parameters
    ----------
    whole : Inputs
        The training set.
    orders : sequence of Order
        One a run; runs of equal seed share what is gathered for them.

    Notes
    -----
    Beside the training set, one batch for every seed (in full batch a second training set, where
    the order is reversed).
    """

    def __init__(self, whole: Inputs, orders: Sequence[Order]) -> None:
        self.whole = whole
        self.orders = orders
        self._gathered: dict[tuple[int, int], Inputs] = {}
        self._turned: Inputs | None = None

    def at(self, t: int) -> list[Inputs]:
        """Return the samples of the step from time `t`, run by run; the next call overwrites."""
        first = self.orders[0]
        if first.batch_size is None:
            if first.reverse and self._turned is None:
                self._turned = self._gather(0, first.rows(t))
            return [self._turned or self.whole] * len(self.orders)
        found: dict[int, Inputs] = {}
        for order in self.orders:
            if order.seed not in found:
                found[order.seed] = self._gather(order.seed, order.rows(t))
        return [found[order.seed] for order in self.orders]

    def _gather(self, seed: int, order: np.ndarray) -> Inputs:
        whole, count = self.whole, len(order)
        batch = self._gathered.get((seed, count))
        if batch is None:
            outputs = whole.targets.values.shape[1]
            labelled = whole.targets.labels is not None
            batch = _empty(count, whole.x.shape[1], outputs, labelled, whole.x.dtype)
            self._gathered[seed, count] = batch
        rows = torch.from_numpy(order)
        batch.x[:count] = whole.x[rows]
        batch.targets.values[..., :count] = whole.targets.values[..., rows]
        if whole.targets.labels is not None and batch.targets.labels is not None:
            batch.targets.labels[:count] = whole.targets.labels[rows]
        return batch


def tiles(whole: Inputs, columns: int) -> list[Inputs]:
    """Return `whole` in pieces of at most `columns` samples, a multiple of 16; views."""
    pieces = []
    for start in range(0, whole.targets.count, columns):
        part = slice(start, start + columns)
        labels = whole.targets.labels
        targets = Targets(
            min(columns, whole.targets.count - start),
            None if labels is None else labels[part],
            whole.targets.values[..., part],
        )
        pieces.append(Inputs(whole.x[part], targets))
    return pieces
