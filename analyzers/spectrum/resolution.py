"""Resolution of a spectrum: exponents that rounding hides between orthonormalizations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analyzers.common.manifest import manifest, system_of
from analyzers.growth.cures import FINER
from analyzers.growth.stretching import Rates, Stretching, intervals
from nndyn.numerics.arrays import Array
from nndyn.numerics.series import batch_means, t_interval

if TYPE_CHECKING:
    import xarray as xr

#: e-foldings kept above rounding: a diagonal element of R is then known to a part in 400.
MARGIN = 6.0
#: Error of the volume over one interval, in e-foldings, above which an element may be lost.
VOLUME = 0.01
#: e-foldings beyond the limit from which an element is rounding alone.
HIDDEN = 4.0
#: Share of what just suffices that is advised.
ADVISED = 0.8
#: Batches from which the bound on a lost exponent has its interval.
BATCHES = 20


@dataclass(frozen=True)
class Resolution:
    """What rounding leaves of k exponents.

    Attributes
    ----------
    lost : (k,) bool
    below : (k,) float64
        Rates that lost exponents do not exceed, with the confidence of the intervals; inf for the
        others.
    rounding : float
        What rounding may add to the sum of all, per unit of time.
    note : str
        Why exponents are lost, with the cure; empty where none is.
    """

    lost: Array
    below: Array
    rounding: float
    note: str = ""

    @property
    def negative(self) -> bool:
        """Whether all lost exponents lie below zero for certain."""
        return bool((self.below[self.lost] < 0.0).all())


def resolution(
    recording: xr.Dataset, found: Stretching, used: Rates, confidence: float
) -> Resolution:
    """Tell which exponents are lost in rounding, interval by interval.

    Parameters
    ----------
    recording : xarray.Dataset
        Its manifest says how often vectors were orthonormalized, and the exact sum.
    found : Stretching
        All its samples: an average over several would hide the worst.
    used : Rates
        Says which of them are used; vectors lost before have turned back to their directions.
    confidence : float

    Returns
    -------
    Resolution

    Notes
    -----
    Over one interval element k of the diagonal of R falls ``ln R_11 - ln R_kk`` e-foldings behind
    the first. What rounding adds to the vectors stands at ln(1/u), u the unit of rounding: an
    element less than `MARGIN` above it is not what the derivative makes of the vector, and the
    exponent is lost. Where the volume is known exactly, and comes out right to `VOLUME` e-foldings
    in every interval, none is lost: components of a vector that have scales of their own keep
    their own precision. A derivative that is singular gives -inf, which is a fact and no loss.
    Two columns of the stretching at a time.
    """
    first = int(np.searchsorted(found.time, used.time[used.burn_in]))
    total, spans = found.total[first:], np.diff(found.time[first:])
    every, merged = intervals(recording, found.time)
    dtype = np.dtype(recording["checkpoint"].dtype if "checkpoint" in recording else np.float64)
    unit = float(np.finfo(dtype).eps)
    limit = -np.log(unit) - MARGIN
    leading = np.diff(total[:, 0]) / merged
    k = total.shape[1]
    gaps, below = np.zeros(k), np.full(k, np.inf)
    for i in range(1, k):
        with np.errstate(invalid="ignore"):  # -inf less -inf, where the derivative is singular
            steps = np.diff(total[:, i]) / merged
            gap = leading - steps
        gap[~np.isfinite(gap)] = 0.0
        gaps[i] = gap.max()
        if gaps[i] > limit:
            bound = np.where(gap > limit, leading - limit, steps)
            below[i] = _upper(bound[np.isfinite(bound)] * merged / spans.mean(), confidence)
    rounding = unit * float(np.exp(np.minimum(gaps, limit)).sum()) * merged / float(spans.mean())
    lost = gaps > limit
    if lost.any() and _volume_is_right(recording, total, spans):
        lost[:] = False
    below[~lost] = np.inf
    if not lost.any():
        return Resolution(lost, below, rounding)
    which = np.flatnonzero(lost) + 1
    unbroken = which[-1] - which[0] + 1 == len(which) > 2
    many = f"{which[0]} to {which[-1]}" if unbroken else ", ".join(map(str, which))
    name = f"exponent {many} is" if len(which) == 1 else f"exponents {many} are"
    note = (
        f"{name} lost in rounding: between two orthonormalizations vectors fall up to "
        f"{gaps.max():.3g} e-foldings behind the first, and {dtype.name} tells {limit:.0f} apart; "
        f"{_cure(recording, used, lost, every, float(gaps.max()), unit)}"
    )
    return Resolution(lost, below, rounding, note)


def lose(used: Rates, lost: Array) -> None:
    """Put NaN in place of the rates of lost exponents."""
    used.values[lost] = np.nan
    used.half_widths[lost] = np.nan
    used.steps[:, lost] = np.nan


def _upper(rates: Array, confidence: float) -> float:
    """Return the upper end of the interval of a mean, by batch means."""
    if len(rates) < 2:
        return np.inf
    mean, half_width = t_interval(batch_means(rates, min(BATCHES, len(rates))), confidence)
    return float(mean + half_width)


def _volume_is_right(recording: xr.Dataset, total: Array, spans: Array) -> bool:
    """Tell whether the volume of all vectors is the exact one over every interval."""
    exact = manifest(recording).get("exponent_sum")
    if exact is None or total.shape[1] < recording.sizes.get("phase", total.shape[1]):
        return False
    with np.errstate(invalid="ignore"):
        error = np.abs(np.diff(total.sum(axis=1)) - float(exact) * spans)
    return bool((error < VOLUME).all())


def _cure(
    recording: xr.Dataset, used: Rates, lost: Array, every: int | None, gap: float, unit: float
) -> str:
    """Say what to record instead."""
    system = system_of(recording)
    limit = -np.log(unit) - MARGIN
    if every is None:
        return "record with a smaller `tangent_every`"
    advised = int(ADVISED * every * limit / gap)
    if every > 1 and gap > limit + HIDDEN:  # how far they fall behind is itself hidden
        behind = _rate_behind(recording, used, lost) * (system.get("dt") or 1.0)
        if not np.isfinite(behind):
            return "record with a much smaller `tangent_every`; 1 tells most"
        advised = int(0.7 * ADVISED * limit / behind)
    if every > 1 and advised >= 1:
        return f"record with `tangent_every={advised}` or less"
    if unit > np.finfo(np.float64).eps:
        return FINER
    first = "" if every == 1 else "`tangent_every=1`"
    if system.get("dt"):
        shorter = "a shorter `dt`"
        return f"record with {first} and {shorter}" if first else f"record with {shorter}"
    if first:
        return f"record with {first}"
    return "a single step takes them so far apart, and no setting tells more of them"


def _rate_behind(recording: xr.Dataset, used: Rates, lost: Array) -> float:
    """Return how fast the last vector falls behind the first at most; NaN where not known."""
    exact = manifest(recording).get("exponent_sum")
    if exact is None or len(lost) < recording.sizes.get("phase", len(lost)):
        return np.nan
    known = used.values[~lost]
    last = float(exact) - known.sum() - (lost.sum() - 1) * known.min()
    return float(known[0] - last)
