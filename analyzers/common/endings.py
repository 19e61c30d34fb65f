"""Ends of trajectories: a diverged run is analyzed up to its divergence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analyzers.common.begins import FIRST_ROW
from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr

#: A run beyond it is taken to have diverged; fourth powers of so large states are still finite.
LARGEST = 1e70


def ends(recording: xr.Dataset, state: xr.DataArray) -> Array:
    """Return how many states of every replica are finite, and not too large to be squared twice.

    Parameters
    ----------
    recording : xarray.Dataset
    state : xarray.DataArray, (T, R, D)
        Its states; read from the last one on as far as they are too large.

    Returns
    -------
    (R,) int64
    """
    T, R = state.shape[:2]
    found = np.full(R, T)
    if "diverged_at" in recording:
        steps, times = recording["time"].values, state[state.dims[0]].values
        for r, step in enumerate(recording["diverged_at"].values):
            row = row_of(recording, int(step))
            if step >= 0 and row < len(steps):
                found[r] = np.searchsorted(times, steps[row])
    for r in range(R):
        while found[r] and float(np.abs(state[found[r] - 1, r].values).max()) > LARGEST:
            found[r] -= 1
    return found


def row_of(recording: xr.Dataset, step: int) -> int:
    """Return the row of ``time`` of a step, or of the first after it.

    Where time does not count steps it is they that count the rows.

    Returns
    -------
    int
    """
    time = recording["time"]
    if time.attrs.get("units", "step") != "step":
        return step - int(recording.attrs.get(FIRST_ROW, 0))
    return int(np.searchsorted(time.values, step))


def why(recording: xr.Dataset, state: xr.DataArray, r: int, end: int, whose: str = "") -> str:
    """Return why a replica has no more than `end` states, empty where it just stops."""
    name = called(r, whose)
    if end < state.shape[0] and np.isfinite(state[end, r].values).all():
        axis = state[state.dims[0]]
        time = f"{axis.attrs.get('units', 'step')} {float(axis[end]):g}"
        return f"{name} is larger than {LARGEST:g} from {time} on"
    if "diverged_at" in recording and int(recording["diverged_at"].values[r]) >= 0:
        step = int(recording["diverged_at"].values[r])
        return f"{name} is not finite from step {step} on"
    return ""


def called(r: int, whose: str = "") -> str:
    """Return what messages call a replica, of a recording that is called `whose`."""
    return ("the reference" if r == 0 else f"replica {r}") + (f" of {whose}" if whose else "")
