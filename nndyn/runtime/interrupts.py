"""Interrupts: Ctrl-C during work that must be finished, or that can end in an orderly way."""

from __future__ import annotations

import _thread
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

#: Seconds after Ctrl-C in which work may end in order; then it is interrupted where it stands.
PATIENCE = 2.0
#: Seconds that an import may go on after it.
_IMPORT = 3.0


def hears() -> bool:
    """Whether Ctrl-C reaches this thread: the main one, of a process that does not ignore it."""
    main = threading.current_thread() is threading.main_thread()
    # None: set by a program Python is embedded in; it cannot be put back
    return main and signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, None)


class Press:
    """Whether and when Ctrl-C was pressed; any thread may ask."""

    # no Event: its lock is not for signal handlers
    def __init__(self) -> None:
        self._at = math.inf

    def __call__(self) -> bool:
        """Whether it was pressed."""
        return self._at < math.inf

    def note(self) -> None:
        """Note that it was pressed, unless that is known."""
        self._at = min(self._at, time.monotonic())

    def is_old(self) -> bool:
        """Whether the time for ending in order is over."""
        return time.monotonic() > self._at + PATIENCE


@contextmanager
def deferred() -> Iterator[Press]:
    """Let Ctrl-C be noted first, so that what is done can be kept, and interrupt on leaving.

    A second Ctrl-C interrupts at once, and so does the first after `PATIENCE` seconds.

    Yields
    ------
    Press

    Raises
    ------
    KeyboardInterrupt
        On leaving, if it was pressed, even if nobody asked, or if something failed meanwhile.
    """
    press, arrival, left, ours = Press(), Arrival(), False, hears()
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal left
        if press():
            left = True  # what it interrupts ends by itself: no third one is to cut that short
            arrival.interrupt(frame)
            return
        press.note()
        press_again(PATIENCE, unless=lambda: left)

    if ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield press
    finally:
        left = True
        if ours:
            signal.signal(signal.SIGINT, before)
        if press():
            raise KeyboardInterrupt


@contextmanager
def shielded() -> Iterator[None]:
    """Keep Ctrl-C away from what must not be left half done; it comes on leaving.

    Yields
    ------
    None
    """
    if not hears():
        yield
        return
    before, presses = signal.getsignal(signal.SIGINT), 0

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal presses
        presses += 1

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        for _ in range(presses):
            signal.raise_signal(signal.SIGINT)


@contextmanager
def deaf_children() -> Iterator[None]:
    """Let processes and threads that are started inside not receive Ctrl-C.

    A terminal sends it to all processes of a command; those that others started are ended by them.

    Yields
    ------
    None
    """
    from multiprocessing import resource_tracker

    # starting the tracker unblocks SIGINT, so that it has to run before
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Arrival:
    """Where KeyboardInterrupt is raised: not inside an import, as far as that can be helped.

    An extension that is being imported may not survive an exception in its midst: torch ends the
    process, others make an ImportError of it, for which somebody may have an alternative.
    """

    def __init__(self) -> None:
        self._at = math.inf
        self._waits = False

    def interrupt(self, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt, or see to it that this is called again by a signal.

        Parameters
        ----------
        frame : frame
            What a signal handler is given: where the main thread is.

        Raises
        ------
        KeyboardInterrupt
            If no import is under way, or it takes long.
        """
        self._at = min(self._at, time.monotonic())
        if is_importing(frame) and time.monotonic() < self._at + _IMPORT:
            if not self._waits:
                self._waits = True
                press_again(0.05, unless=lambda: not self._waits, before=self._look_again)
            return
        self._at, self._waits = math.inf, False
        raise KeyboardInterrupt

    def _look_again(self) -> None:
        self._waits = False


def is_importing(frame: FrameType | None, package: str = "") -> bool:
    """Whether an import, of `package` if that is given, is under way in `frame` or around it."""
    while frame is not None:
        if package:
            name = str(frame.f_globals.get("__name__"))
            found = frame.f_code.co_name == "<module>" and name.split(".")[0] == package
        else:
            found = frame.f_code.co_filename.startswith("<frozen importlib.")
        if found:
            return True
        frame = frame.f_back
    return False


def press_again(
    seconds: float,
    *,
    unless: Callable[[], bool] = lambda: False,
    before: Callable[[], None] = lambda: None,
) -> None:
    """Interrupt the main thread after so many seconds; a signal handler may call this.

    Parameters
    ----------
    seconds : float
    unless : callable
        Asked meanwhile; where it returns true nothing happens.
    before : callable
        Called right before.
    """
    main = threading.main_thread().ident or 0

    def wait() -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(min(seconds, 0.05))
            if unless():
                return
        before()
        # a signal, not _thread.interrupt_main, which does not wake what waits
        signal.pthread_kill(main, signal.SIGINT)

    # not a threading.Timer: starting one takes a lock that the interrupted code may hold
    _thread.start_new_thread(wait, ())
