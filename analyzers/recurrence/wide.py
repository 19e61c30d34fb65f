"""Pairs of states of many components, streamed in panels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analyzers.common.ahead import Read, read_ahead
from analyzers.recurrence.kernels.bits import SIZE
from analyzers.recurrence.kernels.distances import measure
from analyzers.recurrence.kernels.pairs import L2, census_tile, mark_tile, settle
from analyzers.recurrence.plane import BUCKETS, Plane, Stripe, Team, blocks, square_limit
from nndyn.numerics.arrays import Array

#: Most bytes of states that are held, that pass by them, and that are read at once.
PANEL_BYTES, PASSING_BYTES, BLOCK_BYTES = 448 * 2**20, 64 * 2**20, 8 * 2**20
#: Most bytes of keys that are kept, and most blocks of columns of a stripe.
KEPT_BYTES, WIDTH = 64 * 2**20, 8


class Wide:
    """Pairs of the states of one trajectory, or of two.

    Parameters
    ----------
    x, y : callable
        Read states; y is None where the pairs are those of one trajectory.
    rows, columns : int
        Number of states.
    dimension : int
    norm : int
    share : int
        Of how many such that are in memory at once this is one.

    Notes
    -----
    Squared l2 distances are taken from a product of states. Rounding moves such a square by at most
    ``(2 D + 8) u`` times the sum of the two squared lengths, u being half the spacing of 1. Where
    that leaves open whether it exceeds the radius, the difference of the states is taken.
    """

    def __init__(
        self,
        x: Read,
        y: Read | None,
        rows: int,
        columns: int,
        dimension: int,
        norm: int,
        share: int,
    ) -> None:
        self.plane = Plane(rows, columns, y is None)
        self.norm = norm
        self._read = x, x if y is None else y
        self._dimension = dimension
        row = 8 * dimension * share
        self.panel = max(1, PANEL_BYTES // (row * SIZE))
        width = WIDTH if self._holds_all(y) else PASSING_BYTES // (row * SIZE)
        self.width = min(max(1, width), WIDTH)
        self._held, self._at = np.empty((0, dimension)), -1
        self._lengths = np.empty(0)
        self._bracket = (np.nan, np.nan)
        self._bound = (2 * dimension + 8) * np.finfo(np.float64).eps / 2
        self._longest = 0.0
        self._keeps = 8 * rows * columns / (2 if y is None else 1) <= KEPT_BYTES / share
        self._kept: dict[tuple[int, int], Array] = {}

    def _holds_all(self, y: Read | None) -> bool:
        """Whether nothing passes by: states in memory are held as they are."""
        first = [read(0, 1) for read in self._read]
        if all(np.shares_memory(a, read(0, 1)) for a, read in zip(first, self._read, strict=True)):
            self.panel = max(blocks(self.plane.rows), 1)
            return True
        return y is None and self.panel >= blocks(self.plane.rows)

    def _stripes(self) -> Iterator[Stripe]:
        return self.plane.stripes(self.panel, self.width)

    def _states(self, stripe: Stripe) -> tuple[Array, Array]:
        """Return the states of the rows of a stripe that are needed, and those of its columns."""
        first, last = SIZE * stripe.p0, min(SIZE * stripe.p1, self.plane.rows)
        if self._at != stripe.p0:
            self._held = np.empty((0, self._dimension))  # the others go before the next ones come
            self._held, self._at = _gather(self._read[0], first, last, self._dimension), stripe.p0
            if self.norm == L2:
                self._lengths = _squares(self._held)
        a, b = SIZE * stripe.s0, min(SIZE * stripe.s1, self.plane.columns)
        if not self.plane.symmetric:
            return self._held, _gather(self._read[1], a, b, self._dimension)
        rows = self._held[: b - first]
        if self._inside(stripe):
            return rows, self._held[a - first : b - first]
        return rows, _gather(self._read[1], a, b, self._dimension)

    def _inside(self, stripe: Stripe) -> bool:
        """Whether the columns of a stripe are the last of the rows that it needs."""
        return self.plane.symmetric and stripe.s1 <= stripe.p1

    def _squared(self, stripe: Stripe, x: Array, y: Array) -> tuple[Array, Array]:
        """Return the squared lengths of the states of a stripe."""
        rows = self._lengths[: len(x)]
        return rows, rows[len(x) - len(y) :] if self._inside(stripe) else _squares(y)

    def _products(self, stripe: Stripe, x: Array, y: Array, keys: Array) -> None:
        """Write the products of the states of a stripe to keys (n, m)."""
        above = len(x) - len(y) if self._inside(stripe) else len(x)
        np.dot(x[:above], y.T, out=keys[:above])
        if above < len(x):  # of states with themselves, which takes half the work
            np.dot(y, y.T, out=keys[above:])

    def _tile(self, stripe: Stripe, team: Team) -> Array:
        """Return the keys of a stripe (n, m), sure of where the bracket asks for it."""
        name = (stripe.p0, stripe.s0)
        if name in self._kept:
            return self._kept[name]
        x, y = self._states(stripe)
        keys = np.empty((len(x), len(y)))
        if self.norm == L2:
            xx, yy = self._squared(stripe, x, y)
            self._longest = max(self._longest, float(xx.max()), float(yy.max()))
            self._products(stripe, x, y, keys)
            keys *= -2.0
            keys += xx[:, None]
            keys += yy
            np.maximum(keys, 0.0, out=keys)
            self._settle(x, y, xx, yy, keys, team)
        else:
            first = SIZE * (stripe.s0 - stripe.p0) if self.plane.symmetric else len(x)
            team.run(measure, x, y, self.norm, first, keys)
        if self._keeps:
            self._kept[name] = keys
        return keys

    def _settle(self, x: Array, y: Array, xx: Array, yy: Array, keys: Array, team: Team) -> None:
        low, high = self._bracket
        if low <= high:
            team.run(settle, x, y, xx, yy, self._bound, low, high, keys)

    def mark(self, stripe: Stripe, limit: float, words: Array, team: Team) -> None:
        """Write the bits of the pairs of a stripe whose key is at most `limit`."""
        keys = self._tile(stripe, team)
        used = words[: blocks(len(keys)), : stripe.s1 - stripe.s0 + 1]
        team.run(mark_tile, keys, limit, used)

    def focus(self, low: float, high: float, team: Team) -> None:
        """Make sure of keys between `low` and `high`, and of which side of them others lie."""
        if self.norm != L2 or (self._bracket[0] <= low and high <= self._bracket[1]):
            return
        self._bracket = (low, high)
        if not self._kept:
            return
        for stripe in self._stripes():
            keys = self._kept[stripe.p0, stripe.s0]
            x, y = self._states(stripe)
            self._settle(x, y, *self._squared(stripe, x, y), keys, team)
            del x, y  # or their panel would stay while the next one is read

    def uncertainty(self) -> float:
        """Return how far a key may be from the true one where `focus` has not made sure of it."""
        return 2.0 * self._bound * self._longest if self.norm == L2 else 0.0

    def census(self, theiler: int, low: int, shift: int, team: Team) -> tuple[int, Array]:
        """Return how many keys lie below `low`, and how many in each of 2**shift wide buckets."""
        histogram, below = np.zeros(BUCKETS, np.int64), 0
        for stripe in self._stripes():
            keys = self._tile(stripe, team)
            below += census_tile(
                keys,
                SIZE * stripe.p0,
                SIZE * stripe.s0,
                self.plane.symmetric,
                theiler,
                np.uint64(low),
                np.uint64(shift),
                histogram,
            )
        return below, histogram

    def within(self, theiler: int) -> None:
        """Return None: states of many components have no order."""

    def key(self, radius: float) -> float:
        """Return the largest key of a distance of at most `radius`."""
        return square_limit(radius) if self.norm == L2 else radius

    def distance(self, key: float) -> float:
        """Return the distance that a key stands for."""
        return float(np.sqrt(key)) if self.norm == L2 else key


def _squares(states: Array) -> Array:
    """Return the squared length of every state."""
    lengths: Array = np.einsum("ij,ij->i", states, states)
    return lengths


def _gather(read: Read, first: int, last: int, dimension: int) -> Array:
    """Return the states first … last-1; those in memory as they are."""
    states = read(first, first + 1)
    if np.shares_memory(states, read(first, first + 1)):
        return read(first, last)
    states = np.empty((last - first, dimension))
    for a, block in read_ahead(read, first, last, max(1, BLOCK_BYTES // (8 * dimension))):
        states[a - first : a - first + len(block)] = block
    return states
