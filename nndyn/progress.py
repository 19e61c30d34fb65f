"""How far a long computation is: a bar, or a function of the user's that is told."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeAlias

from nndyn.errors import UsageError
from nndyn.text import escaped

#: Called with what is done and what is asked for.
Called: TypeAlias = Callable[[int, int], None]
#: As users give it: whether there is a bar, or what is called.
Progress: TypeAlias = bool | Called


def following(progress: Progress | None, label: str) -> AbstractContextManager[Called | None]:
    """Return a context that gives what is to be called.

    Parameters
    ----------
    progress : bool or callable or None
        True stands for a bar.
    label : str
        Of the bar.

    Returns
    -------
    context manager
        Of a callable, or of None where nothing is.

    Raises
    ------
    UsageError
        If `progress` is none of these.
    """
    if progress is True:
        return progress_bar(label)
    if progress is None or progress is False:
        return nullcontext(None)
    if not callable(progress):
        raise UsageError(
            f"progress is {progress!r}, expected True, False or a function (done, asked for)"
        )
    return nullcontext(progress)


@contextmanager
def progress_bar(label: str) -> Iterator[Called | None]:
    """Give a callback that draws a bar with rate and time left after the first second.

    Yields
    ------
    callable or None
        None where standard error is neither a terminal nor that of a notebook: nothing is drawn.
    """
    if not (sys.stderr.isatty() or "ipykernel" in sys.modules):
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.3g}/s" if task.speed else "")

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    began, task = time.monotonic(), bar.add_task(escaped(label), total=None)

    def update(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)
        if not bar.live.is_started and time.monotonic() - began > 1.0:
            bar.start()

    try:
        yield update
    finally:
        if bar.live.is_started:
            bar.stop()
