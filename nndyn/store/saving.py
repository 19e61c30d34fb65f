"""Records of a journal: the bytes that a block may overwrite, and the file they are of."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import struct
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from nndyn.errors import RecordingError
from nndyn.store.chunks import SIGNATURE
from nndyn.store.files import write_at
from nndyn.store.regular import open_limited

_MAGIC = b"nndynJ2\n"
_BEFORE = b"nndynJ1\n"  # of versions that did not write the inode
_DIGEST = 32
_SLACK = 8192  # bytes that closing a file may have given back
# committed length, inode, ranges, bytes of the identity; the same without an inode
_HEAD, _HEAD_BEFORE = struct.Struct("<QQII"), struct.Struct("<QII")
_RANGE = struct.Struct("<QQ")
#: An HDF5 attribute: its name, its type and shape in a few bytes, and the value.
_ATTRIBUTE = rb"recording_id\x00.{8,40}?%s"

Range = tuple[int, int]


@dataclass(frozen=True)
class Saved:
    """A journal that is whole.

    Attributes
    ----------
    length : int
        Of the recording as committed, byte.
    inode : int
        Of its file; 0 where an earlier version did not say.
    identity : bytes
        Its ``recording_id``.
    ranges : list of (start, stop)
        Sorted and disjoint, the header first.
    content : bytes
        Of the ranges, one after the other.
    """

    length: int
    inode: int
    identity: bytes
    ranges: list[Range]
    content: bytes

    def is_of(self, fd: int) -> bool:
        """Whether a file holds the recording: both have a header that names it."""
        return (
            bool(self.identity)
            and self.content.startswith(SIGNATURE)
            and any(map(self._names, self._parts()))
            and os.pread(fd, len(SIGNATURE), 0) == SIGNATURE
            and any(self._names(os.pread(fd, stop - start, start)) for start, stop in self.ranges)
        )

    def restore(self, fd: int, path: Path) -> None:
        """Put the copies back and cut the file to its committed length, durably.

        Raises
        ------
        OSError
            If it cannot be written.
        RecordingError
            If it is shorter than what had been committed.
        """
        size = os.fstat(fd).st_size
        if size < self.length - _SLACK:
            raise RecordingError(
                f"{path} is cut off: {size} bytes, {self.length} were committed; "
                "restore it from a copy"
            )
        for (start, _), part in zip(self.ranges, self._parts(), strict=True):
            write_at(fd, part, start)
        os.ftruncate(fd, self.length)
        os.fsync(fd)

    def _parts(self) -> list[bytes]:
        parts, at = [], 0
        for start, stop in self.ranges:
            parts.append(self.content[at : at + stop - start])
            at += stop - start
        return parts

    def _names(self, part: bytes) -> bool:
        return re.search(_ATTRIBUTE % re.escape(self.identity), part, re.DOTALL) is not None


def packed(fd: int, ranges: Collection[Range], identity: str) -> bytes:
    """Return a journal that saves `ranges` of the recording `fd`."""
    file, name = os.fstat(fd), identity.encode()
    parts = [_MAGIC, _HEAD.pack(file.st_size, file.st_ino, len(ranges), len(name)), name]
    parts += [_RANGE.pack(start, stop - start) for start, stop in ranges]
    parts += [os.pread(fd, stop - start, start) for start, stop in ranges]
    body = b"".join(parts)
    return body + hashlib.blake2b(body, digest_size=_DIGEST).digest()


def read(journal: Path, most: int) -> bytes:
    """Return the bytes of a journal.

    Raises
    ------
    FileNotFoundError
        If there is none.
    OSError
        If it cannot be read.
    RecordingError
        If what has its name is no regular file, longer than `most`, or no journal: whose it may
        be, nndyn does not say.

    Returns
    -------
    bytes
    """
    cure = "no journal of nndyn's; move it away"
    try:
        with open_limited(journal, most, follow=False) as file:
            start = file.read(len(_MAGIC))
            # of one just begun when the power failed there may be a part, or zeros, however many
            if not start.strip(b"\0"):
                return b""
            if not (_MAGIC.startswith(start) or _BEFORE.startswith(start)):
                raise RecordingError(f"{journal} is {cure} (it begins with {start!r})")
            return start + file.read(most)
    except MemoryError as error:
        raise RecordingError(f"{journal} is {cure} (it is larger than the memory)") from error
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.EFBIG):
            raise
        raise RecordingError(f"{journal} is {cure} ({error.strerror})") from error


def parsed(raw: bytes) -> Saved | None:
    """Return what a journal says; None if it is not whole: no change of the recording followed."""
    body, digest = raw[:-_DIGEST], raw[-_DIGEST:]
    if hashlib.blake2b(body, digest_size=_DIGEST).digest() != digest:
        return None
    try:
        if body.startswith(_MAGIC):
            length, inode, count, size = _HEAD.unpack_from(body, len(_MAGIC))
            at = len(_MAGIC) + _HEAD.size
        else:
            length, count, size = _HEAD_BEFORE.unpack_from(body, len(_BEFORE))
            inode, at = 0, len(_BEFORE) + _HEAD_BEFORE.size
        identity, at = body[at : at + size], at + size
        pairs = [_RANGE.unpack_from(body, at + _RANGE.size * i) for i in range(count)]
    except struct.error:
        return None
    ranges = [(start, start + size) for start, size in pairs]
    content = body[at + _RANGE.size * count :]
    edges = [edge for pair in ranges for edge in pair]
    whole = sum(size for _, size in pairs) == len(content) and edges == sorted(edges)
    if not (ranges and ranges[0][0] == 0 and edges[-1] <= length and whole):
        return None
    return Saved(length, inode, identity, ranges, content)
