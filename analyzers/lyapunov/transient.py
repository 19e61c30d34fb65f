"""Growth of deviations along a transient: its phases, the exponent of the main one, its end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analyzers.common.blocks import filled, mean_increments
from analyzers.growth.sign_flips import growth_p, largest_gain
from analyzers.lyapunov.phases import SHORTEST, Phase, growth_phases, same_phases
from analyzers.lyapunov.slopes import autoregression, exponential_evidence, slopes
from nndyn.numerics.arrays import Array
from nndyn.numerics.series import jackknife_error, t_quantile

#: Samples over which deviations have to be aligned.
ALIGNED_FOR = 5
#: Share of the replicas' mean growth that each of them has to show.
AGREE = 1.0 / 3.0
#: AIC difference that decides between an exponential and a power of time.
DECISIVE = 4.0


@dataclass(frozen=True)
class Growth:
    """What a transient's separation curve says; indices are into the recording's times.

    Attributes
    ----------
    start, stop : int
        First and last index used.
    phases : list of Phase
        Relative to `start`.
    window : (int, int)
        Ends of the main phase, where the exponent is measured.
    slope : float
        Per sample.
    half_width : float or None
        None with fewer than two independent replicas.
    aligned : bool
        Whether the window lies where deviations point the same way.
    end : int or None
        Last index of the last phase that counts; None where growth goes on to `stop`.
    total : float
        e-foldings from `start` to `end`, or to `stop`.
    recent : float
        e-foldings, at a tenth of the slope or more, in the last quarter of the recording.
    steps : (stop - start,) float64
        Mean increments from `start` on.
    breaks : list of int
        Where its phases change.
    arrested : bool
        Whether growth stopped where a power of time would have gone on: see `arrested`.
    main : int
        Samples of the main phase.
    each : (replicas,) float64
        e-foldings of every independent replica over the window; NaN where it has no increment.
    """

    start: int
    stop: int
    phases: list[Phase]
    window: tuple[int, int]
    slope: float
    half_width: float | None
    aligned: bool
    end: int | None
    total: float
    recent: float
    steps: Array
    breaks: list[int]
    arrested: bool
    main: int
    each: Array

    @property
    def common(self) -> bool:
        """Whether replicas grow together: none by less than a third of their mean."""
        known = self.each[np.isfinite(self.each)]
        return known.size < 3 or bool(known.min() >= AGREE * known.mean())

    @property
    def whole(self) -> float:
        """e-foldings from `start` to `stop`."""
        return float(self.steps.sum())

    @property
    def gain(self) -> float:
        """e-foldings of the largest rise up to `end`, or to `stop`."""
        return largest_gain(self.steps if self.end is None else self.steps[: self.end - self.start])

    @cached_property
    def p(self) -> float:
        """Of the sign-flip test, see `analyzers.growth.sign_flips.growth_p`."""
        return growth_p(self.steps, self.main)

    @cached_property
    def evidence(self) -> float:
        """AIC(power law) - AIC(straight phases)."""
        return exponential_evidence(cumulative(self.steps), self.start, self.breaks)


def measure_growth(
    steps: Array,
    units: list[Array],
    aligned: Array | None,
    *,
    start: int,
    stop: int,
    confidence: float,
    window: tuple[int, int] | None = None,
) -> Growth:
    """Find the growth phases of a transient and measure the main one.

    Parameters
    ----------
    steps : (T - 1, R) float64
        Increments of the log separation; NaN where there is none.
    units : list of (r,) int64
        Columns of each independent replica: a mirrored pair is one.
    aligned : (T,) bool or None
        Whether deviations point the same way.
    start, stop : int
        First and last valid time index; at least `SHORTEST` apart.
    confidence : float
    window : (int, int), optional
        Time indices to measure in instead of the main phase.

    Returns
    -------
    Growth

    Notes
    -----
    The standard error is a jackknife over independent replicas that places the phases, as many and
    joined alike, and so the window anew each time; the interval is Student's t with one degree less
    than replicas.
    """
    part = steps[start:stop]
    mean = filled(part)
    found = growth_phases(mean)
    phases, main = found.phases, found.phases[found.main]
    aligned_from = first_aligned(aligned, start, stop)
    chosen = window or choose_window(mean, main, start, aligned_from)
    slope = window_slope(mean, chosen, start)
    estimates = []
    for left_out in units if len(units) > 1 else []:
        rest = filled(part, np.delete(np.arange(part.shape[1]), left_out))
        again = window or choose_window(
            rest, same_phases(rest, found).phases[found.main], start, aligned_from
        )
        estimates.append(window_slope(rest, again, start))
    half_width = None
    if estimates:
        error = jackknife_error(np.array(estimates))
        half_width = t_quantile(confidence, len(units) - 1) * error + 1e-12
    rate = main.slope
    counted = [p for p in phases if p.growth >= 1.0 and p.slope >= 0.1 * rate]
    last = counted[-1].stop if counted else main.stop
    end = start + last if start + last < stop else None
    total = float(mean[:last].sum()) if counted else float(mean.sum())
    quarter = len(steps) - len(steps) // 4 - start
    recent = sum(
        p.slope * (p.stop - max(p.start, quarter))
        for p in phases
        if p.stop > quarter and p.slope >= 0.1 * rate and rate > 0.0
    )
    return Growth(
        start=start,
        stop=stop,
        phases=phases,
        window=chosen,
        slope=slope,
        half_width=half_width,
        aligned=aligned_from is not None and aligned_from <= chosen[0],
        end=end if counted else None,
        total=total,
        recent=float(recent),
        steps=mean,
        breaks=found.breaks,
        arrested=arrested(mean, last, start),
        main=main.stop - main.start,
        each=np.array([_growth(part[chosen[0] - start : chosen[1] - start], u) for u in units]),
    )


def _growth(steps: Array, columns: Array) -> float:
    """Return the e-foldings of one independent replica; NaN where it has no increment."""
    mean = mean_increments(steps, columns)
    known = np.isfinite(mean)
    return float(mean[known].sum()) if known.any() else np.nan


def arrested(mean: Array, last: int, start: int) -> bool:
    """Whether growth fell behind the power of time that explains it up to its end.

    Parameters
    ----------
    mean : (n,) float64
        Mean increments from `start` on.
    last : int
        Sample at which growth ended.
    start : int
        Steps between the perturbation and the first sample.

    Returns
    -------
    bool
        True where ``d ~ (1 + t)^p`` through start and end of the growth would have added at least
        one e-folding more than was seen afterwards, and at least twice as much.
    """
    grown, after = float(mean[:last].sum()), float(mean[last:].sum())
    power = grown / np.log((1 + start + last) / (1 + start))
    expected = power * np.log((1 + start + len(mean)) / (1 + start + last))
    return bool(expected - after >= max(1.0, 0.5 * expected))


def choose_window(
    mean: Array, main: Phase, start: int, aligned_from: int | None
) -> tuple[int, int]:
    """Return the time indices of the main phase, or of its aligned part where that is enough.

    Parameters
    ----------
    mean : (n,) float64
        Mean increments from `start` on.
    main : Phase
    start : int
    aligned_from : int or None

    Returns
    -------
    (int, int)
        The aligned part is enough with at least `SHORTEST` samples and half of the phase's growth.
    """
    first, last = start + main.start, start + main.stop
    if aligned_from is not None and first < aligned_from <= last - SHORTEST:
        growth = float(mean[aligned_from - start : main.stop].sum())
        if growth >= 0.5 * main.growth:
            return aligned_from, last
    return first, last


def window_slope(mean: Array, window: tuple[int, int], start: int) -> float:
    """Return the slope of the mean curve over a window, per sample."""
    curve = cumulative(mean)[window[0] - start : window[1] - start + 1]
    return float(slopes(curve[:, None], autoregression(curve))[0])


def cumulative(steps: Array) -> Array:
    """Return the curve (n + 1,) of increments (n,), 0 at first."""
    curve = np.zeros(len(steps) + 1)
    np.cumsum(steps, out=curve[1:])
    return curve


def first_aligned(aligned: Array | None, start: int, stop: int) -> int | None:
    """Return the first index from which deviations are aligned over five samples, None if never."""
    if aligned is None:
        return None
    count = max(stop - start - ALIGNED_FOR + 2, 0)
    good = np.ones(count, dtype=bool)
    for ahead in range(ALIGNED_FOR):
        good &= aligned[start + ahead : start + ahead + count]
    return start + int(np.argmax(good)) if good.any() else None


def independent(pair: Array) -> list[Array]:
    """Return the columns of each independent replica: mirrored partners belong together."""
    return [
        np.array([i] if p < 0 else [i, int(p)])
        for i, p in enumerate(pair)
        if p < 0 or p > i or pair[int(p)] != i
    ]
