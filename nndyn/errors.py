"""Errors of nndyn: one base, a few children, each with an exit code of the command line.

A child also inherits the builtin a caller expects, so that ``except ValueError`` works as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, TypeGuard

from nndyn.words.text import escaped

#: Characters of a message that are shown: the start and the end of a longer one.
_LONGEST = 1200


class NndynError(Exception):
    """Base of every error nndyn raises on purpose; the message is one line and names the cure.

    A message shows the value that is wrong, and some values take many lines: of these the first
    and the last one are shown.
    """

    exit_code = 1

    def __init__(self, *args: object) -> None:
        super().__init__(*(_one_line(a) if isinstance(a, str) else a for a in args))

    def __str__(self) -> str:
        """Return the message; what a file says in it cannot act on a terminal."""
        return escaped(Exception.__str__(self))


class UsageError(NndynError, ValueError):
    """An argument is wrong: the caller has to change what was asked."""

    exit_code = 2


class UnknownNameError(UsageError, KeyError):
    """A name that is not known, of a system, data set or analyzer: lists the known."""


class DataError(NndynError, ValueError):
    """The arguments are right, but these data cannot give what was asked."""


class RecordingError(NndynError, OSError):
    """A file that is damaged, foreign or incomplete."""

    exit_code = 4


class StoreError(NndynError, OSError):
    """A file that cannot be written or replaced: no space, no permission, another writer."""


class InstallationError(NndynError, ImportError):
    """Another distribution stands in the way of a package of nndyn."""


def _one_line(message: str) -> str:
    # at line feeds alone: what else ends a line may be of a file, and is escaped
    lines = [line.strip(" \t\r") for line in message.split("\n") if line.strip()]
    text = " … ".join([lines[0], lines[-1]] if len(lines) > 1 else lines)
    half = _LONGEST // 2 - 2
    return text if len(text) <= _LONGEST else f"{text[:half]} … {text[-half:]}"


def is_whole(value: Any) -> TypeGuard[int]:
    """Whether a value is a whole number, of Python or numpy; a bool is none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a real number, of Python or numpy; a bool is none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_one_of(value: Any, names: Iterable[str]) -> bool:
    """Whether a value is one of some names; an array, which has no answer of its own, is none."""
    return isinstance(value, str) and value in names
