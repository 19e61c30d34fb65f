"""Divergence of the reference: stretching on the way out is no exponent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.common.manifest import system_of
from nndyn.results import Quantity, result

if TYPE_CHECKING:
    import xarray as xr


def escape(recording: xr.Dataset) -> str:
    """Say when the reference stopped being finite, with what to try; empty where it did not."""
    step = int(recording.variables["diverged_at"].values[0]) if "diverged_at" in recording else -1
    if step < 0:
        return ""
    said = f"the reference is not finite from step {step} on"
    system = system_of(recording)
    if system.get("kind") == "flow" and system.get("method", "rk4") == "rk4" and system.get("dt"):
        said += (
            f"; a shorter `dt` than {system['dt']:g}, or `method='dop853'`, tells whether the flow "
            "itself leaves every bound"
        )
    return said


def leaving(recording: xr.Dataset) -> float:
    """Return by how many e-foldings the reference's steps grew; 0 where they are not known."""
    if "step_length" not in recording or recording["step_length"].dims[0] != "time":
        return 0.0
    steps = recording["step_length"].variable[1:, 0]
    few = min(8, steps.size // 2)
    ends = [np.asarray(steps[part].values, np.float64) for part in (slice(few), slice(-few, None))]
    if not few or not all(np.isfinite(x).all() and x.mean() > 0.0 for x in ends):
        return 0.0
    return float(np.log(ends[1].mean() / ends[0].mean()))


def ends_before(recording: xr.Dataset, window: tuple[float, float] | None) -> bool:
    """Tell whether a window ends before the last finite state of a reference that diverged."""
    return window is not None and window[1] < float(recording["time"].values[-1])


def escaped(recording: xr.Dataset, parameters: dict[str, Any], note: str) -> xr.Dataset:
    """Label a spectrum of which there is nothing to report.

    Parameters
    ----------
    recording : xarray.Dataset
    parameters : dict
        The options as used.
    note : str
        Why there are no numbers.

    Returns
    -------
    xarray.Dataset
        With the verdict ``diverged``.
    """
    unit = str(recording["time"].attrs.get("units", "step"))
    per = f"per {unit}"
    dimension, more = "kaplan_yorke_finite_time", {}
    if int(recording.attrs.get("stationary", 0)):
        dimension = "kaplan_yorke_dimension"
        more["growth_per_doubling"] = Quantity(None, "1", "e-foldings per doubling", note=note)
    unknown = np.full(recording.sizes.get("vector", 1), np.nan)
    nothing = {
        "exponents": Quantity(unknown, per, "Lyapunov exponents", ("exponent",), note=note),
        "exponent_sum": Quantity(None, per, "sum of the exponents", note=note),
        "exponent_sum_exact": Quantity(None, per, "exact sum of all exponents", note=note),
        "positive_count": Quantity(None, "1", "exponents above zero", note=note),
        "zero_count": Quantity(None, "1", "exponents at zero", note=note),
        "positive_sum": Quantity(None, per, "sum of the positive exponents", note=note),
        dimension: Quantity(None, "1", "Kaplan-Yorke dimension", note=note),
        **more,
    }
    return result(
        nothing,
        analyzer="spectrum",
        recording=recording,
        parameters=parameters,
        summary=tuple(nothing),
        verdict="diverged",
        reason=escape(recording),
    )
