"""Number of threads that pays for a step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

#: Floating-point operations of a step from which a second thread pays. Below, threads gain nothing
#: on an idle machine, and on a busy one they wait for each other: ten times slower was seen.
THREADED_WORK = 1e9


_lock = threading.Lock()
_within, _before = 0, 1  # contexts of `one_each`, and the threads that torch had before the first


def allowed() -> int:
    """Return how many threads this process may use for steps: those that torch has, or had."""
    return _before if _within else torch.get_num_threads()


@contextmanager
def one_each() -> Iterator[None]:
    """Let torch use one thread, for where several runs have one each; see `allowed`."""
    global _within, _before
    with _lock:
        if not _within:
            _before = torch.get_num_threads()
            torch.set_num_threads(1)
        _within += 1
    try:
        yield
    finally:
        with _lock:  # the last to leave, of those that overlap
            _within -= 1
            if not _within:
                torch.set_num_threads(_before)


@contextmanager
def threads_for(work: float, least: float | None = None) -> Iterator[None]:
    """Let torch use one thread for steps of less work, and give back what the caller had set.

    Less than `least`, or than `THREADED_WORK`.
    """
    threads = torch.get_num_threads()
    if work >= (THREADED_WORK if least is None else least) or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
