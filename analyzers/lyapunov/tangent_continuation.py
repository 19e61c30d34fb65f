"""Continuation by a tangent vector, once replicas are no longer near each other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from analyzers.common.blocks import mean_increments, parts, rows
from analyzers.growth.separation import Separation
from analyzers.growth.valid_region import Region
from analyzers.lyapunov.tangent_agreement import agreed_from

if TYPE_CHECKING:
    import xarray as xr


def continued(recording: xr.Dataset, sep: Separation, region: Region) -> tuple[Region, int | None]:
    """Go on with the first tangent vector where deviations stopped being usable.

    Parameters
    ----------
    recording : xarray.Dataset
        One whose reference diverged is left as it is.
    sep : Separation
        Changed where deviations stopped being usable before the end, and there are tangents: from
        there on every replica grows as the first vector, and the mean from that of the replicas.
        What was measured, `log_separation`, stays.
    region : Region

    Returns
    -------
    region : Region
    start : int or None
        Index of the time from which the vector is followed; None where it is not needed.
    """
    away = int(recording["diverged_at"].values[0]) >= 0  # where a tangent grows, and is no exponent
    if away or region.ended_by in ("end", "divergence") or "tangent_log_stretch" not in recording:
        return region, None
    variable = recording.variables["tangent_log_stretch"]
    times = np.asarray(recording[variable.dims[0]].values, np.float64)
    first = np.empty(times.size)
    for part in parts(times.size, variable.shape[1]):
        first[part] = rows(variable, part, None, 0)
    start = region.stop
    stop = int(np.searchsorted(sep.time, times[-1], side="right")) - 1 if times.size else -1
    if not 0 <= start < stop or not np.isfinite(first).all():
        return region, None
    level = float(sep.mean[start])
    if not np.isfinite(level):
        return region, None
    followed = np.interp(sep.time[start:], times, first)
    followed -= followed[0]
    sep.followed = followed
    sep.mean[start:] = followed
    sep.mean[start:] += level
    sep.collapsed[:] = False
    _keep_offset(recording, sep, start)
    if sep.aligned is not None:
        sep.aligned[start + 1 :] = False  # of deviations that are no longer small
    region.warnings.append(
        f"from {sep.unit} {sep.time[start]:g} on replicas are no measure of infinitesimal "
        f"deviations ({region.ended_by}): the first tangent vector is followed instead"
        + _not_yet(recording, sep, start, stop)
    )
    return replace(region, stop=stop, ended_by="end"), start


def _not_yet(recording: xr.Dataset, sep: Separation, start: int, stop: int) -> str:
    """Say where the vector still grew as its own start has it when it was taken."""
    if "tangent_alignment" not in recording:
        return ""
    since = agreed_from(recording)
    if since is None or since > sep.time[stop]:
        return ", which never agreed with one that started elsewhere: it may grow otherwise"
    if since > sep.time[start]:
        return (
            f", which agreed with one that started elsewhere from {sep.unit} {since:g} on only: "
            "until then it may grow otherwise"
        )
    return ""


def _keep_offset(recording: xr.Dataset, sep: Separation, start: int) -> None:
    """Let what the norm asked for and l2 differ by stay as it was, and rescaling go on."""
    later = sep.time[start:]
    at = np.searchsorted(recording["time"].values, later)
    there = sep.replicas[np.isfinite(sep.log_separation[start])]
    rescale = recording.variables["log_rescale"]
    first = float(mean_increments(rows(rescale, slice(0, 1), at, there))[0])
    for part in parts(later.size - 1, sep.log_separation.shape[1]):
        part = slice(part.start + 1, part.stop + 1)
        taken = mean_increments(rows(rescale, part, at, there))
        sep.offset[start:][part] = sep.offset[start] + (taken - first)
