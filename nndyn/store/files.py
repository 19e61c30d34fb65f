"""Files and their names, which others may take away; files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from nndyn.errors import NndynError
from nndyn.runtime.interrupts import shielded
from nndyn.store.failures import write_failure
from nndyn.store.regular import make_new, open_regular


def part_path(path: Path) -> Path:
    """Name under which this process builds the file `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def sync_folder(folder: Path) -> None:
    """Make names created or changed in `folder` survive a power failure."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def names(path: Path, fd: int) -> bool:
    """Whether `path` is a name of the file open as `fd`."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except (FileNotFoundError, NotADirectoryError):
        return False


def name_of(fd: int, path: Path) -> Path | None:
    """Return the name that a file has now.

    Parameters
    ----------
    fd : int
    path : Path
        The name it had when it was opened.

    Returns
    -------
    Path or None
        None where it was removed, or the system does not tell.
    """
    if names(path, fd):
        return path
    with contextlib.suppress(OSError):
        now = Path(os.readlink(f"/proc/self/fd/{fd}"))
        if names(now, fd):
            return now
    return None


def remove(fd: int, path: Path) -> None:
    """Remove the file open as `fd`, wherever it was moved to; never another of that name."""
    with contextlib.suppress(OSError):
        now = name_of(fd, path)
        if now is not None:
            now.unlink()


def loss(fd: int, path: Path, committed: int) -> str:
    """Say what became of a recording that no longer has its name.

    Parameters
    ----------
    fd : int
        Of the recording.
    path : Path
        The name it had.
    committed : int
        Its committed times.

    Returns
    -------
    str
        What happened, what is safe and what to do; empty where it has its name.
    """
    if names(path, fd):
        return ""
    taken = ", and another file has that name now, which is left as it is" if path.exists() else ""
    if os.fstat(fd).st_nlink == 0:
        gone = f", its {committed} committed times with it" if committed else ""
        cure = "record it again" + (" under another name" if taken else "")
        return f"{path} was removed while it was being recorded{gone}{taken}; {cure}"
    now = name_of(fd, path)
    where = f"to {now}" if now else "or renamed"
    safe = f"its {committed} committed times are safe there; " if committed else ""
    return (
        f"{path} was moved {where} while it was being recorded{taken}; {safe}resume it under its "
        "new name, or move it back"
    )


def write_at(fd: int, content: bytes, start: int) -> None:
    """Write all of `content` from the byte `start` on."""
    view, done = memoryview(content), 0
    while done < len(view):
        done += os.pwrite(fd, view[done:], start + done)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a name to write a file under, which takes the name `path` when all of it is on disk.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Path

    Raises
    ------
    StoreError
        If the system refuses something; then `path` is as it was before.
    NndynError
        What is raised while it is written.
    """
    part = part_path(path)
    try:
        yield part
        fd = open_regular(part, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(part, path)
        sync_folder(path.parent)
    except NndynError:
        raise
    except OSError as error:
        failure = write_failure(path, error)
        raise failure from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@shielded()
def write_whole(path: Path, content: bytes) -> None:
    """Write a file at once or not at all.

    Parameters
    ----------
    path : Path
        Replaced where it exists.
    content : bytes

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    with whole(path) as part, open(make_new(part), "wb") as file:
        file.write(content)
