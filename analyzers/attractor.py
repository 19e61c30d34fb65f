"""What a run ends on: a fixed point, a cycle, or nothing that repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[Any]

#: Two states coincide within this share of the reference's longest step.
TOLERANCE = 1e-9
#: Longest cycle looked for.
LONGEST = 64


def attractor(recording: xr.Dataset) -> tuple[str, int]:
    """Return what the reference ends on.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``state`` at every time, or else ``step_length`` (and ``loss``) at every time.

    Returns
    -------
    name : str
        ``fixed point``, ``cycle of period p``, ``none`` or ``unknown``.
    period : int
        1, p, 0, or -1.

    Notes
    -----
    Reads the last 129 states of the reference, no more: (129, D) values in memory. From lengths
    alone, a cycle is one of step lengths and loss.
    """
    T = int(recording.sizes["time"])
    tail = slice(max(T - 2 * LONGEST - 1, 0), T)
    steps = None
    if "step_length" in recording and recording["step_length"].dims[0] == "time":
        steps = np.asarray(recording["step_length"][:, 0].values, dtype=np.float64)[1:]
        steps = steps[np.isfinite(steps)]
    longest = float(steps.max()) if steps is not None and steps.size else None
    if "state" in recording and recording["state"].dims[0] == "time":
        states = np.asarray(recording["state"][tail, 0].values, dtype=np.float64)
        states = states[np.isfinite(states).all(axis=1)]
        if longest is None and len(states) > 1:
            longest = float(np.linalg.norm(np.diff(states, axis=0), axis=1).max())
        return _named(_period(states, longest or 0.0))
    if steps is None or longest is None or steps.size < 3:
        return "unknown", -1
    columns = [steps[tail.start :]]
    loss = recording.get("loss")
    if loss is not None and loss.dims[0] == "time":
        columns.append(np.asarray(loss[1:, 0].values, dtype=np.float64)[tail.start :])
    length = min(len(c) for c in columns)
    if columns[0][-1] <= TOLERANCE * longest:
        return _named(1)
    scale = np.array([longest] + [np.ptp(c) + abs(c[-1]) for c in columns[1:]])
    scale[scale == 0.0] = 1.0
    table = np.column_stack([c[-length:] for c in columns]) / scale
    period = _period(table, 1.0)
    if period == 1:  # equal steps that do not vanish: to and fro, if the loss repeats too
        return _named(2) if len(columns) > 1 else ("unknown", -1)
    return _named(period)


def _period(states: Array, longest: float) -> int:
    """Smallest p at which the rows repeat over the last two periods; 0 where there is none."""
    n = len(states)
    scale = max(longest * TOLERANCE, 4.0 * np.finfo(float).eps * float(np.abs(states).max()))
    for p in range(1, min(LONGEST, (n - 1) // 2) + 1):
        recent = states[n - p :]
        if all(
            np.linalg.norm(recent - states[n - p - k * p : n - k * p], axis=1).max() <= scale
            for k in range(1, (n - p) // p + 1)
            if k <= max(2, 8 // p)
        ):
            return p
    return 0


def _named(period: int) -> tuple[str, int]:
    if period == 0:
        return "none", 0
    return ("fixed point" if period == 1 else f"cycle of period {period}"), period
