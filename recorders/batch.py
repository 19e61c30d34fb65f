"""Many runs at once: one batch, a file for each run."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from nndyn.checks import whole
from nndyn.errors import UsageError
from nndyn.runtime.interrupts import deferred
from nndyn.runtime.paths import located
from nndyn.runtime.progress import Called, Progress, following
from nndyn.store import Left, Writer, vacant
from nndyn.systems.protocol import System
from recorders import perturbations as ensembles
from recorders.blocks.commits import thread
from recorders.drive import Drive
from recorders.header import as_begun, continues, header, reopen
from recorders.plan import Plan
from recorders.request import make
from recorders.run import Run
from recorders.trials.calibration import settled

#: Seconds between two reports of steps that are not committed yet.
_TELLING = 0.1


def record_batch(
    systems: Sequence[System],
    paths: Sequence[str | Path],
    *,
    steps: int,
    seeds: Sequence[int] | None = None,
    seed: int = 0,
    workers: int | None = None,
    resume: bool = False,
    mix: bool = False,
    overwrite: bool = False,
    take_over: bool = False,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    left: dict[Path, Left] | None = None,
    pool: Executor | None = None,
    **options: Any,
) -> list[Path]:
    """Record several runs at once; every file is the one `recorders.ensemble.record` makes.

    Parameters
    ----------
    systems : sequence of System
        One a run, of equal shape: trainings that differ in seeds and in the numbers of their
        optimizer, say. One system may serve several runs, with different `seeds`.
    paths : sequence of path-like
        The file of every run.
    steps : int
        Of every run.
    seeds : sequence of int, optional
        The `seed` of every run.
    seed : int, default 0
        Of all runs, where `seeds` is not given.
    workers : int, optional
        Threads among which the runs are dealt; as many as there are processor cores to use,
        unless given, and one for systems that are not `concurrent`. Runs of one system object
        share a thread.
    resume, mix, overwrite, take_over : bool, default False
        As for `record`; of the runs to resume, complete ones are left alone and others go on from
        where each stands.
    progress : bool or callable, optional
        True draws a bar on a terminal and in a notebook, and writes a line every ten seconds
        elsewhere; None draws one in notebooks and at Python's prompt. Called with (steps done,
        steps asked for), summed over the runs, at every commit and at most ten times a second
        between; never twice at a time, but from any thread.
    stop : callable, optional
        Asked often, from any thread; where it returns true that is taken for Ctrl-C.
    left : dict of Path to Left, optional
        Filled with every recording as it was left: a lock ends with its recording, and who opens
        the file next may find another one under its name.
    pool : Executor, optional
        Of `threads`, in which the runs advance, after what was handed to it before, while this
        thread waits; so another one can prepare the next batch. Threads of their own unless given.
    **options
        Further options of `record`, the same for all runs.

    Returns
    -------
    list of Path
        Of the files. They are not opened: a sweep has many, and each would take a handle and a
        walk through its index.

    Raises
    ------
    UsageError
        If an option is wrong, the runs are not of equal shape, a path is given twice, exists and
        neither `resume` nor `overwrite` is given, or a file to resume was made with other options.
    DataError
        If an initial state is not finite.
    StoreError
        If a file cannot be written, or another process writes it.
    RecordingError
        If a file to resume is damaged.
    KeyboardInterrupt
        On Ctrl-C, as of `record`: the files resume.

    Notes
    -----
    All is checked before the first step. Where the reference of a run diverges, or its file cannot
    be written, the others go on; the first failure is raised at the end, with a note for each
    further one. Memory is that of `record` times the number of runs: two blocks of states a run.
    """
    each = [seed] * len(systems) if seeds is None else list(seeds)
    plans = _plans(systems, paths, each, {**options, "steps": steps})
    if resume and overwrite:
        raise UsageError("`resume` and `overwrite` exclude each other")
    files = _files(paths)
    shares = _deal(systems, workers)
    kept = [file for file in files if resume and file.exists()]
    read = dict.fromkeys(path for system in systems for path in getattr(system, "files", ()))
    for file in files:
        if file not in kept:
            vacant(file, overwrite=overwrite, resumable=True, inputs=read)
    runs: dict[int, Run] = {}
    with deferred() as press, ExitStack() as stack:
        told = stack.enter_context(following(progress, systems[0].name))
        tally = _Tally(told, [plan.steps for plan in plans])

        def interrupted() -> bool:
            if stop is not None and stop():
                press.note()
            return press()

        def unless_interrupted(numbers: Iterable[int]) -> Iterator[int]:
            for m in numbers:
                if interrupted():
                    raise KeyboardInterrupt
                yield m

        every = range(len(files))
        writers = {
            m: stack.enter_context(Writer.resume(files[m], take_over=take_over))
            for m in unless_interrupted(every)
            if files[m] in kept
        }
        plans = [as_begun(p, writers[m]) if m in writers else p for m, p in enumerate(plans)]
        going = [m for m in writers if continues(systems[m], plans[m], writers[m], mix=mix)]
        found = {
            m: settled(systems[m], plans[m]) for m in unless_interrupted(every) if m not in writers
        }
        plans = [found[m][0] if m in found else plan for m, plan in enumerate(plans)]
        for m in unless_interrupted(found):
            ensembles.check_early(systems[m], plans[m])
        starts = {
            m: ensembles.ensemble(systems[m], plans[m])
            for m in unless_interrupted(every)
            if m in going or m not in writers
        }
        for m in going:
            reopen(plans[m], writers[m], mix=mix)
        for m in unless_interrupted(list(starts)):
            start = starts.pop(m)  # a run keeps of it what it needs
            if m not in writers:
                if said := ensembles.swallowed(systems[m], plans[m], start):
                    warnings.warn(said, stacklevel=3)
                new = Writer.create(
                    files[m],
                    header(systems[m], plans[m], start, found.pop(m)[1]),
                    overwrite=overwrite,
                    take_over=take_over,
                )
                writers[m] = stack.enter_context(new)
            runs[m] = Run(systems[m], plans[m], writers[m], start, tally.of(m), mix=mix)
            del start
            tally.done[m] = runs[m].t
        for m in writers.keys() - runs.keys():
            tally.done[m] = plans[m].steps
        dealt = [[runs[m] for m in share if m in runs] for share in shares]
        if len(runs) == 1 and len(shares) > 1 and pool is None:  # a core is left
            (run,) = runs.values()
            run.commits.pool = stack.enter_context(thread())
        try:
            _drive(dealt, interrupted, press.is_old, pool)
        except BaseException as error:
            for run in runs.values():
                run.commits.note(error)
            raise
    if left is not None:
        left |= {f: end for m, f in enumerate(files) if (end := writers[m].left) is not None}
    return files


def _drive(
    shares: Sequence[Sequence[Run]],
    interrupted: Callable[[], bool],
    late: Callable[[], bool],
    pool: Executor | None,
) -> None:
    """Record every share in a thread of a pool, or of its own; of one alone in this thread."""
    shares = [share for share in shares if share]
    drives = [Drive(share, interrupted, late) for share in shares]
    if len(drives) == 1 and pool is None:
        drives[0].finish()
    elif drives:
        with ExitStack() as stack:
            if pool is None:
                pool = stack.enter_context(threads(shares[0][0].system, len(drives)))
            futures = {pool.submit(d.finish): s for d, s in zip(drives, shares, strict=True)}
            try:
                # a lock does not let Ctrl-C through if another thread received it: look up
                while waiting := wait(futures, timeout=0.5).not_done:
                    interrupted()  # which is a sign of life too
                    for run in (r for f in waiting if not f.running() for r in futures[f]):
                        run.writer.keep_alive()
            finally:  # nobody is to close what a thread of somebody else's pool still writes
                for future in futures:
                    future.cancel()
                wait(futures)
            for future in futures:
                future.result()
    failures = [failure for drive in drives for failure in drive.failures]
    if failures:
        (_, first), *others = failures
        for run, error in others:
            first.add_note(f"{run.writer.path}: {error}")
        raise first
    if any(drive.cut_short for drive in drives):
        raise KeyboardInterrupt


class _Tally:
    """Steps done of all runs, told to the caller's `progress`."""

    def __init__(self, progress: Called | None, steps: Sequence[int]) -> None:
        self.done = [0 for _ in steps]
        self._total = sum(steps)
        self._progress, self._told = progress, 0.0
        self._lock = Lock()

    def of(self, m: int) -> Callable[[int], None]:
        """Return what run `m` calls with its steps done."""

        def note(done: int, *, committed: bool = False) -> None:
            with self._lock:
                self.done[m] = done
                now = time.monotonic()
                if self._progress is not None and (committed or now > self._told + _TELLING):
                    self._told = now
                    self._progress(sum(self.done), self._total)

        return note


def _plans(
    systems: Sequence[System],
    paths: Sequence[str | Path],
    seeds: Sequence[int],
    options: dict[str, Any],
) -> list[Plan]:
    """Check the request of every run, and that all are alike but for their seeds."""
    count = len(systems)
    if count == 0:
        raise UsageError("systems is empty, expected one system a run")
    for what, given in (("paths", paths), ("seeds", seeds)):
        if len(given) != count:
            raise UsageError(f"{what} has {len(given)} entries, expected {count}: one a system")
    plans = [make(s, seed=seed, **options) for s, seed in zip(systems, seeds, strict=True)]
    if count > 1:
        systems[0].together(systems[1:])
    first, *others = (_common(s, p) for s, p in zip(systems, plans, strict=True))
    for m, other in enumerate(others, 1):
        for key in first:
            if first[key] != other[key]:
                raise UsageError(
                    f"runs of one batch must agree in {key}: it is {first[key]} in run 0 and "
                    f"{other[key]} in run {m}"
                )
    return plans


def _common(system: System, plan: Plan) -> dict[str, Any]:
    """Return what has to be equal in all runs of a batch."""
    shape = {"dimension": system.dimension, "dtype": system.dtype.name}
    return {**shape, **plan.options(), "seed": None}


def _files(paths: Sequence[str | Path]) -> list[Path]:
    files = [located(path) for path in paths]
    seen: set[Path] = set()
    for file in files:
        if file.resolve() in seen:
            raise UsageError(f"{file} is given for two runs; give every run a file of its own")
        seen.add(file.resolve())
    return files


def _deal(systems: Sequence[System], workers: int | None) -> list[list[int]]:
    """Deal the runs to threads: all runs of one system object, which has buffers, to one."""
    workers = cores() if workers is None else whole("workers", workers, 1)
    if not all(system.concurrent for system in systems):
        workers = 1
    runs: dict[int, list[int]] = {}
    for m, system in enumerate(systems):
        runs.setdefault(id(system), []).append(m)
    shares: list[list[int]] = [[] for _ in range(workers)]
    for group in runs.values():
        min(shares, key=len).extend(group)
    return shares


@contextmanager
def threads(system: System, count: int) -> Iterator[Executor]:
    """Give threads for systems like this one, of which calls take no thread that another needs."""
    with system.one_thread(), ThreadPoolExecutor(count) as pool:
        yield pool


def cores() -> int:
    """Count the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
