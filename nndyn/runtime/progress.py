"""Progress of a long computation: a bar, lines in a log, or calls of a function."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import copy_context
from importlib import import_module
from typing import Any, Protocol, TypeAlias

from nndyn.errors import UsageError
from nndyn.words.text import escaped

#: Called with what is done and what is asked for.
Called: TypeAlias = Callable[[int, int], None]
#: As users give it: whether there is a bar, or what is called.
Progress: TypeAlias = bool | Called

#: Seconds from which on there is something to see, and between two lines of a log.
_SOON, _LINES = 1.0, 10.0
#: Seconds between two drawings, and over which a rate is taken.
_TERMINAL, _NOTEBOOK, _SPAN = 0.2, 0.5, 30.0
#: What all is, where shares of it are told.
_SHARES = 10_000
#: Columns of a terminal below which less is said.
_NARROW = 72


def following(
    progress: Progress | None, label: str, unit: str = "steps"
) -> AbstractContextManager[Called | None]:
    """Return a context that gives what is to be called.

    Parameters
    ----------
    progress : bool or callable or None
        True stands for a bar, and so does None where somebody looks: see `watched`.
    label : str
        Of the bar.
    unit : str
        Of what is counted.

    Returns
    -------
    context manager
        Of a callable, or of None where nothing is.

    Raises
    ------
    UsageError
        If `progress` is none of these.
    """
    if progress is True or (progress is None and watched()):
        return progress_bar(label, unit)
    if progress is None or progress is False:
        return nullcontext(None)
    if not callable(progress):
        raise UsageError(
            f"progress is {progress!r}, expected True, False or a function (done, asked for)"
        )
    return nullcontext(progress)


def watched() -> bool:
    """Whether somebody looks on as Python runs: in a notebook, or at its prompt."""
    return _in_notebook() or (hasattr(sys, "ps1") and sys.stderr.isatty())


@contextmanager
def progress_bar(label: str, unit: str = "steps") -> Iterator[Bar]:
    """Give a bar that is told how far it is, and moves while it is not.

    Parameters
    ----------
    label : str
        What is worked on.
    unit : str
        Of what is counted.

    Yields
    ------
    Bar
        After a second it is drawn on standard error, in a notebook in its cell; where neither is,
        a line is written every ten seconds. Inside another bar nothing is drawn.
    """
    bar = Bar(label, unit, None if Bar.drawn else _face())
    if bar.face is None:
        yield bar
        return
    Bar.drawn = True
    draw = threading.Thread(target=copy_context().run, args=(bar.draw,), daemon=True)
    draw.start()
    try:
        yield bar
    finally:
        Bar.drawn = False
        bar.end()


class Bar:
    """What is worked on, what is done of it, and how fast.

    Parameters
    ----------
    label, unit : str
        See `progress_bar`.
    face : Face or None
        Where it is drawn.
    """

    #: Whether there is one that is drawn: there is room for one.
    drawn = False

    def __init__(self, label: str, unit: str, face: Face | None) -> None:
        self.label, self.unit, self.face = escaped(label), unit, face
        self.done, self.total, self.what = 0, 0, ""
        self._began = time.monotonic()
        self._samples: deque[tuple[float, int]] = deque(maxlen=int(_SPAN / _TERMINAL))
        self._due = 0.0 if face is None else self._began + face.first
        self._ended, self._alone = threading.Event(), threading.Lock()

    def __call__(self, done: int, total: int) -> None:
        """Note what is done and what is asked for."""
        if total != self.total or done < self.done:
            self._samples.clear()
        now = time.monotonic()
        if not self._samples or now - self._samples[-1][0] >= _TERMINAL:
            self._samples.append((now, done))
        self.done, self.total = done, total
        if now >= self._due:  # computations may leave the drawing thread no room
            self._show(now)

    def doing(self, what: str, done: int = 0, total: int = 0) -> None:
        """Note what is being done now, of which nothing is known but that unless it is told."""
        self.what = escaped(what)
        self(done, total)

    def share(self, what: str, share: float) -> None:
        """Note what is being done, and the share of all that is done."""
        self.what, self.unit = escaped(what), ""
        self(round(_SHARES * share), _SHARES)

    @property
    def title(self) -> str:
        """What is worked on, and what is being done."""
        return f"{self.label}: {self.what}" if self.what else self.label

    def standing(self, *, short: bool = False) -> str:
        """Return what is done, the rate, and the time left; else the time since it began."""
        now = time.monotonic()
        if not self.total:
            return clock(now - self._began)
        share = f"{100 * self.done // self.total} %"
        parts = [f"{self.done:,}/{self.total:,} {self.unit}" if self.unit else share]
        then, before = self._samples[0] if self._samples else (now, self.done)
        if self.done > before and now > then:
            rate = (self.done - before) / (now - then)
            shown = f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
            if not self.unit:
                shown = f"{100 * rate / self.total:.2g} %"
            parts += [f"{shown}/s", f"{clock((self.total - self.done) / rate)} left"]
        else:
            parts += ["", clock(now - self._began)]
        if short:
            parts = [share, *parts[2:]]
        return ", ".join(filter(None, parts))

    def outcome(self) -> str:
        """Return what was worked on, how much of it is done, and the time it took."""
        counted = f"{self.done:,}/{self.total:,} {self.unit}, " if self.total and self.unit else ""
        return f"{self.label}: {counted}in {clock(time.monotonic() - self._began)}"

    def draw(self) -> None:
        """Draw it again and again until it ends; of a thread of its own, which Ctrl-C leaves."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        while not self._ended.wait(_TERMINAL / 2):
            now = time.monotonic()
            if now >= self._due:
                self._show(now)

    def _show(self, now: float) -> None:
        if self.face is None or not self._alone.acquire(blocking=False):
            return
        try:
            if not self._ended.is_set():
                self._due = now + self.face.every
                self.face.show(self)
        except (OSError, ValueError):  # nobody reads it any more
            self.face = None
        finally:
            self._alone.release()

    def end(self) -> None:
        """Take it away."""
        self._ended.set()
        with self._alone, suppress(OSError, ValueError):
            if self.face is not None:
                self.face.close(self)


class Face(Protocol):
    """Where and how a bar is drawn.

    Attributes
    ----------
    first, every : float
        Seconds to the first drawing, and from one to the next.
    """

    first: float
    every: float

    def show(self, bar: Bar) -> None:
        """Draw the bar as it is now."""

    def close(self, bar: Bar) -> None:
        """Leave the place as it should be after it."""


class _Terminal:
    """A bar on the last line, which goes when it ends."""

    first, every = _SOON, _TERMINAL

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None

    def show(self, bar: Bar) -> None:
        start = self._bar is None
        if start:
            self._bar = _rich_bar()
            self._task = self._bar.add_task("", standing="")
        self._bar.update(
            self._task,
            description=bar.title,
            completed=bar.done,
            total=bar.total or None,
            standing=bar.standing(short=self._bar.console.width < _NARROW),
        )
        if start:
            self._bar.start()
        self._bar.refresh()

    def close(self, bar: Bar) -> None:
        if self._bar is not None:
            self._bar.stop()


class _Notebook:
    """A line in the cell, which says in the end what was done."""

    first, every = _SOON, _NOTEBOOK
    _WIDTH = 24

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, bar: Bar) -> None:
        filled = round(self._WIDTH * bar.done / bar.total) if bar.total else 0
        drawn = "█" * filled + "░" * (self._WIDTH - filled) + " " if bar.total else ""
        self._write(f"{bar.title}  {drawn}{bar.standing()}")

    def close(self, bar: Bar) -> None:
        if self._handle is not None:
            self._write(bar.outcome())

    def _write(self, line: str) -> None:
        display = import_module("IPython.display").display  # which has no types
        text = {"text/plain": line}
        if self._handle is None:
            self._handle = display(text, raw=True, display_id=True)
        else:
            self._handle.update(text, raw=True)


class _Log:
    """Lines, for what is no terminal."""

    first = every = _LINES

    def show(self, bar: Bar) -> None:
        print(f"{bar.title}: {bar.standing()}", file=sys.stderr, flush=True)

    def close(self, bar: Bar) -> None:
        pass


def _face() -> Face:
    if _in_notebook():
        return _Notebook()
    dumb = os.environ.get("TERM", "") in ("dumb", "unknown")
    return _Terminal() if sys.stderr.isatty() and not dumb else _Log()


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules


def _rich_bar() -> Any:
    """Return a bar of rich's: title, bar and standing in one line of the terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    title = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=title),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[standing]}", markup=False, table_column=Column(no_wrap=True)),
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
        expand=True,
        redirect_stdout=sys.stdout.isatty(),  # else it is a file, and the bar no part of it
    )


def clock(seconds: float) -> str:
    """Return a time as ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
