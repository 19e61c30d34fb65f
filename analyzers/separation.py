"""The separation curve: how far every perturbed replica is from the reference, at every time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from nndyn.errors import DataError, UsageError
from nndyn.recording import CONTROL, PERTURBED, REFERENCE

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[Any]
Norm = Literal["l1", "l2", "linf"]

#: Bytes of states held at once.
BLOCK_BYTES = 64 * 2**20


@dataclass
class Separation:
    """Distances of the perturbed replicas to the reference, and what is needed to judge them.

    Attributes
    ----------
    time : (T,) float64
    unit : str
        Of the time axis: ``step``, ``time unit``.
    replicas : (R,) int64
        Indices of the perturbed replicas in the recording.
    log_distance : (T, R) float64
        Natural log of the distance in the norm asked for; NaN where the distance is 0 or missing.
    log_l2 : (T, R) float64
        The same in l2, in which validity is decided.
    log_rescale : (T, R) float64
        Added to either, it gives the separation without rescaling.
    dropped : (T - 1, R) bool
        Increments that are no growth: the replica was redrawn there.
    pair : (R,) int64
        Column of the mirrored partner, -1 where none.
    collapsed : (T, R) bool
        The distance is exactly 0.
    asymmetry : (T,) float64 or None
        Largest ``|δ₊ + δ₋| / (|δ₊| + |δ₋|)`` over pairs.
    control : (T,) float64 or None
        Largest l2 distance of a control.
    step_length : (T,) float64 or None
        Of the reference; 0 or NaN at the first time.
    alignment : (T,) float64 or None
    resolution : float
        Unit rounding of the states.
    rescaled : bool
    warnings : list of str
    """

    time: Array
    unit: str
    replicas: Array
    log_distance: Array
    log_l2: Array
    log_rescale: Array
    dropped: Array
    pair: Array
    collapsed: Array
    asymmetry: Array | None
    control: Array | None
    step_length: Array | None
    alignment: Array | None
    resolution: float
    rescaled: bool
    warnings: list[str] = field(default_factory=list)

    @property
    def log_separation(self) -> Array:
        """``s_r(t) = ln d_r(t) + log_rescale_r(t)``, (T, R)."""
        s: Array = self.log_distance + self.log_rescale
        return s

    def increments(self) -> Array:
        """``s_r(t + 1) - s_r(t)``, (T - 1, R); NaN where it is no growth of a deviation."""
        steps: Array = np.diff(self.log_separation, axis=0)
        steps[self.dropped] = np.nan
        return steps


def require_dataset(recording: Any) -> None:
    """Check that what is given is a Dataset.

    Raises
    ------
    UsageError
        If it is not.
    """
    if not hasattr(recording, "data_vars"):
        raise UsageError(
            f"expected a recording, got {recording!r}; open a file with nndyn.open(path)"
        )


def require(recording: xr.Dataset) -> None:
    """Check that what is given is a recording with its reference and whole pairs.

    Raises
    ------
    UsageError
        If it is no Dataset.
    DataError
        If a variable every recording has is missing, replica 0 is not the reference, or a mirrored
        partner was left out by a selection.
    """
    require_dataset(recording)
    for name in ("time", "role", "pair", "log_rescale", "diverged_at"):
        if name not in recording.variables:
            raise DataError(f"this is no recording: variable {name!r} is missing")
    role = np.asarray(recording["role"].values)
    if role.ndim != 1 or role.size == 0 or role[0] != REFERENCE:
        raise DataError(
            "replica 0 is not the reference; select replicas so that the reference comes first"
        )
    pair = np.asarray(recording["pair"].values)
    for r, partner in enumerate(pair):
        if partner >= 0 and not (partner < pair.size and pair[partner] == r):
            raise DataError(
                f"the mirrored partner of replica {r} is not where `pair` says: replicas were "
                "selected; set `pair` to -1, or to the indices within the selection"
            )


def weights(recording: xr.Dataset) -> xr.DataArray:
    """Return ``state`` without the optimizer's buffers, which the distances leave out too."""
    state = recording["state"]
    if "parameter_start" not in recording or "parameter_size" not in recording:
        return state
    stop = int(recording["parameter_start"][-1]) + int(recording["parameter_size"][-1])
    return state[..., :stop] if state.shape[-1] > stop else state


def separation(recording: xr.Dataset, distance: Norm = "l2") -> Separation:
    """Return the separation of every perturbed replica from the reference.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``distance_*``, or with ``state`` alone; lazy and dask-backed variables are read block
        by block.
    distance : {"l1", "l2", "linf"}
        Norm of the curve; validity is decided in l2 in any case.

    Returns
    -------
    Separation

    Raises
    ------
    DataError
        If there is no perturbed replica, fewer than three times, or neither the distance nor the
        state is stored.

    Notes
    -----
    Stored distances: one pass over them, peak memory a few (T, R) arrays. From ``state``, and for
    mirrored pairs: one pass over ``state``, one block of at most 64 MiB (or one time) at a time.
    """
    role = np.asarray(recording["role"].values)
    replicas = np.flatnonzero(role == PERTURBED)
    if replicas.size == 0:
        cure = "record with replicas=5, or with tangents for their spectrum"
        if "tangent_log_stretch" in recording:
            cure = "its tangents have a spectrum; record with replicas=5 for their separation"
        raise DataError(f"the recording has no perturbed replica: {cure}")
    stored = f"distance_{distance}" in recording and "distance_l2" in recording
    if not stored and "state" not in recording:
        raise DataError(
            f"the recording has neither distance_{distance} nor state; "
            "use another distance or record it again"
        )
    pairs = np.asarray(recording["pair"].values)[replicas]
    column = {int(r): i for i, r in enumerate(replicas)}
    pair = np.array([column.get(int(p), -1) for p in pairs], dtype=np.int64)
    mirrored = bool((pair >= 0).any()) and "state" in recording
    axis = "time" if stored else str(recording["state"].dims[0])
    time = np.asarray(recording[axis].values, dtype=np.float64)
    if time.size < 3:
        raise DataError(f"the recording has {time.size} times, at least 3 are needed")
    on_time = np.searchsorted(recording["time"].values, time)

    asymmetry = None
    distances: dict[str, Array] = {}
    if not stored or mirrored:
        scanned = scan(recording, replicas, pair)
        distances = scanned.distances
        if mirrored:
            asymmetry = _on(time, scanned.time, scanned.asymmetry)
    if stored:
        distances = {
            name: np.asarray(recording[f"distance_{name}"].values, dtype=np.float64)
            for name in {distance, "l2"}
        }
    rescale = np.asarray(recording["log_rescale"].values, dtype=np.float64)[on_time][:, replicas]
    l2 = distances["l2"][:, replicas]
    controls = np.flatnonzero(role == CONTROL)
    kind = recording["state"].dtype if "state" in recording else np.dtype(np.float64)
    return Separation(
        time=time,
        unit=str(recording["time"].attrs.get("units", "step")),
        replicas=replicas,
        log_distance=_log(distances[distance][:, replicas]),
        log_l2=_log(l2),
        log_rescale=rescale,
        dropped=_redrawn(recording, time, replicas),
        pair=pair,
        collapsed=l2 == 0.0,
        asymmetry=asymmetry,
        control=distances["l2"][:, controls].max(axis=1) if controls.size else None,
        step_length=_reference(recording, "step_length", on_time),
        alignment=_aligned(recording, on_time),
        resolution=float(np.finfo(kind).eps) if kind.kind == "f" else float(np.finfo(float).eps),
        rescaled=bool(np.any(np.diff(rescale, axis=0) != 0.0)),
    )


@dataclass(frozen=True)
class Scan:
    """What one pass over ``state`` gives: times, l1, l2 and linf (T, R), asymmetry (T,)."""

    time: Array
    distances: dict[str, Array]
    asymmetry: Array


def scan(recording: xr.Dataset, replicas: Array, pair: Array) -> Scan:
    """Compute distances and the asymmetry of mirrored pairs from ``state``, block by block.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``state`` (time or state_time, replica, component).
    replicas, pair : (R,) int64
        Perturbed replicas, and for each the position of its partner among them, -1 for none.

    Returns
    -------
    Scan

    Notes
    -----
    One pass; peak memory is one block of states (64 MiB, or one time where that is larger).
    """
    from analyzers.kernels.separations import scan_block

    state = weights(recording)
    T, R = state.shape[:2]
    out = {name: np.empty((T, R)) for name in ("l1", "l2", "linf")}
    asymmetry = np.empty(T)
    ahead = np.flatnonzero(pair > np.arange(pair.size))
    first, second = replicas[ahead], replicas[pair[ahead]]
    for start, block in blocks(state):
        part = slice(start, start + len(block))
        scan_block(
            block,
            first.astype(np.int64),
            second.astype(np.int64),
            out["l1"][part],
            out["l2"][part],
            out["linf"][part],
            asymmetry[part],
        )
    return Scan(np.asarray(recording[state.dims[0]].values, dtype=np.float64), out, asymmetry)


def blocks(state: xr.DataArray) -> Iterator[tuple[int, Array]]:
    """Yield (first index, values) over blocks of the first dimension of at most 64 MiB."""
    each = max(1, int(np.prod(state.shape[1:])) * state.dtype.itemsize)
    length = max(1, BLOCK_BYTES // each)
    for start in range(0, state.shape[0], length):
        part = state[start : start + length].values
        yield start, np.ascontiguousarray(part)


def mean_increments(steps: Array) -> Array:
    """Return the mean over replicas of increments (n, R), over those that have one; else NaN."""
    known = np.isfinite(steps)
    count = known.sum(axis=1)
    total = np.where(known, steps, 0.0).sum(axis=1)
    mean: Array = np.divide(total, count, out=np.full(len(steps), np.nan), where=count > 0)
    return mean


def kinks(steps: Array) -> Array:
    """Return which increments are jumps of one replica that the others do not make.

    Parameters
    ----------
    steps : (n, R) float64

    Returns
    -------
    (n, R) bool
        Increments more than ln 10 away from the median of the replicas. With a smooth map
        infinitesimal deviations do not part so far in a step; where an activation has a kink, one
        that crosses it alone can. Fewer than three replicas have no majority, and no kinks.
    """
    if steps.shape[1] < 3:
        return np.zeros(steps.shape, dtype=bool)
    known = np.isfinite(steps).sum(axis=1) >= 3
    median = np.zeros(len(steps))
    if known.any():
        median[known] = np.nanmedian(steps[known], axis=1)
    far: Array = known[:, None] & (np.abs(steps - median[:, None]) > np.log(10.0))
    return far


def _log(distance: Array) -> Array:
    """Natural log, NaN where the distance is 0 or not finite."""
    good = np.isfinite(distance) & (distance > 0.0)
    logs: Array = np.log(distance, out=np.full(distance.shape, np.nan), where=good)
    return logs


def _on(time: Array, known: Array, values: Array) -> Array:
    """`values` at the times `known`, spread on `time`: each holds until the next; NaN before."""
    index = np.searchsorted(known, time, side="right") - 1
    spread: Array = np.where(index >= 0, values[np.maximum(index, 0)], np.nan)
    return spread


def _reference(recording: xr.Dataset, name: str, on_time: Array) -> Array | None:
    if name not in recording or recording[name].dims[0] != "time":
        return None
    return np.asarray(recording[name][:, 0].values, dtype=np.float64)[on_time]


def _aligned(recording: xr.Dataset, on_time: Array) -> Array | None:
    if "deviation_alignment" not in recording:
        return None
    values = np.asarray(recording["deviation_alignment"].values, dtype=np.float64)[on_time]
    return values if np.isfinite(values).any() else None


def _redrawn(recording: xr.Dataset, time: Array, replicas: Array) -> Array:
    """Increments that end at, or span, a step at which the replica was drawn anew."""
    dropped = np.zeros((time.size - 1, replicas.size), dtype=bool)
    steps = recording["time"].values
    for replica, step in json.loads(str(recording.attrs.get("redrawn", "[]"))):
        if step >= steps.size:
            continue
        index = int(np.searchsorted(time, steps[step])) - 1
        if 0 <= index < len(dropped):
            dropped[index, replicas == replica] = True
    return dropped
