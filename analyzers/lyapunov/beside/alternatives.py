"""Alternatives to chaos beside an exponent: an unstable step, and the quadratic loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.common.blocks import parts, rows
from analyzers.common.stability import ratio
from analyzers.growth.separation import Separation
from analyzers.lyapunov.estimators import Estimate
from nndyn.results import Quantity

if TYPE_CHECKING:
    import xarray as xr


@dataclass
class Alternatives:
    """Other explanations of a growth, as far as a recording has them.

    Attributes
    ----------
    quantities : dict of str to Quantity
    names : list of str
        Of the numbers among them.
    coords : dict
    reasons : list of str
    """

    quantities: dict[str, Quantity] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    coords: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def alternatives(
    recording: xr.Dataset, sep: Separation, found: Estimate, stop: int
) -> Alternatives:
    """Return what sharpness and the quadratic expansion say of a growth.

    Parameters
    ----------
    recording : xarray.Dataset
    sep : Separation
    found : Estimate
        Of the growth; its window is compared.
    stop : int
        Index of the last time at which deviations can be used.

    Returns
    -------
    Alternatives
    """
    out = Alternatives()
    _unstable(recording, sep, out)
    _quadratic(recording, sep, found, stop, out)
    return out


def _unstable(recording: xr.Dataset, sep: Separation, out: Alternatives) -> None:
    known = ratio(recording)
    if known is None:
        return
    times, values, limit = known
    out.coords["sharpness_time"] = (
        "sharpness_time",
        times,
        {"units": sep.unit, "long_name": "time at which the Hessian was looked at"},
    )
    out.quantities["sharpness_ratio"] = Quantity(
        values,
        "1",
        limit.formula,
        ("sharpness_time",),
        note=f"the limit is {limit.value:.6g}; above 1 a minimum repels the optimizer",
    )
    above = np.flatnonzero(values > 1.0)
    last = float(times[above[-1]]) if above.size else None
    never = f"{limit.formula} never exceeds 1: it is at most {np.nanmax(values):.3g}"
    out.quantities["unstable_until"] = Quantity(
        last,
        sep.unit,
        f"last time looked at with {limit.formula} above 1",
        note=None if above.size else never,
    )
    out.names.append("unstable_until")
    out.reasons.append(
        never if last is None else f"{limit.formula} last exceeds 1 at {sep.unit} {last:g}"
    )


def _quadratic(
    recording: xr.Dataset, sep: Separation, found: Estimate, stop: int, out: Alternatives
) -> None:
    if "quadratic_log_growth" not in recording:
        return
    growth = recording.variables["quadratic_log_growth"]
    at = np.searchsorted(recording["time"].values, sep.time)
    mean = np.empty(at.size)
    for part in parts(at.size, growth.shape[1]):
        mean[part] = rows(growth, part, at, sep.replicas).mean(axis=1)
    out.quantities["quadratic_log_growth"] = Quantity(
        mean, "1", "growth on the quadratic expansion of the loss at the start", ("time",)
    )
    rate = total = None
    note: str | None = "there is no window in which growth is measured"
    if found.window is not None:
        a, b = found.window
        note = None
        rate = float((mean[b] - mean[a]) / (sep.time[b] - sep.time[a]))
        end = found.transient_end if found.transient_end is not None else stop
        total = float(mean[end] - mean[min(found.start, end)])
        out.reasons.append(
            f"on the quadratic expansion of the loss at the start they grow by {rate:.3g} per "
            f"{sep.unit} in the same window, by {total:.3g} e-foldings up to {sep.unit} "
            f"{sep.time[end]:g}"
        )
    per = f"per {sep.unit}"
    out.quantities["quadratic_exponent"] = Quantity(
        rate,
        per,
        "exponent of the quadratic expansion in the window",
        note=note,
    )
    out.quantities["quadratic_growth"] = Quantity(
        total,
        "1",
        "e-foldings on the quadratic expansion, over the time of the growth",
        note=note,
    )
    out.names += ["quadratic_exponent", "quadratic_growth"]
