"""Chunk addresses of an HDF5 file: version-1 B-trees, read straight from the bytes.

The netCDF library does not tell, and two things need it: the journal, which saves what the next
flush may overwrite, and the verification, since these nodes are the one part of the file without
a checksum of its own.

References
----------
HDF5 File Format Specification 3.0, III.A.1 (version 1 B-trees), III.E (global heap) and IV.A.2.i
(data layout message).
"""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from nndyn.numerics.arrays import Array

UNDEFINED = 0xFFFF_FFFF_FFFF_FFFF
SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL\x01\x00\x00\x00"
_SPLIT_RANK = 32  # of chunk trees, unless the superblock says otherwise; netCDF does not change it
_DEPTH = 12  # 64**12 chunks: a deeper tree is a damaged one
_OVERLAP = 4  # times that the bytes of heaps may be walked: text in them may look like a heap


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
class Node:
    """One node of a tree with n children; level 0 holds chunks.

    Attributes
    ----------
    address, size : int
        Where it lies, and its bytes there.
    level : int
    keys : (n + 1,) array
        Key i belongs to child i, the last one bounds them: fields ``size`` (stored bytes of the
        first chunk below), ``mask`` (filters left out) and ``origin`` (in items, item axis last).
    children : (n,) array of uint64
        Addresses.
    """

    address: int
    size: int
    level: int
    keys: Array
    children: Array


class TreeError(Exception):
    """A tree that is not one; callers translate it."""


def end_of_file(head: bytes) -> int | None:
    """Length the superblock (version 2 or 3) in `head` gives the file, None if there is none."""
    if head[:8] != SIGNATURE or len(head) < 48 or head[8] not in (2, 3) or head[9] != 8:
        return None
    return int(struct.unpack_from("<Q", head, 28)[0])


def endless_heap(metadata: bytes) -> bool:
    """Whether the library would not come to an end in reading a global heap.

    Parameters
    ----------
    metadata : bytes
        The beginning of a file.

    Returns
    -------
    bool
        True if an object of a heap, which carries no checksum, says that it takes no bytes, or
        if heaps overlap again and again.
    """
    start, walked = metadata.find(_HEAP), 0
    while start >= 0:
        size = int.from_bytes(metadata[start + 8 : start + 16], "little")
        at, end = start + 16, min(start + size, len(metadata))
        while at + 16 <= end:
            index, length = struct.unpack_from("<H6xQ", metadata, at)
            taken = 16 + -(-length // 8) * 8 if index else length  # free space: with its head
            walked += 16
            # heaps that lie in one another, which the library never writes, would take for ever
            if taken == 0 or walked > _OVERLAP * len(metadata):
                return True
            at += taken
        start = metadata.find(_HEAP, start + 1)
    return False


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
    for axes in {len(shape) for shape in shapes}:  # one pass over the bytes each
        head = bytes((3, 2, axes))
        tails = {struct.pack(f"<{axes}I", *shape): shape for shape in shapes if len(shape) == axes}
        at = metadata.find(head)
        while at >= 0:
            shape = tails.get(metadata[at + 11 : at + 11 + 4 * axes])
            if shape is not None:
                root = int.from_bytes(metadata[at + 3 : at + 11], "little")
                found.append(Layout(at, shape, root))
            at = metadata.find(head, at + 1)
    return sorted(found, key=lambda layout: (layout.shape, layout.position))


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

    Raises
    ------
    TreeError
        If there is no such node.
    """
    key = _key(axes)
    pair = key.itemsize + 8
    size = 24 + 2 * _SPLIT_RANK * pair + key.itemsize
    raw = os.pread(fd, size, address) if address < UNDEFINED >> 1 else b""
    if len(raw) < 24 or raw[:5] != b"TREE\x01":
        raise TreeError(f"no tree node at byte {address}")
    level, used = raw[5], int.from_bytes(raw[6:8], "little")
    needed = 24 + used * pair + key.itemsize
    if not 0 < used <= 2 * _SPLIT_RANK or len(raw) < needed or level > _DEPTH:
        raise TreeError(f"impossible tree node at byte {address}")
    keys: Array = np.ndarray((used + 1,), dtype=key, buffer=raw, offset=24, strides=(pair,))
    children: Array = np.ndarray(
        (used,), dtype="<u8", buffer=raw, offset=24 + key.itemsize, strides=(pair,)
    )
    return Node(address, len(raw), level, keys, children)


@functools.cache
def _key(axes: int) -> np.dtype[np.void]:
    """Return the type of a key of a tree of chunks with so many axes."""
    return np.dtype([("size", "<u4"), ("mask", "<u4"), ("origin", "<u8", (axes,))])


def walk(fd: int, layout: Layout, first: int = 0, last: int | None = None) -> Iterator[Node]:
    """Yield the nodes in order, parents first, that may hold chunks of the rows `first` to `last`.

    Parameters
    ----------
    fd : int
        Descriptor of the file.
    layout : Layout
    first, last : int
        Indices on the first axis. Without `last`, the last path is walked whatever `first` is.

    Yields
    ------
    Node

    Raises
    ------
    TreeError
        If a node is missing, on the wrong level, the child of two, or its bounds are not those its
        parent says: the library would look up chunks there and not find them.
    """
    if layout.root == UNDEFINED:
        return
    axes = len(layout.shape)
    todo: list[tuple[int | None, int, bytes]] = [(None, layout.root, b"")]
    seen: set[int] = set()
    while todo:
        level, address, bounds = todo.pop()
        if address in seen:
            raise TreeError(f"the tree node at byte {address} is the child of two")
        seen.add(address)
        node = read_node(fd, address, axes)
        if level is not None and (node.level != level or bounds != node.keys[[0, -1]].tobytes()):
            raise TreeError(f"the tree node at byte {address} contradicts the one above it")
        yield node
        if node.level == 0:
            continue
        starts, ends = node.keys["origin"][:-1, 0], node.keys["origin"][1:, 0]
        for i in reversed(range(len(ends))):
            final = last is None and i == len(ends) - 1
            if final or (ends[i] >= first and (last is None or starts[i] <= last)):
                bounds = node.keys[[i, i + 1]].tobytes()
                todo.append((node.level - 1, int(node.children[i]), bounds))
