"""Join recordings that were made apart into one with replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn import header
from nndyn.errors import DataError
from nndyn.numerics.arrays import Array
from nndyn.recording import PERTURBED
from nndyn.runtime.paths import located
from nndyn.runtime.progress import Progress
from nndyn.store import open_recording, vacant
from recorders.apart.recorded import Recorded
from recorders.apart.together import write
from recorders.apart.trajectories import NO_CONTROL, Ensemble, roles, several

if TYPE_CHECKING:
    import xarray as xr

#: Arguments of a training that its replicas have in common.
_EQUAL = sorted(header.TRAINED.keys() - {"seed", "model", "init", "device"})


def join(
    reference: Any,
    copies: Any,
    path: str | Path,
    *,
    control: Any = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Join recordings of one trajectory each into one with replicas.

    Parameters
    ----------
    reference : path-like or xarray.Dataset
        A recording with ``state`` and one replica, that nothing was done to.
    copies : sequence of path-like or xarray.Dataset
        Of runs that began a little off; at least one.
    path : path-like
        The netCDF file to write; its folder must exist.
    control : path-like or xarray.Dataset, optional
        Of a run that is to equal the reference: how far it departs is the floor of all distances.
    overwrite : bool, default False
        Replace an existing file.
    progress : bool or callable, optional
        As of `nndyn.record`; counts times.

    Returns
    -------
    xarray.Dataset
        The recording, opened lazily: reference, copies, control, with distances,
        ``deviation_alignment``, ``step_length``, and the quantities along time that all have, such
        as ``loss`` and ``metric_*``; those that are of one run come from the reference. Mirrored
        copies are recognised as pairs.

    Raises
    ------
    UsageError
        If there is no copy, a file is not there or of several replicas, or `path` exists and
        `overwrite` is not given.
    DataError
        If times or parameters differ, the first difference is named; or a run has no ``state``.
    RecordingError
        If a file is damaged.
    StoreError
        If the recording cannot be written.

    Warns
    -----
    UserWarning
        Without a control; where it departs; where optimizers or data differ; where a quantity is
        not taken. The manifest has the same under ``notes``.

    Notes
    -----
    One pass over the states, two blocks of 16 MiB at a time; see `recorders.together.write`.
    """
    return joined(
        reference, copies, path, control=control, overwrite=overwrite, progress=progress, cut=False
    )


def joined(
    reference: Any,
    copies: Any,
    path: str | Path,
    *,
    control: Any = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    cut: bool = False,
    names: Sequence[str] = (),
    said: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Do what `join` does; also of runs of unequal length.

    Parameters
    ----------
    reference, copies, path, control, overwrite, progress
        As of `join`.
    cut : bool, default False
        Whether the longer ones are cut to the shortest, which is noted.
    names : sequence of str, optional
        What messages and the manifest call reference, copies and control; their files' unless
        given.
    said : mapping of str to value, optional
        What the manifest says beside, as JSON values.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    UsageError, DataError, RecordingError, StoreError
        As of `join`.
    """
    path = located(path)
    given = [
        reference,
        *several(copies, "copies", "recordings"),
        *([] if control is None else [control]),
    ]
    role = roles(len(given), control=control is not None)
    called = ["reference", *[f"copies[{i}]" for i in range(len(given) - 1)]]
    if control is not None:
        called[-1] = "control"
    inputs = [
        one.encoding.get("source", "") if _is_dataset(one) else located(one, name)
        for one, name in zip(given, called, strict=True)
    ]
    inputs = [one for one in inputs if one]
    vacant(path, overwrite=overwrite, inputs=inputs)
    with ExitStack() as stack:
        members = [_opened(one, name, stack) for one, name in zip(given, called, strict=True)]
        for member, name in zip(members, names, strict=False):
            member.label = name
        notes: list[str] = [] if control is not None else [NO_CONTROL]
        _check_times(members, cut=cut)
        times = _common_times(members, notes)
        for member in members[1:]:
            _check_alike(member, members[0])
            notes += _differences(member, members[0])
        first = members[0]
        ensemble = Ensemble(
            members=members,
            role=role,
            times=times,
            unit=first.unit,
            stationary=first.stationary,
            manifest={
                "system": first.manifest.get("system", {"kind": "joined"}),
                "recording": {
                    "replicas": int((role == PERTURBED).sum()),
                    "control": control is not None,
                },
                "joined": [{"name": m.label, "recording_id": m.identity} for m in members],
                **(said or {}),
            },
            alone=first.alone,
            notes=notes,
        )
        return write(ensemble, path, overwrite=overwrite, progress=progress, callers=2)


def _is_dataset(given: Any) -> bool:
    return hasattr(given, "data_vars")


def _opened(given: Any, name: str, stack: ExitStack) -> Recorded:
    """Return a recording as a trajectory."""
    if _is_dataset(given):
        return Recorded(given, str(given.encoding.get("source") or name))
    path = located(given, name)
    return Recorded(stack.enter_context(open_recording(path)), str(path))


def _check_times(members: Sequence[Recorded], *, cut: bool) -> None:
    """Check that the times of all are the first ones of the longest, and as many unless `cut`.

    Raises
    ------
    DataError
        If not, with the first difference.
    """
    first, longest = members[0], max(members, key=lambda m: len(m.times))
    for member, other in [*((m, first) for m in members), (first, longest)]:
        if member.unit != other.unit:
            raise DataError(
                f"{member.label}: time is in {member.unit}, in {other.unit} in {other.label}"
            )
        count = min(len(member.times), len(other.times))
        off = np.flatnonzero(member.times[:count] != other.times[:count])
        if off.size:
            i = int(off[0])
            raise DataError(
                f"{member.label}: time {i} is {member.times[i]:g}, {other.times[i]:g} in "
                f"{other.label}; record both with the same `every`"
            )
        unequal = len(member.times) != len(first.times)
        if unequal and not (cut or member.diverged or first.diverged):
            raise DataError(
                f"{member.label} has {len(member.times)} times, {len(first.times)} in "
                f"{first.label}; finish the shorter one, or open the longer and cut it with "
                "isel(time=slice(…))"
            )


def _common_times(members: Sequence[Recorded], notes: list[str]) -> Array:
    """Return the times of the shortest, and note it where others are longer.

    One that diverged does not end the others, and goes on with them as NaN. Where that is the
    reference there is one more time, at which this is seen.

    Returns
    -------
    (T,) float64

    Raises
    ------
    DataError
        If there are fewer than two.
    """
    first, longest = members[0], max(members, key=lambda m: len(m.times))
    lasting = [m for m in members if not m.diverged] or [longest]
    shortest, times = min(lasting, key=lambda m: len(m.times)), longest.times
    count = len(shortest.times)
    if count < 2:
        raise DataError(f"{shortest.label} has {count} times, expected at least 2")
    if first.diverged and count >= len(first.times):
        count = len(first.times) + 1
        times = np.append(times, 2 * times[-1] - times[-2])  # where all end with it
    elif any(len(m.times) > count for m in lasting):
        notes.append(
            f"runs of up to {len(times)} times were cut to the {count} of the shortest, "
            f"{shortest.label}"
        )
    for member in members:
        if len(member.times) < count:
            member.go_on(times[:count], longest)
    found: Array = times[:count]
    return found


def _check_alike(member: Recorded, reference: Recorded) -> None:
    """Check that two runs have the same parameters, precision and kind."""
    for one, other in zip(member.layout, reference.layout, strict=False):
        if one.name != other.name:
            raise DataError(
                f"{member.label}: its parameters differ from those of {reference.label}: "
                f"{one.name!r} stands where {other.name!r} is expected"
            )
        if (one.start, one.size) != (other.start, other.size):
            raise DataError(
                f"{member.label}: {one.name!r} has {one.size} components from {one.start} on, "
                f"{other.size} from {other.start} on in {reference.label}"
            )
    for what, found, expected in (
        ("parameters", len(member.layout), len(reference.layout)),
        ("components", member.width, reference.width),
        ("states of", member.dtype.name, reference.dtype.name),
        ("stationary", member.stationary, reference.stationary),
    ):
        if found != expected:
            raise DataError(f"{member.label}: {what} {found}, {expected} in {reference.label}")


def _differences(member: Recorded, reference: Recorded) -> list[str]:
    """Say in what two trainings were done otherwise."""
    one, other = (m.manifest.get("system", {}) for m in (member, reference))
    return [
        f"{member.label} was trained with {key} {one.get(key)}, {reference.label} with "
        f"{other.get(key)}"
        for key in _EQUAL
        if one.get(key) != other.get(key)
    ]
