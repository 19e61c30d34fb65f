"""A batch of a study: claimed, recorded as far as it is missing, and noted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nndyn.errors import NndynError
from nndyn.store import facts
from nndyn.studies.design import Batch, Cell
from nndyn.studies.folder import Folder
from nndyn.studies.recipe import recorded
from nndyn.studies.request import Request
from recorders.batch import record_batch

#: Called with the steps done and the steps asked for.
Progress = Callable[[int, int], None]


def work(
    path: str | Path,
    request: Request,
    batch: Batch,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> bool:
    """Record what is missing of a batch.

    Parameters
    ----------
    path : path-like
        The folder of the study.
    request : Request
    batch : Batch
    threads : int, optional
        For the runs of the batch; as many as there are cores unless given.
    progress : callable, optional

    Returns
    -------
    bool
        False where another process has the batch: nothing was done.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, after what is done was committed.

    Notes
    -----
    A run that fails is noted with its reason, and the others go on.
    """
    folder = Folder(path)
    lock = folder.claim(batch)
    if lock is None:
        return False
    try:
        missing = folder.missing(batch)
        if missing:
            found = _record(folder, request, missing, threads, progress)
            folder.note(batch, folder.of(batch) | found)
    finally:
        lock.release()
    return True


def _record(
    folder: Folder,
    request: Request,
    cells: Sequence[Cell],
    threads: int | None,
    progress: Progress | None,
) -> dict[str, dict[str, Any]]:
    failures: dict[str, str] = {}
    try:
        _together(folder, request, cells, threads, progress)
    except NndynError as error:
        if len(cells) == 1:
            failures[cells[0].file] = _line(error)
        else:
            failures = _one_by_one(folder, request, cells)
    return {cell.file: _outcome(folder, cell, failures.get(cell.file)) for cell in cells}


def _together(
    folder: Folder,
    request: Request,
    cells: Sequence[Cell],
    threads: int | None,
    progress: Progress | None,
) -> None:
    options = recorded(request.options(cells[0].at))
    record_batch(
        [request.system(cell.at) for cell in cells],
        [folder.recording(cell) for cell in cells],
        seeds=[int(cell.at["seed"]) for cell in cells],
        workers=threads,
        resume=True,
        progress=progress,
        **options,
    )


def _one_by_one(folder: Folder, request: Request, cells: Sequence[Cell]) -> dict[str, str]:
    """Record the runs of a batch that failed as a whole; return what is wrong with which."""
    failures = {}
    for cell in cells:
        try:
            _together(folder, request, [cell], 1, None)
        except NndynError as error:
            failures[cell.file] = _line(error)
    return failures


def _outcome(folder: Folder, cell: Cell, failure: str | None) -> dict[str, Any]:
    if failure is None:
        try:
            found = asdict(facts(folder.recording(cell)))
        except NndynError as error:
            failure = _line(error)
        else:
            return {**found, "reason": found.pop("stop_reason")}
    return {"id": "", "status": "failed", "reason": failure, "committed": 0, "bytes": 0}


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
