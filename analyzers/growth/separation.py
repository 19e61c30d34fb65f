"""Separation curve: distance of every perturbed replica from the reference over time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from analyzers.common.blocks import mean_increments, parts, rows
from analyzers.common.endings import row_of
from analyzers.common.progress import tell
from analyzers.common.states import extent, scan
from nndyn.errors import DataError, UsageError
from nndyn.header import redrawn as redrawn_of
from nndyn.numerics.arrays import Array
from nndyn.recording import CONTROL, PERTURBED, REFERENCE

if TYPE_CHECKING:
    import xarray as xr

Norm = Literal["l1", "l2", "linf", "output"]

#: First times, in which the rounding error of a step is measured.
EARLY = 51
#: No factors between two stored times take out as many e-foldings.
WIDEST = 1e6
#: Mean absolute cosine from which deviations count as aligned.
ALIGNED = 0.9


@dataclass
class Sizes:
    """How large deviations are in l2, in which it is decided where they can be used.

    Attributes
    ----------
    lowest, highest, geometric : (T,) float64
        Smallest, largest and mean natural log over the replicas that have one; NaN where none has.
    gone, collapsed : (T,) bool
        Whether the distance of any replica is not finite; is exactly 0.
    early : (n, R) float64
        ``ln d + log_rescale`` of the first `EARLY` times.
    control : (n,) float64 or None
        Largest distance of a control at them.
    asymmetry : (T,) float64 or None
        Largest ``|δ₊ + δ₋| / (|δ₊| + |δ₋|)`` over pairs.
    step_length : (T,) float64 or None
        Of the reference; 0 or NaN at the first time.
    extent : float
        l2 norm of the reference at the first time; NaN where it is not recorded.
    """

    lowest: Array
    highest: Array
    geometric: Array
    gone: Array
    collapsed: Array
    early: Array
    control: Array | None
    asymmetry: Array | None
    step_length: Array | None
    extent: float


@dataclass
class Separation:
    """Separations of the perturbed replicas from the reference, and what is needed to judge them.

    Attributes
    ----------
    time : (T,) float64
    unit : str
        Of the time axis: ``step``, ``time unit``.
    replicas : (R,) int64
        Indices of the perturbed replicas in the recording.
    log_separation : (T, R) float64
        ``s_r(t) = ln d_r(t) + log_rescale_r(t)`` in the norm asked for; NaN where the distance is 0
        or missing.
    mean : (T,) float64
        Mean over the replicas that have one.
    offset : (T,) float64
        Mean over replicas of what is to be added to a natural log of an l2 distance.
    sizes : Sizes
        Of no use, and let go, once it is decided where deviations can be used.
    redrawn : list of (int, int)
        Increments, by row and column, that are no growth: the replica was redrawn there.
    pair : (R,) int64
        Column of the mirrored partner, -1 where none.
    collapsed : (R,) bool
        Whether the distance is exactly 0 at any time.
    aligned : (T,) bool or None
        Whether deviations point the same way; None where it is not known.
    resolution : float
        Unit rounding of the states.
    rescaled : bool
    warnings : list of str
    followed : (n,) float64 or None
        Cumulative growth from time T - n on of what is followed there instead of the replicas.
    """

    time: Array
    unit: str
    replicas: Array
    log_separation: Array
    mean: Array
    offset: Array
    sizes: Sizes
    redrawn: list[tuple[int, int]]
    pair: Array
    collapsed: Array
    aligned: Array | None
    resolution: float
    rescaled: bool
    warnings: list[str] = field(default_factory=list)
    followed: Array | None = None

    def increments(self) -> Array:
        """``s_r(t + 1) - s_r(t)``, (T - 1, R); NaN where it is no growth of a deviation."""
        steps: Array = np.diff(self.log_separation, axis=0)
        if self.followed is not None:
            start = self.time.size - self.followed.size
            growing = np.isfinite(self.log_separation[start])
            for part in parts(len(self.followed) - 1, self.replicas.size):
                grown = np.diff(self.followed[part.start : part.stop + 1])[:, None]
                steps[start:][part] = np.where(growing, grown, np.nan)
        for i, column in self.redrawn:
            steps[i, column] = np.nan
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
    role = np.asarray(recording.variables["role"].values)
    if role.ndim != 1 or role.size == 0 or role[0] != REFERENCE:
        raise DataError(
            "replica 0 is not the reference; select replicas so that the reference comes first"
        )
    pair = np.asarray(recording.variables["pair"].values)
    for r, partner in enumerate(pair):
        if partner >= 0 and not (partner < pair.size and pair[partner] == r):
            raise DataError(
                f"the mirrored partner of replica {r} is not where `pair` says: replicas were "
                "selected; set `pair` to -1, or to the indices within the selection"
            )


def separation(recording: xr.Dataset, distance: Norm = "l2") -> Separation:
    """Return the separation of every perturbed replica from the reference.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``distance_*``, or with ``state`` alone; lazy and dask-backed variables are read block
        by block.
    distance : {"l1", "l2", "linf", "output"}
        Norm of the curve, or the l2 distance of outputs, at the times of evaluations; validity is
        decided in l2, of the weights, in any case.

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
    Stored distances: one pass over them. From ``state``, and for mirrored pairs: one pass over
    ``state`` too, a block of it at a time. Beside what is returned a few MB.
    """
    role = np.asarray(recording.variables["role"].values)
    replicas = np.flatnonzero(role == PERTURBED)
    if replicas.size == 0:
        cure = "record with `replicas=5`, or with tangents for their spectrum"
        if "tangent_log_stretch" in recording:
            cure = "its tangents have a spectrum; record with `replicas=5` for their separation"
        raise DataError(f"the recording has no perturbed replica: {cure}")
    stored = f"distance_{distance}" in recording and "distance_l2" in recording
    source_of = "evaluations of a test set" if distance == "output" else "state"
    if not stored and source_of not in recording:
        raise DataError(
            f"the recording has neither distance_{distance} nor {source_of}; "
            "use another distance or record it again"
        )
    pairs = np.asarray(recording.variables["pair"].values)[replicas]
    column = {int(r): i for i, r in enumerate(replicas)}
    pair = np.array([column.get(int(p), -1) for p in pairs], dtype=np.int64)
    mirrored = bool((pair >= 0).any()) and "state" in recording
    axis = str(recording.variables[f"distance_{distance}" if stored else "state"].dims[0])
    time = np.asarray(recording[axis].values, dtype=np.float64)
    if time.size < 3:
        raise DataError(f"the recording has {time.size} times, at least 3 are needed")
    at = None if axis == "time" else np.searchsorted(recording["time"].values, time)
    asymmetry = None
    source: Iterator[tuple[slice, dict[str, Array], Array | None]]
    if not stored:
        source = scan(recording, replicas, pair)
        if mirrored:
            asymmetry = np.full(time.size, np.nan)
    else:
        source = _stored(recording, distance, time.size, at)
        if mirrored:
            asymmetry = _asymmetry(recording, replicas, pair, time)
    unit = str(recording.variables["time"].attrs.get("units", "step"))
    controls = np.flatnonzero(role == CONTROL)
    T, R, early = time.size, replicas.size, min(EARLY, time.size)
    log_separation, start = np.empty((T, R)), np.empty((early, R))
    mean, offset, lowest, highest, geometric = (np.empty(T) for _ in range(5))
    gone, collapsed = np.empty(T, dtype=bool), np.empty(T, dtype=bool)
    control, ever = np.empty(early), np.zeros(R, dtype=bool)
    rescaled, before = False, None
    for whole, found, mirrors in source:
        for piece in parts(whole.stop - whole.start, len(role)):
            part = slice(whole.start + piece.start, whole.start + piece.stop)
            tell(part.start, T)
            l2 = found["l2"][piece][:, replicas]
            taken = rows(recording.variables["log_rescale"], part, at, replicas)
            factors = np.diff(taken if before is None else np.concatenate([before, taken]), axis=0)
            unknown = ~np.isfinite(taken) & np.isfinite(l2)  # NaN of a replica that diverged is not
            if unknown.any() or (np.abs(factors) > WIDEST).any():
                raise DataError(
                    f"log_rescale is no sum of logarithms of factors between {unit} "
                    f"{time[part.start]:g} and {time[part.stop - 1]:g}: the recording is damaged"
                )
            log_l2 = _log(l2)
            logs = log_l2 if distance == "l2" else _log(found[distance][piece][:, replicas])
            log_separation[part] = logs + taken
            mean[part] = mean_increments(log_separation[part])
            offset[part] = mean_increments(logs - log_l2 + taken)
            geometric[part] = mean_increments(log_l2)
            np.fmin.reduce(log_l2, axis=1, out=lowest[part])
            np.fmax.reduce(log_l2, axis=1, out=highest[part])
            zero = l2 == 0.0
            gone[part] = (~np.isfinite(log_l2) & ~zero).any(axis=1)
            collapsed[part] = zero.any(axis=1)
            ever |= zero.any(axis=0)
            rescaled = rescaled or bool(np.any(factors != 0.0))
            before = taken[-1:]
            first = slice(part.start, min(part.stop, early))
            if first.start < early:
                n = first.stop - first.start
                start[first] = (log_l2 + taken)[:n]
                if controls.size:
                    control[first] = found["l2"][piece][:n, controls].max(axis=1)
        if asymmetry is not None and not stored:
            asymmetry[whole] = mirrors
    kept = [name for name in ("state", "checkpoint") if name in recording]
    kind = recording[kept[0]].dtype if kept else np.dtype(np.float64)
    return Separation(
        time=time,
        unit=unit,
        replicas=replicas,
        log_separation=log_separation,
        mean=mean,
        offset=offset,
        sizes=Sizes(
            lowest=lowest,
            highest=highest,
            geometric=geometric,
            gone=gone,
            collapsed=collapsed,
            early=start,
            control=control if controls.size else None,
            asymmetry=asymmetry,
            step_length=_step_length(recording, at, T),
            extent=extent(recording),
        ),
        redrawn=_redrawn(recording, time, replicas),
        pair=pair,
        collapsed=ever,
        aligned=_aligned(recording, at, T),
        resolution=float(np.finfo(kind).eps) if kind.kind == "f" else float(np.finfo(float).eps),
        rescaled=rescaled,
    )


def _stored(
    recording: xr.Dataset, distance: Norm, T: int, at: Array | None
) -> Iterator[tuple[slice, dict[str, Array], None]]:
    """Yield the stored distances, as `scan` does those of states."""
    names: set[str] = {distance, "l2"}
    variables = {name: recording.variables[f"distance_{name}"] for name in names}
    index = {name: at if v.dims[0] == "time" else None for name, v in variables.items()}
    for part in parts(T, recording.sizes["replica"]):
        yield part, {n: rows(v, part, index[n], slice(None)) for n, v in variables.items()}, None


def _asymmetry(recording: xr.Dataset, replicas: Array, pair: Array, time: Array) -> Array:
    """Asymmetry of mirrored pairs at `time`: each of a state holds until the next; NaN before."""
    state = recording["state"]
    known = np.asarray(recording[state.dims[0]].values, dtype=np.float64)
    values = np.empty(known.size)
    for part, _, found in scan(recording, replicas, pair):
        values[part] = found
    if np.array_equal(known, time):
        return values
    spread = np.empty(time.size)
    for part in parts(time.size):
        index = np.searchsorted(known, time[part], side="right") - 1
        spread[part] = np.where(index >= 0, values[np.maximum(index, 0)], np.nan)
    return spread


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


def _step_length(recording: xr.Dataset, at: Array | None, T: int) -> Array | None:
    lengths = recording.variables.get("step_length")
    if lengths is None or lengths.dims[0] != "time":
        return None
    values = np.empty(T)
    for part in parts(T, lengths.shape[1]):
        values[part] = rows(lengths, part, at, 0)
    return values


def _aligned(recording: xr.Dataset, at: Array | None, T: int) -> Array | None:
    if "deviation_alignment" not in recording:
        return None
    aligned, known = np.zeros(T, dtype=bool), False
    alignment = recording.variables["deviation_alignment"]
    for part in parts(T):
        values = np.asarray(alignment[part if at is None else at[part]].values, dtype=np.float64)
        known = known or bool(np.isfinite(values).any())
        aligned[part] = np.isfinite(values) & (np.nan_to_num(values) >= ALIGNED)
    return aligned if known else None


def _redrawn(recording: xr.Dataset, time: Array, replicas: Array) -> list[tuple[int, int]]:
    """Increments that end at, or span, a step at which the replica was drawn anew."""
    redrawn = []
    steps = recording.variables["time"].values
    for replica, step in redrawn_of(recording.attrs):
        row = row_of(recording, step)
        if row >= steps.size:
            continue
        index = int(np.searchsorted(time, steps[row])) - 1
        if 0 <= index < time.size - 1:
            redrawn += [(index, int(column)) for column in np.flatnonzero(replicas == replica)]
    return redrawn
