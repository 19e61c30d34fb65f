"""Write trajectories that were made apart as the replicas of one recording, block by block."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import DataError
from nndyn.numerics.arrays import Array
from nndyn.recording import CONTROL, VARIABLES, Variable
from nndyn.runtime import provenance
from nndyn.runtime.progress import Progress, following
from nndyn.store import Header, InParts, Writer, open_recording
from nndyn.store.appearing import appearing
from nndyn.systems.series.ensembles import Pairs, Sums, independent, partners
from nndyn.systems.series.labelling import as_steps
from recorders.apart.trajectories import Ensemble, Quantity, lines

if TYPE_CHECKING:
    import xarray as xr

#: Bytes of states appended at once; a time that is larger is read and written in parts.
_BLOCK_BYTES = 16 * 2**20
#: Fewest times that share a chunk.
_SHORTEST = 64
_BY_PARAMETER = "distance_l2_parameter"
_DERIVED = ("distance_l1", "distance_l2", "distance_linf")


def write(
    ensemble: Ensemble,
    path: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    callers: int = 1,
) -> xr.Dataset:
    """Write an ensemble as a recording.

    Parameters
    ----------
    ensemble : Ensemble
        What it notes is warned of, and kept in the manifest.
    path : Path
    overwrite : bool, default False
    progress : bool or callable, optional
        As of `recorders.ensemble.record`.
    callers : int, default 1
        Functions between this one and the user's line, of which warnings speak.

    Returns
    -------
    xarray.Dataset
        Opened lazily. Where the reference is not finite any more it ends, with status ``stopped``.

    Raises
    ------
    DataError
        If a state is not finite from the beginning, or finite again later.
    StoreError
        If it cannot be written: what was at `path` before is there still.

    Notes
    -----
    One pass over the states, three where one time of all members is larger than 16 MiB, which then
    is never held as a whole: memory is two blocks of 16 MiB beside what members keep.
    """
    plan = _plan(ensemble)
    header = _header(ensemble, plan)
    identity = str(header.attrs["recording_id"])
    with appearing(path, header, overwrite=overwrite) as writer:
        with following(progress, path.name, "times") as told:
            reason = _Writing(ensemble, plan, writer).run(told)
        _finish(ensemble, writer, reason)
    for note in ensemble.notes:
        warnings.warn(f"{path}: {note}", stacklevel=2 + callers)
    return open_recording(path, identity=identity)


def _finish(ensemble: Ensemble, writer: Writer, reason: str) -> None:
    manifest = json.loads(writer.attrs["manifest"])
    writer.set_attrs(manifest=json.dumps(manifest | {"notes": ensemble.notes}))
    writer.finish("stopped" if reason else "complete", reason)


@dataclass(frozen=True)
class _Plan:
    """What is known before the first row is written.

    Attributes
    ----------
    width, compared, part, rows : int
        Components of a state, those that are parameters (buffers of an optimizer may follow), of a
        part, and times in a block.
    dtype : dtype
    pairs : Pairs
    partner : (R,) int32
    perturbation : (R,) float64
    ends : list of int
        Where parameters end, by which distances are told too; empty where they are not.
    shared : dict of str to list of Quantity
        By member.
    """

    width: int
    compared: int
    part: int
    rows: int
    dtype: np.dtype[Any]
    pairs: Pairs
    partner: Array
    perturbation: Array
    ends: list[int]
    shared: dict[str, list[Quantity]]

    @property
    def in_parts(self) -> bool:
        """Whether a state is never held as a whole."""
        return self.part < self.width


def _plan(ensemble: Ensemble) -> _Plan:
    reference, R = ensemble.members[0], len(ensemble.members)
    width, item = reference.width, reference.dtype.itemsize
    compared = reference.layout[-1].start + reference.layout[-1].size
    ends = _ends(ensemble)
    row = R * (width * item + 8 * (8 + R + len(ends)))
    part = width if row <= _BLOCK_BYTES else max(8, _BLOCK_BYTES // (R * item) // 8 * 8)
    rows = max(1, min(len(ensemble.times), _BLOCK_BYTES // row))
    shared = ensemble.shared()
    start = Sums(1, R)
    for first in range(0, compared, part):
        start.add(_states(ensemble, 0, 1, first, min(first + part, compared)), None)
    for member, good in zip(ensemble.members, start.finite[0], strict=True):
        if not good:
            raise DataError(f"{member.label} is not finite at its first time; leave it out")
    partner = partners(ensemble.role, start.gram[0])
    return _Plan(
        width=width,
        compared=compared,
        part=part,
        rows=rows,
        dtype=reference.dtype,
        pairs=independent(ensemble.role, partner),
        partner=partner,
        perturbation=start.linf[0],
        ends=ends,
        shared=shared,
    )


def _ends(ensemble: Ensemble) -> list[int]:
    """Return where parameters end, of several that are more than the numbers of a state."""
    layout = ensemble.members[0].layout
    several = len(layout) > 1 and any(p.size > 1 for p in layout)
    return [p.start + p.size for p in layout] if several else []


def _states(ensemble: Ensemble, start: int, stop: int, first: int, last: int) -> Array:
    """Return a part of the states of all members, (n, R, C)."""
    members = ensemble.members
    found = np.empty((stop - start, len(members), last - first), members[0].dtype)
    for r, member in enumerate(members):
        found[:, r] = member.read(start, stop, first, last)
    return found


def _variables(ensemble: Ensemble, plan: _Plan) -> tuple[Variable, ...]:
    names = ["role", "perturbation", "pair", "diverged_at"]
    names += ["parameter_name", "parameter_start", "parameter_size"]
    names += ["time", *_DERIVED, "log_rescale", "state"]
    names += [_BY_PARAMETER] if plan.ends else []
    names += ["deviation_alignment"] if plan.pairs[0].size else []
    found = [VARIABLES[name] for name in names]
    if "step_length" not in plan.shared:
        found.append(_step_length(ensemble))
    quantities = {**plan.shared, **{name: [q] for name, q in ensemble.alone.items()}}
    found += [each[0].variable for each in quantities.values()]
    return (*found, *(VARIABLES[dim] for dim in lines(quantities, ensemble.times)))


def _step_length(ensemble: Ensemble) -> Variable:
    """Return the variable of the lengths of steps, which says so where they are bounds."""
    known = VARIABLES["step_length"]
    if (spacing(ensemble.times, ensemble.unit) == 1.0).all():
        return known
    return replace(
        known,
        long_name="l2 distance to the state before over the steps between them, a lower bound of "
        "the mean length of a step",
        attrs={"bound": "lower", "comment": "times are several steps apart, and ways wind"},
    )


def spacing(times: Array, unit: str) -> Array:
    """Return the steps between times, (T - 1,) float64: 1 where time does not count steps."""
    steps: Array = np.diff(times)
    return steps if unit == "step" else np.ones_like(steps)


def _header(ensemble: Ensemble, plan: _Plan) -> Header:
    layout, R, T = ensemble.members[0].layout, len(ensemble.members), len(ensemble.times)
    manifest = {
        **ensemble.manifest,
        "steps": T - 1,
        "parameter_shapes": {p.name: list(p.shape) for p in layout},
        "notes": [],
        **provenance.provenance(),
    }
    return Header(
        sizes={"replica": R, "component": plan.width, "parameter": len(layout)},
        variables=_variables(ensemble, plan),
        fixed={
            "role": ensemble.role,
            "perturbation": plan.perturbation,
            "pair": plan.partner,
            "diverged_at": np.full(R, -1, dtype=np.int64),
            "parameter_name": np.array([p.name for p in layout], dtype=object),
            "parameter_start": np.array([p.start for p in layout], dtype=np.int64),
            "parameter_size": np.array([p.size for p in layout], dtype=np.int64),
        },
        block=plan.rows * -(-_SHORTEST // plan.rows),
        attrs={
            "recording_id": provenance.new_id(),
            "stationary": int(ensemble.stationary),
            "manifest": json.dumps(manifest),
            "redrawn": "[]",
        },
        time_unit=ensemble.unit,
        dtype=plan.dtype.name,
        expected_bytes=T * R * (plan.width * plan.dtype.itemsize + 96 + 8 * len(plan.ends))
        + 64 * 2**10,
    )


class _Writing:
    """An ensemble on its way into a file."""

    def __init__(self, ensemble: Ensemble, plan: _Plan, writer: Writer) -> None:
        self.ensemble, self.plan, self.writer = ensemble, plan, writer
        self.steps = spacing(ensemble.times, ensemble.unit)
        self.diverged = np.full(len(ensemble.members), -1, dtype=np.int64)
        self.quantities = {**plan.shared, **{name: [q] for name, q in ensemble.alone.items()}}
        self.lines = lines(self.quantities, ensemble.times)
        self.before: Array | None = None
        self.control = 0.0

    def run(self, told: Any) -> str:
        """Write all of it; return why it ends early, if it does."""
        T, reason = len(self.ensemble.times), ""
        start = 0
        while start < T and not reason:
            stop = min(start + self.plan.rows, T)
            sums, states = self._read(start, stop)
            good = sums.finite
            if not good[:, 0].all():  # the reference
                stop = start + int(np.argmin(good[:, 0]))
                reason = self._end(stop)
            if stop > start:
                self._append(start, stop, sums, states)
            start = stop
            if told is not None:
                told(start, T)
        diverged = as_steps(self.diverged, self.ensemble.times, self.ensemble.unit)
        self.writer.set("diverged_at", diverged)
        self.writer.commit()
        if self.control > 0.0:
            self.ensemble.notes.append(
                f"the unperturbed control departs from the reference, up to {self.control:.2g}: "
                "distances of that size mean nothing"
            )
        return reason

    def _read(self, start: int, stop: int) -> tuple[Sums, Array | None]:
        """Return what is known of some times, and the states where they are held."""
        sums = Sums(stop - start, len(self.ensemble.members), self.plan.ends)
        compared = self.plan.compared
        if not self.plan.in_parts:
            states = _states(self.ensemble, start, stop, 0, self.plan.width)
            sums.add(states[:, :, :compared], self.before)
            self.before = states[-1, :, :compared].copy()
            return sums, states
        for first in range(0, compared, self.plan.part):
            last = min(first + self.plan.part, compared)
            before = None
            if start:
                before = _states(self.ensemble, start - 1, start, first, last)[0]
            sums.add(_states(self.ensemble, start, stop, first, last), before)
        return sums, None

    def _end(self, at: int) -> str:
        self.diverged[0] = at
        ends = self.ensemble.times[at - 1 : at + 1]
        unit, label = self.ensemble.unit, self.ensemble.members[0].label
        return (
            f"the reference, {label}, is not finite from {unit} {ends[-1]:g} on; the recording "
            f"ends at {unit} {ends[0]:g}"
        )

    def _append(self, start: int, stop: int, sums: Sums, states: Array | None) -> None:
        n, R = stop - start, len(self.ensemble.members)
        self._note_diverged(start, sums.finite[:n])
        rows = {name: values[:n] for name, values in sums.rows(self.plan.pairs).items()}
        if "step_length" not in self.plan.shared:
            over = np.concatenate([[1.0], self.steps])[start:stop]
            rows["step_length"] = sums.steps[:n] / over[:, None]
        gone = self._gone(np.arange(start, stop))
        for name in (*_DERIVED, _BY_PARAMETER, "step_length"):
            if name in rows:
                rows[name][gone] = np.nan
        controls = rows["distance_l2"][:, self.ensemble.role == CONTROL]
        self.control = max(self.control, float(np.nanmax(controls, initial=0.0)))
        rows |= {"time": self.ensemble.times[start:stop], "log_rescale": np.zeros((n, R))}
        rows |= self._taken(start, stop)
        if states is not None:
            states[:n][gone] = np.nan
            written: dict[str, Any] = {**rows, "state": states[:n]}
        else:
            written = {**rows, "state": InParts((n, R, self.plan.width), self._part(start))}
        self.writer.append(written)
        self.writer.commit()

    def _part(self, start: int) -> Any:
        def part(where: tuple[slice, ...]) -> Array:
            rows, members, components = where
            times = slice(start + rows.start, start + rows.stop)
            parts = []
            for r in range(members.start, members.stop):
                at = (times.start, times.stop, components.start, components.stop)
                found = self.ensemble.members[r].read(*at)
                if 0 <= self.diverged[r] <= times.start:  # there is one time, where it is in parts
                    found = np.full_like(found, np.nan)
                parts.append(found)
            return np.stack(parts, axis=1)

        return part

    def _taken(self, start: int, stop: int) -> dict[str, Array]:
        """Return the rows of the quantities up to the time ``stop - 1``, and of their times."""
        times = self.ensemble.times
        found: dict[str, Array] = {}
        spans = {"time": slice(start, stop)}
        for dim, at in self.lines.items():
            low = 0 if start == 0 else int(np.searchsorted(at, times[start - 1], side="right"))
            spans[dim] = slice(low, int(np.searchsorted(at, times[stop - 1], side="right")))
            found[dim] = at[spans[dim]]
        for name, each in self.quantities.items():
            dim = each[0].variable.dims[0]
            span = spans[dim]
            values = [np.array(q.read(span), dtype=np.float64) for q in each]
            if name not in self.plan.shared:
                found[name] = values[0]
                continue
            at = times[span] if dim == "time" else self.lines[dim][span]
            for r in np.flatnonzero(self.diverged >= 0):
                values[r][at >= times[self.diverged[r]]] = np.nan
            found[name] = np.stack(values, axis=1)
        return found

    def _note_diverged(self, start: int, finite: Array) -> None:
        """Note which members are not finite any more; what is finite again is damaged."""
        for r in range(1, finite.shape[1]):
            bad = np.flatnonzero(~finite[:, r])
            if self.diverged[r] < 0 and bad.size:
                self.diverged[r] = start + int(bad[0])
            if self.diverged[r] >= 0:
                again = np.flatnonzero(finite[max(self.diverged[r] - start, 0) :, r])
                if again.size:
                    at = max(self.diverged[r], start) + int(again[0])
                    times = self.ensemble.times
                    raise DataError(
                        f"{self.ensemble.members[r].label} is not finite at {self.ensemble.unit} "
                        f"{times[self.diverged[r]]:g} and finite again at {times[at]:g}; what "
                        "diverged does not come back: restore its file, or leave it out"
                    )

    def _gone(self, at: Array) -> Array:
        """Whether each member diverged by the times with these numbers, (n, R) bool."""
        since = np.where(self.diverged >= 0, self.diverged, np.iinfo(np.int64).max)
        gone: Array = at[:, None] >= since
        return gone
