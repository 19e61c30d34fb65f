"""Kernels for the largest gain of a path, and of paths with random signs of its steps."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from nndyn.numerics.arrays import Array

#: Paths that are followed at once.
LANES = 8


@numba.njit(cache=True)
def _mixed(z: Any) -> Any:
    """Finalize a state of SplitMix64 (Steele, Lea and Flood, doi:10.1145/2714064.2660195)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@numba.njit(cache=True)
def flipped_gains(x: Array, block: int, flips: int) -> Array:
    """Largest gain of every path whose steps have signs drawn at random, block by block.

    Parameters
    ----------
    x : (n,) float64
        Steps; n ≥ 1.
    block : int
        Adjoining steps that get the same sign.
    flips : int
        Paths. Signs of path f at block b are bit ``b % 64`` of number ``b // 64`` of its SplitMix64
        stream, that starts from the f-th one of stream 0.

    Returns
    -------
    (flips,) float64
        ``max over a < b`` of the sum of the steps ``a … b - 1``.
    """
    gamma = np.uint64(0x9E3779B97F4A7C15)
    out = np.empty(flips)
    state, draws = np.empty(LANES, np.uint64), np.empty(LANES, np.uint64)
    sign, gain, best = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for first in range(0, flips, LANES):
        for i in range(LANES):
            state[i] = _mixed(np.uint64(first + i + 1) * gamma)
            gain[i], best[i] = 0.0, -np.inf
        bit = 64
        for start in range(0, x.size, block):
            if bit == 64:
                bit = 0
                for i in range(LANES):
                    state[i] += gamma
                    draws[i] = _mixed(state[i])
            for i in range(LANES):
                sign[i] = 1.0 - 2.0 * np.float64((draws[i] >> np.uint64(bit)) & np.uint64(1))
            bit += 1
            for t in range(start, min(start + block, x.size)):
                for i in range(LANES):
                    ahead = gain[i] if gain[i] > 0.0 else 0.0
                    gain[i] = ahead + sign[i] * x[t]
                    best[i] = best[i] if best[i] > gain[i] else gain[i]
        for i in range(min(LANES, flips - first)):
            out[first + i] = best[i]
    return out
