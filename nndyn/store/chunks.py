"""Where HDF5 keeps the chunks of a file: version-1 B-trees, read straight from the bytes.

The netCDF library does not tell, and two things need it: the journal, which saves what the next
flush may overwrite, and the verification, since these nodes are the one part of the file without
a checksum of its own.

References
----------
HDF5 File Format Specification 3.0, III.A.1 (version 1 B-trees) and IV.A.2.i (data layout message).
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

UNDEFINED = 0xFFFF_FFFF_FFFF_FFFF
SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SPLIT_RANK = 32  # of chunk trees, unless the superblock says otherwise; netCDF does not change it
_DEPTH = 12  # 64**12 chunks: a deeper tree is a damaged one


@dataclass(frozen=True)
class Layout:
    """A data layout message: where it lies, and what it says.

    Attributes
    ----------
    position : int
        Offset of the message in the file, byte.
    shape : tuple of int
        Shape of a chunk, the item size last.
    root : int
        Address of the tree, `UNDEFINED` while there is no chunk.
    """

    position: int
    shape: tuple[int, ...]
    root: int


@dataclass(frozen=True)
class Chunk:
    """One chunk: origin (in items, first axis first), address, stored bytes, filters left out."""

    origin: tuple[int, ...]
    address: int
    size: int
    mask: int


@dataclass(frozen=True)
class Node:
    """One node of a tree: its address, its size on disk, its level (0 holds chunks)."""

    address: int
    size: int
    level: int
    chunks: tuple[Chunk, ...]


class TreeError(Exception):
    """A tree that is not one; callers translate it."""


def end_of_file(head: bytes) -> int | None:
    """Length the superblock (version 2 or 3) in `head` gives the file, None if there is none."""
    if head[:8] != SIGNATURE or len(head) < 48 or head[8] not in (2, 3) or head[9] != 8:
        return None
    return int(struct.unpack_from("<Q", head, 28)[0])


def find_layouts(metadata: bytes, shapes: Collection[tuple[int, ...]]) -> list[Layout]:
    """Layout messages of chunked variables in `metadata`, the beginning of a file.

    Parameters
    ----------
    metadata : bytes
    shapes : collection of tuple of int
        Chunk shapes to look for, the item size last.

    Returns
    -------
    list of Layout
        At least one for every variable whose header lies in `metadata`; a stale copy may be
        among them.
    """
    found = []
    for shape in sorted(set(shapes)):
        head, tail = bytes((3, 2, len(shape))), struct.pack(f"<{len(shape)}I", *shape)
        pattern = re.compile(re.escape(head) + b"(.{8})" + re.escape(tail), re.DOTALL)
        for match in pattern.finditer(metadata):
            root = int.from_bytes(match.group(1), "little")
            found.append(Layout(match.start(), shape, root))
    return found


def read_node(fd: int, address: int, axes: int) -> Node:
    """Read the node at `address` of a tree of chunks with `axes` axes (item axis included).

    Parameters
    ----------
    fd : int
        Descriptor of the file.
    address, axes : int

    Returns
    -------
    Node
        In a node of level > 0, `chunks` holds the children: their first origin and address.

    Raises
    ------
    TreeError
        If there is no such node.
    """
    key = 8 + 8 * axes
    size = 24 + 2 * _SPLIT_RANK * (key + 8) + key
    raw = os.pread(fd, size, address) if address < UNDEFINED >> 1 else b""
    if len(raw) < 24 or raw[:5] != b"TREE\x01":
        raise TreeError(f"no tree node at byte {address}")
    level, used = raw[5], int.from_bytes(raw[6:8], "little")
    if used > 2 * _SPLIT_RANK or len(raw) < 24 + used * (key + 8) + key or level > _DEPTH:
        raise TreeError(f"impossible tree node at byte {address}")
    chunks = []
    for i in range(used):
        stored, mask, *origin = struct.unpack_from(f"<II{axes}Q", raw, 24 + i * (key + 8))
        (child,) = struct.unpack_from("<Q", raw, 24 + i * (key + 8) + key)
        chunks.append(Chunk(tuple(origin[:-1]), child, stored, mask))
    return Node(address, len(raw), level, tuple(chunks))


def walk(fd: int, layout: Layout, first: int = 0) -> Iterator[Node]:
    """Yield the nodes, parents first, that may hold chunks from row `first` on.

    Parameters
    ----------
    fd : int
        Descriptor of the file.
    layout : Layout
    first : int
        Index on the first axis; the last path is walked whatever it is.

    Yields
    ------
    Node

    Raises
    ------
    TreeError
        If a node is missing or on the wrong level.
    """
    if layout.root == UNDEFINED:
        return
    todo: list[tuple[int, int | None]] = [(layout.root, None)]
    while todo:
        address, level = todo.pop()
        node = read_node(fd, address, len(layout.shape))
        if level is not None and node.level != level:
            raise TreeError(f"tree node at byte {address} has level {node.level}, expected {level}")
        yield node
        if node.level == 0:
            continue
        starts = [c.origin[0] for c in node.chunks[1:]]
        for i in reversed(range(len(node.chunks))):
            if i == len(starts) or starts[i] >= first:
                todo.append((node.chunks[i].address, node.level - 1))
