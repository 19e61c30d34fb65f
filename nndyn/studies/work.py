"""A batch of a study: claimed, recorded as far as it is missing, and noted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nndyn.errors import NndynError, StoreError
from nndyn.progress import Called
from nndyn.store import BusyError, facts
from nndyn.studies.design import Batch, Cell
from nndyn.studies.folder import Folder
from nndyn.studies.request import Request
from nndyn.systems.recipe import recorded
from recorders.batch import record_batch


def work(
    path: str | Path,
    request: Request,
    batch: Batch,
    *,
    study: str | None = None,
    threads: int | None = None,
    progress: Called | None = None,
    stop: Callable[[], bool] | None = None,
) -> bool:
    """Record what is missing of a batch.

    Parameters
    ----------
    path : path-like
        The folder of the study.
    request : Request
    batch : Batch
    study : str, optional
        Identity of the study that the batch is of.
    threads : int, optional
        For the runs of the batch; as many as there are cores unless given.
    progress : callable, optional
    stop : callable, optional
        As of `recorders.batch.record_batch`.

    Returns
    -------
    bool
        False where another process has the batch, or writes a run of it: what it has is left.

    Raises
    ------
    StoreError
        If there is another study in the folder by now, or it cannot be written.
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
        if study is not None and folder.design().id != study:
            raise StoreError(
                f"{path} was given to another study in the meantime, with overwrite; sweep into "
                "another folder"
            )
        missing = folder.missing(batch)
        if not missing:
            return True
        found = _longer(folder, missing, batch.steps)
        left = [cell for cell in missing if cell.file not in found]
        if left:
            found |= _record(folder, request, left, threads=threads, progress=progress, stop=stop)
        folder.note(batch, folder.of(batch) | found)
        return len(found) == len(missing)
    finally:
        lock.release()


def _longer(folder: Folder, cells: Sequence[Cell], steps: int) -> dict[str, dict[str, Any]]:
    """Return what is to be noted of runs that were gone on with beyond the steps of the study."""
    found, known = {}, folder.known()
    for cell in cells:
        before = known.get(cell.file)
        if before is None or before["status"] not in ("complete", "stopped"):
            continue
        now = _outcome(folder, cell, None)
        same = now["id"] == before["id"] and now["status"] in ("complete", "stopped")
        if same and now["committed"] > steps:
            found[cell.file] = now
    return found


def _record(
    folder: Folder, request: Request, cells: Sequence[Cell], **how: Any
) -> dict[str, dict[str, Any]]:
    """Record runs; return what is to be noted of all but those that another process writes."""
    failures: dict[str, Exception] = {}
    made: dict[str, str] = {}
    try:
        made = _together(folder, request, cells, **how)
    except Exception as error:  # a network or a map of the user's may fail in any way
        if len(cells) == 1:
            failures[cells[0].file] = error
        else:
            how |= {"threads": 1, "progress": None}
            made, failures = _one_by_one(folder, request, cells, **how)
    return {
        cell.file: _outcome(folder, cell, failures.get(cell.file), made.get(cell.file))
        for cell in cells
        if not isinstance(failures.get(cell.file), BusyError)
    }


def _together(
    folder: Folder,
    request: Request,
    cells: Sequence[Cell],
    *,
    threads: int | None,
    progress: Called | None,
    stop: Callable[[], bool] | None,
) -> dict[str, str]:
    """Record runs as a batch; return the identity of each."""
    options = recorded(request.options(cells[0].at))
    made: dict[Path, str] = {}
    record_batch(
        [request.system(cell.at) for cell in cells],
        [folder.recording(cell) for cell in cells],
        seeds=[int(cell.at["seed"]) for cell in cells],
        workers=threads,
        resume=True,
        mix=request.mix,
        progress=progress,
        stop=stop,
        identities=made,
        **options,
    )
    return {cell.file: made[folder.recording(cell)] for cell in cells}


def _one_by_one(
    folder: Folder, request: Request, cells: Sequence[Cell], **how: Any
) -> tuple[dict[str, str], dict[str, Exception]]:
    """Record the runs of a batch that failed as a whole; return what is wrong with which."""
    made: dict[str, str] = {}
    failures: dict[str, Exception] = {}
    for cell in cells:
        try:
            made |= _together(folder, request, [cell], **how)
        except Exception as error:
            failures[cell.file] = error
    return made, failures


def _outcome(
    folder: Folder, cell: Cell, failure: Exception | None, made: str | None = None
) -> dict[str, Any]:
    """Return what is to be noted of a run; if `made` is given, that is its identity."""
    if failure is None:
        try:
            found = asdict(facts(folder.recording(cell)))
            if made is not None and found["id"] != made:
                raise StoreError(f"{folder.recording(cell)} was replaced after it was recorded")
        except NndynError as error:
            failure = error
        else:
            return {**found, "reason": found.pop("stop_reason")}
    return {"id": "", "status": "failed", "reason": _line(failure), "committed": 0, "bytes": 0}


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, NndynError) else f"{type(error).__name__}: {text}"
