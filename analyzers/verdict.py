"""What to make of the numbers: a verdict, and the reason in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from analyzers.growth_rate import GrowthRate
from analyzers.transient import DECISIVE, Growth

Array = NDArray[Any]


@dataclass(frozen=True)
class Verdict:
    """``chaotic``, ``transient``, ``saturated``, ``regular``, ``unresolved`` or ``diverged``."""

    name: str
    reason: str


def judge_stationary(
    rate: GrowthRate, *, growth: float, ended_by: str, min_growth: float, unit: str, dt: float
) -> Verdict:
    """Judge the mean growth rate of a stationary recording.

    Parameters
    ----------
    rate : GrowthRate
    growth : float
        e-foldings over the window.
    ended_by : str
        What ended the valid region, see `analyzers.validity.Region`.
    min_growth : float
        e-foldings that an exponential has to show.
    unit : str
    dt : float
        Time between samples.

    Returns
    -------
    Verdict
    """
    low, high = (rate.value - rate.half_width) / dt, (rate.value + rate.half_width) / dt
    interval = f"[{low:.4g}, {high:.4g}] per {unit}"
    if high < 0.0:
        return Verdict("regular", f"deviations shrink: the exponent lies in {interval}")
    if ended_by == "saturation" and low > 0.0 and growth >= min_growth:
        return Verdict(
            "saturated",
            f"deviations grew by {growth:.1f} e-foldings until they stopped being infinitesimal; "
            "record with --rescale 10 to follow them over the whole run",
        )
    if not rate.resolved:
        return Verdict(
            "unresolved",
            f"the usable part holds fewer than 4 blocks of 10 correlation times "
            f"({rate.correlation_time:.3g} samples each); record longer"
            + (", with --rescale 10" if ended_by != "end" else ""),
        )
    if low > 0.0 and growth >= min_growth:
        return Verdict("chaotic", f"deviations grow: the exponent lies in {interval}")
    if abs(growth) < 1.0:
        return Verdict(
            "regular",
            f"deviations changed by {growth:.2g} e-foldings, less than one, over the window",
        )
    return Verdict("unresolved", f"zero cannot be told from the exponent in {interval}; go longer")


def judge_transient(
    found: Growth,
    *,
    ended_by: str,
    ends_on: tuple[str, int],
    min_growth: float,
    drift: float,
    unit: str,
    dt: float,
    time: Array,
) -> Verdict:
    """Judge the growth of deviations along a transient.

    Parameters
    ----------
    found : Growth
    ended_by : str
        What ended the valid region.
    ends_on : (str, int)
        The attractor, see `analyzers.attractor.attractor`.
    min_growth : float
        e-foldings that chaos, transient or not, has to show.
    drift : float
        Slopes below it, per sample, are slow drift.
    unit : str
    dt : float
        Time between samples.
    time : (T,) float64
        Times of the samples.

    Returns
    -------
    Verdict
    """
    total, slope = found.total, found.slope / dt
    amount = f"{abs(total):.1f}" if abs(total) >= 1.0 else f"{abs(total):.2g}"
    grown = f"deviations {'grew' if total > 0.0 else 'shrank'} by {amount} e-foldings"
    at_rest = ends_on[1] >= 1
    stays = f"; the run ends on a {ends_on[0]}" if at_rest else ""
    ended = found.end is not None or (at_rest and ended_by in ("saturation", "end"))
    if total < 1.0 and ended_by != "saturation":
        return Verdict("regular", grown + (", less than one" if total > 0.0 else "") + stays)
    if found.slope < drift:
        return Verdict(
            "regular", f"{grown}, by a slow drift of {slope:.2g} per {unit} at most{stays}"
        )
    if total < min_growth:
        if ended or (ended_by == "end" and found.recent < 1.0):
            return Verdict(
                "regular", f"{grown}, fewer than {min_growth:g}, over the whole recording{stays}"
            )
        cure = (
            "they stopped being infinitesimal there; use --rescale or a smaller epsilon"
            if ended_by == "saturation"
            else "record longer"
        )
        return Verdict("unresolved", f"{grown}, fewer than {min_growth:g}; {cure}")
    if found.half_width is None:
        return Verdict(
            "unresolved", f"{grown}, but one replica gives no interval; record at least two"
        )
    if found.slope - found.half_width <= 0.0:
        return Verdict(
            "unresolved",
            f"{grown}, but replicas disagree: the exponent {slope:.3g} per {unit} is not told "
            "from zero; record more replicas",
        )
    if not found.arrested and found.evidence <= -DECISIVE:
        return Verdict("regular", f"{grown}, as a power of time rather than exponentially{stays}")
    if not found.arrested and found.evidence < DECISIVE:
        return Verdict(
            "unresolved",
            f"{grown}, but an exponential is not told from a power of time (AIC difference "
            f"{found.evidence:.1f}); record a longer growth: smaller epsilon, or --rescale",
        )
    if ended:
        until = f" until {unit} {time[found.end]:g}" if found.end is not None else ""
        return Verdict("transient", f"{grown}{until}, and no further afterwards{stays}")
    if ended_by == "saturation":
        return Verdict(
            "saturated",
            f"{grown} until they stopped being infinitesimal at {unit} {time[found.stop]:g}; how "
            "long the growth would last is unknown: record with --rescale, or --tangents 1",
        )
    if found.recent >= 1.0:
        return Verdict(
            "chaotic",
            f"{grown}, {found.recent:.1f} of them in the last quarter of the recording",
        )
    return Verdict("transient", f"{grown}, less than one of them in the last quarter{stays}")
