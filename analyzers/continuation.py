"""Beyond the point where replicas are no longer near each other: the tangent goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from analyzers.separation import Separation, mean_increments
from analyzers.validity import Region

if TYPE_CHECKING:
    import xarray as xr


def continued(
    recording: xr.Dataset, sep: Separation, region: Region
) -> tuple[Separation, Region, int | None]:
    """Return separation and valid region, gone on with by the first tangent vector.

    Parameters
    ----------
    recording : xarray.Dataset
        Of a transient.
    sep : Separation
    region : Region

    Returns
    -------
    sep : Separation
        Where deviations stopped being usable before the end, and there are tangents: from there on
        every replica grows as the first vector, from the mean of the replicas.
    region : Region
    start : int or None
        Index of the time from which the vector is followed; None where it is not needed.
    """
    if region.ended_by in ("end", "divergence") or "tangent_log_stretch" not in recording:
        return sep, region, None
    variable = recording["tangent_log_stretch"]
    times = np.asarray(variable[variable.dims[0]].values, np.float64)
    first = np.asarray(variable[:, 0].values, np.float64)
    start = region.stop
    stop = int(np.searchsorted(sep.time, times[-1], side="right")) - 1 if times.size else -1
    if not 0 <= start < stop or not np.isfinite(first).all():
        return sep, region, None
    growth = np.interp(sep.time, times, first)
    growth = (growth - growth[start])[start:, None]
    level = mean_increments(sep.log_separation)[start]
    if not np.isfinite(level):
        return sep, region, None
    # what the norm asked for and l2 differ by stays as it was
    log_distance, log_l2 = sep.log_distance.copy(), sep.log_l2.copy()
    for logs in (log_distance, log_l2):
        logs[start + 1 :] = (logs[start] + sep.log_rescale[start] + growth)[1:]
        logs[start + 1 :] -= sep.log_rescale[start + 1 :]
    alignment = None
    if sep.alignment is not None:
        alignment = sep.alignment.copy()
        alignment[start + 1 :] = np.nan  # of deviations that are no longer small
    region.warnings.append(
        f"from {sep.unit} {sep.time[start]:g} on replicas are no measure of infinitesimal "
        f"deviations ({region.ended_by}): the first tangent vector is followed instead"
    )
    follows = replace(
        sep,
        log_distance=log_distance,
        log_l2=log_l2,
        alignment=alignment,
        collapsed=np.zeros_like(sep.collapsed),
    )
    return follows, replace(region, stop=stop, ended_by="end"), start
