"""Which samples step t sees: a pure function of (seed, t)."""

from __future__ import annotations

import numpy as np
import torch

from nndyn.systems.training.data import Samples
from nndyn.systems.training.losses import Targets
from nndyn.systems.training.mlp import Inputs, padded, padded_columns


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
    x = torch.zeros((columns, padded(features)), dtype=dtype)
    return Inputs(x[:, :features], Targets(count, labels, values))


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
    """The samples of every step.

    Parameters
    ----------
    whole : Inputs
        The training set.
    batch_size : int or None
        None for full batch.
    seed : int
        Keys the permutation of every epoch.
    reverse : bool
        Take the samples of every minibatch in reversed order.

    Notes
    -----
    An epoch is a permutation cut into batches, of which the last may be shorter.
    """

    def __init__(
        self, whole: Inputs, *, batch_size: int | None, seed: int, reverse: bool = False
    ) -> None:
        self.whole = whole
        self.batch_size = batch_size
        self._seed = seed
        self._reverse = reverse
        self._epoch = -1
        self._order = np.empty(0, np.int64)
        self._batches: dict[int, Inputs] = {}

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        if self.batch_size is None:
            return 1
        return -(-self.whole.targets.count // self.batch_size)

    def rows(self, t: int) -> np.ndarray:
        """Return the rows of the training set that the step from time `t` sees, in order."""
        count = self.whole.targets.count
        if self.batch_size is None:
            return np.arange(count)
        epoch, position = divmod(t, self.steps_per_epoch)
        if epoch != self._epoch:
            self._order = np.random.default_rng([self._seed, 1, epoch]).permutation(count)
            self._epoch = epoch
        rows = self._order[position * self.batch_size : (position + 1) * self.batch_size]
        return rows[::-1].copy() if self._reverse else rows

    def batch(self, t: int) -> Inputs:
        """Return the samples of the step from time `t`; the next call overwrites them."""
        whole = self.whole
        if self.batch_size is None:
            return whole
        rows = torch.from_numpy(self.rows(t))
        count = len(rows)
        batch = self._batches.get(count)
        if batch is None:
            _, outputs, _ = whole.targets.values.shape
            batch = self._batches[count] = _empty(
                count,
                whole.x.shape[1],
                outputs,
                whole.targets.labels is not None,
                whole.x.dtype,
            )
        batch.x[:count] = whole.x[rows]
        batch.targets.values[..., :count] = whole.targets.values[..., rows]
        if whole.targets.labels is not None and batch.targets.labels is not None:
            batch.targets.labels[:count] = whole.targets.labels[rows]
        return batch
