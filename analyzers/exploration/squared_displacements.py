"""Squared displacements by lag of a trajectory held in memory."""

from __future__ import annotations

import numpy as np

from analyzers.common.progress import tell
from analyzers.exploration.kernels import lagged
from nndyn.numerics.arrays import Array

#: Lags up to this one, and this many times as long, and so on, are taken together.
OCTAVE = 16
#: Values of a Fourier transform over several components at once.
VALUES = 2**20


def squared_displacements(states: Array, longest: int) -> Array:
    """Return the sums of ``|x_{i+m} - x_i|²`` over all i, for every lag m.

    Parameters
    ----------
    states : (T, D) float64
    longest : int
        L, the longest lag, below T.

    Returns
    -------
    (L + 1,) float64
        0 at lag 0.

    Notes
    -----
    Lags below `OCTAVE` are summed directly. Longer ones are correlations by Fourier transform,
    taken over stretches a few times as long as the lags and centred each on its own mean: what is
    lost to rounding is relative to displacements of that time, never to the extent of the whole.
    O(T D log T) operations.
    """
    T = len(states)
    sums = np.zeros(longest + 1)
    shortest = np.arange(1, min(longest, OCTAVE - 1) + 1)
    sums[shortest] = pairs(states, shortest, np.zeros(T, np.int64), 1)[0]
    first = OCTAVE
    octaves = np.log(max(longest, OCTAVE)) / np.log(OCTAVE)
    while first <= longest:
        last = min(longest, first * OCTAVE - 1)
        done = np.log(first) / np.log(OCTAVE) - 1.0
        starts = 4 * last
        for a in range(0, T - first, starts):
            b = min(a + starts, T)
            tell(int(1000 * (done + a / T)), int(1000 * octaves))
            _add(states[a : min(b + last, T)], b - a, first, last, sums)
        first = last + 1
    return sums


def _add(stretch: Array, starts: int, first: int, last: int, sums: Array) -> None:
    """Add the pairs whose earlier state is among the `starts` first of a stretch."""
    from scipy import fft

    length, D = stretch.shape
    n = fft.next_fast_len(length + starts, real=True)
    power = np.zeros(n // 2 + 1, np.complex128)
    squares = np.zeros(length)
    width = max(1, VALUES // n)
    for d in range(0, D, width):
        part = stretch[:, d : d + width] - stretch[:, d : d + width].mean(axis=0)
        earlier, all_states = (fft.rfft(x, n, axis=0) for x in (part[:starts], part))
        power += np.einsum("fd,fd->f", earlier.conj(), all_states)
        squares += np.einsum("id,id->i", part, part)
    products = fft.irfft(power, n)
    until = np.concatenate([[0.0], np.cumsum(squares)])
    lags = np.arange(first, min(last, length - 1) + 1)
    count = np.minimum(starts, length - lags)
    found = until[count] + until[lags + count] - until[lags] - 2.0 * products[lags]
    sums[lags] += np.maximum(found, 0.0)


def pairs(states: Array, lags: Array, block_of: Array, blocks: int) -> Array:
    """Return sums of squared displacements over the pairs that lie within one block.

    Parameters
    ----------
    states : (T, D) float64
    lags : (m,) int64
    block_of : (T,) int64
        The block of every time.
    blocks : int
        B.

    Returns
    -------
    (B, m) float64
    """
    sums = np.zeros((blocks, len(lags)))
    lagged(states, lags, block_of, sums)
    return sums
