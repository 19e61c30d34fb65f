"""Initial directions of tangent vectors, and the time from which they no longer matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analyzers.common.manifest import manifest
from analyzers.growth.separation import ALIGNED
from analyzers.growth.stretching import SAMPLES, SHORTEST, Stretching
from analyzers.lyapunov.transient import ALIGNED_FOR, first_aligned
from nndyn.header import tangent_start

if TYPE_CHECKING:
    import xarray as xr


def agreed_from(recording: xr.Dataset) -> float | None:
    """Return the first of five samples at which vectors from two independent starts agree.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``tangent_alignment`` (time or tangent_time,).

    Returns
    -------
    float or None
        Its time; None where they never do.
    """
    variable = recording["tangent_alignment"]
    agree = np.asarray(variable.values, np.float64) >= ALIGNED
    first = first_aligned(agree, 0, len(agree) - 1)
    return None if first is None else float(recording[variable.dims[0]].values[first])


def agreement(recording: xr.Dataset, found: Stretching) -> tuple[float, str]:
    """Return how long the first vector takes to agree with one that started elsewhere.

    Parameters
    ----------
    recording : xarray.Dataset
        Of a transient, with tangents.
    found : Stretching
        All of it.

    Returns
    -------
    burn_in : float
        Time from the start to the first of five samples with an absolute cosine of at least 0.9; 0
        where there is none, where it was not recorded, or where too little is left behind it.
    said : str
        Which of these it was, to follow on a reason.

    Notes
    -----
    One pass over ``tangent_alignment``. Until then a vector grows as its own start has it, which is
    not a property of the run; after it as any other would, but for those without a part along the
    direction that grows most.
    """
    unit, kept = found.unit, "nothing is left out at the start" + _scales(recording, found)
    if "tangent_alignment" not in recording:
        return 0.0, f"; whether vectors forgot their start was not recorded: {kept}"
    at = agreed_from(recording)
    if at is None:
        last = float(recording["tangent_alignment"][-1])
        return 0.0, (
            f"; vectors from two independent starts never agreed (|cos| >= {ALIGNED:g} over "
            f"{ALIGNED_FOR} samples, at the end {last:.2g}): {kept}, and the exponents are those "
            "of their starts"
        )
    if at == found.time[0]:
        return 0.0, ""
    left = int((found.time > at).sum())
    if left < SHORTEST * max(1, (len(found.time) - 1) // SAMPLES):
        return 0.0, (
            f"; vectors from two independent starts agreed at {unit} {at:g} only, {left} samples "
            f"before the end: {kept}; record longer"
        )
    return float(at - found.time[0]), (
        f"; vectors from two independent starts agreed at {unit} {at:g}, what is before is left out"
    )


def in_buffers(recording: xr.Dataset, k: int) -> str:
    """Say which of `k` exponents are of vectors that began in the buffers of an optimizer."""
    weights = _weights(recording)
    if _start(recording) != "weights" or weights is None or k <= weights:
        return ""
    return (
        f"vectors {weights + 1} to {k} started in the buffers of the optimizer, whose scale is "
        "another: what they grow by at first may be that alone"
    )


def _scales(recording: xr.Dataset, found: Stretching) -> str:
    """Say where growth at the start may be no more than a change of scale."""
    weights = _weights(recording)
    if _start(recording) != "random" or weights is None or found.dimension <= weights:
        return ""
    return (
        ", though vectors began in the optimizer's buffers too, whose scale is another: what they "
        "grow by at first may be that alone (record with `tangent_start='weights'`, or set "
        "`burn_in`)"
    )


def _start(recording: xr.Dataset) -> str:
    return tangent_start(manifest(recording).get("recording", {}))


def _weights(recording: xr.Dataset) -> int | None:
    """Return how many weights and biases there are, None where the recording does not say it."""
    if "parameter_size" not in recording:
        return None
    return int(recording["parameter_size"].values.sum())
