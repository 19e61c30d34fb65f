"""What a run ends on: a fixed point, a cycle, or nothing that repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analyzers.separation import weights

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[Any]

#: Two states coincide within this share of the steps between them.
TOLERANCE = 1e-6
#: A run is at rest when it has less than this share of its longest step still to go.
AT_REST = 1e-6
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
    lengths = None
    if "step_length" in recording and recording["step_length"].dims[0] == "time":
        lengths = np.asarray(recording["step_length"][:, 0].values, dtype=np.float64)[1:]
        lengths = lengths[np.isfinite(lengths)]
    if "state" in recording and recording["state"].dims[0] == "time":
        states = np.asarray(weights(recording)[tail, 0].values, dtype=np.float64)
        states = states[np.isfinite(states).all(axis=1)]
        if len(states) < 3:
            return "unknown", -1
        recent = np.linalg.norm(np.diff(states, axis=0), axis=1)
        longest = float(recent.max() if lengths is None or not lengths.size else lengths.max())
        rounding = 16.0 * float(np.finfo(np.float64).eps * np.abs(states).max())
        if _at_rest(recent, longest, rounding):
            return _named(1)
        return _named(_period(states, max(TOLERANCE * recent[-LONGEST:].max(), rounding)))
    if lengths is None or lengths.size < 3:
        return "unknown", -1
    if _at_rest(lengths, float(lengths.max()), 0.0):
        return _named(1)
    loss = recording.get("loss")
    columns = [lengths[-2 * LONGEST :]]
    if loss is not None and loss.dims[0] == "time":
        columns.append(np.asarray(loss[1:, 0].values, dtype=np.float64)[: lengths.size])
    size = min(len(c) for c in columns)
    table = np.column_stack([c[-min(size, 2 * LONGEST) :] for c in columns])
    spread = np.array([table[-LONGEST:, 0].max(), *np.ptp(table[-LONGEST:, 1:], axis=0)])
    spread = np.maximum(spread, 1e-9 * np.abs(table).max(axis=0))
    period = _period(table / np.where(spread > 0.0, spread, 1.0), TOLERANCE)
    if period == 1:  # equal steps that do not vanish: to and fro, if the loss repeats too
        return _named(2) if len(columns) > 1 else ("unknown", -1)
    return _named(period)


def _at_rest(lengths: Array, longest: float, rounding: float) -> bool:
    """Whether the steps have vanished, or shrink so fast that next to nothing is left to go."""
    last = float(lengths[-8:].max())
    if last <= max(1e-14 * longest, rounding):
        return True
    if last > AT_REST * longest or len(lengths) < 40:
        return False
    ratio = (last / max(float(lengths[-40:-32].max()), last)) ** (1.0 / 32.0)
    return bool(ratio < 1.0 and last / (1.0 - ratio) <= AT_REST * longest)


def _period(rows: Array, tolerance: float) -> int:
    """Smallest p at which the rows repeat over the last periods; 0 where there is none."""
    n = len(rows)
    for p in range(1, min(LONGEST, (n - 1) // 2) + 1):
        recent = rows[n - p :]
        earlier = range(1, min((n - p) // p, max(2, 8 // p)) + 1)
        if all(
            np.linalg.norm(recent - rows[n - p - k * p : n - k * p], axis=1).max() <= tolerance
            for k in earlier
        ):
            return p
    return 0


def _named(period: int) -> tuple[str, int]:
    if period == 0:
        return "none", 0
    return ("fixed point" if period == 1 else f"cycle of period {period}"), period
