"""Sketches: long rows of numbers in short ones, which keep l2 lengths to a known error.

A row of D numbers is cut into rows of K, every number gets a random sign, every row is rotated by
a random number of places after one permutation of all, and the rows are added. That is a linear map
S of fixed seed. The mean of ``|S x|²`` is ``|x|²``, and the standard deviation of ``ln |S x|`` is
``1 / √(2 K)`` at most, wherever x is large: two numbers of one row never meet, two of different
rows do in one case of K. Without the permutation those of a unit, which lie at even intervals,
would meet all or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np

from nndyn.numerics.arrays import Array

#: Signs come in words of so many bits, of which the size of a sketch is a multiple.
WORD = 64
#: So many rows are added one after the other, then so many such sums, and so on.
TOGETHER = 64

_SIGN = np.uint64(1 << 63)
#: What brings bit j of a word to where a number has its sign.
_SHIFTS = np.arange(WORD - 1, -1, -1, dtype=np.uint64)


@dataclass(frozen=True)
class Sketch:
    """The map S from D numbers to K.

    Attributes
    ----------
    components : int
        D.
    size : int
        K, a multiple of `WORD`.
    seed : int
        With D and K it gives S.

    Notes
    -----
    Memory: a bit for every number, and K numbers a row sketched for every power of 64 in D / K.

    References
    ----------
    Feature hashing: Weinberger et al., ICML (2009), doi:10.1145/1553374.1553516.
    """

    components: int
    size: int
    seed: int

    @property
    def rows(self) -> int:
        """Rows of K numbers, the last of which may be shorter."""
        return -(-self.components // self.size)

    @cached_property
    def signs(self) -> Array:
        """Bits ``(rows, K / 64)``, uint64, lowest first: set where a sign is turned over."""
        words = np.random.PCG64([self.seed, 0]).random_raw(self.rows * self.size // WORD)
        return np.asarray(words, np.uint64).reshape(self.rows, -1)

    @cached_property
    def sources(self) -> Array:
        """Permutation ``(K,)``, int64, of every row: the place from which each number comes."""
        drawn = np.random.PCG64([self.seed, 2]).random_raw(self.size)
        return np.argsort(np.asarray(drawn, np.uint64), kind="stable")

    @cached_property
    def turns(self) -> Array:
        """Places ``(rows,)``, int64, by which each is then rotated towards higher indices."""
        drawn = np.random.PCG64([self.seed, 1]).random_raw(self.rows)
        return (np.asarray(drawn, np.uint64) % np.uint64(self.size)).astype(np.int64)

    def of(self, rows: Array) -> Array:
        """Return the sketch of the first row, and of the difference of every other row from it.

        Parameters
        ----------
        rows : (R, P) float64 or float32
            The first `components` of a row count.

        Returns
        -------
        (R, K) float64
            Sums and differences are taken in float64, in an order that D and K decide.
        """
        levels, left = 1, self.rows
        while left > 1:
            levels, left = levels + 1, -(-left // TOGETHER)
        sums = np.zeros((levels, len(rows), self.size))
        _add_rows(rows, self.components, self.signs, self.sources, self.turns, sums)
        found: Array = sums[-1].copy()
        return found


@dataclass(frozen=True)
class Sketches:
    """Sketches that are wanted of the rows of a system.

    Attributes
    ----------
    map : Sketch
        Of the components that are compared.
    times : sequence of int
        Ascending.
    """

    map: Sketch
    times: Sequence[int]

    def later(self, by: int) -> Sketches:
        """Return the same, with times that are counted from so much earlier."""
        return Sketches(self.map, [by + t for t in self.times])


@numba.njit(cache=True, nogil=True)
def _apart(row: Array, reference: Array, out: Array) -> None:
    """Write a row, from which the reference is taken where that is another one."""
    for i in range(row.size):
        out[i] = np.float64(row[i]) - np.float64(reference[i])


@numba.njit(cache=True, nogil=True)
def _turn_over(bits: Array, words: Array) -> None:
    """Turn the signs over of numbers, given as their bits, where a bit of the words is set."""
    for w in range(words.size):
        for j in range(WORD):
            bits[WORD * w + j] ^= (words[w] << _SHIFTS[j]) & _SIGN


@numba.njit(cache=True, nogil=True)
def _add(total: Array, numbers: Array) -> None:
    for i in range(numbers.size):
        total[i] += numbers[i]


@numba.njit(cache=True, nogil=True)
def _add_from(total: Array, numbers: Array, sources: Array) -> None:
    for i in range(sources.size):
        total[i] += numbers[sources[i]]


@numba.njit(cache=True, nogil=True)
def _add_rows(
    rows: Array, size: int, signs: Array, sources: Array, turns: Array, sums: Array
) -> None:
    """Add the rows of K numbers of every row, to the last of `sums` (levels, R, K), all zero.

    A level holds a sum of at most `TOGETHER` sums of the one below; the lowest is of rows.
    """
    levels, R, K = sums.shape
    held, nothing = np.zeros(K), np.zeros(K, rows.dtype)
    bits = held.view(np.uint64)
    for n in range(turns.size):
        first, last = K * n, min(K * (n + 1), size)
        held[last - first :] = 0.0
        turn = turns[n]
        for r in range(R):
            reference = rows[0, first:last] if r else nothing[: last - first]
            _apart(rows[r, first:last], reference, held[: last - first])
            _turn_over(bits, signs[n])
            _add_from(sums[0, r, turn:], held, sources[: K - turn])
            _add_from(sums[0, r, :turn], held, sources[K - turn :])
        done = n + 1
        for level in range(levels - 1):
            if done % TOGETHER and n + 1 < turns.size:
                break
            done = -(-done // TOGETHER)
            for r in range(R):
                _add(sums[level + 1, r], sums[level, r])
                sums[level, r] = 0.0
