"""Maps of the torus that preserve its area.

The orbit is kept on the torus by whole turns of the reference, taken off all rows of a batch alike:
a replica may lie just outside, and its deviation never jumps.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.systems.numeric.advance import FORMULA
from nndyn.systems.numeric.push import DERIVATIVE
from nndyn.systems.numeric.system import NumericSystem


@numba.njit(cache=True)
def _wrap(rows: Array, turn: float) -> None:
    for p in range(rows.shape[1]):
        off = turn * math.floor(rows[0, p] / turn)
        for i in range(rows.shape[0]):
            rows[i, p] -= off


@numba.njit(FORMULA, cache=True)
def _standard(rows: Array, parameters: Array, out: Array) -> None:
    for i in range(rows.shape[0]):
        out[i, 1] = rows[i, 1] + parameters[0] * math.sin(rows[i, 0])
        out[i, 0] = rows[i, 0] + out[i, 1]
    _wrap(out, 2.0 * math.pi)


@numba.njit(DERIVATIVE, cache=True)
def _d_standard(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
    slope = parameters[0] * math.cos(row[0])
    for j in range(vectors.shape[1]):
        out[1, j] = vectors[1, j] + slope * vectors[0, j]
        out[0, j] = vectors[0, j] + out[1, j]


@numba.njit(FORMULA, cache=True)
def _cat(rows: Array, parameters: Array, out: Array) -> None:
    for i in range(rows.shape[0]):
        out[i, 0] = 2.0 * rows[i, 0] + rows[i, 1]
        out[i, 1] = rows[i, 0] + rows[i, 1]
    _wrap(out, 1.0)


@numba.njit(DERIVATIVE, cache=True)
def _d_cat(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
    for j in range(vectors.shape[1]):
        out[0, j] = 2.0 * vectors[0, j] + vectors[1, j]
        out[1, j] = vectors[0, j] + vectors[1, j]


def standard(K: float = 10.0, *, initial: Any = None, discard: int = 1000) -> NumericSystem:
    """Chirikov's standard map; exponents ±1.61996 at K = 10, in the chaotic sea.

    ``p' = p + K sin θ``, ``θ' = θ + p'``, both modulo 2π.

    Parameters
    ----------
    K : float, default 10
    initial : array_like, (2,), optional
        (θ, p) before `discard` steps; drawn from the torus unless given.
    discard : int, default 1000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If an argument is not a finite number, or `discard` is negative.

    References
    ----------
    B. V. Chirikov, doi:10.1016/0370-1573(79)90023-1
    """
    return NumericSystem(
        "standard",
        _standard,
        {"K": K},
        ("theta", "p"),
        lambda rng: rng.uniform(0.0, 2.0 * math.pi, 2),
        derivative=_d_standard,
        exponent_sum=0.0,
        initial=initial,
        discard=discard,
    )


def cat(*, initial: Any = None, discard: int = 1000) -> NumericSystem:
    """Arnold's cat map ``x' = 2 x + y``, ``y' = x + y`` modulo 1; exponents ±ln((3 + √5) / 2).

    Parameters
    ----------
    initial : array_like, (2,), optional
        Start before `discard` steps; drawn from the unit square unless given.
    discard : int, default 1000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If `initial` does not have two finite numbers, or `discard` is negative.
    """
    return NumericSystem(
        "cat",
        _cat,
        {},
        "xy",
        lambda rng: rng.uniform(0.0, 1.0, 2),
        derivative=_d_cat,
        packed=np.zeros(1),
        exponent_sum=0.0,
        initial=initial,
        discard=discard,
    )
