"""Lines of a recurrence plot, counted as blocks of 64 x 64 bits stream by.

A line is followed along a column of the plot or along a diagonal. Of each is kept, in one word of
its own, where its present run began and whether that is black: ``2 * start + black``. A run that
ends adds one to ``counts[2 * length + black]``.

The plot comes in stripes: rows of blocks p0 … p1-1, columns of blocks s0 … s1-1. Of a symmetric
plot only blocks on and above the diagonal of blocks are there; column j goes on as row j once it
has reached the diagonal. Every line belongs to one of `parts` parts, which may run at once.
"""

from __future__ import annotations

import numba
import numpy as np

from analyzers.recurrence.kernels.bits import SIZE, population, trailing_zeros, transpose
from nndyn.numerics.arrays import Array

#: Blocks of diagonals that one part takes in a row: neighbours lie in the same blocks of the plot.
NEIGHBOURS = 8

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _follow(
    words: Array, valid: np.uint64, at: int, runs: Array, counts: Array, white: bool
) -> None:
    """Go on along 64 lines by the `valid` bits of a word each, the first of them at place `at`.

    `white` runs are counted only where asked for.
    """
    place = np.uint64(at)
    for i in range(SIZE):
        word = words[i]
        run = runs[i]
        before = (word << _ONE) | (run & _ONE)
        begins = word & ~before & valid
        ends = ~word & before & valid
        if (begins | ends) == np.uint64(0):
            continue
        since = run >> _ONE
        if run & _ONE:  # what is under way ends first
            end = place + trailing_zeros(ends)
            ends &= ends - _ONE
            counts[((end - since) << _ONE) | _ONE] += 1
            since = end
        while ends != np.uint64(0):
            begin = place + trailing_zeros(begins)
            end = place + trailing_zeros(ends)
            begins &= begins - _ONE
            ends &= ends - _ONE
            if white:
                counts[(begin - since) << _ONE] += 1
            counts[((end - begin) << _ONE) | _ONE] += 1
            since = end
        if begins == np.uint64(0):
            runs[i] = since << _ONE
        else:
            begin = place + trailing_zeros(begins)
            if white:
                counts[(begin - since) << _ONE] += 1
            runs[i] = (begin << _ONE) | _ONE


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _valid(block: int, length: int) -> np.uint64:
    """Return the bits of a block that lie within a line of so many entries."""
    left = length - SIZE * block
    return _ALL if left >= SIZE else (_ONE << np.uint64(left)) - _ONE


@numba.njit(cache=True, nogil=True, error_model="numpy")
def follow_columns(
    words: Array,
    symmetric: bool,
    p0: int,
    p1: int,
    s0: int,
    s1: int,
    height: int,
    runs: Array,
    counts: Array,
    part: int,
    parts: int,
) -> None:
    """Go on along the columns, over a stripe.

    Parameters
    ----------
    words : (p1 - p0, s1 - s0 + 1, 64) uint64
        Rows of bits; of the second axis the first entry is the block before the stripe.
    symmetric : bool
    p0, p1, s0, s1 : int
    height : int
        Entries of a column.
    runs : (64 blocks,) uint64, updated
    counts : (2 height + 2,) int64, updated
    part, parts : int
    """
    turned = np.empty(SIZE, np.uint64)
    for L in range(s0, s1):
        if L % parts != part:
            continue
        own = runs[SIZE * L : SIZE * (L + 1)]
        for I in range(p0, min(p1, L + 1) if symmetric else p1):  # noqa: E741
            turned[:] = words[I - p0, L - s0 + 1]
            transpose(turned)
            if I == 0:
                for i in range(SIZE):
                    own[i] = turned[i] & _ONE
            _follow(turned, _valid(I, height), SIZE * I, own, counts, True)
    if not symmetric:
        return
    for L in range(p0, min(p1, s1)):
        if L % parts != part:
            continue
        own = runs[SIZE * L : SIZE * (L + 1)]
        for J in range(max(L + 1, s0), s1):
            _follow(words[L - p0, J - s0 + 1], _valid(J, height), SIZE * J, own, counts, True)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def follow_diagonals(
    words: Array,
    symmetric: bool,
    p0: int,
    p1: int,
    s0: int,
    s1: int,
    last: bool,
    theiler: int,
    offset: int,
    runs: Array,
    counts: Array,
    part: int,
    parts: int,
) -> None:
    """Go on along the diagonals that have left the stripe's blocks, over a stripe.

    Sixty-four rows of the diagonals 64 K … 64 K + 63 lie in two neighbouring blocks: row i takes
    64 bits from column i of the left one on. Entries beyond the plot are white.

    Parameters
    ----------
    words, symmetric, p0, p1, s0, s1, part, parts
        As of `follow_columns`.
    last : bool
        Whether nothing comes behind the stripe.
    theiler : int
        Diagonals k < theiler of a symmetric plot are left out.
    offset : int
        Number of blocks of diagonals below the main one.
    runs : (64 blocks of diagonals,) uint64, updated
    counts : (2 rows + 2,) int64, updated
        Of black runs.
    """
    turned = np.empty(SIZE, np.uint64)
    lowest = s0 - p1
    if symmetric:
        lowest = max(lowest, 0)
    for K in range(lowest, s1 - p0 + 1):
        if K // NEIGHBOURS % parts != part:
            continue
        own = runs[SIZE * (K + offset) : SIZE * (K + offset + 1)]
        for J in range(max(s0, p0 + K + 1), min(s1 + (1 if last else 0), p1 + K + 1)):
            I = J - 1 - K  # noqa: E741
            left = words[I - p0, J - s0]
            if s1 > J:
                right = words[I - p0, J - s0 + 1]
                turned[0] = left[0]
                for i in range(1, SIZE):
                    turned[i] = (left[i] >> np.uint64(i)) | (right[i] << np.uint64(SIZE - i))
            else:
                for i in range(SIZE):
                    turned[i] = left[i] >> np.uint64(i)
            transpose(turned)
            if symmetric:
                for i in range(min(SIZE, theiler - SIZE * K)):
                    turned[i] = 0
            _follow(turned, _ALL, SIZE * I, own, counts, False)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def tally(
    words: Array,
    symmetric: bool,
    p0: int,
    p1: int,
    s0: int,
    s1: int,
    shift: int,
    picture: Array,
    part: int,
    parts: int,
) -> None:
    """Add the entries of a stripe to a picture whose cells are 2**shift entries wide.

    Parameters
    ----------
    words, symmetric, p0, p1, s0, s1, part, parts
        As of `follow_columns`; entries beyond the plot are 0.
    shift : int
    picture : (cells of rows, cells of columns) int64, updated
    """
    width = min(SIZE, 1 << shift)
    mask = _valid(0, width)
    for I in range(p0, p1):  # noqa: E741
        if I % parts != part:
            continue
        for J in range(max(I, s0) if symmetric else s0, s1):
            block = words[I - p0, J - s0 + 1]
            if width == SIZE:  # a block lies in one cell
                whole = np.uint64(0)
                for i in range(SIZE):
                    whole += population(block[i])
                row, column = (SIZE * I) >> shift, (SIZE * J) >> shift
                picture[row, column] += np.int64(whole)
                if symmetric and I != J:
                    picture[column, row] += np.int64(whole)
                continue
            for i in range(SIZE):
                if block[i] == 0:
                    continue
                row = (SIZE * I + i) >> shift
                for first in range(0, SIZE, width):
                    count = np.int64(population((block[i] >> np.uint64(first)) & mask))
                    if count == 0:
                        continue
                    column = (SIZE * J + first) >> shift
                    picture[row, column] += count
                    if symmetric and I != J:
                        picture[column, row] += count


@numba.njit(cache=True, nogil=True, error_model="numpy")
def follow(
    words: Array,
    symmetric: bool,
    p0: int,
    p1: int,
    s0: int,
    s1: int,
    last: bool,
    height: int,
    theiler: int,
    offset: int,
    shift: int,
    columns: Array,
    diagonals: Array,
    counts: tuple[Array, Array, Array],
    part: int,
    parts: int,
) -> None:
    """Go on along columns and diagonals over a stripe, and add it to a picture if there is one.

    Parameters
    ----------
    words, symmetric, p0, p1, s0, s1, last, height, theiler, offset, shift, part, parts
        As of `follow_columns`, `follow_diagonals` and `tally`.
    columns, diagonals : uint64, updated
        Their runs.
    counts : (vertical, diagonal, picture) of int64, updated
        The part's own.
    """
    vertical, diagonal, picture = counts
    follow_columns(words, symmetric, p0, p1, s0, s1, height, columns, vertical, part, parts)
    follow_diagonals(
        words, symmetric, p0, p1, s0, s1, last, theiler, offset, diagonals, diagonal, part, parts
    )
    if picture.size:
        tally(words, symmetric, p0, p1, s0, s1, shift, picture, part, parts)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def finish(runs: Array, first: int, rows: int, columns: int, diagonal: bool, counts: Array) -> None:
    """Count the runs that reach the border.

    Parameters
    ----------
    runs : (n,) uint64
    first : int
        Diagonal that the first entry belongs to.
    rows, columns : int
        Of the plot.
    diagonal : bool
        Whether these are runs of diagonals, of which only black ones count, or of columns.
    counts : int64, updated
    """
    for i in range(len(runs)):
        start, black = np.int64(runs[i] >> _ONE), np.int64(runs[i] & _ONE)
        end = min(rows, columns - first - i) if diagonal else rows
        if end > start and (black == 1 or not diagonal):
            counts[2 * (end - start) + black] += 1
