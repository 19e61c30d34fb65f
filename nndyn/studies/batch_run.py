"""Run of one batch of a study: claimed, recorded as far as it is missing, and noted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nndyn.errors import NndynError, StoreError
from nndyn.header import FINISHED
from nndyn.runtime.progress import Called
from nndyn.store import BusyError, Left, facts
from nndyn.store.locks import TakenOverError, WriterLock
from nndyn.studies.design import Batch, Cell, Design
from nndyn.studies.folder import BEGUN, FAILED, Folder
from nndyn.studies.index import look
from nndyn.studies.request import Request
from nndyn.systems.recipe import recorded
from recorders.batch import record_batch

#: Seconds between two signs of life.
_PULSE = 2.0
#: What is noted of a run that failed.
_FAILED = {"id": "", "status": FAILED, "reason": "", "committed": 0, "bytes": 0}
#: What notes say, by the names of files.
Known = Mapping[str, dict[str, Any]]


def work(
    folder: Folder,
    request: Request,
    batch: Batch,
    *,
    study: str | None = None,
    threads: int | None = None,
    progress: Called | None = None,
    stop: Callable[[], bool] | None = None,
    pool: Executor | None = None,
) -> bool:
    """Record what is missing of a batch.

    Parameters
    ----------
    folder : Folder
    request : Request
    batch : Batch
    study : str, optional
        Identity of the study that the batch is of.
    threads : int, optional
        For the runs of the batch; as many as there are cores unless given.
    progress : callable, optional
    stop : callable, optional
    pool : Executor, optional
        As of `recorders.batch.record_batch`.

    Returns
    -------
    bool
        False where another process has the batch, or writes a run of it: what it has is left.

    Raises
    ------
    StoreError
        If there is another study in the folder by now, or it cannot be written.
    TakenOverError
        If a process of another host took the batch, or a run of it, over.
    KeyboardInterrupt
        On Ctrl-C, after what is done was committed.

    Notes
    -----
    A run that fails is noted with its reason, and the others go on.
    """
    claim = folder.claim(batch, take_over=request.take_over)
    if claim is None:
        return False
    stop = _pulse(claim, stop)
    try:
        planned = folder.design()
        if study is not None and planned.id != study:
            raise StoreError(
                f"{folder.path} was given to another study in the meantime, with overwrite; sweep "
                "into another folder"
            )
        missing = folder.missing(batch)
        if not missing:
            return True
        known = folder.known()
        found = _longer(folder, missing, batch.steps, known)
        others = [cell for cell in missing if cell.file not in found]
        found |= _foreign(folder, planned, others, known)
        left = [cell for cell in missing if cell.file not in found]
        if left:
            _forget(folder, batch, left, known)
            how = {"threads": threads, "progress": progress, "stop": stop, "pool": pool}
            found |= _record(folder, request, left, **how)
        folder.note(batch, folder.of(batch) | found)
        return len(found) == len(missing)
    except KeyboardInterrupt:
        if claim.taker is None:
            raise
        raise TakenOverError(
            f"a batch of {folder.path} was taken over by {claim.taker}; this process ends"
        ) from None
    finally:
        claim.release()


def _pulse(claim: WriterLock, stop: Callable[[], bool] | None) -> Callable[[], bool]:
    """Return a `stop` that keeps a claim alive, and says so too where it was taken over."""
    alone, last = threading.Lock(), time.monotonic()

    def ask() -> bool:
        nonlocal last
        if time.monotonic() - last > _PULSE and alone.acquire(blocking=False):
            try:
                last = time.monotonic()
                with suppress(StoreError, OSError):
                    if claim.keep():
                        claim.renew()
            finally:
                alone.release()
        return claim.taker is not None or (stop is not None and stop())

    return ask


def _longer(
    folder: Folder, cells: Sequence[Cell], steps: int, known: Known
) -> dict[str, dict[str, Any]]:
    """Return what is to be noted of runs that were gone on with beyond the steps of the study."""
    found = {}
    for cell in cells:
        before = known.get(cell.file)
        if before is None or before["status"] not in FINISHED or folder.sound(cell, before):
            continue  # also where the file is the one noted, over fewer steps
        now = _outcome(folder, cell, None)
        same = now["id"] == before["id"] and now["status"] in FINISHED
        if same and now["committed"] > steps:
            found[cell.file] = now
    return found


def _foreign(
    folder: Folder, planned: Design, cells: Sequence[Cell], known: Known
) -> dict[str, dict[str, Any]]:
    """Return what is to be noted of runs in whose place the recording of another lies."""
    found = {}
    for cell in cells:
        before = known.get(cell.file, {})
        identity = before.get("id", "")
        if folder.sound(cell, before):
            continue
        with suppress(NndynError):  # it cannot be opened just now: recording says so
            seen = look(folder, planned, cell, {"id": identity})
            if seen["status"] == "foreign":
                found[cell.file] = {**_FAILED, "id": identity, "reason": seen["reason"]}
    return found


def _forget(folder: Folder, batch: Batch, cells: Sequence[Cell], known: Known) -> None:
    """Note of runs whose files are gone that they begin anew, with other identities."""
    noted = [cell for cell in cells if known.get(cell.file, {}).get("id")]
    gone = [cell.file for cell in noted if not folder.recording(cell).exists()]
    if gone:
        begun = {file: {**_FAILED, "status": BEGUN} for file in gone}
        folder.note(batch, folder.of(batch) | begun)


def _record(
    folder: Folder, request: Request, cells: Sequence[Cell], **how: Any
) -> dict[str, dict[str, Any]]:
    """Record runs; return what is to be noted of all but those that another process writes."""
    failures: dict[str, Exception] = {}
    made: dict[str, Left] = {}
    try:
        made = _together(folder, request, cells, **how)
    except TakenOverError:
        raise
    except Exception as error:  # a network or a map of the user's may fail in any way
        if len(cells) == 1:
            failures[cells[0].file] = error
        else:
            how |= {"threads": 1, "progress": False}
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
    progress: Called | bool | None,
    stop: Callable[[], bool] | None,
    pool: Executor | None,
) -> dict[str, Left]:
    """Record runs as a batch; return each as it was left."""
    options = recorded(request.options(cells[0].at))
    left: dict[Path, Left] = {}
    record_batch(
        request.systems([cell.at for cell in cells]),
        [folder.recording(cell) for cell in cells],
        seeds=[int(cell.at["seed"]) for cell in cells],
        workers=threads,
        resume=True,
        mix=request.mix,
        take_over=request.take_over,
        progress=progress,
        stop=stop,
        left=left,
        pool=pool,
        **options,
    )
    return {cell.file: left[folder.recording(cell)] for cell in cells}


def _one_by_one(
    folder: Folder, request: Request, cells: Sequence[Cell], **how: Any
) -> tuple[dict[str, Left], dict[str, Exception]]:
    """Record the runs of a batch that failed as a whole; return what is wrong with which."""
    made: dict[str, Left] = {}
    failures: dict[str, Exception] = {}
    for cell in cells:
        try:
            made |= _together(folder, request, [cell], **how)
        except Exception as error:
            failures[cell.file] = error
    return made, failures


def _outcome(
    folder: Folder, cell: Cell, failure: Exception | None, left: Left | None = None
) -> dict[str, Any]:
    """Return what is to be noted of a run, as it was left if this process recorded it."""
    if failure is None:
        file = folder.recording(cell)
        if left is not None and left.stands(file):
            return {
                "id": left.id,
                "status": left.status,
                "reason": left.stop_reason,
                "committed": left.committed,
                "bytes": left.file.st_size,
                "mtime": left.file.st_mtime_ns,
            }
        try:
            found = {**asdict(facts(file)), "mtime": file.stat().st_mtime_ns}
            if left is not None and found["id"] != left.id:
                raise StoreError(f"{file} was replaced after it was recorded")
        except NndynError as error:
            failure = error
        else:
            return {**found, "reason": found.pop("stop_reason")}
    return {**_FAILED, "reason": _line(failure)}


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, NndynError) else f"{type(error).__name__}: {text}"
