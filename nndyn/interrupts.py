"""Ctrl-C while something is done that has to be done whole, or can be ended in order."""

from __future__ import annotations

import _thread
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: Seconds after Ctrl-C in which work may end in order; then it is interrupted where it stands.
PATIENCE = 2.0


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
    press, left, ours = Press(), False, hears()
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: Any) -> None:
        if press():
            raise KeyboardInterrupt
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

    def note(number: int, frame: Any) -> None:
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


def press_again(seconds: float, *, unless: Callable[[], bool] = lambda: False) -> None:
    """Interrupt the main thread after so many seconds; a signal handler may call this.

    Parameters
    ----------
    seconds : float
    unless : callable
        Asked meanwhile; where it returns true nothing happens.
    """
    main = threading.main_thread().ident or 0

    def wait() -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(min(seconds, 0.05))
            if unless():
                return
        # a signal, not _thread.interrupt_main, which does not wake what waits
        signal.pthread_kill(main, signal.SIGINT)

    # not a threading.Timer: starting one takes a lock that the interrupted code may hold
    _thread.start_new_thread(wait, ())
