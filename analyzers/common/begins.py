"""Where a recording begins for its analyzers: at the perturbation of its replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analyzers.common.manifest import manifest
from nndyn.errors import DataError
from nndyn.recording import GROWING

if TYPE_CHECKING:
    import xarray as xr

#: Attribute of a recording that was cut so: the rows that were left out, where time is no step.
FIRST_ROW = "first_row"


def from_perturbation(recording: xr.Dataset) -> xr.Dataset:
    """Return a recording from the time on at which its replicas were perturbed.

    Parameters
    ----------
    recording : xarray.Dataset
        Before that time its replicas are the reference, copied.

    Returns
    -------
    xarray.Dataset
        The same where that is its first time.

    Raises
    ------
    DataError
        If it ends before, and not because the reference diverged.
    """
    step = manifest(recording).get("recording", {}).get("perturb_at", 0)
    if not step or FIRST_ROW in recording.attrs or "time" not in recording.variables:
        return recording
    time = recording["time"]
    counts = time.attrs.get("units", "step") == "step"
    begin = step if counts else time.values[step] if step < time.size else np.inf
    kept = {
        name: slice(int(np.searchsorted(recording[name].values, begin)), None)
        for name in GROWING
        if name in recording.dims and name in recording.variables
    }
    diverged = "diverged_at" in recording and int(recording["diverged_at"].values[0]) >= 0
    if not diverged and kept["time"].start >= time.size:
        last = f"at {time.attrs.get('units', 'step')} {float(time[-1]):g}" if time.size else "empty"
        raise DataError(
            f"the recording ends {last}, before step {step}, at which its replicas are perturbed: "
            "there is nothing to compare; go on with it (`resume`)"
        )
    return recording.isel(kept).assign_attrs({FIRST_ROW: 0 if counts else step})
