"""Diffusion exponents: the growth of mean-squared displacement with lag, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzers.exploration.displacements import Cut
from nndyn.numerics.arrays import Array
from nndyn.numerics.series import jackknife_error, t_quantile

#: Lags of a fit, spread evenly in their logarithm.
LAGS = 12
#: Longest lag of a fit at least, and blocks at most.
SHORTEST, BLOCKS = 4, 20
#: Parts of the trajectory whose steps are compared.
PARTS = 10
#: A plateau's exponent has the upper end of its interval below that.
PLATEAU = 0.5


@dataclass(frozen=True)
class Exponent:
    """Exponent of the mean-squared displacement over a range of lags.

    Attributes
    ----------
    value : float or None
    half_width : float or None
    lags : (int, int) or None
        First and last lag.
    note : str
        Why there is none.
    """

    value: float | None
    half_width: float | None
    lags: tuple[int, int] | None
    note: str = ""


def decades(times: int, longest: int) -> list[Cut]:
    """Return the lags of the first and of the last decade, with blocks for their intervals.

    Parameters
    ----------
    times : int
        Number of states.
    longest : int
        The longest lag.

    Returns
    -------
    list of Cut
        Two, or none where the trajectory is too short. A block is at least twice as long as the
        longest lag in it.
    """
    if longest < SHORTEST:
        return []
    found = []
    for first, last in ((1, min(10, longest)), (max(1, longest // 10), longest)):
        lags = np.unique(np.round(np.geomspace(first, last, LAGS)).astype(np.int64))
        found.append(Cut(lags, int(np.clip((times - 1) // (2 * last), 2, BLOCKS))))
    return found


def exponent(msd: Array, within: Array, cut: Cut, extent: float, confidence: float) -> Exponent:
    """Return the slope of ``ln msd`` against ``ln lag``, equal weight to equal ratios of lags.

    Parameters
    ----------
    msd : (L + 1,) float64
        Over the whole trajectory.
    within : (B, m) float64
        Within each block, at the lags of `cut`.
    cut : Cut
    extent : float
        Squared radius of the trajectory, to whose rounding `msd` is known.
    confidence : float

    Returns
    -------
    Exponent
        The interval is Student's over a jackknife of the blocks, whose displacements do not
        overlap; rounding is added to it.
    """
    lags = (int(cut.lags[0]), int(cut.lags[-1]))
    rounding = 8.0 * np.finfo(np.float64).eps * extent
    smallest = float(msd[cut.lags].min())
    if smallest <= 100.0 * rounding:
        return Exponent(None, None, lags, "a mean-squared displacement is zero but for rounding")
    x = np.log(cut.lags)
    weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    value = float(weights @ np.log(msd[cut.lags]))
    others = (within.sum(axis=0) - within) / (len(within) - 1)
    if others.min() <= 100.0 * rounding:
        return Exponent(value, None, lags, "no interval: all motion is within one block of time")
    error = jackknife_error(np.log(others) @ weights)
    half_width = t_quantile(confidence, len(within) - 1) * error
    return Exponent(value, half_width + 1e-12 + rounding / smallest, lags)


def shrinks(lengths: Array, confidence: float) -> str:
    """Return how much shorter the steps become, empty where they do not.

    Parameters
    ----------
    lengths : (n,) float64
        Of every step.
    confidence : float

    Returns
    -------
    str

    Notes
    -----
    Mean squares of ten parts of the trajectory are compared. Steps shrink where the trend of their
    logarithm, with its interval, takes them to less than half, or where every later part is below
    half of the first.
    """
    parts = min(PARTS, len(lengths) // 2)
    if parts < 4 or not lengths.any():
        return ""
    means = np.array([np.mean(part**2) for part in np.array_split(lengths, parts)])
    if means[0] > 4.0 * means[1:].max():
        later = float(np.sqrt(means[1:].max() / means[0]))
        return (
            f"after the first tenth of the run steps are at most {later:.2g} times as long as in it"
        )
    y = np.log(np.maximum(means, 1e-300 + 1e-30 * means.max()))
    x = np.arange(parts) - 0.5 * (parts - 1)
    slope = float(x @ y / (x @ x))
    residual = y - y.mean() - slope * x
    error = float(np.sqrt(residual @ residual / (parts - 2) / (x @ x)))
    most = (parts - 1) * (slope + t_quantile(confidence, parts - 2) * error)
    change = (parts - 1) * slope
    if change < -np.log(4.0) and most < 0.0:
        return f"in the end steps are {np.exp(0.5 * change):.2g} times as long as at the start"
    return ""


def kind(found: Exponent, spacing: float = 1.0, unit: str = "step") -> tuple[str, str]:
    """Return the kind of motion that an exponent shows, and the reason.

    Parameters
    ----------
    found : Exponent
    spacing : float
        Time between samples.
    unit : str
        Of time.

    Returns
    -------
    verdict, reason : str
        ``ballistic``, ``superdiffusive``, ``diffusive``, ``subdiffusive``, ``confined`` or
        ``unresolved``.
    """
    if found.value is None or found.half_width is None:
        return "unresolved", found.note
    low, high = found.value - found.half_width, found.value + found.half_width
    assert found.lags is not None
    power = f"lag^{found.value:.3g} [{low:.3g}, {high:.3g}]"
    over = f"from lag {found.lags[0] * spacing:g} to {found.lags[1] * spacing:g} ({unit})"
    if low <= 0.0 and high < PLATEAU:
        return "confined", f"mean-squared displacement grows no further {over}: {power}"
    reason = f"mean-squared displacement grows as {power} {over}"
    if high - low > 1.0 or low <= 0.0:
        return "unresolved", f"{reason}: the interval is too wide; record more steps"
    if low <= 1.0 <= high:
        return "diffusive", f"{reason}, as a random walk's does"
    if high >= 2.0:
        return "ballistic", f"{reason}, as in straight motion"
    if low > 1.0:
        return "superdiffusive", f"{reason}, faster than a random walk's"
    return "subdiffusive", f"{reason}, slower than a random walk's"
