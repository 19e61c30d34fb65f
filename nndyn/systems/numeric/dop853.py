"""Flows integrated by an adaptive method, as the map from one multiple of dt to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nndyn.numerics.arrays import Array

#: Relative and absolute tolerance: well below deviations of 1e-8.
RTOL, ATOL = 1e-12, 1e-13

Formula = Callable[[Array, Array, Array], None]
Derivative = Callable[[Array, Array, Array, Array], None]


def flow_map(
    rate: Formula, derivative: Derivative | None, dt: float
) -> tuple[Formula, Derivative | None]:
    """Return the map over a time `dt`, and its derivative where that of the rate is given.

    Parameters
    ----------
    rate : function
        ``rate(rows, parameters, out)``.
    derivative : function or None
        ``derivative(row, parameters, vectors, out)``.
    dt : float

    Returns
    -------
    formula, derivative : functions
        Of the same signatures.

    Notes
    -----
    Every row is integrated on its own by scipy's DOP853, anew from every multiple of `dt`, so that
    no row depends on another and no run on how it is cut. Vectors are integrated together with
    their row.
    """

    def step(rows: Array, parameters: Array, out: Array) -> None:
        slope = np.empty((1, rows.shape[1]))

        def slopes(_: float, x: Array) -> Array:
            rate(x[None], parameters, slope)
            found: Array = slope[0].copy()
            return found

        for row, new in zip(rows, out, strict=True):
            new[:] = _integrated(slopes, row, dt)

    if derivative is None:
        return step, None
    pushed = derivative

    def push(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
        P = len(row)
        slope, turned = np.empty((1, P)), np.empty_like(vectors)

        def slopes(_: float, both: Array) -> Array:
            rate(both[None, :P], parameters, slope)
            pushed(both[:P], parameters, both[P:].reshape(vectors.shape), turned)
            return np.concatenate([slope[0], turned.ravel()])

        both = _integrated(slopes, np.concatenate([row, vectors.ravel()]), dt)
        out[:] = both[P:].reshape(vectors.shape)

    return step, push


def _integrated(slopes: Any, start: Array, dt: float) -> Array:
    """Return the state after a time `dt`; NaN where the method gives up."""
    from scipy.integrate import solve_ivp

    if not np.isfinite(start).all():
        return np.full_like(start, np.nan)
    found = solve_ivp(slopes, (0.0, dt), start, method="DOP853", rtol=RTOL, atol=ATOL)
    end: Array = found.y[:, -1] if found.success else np.full_like(start, np.nan)
    return end
