"""Sweeps: a recording for every combination of a grid of options and every seed."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from nndyn.checks import whole
from nndyn.errors import UsageError
from nndyn.runtime.progress import Called, Progress, following
from nndyn.runtime.tasks import Stop, side_by_side
from nndyn.studies.batch_run import work
from nndyn.studies.design import Batch, Design, design, differences, fitting
from nndyn.studies.folder import Folder
from nndyn.studies.index import open_study
from nndyn.studies.request import Request, request
from nndyn.studies.workers import spread
from nndyn.systems.recipe import recorded
from recorders.batch import cores, threads

if TYPE_CHECKING:
    import xarray as xr

    from nndyn.systems.protocol import System

#: Batches under way at once: while one is computed the files of the next are made.
_AHEAD = 2
#: Seconds between looks at batches that another process has.
_PATIENCE = 1.0


def sweep(
    system: str | Callable[..., System],
    path: str | Path,
    *,
    seeds: int | Sequence[int] = 1,
    seed: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
    task: str | tuple[int, int] | None = None,
    resume: bool = False,
    mix: bool = False,
    overwrite: bool = False,
    take_over: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> xr.Dataset:
    """Record every combination of a grid of options, with several seeds each.

    Parameters
    ----------
    system : str or callable
        ``"training"``, the name of a map, flow or gradient-descent map, or a function that takes
        swept options (and ``seed``, where it has that parameter) and returns a system, such as a
        ``nndyn.Loop``.
    path : path-like
        Folder of the study; made where it is missing.
    seeds : int or sequence of int, default 1
        How many, or which. A seed draws initial weights or states, and perturbations.
    seed : int, default 0
        The first one, where `seeds` says how many.
    workers : int, optional
        Record in so many processes of this machine (dask.distributed); a script asks for them below
        ``if __name__ == "__main__":``, since each of them runs it once more.
    scheduler : str, optional
        Record on the workers of the Dask scheduler at this address, which see the folder too.
    task : str or (int, int), optional
        ``"I/N"``: record the I-th of N shares alone, I from 1 on; the N need not run at once, nor
        know of each other.
    resume : bool, default False
        Let the study in the folder grow: further values, seeds or steps. Without, only the very
        same study is gone on with.
    mix : bool, default False
        Go on with runs that another version began, as of ``nndyn.record``; otherwise they fail.
    overwrite : bool, default False
        Remove the study in the folder first.
    take_over : bool, default False
        Go on at once with batches and runs that processes of other hosts have, as it seems: where
        these are known to have ended. Without, each is free ten minutes after it was heard of.
    progress : bool or callable, optional
        True draws a bar where there is a terminal or a notebook. Called with (steps done, steps
        asked for), summed over the runs.
    **options
        Of the system and of ``nndyn.record``; ``steps`` is required. A list, a range or a
        one-dimensional array is a grid, a tuple is a value.

    Returns
    -------
    xarray.Dataset
        What ``nndyn.open_study`` gives.

    Raises
    ------
    UsageError
        If an option is wrong, grids do not fit each other, or the folder holds something else.
    StoreError
        If the folder cannot be written, or workers died.
    RecordingError
        If what the folder knows of the study is damaged.
    InstallationError
        If workers are asked for and dask.distributed is not installed.
    KeyboardInterrupt
        On Ctrl-C, after what is done was committed; on workers too, if they answer within seconds.

    Notes
    -----
    The plan, made once, says which runs form a batch, so that arrays are the same however batches
    are dealt out; every recording is the one ``nndyn.record`` makes. The files of a batch are made
    while the one before is computed. A batch is claimed by a lock that ends with its process, and
    noted as done at once. A sweep that was killed and is started again records what is missing; of
    two on one folder each does what the other has not begun, and both return when all is done. A
    run that fails is noted with its reason, does not stop the others, and is tried again by the
    next sweep. Memory: at most some 1 GiB a process, unless a single run takes more.

    Examples
    --------
    >>> nndyn.sweep("training", "study", model="mlp:64-32-10", data="digits",
    ...             lr=[0.5, 1.0, 2.0, 4.0], seeds=10, steps=300)
    """
    if resume and overwrite:
        raise UsageError("`resume` and `overwrite` exclude each other")
    if sum(way is not None for way in (workers, scheduler, task)) > 1:
        raise UsageError("`workers`, `scheduler` and `task` exclude each other")
    workers = None if workers is None else whole("workers", workers, 1)
    if task is not None and overwrite:
        raise UsageError(
            "`overwrite` and `task` exclude each other: every task would remove what the others "
            "recorded; remove the folder first"
        )
    share = _share(task)
    asked = replace(request(system, options, seeds=seeds, seed=seed), mix=mix, take_over=take_over)
    folder = Folder(path)
    if overwrite:
        folder.check_apart(asked.files())
    before = folder.design().options if folder.is_study() and not overwrite else None
    asked = asked.settled(before)
    planned = plan(folder, asked, resume=resume, overwrite=overwrite)
    batches = list(planned.batches)
    if share is not None:
        batches = batches[share[0] - 1 :: share[1]]
    with following(progress, folder.path.name) as told:
        run(folder, asked, planned.id, batches, workers, scheduler, told, wait=task is None)
    return open_study(path)


def plan(folder: Folder, asked: Request, *, resume: bool, overwrite: bool) -> Design:
    """Return the plan of a study, new or the one in the folder, and put it there.

    Returns
    -------
    Design

    Raises
    ------
    UsageError
        If the folder holds something else.
    """
    path = folder.path
    first = None
    if not folder.is_study():
        folder.check_vacant()
        first = design(asked)  # what is wrong is said before anything is made
    with folder.planning(take_over=asked.take_over):
        if folder.is_study() and overwrite:
            planned = design(asked)
            folder.replace(planned, take_over=asked.take_over)
            return planned
        if folder.is_study():
            old = folder.design()
            described = asked.describe()
            found = differences(old, described, grow=resume)
            if found:
                cure = "overwrite it (`overwrite=True`)"
                if not resume:
                    cure = f"resume to let it grow, or {cure[:-1]}, `resume=True`)"
                raise UsageError(
                    f"{path} holds another study: {'; '.join(found)}. Choose another folder, {cure}"
                )
            if not differences(old, described, grow=False):
                return old
            planned = design(asked, before=old)
        else:
            folder.check_vacant()
            planned = first or design(asked)
        folder.create(planned)
        return planned


def run(
    folder: Folder,
    asked: Request,
    study: str,
    batches: Sequence[Batch],
    workers: int | None,
    scheduler: str | None,
    progress: Called | None,
    *,
    wait: bool = True,
) -> None:
    """Record what is missing of batches.

    Parameters
    ----------
    folder : Folder
    asked : Request
    study : str
        Its identity.
    batches : sequence of Batch
    workers, scheduler, progress
        As of `sweep`.
    wait : bool, default True
        For batches that another process has.
    """
    total = sum(_steps(batch) for batch in batches)
    left, told = _left(folder, batches), False

    def tell(steps: int) -> None:
        if progress is not None:
            progress(min(total - sum(map(_steps, left)) + steps, total), total)

    tell(0)
    while left:
        taken = recorded_once(folder, asked, study, left, workers, scheduler, tell)
        if not wait:
            return
        if len(taken) == len(left):
            who = next(filter(None, map(folder.claimant, taken)), "")
            if who and not told:
                told = True
                warnings.warn(
                    f"waiting for what {who} has of {folder.path}, which is free ten minutes after "
                    "that; stop, and take over with `take_over=True`, if it is gone",
                    stacklevel=2,
                )
            time.sleep(_PATIENCE)
        left = _left(folder, taken)


def _left(folder: Folder, batches: Sequence[Batch]) -> list[Batch]:
    known = folder.known()
    return [batch for batch in batches if folder.missing(batch, known)]


def recorded_once(
    folder: Folder,
    asked: Request,
    study: str,
    batches: Sequence[Batch],
    workers: int | None,
    scheduler: str | None,
    progress: Callable[[int], None],
) -> list[Batch]:
    """Record batches, here or on other processes.

    Parameters
    ----------
    folder, asked, study, batches, workers, scheduler
        As of `run`.
    progress : callable
        Called with the steps that are done of these batches.

    Returns
    -------
    list of Batch
        Those that another process has: what it has is left.
    """
    done: dict[str, int] = {}
    alone = Lock()

    def tell(batch: Batch, steps: int) -> None:
        with alone:
            done[batch.name] = steps
            progress(sum(done.values()))

    if workers or scheduler:
        ended: list[Batch] = []
        return spread(
            folder.path,
            asked,
            study,
            batches,
            workers=workers,
            scheduler=scheduler,
            done=ended.append,
            under_way=lambda steps: progress(sum(map(_steps, ended)) + steps),
        )

    def left(
        batch: Batch, stop: Stop | None = None, *, pool: Executor | None = None
    ) -> list[Batch]:
        how: dict[str, Any] = {"study": study, "stop": stop, "pool": pool}
        mine = work(folder, asked, batch, progress=lambda n, _: tell(batch, n), **how)
        tell(batch, _steps(batch) if mine else 0)
        return [] if mine else [batch]

    ahead = [b for b in batches if len(b.cells) >= cores() and not folder.is_claimed(b)]
    taken = []
    with asked.reading_once():
        if system := _ahead(asked, ahead):
            with threads(system, cores()) as pool:
                tasks = [partial(left, batch, pool=pool) for batch in ahead]
                taken = side_by_side(tasks, _AHEAD)
            batches = [batch for batch in batches if batch not in ahead]
        taken += [left(batch) for batch in batches]
    return [batch for some in taken for batch in some]


def _ahead(asked: Request, batches: Sequence[Batch]) -> System | None:
    """Return a system of batches, None where several of them may not be under way."""
    if len(batches) < _AHEAD or callable(asked.recipe.system):  # which may share a random state
        return None
    shapes = {asked.shape(batch.cells[0].at): batch for batch in reversed(batches)}
    with suppress(Exception), asked.reading_once():  # of what is wrong by now its runs say why
        found = [(fitting(asked, b.cells[0].at), len(b.cells)) for b in shapes.values()]
        if all(s.concurrent and fits >= _AHEAD * runs for (s, _, fits), runs in found):
            return found[0][0][0]
    return None


@dataclass(frozen=True)
class Cost:
    """What a sweep will take.

    Attributes
    ----------
    cells, batches : int
    steps : int
        Of all runs.
    bytes : int
    seconds : float
        Of one process; extrapolated from a few steps.
    """

    cells: int
    batches: int
    steps: int
    bytes: int
    seconds: float


def cost(asked: Request, *, timed: bool = True) -> Cost:
    """Estimate what a sweep takes; nothing is written.

    Parameters
    ----------
    asked : Request
    timed : bool, default True
        Run a few steps of one run of every shape; 0 seconds without.

    Returns
    -------
    Cost
    """
    from recorders.trials.cost import estimate

    planned = design(asked)
    seen: dict[str, Any] = {}
    bytes_, seconds = 0, 0.0
    for batch in planned.batches:
        cell = batch.cells[0]
        options = recorded(asked.options(cell.at))
        key = asked.shape(cell.at)
        if key not in seen:
            seen[key] = estimate(asked.system(cell.at), timed=timed, **options)
        bytes_ += seen[key].bytes * len(batch.cells)
        seconds += seen[key].seconds * len(batch.cells) if timed else 0.0
    return Cost(
        cells=len(planned.cells),
        batches=len(planned.batches),
        steps=sum(_steps(batch) for batch in planned.batches),
        bytes=bytes_,
        seconds=seconds,
    )


def _share(task: Any) -> tuple[int, int] | None:
    if task is None:
        return None
    text = f"{task[0]}/{task[1]}" if isinstance(task, tuple) and len(task) == 2 else str(task)
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    share = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= share[0] <= share[1]:
        raise UsageError(f"task is {task!r}, expected I/N with I from 1 to N, such as 1/3")
    return share


def _steps(batch: Batch) -> int:
    return batch.steps * len(batch.cells)
