"""A follower of the reference under way, and its rows until they are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.protocol import System, WithLoss


class Follower(Protocol):
    """Follows the reference of a run.

    It is told of every leg of the reference once that is known to be finite, and hands over what
    is to be written when a block is committed.
    """

    @property
    def checkpoint(self) -> dict[str, Array]:
        """By variable, what it needs to go on from the time it stands at; not changed in place."""

    def wants(self, start: int, stop: int) -> list[int]:
        """Return the times in [start, stop) whose whole phase it needs."""

    def follow(self, phases: Mapping[int, Array], start: int, stop: int) -> None:
        """Go from `start` to `stop`; `phases` (P,) are those it wants, and that of `start`."""

    def close(self, phase: Array, t: int) -> None:
        """Look at the last time `t`, from which no step is taken."""

    def take(self, first: int, last: int, interval: float) -> dict[str, Array]:
        """Hand over the variables of the times `first` to `last`, and forget them."""


@runtime_checkable
class Concluding(Protocol):
    """A follower that looks at all rows at the end of a run."""

    def conclude(self, phases: Array, t: int) -> None:
        """Look at the rows ``(R, P)`` of the last time `t`, which are not changed."""


class Notes:
    """Rows at some times, one after the other, until they are written."""

    def __init__(self) -> None:
        self._steps: list[Array] = []
        self._rows: list[Array] = []

    def add(self, steps: Array, rows: Array) -> None:
        """Note rows ``(n, …)`` at `steps` (n,)."""
        self._steps.append(np.asarray(steps, np.int64))
        self._rows.append(np.asarray(rows, np.float64))

    def take(self, first: int, last: int) -> tuple[Array, Array]:
        """Return steps and rows from `first` to `last`; those after stay, those before go."""
        steps, rows = np.concatenate(self._steps), np.concatenate(self._rows)
        begin, end = np.searchsorted(steps, [first, last + 1])
        # copies: parts would keep all of it
        self._steps, self._rows = [steps[end:].copy()], [rows[end:].copy()]
        return steps[begin:end], rows[begin:end]


def check_loss(system: System, option: str) -> None:
    """Check that a system has a loss with derivatives, which `option` needs.

    Raises
    ------
    UsageError
    """
    if not isinstance(system, WithLoss):
        raise UsageError(f"{option} is of trainings: {system.name} has no loss")
    if system.no_tangents:
        raise UsageError(f"{option}: {system.no_tangents}")
