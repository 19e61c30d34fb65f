"""Chunk indices of a recording: whether each leads to every committed chunk.

They are the one part of the file without a checksum. For a chunk that an index does not lead to,
the library would leave whatever is in memory and raise nothing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.recording import CHECKPOINTS
from nndyn.store.chunks import UNDEFINED, Layout, Node, TreeError, find_layouts, walk
from nndyn.store.committed import own
from nndyn.store.digests import lengths
from nndyn.store.layout import EXTENTS, extents_of

if TYPE_CHECKING:
    import netCDF4

_FLETCHER = 4  # bytes a checksum adds to a chunk

Need = tuple[str, tuple[int, ...], int]  # variable, chunks along the axes after the first, chunks
Taken = tuple[Array, int]  # where parts of the file begin, and the bytes of each


def faults(
    path: Path,
    nc: netCDF4.Dataset,
    rows: Mapping[str, int],
    slot: int | None,
    *,
    moved: bool = False,
) -> Iterator[str]:
    """Yield what is wrong with the chunk indices of a file that nndyn's writer laid out.

    Parameters
    ----------
    path : Path
    nc : netCDF4.Dataset
        The same file, open.
    rows : mapping of str to int
        Committed rows of each growing dimension.
    slot : int or None
        The committed checkpoint slot.
    moved : bool, default False
        Whether an index that is not in the header is no fault: a program that adds to a file moves
        parts of it, and values that are compared with their digests need no index to be checked.

    Yields
    ------
    str

    Notes
    -----
    Reads all indices, about 50 bytes a chunk, and no data. Every node must agree with its parent,
    every chunk must be the next of the grid, of full length and under its checksum, and no two
    may overlap.
    """
    wanted: dict[tuple[int, ...], list[Need]] = {}
    sizes = lengths(nc)
    for name, variable in own(nc).items():
        dims, chunk = variable.dimensions, tuple(int(c) for c in variable.chunking())
        grid = tuple(-(-sizes[d] // c) for d, c in zip(dims, chunk, strict=True))
        lines = -(-rows.get(dims[0], sizes[dims[0]]) // chunk[0])
        if name in CHECKPOINTS:
            lines = 0 if slot is None else slot + 1
        need = (name, grid[1:], lines * math.prod(grid[1:]))
        wanted.setdefault((*chunk, variable.dtype.itemsize), []).append(need)
    extents = extents_of(path, nc.getncattr(EXTENTS))
    fd = os.open(path, os.O_RDONLY)
    try:
        header = os.pread(fd, extents[0][1], 0) if extents else b""
        # of a message that the library moved a stale copy is left: one of the two will do
        found: dict[tuple[int, ...], list[Layout]] = {}
        for layout in find_layouts(header, wanted):
            others = found.setdefault(layout.shape, [])
            if layout.root == UNDEFINED or all(layout.root != other.root for other in others):
                others.append(layout)
        taken: list[Taken] = []
        for shape, needs in wanted.items():
            there = found.get(shape, [])
            if len(there) >= len(needs):
                yield from _trees(fd, there, needs, taken)
            elif not moved:
                names = " or ".join(name for name, _, _ in needs)
                yield f"the chunk index of {names} is not where it was written"
        yield from _overlaps(taken, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def _trees(fd: int, layouts: list[Layout], needs: list[Need], taken: list[Taken]) -> Iterator[str]:
    """Check the indices of variables that the shape of their chunks does not tell apart."""
    names = " or ".join(name for name, _, _ in needs)
    grids = {across for _, across, _ in needs}
    trees = [_tree(fd, layout, grids, taken) for layout in layouts]
    faults = np.array(
        [[_fault(*tree[across], wanted) for _, across, wanted in needs] for tree in trees],
        dtype=object,
    )
    sound = faults == ""
    if sound.all():
        return
    owner = _assigned(sound)
    left = np.setdiff1d(np.arange(len(layouts)), owner)
    for i, need in zip(left, np.flatnonzero(owner < 0), strict=False):
        yield f"chunk index of {names}: {faults[i, need]}"


def _fault(count: int, problem: str, wanted: int) -> str:
    if problem or count >= wanted:
        return problem
    return f"{count} chunks, {wanted} are committed"


def _assigned(fits: Array) -> Array:
    """Return for every need (column) an index (row) of its own that fits, -1 where none is left."""
    if fits.shape[1] == 1:
        return np.array([np.argmax(fits[:, 0]) if fits.any() else -1])
    from scipy.sparse import csr_array  # a tenth of a second, for files of few components
    from scipy.sparse.csgraph import maximum_bipartite_matching

    owner: Array = maximum_bipartite_matching(csr_array(fits), perm_type="row")
    return owner


def _tree(
    fd: int, layout: Layout, grids: Collection[tuple[int, ...]], taken: list[Taken]
) -> dict[tuple[int, ...], tuple[int, str]]:
    """Count chunks in the order of each grid, say what is wrong.

    Add all that it takes of the file to `taken`.

    Returns
    -------
    dict of tuple to (int, str)
    """
    found = dict.fromkeys(grids, (0, ""))
    stored = math.prod(layout.shape) + _FLETCHER
    try:
        for node in walk(fd, layout):
            taken.append((np.array([node.address], dtype=np.uint64), node.size))
            if node.level:
                continue
            for across, (count, problem) in found.items():
                if not problem:
                    problem = _leaf(node, layout, across, count)
                    where = f"in the node at byte {node.address}: {problem}" if problem else ""
                    found[across] = count + node.children.size, where
            taken.append((node.children, stored))
    except TreeError as error:
        return {
            across: (count, problem or str(error)) for across, (count, problem) in found.items()
        }
    return found


def _leaf(node: Node, layout: Layout, across: tuple[int, ...], count: int) -> str:
    """Compare the chunks of a leaf with the grid, of which `count` chunks came before."""
    n = node.children.size
    numbers = np.arange(count, count + n)
    lines = math.prod(across)
    places = np.zeros((n, len(layout.shape)), dtype=np.uint64)
    places[:, 0] = numbers // lines * layout.shape[0]
    if lines != 1:
        inner = np.stack(np.unravel_index(numbers % lines, across), axis=1)
        places[:, 1:-1] = inner * np.array(layout.shape[1:-1])
    origins = node.keys["origin"]
    wrong = np.flatnonzero((origins[:-1] != places).any(axis=1))
    if wrong.size:
        i = int(wrong[0])
        return f"chunk at {_tuple(origins[i])}, expected {_tuple(places[i])}"
    stored = math.prod(layout.shape) + _FLETCHER
    wrong = np.flatnonzero((node.keys["size"][:-1] != stored) | (node.keys["mask"][:-1] != 0))
    if wrong.size:
        i = int(wrong[0])
        return (
            f"chunk at {_tuple(places[i])} has {node.keys['size'][i]} bytes, "
            f"expected {stored} with their checksum"
        )
    if _tuple(origins[-1]) <= _tuple(origins[-2]):
        return f"its bound {_tuple(origins[-1])} is not above its last chunk"
    return ""


def _tuple(row: Array) -> tuple[int, ...]:
    return tuple(row.tolist())


def _overlaps(taken: list[Taken], end: int) -> Iterator[str]:
    if not taken:
        return
    starts = np.concatenate([addresses for addresses, _ in taken])
    sizes = np.array([size for _, size in taken], dtype=np.uint64)
    stops = starts + np.repeat(sizes, [addresses.size for addresses, _ in taken])
    order = np.argsort(starts)
    starts, stops = starts[order], stops[order]
    if int(stops.max()) > end:
        yield f"a chunk index points beyond the end of the file, {end} bytes"
    clash = np.flatnonzero(starts[1:] < stops[:-1])
    if clash.size:
        yield f"two chunks or index nodes lie on one another at byte {starts[clash[0] + 1]}"
