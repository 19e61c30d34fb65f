r"""Rollback journal: the bytes that the next flush may overwrite, saved before it does.

HDF5 writes metadata in place and in address order, so a process killed inside a flush can leave
an index that points to what was never written, and takes committed data with it. Before the first
change of a block the journal ``.NAME.journal`` therefore receives a copy of every committed byte
that the block may change:

- the metadata written at creation (superblock, object headers, attributes, small fixed variables)
  and what attributes added later (`extents`);
- of each chunk index the rightmost path: rows are only ever appended, so a new chunk's key is the
  largest, and inserting it touches no other node;
- chunks of which only some rows count, since more will go into them;
- the last few kB: closing a file gives back space that was reserved and not used.

Everything else a block writes lies beyond the committed end of the file or in space nothing refers
to. Overwritten in place without a copy are the uncommitted checkpoint slot and, after a cut
(`Writer.cut`), chunks none of whose rows count any longer: nobody reads either.
Putting the copies back and cutting the file to its committed length undoes the block.

Notes
-----
Order of durable events: journal (fsync) → block → file (fsync) → journal emptied. A journal that
comes back after a power failure describes the commit before; undoing one commit more is correct.

A journal names the file, by its inode, and the recording, by its id (`nndyn.store.saving`): a
stranger may put one beside a file or a link of his. A reader undoes a block in that file alone, and
writes into no other; who resumes undoes it in a copy of both too.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from nndyn.errors import RecordingError, StoreError
from nndyn.runtime.interrupts import shielded
from nndyn.store import saving
from nndyn.store.chunks import Layout, TreeError, find_layouts, walk
from nndyn.store.files import names, remove, sync_folder, write_at
from nndyn.store.locks import WriterLock, journal_path, writer_of
from nndyn.store.regular import MOST_TEXT, make_new, open_regular
from nndyn.store.saving import Range

_SLACK = 8192  # HDF5 reserves 2 kB of metadata and 2 kB of small data at a time
_LAST = 1 << 62  # beyond any row: the rightmost path alone


def merged(ranges: Iterable[Range], end: int) -> list[Range]:
    """Sorted, disjoint ``(start, stop)`` with the same union, cut at `end`."""
    result: list[Range] = []
    for start, stop in sorted(ranges):
        stop = min(stop, end)
        if start >= stop:
            continue
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((start, stop))
    return result


def holds(fd: int, ranges: Iterable[Range], identity: str) -> bool:
    """Whether the recording of that identity is in a file, one of whose `ranges` names it."""
    return any(identity.encode() in os.pread(fd, stop - start, start) for start, stop in ranges)


def standing(fd: int, ranges: Iterable[Range]) -> tuple[int, bytes]:
    """Return what a commit of any process changes: the length, and a digest of the header."""
    header = hashlib.sha256()
    for start, stop in ranges:
        header.update(os.pread(fd, stop - start, start))
    return os.fstat(fd).st_size, header.digest()


def endangered(
    fd: int,
    extents: Iterable[Range],
    shapes: Collection[tuple[int, ...]],
    tails: Collection[tuple[int, int]],
) -> list[Range]:
    """Ranges of a committed file that appending a block may overwrite.

    Parameters
    ----------
    fd : int
        Descriptor of the file, with nothing left to flush.
    extents : iterable of (start, stop)
        Where metadata other than chunk indices lies, the header first; byte.
    shapes : collection of tuple of int
        Chunk shapes of all variables, item size last.
    tails : collection of (chunk rows, first row)
        Partly filled chunks: rows per chunk, and index of the first row of the last chunk.

    Returns
    -------
    list of (start, stop)
        Sorted and disjoint, byte.
    """
    end = os.fstat(fd).st_size
    extents = list(extents)
    ranges = [*extents, (max(0, end - _SLACK), end)]
    header = os.pread(fd, extents[0][1] - extents[0][0], extents[0][0])
    for layout in find_layouts(header, shapes):
        try:
            ranges += _tree_ranges(fd, layout, tails)
        except TreeError:
            continue  # a stale copy of a layout message: nothing the library would follow
    return merged(ranges, end)


def _tree_ranges(fd: int, layout: Layout, tails: Collection[tuple[int, int]]) -> list[Range]:
    rows = layout.shape[0]
    nodes = list(walk(fd, layout, _LAST))
    if not nodes:
        return []
    ranges = [(node.address, node.address + node.size) for node in nodes]
    last = int(nodes[-1].keys["origin"][-2, 0])  # first row of the last chunk
    # where a recording was cut, chunks follow the one that is partly filled
    for start in sorted(start for length, start in tails if length == rows and start <= last):
        for node in walk(fd, layout, start, start):
            ranges.append((node.address, node.address + node.size))
            if node.level == 0:
                inside = node.keys["origin"][:-1, 0] == start
                addresses = node.children[inside].tolist()
                sizes = node.keys["size"][:-1][inside].tolist()
                ranges += [(a, a + size) for a, size in zip(addresses, sizes, strict=True)]
    return ranges


class UnsettledError(RecordingError):
    """A block of it is being written, or was left by a writer of another host."""


class Journal:
    """The journal file of one Writer, which holds the lock."""

    def __init__(self, path: Path) -> None:
        self.path = journal_path(path)
        self._fd = self._make()

    def _make(self) -> int:
        fd = make_new(self.path)
        try:
            sync_folder(self.path.parent)
        except OSError:
            os.close(fd)
            raise
        return fd

    @property
    def in_place(self) -> bool:
        """Whether the next reader will find it: who undoes a block removes it."""
        return names(self.path, self._fd)

    def save(self, fd: int, ranges: Collection[Range], identity: str) -> None:
        """Copy `ranges` of the recording `fd` into the journal and make them durable.

        Raises
        ------
        OSError
            If the journal cannot be written; the recording is untouched.
        """
        if not self.in_place:  # removed by hand: a kill would find no journal
            os.close(self._fd)
            self._fd = self._make()
        write_at(self._fd, saving.packed(fd, ranges, identity), 0)
        os.fsync(self._fd)

    def clear(self) -> None:
        """Say that the recording stands as it is: the commit."""
        os.ftruncate(self._fd, 0)

    def undo(self, fd: int) -> None:
        """Put the recording `fd` back to how it was when `save` was called last.

        Raises
        ------
        OSError
            If it cannot be written; the journal stays.
        RecordingError
            If it is shorter than what had been committed.
        """
        size = os.fstat(self._fd).st_size
        saved = saving.parsed(os.pread(self._fd, size, 0))
        if saved is not None and saved.is_of(fd):
            saved.restore(fd, self.path)
        self.clear()

    def close(self) -> None:
        """Let go of the file, and remove it if it is empty: the recording stands as it is."""
        if os.fstat(self._fd).st_size == 0:
            remove(self._fd, self.path)
        os.close(self._fd)


@shielded()
def roll_back(path: Path, *, adopt: bool = False) -> bool:
    """Undo what a dead writer left unfinished in `path`; the caller holds the lock.

    Parameters
    ----------
    path : Path
    adopt : bool, default False
        Undo it in a copy of the file too, with which the journal was copied: for who was asked to
        write this file. A reader writes into no file but the one that the journal was made for.

    Returns
    -------
    bool
        Whether there was something to undo.

    Raises
    ------
    RecordingError
        If the recording or its journal cannot be written, the recording is shorter than what had
        been committed, or what has the name of the journal is none.
    """
    journal = journal_path(path)
    try:
        # what it saved lay in the recording
        saved = saving.parsed(saving.read(journal, max(2 * path.stat().st_size, MOST_TEXT)))
        undone = False
        if saved is not None:
            fd = open_regular(os.path.realpath(path), os.O_RDWR)
            try:
                if saved.is_of(fd):  # else another recording has taken the name since
                    if saved.inode != os.fstat(fd).st_ino and not adopt:
                        raise RecordingError(
                            f"{path} was copied in the middle of a block, with its journal; open "
                            "the original and copy it again, or resume this one, which undoes "
                            "the block"
                        )
                    saved.restore(fd, path)
                    undone = True
            finally:
                os.close(fd)
        journal.unlink()
    except FileNotFoundError:
        return False
    except RecordingError:
        raise
    except OSError as error:
        raise RecordingError(
            f"{path} was left in the middle of a block and cannot be repaired: {error.strerror}; "
            "open it once with permission to write it and its folder"
        ) from error
    return undone


def busy(path: Path) -> bool:
    """Whether a block of `path` is being written, or was when its writer died."""
    journal = journal_path(path)
    with contextlib.suppress(OSError):  # a shared folder looks anew for what is opened
        os.close(open_regular(journal, os.O_RDONLY))
    try:
        return journal.lstat().st_size > 0
    except FileNotFoundError:
        return False


def settle(path: Path, patience: float = 5.0) -> str:
    """Wait until `path` is between two blocks; undo the block of a dead writer of this host.

    Parameters
    ----------
    path : Path
    patience : float
        Longest wait for a living writer, s.

    Returns
    -------
    str
        Who is at work on it, or may be on another host; empty if nobody is.

    Raises
    ------
    UnsettledError
        If the block does not end in time.
    RecordingError
        If that of a dead writer cannot be undone.

    Notes
    -----
    Whether a writer of another host lives cannot be told: what it left is written into by nobody
    who only reads.
    """
    deadline = time.monotonic() + patience
    while True:
        found = writer_of(path)
        if not busy(path):
            return "" if found is None else str(found)
        if found is None:
            try:
                lock = WriterLock(path, local=True)
            except StoreError as error:
                if writer_of(path) is None:
                    raise RecordingError(
                        f"{path} was left in the middle of a block by a writer that died; "
                        f"open it once with permission to write it and its folder ({error})"
                    ) from error
                continue
            try:
                roll_back(path)
            finally:
                lock.release()
        elif time.monotonic() > deadline:
            cure = "try again in a moment"
            if not found.held:
                cure += ", or, if it is gone, open it once on that host, or resume it with "
                cure += "`take_over=True`"
            raise UnsettledError(f"{path} is just being written by {found}; {cure}")
        else:
            time.sleep(0.01)
