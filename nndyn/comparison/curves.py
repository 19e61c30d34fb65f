"""Curves of one recording on clocks that others have too, of a few hundred points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nndyn.comparison.clock import Clock
from nndyn.comparison.numbers import Number
from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr

#: Points of a curve, cells of a picture, Lyapunov times that are shown.
POINTS, CELLS, LONGEST = 256, 192, 30.0
#: Names of curves, and what each is, with the dimensions beside the recording.
CURVES: dict[str, tuple[str, tuple[str, ...]]] = {
    "separation_lyapunov_times": ("time since the start, in Lyapunov times", ("point",)),
    "log_separation": ("mean log separation, from that at the start", ("point",)),
    "msd_lag": ("lag, in autocorrelation times", ("point",)),
    "msd": (
        "mean-squared displacement over twice the mean squared distance to the mean",
        ("point",),
    ),
    "picture": ("share of the pairs that recur, of the first points", ("row", "column")),
    "picture_length": ("time that the picture covers, in autocorrelation times", ()),
}


def curves(
    found: dict[str, xr.Dataset | str], clock: Clock, time: Number, plot: dict[str, float]
) -> dict[str, Array]:
    """Return the curves of a recording, those that there are.

    Parameters
    ----------
    found : dict of str to xarray.Dataset or str
        What each analyzer gave, or why it does not apply.
    clock : Clock
    time : Number
        Autocorrelation time.
    plot : dict of str to float
        How the recurrence plot was made.

    Returns
    -------
    dict of str to (…) float64
        By the names of `CURVES`.
    """
    out: dict[str, Array] = {}
    lyapunov, exploration = found["lyapunov"], found["exploration"]
    recurrence = found["recurrence"]
    if not isinstance(lyapunov, str) and not clock.missing and "mean_log_separation" in lyapunov:
        out |= _separation(lyapunov, clock)
    if time.value is not None and not isinstance(exploration, str):
        out |= _displacement(exploration, time.value)
    if time.value is not None and not isinstance(recurrence, str):
        out |= _picture(recurrence, plot)
    return out


def _separation(lyapunov: xr.Dataset, clock: Clock) -> dict[str, Array]:
    curve = lyapunov["mean_log_separation"].values
    known = np.flatnonzero(np.isfinite(curve))
    assert clock.exponent.value is not None
    if known.size < 2:
        return {}
    time = (
        lyapunov["time"].values[known] - lyapunov["time"].values[known[0]]
    ) * clock.exponent.value
    curve = curve[known] - curve[known[0]]
    shown = np.flatnonzero(time <= LONGEST)
    few = np.unique(np.linspace(0, shown[-1], POINTS).astype(np.int64))
    return {
        "separation_lyapunov_times": _filled(time[few], POINTS),
        "log_separation": _filled(curve[few], POINTS),
    }


def _displacement(exploration: xr.Dataset, time: float) -> dict[str, Array]:
    if "mean_squared_displacement" not in exploration:
        return {}
    values = exploration["mean_squared_displacement"].values[:, 0]
    radius = float(exploration["radius_of_gyration"])
    lags = exploration["lag"].values / time
    if not radius > 0.0 or len(lags) < 2:
        return {}
    few = np.unique(np.geomspace(1, len(lags) - 1, POINTS).round().astype(np.int64))
    return {
        "msd_lag": _filled(lags[few], POINTS),
        "msd": _filled(values[few] / (2.0 * radius**2), POINTS),
    }


def _picture(recurrence: xr.Dataset, plot: dict[str, float]) -> dict[str, Array]:
    """Return the corner of the plot where it begins, cells drawn larger where there are few."""
    picture = recurrence["picture"].values
    side = min(*picture.shape, CELLS)
    at = np.arange(CELLS) * side // CELLS
    points = plot["recurrence_points"] * side / picture.shape[0]
    return {
        "picture": picture[np.ix_(at, at)].astype(np.float64),
        "picture_length": np.array(points / plot["recurrence_sampling"]),
    }


def _filled(values: Array, length: int) -> Array:
    out = np.full(length, np.nan)
    out[: len(values)] = values
    return out
