"""Tasks that go on side by side, each in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

from nndyn.runtime.interrupts import deferred

T = TypeVar("T")
#: Says whether a task is to leave in order, with KeyboardInterrupt.
Stop = Callable[[], bool]


def side_by_side(tasks: Sequence[Callable[[Stop], T]], threads: int) -> list[T]:
    """Do tasks in threads; each next one begins as soon as a thread is free.

    Parameters
    ----------
    tasks : sequence of callable
        Each is called with a function that says whether it is to leave in order, by raising
        KeyboardInterrupt: after Ctrl-C, and where another one failed.
    threads : int
        Tasks under way at once.

    Returns
    -------
    list
        What the tasks return, in their order.

    Raises
    ------
    Exception
        What the first task that failed raised, when the others have left.
    KeyboardInterrupt
        On Ctrl-C, when all have left.
    """
    failures: list[BaseException] = []

    def do(task: Callable[[Stop], T]) -> T:
        if left():
            raise KeyboardInterrupt
        try:
            return task(left)
        except BaseException as error:
            failures.append(error)
            raise

    with deferred() as press:

        def left() -> bool:
            return press() or bool(failures)

        with ThreadPoolExecutor(threads) as pool:
            futures = [pool.submit(copy_context().run, do, task) for task in tasks]
            try:
                # a lock does not let Ctrl-C through if another thread received it: look up
                while wait(futures, timeout=0.5).not_done:
                    pass
            except BaseException as error:  # a second Ctrl-C
                failures.append(error)
                raise
    if failures:
        raise failures[0]
    return [future.result() for future in futures]
