"""Ctrl-C in a command: never lost, and a quiet end of the process with exit code 130."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

from nndyn.runtime.interrupts import Arrival, is_importing, press_again

EXIT_CODE = 130
#: Seconds from an interrupt that got lost in an import or in a callback to the next.
_LOST, _AGAIN = 0.05, 4.0


class Listener:
    """Listens to Ctrl-C in a process that is a command of its own.

    Python raises KeyboardInterrupt wherever the main thread is, in a callback too, which cannot
    raise, or where it becomes another error that somebody catches. So it is noted as well, and
    raised again as long as the command goes on.

    Attributes
    ----------
    pressed : bool
    """

    def __init__(self) -> None:
        self.pressed = False
        self._arrival = Arrival()
        self._code: int | None = None
        self._last = b""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._hook = sys.unraisablehook
            sys.unraisablehook = self._unraisable
            signal.signal(signal.SIGINT, self._note)
            # the first to be registered is the last to be called: before heavier modules are there
            atexit.register(self._end)

    def ending(self, code: int, last: str = "") -> None:
        """From here on nothing is left but to say so and to end, which Ctrl-C cuts short.

        Parameters
        ----------
        code : int
            Exit code of the command.
        last : str
            What remains to be said if it does.
        """
        self._last = last.encode()
        self._code = code

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._code is not None:
            self._leave(self._code or EXIT_CODE, self._last)
        self.pressed = True
        try:
            self._arrival.interrupt(frame)
        except KeyboardInterrupt:
            if is_importing(frame, "torch"):  # which does not survive it; there are no files yet
                self._leave(EXIT_CODE, b"nndyn: interrupted\n")
            press_again(_AGAIN, unless=lambda: self._code is not None)
            raise

    @staticmethod
    def _leave(code: int, last: bytes) -> NoReturn:
        os.write(2, last)
        os._exit(code)

    def _end(self) -> None:
        """Leave before Python gives signals back, from where on Ctrl-C would kill the process."""
        if self._code is not None:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(self._code)

    def _unraisable(self, unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            press_again(_LOST, unless=lambda: self._code is not None)
        else:
            self._hook(unraisable)
