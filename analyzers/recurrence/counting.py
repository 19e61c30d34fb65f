"""Counts of a recurrence plot in one pass: the lengths of its lines, and a picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analyzers.recurrence.kernels.bits import SIZE
from analyzers.recurrence.kernels.lines import finish, follow
from analyzers.recurrence.plane import Pairs, Plane, Team, blocks
from nndyn.numerics.arrays import Array

#: Most cells of a picture along one side.
CELLS = 512


@dataclass(frozen=True)
class Lines:
    """What a recurrence plot is made of.

    Attributes
    ----------
    plane : Plane
    theiler : int
    diagonal, vertical, white : (n + 1,) int64
        Numbers of lines by length: black diagonal lines, at least `theiler` from the main diagonal
        and in both triangles; black and white vertical ones.
    picture : (h, w) float64
        Share of recurrences in cells of ``cell`` by ``cell`` entries; empty where not asked for.
    cell : int
    """

    plane: Plane
    theiler: int
    diagonal: Array
    vertical: Array
    white: Array
    picture: Array
    cell: int


def count(
    pairs: Sequence[Pairs], limits: Sequence[float], theiler: int, team: Team, *, picture: bool
) -> Lines:
    """Count the lines of the plot whose entries are those of all `pairs` at once.

    Parameters
    ----------
    pairs : sequence of Pairs
        One, or two of the same plane and stripes for a joint recurrence plot.
    limits : sequence of float
        Largest keys that recur.
    theiler : int
        Diagonals nearer to the main one than this are left out; 0 unless the plane is symmetric.
    team : Team
    picture : bool
        Whether to take one.

    Returns
    -------
    Lines

    Notes
    -----
    One pass over the pairs. Peak memory: the bits of a stripe, 32 blocks wide at most (13 MB for
    50,000 points), a word a line, and a histogram of lengths a thread.
    """
    plane = pairs[0].plane
    N, M = plane.rows, plane.columns
    high, wide = blocks(N), blocks(M)
    offset = 0 if plane.symmetric else high
    columns, diagonals = _words(SIZE * wide), _words(SIZE * (wide + offset))
    vertical = np.zeros((team.parts, 2 * N + 2), np.int64)
    diagonal = np.zeros((team.parts, 2 * N + 2), np.int64)
    shift = max(0, (-(-max(N, M) // CELLS) - 1).bit_length())
    cells = [-(-SIZE * b // 2**shift) if picture else 0 for b in (high, wide)]
    pictures = np.zeros((team.parts, *cells), np.int64)
    words = np.zeros((len(pairs), 0, 0, SIZE), np.uint64)
    for s in plane.stripes(pairs[0].panel, pairs[0].width):
        shape = (s.p1 - s.p0, s.s1 - s.s0 + 1)
        if words.shape[1] < shape[0] or words.shape[2] < shape[1]:
            words = np.zeros((len(pairs), *shape, SIZE), np.uint64)
        if not plane.symmetric and s.s0 == 0:
            words[0, :, 0] = 0
        plot = words[0, : shape[0], : shape[1]]
        for n, (pair, limit) in enumerate(zip(pairs, limits, strict=True)):
            bits = words[n, : shape[0], : shape[1]]
            pair.mark(s, limit, bits, team)
            if n > 0:
                plot[:, 1:] &= bits[:, 1:]
        where = (plot, plane.symmetric, s.p0, s.p1, s.s0, s.s1, s.last)
        how = (N, max(theiler, 1), offset, shift, columns, diagonals)
        team.run(follow, *where, *how, own=list(zip(vertical, diagonal, pictures, strict=True)))
        plot[:, 0] = plot[:, -1]
    finish(columns[:M], 0, N, M, False, vertical[0])
    finish(diagonals[: SIZE * offset + M], -SIZE * offset, N, M, True, diagonal[0])
    lengths = diagonal.sum(0)[1 : 2 * min(N, M) + 2 : 2]
    if plane.symmetric:
        lengths *= 2
        if theiler == 0:
            lengths[N] += 1
    both = vertical.sum(0)
    return Lines(
        plane=plane,
        theiler=theiler,
        diagonal=lengths,
        vertical=both[1::2],
        white=both[0::2],
        picture=_shares(np.sum(pictures, 0), plane, 2**shift),
        cell=2**shift,
    )


def _words(count: int) -> Array:
    """Return zeros from the start of a cache line on: threads that have neighbours share none."""
    padded = np.zeros(count + 8, np.uint64)
    first = -(padded.ctypes.data // 8) % 8
    return padded[first : first + count]


def _shares(numbers: Array, plane: Plane, cell: int) -> Array:
    """Divide the recurrences of every cell by its entries; cells beyond the plot are cut off."""
    h, w = (-(-n // cell) for n in (plane.rows, plane.columns))
    if numbers.size == 0:
        return np.empty((0, 0))
    edges = [
        np.minimum(cell * np.arange(n + 1), m) for n, m in ((h, plane.rows), (w, plane.columns))
    ]
    shares: Array = numbers[:h, :w] / np.outer(np.diff(edges[0]), np.diff(edges[1]))
    return shares
