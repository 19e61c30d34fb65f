"""Samples as a perceptron takes them: checked, laid out, gathered for every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from nndyn.errors import DataError, UsageError
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.data.samples import Samples
from nndyn.systems.training.perceptron.losses import Targets
from nndyn.systems.training.perceptron.network import Network
from nndyn.systems.training.perceptron.operands import operand, padded_columns
from nndyn.systems.training.perceptron.panels import Panels

Tensor = torch.Tensor

#: Samples of a piece of an evaluation, which need not hold all activations at once.
TILE = 8192


@dataclass
class Inputs:
    """Samples in columns as the first layer takes them.

    Attributes
    ----------
    x : (features + 1, columns)
        A sample a column, a 1 below its features where the first layer has a bias; zeros behind
        the samples up to `padded_columns`.
    targets : Targets
    features : int
    by_sample : bool
        Whether the numbers of a sample lie side by side in memory, not those of a feature: batches
        are gathered some ten times as fast, and the products of a step over thousands of samples
        take up to a third longer.
    """

    x: Tensor
    targets: Targets
    features: int
    by_sample: bool = False

    @cached_property
    def rows(self) -> Tensor:
        """The same numbers, a sample a row."""
        return self.x.t()

    @cached_property
    def panels(self) -> Panels:
        """The same numbers in float64 as kernels read them."""
        return Panels(self.x, self.features)

    @cached_property
    def pieces(self) -> list[Inputs]:
        """The same samples in pieces of at most `TILE`, for an evaluation; views."""
        return tiles(self, TILE)

    @cached_property
    def turned(self) -> Inputs:
        """The same samples in reversed order."""
        return _taken(self, torch.arange(self.targets.count - 1, -1, -1))


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


def inputs(
    samples: Samples, *, outputs: int, bias: bool, dtype: torch.dtype, by_sample: bool = False
) -> Inputs:
    """Return `samples` as the network takes them.

    Parameters
    ----------
    samples : Samples
    outputs : int
        Width of the network's output.
    bias : bool
        Whether a 1 stands below the features, for the bias of the first layer.
    dtype : torch.dtype
    by_sample : bool, default False
        How they lie in memory; see `Inputs`.

    Returns
    -------
    Inputs
    """
    count, features = samples.x.shape
    empty = _empty(count, features, bias, outputs, samples.labelled, dtype, by_sample)
    empty.x[:features, :count] = torch.from_numpy(np.ascontiguousarray(samples.x)).t()
    if bias:
        empty.x[-1, :count] = 1.0
    y = torch.from_numpy(np.ascontiguousarray(samples.y))
    if empty.targets.labels is None:
        empty.targets.values[0, :, :count] = y.t()
    else:
        empty.targets.labels[:count] = y
        empty.targets.values[0, y, torch.arange(count)] = 1.0
    return empty


def _empty(
    count: int,
    features: int,
    bias: bool,
    outputs: int,
    labelled: bool,
    dtype: torch.dtype,
    by_sample: bool,
) -> Inputs:
    columns = padded_columns(count, dtype)
    labels = torch.zeros(columns, dtype=torch.int64) if labelled else None
    values = torch.zeros((1, outputs, columns), dtype=dtype)
    if by_sample:
        x = operand(columns, features + bias, dtype=dtype).t()
    else:
        x = operand(features + bias, columns, dtype=dtype)
    return Inputs(x, Targets(count, labels, values), features, by_sample)


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

    def at(self, t: int) -> list[Inputs]:
        """Return the samples of the step from time `t`, run by run; the next call overwrites."""
        first = self.orders[0]
        if first.batch_size is None:
            return [self.whole.turned if first.reverse else self.whole] * len(self.orders)
        found: dict[int, Inputs] = {}
        for order in self.orders:
            if order.seed not in found:
                found[order.seed] = self._gather(order.seed, order.rows(t))
        return [found[order.seed] for order in self.orders]

    def _gather(self, seed: int, order: np.ndarray) -> Inputs:
        key = seed, len(order)
        found = _taken(self.whole, torch.from_numpy(order), self._gathered.get(key))
        self._gathered[key] = found
        return found


def _taken(whole: Inputs, rows: Tensor, batch: Inputs | None = None) -> Inputs:
    """Return the samples in `rows`, in that order; in the memory of `batch`, if there is one."""
    count = len(rows)
    if batch is None:
        outputs, labelled = whole.targets.values.shape[1], whole.targets.labels is not None
        bias, dtype = len(whole.x) > whole.features, whole.x.dtype
        batch = _empty(count, whole.features, bias, outputs, labelled, dtype, whole.by_sample)
    batch.x.t()[:count] = whole.x.t()[rows]
    batch.targets.values[..., :count] = whole.targets.values[..., rows]
    if whole.targets.labels is not None and batch.targets.labels is not None:
        batch.targets.labels[:count] = whole.targets.labels[rows]
    if "panels" in batch.__dict__:
        batch.panels.refresh()
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
        pieces.append(Inputs(whole.x[:, part], targets, whole.features, whole.by_sample))
    return pieces
