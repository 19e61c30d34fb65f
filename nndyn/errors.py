"""The errors nndyn raises: one base, a few children, each with the exit code of the command line.

A child also inherits the builtin a caller expects, so that ``except ValueError`` works as well.
"""

from nndyn.text import escaped


class NndynError(Exception):
    """Base of every error nndyn raises on purpose; the message is one line and names the cure."""

    exit_code = 1

    def __str__(self) -> str:
        """Return the message; what a file says in it cannot act on a terminal."""
        return escaped(Exception.__str__(self), keep="\n")


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
