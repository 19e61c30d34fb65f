"""Order of the samples: those of step t, as a pure function of (seed, t)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nndyn.checks import whole
from nndyn.systems.training.data.samples import Samples

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
    return whole("batch_size", batch_size, 1, count, cure=", the number of training samples")


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
    def steps_per_epoch(self) -> int | None:
        """Batches in an epoch."""
        return self._steps

    @property
    def _steps(self) -> int:
        return 1 if self.batch_size is None else -(-self.count // self.batch_size)

    @property
    def probes(self) -> set[int]:
        """Times of steps that may differ in their number of samples: the last one of an epoch."""
        return {0, self._steps - 1}

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of samples that steps have."""
        return tuple(n for n in (self.size, self.count % self.size) if n)

    def describe(self) -> dict[str, Any]:
        """Return what tells it from that of a training set alone, as JSON values."""
        return {}

    def drawn(self, t: int) -> Samples | None:
        """Return the samples of the step from time `t` where they are no rows of a set."""
        return None

    def rows(self, t: int) -> np.ndarray:
        """Return the rows of the training set that the step from time `t` sees, in order."""
        if self.batch_size is None:
            rows = np.arange(self.count)
        else:
            epoch, position = divmod(t, self._steps)
            if epoch != self._epoch:
                generator = np.random.default_rng([self.seed, 1, epoch])
                self._order, self._epoch = generator.permutation(self.count), epoch
            rows = self._order[position * self.batch_size : (position + 1) * self.batch_size]
        return rows[::-1].copy() if self.reverse else rows
