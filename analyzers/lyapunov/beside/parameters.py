"""Growth of deviations by parameter or by layer: which part of a network carries it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.common.blocks import filled, parts, rows
from analyzers.common.states import BLOCK_BYTES, pieces, weights
from analyzers.growth.separation import Separation
from analyzers.lyapunov.estimators import Estimate
from analyzers.lyapunov.transient import window_slope
from nndyn.checks import choice
from nndyn.errors import DataError
from nndyn.numerics.arrays import Array
from nndyn.results import Quantity

if TYPE_CHECKING:
    import xarray as xr

#: Numbers of every parameter, in the order of tables.
NAMES = (
    "parameter_growth",
    "parameter_exponent",
    "parameter_share_start",
    "parameter_share_end",
    "parameter_share_mean",
    "parameter_relative",
)
_STORED = "distance_l2_parameter"


@dataclass(frozen=True)
class Parted:
    """Deviations by parameter, or by layer; k of them over T times.

    Attributes
    ----------
    names : list of str
    ends : (n,) int64
        Where every parameter of the recording ends.
    member : (n, k) float64
        1 where a parameter belongs to one of the k.
    logs, share : (T, k) float64
        Mean over replicas of the log distance, rescaling put back, and of the share of the squared
        l2 distance; NaN where none has one.
    steps : (T - 1, k) float64
        Mean over replicas of the increments of the log distance, at those of the whole distance.
    """

    names: list[str]
    ends: Array
    member: Array
    logs: Array
    share: Array
    steps: Array


def parted(recording: xr.Dataset, sep: Separation, steps: Array, parameter: str, by: str) -> Parted:
    """Return how deviations grow by parameter.

    Parameters
    ----------
    recording : xarray.Dataset
    sep : Separation
    steps : (T - 1, R) float64
        Increments of the whole distance; NaN where one is no growth.
    parameter : str
        One of them, or ``all``.
    by : str
        ``parameter`` or ``layer``.

    Returns
    -------
    Parted

    Raises
    ------
    DataError
        If there is one parameter, or neither distances by parameter nor a state at every time.
    UnknownNameError
        If there is no such parameter.

    Notes
    -----
    One pass over the distances by parameter, or over ``state`` where they are not stored, in
    blocks.
    """
    found = _names(recording)
    groups = [name.rpartition(".")[0] or name for name in found] if by == "layer" else found
    known = list(dict.fromkeys(groups))
    choice("parameter", parameter, ["all", *known])
    every = np.array([[group == name for name in known] for group in groups], np.float64)
    ends = np.cumsum(np.asarray(recording["parameter_size"].values, np.int64))
    T, k = sep.time.size, len(known)
    logs, share, grown = np.full((T, k), np.nan), np.full((T, k), np.nan), np.full((T, k), np.nan)
    before: Array | None = None
    for part, squares in _squares(recording, sep, ends):
        square = squares[:, sep.replicas] @ every
        whole = square.sum(axis=2, keepdims=True)
        shares = np.full(square.shape, np.nan)
        np.divide(square, whole, out=shares, where=np.isfinite(whole) & (whole > 0.0))
        share[part] = _mean(shares)
        good = np.isfinite(square) & (square > 0.0)
        each = 0.5 * np.log(square, out=np.full(square.shape, np.nan), where=good)
        each += rows(recording.variables["log_rescale"], part, None, sep.replicas)[..., None]
        logs[part] = _mean(each)
        joined = each if before is None else np.concatenate([before, each])
        first = part.stop - len(joined)
        growth = np.diff(joined, axis=0)
        growth[~np.isfinite(steps[first : part.stop - 1])] = np.nan
        grown[first : part.stop - 1] = _mean(growth)
        before = each[-1:]
    chosen = slice(None) if parameter == "all" else [known.index(parameter)]
    return Parted(
        [parameter] if parameter != "all" else known,
        ends,
        every[:, chosen],
        logs[:, chosen],
        share[:, chosen],
        grown[:-1, chosen],
    )


def _names(recording: xr.Dataset) -> list[str]:
    """Return the names of the parameters."""
    found = [str(name) for name in recording["parameter_name"].values] if _named(recording) else []
    if len(found) < 2:
        raise DataError(
            f"the recording has {'one parameter' if found else 'no names of parameters'}: its "
            "growth is that of the whole; leave out `parameter` and `by`"
        )
    return found


def _named(recording: xr.Dataset) -> bool:
    return "parameter_name" in recording and "parameter_size" in recording


def _squares(recording: xr.Dataset, sep: Separation, ends: Array) -> Iterator[tuple[slice, Array]]:
    """Yield squared distances (n, replica, parameter) of some times after others."""
    T = sep.time.size
    if _STORED in recording and recording.sizes["time"] == T:
        stored = recording[_STORED].variable
        for part in parts(T, stored.shape[1] * stored.shape[2]):
            yield part, np.asarray(stored[part].values, np.float64) ** 2
        return
    if "state" not in recording or recording["state"].shape[0] != T:
        raise DataError(
            f"the recording has no {_STORED}, as older ones and those of maps and flows, and no "
            "state at every time to tell it from; record it again"
        )
    yield from _of_states(weights(recording).variable, ends)


def _of_states(state: xr.Variable, ends: Array) -> Iterator[tuple[slice, Array]]:
    """Compute what `_squares` yields from states."""
    from nndyn.numerics.separation import separate_by_parameter

    T, R, D = state.shape
    at_once = BLOCK_BYTES // max(1, R * D * state.dtype.itemsize)
    cut = [slice(0, D)] if at_once else pieces(D, R)
    l1, linf, gram = np.empty((1, R)), np.empty((1, R)), np.empty((1, R, R))
    one = np.empty((1, R, ends.size))
    for start in range(0, T, max(at_once, 1)):
        part = slice(start, min(start + max(at_once, 1), T))
        squares = np.zeros((part.stop - part.start, R, ends.size))
        for piece in cut:
            block = np.ascontiguousarray(state[part, :, piece].values)
            inside = np.clip(ends - piece.start, 0, block.shape[2])
            for i, states in enumerate(block):
                separate_by_parameter(states, inside, 0, l1, linf, gram, one)
                squares[i] += one[0]
        yield part, squares


def _mean(values: Array) -> Array:
    """Return the mean (n, k) over replicas of values (n, R, k) that are finite; NaN without."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    mean = np.full(count.shape, np.nan)
    np.divide(np.where(known, values, 0.0).sum(axis=1), count, out=mean, where=count > 0)
    return mean


def by_parameter(
    recording: xr.Dataset,
    sep: Separation,
    found: Estimate,
    of: Parted,
    dt: float,
    *,
    stationary: bool,
    until: int | None,
) -> dict[str, Quantity]:
    """Return what every parameter does in the window of the whole run, and its curves.

    Parameters
    ----------
    recording : xarray.Dataset
    sep : Separation
    found : Estimate
        Of the whole run.
    of : Parted
    dt : float
        Time between two samples.
    stationary : bool
    until : int or None
        Time index from which a tangent vector is followed, which has no distances.

    Returns
    -------
    dict of str to Quantity
        `NAMES` over (parameter,); ``parameter_log_separation``, ``parameter_share`` and
        ``parameter_local_exponent`` over (time, parameter).
    """
    k, unit = len(of.names), f"per {sep.unit}"
    values = {name: np.full(k, np.nan) for name in NAMES}
    notes = dict.fromkeys(NAMES, "")
    window = found.window
    if window is not None and until is not None and window[1] > until:
        window = (window[0], until) if window[0] < until else None
    if window is None:
        missing = found.note if found.window is None else "a tangent vector is followed there"
        notes = dict.fromkeys(NAMES, missing or "there is no window")
    else:
        a, b = window
        late: dict[str, list[str]] = {}
        for p, name in enumerate(of.names):
            there = np.flatnonzero(np.isfinite(of.logs[a : b + 1, p]))
            first = a + int(there[0]) if there.size else b
            if there.size == 0 or first > a:
                late.setdefault(_since(sep, first if there.size else None), []).append(name)
            steps = filled(of.steps[first:b, p : p + 1])
            if b - first < 2 or not np.isfinite(of.steps[first:b, p]).any():
                continue
            values["parameter_growth"][p] = steps.sum()
            rate = steps.mean() if stationary else window_slope(steps, (0, b - first), 0)
            values["parameter_exponent"][p] = rate / dt
        for name in NAMES[:2]:
            notes[name] = "; ".join(f"{', '.join(who)} {how}" for how, who in late.items())
        inside = of.share[a : b + 1]
        values["parameter_share_start"], values["parameter_share_end"] = inside[0], inside[-1]
        values["parameter_share_mean"] = _mean(inside[None])[0]
        relative, notes["parameter_relative"] = _relative(recording, sep, of, a, b)
        values["parameter_relative"] = relative
    units = {name: "1" for name in NAMES} | {"parameter_exponent": unit}
    told = {
        name: Quantity(
            value, units[name], _LONG[name], ("parameter",), note=notes[name] or _null(value)
        )
        for name, value in values.items()
    }
    return told | _curves(of, unit, dt)


_LONG = {
    "parameter_growth": "e-foldings of the deviation of a parameter over the window",
    "parameter_exponent": "growth rate of the deviation of a parameter over the window",
    "parameter_share_start": "share of the squared l2 distance at the start of the window",
    "parameter_share_end": "share of the squared l2 distance at the end of the window",
    "parameter_share_mean": "share of the squared l2 distance, mean over the window",
    "parameter_relative": "distance of a parameter over its length in the reference, at the end "
    "of the window",
}


def _since(sep: Separation, first: int | None) -> str:
    if first is None:
        return "has no deviation in the window"
    return f"begins at {sep.unit} {sep.time[first]:g}, where its deviation is first not 0"


def _null(values: Array) -> str | None:
    return None if np.isfinite(values).all() else "null where there is no deviation"


def _curves(of: Parted, unit: str, dt: float) -> dict[str, Quantity]:
    local = np.full(of.logs.shape, np.nan)
    local[1:] = of.steps / dt
    dims = ("time", "parameter")
    none = "NaN where the deviation is 0, or a replica has diverged"
    return {
        "parameter_log_separation": Quantity(
            of.logs,
            "1",
            "mean over replicas of the natural log of the distance of a parameter, rescaling put "
            "back",
            dims,
            note=none,
        ),
        "parameter_share": Quantity(
            of.share, "1", "mean over replicas of the share of the squared l2 distance", dims
        ),
        "parameter_local_exponent": Quantity(
            local,
            unit,
            "growth of the log distance of a parameter over the last sample",
            dims,
            note=none,
        ),
    }


def _relative(
    recording: xr.Dataset, sep: Separation, of: Parted, first: int, last: int
) -> tuple[Array, str]:
    """Return distances over lengths of parameters at the last stored state of the window."""
    nothing = np.full(len(of.names), np.nan)
    if "state" not in recording:
        return nothing, "the weights are not stored"
    state = weights(recording)
    times = np.asarray(recording[state.dims[0]].values, np.float64)
    at = int(np.searchsorted(times, sep.time[last], side="right")) - 1
    if at < 0 or times[at] < sep.time[first]:
        return nothing, "no weights are stored within the window"
    t = int(np.searchsorted(sep.time, times[at]))
    reference = np.asarray(state.variable[at, 0].values, np.float64)
    starts = np.concatenate([[0], of.ends[:-1]])
    lengths = [float(x @ x) for x in _split(reference, starts, of.ends)]
    square = np.array(lengths) @ of.member
    taken = rows(recording.variables["log_rescale"], slice(t, t + 1), None, sep.replicas)
    put_back = float(_mean(taken[..., None])[0, 0])
    found = np.full(len(of.names), np.nan)
    np.divide(np.exp(of.logs[t] - put_back), np.sqrt(square), out=found, where=square > 0.0)
    note = "" if t == last else f"at {sep.unit} {times[at]:g}, the last state in the window"
    if (square == 0.0).any():
        note = "; ".join(filter(None, [note, "null where the reference's weights are 0"]))
    return found, note


def _split(values: Array, starts: Sequence[int] | Array, ends: Array) -> Iterator[Array]:
    for start, end in zip(starts, ends, strict=True):
        yield values[start:end]


def coordinate(of: Parted) -> dict[str, Any]:
    """Return the coordinate of the parameters."""
    return {"parameter": ("parameter", np.array(of.names), {"long_name": "parameter, or layer"})}
