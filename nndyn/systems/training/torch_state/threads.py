"""Number of threads that pays for a step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

#: Floating-point operations of a step from which a second thread pays. Below, threads gain nothing
#: on an idle machine, and on a busy one they wait for each other: ten times slower was seen.
THREADED_WORK = 1e9


_before: int | None = None  # threads that torch had outside of `one_each`


def allowed() -> int:
    """Return how many threads this process may use for steps: those that torch has, or had."""
    return torch.get_num_threads() if _before is None else _before


@contextmanager
def one_each() -> Iterator[None]:
    """Let torch use one thread, for where several runs have one each; see `allowed`."""
    global _before
    before, _before = _before, allowed()
    try:
        with threads_for(0.0):
            yield
    finally:
        _before = before


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
