"""Results of an analyzer on every run of a study: computed once, kept in the folder."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

import analyzers
from nndyn._version import __version__
from nndyn.errors import DataError, NndynError, UsageError
from nndyn.header import FINISHED
from nndyn.runtime.interrupts import deaf_children
from nndyn.runtime.progress import Called
from nndyn.studies.belonging import refusal
from nndyn.studies.design import Cell, Design
from nndyn.studies.folder import Folder
from nndyn.studies.index import locate, look
from nndyn.studies.request import Point
from nndyn.studies.stack import Found, reduce, split, stack
from recorders.batch import cores

if TYPE_CHECKING:
    import xarray as xr

#: Seconds of work from which other processes take a part: one takes some to start.
_WORTH = 6.0


def cells_of(
    folder: Folder,
    planned: Design,
    name: str,
    options: dict[str, Any],
    *,
    points: Sequence[Point] | None = None,
    workers: int | None = None,
    progress: Called | None = None,
    memory: dict[str, Found] | None = None,
    write: bool = True,
) -> xr.Dataset:
    """Return what an analyzer finds on every run of a study.

    Parameters
    ----------
    folder : Folder
    planned : Design
        Its plan.
    name : str
        Of the analyzer.
    options : dict
        Of the analyzer.
    points : sequence of Point, optional
        The runs to analyze, and the others have no result, and no place either where nothing is
        kept; all of them unless given.
    workers : int, optional
        Processes; as many as there are cores unless given.
    progress : callable, optional
    memory : dict of str to Found, optional
        Results that are known, to which new ones are added, for one who asks again and again. Those
        in the folder are read where it is empty.
    write : bool, default True
        Keep results in the folder.

    Returns
    -------
    xarray.Dataset
        Over the axes of the study, ``seed`` the last of them, and those of the variables: what is
        kept of results (see `nndyn.studies.stack`); ``status``, ``file``, ``steps`` asked for;
        ``failure``, why a run has no result. Where steps are swept they are a coordinate alone.

    Raises
    ------
    UsageError
        If an option is wrong, or one that is swept has the name of a result.
    """
    row = analyzers.rows().get(name)
    keep = () if row is None else row.keep
    if points is not None and not write:
        planned = planned.only(points)
    known, cells = folder.known(), planned.cells
    seen = {cell.file: look(folder, planned, cell, known.get(cell.file, {})) for cell in cells}
    keys = {
        file: f"{facts['id']}-{facts['committed']}"
        for file, facts in seen.items()
        if facts["status"] in FINISHED
    }
    ready = [c for c in cells if c.file in keys and (points is None or c.at in points)]
    memory = {} if memory is None else memory
    found = _results(folder, name, keep, options, ready, keys, workers, progress, memory, write)
    stacked = stack([found.get(cell.file) or _without(seen[cell.file]) for cell in cells])
    steps = {cell.file: batch.steps for batch in planned.batches for cell in batch.cells}
    stacked = stacked.assign(
        status=("cell", np.array([str(seen[cell.file]["status"]) for cell in cells])),
        file=("cell", np.array([str(folder.recording(cell)) for cell in cells])),
        steps=("cell", np.array([float(steps[cell.file]) for cell in cells])),
    )
    return _laid_out(stacked, planned)


def _without(facts: dict[str, Any]) -> Found:
    """Return what is found on a run that is not there."""
    reason = str(facts.get("reason", ""))
    return Found(failure=f"{facts['status']}{': ' if reason else ''}{reason}")


def _laid_out(stacked: xr.Dataset, planned: Design) -> xr.Dataset:
    """Lay cells out on the grid of a study; where it has none there is NaN, or the empty text."""
    import xarray as xr

    shape = tuple(len(labels) for labels in planned.axes.values())
    where = [np.ravel_multi_index(locate(planned, cell), shape) for cell in planned.cells]
    variables: dict[str, Any] = {}
    for name, variable in stacked.items():
        if name in planned.axes:
            if name == "steps":
                continue
            raise UsageError(f"{name} is swept, and a result of that name cannot stand beside it")
        values = variable.values
        blank = "unplanned" if name == "status" else "" if values.dtype.kind == "U" else np.nan
        full = np.full((int(np.prod(shape)), *values.shape[1:]), blank, dtype=object)
        full[where] = values
        full = full.astype(str if values.dtype.kind == "U" else np.float64)
        dims = (*planned.axes, *variable.dims[1:])
        variables[str(name)] = (dims, full.reshape(*shape, *values.shape[1:]), variable.attrs)
    coords = {key: (key, np.array(labels)) for key, labels in planned.axes.items()}
    return xr.Dataset(variables, {**coords, **stacked.coords})


def _results(
    folder: Folder,
    name: str,
    keep: Sequence[str],
    options: dict[str, Any],
    cells: Sequence[Cell],
    keys: dict[str, str],
    workers: int | None,
    progress: Called | None,
    cached: dict[str, Found],
    write: bool,
) -> dict[str, Found]:
    """Return what an analyzer finds on runs, by file; from the folder as far as it is there."""
    from nndyn.store import load_result, save_result
    from nndyn.store.results_file import CHECKSUM

    text = json.dumps([name, options, list(keep), __version__], sort_keys=True)
    file = folder.results(f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}")
    there = {}
    if not cached and file.exists():
        # damaged, or without a checksum: it is only a copy, made anew
        with suppress(NndynError, LookupError, TypeError, ValueError):
            stored = load_result(file)
            if CHECKSUM in stored.attrs:
                keys_there = map(str, stored["key"].values)
                there = dict(zip(keys_there, split(stored.drop_vars("key")), strict=True))
    cached |= there
    fresh: dict[str, Found] = {}
    todo = [cell for cell in cells if keys[cell.file] not in cached]
    if todo:
        runs = [(keys[c.file].rpartition("-")[0], str(folder.recording(c))) for c in todo]
        made = _analyzed(name, options, tuple(keep), runs, workers, progress)
        fresh = dict(zip((keys[cell.file] for cell in todo), made, strict=True))
        cached |= {key: found for key, found in fresh.items() if found.lasting}
    current = {key: cached[key] for key in keys.values() if key in cached}
    if write and current.keys() - there.keys():
        stacked = stack(list(current.values()))
        try:  # of a study that may only be read, or on a full disk, results are not kept
            folder.ready_for_results()
            save_result(stacked.assign(key=("cell", list(current))), file, overwrite=True)
        except (OSError, UsageError) as error:
            warnings.warn(f"results of {name} are not kept: {error}", stacklevel=2)
    known = cached | fresh
    return {cell.file: known[keys[cell.file]] for cell in cells}


def _analyzed(
    name: str,
    options: dict[str, Any],
    keep: tuple[str, ...],
    runs: Sequence[tuple[str, str]],
    workers: int | None,
    progress: Called | None,
) -> list[Found]:
    """Analyze recordings, identity and file, in several processes where that is worth it."""
    total, found, began = len(runs), [], time.monotonic()
    workers = workers or cores()
    for run in runs:
        found.append(_one(name, options, keep, *run))
        if progress is not None:
            progress(len(found), total)
        spent = time.monotonic() - began
        if workers > 1 and spent / len(found) * (total - len(found)) > _WORTH:
            break
    rest = runs[len(found) :]
    if rest:
        from joblib import Parallel, delayed

        jobs = (delayed(_one)(name, options, keep, *run) for run in rest)
        pool = Parallel(n_jobs=workers, batch_size=4, return_as="generator")
        with deaf_children():
            answers = pool(jobs)
        for one in answers:
            found.append(one)
            if progress is not None:
                progress(len(found), total)
    return found


def _one(
    name: str, options: dict[str, Any], keep: tuple[str, ...], identity: str, path: str
) -> Found:
    """Analyze one recording; where that cannot be done, say why."""
    from nndyn.store import MissingRecordingError, open_recording, reading

    try:
        with reading(path), open_recording(path) as recording:
            if recording.attrs["recording_id"] != identity:
                why = refusal(path, f"{identity} was noted as its recording_id")
                return Found(failure=why, lasting=False)
            result = analyzers.load(name)(recording, **options)
            return reduce(result, keep, float(recording.attrs["stationary"]))
    except NndynError as error:
        if isinstance(error, UsageError) and not isinstance(error, MissingRecordingError):
            raise
        text = " ".join(str(error).split())
        return Found(failure=text, lasting=isinstance(error, DataError))
