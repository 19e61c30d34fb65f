"""Compiled loops that advance a batch of rows of a map or a flow.

A system's formula is one compiled function ``step(rows, parameters, out)`` (a map) or
``rate(rows, parameters, out)`` (a flow) over whole batches ``(R, P)``. It is handed to the loop as
a typed function pointer, so that one compilation, cached on disk, serves every system.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types

from nndyn.numerics.arrays import Array
from nndyn.numerics.separation import separate

_ROWS = types.Array(types.float64, 2, "C")
_VECTOR = types.Array(types.float64, 1, "C")
_CUBE = types.Array(types.float64, 3, "C")
_TIMES = types.Array(types.int64, 1, "C")
#: Signature of a formula: rows (R, P), parameters (k,), rows to write (R, P).
FORMULA = types.void(_ROWS, _VECTOR, _ROWS)
_FORMULA = types.FunctionType(FORMULA)


@numba.njit(
    types.void(
        _FORMULA,
        _ROWS,
        _VECTOR,
        types.int64,
        types.int64,
        _TIMES,
        _CUBE,
        _ROWS,
        _ROWS,
        _CUBE,
        _ROWS,
    ),
    cache=True,
    nogil=True,
)
def advance_map(
    step: Any,
    rows: Array,
    parameters: Array,
    start: int,
    steps: int,
    keep: Array,
    states: Array,
    l1: Array,
    linf: Array,
    gram: Array,
    lengths: Array,
) -> None:
    """Iterate a map in place, writing what a Block holds at each time before its step."""
    # flat on purpose: helpers that take these arrays, or arrays that change their names, cost
    # several times the step
    near, far = rows.copy(), np.empty_like(rows)
    alone = near.shape[0] == 1
    k = 0
    for i in range(steps):
        if alone:  # a reference: 0, or NaN where it is not finite
            nothing = 0.0
            for p in range(near.shape[1]):
                nothing += near[0, p] - near[0, p]
            l1[i, 0] = linf[i, 0] = gram[i, 0, 0] = nothing
        else:
            separate(near, near.shape[1], i, l1, linf, gram)
        if k < keep.size and keep[k] == start + i:
            states[k] = near
            k += 1
        step(near, parameters, far)
        for r in range(near.shape[0]):
            square = 0.0
            for p in range(near.shape[1]):
                square += (far[r, p] - near[r, p]) ** 2
                near[r, p] = far[r, p]
            lengths[i, r] = np.sqrt(square)
    rows[:] = near


@numba.njit(
    types.void(
        _FORMULA,
        _ROWS,
        _VECTOR,
        types.float64,
        types.int64,
        types.int64,
        _TIMES,
        _CUBE,
        _ROWS,
        _ROWS,
        _CUBE,
        _ROWS,
    ),
    cache=True,
    nogil=True,
)
def advance_flow(
    rate: Any,
    rows: Array,
    parameters: Array,
    dt: float,
    start: int,
    steps: int,
    keep: Array,
    states: Array,
    l1: Array,
    linf: Array,
    gram: Array,
    lengths: Array,
) -> None:
    """Integrate a flow in place by the classical Runge-Kutta method, writing as `advance_map`."""
    near, far = rows.copy(), np.empty_like(rows)
    k1 = np.empty_like(rows)
    k2 = np.empty_like(rows)
    k3 = np.empty_like(rows)
    k4 = np.empty_like(rows)
    k = 0
    for i in range(steps):
        separate(near, near.shape[1], i, l1, linf, gram)
        if k < keep.size and keep[k] == start + i:
            states[k] = near
            k += 1
        rate(near, parameters, k1)
        for r in range(near.shape[0]):
            for p in range(near.shape[1]):
                far[r, p] = near[r, p] + 0.5 * dt * k1[r, p]
        rate(far, parameters, k2)
        for r in range(near.shape[0]):
            for p in range(near.shape[1]):
                far[r, p] = near[r, p] + 0.5 * dt * k2[r, p]
        rate(far, parameters, k3)
        for r in range(near.shape[0]):
            for p in range(near.shape[1]):
                far[r, p] = near[r, p] + dt * k3[r, p]
        rate(far, parameters, k4)
        for r in range(near.shape[0]):
            square = 0.0
            for p in range(near.shape[1]):
                slope = k1[r, p] + 2.0 * k2[r, p] + 2.0 * k3[r, p] + k4[r, p]
                far[r, p] = near[r, p] + dt / 6.0 * slope
                square += (far[r, p] - near[r, p]) ** 2
            lengths[i, r] = np.sqrt(square)
        near, far = far, near
    rows[:] = near
