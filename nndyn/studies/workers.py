"""Batches of a study on workers of dask.distributed."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, chdir, contextmanager, suppress
from importlib import import_module
from multiprocessing import current_process
from pathlib import Path
from typing import Any

from nndyn.errors import InstallationError, StoreError, UsageError
from nndyn.runtime.interrupts import deaf_children, shielded
from nndyn.studies.batch_run import work
from nndyn.studies.design import Batch
from nndyn.studies.folder import Folder
from nndyn.studies.request import Request

# A worker may have several threads, and torch's random state belongs to the process.
_ALONE = threading.Lock()
# Calls that were interrupted, in the process of a worker: its batches of them are to end.
_STOPPED: set[str] = set()
#: Seconds in which workers may commit what they have.
_PATIENCE = 3.0
#: Seconds between two looks at how far they are.
_LOOK = 0.5
_UNGUARDED = (
    'in a script ask for `workers` below `if __name__ == "__main__":`, since every process runs '
    "the script once more"
)


def spread(
    path: Path,
    request: Request,
    study: str,
    batches: Sequence[Batch],
    *,
    workers: int | None,
    scheduler: str | None,
    done: Callable[[Batch], None],
    under_way: Callable[[int], None],
) -> list[Batch]:
    """Record batches on processes of this machine, or on those of a scheduler.

    Parameters
    ----------
    path : Path
        A folder that all workers see under this name.
    request : Request
    study : str
        Its identity.
    batches : sequence of Batch
    workers : int or None
        Processes to start on this machine.
    scheduler : str or None
        Address of a running one, used instead.
    done : callable
        Called with every batch as it ends.
    under_way : callable
        Called a few times a second with the steps done of batches that have not ended.

    Returns
    -------
    list of Batch
        Those that another sweep was at work on.

    Raises
    ------
    InstallationError
        If dask.distributed is not installed.
    UsageError
        If the scheduler cannot be reached.
    StoreError
        If workers died over a batch, and the others were recorded, or the scheduler is gone.
    KeyboardInterrupt
        On Ctrl-C, after the workers committed what they have, if they answer.
    """
    taken, lost = [], []
    here, call = str(Path.cwd()), uuid.uuid4().hex
    with _client(workers, scheduler) as client:
        futures: dict[Any, Batch] = {}
        steps = dict.fromkeys(range(len(batches)), 0)  # of batches that have not ended

        def note(event: Any) -> None:
            number, done_of_it = event[1]
            if number in steps:
                steps[number] = done_of_it

        client.subscribe_topic(call, note)
        try:
            for i, batch in enumerate(batches):
                future = client.submit(
                    _work, str(path.resolve()), request, study, batch, here, call, i, pure=False
                )
                futures[future] = batch
            numbers = {future: i for i, future in enumerate(futures)}
            for future in _as_completed(futures, lambda: under_way(sum(steps.values()))):
                batch = futures[future]
                steps.pop(numbers[future])
                if future.cancelled():
                    raise StoreError(
                        f"the scheduler at {client.scheduler.address} is gone; the same command, "
                        "with another one, goes on"
                    )
                error = future.exception()
                if error is not None and "Killed" not in type(error).__name__:
                    raise error
                if error is not None:
                    lost.append(batch)
                elif not future.result():
                    taken.append(batch)
                done(batch)
        except BaseException:
            _stop(client, call, list(futures))
            raise
    if lost:
        raise StoreError(
            f"workers died over {len(lost)} of {len(batches)} batches, out of memory perhaps; the "
            "same command goes on"
        )
    return taken


def _as_completed(futures: Iterable[Any], meanwhile: Callable[[], None]) -> Iterator[Any]:
    """Give futures as they complete, and call `meanwhile` while none does."""
    from dask.distributed import as_completed

    completed, looked = as_completed(futures), time.monotonic()
    while not completed.is_empty():
        if completed.has_ready():
            yield next(completed)
        elif time.monotonic() < looked + _LOOK:
            time.sleep(_LOOK / 10)
        else:
            looked = time.monotonic()
            meanwhile()
    meanwhile()


def _work(
    path: str, request: Request, study: str, batch: Batch, here: str, call: str, number: int
) -> bool:
    from dask.distributed import get_worker

    worker, told = get_worker(), 0.0

    def stop() -> bool:
        return call in _STOPPED

    def tell(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() > told + _LOOK:
            told = time.monotonic()
            worker.log_event(call, (number, done))

    # names of files in the request are those that the folder of the caller gives a meaning
    with _ALONE, chdir(here if Path(here).is_dir() else "."), suppress(KeyboardInterrupt):
        return not stop() and work(
            Folder(path), request, batch, study=study, threads=1, progress=tell, stop=stop
        )
    return False


def _stop(client: Any, call: str, futures: list[Any]) -> None:
    """Let workers commit what they have of a call, if they answer, and forget the call."""
    from dask.distributed import wait

    with suppress(Exception):  # a scheduler that is gone, workers that died: nothing goes on there
        client.run(_note_stopped, call, on_error="ignore")
        wait(futures, timeout=_PATIENCE)
    with suppress(Exception):
        client.cancel(futures)


def _note_stopped(call: str) -> None:
    _STOPPED.add(call)


def _distributed() -> Any:
    try:
        return import_module("dask.distributed")
    except ImportError as error:
        raise InstallationError(
            "workers need dask.distributed; pip install 'nndyn[distributed]'"
        ) from error


@contextmanager
def processes(workers: int | None) -> Iterator[str]:
    """Start processes on this machine, for as long as they are needed.

    Parameters
    ----------
    workers : int or None
        How many; as many as there are cores unless given.

    Yields
    ------
    str
        Address of their scheduler.

    Raises
    ------
    InstallationError
        If dask.distributed is not installed.
    UsageError
        If they run the script that they are asked for in, and would ask for processes too.
    """
    distributed = _distributed()
    if getattr(current_process(), "_inheriting", False):  # multiprocessing's own sign
        raise UsageError(f"a process of `workers` asks for processes itself: {_UNGUARDED}")
    with ExitStack() as stack:
        with shielded(), deaf_children():
            try:
                cluster = distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address="127.0.0.1:0",  # without one the scheduler asks for port 8787
                    silence_logs="CRITICAL",  # what became of the workers is said at the end
                )
            except RuntimeError as error:  # they died before they could say why
                raise UsageError(f"no process could be started: {_UNGUARDED}") from error
            stack.callback(shielded()(cluster.close))
        yield cluster.scheduler_address


@contextmanager
def _client(workers: int | None, scheduler: str | None) -> Iterator[Any]:
    """Give a client of a scheduler, or of processes of this machine while they are needed.

    Yields
    ------
    distributed.Client

    Raises
    ------
    InstallationError
        If dask.distributed is not installed.
    UsageError
        If no scheduler answers.
    """
    with ExitStack() as stack:
        if scheduler is None:
            scheduler = stack.enter_context(processes(workers))
        distributed = _distributed()
        try:
            # not the default one, which xarray would write files through, even if it failed
            client = distributed.Client(scheduler, timeout=10, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise UsageError(
                f"no Dask scheduler answers at {scheduler!r} ({error}); expected an address such "
                "as tcp://127.0.0.1:8786"
            ) from error
        stack.callback(_close, client)
        stack.enter_context(client.as_current())
        yield client


@shielded()
def _close(client: Any) -> None:
    """Close a client; that the scheduler is slow to say goodbye is nobody's concern."""
    logger = logging.getLogger("distributed.client")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        client.close()
    finally:
        logger.setLevel(level)
