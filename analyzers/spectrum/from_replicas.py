"""Finite-time exponents from the deviations of replicas, where no tangents were recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analyzers.common.progress import tell
from analyzers.common.sketches import components, is_sketched
from analyzers.common.states import weights
from analyzers.growth.separation import separation
from analyzers.growth.valid_region import valid_region
from nndyn.errors import DataError
from nndyn.numerics.arrays import Array
from nndyn.recording import FLOOR_MARGIN

if TYPE_CHECKING:
    import xarray as xr

#: Most times at which the deviations are decomposed.
TIMES = 200
#: Fewest times.
FEWEST = 3
#: What curvature adds to a deviation at the limit of what counts as infinitesimal, as a share.
CURVATURE = 0.02
#: Numbers of a sketch for every deviation whose volume it is to keep.
SKETCHED = 20


@dataclass(frozen=True)
class Offline:
    """Growth of the volumes that deviations span.

    Attributes
    ----------
    time : (n,) float64
    exponents : (n - 1, k) float64
        Growth from the first time to each later one, over the time between, in QR order.
    replicas : int
        Independent deviations that were looked at; `exponents` has those that stay above rounding
        and curvature.
    dimension : int
    unit : str
    ended_by : str
        What ended the time in which deviations can be used.
    warnings : list of str
    """

    time: Array
    exponents: Array
    replicas: int
    dimension: int
    unit: str
    ended_by: str
    warnings: list[str]


def from_replicas(recording: xr.Dataset) -> Offline:
    """Decompose the deviations of the perturbed replicas while they are infinitesimal.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``state``, or ``sketch`` alone, and perturbed replicas.

    Returns
    -------
    Offline

    Raises
    ------
    DataError
        If no states were kept, or deviations can be used for too short a time.

    Notes
    -----
    The product of the first i diagonal elements of R of the deviation matrix is the volume that the
    first i deviations span; its growth is theirs under the tangent map, whatever they were at the
    start. Deviations turn towards one another, so that the later elements sink below rounding and
    below what curvature adds, which grows as the square of the largest deviation: exponents are
    given as far as all elements stay `FLOOR_MARGIN` times above both. Reads at most `TIMES` states
    of every replica. Of sketches of K numbers K / `SKETCHED` deviations at most are taken.
    """
    sketched = is_sketched(recording)
    if "state" not in recording and not sketched:
        raise DataError(
            "the recording has no tangents, and no states of replicas to do without them; record "
            "with `tangents='all'`, or a number of them"
        )
    sep = separation(recording)
    region = valid_region(recording, sep)
    state = recording["sketch"] if sketched else weights(recording)
    most = state.shape[2] // SKETCHED if sketched else state.shape[2]
    partner = np.asarray(recording["pair"].values)[sep.replicas]
    chosen = [int(r) for r, other in zip(sep.replicas, partner, strict=True) if not 0 <= other < r]
    chosen = chosen[:most]
    times = np.asarray(state[state.dims[0]].values, np.float64)
    end = sep.time[region.stop] if region.stop >= 0 else -np.inf
    usable = int(np.searchsorted(times, end, side="right"))
    if usable < FEWEST or not chosen:
        raise DataError(
            f"deviations can be used at {usable} of the states kept ({region.ended_by}), {FEWEST} "
            "are needed; perturb less (`epsilon`), or record with `tangents`"
        )
    kept = np.unique(np.linspace(0, usable - 1, min(usable, TIMES)).astype(np.int64))
    at = np.searchsorted(sep.time, times[kept])
    logs, largest = np.empty((len(kept), len(chosen))), np.empty(len(kept))
    for i, t in enumerate(kept):
        tell(i, len(kept))
        rows = np.asarray(state[t].values, np.float64)
        deviations = rows[chosen] if sketched else rows[chosen] - rows[0]
        upper = np.linalg.qr(deviations.T, mode="r")
        with np.errstate(divide="ignore"):
            logs[i] = np.log(np.abs(np.diagonal(upper)))
            largest[i] = np.log(np.linalg.norm(deviations, axis=1).max())
    curvature = np.log(CURVATURE) + 2.0 * largest - region.limit[at]
    noise = np.fmax(region.floor[at], curvature)
    noise[np.isnan(noise)] = -np.inf
    above = (logs >= noise[:, None] + np.log(FLOOR_MARGIN)).all(axis=0) & np.isfinite(logs).all(0)
    supported = int(np.argmin(above)) if not above.all() else len(chosen)
    if supported == 0:
        raise DataError(
            f"none of {len(chosen)} deviations stays above rounding and curvature up to "
            f"{sep.unit} {times[kept[-1]]:g}; cut the recording, or record with `tangents`"
        )
    on_time = np.searchsorted(recording["time"].values, times[kept])
    taken = np.asarray(recording["log_rescale"][on_time].values, np.float64)[:, chosen]
    logs = (logs + taken)[:, :supported]
    elapsed = (times[kept] - times[kept[0]])[1:, None]
    return Offline(
        time=times[kept],
        exponents=(logs[1:] - logs[0]) / elapsed,
        replicas=len(chosen),
        dimension=components(recording, state),
        unit=sep.unit,
        ended_by=region.ended_by,
        warnings=region.warnings,
    )
