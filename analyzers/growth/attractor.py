"""Attractor of a run: a fixed point, a cycle, or nothing that repeats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analyzers.common.blocks import parts, rows
from analyzers.common.states import Tail, weights
from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr

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
    Reads the last 129 states of the reference, in pieces of components that together take no more
    than 32 MiB (`analyzers.common.states.BLOCK_BYTES`): each state once, and those once more, one
    against another, at whose lag the last one is repeated. Of step lengths one pass. Measured with
    200 states of 2,000,000 weights: resident memory rises by 32 MiB at its peak.

    From lengths alone, a cycle is one of step lengths and loss.
    """
    T = int(recording.sizes["time"])
    first = max(T - 2 * LONGEST - 1, 0)
    stored, lengths = recording.variables.get("step_length"), None
    if stored is not None and stored.dims[0] == "time":
        lengths = _lengths(stored)
    if "state" in recording and recording["state"].dims[0] == "time":
        tail = Tail(weights(recording)[first:, 0])
        if len(tail.rows) < 3:
            return "unknown", -1
        recent = tail.steps
        longest = float(recent.max()) if lengths is None or not lengths.count else lengths.longest
        rounding = 16.0 * float(np.finfo(np.float64).eps * tail.largest)
        if _at_rest(recent, longest, rounding):
            return _named(1)
        tolerance = max(TOLERANCE * recent[-LONGEST:].max(), rounding)
        return _named(_period(len(tail.rows), tail.distances, tolerance))
    if lengths is None or lengths.count < 3:
        return "unknown", -1
    if _at_rest(lengths.last, lengths.longest, 0.0):
        return _named(1)
    columns = [lengths.last]
    loss = recording.variables.get("loss")
    if loss is not None and loss.dims[0] == "time":
        stop = 1 + lengths.count
        recent_loss = loss[max(stop - len(lengths.last), 1) : stop]
        columns.append(np.asarray(recent_loss.values, dtype=np.float64)[:, 0])
    table = np.column_stack(columns)
    spread = np.array([table[-LONGEST:, 0].max(), *np.ptp(table[-LONGEST:, 1:], axis=0)])
    spread = np.maximum(spread, 1e-9 * np.abs(table).max(axis=0))
    table /= np.where(spread > 0.0, spread, 1.0)

    def distances(pairs: Array) -> Array:
        lengths: Array = np.linalg.norm(table[pairs[:, 0]] - table[pairs[:, 1]], axis=1)
        return lengths

    period = _period(len(table), distances, TOLERANCE)
    if period == 1:  # equal steps that do not vanish: to and fro, if the loss repeats too
        return _named(2) if len(columns) > 1 else ("unknown", -1)
    return _named(period)


@dataclass(frozen=True)
class _Lengths:
    """The finite step lengths: how many, the longest, and the last `2 * LONGEST`."""

    count: int
    longest: float
    last: Array


def _lengths(variable: xr.Variable) -> _Lengths:
    count, longest, last = 0, 0.0, np.zeros(0)
    for part in parts(variable.shape[0], variable.shape[1]):
        lengths = rows(variable, part, None, 0)[int(part.start == 0) :]
        lengths = lengths[np.isfinite(lengths)]
        count += lengths.size
        longest = max(longest, float(lengths.max(initial=0.0)))
        last = np.concatenate([last, lengths[-2 * LONGEST :]])[-2 * LONGEST :]
    return _Lengths(count, longest, last)


def _at_rest(lengths: Array, longest: float, rounding: float) -> bool:
    """Whether the steps have vanished, or shrink so fast that next to nothing is left to go."""
    last = float(lengths[-8:].max())
    if last <= max(1e-14 * longest, rounding):
        return True
    if last > AT_REST * longest or len(lengths) < 40:
        return False
    ratio = (last / max(float(lengths[-40:-32].max()), last)) ** (1.0 / 32.0)
    return bool(ratio < 1.0 and last / (1.0 - ratio) <= AT_REST * longest)


def _period(n: int, distances: Callable[[Array], Array], tolerance: float) -> int:
    """Smallest p at which n rows repeat over the last periods; 0 where there is none."""
    # those of the last are known: nearly every p is ruled out by them
    to_last = distances(np.column_stack([np.full(n - 1, n - 1), np.arange(n - 1)]))
    for p in range(1, min(LONGEST, (n - 1) // 2) + 1):
        earlier = p * np.arange(1, min((n - p) // p, max(2, 8 // p)) + 1)
        if to_last[n - 1 - earlier].max() <= tolerance and all(
            distances(np.column_stack([np.full(earlier.size, i), i - earlier])).max() <= tolerance
            for i in range(n - 2, n - p - 1, -1)
        ):
            return p
    return 0


def _named(period: int) -> tuple[str, int]:
    if period == 0:
        return "none", 0
    return ("fixed point" if period == 1 else f"cycle of period {period}"), period
