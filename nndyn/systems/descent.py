"""Gradient descent on losses whose exponents are known exactly.

All but the heavy ball are one map: in coordinates ``y = Q w`` of a rotation Q each component takes
a step down a loss of its own, quadratic, cubic or a double well, at a rate of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np

from nndyn.checks import is_finite, whole
from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.numeric.advance import FORMULA
from nndyn.systems.numeric.push import DERIVATIVE
from nndyn.systems.numeric.system import NumericSystem

QUADRATIC, CUBIC, WELL = 0.0, 1.0, 2.0


@numba.njit(FORMULA, cache=True)
def _separable(rows: Array, parameters: Array, out: Array) -> None:
    n = rows.shape[1]
    kinds, rates = parameters[:n], parameters[n : 2 * n]
    rotation = parameters[2 * n :].reshape(n, n)
    y = np.empty(n)
    for i in range(rows.shape[0]):
        for m in range(n):
            y[m] = 0.0
            for p in range(n):
                y[m] += rotation[m, p] * rows[i, p]
            if kinds[m] == QUADRATIC:
                y[m] = (1.0 - rates[m]) * y[m]
            elif kinds[m] == CUBIC:
                y[m] = (1.0 - rates[m]) * y[m] + rates[m] * y[m] * y[m]
            else:
                y[m] = y[m] - rates[m] * (y[m] * y[m] * y[m] - y[m])
        for p in range(n):
            out[i, p] = 0.0
        for m in range(n):
            for p in range(n):
                out[i, p] += rotation[m, p] * y[m]


@numba.njit(DERIVATIVE, cache=True)
def _d_separable(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
    n, k = vectors.shape
    kinds, rates = parameters[:n], parameters[n : 2 * n]
    rotation = parameters[2 * n :].reshape(n, n)
    turned = np.empty(k)
    for p in range(n):
        for j in range(k):
            out[p, j] = 0.0
    for m in range(n):
        y = 0.0
        turned[:] = 0.0
        for p in range(n):
            y += rotation[m, p] * row[p]
            for j in range(k):
                turned[j] += rotation[m, p] * vectors[p, j]
        slope = 1.0 - rates[m]
        if kinds[m] == CUBIC:
            slope += 2.0 * rates[m] * y
        elif kinds[m] == WELL:
            slope = 1.0 - rates[m] * (3.0 * y * y - 1.0)
        for p in range(n):
            for j in range(k):
                out[p, j] += rotation[m, p] * slope * turned[j]


@numba.njit(FORMULA, cache=True)
def _heavy_ball(rows: Array, parameters: Array, out: Array) -> None:
    lr, momentum, curvature = parameters[0], parameters[1], parameters[2]
    for i in range(rows.shape[0]):
        out[i, 1] = momentum * rows[i, 1] + curvature * rows[i, 0]
        out[i, 0] = rows[i, 0] - lr * out[i, 1]


@numba.njit(DERIVATIVE, cache=True)
def _d_heavy_ball(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
    lr, momentum, curvature = parameters[0], parameters[1], parameters[2]
    for j in range(vectors.shape[1]):
        out[1, j] = momentum * vectors[1, j] + curvature * vectors[0, j]
        out[0, j] = vectors[0, j] - lr * out[1, j]


def quadratic(
    lr: float = 0.5,
    curvatures: Sequence[float] = (0.2, 1.0, 3.5),
    rotation: int = 0,
    *,
    initial: Any = None,
    discard: int = 1000,
) -> NumericSystem:
    """Gradient descent on ``Σ h_i y_i² / 2`` with y a rotation of w; exponents ``ln|1 - lr h_i|``.

    Parameters
    ----------
    lr : float, default 0.5
        Learning rate.
    curvatures : sequence of float, default 0.2, 1, 3.5
        Eigenvalues h of the Hessian.
    rotation : int, default 0
        Draws the rotation; 0 for none.
    initial : array_like, (n,), optional
        Weights before `discard` steps; normal random numbers unless given.
    discard : int, default 1000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If an argument is not a finite number, or `discard` is negative.
    """
    return _descent(
        "quadratic",
        {"lr": lr, "curvatures": curvatures, "rotation": rotation},
        initial,
        discard,
    )


def cubic(lr: float = 3.0, *, initial: Any = None, discard: int = 1000) -> NumericSystem:
    """Gradient descent on ``x² / 2 - x³ / 3``: the logistic map with r = 1 + lr in disguise.

    ``x = 1 - ((1 + lr) / lr) y`` turns one into the other. Exponents: ``ln|1 - lr|`` below lr = 2,
    ``ln|5 - lr²| / 2`` from there to √6, ln 2 at lr = 3.

    Parameters
    ----------
    lr : float, default 3
        Learning rate.
    initial : array_like, (1,), optional
        Weight before `discard` steps; drawn from the interval that stays bounded unless given.
    discard : int, default 1000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If an argument is not a finite number, or `discard` is negative.
    """
    return _descent("cubic", {"lr": lr}, initial, discard)


def double_well(lr: float = 2.0, *, initial: Any = None, discard: int = 1000) -> NumericSystem:
    """Gradient descent on ``(x² - 1)² / 4``.

    Exponents: ``ln|1 - 2 lr|`` below lr = 1, ``ln|9 - 2 (1 + lr)²| / 2`` from there to √5 - 1, ln 3
    at lr = 2.

    Parameters
    ----------
    lr : float, default 2
        Learning rate.
    initial : array_like, (1,), optional
        Weight before `discard` steps; drawn from (-1, 1) unless given.
    discard : int, default 1000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If an argument is not a finite number, or `discard` is negative.
    """
    return _descent("double_well", {"lr": lr}, initial, discard)


def separable(
    lr: float = 1.0,
    curvatures: Sequence[float] = (0.2, 1.5),
    cubic: Sequence[float] = (3.0,),
    double_well: Sequence[float] = (2.0,),
    rotation: int = 1,
    *,
    initial: Any = None,
    discard: int = 1000,
) -> NumericSystem:
    """Gradient descent on a sum of losses of one variable each, rotated: every exponent is known.

    They are those of the parts: quadratic ones with `curvatures`, and the losses of
    `nndyn.systems.cubic` and `nndyn.systems.double_well`, each times a factor, so that a part
    behaves as its own map does at ``lr`` times that factor.

    Parameters
    ----------
    lr : float, default 1
        Learning rate.
    curvatures : sequence of float, default 0.2, 1.5
        Of the quadratic parts.
    cubic, double_well : sequence of float, default 3 and 2
        A factor for every part of that kind.
    rotation : int, default 1
        Draws the rotation that couples the parts; 0 for none.
    initial : array_like, (n,), optional
        Weights before `discard` steps; drawn as for the parts unless given.
    discard : int, default 1000
        Steps taken before time 0.

    Returns
    -------
    NumericSystem

    Raises
    ------
    UsageError
        If an argument is not a finite number, or `discard` is negative.
    """
    values = {
        "lr": lr,
        "curvatures": curvatures,
        "cubic": cubic,
        "double_well": double_well,
        "rotation": rotation,
    }
    return _descent("separable", values, initial, discard)


def heavy_ball(
    lr: float = 0.1,
    momentum: float = 0.9,
    curvature: float = 1.0,
    *,
    initial: Any = None,
    discard: int = 0,
) -> NumericSystem:
    """Gradient descent with momentum on ``curvature w² / 2``; both weight w and velocity v move.

    ``v' = momentum v + curvature w``, ``w' = w - lr v'``. The exponents add up to ln momentum, and
    are equal while ``(1 - √momentum)² < lr curvature < (1 + √momentum)²``.

    Parameters
    ----------
    lr, momentum, curvature : float, default 0.1, 0.9, 1
    initial : array_like, (2,), optional
        (w, v) before `discard` steps; normal random numbers unless given.
    discard : int, default 0
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
    B. T. Polyak, doi:10.1016/0041-5553(64)90137-5
    """
    known = is_finite(momentum) and momentum != 0.0
    return NumericSystem(
        "heavy_ball",
        _heavy_ball,
        {"lr": lr, "momentum": momentum, "curvature": curvature},
        "wv",
        lambda rng: rng.standard_normal(2),
        kind="gd",
        derivative=_d_heavy_ball,
        exponent_sum=math.log(abs(momentum)) if known else None,
        initial=initial,
        discard=discard,
    )


def _descent(name: str, values: dict[str, Any], initial: Any, discard: int) -> NumericSystem:
    """Make any of the maps of `_separable`."""
    lr = values["lr"]
    rotation = values.get("rotation", 0)
    whole(f"parameter rotation of {name}", rotation, 0)
    alone = {"cubic": {"cubic": [1.0]}, "double_well": {"double_well": [1.0]}}
    factors = {**values, **alone.get(name, {})}
    kinds, rates = [], []
    for kind, part in ((QUADRATIC, "curvatures"), (CUBIC, "cubic"), (WELL, "double_well")):
        given = factors.get(part, ())
        given = given if isinstance(given, Sequence | np.ndarray) else [given]
        for factor in given:
            kinds.append(kind)
            rates.append(float(lr) * float(factor) if is_finite(lr) and is_finite(factor) else 0.0)
    n = len(kinds)
    if n == 0:
        raise UsageError(f"{name} has no part: give curvatures, cubic or double_well")
    turn = np.eye(n)
    if rotation:
        random = np.random.default_rng(int(rotation)).standard_normal((n, n))
        turn, upper = np.linalg.qr(random)
        turn = turn * np.sign(np.diagonal(upper))

    def start(rng: np.random.Generator) -> Array:
        y = np.empty(n)
        for m, (kind, rate) in enumerate(zip(kinds, rates, strict=True)):
            low = max(-1.0, -1.0 / rate) if kind == CUBIC and rate > 0.0 else -1.0
            y[m] = rng.standard_normal() if kind == QUADRATIC else rng.uniform(low, 1.0)
        drawn: Array = turn.T @ y
        return drawn

    contracting = [abs(1.0 - rate) for kind, rate in zip(kinds, rates, strict=True)]
    known = all(kind == QUADRATIC for kind in kinds) and all(contracting)
    return NumericSystem(
        name,
        _separable,
        values,
        [f"w{i}" for i in range(n)] if n > 1 else "w",
        start,
        kind="gd",
        derivative=_d_separable,
        packed=np.concatenate([kinds, rates, turn.ravel()]),
        exponent_sum=float(np.sum(np.log(contracting))) if known else None,
        initial=initial,
        discard=discard,
    )
