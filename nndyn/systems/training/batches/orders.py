"""Orders of the samples that a DataLoader gives, as under `nndyn.replay`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from nndyn.errors import DataError, NndynError
from nndyn.numerics.arrays import Array
from nndyn.systems.training.batches.drawn import Batches
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.data.samples import Samples, from_arrays
from nndyn.words.text import raised

#: Batches at the start of the first epoch whose digest is kept.
FIRST = 4


@contextmanager
def _of_the_user(t: int) -> Iterator[None]:
    """Say of which step the batch is that fails."""
    try:
        yield
    except NndynError:
        raise
    except Exception as error:
        raise DataError(f"data: the batch of step {t} raises {raised(error)}") from error


class LoaderOrder(Order):
    """The rows of a training set that the samplers of a DataLoader pick.

    Parameters
    ----------
    loader : DataLoader
        Of the numbers of rows.
    seed : int
    count : int
        Samples in the training set.
    reverse : bool
    """

    def __init__(self, loader: Any, seed: int, count: int, *, reverse: bool = False) -> None:
        self._loader, self._batches = loader, Batches(loader, seed)
        self._rows: list[Array] = []
        size = self._samples(self._at(0))
        super().__init__(count, batch_size=size, seed=seed, reverse=reverse)

    def turned(self) -> LoaderOrder:
        """Return the order with every step's samples reversed."""
        return LoaderOrder(self._loader, self.seed, self.count, reverse=not self.reverse)

    @property
    def steps_per_epoch(self) -> int | None:
        """Batches in an epoch, None where nobody knows."""
        return self._batches.steps_per_epoch

    @property
    def probes(self) -> set[int]:
        """Times of steps that may differ in their number of samples: the first alone is drawn."""
        return {0}

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of samples that the steps of the first epoch have."""
        times = range(self.steps_per_epoch or 1)
        return tuple(sorted({len(self.rows(t)) for t in times}, reverse=True))

    def rows(self, t: int) -> Array:
        """Return the rows of the training set that the step from time `t` sees, in order."""
        rows = self._picked(t)
        return rows[::-1].copy() if self.reverse else rows

    def _picked(self, t: int) -> Array:
        if not self.steps_per_epoch:
            return np.asarray(self._at(t), np.int64)
        epoch, position = divmod(t, self.steps_per_epoch)
        if epoch != self._epoch:  # all at once: a step may take less long than to pick its rows
            with _of_the_user(t):
                found = self._batches.epoch(epoch)
            self._rows = [np.asarray(rows, np.int64) for rows in found]
            self._epoch = epoch
        if position >= len(self._rows):
            return np.asarray(self._at(t), np.int64)  # which says that there are too few
        return self._rows[position]

    def describe(self) -> dict[str, Any]:
        """Return what a recording keeps and compares, as JSON values."""
        first = Batches(self._loader, self.seed).first(FIRST)
        return {"batches_sha256": first[-1], "steps_per_epoch": self.steps_per_epoch}

    def _at(self, t: int) -> Any:
        self._batches.forget(t)
        with _of_the_user(t):
            return self._batches.at(t)

    def _samples(self, batch: Any) -> int:
        return len(batch)


class DrawnOrder(LoaderOrder):
    """Batches that are drawn anew, from a DataLoader.

    Parameters
    ----------
    loader : DataLoader
    seed : int
    arrays : callable
        Returns a batch as `from_arrays` takes it.
    reverse : bool
    """

    def __init__(
        self, loader: Any, seed: int, arrays: Callable[[Any], Any], *, reverse: bool = False
    ) -> None:
        self._arrays = arrays
        self._last: tuple[int, Samples] | None = None
        super().__init__(loader, seed, 0, reverse=reverse)
        self.count = self.size

    @property
    def first(self) -> Any:
        """The first batch, as arrays."""
        return self._arrays(self._at(0))

    def turned(self) -> DrawnOrder:
        """Return the order with every step's samples reversed."""
        return DrawnOrder(self._loader, self.seed, self._arrays, reverse=not self.reverse)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of samples of the first step: who knows those of others."""
        return (self.size,)

    def drawn(self, t: int) -> Samples:
        """Return the samples of the step from time `t`."""
        if self._last is None or self._last[0] != t:
            found = from_arrays(self._arrays(self._at(t)), f"the batch of step {t}")
            self._last = t, found.reversed() if self.reverse else found
        return self._last[1]

    def _samples(self, batch: Any) -> int:
        return len(from_arrays(self._arrays(batch), "data: the first batch"))
