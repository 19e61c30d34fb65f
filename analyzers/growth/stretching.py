"""Rates at which tangent vectors stretch, with intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from analyzers.common.blocks import parts
from analyzers.common.manifest import manifest
from analyzers.growth.growth_rate import FEWEST, STEADY, GrowthRate, growth_rate
from nndyn.errors import DataError
from nndyn.numerics.arrays import Array
from nndyn.numerics.finite import all_finite

if TYPE_CHECKING:
    import xarray as xr

#: Most samples that are worked on: increments over several samples are taken beyond.
SAMPLES = 16_384
#: Share of the recording left out at its start unless a burn-in is given, and samples at least.
BURN_IN, SHORTEST = 0.05, 40
#: No vector stretches by more e-foldings in one interval, or shrinks to what is not zero: twice
#: those from the smallest number to the largest, since a step may orthonormalize twice.
POSSIBLE = 1500.0
#: Horizons of the finite-time exponents unless their length is given.
HORIZONS = 100


@dataclass(frozen=True)
class Stretching:
    """Cumulative logarithms of the stretching of k vectors.

    Attributes
    ----------
    time : (n,) float64
        Evenly spaced.
    total : (n, k) float64
    dimension : int
        Of the phase.
    unit : str
        Of time.
    """

    time: Array
    total: Array
    dimension: int
    unit: str


@dataclass
class Rates:
    """Mean rates of stretching after a burn-in.

    Attributes
    ----------
    time : (m + 1,) float64
        Ends of the samples of `steps`.
    steps : (m, k) float64
        Rates over every sample.
    burn_in : int
        Samples left out.
    values, half_widths : (k,) float64
        -inf and 0 where the derivative is singular.
    warnings : list of str
    first : GrowthRate or None
        Of the first vector; None where the derivative is singular along it.
    """

    time: Array
    steps: Array
    burn_in: int
    values: Array = field(default_factory=lambda: np.zeros(0))
    half_widths: Array = field(default_factory=lambda: np.zeros(0))
    warnings: list[str] = field(default_factory=list)
    first: GrowthRate | None = None

    @property
    def used(self) -> Array:
        """Rates after the burn-in."""
        return self.steps[self.burn_in :]

    @property
    def steady(self) -> bool:
        """Whether all rates stay the same, as of a linear system, wherever its state goes."""
        used = self.used
        with np.errstate(invalid="ignore"):  # -inf less -inf, of singular derivatives
            change = np.ptp(used, axis=0)
        return bool((change <= STEADY * np.abs(used).max()).all())

    def of(self, chosen: Array, confidence: float) -> tuple[float, float]:
        """Return the sum of the chosen rates, and the half-width of its interval."""
        steps = self.steps[:, chosen].sum(axis=1)
        if np.isnan(steps).any():
            return np.nan, np.nan
        if not np.isfinite(steps).all():
            return -np.inf, 0.0
        rate = growth_rate(steps[:, None], self.burn_in, confidence=confidence)
        return rate.value, rate.half_width

    def running(self) -> tuple[Array, Array]:
        """Return times and the mean rates from the burn-in up to them."""
        used = self.used
        count = np.arange(1, len(used) + 1)[:, None]
        return self.time[self.burn_in + 1 :], np.cumsum(used, axis=0) / count

    def finite_time(self, horizon: float | None) -> tuple[Array, Array]:
        """Return starts and mean rates of adjoining horizons.

        Parameters
        ----------
        horizon : float or None

        Returns
        -------
        starts : (h,) float64
        rates : (h, k) float64

        Raises
        ------
        DataError
            If the horizon is longer than what is used.
        """
        used = self.used
        sample = (self.time[-1] - self.time[0]) / len(self.steps)
        length = max(1, len(used) // HORIZONS)
        if horizon is not None:
            length = max(1, round(horizon / sample))
            if length > len(used):
                raise DataError(
                    f"the horizon is {horizon:g}, longer than the {len(used) * sample:g} used"
                )
        count = len(used) // length
        means: Array = used[: count * length].reshape(count, length, -1).mean(axis=1)
        starts = self.time[self.burn_in + length * np.arange(count)]
        return starts, means


def stretching(recording: xr.Dataset, window: tuple[float, float] | None = None) -> Stretching:
    """Read the stretching of a recording.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``tangent_log_stretch`` (time or tangent_time, vector).
    window : (float, float), optional
        First and last time to read.

    Returns
    -------
    Stretching
        A last sample that is shorter than the others is left out.

    Raises
    ------
    DataError
        If it is not finite, but for the -inf of a singular derivative, or changes by more than
        numbers allow.
    """
    variable = recording["tangent_log_stretch"]
    axis = recording[variable.dims[0]]
    time = np.asarray(axis.values, np.float64)
    total = np.asarray(variable.values, np.float64)
    if len(time) > 2 and time[-1] - time[-2] < 0.75 * (time[1] - time[0]):
        time, total = time[:-1], total[:-1]
    if window is not None:
        inside = (time >= window[0]) & (time <= window[1])
        time, total = time[inside], total[inside]
    if len(time) < 2:
        where = "the recording" if window is None else f"the window {window[0]:g}:{window[1]:g}"
        raise DataError(f"{where} holds {len(time)} times of stretching, 2 are needed at least")
    every, merged = intervals(recording, time)
    whole = all_finite(total)
    if not whole and not (good := total < np.inf).all():
        cure = "use `window` to end before it"
        if every != 1:
            cure = f"orthonormalize more often (`tangent_every`), or {cure}"
        begin = time[good.all(axis=1).argmin()]
        raise DataError(f"tangent_log_stretch is not a number from time {begin:g} on; {cure}")
    for column in total.T:
        known = column if whole else column[np.isfinite(column)]
        if _longest(known) > POSSIBLE * merged:
            steps = np.abs(np.diff(known))
            at = int(np.argmax(steps > POSSIBLE * merged))
            raise DataError(
                f"tangent_log_stretch changes by {steps[at]:.3g} up to time {time[at + 1]:g}, and "
                f"{POSSIBLE:g} is more than numbers allow; the file is damaged: record it again, "
                "or use `window` to leave that time out"
            )
    dimension = recording.sizes.get("phase", total.shape[1])
    return Stretching(time, total, dimension, str(axis.attrs.get("units", "step")))


def _longest(values: Array) -> float:
    """Return the longest step between neighbours, 0 where there are none."""
    pieces = (values[part.start : part.stop + 1] for part in parts(len(values)))
    return max((float(np.abs(np.diff(p)).max(initial=0.0)) for p in pieces), default=0.0)


def intervals(recording: xr.Dataset, time: Array) -> tuple[int | None, int]:
    """Return steps between orthonormalizations, and how many of their intervals a sample holds.

    Parameters
    ----------
    recording : xarray.Dataset
    time : (n,) float64
        Of the stretching: all its times, or evenly chosen ones.

    Returns
    -------
    every : int or None
        None where the recording does not say it.
    merged : int
    """
    known = manifest(recording)
    every = known.get("recording", {}).get("tangent_every")
    if every is None:
        return None, 1
    step = known.get("system", {}).get("dt") or 1.0
    return int(every), max(1, round(float(time[1] - time[0]) / (every * step)))


def rates(
    found: Stretching, burn_in: float | None, confidence: float, *, stationary: bool = True
) -> Rates:
    """Return the mean rates, with intervals by batch means.

    Parameters
    ----------
    found : Stretching
    burn_in : float or None
        Time.
    confidence : float
    stationary : bool, default True

    Returns
    -------
    Rates

    Raises
    ------
    DataError
        If too little is left.
    """
    n = len(found.time) - 1
    group = max(1, n // SAMPLES)
    time, total = found.time[n % group :: group], found.total[n % group :: group]
    with np.errstate(invalid="ignore"):  # -inf less -inf
        steps = np.diff(total, axis=0) / np.diff(time)[:, None]
    steps[np.isnan(steps)] = -np.inf
    if burn_in is None:
        burn = max(1, int(BURN_IN * len(steps)))
    else:
        burn = int(np.searchsorted(time, time[0] + burn_in * (1.0 - 1e-12)))
    if len(steps) - burn < SHORTEST:
        raise DataError(
            f"{max(len(steps) - burn, 0)} samples of stretching are left after the burn-in, "
            f"{SHORTEST} are needed; record longer"
        )
    out = Rates(time, steps, burn)
    values, half_widths = np.full(steps.shape[1], -np.inf), np.zeros(steps.shape[1])
    few = False
    for i in range(steps.shape[1]):
        if np.isfinite(steps[:, i]).all():
            rate = growth_rate(steps[:, [i]], burn, confidence=confidence)
            values[i], half_widths[i] = rate.value, rate.half_width
            out.first = rate if i == 0 else out.first
            few |= not rate.resolved
    if few and stationary:  # along a transient rates change, and the interval says so
        out.warnings.append(
            f"fewer than {FEWEST} blocks of ten autocorrelation times: intervals are not to be "
            "trusted; record longer"
        )
    out.values, out.half_widths = values, half_widths
    return out
