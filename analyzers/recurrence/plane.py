"""Plane of pairs of points, cut into stripes, and the threads that work on one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numba
import numpy as np

from analyzers.common.progress import tell
from analyzers.recurrence.kernels.bits import SIZE
from nndyn.numerics.arrays import Array

#: Buckets into which keys are sorted at once.
BUCKETS = 2**16


@dataclass(frozen=True)
class Stripe:
    """Blocks of rows p0 … p1-1 and of columns s0 … s1-1; `last` if no columns come behind."""

    p0: int
    p1: int
    s0: int
    s1: int
    last: bool


@dataclass(frozen=True)
class Plane:
    """All pairs of a row and a column; symmetric where both are the same trajectory."""

    rows: int
    columns: int
    symmetric: bool

    def stripes(self, panel: int, width: int) -> Iterator[Stripe]:
        """Yield stripes of `panel` blocks of rows and `width` of columns, panel by panel.

        Of a symmetric plane those below its diagonal are left out.

        Yields
        ------
        Stripe
        """
        high, wide = blocks(self.rows), blocks(self.columns)
        for p0 in range(0, high, panel):
            p1 = min(p0 + panel, high)
            for s0 in range(p0 if self.symmetric else 0, wide, width):
                s1 = min(s0 + width, wide)
                tell(p0 * wide + s0 * (p1 - p0), high * wide)
                yield Stripe(p0, p1, s0, s1, s1 == wide)

    def pairs(self, theiler: int) -> int:
        """Return the number of ordered pairs, of a symmetric plane those `theiler` apart."""
        if not self.symmetric or theiler == 0:
            return self.rows * self.columns
        return (self.rows - theiler) * (self.rows - theiler + 1) if theiler < self.rows else 0


class Pairs(Protocol):
    """What knows the keys of all pairs: see `analyzers.recurrence.narrow` and `.wide`."""

    plane: Plane
    #: Blocks of rows, and of columns, of a stripe.
    panel: int
    width: int

    def mark(self, stripe: Stripe, limit: float, words: Array, team: Team) -> None:
        """Write the bits of the pairs of a stripe whose key is at most `limit`."""

    def focus(self, low: float, high: float, team: Team) -> None:
        """Make sure of keys between `low` and `high`, and of which side of them others lie."""

    def uncertainty(self) -> float:
        """Return how far a key may be from the true one where `focus` has not made sure of it."""

    def census(self, theiler: int, low: int, shift: int, team: Team) -> tuple[int, Array]:
        """Return how many keys lie below `low`, and how many in each of 2**shift wide buckets."""

    def within(self, theiler: int) -> Callable[[float], int] | None:
        """Return what counts keys up to a limit by sorted values, where there is such a thing."""

    def key(self, radius: float) -> float:
        """Return the largest key of a distance of at most `radius`."""

    def distance(self, key: float) -> float:
        """Return the distance that a key stands for."""


class Team:
    """Threads that do the parts of one kernel at once.

    Results do not depend on their number: every line, and every pair, belongs to one part.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.parts = threads or numba.get_num_threads()
        self._pool = ThreadPoolExecutor(self.parts) if self.parts > 1 else None

    def run(
        self, kernel: Callable[..., Any], *shared: Any, own: Sequence[Any] | Array | None = None
    ) -> list[Any]:
        """Return ``kernel(*shared, own[part], part, parts)`` of every part."""
        calls = [
            (*shared, *([] if own is None else [own[part]]), part, self.parts)
            for part in range(self.parts)
        ]
        if self._pool is None:
            return [kernel(*call) for call in calls]
        return [job.result() for job in [self._pool.submit(kernel, *call) for call in calls]]

    def __enter__(self) -> Team:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()


def blocks(points: int) -> int:
    """Return how many blocks of 64 hold so many points."""
    return -(-points // SIZE)


def square_limit(radius: float) -> float:
    """Return the largest float whose square root is at most `radius`."""
    if radius == np.inf:
        return np.inf
    with np.errstate(over="ignore"):
        limit = np.float64(radius) * radius
    limit = min(limit, np.finfo(np.float64).max)
    while np.sqrt(limit) > radius:
        limit = np.nextafter(limit, 0.0)
    while limit < np.finfo(np.float64).max and np.sqrt(np.nextafter(limit, np.inf)) <= radius:
        limit = np.nextafter(limit, np.inf)
    return float(limit)
