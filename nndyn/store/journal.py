r"""The rollback journal: what the next flush may overwrite, saved before it does.

HDF5 writes metadata in place and in address order, so a process killed inside a flush can leave
an index that points to what was never written, and takes committed data with it. Before the first
change of a block the journal ``.NAME.journal`` therefore receives a copy of every committed byte
that the block may change:

- the metadata written at creation (superblock, object headers, attributes, small fixed variables)
  and what attributes added later (`extents`);
- of each chunk index the rightmost path: rows are only ever appended, so a new chunk's key is the
  largest, and inserting it touches no other node;
- chunks that are only partly filled, since more rows will go into them;
- the last few kB: closing a file gives back space that was reserved and not used.

Everything else a block writes lies beyond the committed end of the file or in space nothing refers
to. Only the uncommitted checkpoint slot is overwritten in place without a copy: nobody reads it.
Putting the copies back and cutting the file to its committed length undoes the block.

Notes
-----
Order of durable events: journal (fsync) → block → file (fsync) → journal emptied. A journal that
comes back after a power failure describes the commit before; undoing one commit more is correct.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from nndyn.errors import RecordingError, StoreError
from nndyn.interrupts import shielded
from nndyn.store.chunks import Layout, TreeError, find_layouts, walk
from nndyn.store.files import names, remove, sync_folder, write_at
from nndyn.store.locks import WriterLock, has_writer, journal_path

_MAGIC = b"nndynJ1\n"
_DIGEST = 32
_SLACK = 8192  # HDF5 reserves 2 kB of metadata and 2 kB of small data at a time
_LAST = 1 << 62  # beyond any row: the rightmost path alone
_HEAD = struct.Struct("<QII")  # committed length, ranges, bytes of the identity

Range = tuple[int, int]


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
    start = int(nodes[-1].keys["origin"][-2, 0])  # first row of the last chunk
    if (rows, start) not in tails:
        return [(node.address, node.address + node.size) for node in nodes]
    ranges = []
    for node in walk(fd, layout, start):
        ranges.append((node.address, node.address + node.size))
        if node.level == 0:
            inside = node.keys["origin"][:-1, 0] == start
            addresses = node.children[inside].tolist()
            sizes = node.keys["size"][:-1][inside].tolist()
            ranges += [(a, a + size) for a, size in zip(addresses, sizes, strict=True)]
    return ranges


class Journal:
    """The journal file of one Writer, which holds the lock."""

    def __init__(self, path: Path) -> None:
        self.path = journal_path(path)
        self._fd = self._make()

    def _make(self) -> int:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            os.ftruncate(fd, 0)
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
        name = identity.encode()
        if not self.in_place:  # removed by hand: a kill would find no journal
            os.close(self._fd)
            self._fd = self._make()
        parts = [_MAGIC, _HEAD.pack(os.fstat(fd).st_size, len(ranges), len(name)), name]
        parts += [struct.pack("<QQ", start, stop - start) for start, stop in ranges]
        parts += [os.pread(fd, stop - start, start) for start, stop in ranges]
        body = b"".join(parts)
        body += hashlib.blake2b(body, digest_size=_DIGEST).digest()
        write_at(self._fd, body, 0)
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
        body = _body(os.pread(self._fd, size, 0))
        if body is not None:
            _restore(fd, body, self.path)
        self.clear()

    def close(self) -> None:
        """Let go of the file, and remove it if it is empty: the recording stands as it is."""
        if os.fstat(self._fd).st_size == 0:
            remove(self._fd, self.path)
        os.close(self._fd)


@shielded()
def roll_back(path: Path) -> bool:
    """Undo what a dead writer left unfinished in `path`; the caller holds the lock.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bool
        Whether there was something to undo.

    Raises
    ------
    RecordingError
        If the recording or its journal cannot be written, or the recording is shorter than what
        had been committed.
    """
    journal = journal_path(path)
    try:
        body = _body(journal.read_bytes())
        undone = False
        if body is not None:
            fd = os.open(path, os.O_RDWR)
            try:
                undone = _restore(fd, body, path)
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


def _body(raw: bytes) -> bytes | None:
    """Return what a journal says; None if it is not whole: no change of the recording followed."""
    body, digest = raw[:-_DIGEST], raw[-_DIGEST:]
    whole = raw[:8] == _MAGIC and hashlib.blake2b(body, digest_size=_DIGEST).digest() == digest
    return body if whole else None


def _restore(fd: int, body: bytes, path: Path) -> bool:
    length, count, name_size = _HEAD.unpack_from(body, len(_MAGIC))
    position = len(_MAGIC) + _HEAD.size
    identity = body[position : position + name_size]
    position += name_size
    ranges = [struct.unpack_from("<QQ", body, position + 16 * i) for i in range(count)]
    position += 16 * count
    if not holds(fd, [(start, start + size) for start, size in ranges], identity.decode()):
        return False  # another recording has taken the name since
    if os.fstat(fd).st_size < length - _SLACK:
        raise RecordingError(
            f"{path} is cut off: {os.fstat(fd).st_size} bytes, {length} were committed; "
            "restore it from a copy"
        )
    for start, size in ranges:
        write_at(fd, body[position : position + size], start)
        position += size
    os.ftruncate(fd, length)
    os.fsync(fd)
    return True


def busy(path: Path) -> bool:
    """Whether a block of `path` is being written, or was when its writer died."""
    try:
        return journal_path(path).stat().st_size > 0
    except FileNotFoundError:
        return False


def settle(path: Path, patience: float = 5.0) -> bool:
    """Wait until `path` is between two blocks; undo the block of a dead writer.

    Parameters
    ----------
    path : Path
    patience : float
        Longest wait for a living writer, s.

    Returns
    -------
    bool
        Whether a writer is at work.

    Raises
    ------
    RecordingError
        If the block does not end in time, or a dead writer's cannot be undone.
    """
    deadline = time.monotonic() + patience
    while True:
        writer = has_writer(path)
        if not busy(path):
            return writer
        if not writer:
            try:
                lock = WriterLock(path)
            except StoreError as error:
                if not has_writer(path):
                    raise RecordingError(
                        f"{path} was left in the middle of a block by a writer that died; "
                        "open it once with permission to write it and its folder"
                    ) from error
                continue
            try:
                roll_back(path)
            finally:
                lock.release()
        elif time.monotonic() > deadline:
            raise RecordingError(f"{path} is just being written; try again in a moment")
        else:
            time.sleep(0.01)
