"""Threads that share the rows of a step; they are kept, since a step takes about a millisecond."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

#: Floating-point operations of a step from which a second thread pays: some 1 ms on one core.
THREADED_WORK = 5e7

#: Seconds after a step in which the thread that took it counts as busy: it stores what it has.
_STORES = 0.1

_pool: ThreadPoolExecutor | None = None
_ends: dict[int, float] = {}  # when threads ended their last step; never for one under way


@contextmanager
def share(count: int) -> Iterator[int]:
    """Share threads among those that take steps just now: a run that is alone has them all.

    Parameters
    ----------
    count : int
        Threads of all.

    Yields
    ------
    int
        Threads for a step of this one.
    """
    own, now = threading.get_ident(), time.monotonic()
    others = [
        thread for thread, end in _ends.copy().items() if thread != own and end > now - _STORES
    ]
    _ends[own] = math.inf
    try:
        yield max(1, count // (1 + len(others)))
    finally:
        _ends[own] = time.monotonic()


def each(function: Callable[..., None], parts: Sequence[tuple[Any, ...]]) -> None:
    """Call a function with each of some arguments, the first of them in this thread.

    Parameters
    ----------
    function : callable
        Which lets other threads run.
    parts : sequence of tuple
    """
    global _pool
    own, *others = parts
    if not others:
        function(*own)
        return
    if _pool is None:
        _pool = ThreadPoolExecutor(os.cpu_count())
    futures: list[Future[None]] = []
    try:
        for arguments in others:
            try:
                futures.append(_pool.submit(function, *arguments))
            except RuntimeError:  # the interpreter ends, and starts no more
                function(*arguments)
        function(*own)
    finally:
        _await(futures)  # nobody else may have the rows before
    for future in futures:
        future.result()


def _await(futures: Sequence[Future[None]]) -> None:
    """Wait until all have ended, Ctrl-C or not."""
    try:
        wait(futures)
    except BaseException:
        _await(futures)
        raise


def _forget() -> None:
    global _pool
    _pool = None
    _ends.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)  # whose threads are the parent's
