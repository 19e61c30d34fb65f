"""Who may write: one lock file beside each recording, and the names of the files around it."""

from __future__ import annotations

import fcntl
import os
import re
import time
from pathlib import Path

from nndyn.errors import StoreError, UsageError
from nndyn.interrupts import shielded
from nndyn.paths import located
from nndyn.store.files import names, remove


class MissingRecordingError(UsageError, FileNotFoundError):
    """There is no file of that name."""


class BusyError(StoreError):
    """Another process, or another Writer of this one, writes it."""


def existing(path: str | Path) -> Path:
    """Return `path` if it is a file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Path

    Raises
    ------
    MissingRecordingError
        If there is nothing of that name.
    UsageError
        If it is a folder.
    """
    path = located(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder, expected a recording; name a file in it")
    if not path.exists():
        raise MissingRecordingError(f"{path} does not exist; check the name, or record it first")
    return path


def vacant(path: Path, *, overwrite: bool, cure: str) -> None:
    """Check that a file may be made at `path`, before any work is done for it.

    Parameters
    ----------
    path : Path
    overwrite : bool
        Whether an existing file may be replaced.
    cure : str
        What to do about one, said after "choose another name, or".

    Raises
    ------
    UsageError
        If the folder is missing, or the name is taken.
    """
    if not path.parent.is_dir():
        raise UsageError(f"folder {path.parent} does not exist; create it first")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is a device or a pipe, which a recording cannot replace")
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists; choose another name, or {cure}")


def lock_path(path: Path) -> Path:
    """Name of the lock file of the recording `path`."""
    return path.with_name(f".{path.name}.lock")


def journal_path(path: Path) -> Path:
    """Name of the rollback journal of the recording `path`."""
    return path.with_name(f".{path.name}.journal")


def stale_parts(path: Path) -> list[Path]:
    """Parts of `path` left behind; the caller holds the lock, so nobody is building one."""
    pattern = re.compile(re.escape(f".{path.name}.") + r"\d+\.part")
    return [p for p in path.parent.iterdir() if pattern.fullmatch(p.name)]


class WriterLock:
    """The right to write one recording: an exclusive ``flock`` on ``.NAME.lock``.

    The kernel drops the lock with the process, so a killed writer never blocks the next one.

    Parameters
    ----------
    path : Path
        The recording, not the lock file.

    Raises
    ------
    BusyError
        If another process (or another Writer of this one) holds it.
    StoreError
        If the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._fd = -1
        self._path = lock_path(path)
        for attempt in range(10):
            if self._try():
                return
            if attempt < 9:  # a reader that looks whether a writer is alive holds it briefly
                time.sleep(0.02)
        raise BusyError(
            f"{path} is being written by another process; wait for it, or choose another name"
        )

    @shielded()
    def _try(self) -> bool:
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise StoreError(
                f"cannot write in {self._path.parent}: {error.strerror}; "
                "check the permissions or choose another folder"
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one before may have removed the name between our open and our lock: then this
            # lock is on a file nobody else will find.
            same = os.path.samestat(os.fstat(fd), os.stat(self._path))
        except (BlockingIOError, FileNotFoundError):
            same = False
        except OSError as error:
            os.close(fd)
            raise StoreError(
                f"cannot lock {self._path}: {error.strerror}; "
                "write to a file system that supports flock"
            ) from error
        if not same:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def keep(self) -> bool:
        """Take the lock anew where somebody removed its file; false where another has it now."""
        if names(self._path, self._fd):
            return True
        old = self._fd
        if not self._try():
            return False
        os.close(old)
        return True

    def covers(self, path: Path) -> bool:
        """Whether it is the lock of `path` too, whose folder was renamed."""
        return names(lock_path(path), self._fd)

    @shielded()
    def release(self) -> None:
        """Give the lock back and remove its file; does nothing the second time."""
        if self._fd >= 0:
            remove(self._fd, self._path)
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        """Give back a lock that an interrupt left without an owner."""
        self.release()


def has_writer(path: Path) -> bool:
    """Whether some Writer holds the lock of `path` now."""
    try:
        fd = os.open(lock_path(path), os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(fd)
