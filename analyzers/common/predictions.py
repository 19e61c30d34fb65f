"""Predictions: what the last evaluation says of those of the replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr

#: Share of predictions that differ up to which they are the same.
SAME = 0.01


def last(recording: xr.Dataset, name: str) -> Array | None:
    """Return the last row ``(replica,)`` of a variable over times and replicas, None without."""
    if name not in recording or not recording[name].shape[0]:
        return None
    return np.asarray(recording[name].variable[-1].values, np.float64)
