"""Pairs of points of few components, which are held in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analyzers.recurrence.kernels.bits import SIZE
from analyzers.recurrence.kernels.pairs import L2, MAX, census_narrow, mark_narrow, near
from analyzers.recurrence.plane import BUCKETS, Plane, Stripe, Team, blocks, square_limit
from nndyn.numerics.arrays import Array

#: Blocks of columns of a stripe.
WIDTH = 32


class Narrow:
    """Pairs of rows of x (N, d) with rows of y (M, d), or with one another where y is None."""

    def __init__(self, x: Array, y: Array | None, norm: int) -> None:
        self.plane = Plane(len(x), len(x if y is None else y), y is None)
        self.panel, self.width = blocks(self.plane.rows), WIDTH
        self.norm = MAX if x.shape[1] == 1 else norm
        self._x = _columns(x)
        self._y = self._x if y is None else _columns(y)

    def mark(self, stripe: Stripe, limit: float, words: Array, team: Team) -> None:
        """Write the bits of the pairs of a stripe whose key is at most `limit`."""
        s = stripe
        where = (self.plane.symmetric, s.p0, s.p1, s.s0, s.s1, words)
        team.run(mark_narrow, self._x, self._y, self.norm, limit, *where)

    def focus(self, low: float, high: float, team: Team) -> None:
        """Do nothing: all keys are taken from differences."""

    def uncertainty(self) -> float:
        """Return 0."""
        return 0.0

    def census(self, theiler: int, low: int, shift: int, team: Team) -> tuple[int, Array]:
        """Return how many keys lie below `low`, and how many in each of 2**shift wide buckets."""
        histograms = np.zeros((team.parts, BUCKETS), np.int64)
        what = (self._x, self._y, self.norm, self.plane.symmetric, theiler)
        below = team.run(census_narrow, *what, np.uint64(low), np.uint64(shift), own=histograms)
        return sum(below), histograms.sum(0)

    def within(self, theiler: int) -> Callable[[float], int] | None:
        """Return what counts keys up to a limit by sorted values, where there is such a thing.

        Of a scalar series in its own order every such count takes O(N), and O(N theiler) for the
        pairs of it that are left out.

        Returns
        -------
        callable or None
        """
        if len(self._x) > 1 or theiler > SIZE:
            return None
        x = self._x[0, : self.plane.rows]
        y = self._y[0, : self.plane.columns]
        sorted_x, sorted_y = np.sort(x), np.sort(y)
        symmetric = self.plane.symmetric
        close = [np.abs(x[k:] - x[:-k]) for k in range(1, theiler)] if symmetric else []

        def count(limit: float) -> int:
            found: int = near(sorted_x, sorted_y, limit)
            if not symmetric:
                return found
            return (found - x.size) // 2 - sum(int(np.sum(c <= limit)) for c in close)

        return count

    def key(self, radius: float) -> float:
        """Return the largest key of a distance of at most `radius`."""
        return square_limit(radius) if self.norm == L2 else radius

    def distance(self, key: float) -> float:
        """Return the distance that a key stands for."""
        return float(np.sqrt(key)) if self.norm == L2 else key


def _columns(points: Array) -> Array:
    """Return the components of points (d, n), with NaN up to a whole block."""
    n, d = points.shape
    columns = np.full((d, SIZE * blocks(n)), np.nan)
    columns[:, :n] = points.T
    return columns
