"""Number of threads that pays for a step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

#: Floating-point operations of a step from which a second thread pays. Below, threads gain nothing
#: on an idle machine, and on a busy one they wait for each other: ten times slower was seen.
THREADED_WORK = 1e9


@contextmanager
def threads_for(work: float) -> Iterator[None]:
    """Let torch use one thread for small steps, and give back what the caller had set."""
    threads = torch.get_num_threads()
    if work >= THREADED_WORK or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
