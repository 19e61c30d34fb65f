"""Sum of all exponents against what is known of it, from the system and its integration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.common.manifest import manifest
from analyzers.growth.stretching import Rates
from analyzers.spectrum.resolution import Resolution

if TYPE_CHECKING:
    import xarray as xr

#: Share of the sum from which an error of integration matters.
MATERIAL = 1e-3
#: How well the error of integration is known from a short run, as a factor.
SHORT_RUN = 2.0


def volume_warnings(
    recording: xr.Dataset, used: Rates, resolved: Resolution, total: float, half_width: float
) -> list[str]:
    """Compare the sum of all exponents with the exact one, and find what is to blame.

    Parameters
    ----------
    recording : xarray.Dataset
        Its manifest has ``exponent_sum``, where the system knows it, and ``exponent_sum_error``,
        what Richardson's extrapolation from half the step says that integration adds; older files
        do not have the latter.
    used : Rates
    resolved : Resolution
    total, half_width : float
        The sum, per unit of time, and the half-width of its interval.

    Returns
    -------
    list of str
        Empty where all were followed and the sum is right, or nothing is known of it.
    """
    known = manifest(recording)
    system = known.get("system", {})
    exact = known.get("exponent_sum")
    error = known.get("exponent_sum_error") if system.get("dt") else None
    k = len(used.values)
    if k < recording.sizes.get("phase", k) or not np.isfinite(total):
        return []
    stepped = system.get("kind") == "flow" and system.get("method", "rk4") == "rk4"
    stepped = stepped and bool(system.get("dt"))
    scale = max(abs(float(total if exact is None else exact)), float(np.abs(used.values).max()))
    found: list[str] = []
    unknown = stepped and error is None  # by files that do not say it
    off = 0.0 if exact is None else abs(total - float(exact))
    allowed = half_width + resolved.rounding + SHORT_RUN * abs(error or 0.0)
    if unknown:
        allowed = max(allowed, MATERIAL * scale)
    material = error is not None and abs(error) > max(half_width, MATERIAL * scale)
    if off > allowed or material:
        said = f"the exponents add up to {total:.6g}"
        if exact is not None:
            said += f", the exact sum is {float(exact):.6g}"
        found.append(f"{said}: {_blame(system, error, off, scale, unknown, material)}")
    return found


def _blame(
    system: dict[str, Any],
    error: float | None,
    off: float,
    scale: float,
    unknown: bool,
    material: bool,
) -> str:
    """Say what the difference comes from, and the cure."""
    if material or unknown or (error is not None and abs(error) * SHORT_RUN > 0.5 * off):
        size = off if error is None else abs(error)
        much = f"integration with steps of {system['dt']:g}"
        much += " changes it" if error is None else f" changes it by {error:.2g}"
        other = "" if system.get("method") == "dop853" else ", or `method='dop853'`"
        return f"{much}; record with `dt={_shorter(system['dt'], size / scale):g}` or less{other}"
    return (
        "neither rounding between orthonormalizations nor the length of the steps explains the "
        "difference; record again, and compare the exponents with those of replicas"
    )


def _shorter(dt: float, share: float) -> float:
    """Return the step, one digit of 1, 2 or 5, at which a relative error of order 4 is small."""
    wanted = dt * min((0.5 * MATERIAL / share) ** 0.25, 0.5)
    power = 10.0 ** np.floor(np.log10(wanted))
    digit = max(d for d in (1.0, 2.0, 5.0) if d * power <= wanted * (1.0 + 1e-9))
    return float(digit * power)
