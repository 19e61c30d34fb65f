"""Autocorrelation of a motion, and the time over which it is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.common.begins import from_perturbation
from analyzers.common.endings import ends, why
from analyzers.common.sketches import is_sketched, trajectories
from analyzers.growth.separation import require_dataset
from analyzers.series.covariances import covariances, passage
from nndyn.checks import share, whole
from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.numerics.series import jackknife_error, t_quantile
from nndyn.results import Quantity, result

if TYPE_CHECKING:
    import xarray as xr

#: Value below which a motion is taken to be forgotten.
LEVEL = float(np.exp(-1.0))
#: Blocks of the jackknife, the most first; how long one must be, in autocorrelation times.
BLOCKS, LONG = (20, 10, 5), 10.0
#: Lags that are looked at first, and by how much more the next time; lags of the curve at most.
FIRST, MORE, CURVE = 256, 4, 4096
#: Fewest states, and bytes of states that are held while lags are sought.
FEWEST, HELD = 10, 300 * 2**20


def autocorrelation(
    recording: xr.Dataset,
    *,
    replica: int = 0,
    component: int | None = None,
    confidence: float = 0.95,
) -> xr.Dataset:
    """Autocorrelation of a motion, and the time over which it falls below 1/e.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``state``, or ``sketch`` alone.
    replica : int, default 0
        Replica whose trajectory is taken; 0 is the reference.
    component : int, optional
        Component of the states that is taken alone; all of them by default.
    confidence : float, default 0.95
        Level of the interval.

    Returns
    -------
    xarray.Dataset
        ``autocorrelation_time``, the first lag at which the autocorrelation lies below 1/e, on a
        line between the lags beside it, with an interval over time; and ``autocorrelation`` (lag),
        ``r(k) = Σ (x_i - m)·(x_{i+k} - m) / Σ |x_i - m|²``, of states of many components with the
        scalar product, so that large components count more. The verdict is ``decaying``;
        ``unresolved`` where it does not fall so far within half of the states; ``constant``;
        ``diverged``.

    Raises
    ------
    UsageError
        If an option is out of range, or a component of sketches is asked for.
    DataError
        If there are no states, or fewer than 10.

    Notes
    -----
    The passage below 1/e is one of several definitions. It exists for motions that come back, such
    as a cycle, and hardly changes with the interval of sampling, as long as that is shorter; the
    integral of the autocorrelation has neither property. White noise, and the logistic map at
    r = 4, have 1 - 1/e = 0.632 steps. That of a transient, whose mean moves, belongs to the
    recording's window.

    The interval is Student's over a jackknife of 20, 10 or 5 blocks of at least ten such times;
    a shorter recording has none. One pass over the states of the replica where they take up to
    300 MiB, and as many as they take that more often, again where it takes more than 128 states to
    fall so far. Peak memory: 600 MiB, the products of all states where these are at most 4096, and
    a few arrays as long as a component.

    References
    ----------
    Jackknife of blocks: Künsch, doi:10.1214/aos/1176347265.
    """
    parameters: dict[str, Any] = {
        "replica": replica,
        "component": component,
        "confidence": confidence,
    }
    _check(recording, parameters)
    recording = from_perturbation(recording)
    state = trajectories(recording)
    r = parameters["replica"]
    if r >= state.shape[1]:
        raise UsageError(f"there is no replica {r}, expected one of 0 … {state.shape[1] - 1}")
    if component is not None and parameters["component"] >= state.shape[2]:
        raise UsageError(
            f"there is no component {component}, expected one of 0 … {state.shape[2] - 1}"
        )
    axis = state[state.dims[0]]
    unit = str(axis.attrs.get("units", "step"))
    last = int(ends(recording, state)[r])
    end = why(recording, state, r, last)
    times = _even(np.asarray(axis.values[:last], np.float64))
    T = len(times)
    if T < FEWEST:
        raise DataError(f"expected at least {FEWEST} states, found {T}{f': {end}' if end else ''}")
    spacing = float(times[-1] - times[0]) / (T - 1)
    chosen = np.arange(state.shape[2]) if component is None else np.array([parameters["component"]])
    curve, blocks, moves = _curve(state, r, T, chosen)
    stationary = bool(int(recording.attrs.get("stationary", 0)))
    at = passage(curve, LEVEL) if moves else None
    half = None if at is None else _half_width(blocks, T, at, confidence)
    time = _time(at, half, curve, moves, spacing, unit, stationary)
    verdict, reason = _verdict(time, moves, unit, stationary)
    if end:
        verdict, reason = "diverged", f"{end}; before that: {reason}"
    curve = curve[: min(len(curve), CURVE)]
    return result(
        {
            "autocorrelation_time": time,
            "autocorrelation": Quantity(curve, "1", "autocorrelation of the states", ("lag",)),
        },
        analyzer="autocorrelation",
        recording=recording,
        parameters=parameters,
        summary=("autocorrelation_time",),
        verdict=verdict,
        reason=reason,
        coords={
            "lag": (
                "lag",
                spacing * np.arange(len(curve)),
                {"units": unit, "long_name": "time between two states"},
            )
        },
    )


def _check(recording: Any, given: dict[str, Any]) -> None:
    require_dataset(recording)
    given["replica"] = whole("replica", given["replica"], 0)
    if given["component"] is not None:
        given["component"] = whole("component", given["component"], 0)
    share("confidence", given["confidence"])
    if "state" not in recording and "sketch" not in recording:
        raise DataError(
            "the recording keeps no states; record with `store='full'`, 'every:K' or 'sketch:K'"
        )
    if is_sketched(recording) and given["component"] is not None:
        raise UsageError("the recording keeps sketches, which have no components")
    name = "sketch" if is_sketched(recording) else "state"
    if recording[name].ndim != 3 or 0 in recording[name].shape[1:]:
        raise DataError(
            f"{name} has dimensions {dict(recording[name].sizes)}, expected (time, replica, "
            "component), none of them empty"
        )


def _even(times: Array) -> Array:
    """Leave out a last state that does not follow after the same time as the others do."""
    if len(times) > 2 and not np.isclose(times[-1] - times[-2], times[1] - times[0], rtol=1e-6):
        return times[:-1]
    return times


def _curve(state: xr.DataArray, r: int, T: int, chosen: Array) -> tuple[Array, Array, bool]:
    """Return the autocorrelation, what each block adds to it, and whether the state moves.

    Returns
    -------
    (n,) float64
        As far as it was needed, to half of the states at most.
    (blocks, n) float64
    bool
    """
    held = 8 * T * len(chosen) <= HELD
    together = len(chosen) if held else max(1, HELD // (8 * T))
    panels = [chosen[c : c + together] for c in range(0, len(chosen), together)]
    kept = _centred(state, r, T, panels[0]) if held else None
    most, lags = max(2, T // 2), FIRST
    while True:
        lags = min(lags, most)
        # what is found beyond an eighth of so many lags is too long for an interval
        count = 1 if lags > max(CURVE, T // 4) else min(BLOCKS[0], T)
        blocks, moves = np.zeros((count, lags)), False
        for panel in panels:
            x, moving = kept or _centred(state, r, T, panel)
            blocks += covariances(x, len(blocks), lags)
            moves |= moving
        power = blocks[:, 0].sum()
        curve = blocks.sum(axis=0) / (power if moves else 1.0)
        at = passage(curve, LEVEL) if moves else 0.0
        if lags == most or (at is not None and 2.0 * at < lags):
            return curve, blocks, moves
        lags *= MORE


def _centred(state: xr.DataArray, r: int, T: int, panel: Array) -> tuple[Array, bool]:
    """Return components (T, d) without their means, and whether they vary beyond rounding."""
    columns = slice(int(panel[0]), int(panel[-1]) + 1)
    values = np.asarray(state[:T, r, columns].values, np.float64)
    low, high = values.min(axis=0), values.max(axis=0)
    moves = bool((high - low > 1e-14 * np.maximum(high, -low)).any())
    return values - values.mean(axis=0), moves


def _half_width(blocks: Array, T: int, at: float, confidence: float) -> float | None:
    """Return the half-width of the interval of a passage, in lags; None of too short a series."""
    count, lags = blocks.shape
    for n in (n for n in BLOCKS if n <= count and n * LONG * at <= T):
        joined = blocks[: n * (count // n)].reshape(n, count // n, lags).sum(axis=1)
        others = joined.sum(axis=0) - joined
        found = [passage(one / one[0], LEVEL) for one in others]
        if None not in found:
            error = jackknife_error(np.array(found, np.float64))
            return t_quantile(confidence, n - 1) * error + 1e-12
    return None


def _time(
    at: float | None,
    half: float | None,
    curve: Array,
    moves: bool,
    spacing: float,
    unit: str,
    stationary: bool,
) -> Quantity:
    """Label the passage below 1/e, which is in lags."""
    long_name = "time over which the autocorrelation falls below 1/e"
    if at is None:
        why = f"it stays above 1/e up to a lag of {spacing * (len(curve) - 1):.4g} {unit}"
        note = why if moves else "the state does not move"
        return Quantity(None, unit, long_name, note=note)
    said = [] if stationary else ["of this window of a transient"]
    if half is None:
        said.append("no interval: the recording is too short for 5 blocks of 10 such times")
        return Quantity(spacing * at, unit, long_name, note="; ".join(said))
    ends = (spacing * max(at - half, 0.0), spacing * (at + half))
    return Quantity(
        spacing * at, unit, long_name, ci=ends, interval_over="time", note="; ".join(said) or None
    )


def _verdict(time: Quantity, moves: bool, unit: str, stationary: bool) -> tuple[str, str]:
    if not moves:
        return "constant", "the state does not move"
    if time.value is None:
        return "unresolved", f"the autocorrelation is not forgotten: {time.note}"
    of = "" if stationary else "; its mean moves along a transient: of this window"
    return "decaying", f"the autocorrelation falls below 1/e after {time.value:.4g} {unit}{of}"
