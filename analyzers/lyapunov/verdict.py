"""Verdicts on the numbers, each with its reason in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analyzers.growth.cures import longer_use, start_elsewhere
from analyzers.growth.doubling import AT_REST, EXPONENTIAL, LATE, POWER, longer, needed
from analyzers.growth.growth_rate import GrowthRate
from analyzers.growth.sign_flips import LEVEL
from analyzers.lyapunov.transient import DECISIVE, Growth
from analyzers.lyapunov.words import amount, by, higher
from nndyn.numerics.arrays import Array

#: Maxima of the growth per sample that tell a power of time from an exponential, and the fewest
#: over which no growth is neutral.
TURNS, FEW_TURNS = 100, 20


@dataclass(frozen=True)
class Verdict:
    """``chaotic``, ``transient``, ``saturated``, ``regular``, ``unresolved`` or ``diverged``.

    `exponent` says whether replicas have one in common.
    """

    name: str
    reason: str
    exponent: bool = True


@dataclass(frozen=True)
class Course:
    """How deviations grew over a stationary recording.

    Attributes
    ----------
    total : float
        e-foldings over all of it.
    growth : float
        Those after the burn-in.
    doubling : float
        Those per doubling of the time, see `analyzers.growth.doubling`; NaN where not known.
    samples : int
        Of all of it.
    time : float
        Its length.
    ends_on : (str, int)
        The attractor, see `analyzers.growth.attractor.attractor`.
    ended_by : str
        What ended the part that can be used, see `analyzers.growth.valid_region.Region`.
    rescaled : bool
        Whether deviations were rescaled on the way.
    followed : bool
        Whether they stayed infinitesimal, being rescaled or tangent vectors.
    leaving : float
        e-foldings by which the steps of the reference grew.
    recorded : mapping
        What the recording was made with, see `analyzers.growth.cures.in_force`.
    """

    total: float
    growth: float
    doubling: float
    samples: int
    time: float
    ends_on: tuple[str, int] = ("unknown", -1)
    ended_by: str = "end"
    rescaled: bool = True
    followed: bool = True
    leaving: float = 0.0
    recorded: Mapping[str, Any] = field(default_factory=dict)

    def oscillations(self, rate: GrowthRate) -> float:
        """Return samples that count, three for each time that growth rises and falls."""
        return min(self.samples, 3 * rate.turns) if rate.turns else self.samples


def judge_stationary(
    rate: GrowthRate, course: Course, *, min_growth: float, unit: str, dt: float
) -> Verdict:
    """Judge the mean growth rate of a stationary recording.

    Parameters
    ----------
    rate : GrowthRate
    course : Course
    min_growth : float
        e-foldings that an exponential has to show.
    unit : str
    dt : float
        Time between samples.

    Returns
    -------
    Verdict
        ``chaotic`` only of growth that an exponential explains and no power of time does; see
        `analyzers.growth.doubling`.
    """
    low, high = (rate.value - rate.half_width) / dt, (rate.value + rate.half_width) / dt
    interval = f"[{low:.4g}, {high:.4g}] per {unit}"
    bound = max(abs(low), abs(high), 1.0 / course.time)
    weaker = f"; chaos weaker than {bound:.2g} per {unit} cannot be excluded"
    cure = longer_use(course.ended_by, course.rescaled, recorded=course.recorded)
    doubling = course.doubling if np.isfinite(course.doubling) else 0.0
    added = f"the last doubling of the time added {amount(doubling)} e-foldings"
    turned = rate.resolved or not 0 < rate.turns < FEW_TURNS
    if abs(course.growth) < 1.0 and abs(doubling) < POWER and turned:
        return Verdict(
            "regular",
            f"neutral: |λ| ≤ {bound:.2g} per {unit}; deviations changed by {course.growth:.2g} "
            f"e-foldings, less than one{weaker}",
        )
    if high < 0.0:
        return Verdict("regular", f"deviations shrink: the exponent lies in {interval}")
    if course.growth <= -1.0 and doubling < POWER:
        return Verdict("regular", f"deviations {by(course.growth)}, at no constant rate{weaker}")
    if low > 0.0 and course.ends_on[1] >= 1:
        return Verdict(
            "unresolved",
            f"the reference stays on a {course.ends_on[0]} that repels: the exponent in {interval} "
            f"is its own, and of no attractor; {start_elsewhere(course.recorded)}",
        )
    if course.total > 0.0 and course.leaving >= max(0.5 * course.total, 1.0):
        return Verdict(
            "unresolved",
            f"the steps of the reference grew by {course.leaving:.3g} e-foldings themselves while "
            f"deviations grew by {course.total:.3g}: it leaves, and is on no attractor",
        )
    if doubling < POWER:
        return _slow(rate, course, doubling, added, weaker, cure, min_growth, unit)
    if course.ended_by == "saturation" and low > 0.0 and course.growth >= min_growth:
        return Verdict(
            "saturated",
            f"deviations grew by {course.growth:.1f} e-foldings until they stopped being "
            f"infinitesimal; {cure}, to follow them over the whole run",
        )
    if not rate.resolved:
        return Verdict(
            "unresolved",
            f"the usable part holds fewer than 4 blocks of 10 correlation times "
            f"({rate.correlation_time:.3g} samples each); {cure}",
        )
    enough = needed(course.oscillations(rate))
    if doubling < EXPONENTIAL:
        return _undecided(course, f"{added}, {EXPONENTIAL:g} are needed", unit, cure)
    if course.total < enough:
        return _undecided(course, f"{enough:.3g} exceed what t² gives", unit, cure)
    if low <= 0.0:
        return Verdict(
            "unresolved",
            f"zero cannot be told from the exponent in {interval}; {cure}",
        )
    if course.growth < min_growth:
        return Verdict(
            "unresolved",
            f"deviations grew by {course.growth:.2g} e-foldings, fewer than {min_growth:g}; {cure}",
        )
    return Verdict(
        "chaotic", f"deviations grow exponentially: the exponent lies in {interval}; {added}"
    )


def _slow(
    rate: GrowthRate,
    course: Course,
    doubling: float,
    added: str,
    weaker: str,
    cure: str,
    min_growth: float,
    unit: str,
) -> Verdict:
    """Judge deviations of which the last doubling of the time added little."""
    if course.total > 0.0 and 0 < rate.turns < TURNS:
        return Verdict(
            "unresolved",
            f"growth per {unit} rose and fell {rate.turns} times only, {TURNS} are needed to "
            f"tell a power of time from an exponential; {cure}",
        )
    if course.total >= min_growth and doubling < AT_REST and not course.followed:
        return Verdict(
            "saturated",
            f"deviations grew by {course.total:.1f} e-foldings and then no further: they may be as "
            "large as the attractor; record with `rescale=10` to follow them over the whole run",
        )
    if course.total > 0.0 and doubling >= LATE * course.total and course.growth >= 1.0:
        return _undecided(course, f"{added}, {EXPONENTIAL:g} are needed", unit, cure)
    if course.total >= needed(course.oscillations(rate)):
        return Verdict(
            "unresolved",
            f"deviations grew by {course.total:.3g} e-foldings, more than a power of time gives, "
            f"but {added}: growth comes in bursts; {cure}",
        )
    power = f"as t^{doubling / np.log(2.0):.2g}" if doubling > 0.1 else "no further"
    return Verdict(
        "regular",
        f"deviations grow {power}, not exponentially: {added}, an exponential at the mean rate "
        f"would have added {0.375 * max(course.total, 0.0):.3g}{weaker}",
    )


def _undecided(course: Course, added: str, unit: str, cure: str) -> Verdict:
    times = longer(course.total, course.doubling, course.samples)
    return Verdict(
        "unresolved",
        f"an exponential is not told from a power of time: deviations grew by {course.total:.2g} "
        f"e-foldings, {added}; {cure}, to {unit} {_rounded_up(times * course.time):g} at least",
    )


def _rounded_up(length: float) -> float:
    """Return a length with two digits, no shorter."""
    unit = 10.0 ** (np.floor(np.log10(length)) - 1.0)
    return float(np.ceil(length / unit - 1e-9) * unit)


def judge_transient(
    found: Growth,
    *,
    early: float,
    ended_by: str,
    cure: str,
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
    early : float
        e-foldings before `found` begins.
    ended_by : str
        What ended the valid region.
    cure : str
        What makes it longer.
    ends_on : (str, int)
        The attractor, see `analyzers.growth.attractor.attractor`.
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
    slope = found.slope / dt
    risen = found.gain >= min_growth > found.total and found.p <= LEVEL
    total = found.gain if risen else found.total
    grown = f"deviations {by(total)}"
    if risen:
        grown += f" from their smallest, {by(found.total)} in all,"
    until, more = grown, 0.0
    if found.end is not None:
        more = found.whole - found.total
        until += f" until {unit} {time[found.end]:g}"
        if not risen:
            until += higher(found, unit, time)
        if abs(more) >= 0.5:
            until += f", and {by(more)} from there to {unit} {time[found.stop]:g}"
    rounded = f"rounding takes over at {unit} {time[found.stop]:g}" if ended_by == "floor" else ""
    at_rest = ends_on[1] >= 1
    stays = f"; the run ends on a {ends_on[0]}" if at_rest else ""
    ended = found.end is not None or (at_rest and ended_by in ("saturation", "end"))
    calm = total < 1.0 and ended_by != "saturation"
    if (calm or found.slope < drift) and early >= min_growth:
        return Verdict(
            "unresolved",
            f"deviations {by(early)} up to {unit} {time[found.start]:g}, before growth is "
            f"measured, and {by(total)} afterwards: a jump is no exponent{stays}",
        )
    if calm and rounded and total > -1.0 and 2 * found.stop < len(time):
        return Verdict("unresolved", f"{grown}, and {rounded}; {cure}")
    if calm:
        return Verdict("regular", until + (", less than one" if total > 0.0 else "") + stays)
    if found.slope < drift:
        return Verdict(
            "regular", f"{until}, by a slow drift of {slope:.2g} per {unit} at most{stays}"
        )
    if total < min_growth:
        if ended or (ended_by == "end" and found.recent < 1.0):
            over = "" if found.end is not None else ", over the whole recording"
            return Verdict("regular", f"{until}, fewer than {min_growth:g}{over}{stays}")
        if ended_by == "saturation":
            cure = f"they stopped being infinitesimal there; {cure}"
        return Verdict("unresolved", f"{grown}, fewer than {min_growth:g}; {cure}")
    if found.p > LEVEL:
        return Verdict(
            "unresolved",
            f"{until}, but a path of steps as large, with random signs, grows as much in "
            f"{found.p:.0%} of all cases, more than {LEVEL:.0%}: it may be chance; other seeds, or "
            "a longer recording, would tell",
        )
    if found.half_width is None:
        return Verdict(
            "unresolved", f"{until}, but one replica gives no interval; record at least two"
        )
    if not found.common:
        low, high = float(np.nanmin(found.each)), float(np.nanmax(found.each))
        first, last = time[list(found.window)]
        return Verdict(
            "unresolved",
            f"{until} on average, but replicas disagree: from {unit} {first:g} to {last:g} one of "
            f"them changed by {low:.2g} e-foldings, another by {high:.2g}: they have no common "
            "exponent; a smaller `epsilon` crosses fewer kinks",
            exponent=False,
        )
    if found.slope - found.half_width <= 0.0:
        return Verdict(
            "unresolved",
            f"{until}, but replicas disagree: the exponent {slope:.3g} per {unit} is not told "
            "from zero; record more replicas",
        )
    if not found.arrested and found.evidence <= -DECISIVE:
        return Verdict("regular", f"{until}, as a power of time rather than exponentially{stays}")
    if not found.arrested and found.evidence < DECISIVE:
        return Verdict(
            "unresolved",
            f"{until}, but an exponential is not told from a power of time (AIC difference "
            f"{found.evidence:.1f}); {cure}",
        )
    if ended:
        further = "" if abs(more) >= 0.5 else ", and no further afterwards"
        if rounded:
            further += f"; {rounded}"
        return Verdict("transient", f"{until}{further}{stays}")
    if rounded:
        return Verdict(
            "unresolved",
            f"{grown}, and {rounded}: how long the growth would last is unknown; {cure}",
        )
    if ended_by == "saturation":
        return Verdict(
            "saturated",
            f"{grown} until they stopped being infinitesimal at {unit} {time[found.stop]:g}; how "
            f"long the growth would last is unknown: {cure}",
        )
    if found.recent >= 1.0:
        return Verdict(
            "chaotic",
            f"{grown}, {found.recent:.1f} of them in the last quarter of the recording",
        )
    return Verdict("transient", f"{grown}, less than one of them in the last quarter{stays}")
