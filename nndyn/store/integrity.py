"""Verification: read every byte of a recording and say what is wrong with it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import RecordingError
from nndyn.recording import DISTANCES, STATUSES, validate
from nndyn.store import journal as journals
from nndyn.store.chunks import Chunk, Layout, TreeError, find_layouts, walk
from nndyn.store.layout import EXTENTS, Array, committed_rows, extents_of, growing
from nndyn.store.library import open_netcdf
from nndyn.store.locks import existing
from nndyn.store.reader import open_recording

if TYPE_CHECKING:
    import netCDF4

_PIECE = 16 * 1024 * 1024  # bytes read at once
_FLETCHER = 4  # bytes a checksum adds to a chunk


@dataclass(frozen=True)
class VariableCheck:
    """What was read of one variable: its committed shape, bytes, and what is wrong, if anything."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    bytes: int
    problem: str = ""


@dataclass(frozen=True)
class Report:
    """What `verify` found.

    Attributes
    ----------
    path : str
    status : str
    n_committed : int
    bytes : int
        Of values read and checked.
    variables : tuple of VariableCheck
    problems : tuple of str
        All that is wrong, one line each; empty for a sound recording.
    """

    path: str
    status: str
    n_committed: int
    bytes: int
    variables: tuple[VariableCheck, ...]
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(path: str | Path) -> Report:
    """Read all committed values of a recording, and check what can be checked.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Report

    Raises
    ------
    MissingRecordingError
        If there is no such file.
    RecordingError
        If it cannot be opened at all.

    Notes
    -----
    One pass, at most about 16 MB in memory. Checked: the contract; the commit counter against the
    rows; coordinates increase; the checkpoint belongs to the last commit; every chunk by its
    fletcher32; every chunk index (which carries no checksum of its own) node by node: complete, in
    order, each chunk of the right length, no two at the same place; distances not negative,
    max norm ≤ l2 ≤ l1, zero for the reference. Object headers, attributes and the superblock carry
    checksums that the library compares on opening.
    """
    path = existing(path)
    journals.settle(path)
    nc = open_netcdf(path, "r")
    try:
        problems = list(_contract(path))
        attrs = {name: nc.getncattr(name) for name in nc.ncattrs()}
        n = int(attrs.get("n_committed", 0))
        try:
            rows = _rows(nc, n)
        except (RuntimeError, KeyError, IndexError) as error:
            raise RecordingError(
                f"{path} is damaged: its coordinates cannot be read ({error}); "
                "restore it from a copy"
            ) from error
        if attrs.get("status") not in STATUSES:
            problems.append(f"status is {attrs.get('status')!r}, expected one of {STATUSES}")
        slot = _slot(nc, n, problems)
        if EXTENTS in attrs:
            problems += _index(path, nc, extents_of(attrs[EXTENTS]), rows, slot)
        checks = [_check(v, rows, slot) for v in nc.variables.values()]
        problems += [f"{c.name}: {c.problem}" for c in checks if c.problem]
        if not any(c.problem for c in checks):
            problems += _values(nc, rows)
    finally:
        nc.close()
    return Report(
        path=str(path),
        status=str(attrs.get("status", "")),
        n_committed=n,
        bytes=sum(c.bytes for c in checks),
        variables=tuple(checks),
        problems=tuple(problems),
    )


def _contract(path: Path) -> Iterator[str]:
    try:
        with open_recording(path) as recording:
            validate(recording, str(path))
    except RecordingError as error:
        yield str(error)


def _rows(nc: netCDF4.Dataset, n: int) -> dict[str, int]:
    dims = {d for v in nc.variables.values() if (d := growing(v.dimensions)) is not None}
    return committed_rows({d: np.asarray(nc[d][:]) for d in dims | {"time"}}, n)


def _slot(nc: netCDF4.Dataset, n: int, problems: list[str]) -> int | None:
    if "checkpoint_step" not in nc.variables or n == 0:
        return None
    try:
        steps = np.asarray(nc["checkpoint_step"][:])
    except RuntimeError:
        return None  # reported with the variable
    found = np.flatnonzero(steps == n - 1)
    if not found.size:
        problems.append(
            f"checkpoint_step is {steps.tolist()}, expected {n - 1} in one slot: cannot be resumed"
        )
        return None
    return int(found[0])


def _check(
    variable: netCDF4.Variable[Any], rows: dict[str, int], slot: int | None
) -> VariableCheck:
    """Read what is committed of a variable, so that the library compares every checksum."""
    variable.set_auto_chartostring(False)
    dims, shape = variable.dimensions, tuple(variable.shape)
    start, stop = 0, shape[0]
    dim = growing(dims)
    if dim is not None:
        stop = rows[dim]
    elif variable.name == "checkpoint":  # the other slot may be half written, and nobody reads it
        start, stop = (0, 0) if slot is None else (slot, slot + 1)
    row = variable.dtype.itemsize * math.prod(shape[1:])
    piece = max(1, _PIECE // row // variable.chunking()[0]) * variable.chunking()[0]
    problem = ""
    if stop > shape[0]:
        problem = f"{shape[0]} rows, {stop} are committed"
        stop = shape[0]
    elif not variable.filters()["fletcher32"]:
        problem = "has no checksums: not written by nndyn"
    for at in range(start, stop, piece):
        end = min(stop, at + piece)
        try:
            variable[at:end]
        except RuntimeError as error:
            problem = f"rows {at} to {end - 1} cannot be read ({error})"
            break
    size = row * (stop - start)
    return VariableCheck(variable.name, dims, (stop - start, *shape[1:]), size, problem)


def _index(
    path: Path,
    nc: netCDF4.Dataset,
    extents: list[tuple[int, int]],
    rows: dict[str, int],
    slot: int | None,
) -> Iterator[str]:
    """Compare every chunk index with what the variables need."""
    wanted: dict[tuple[int, ...], list[tuple[str, tuple[int, ...], int]]] = {}
    for name, variable in nc.variables.items():
        chunk = tuple(int(c) for c in variable.chunking())
        grid = tuple(-(-s // c) for s, c in zip(variable.shape, chunk, strict=True))
        dim = growing(variable.dimensions)
        lines = grid[0] if dim is None else -(-rows[dim] // chunk[0])
        if name == "checkpoint":
            lines = 0 if slot is None else slot + 1
        need = lines * math.prod(grid[1:])
        wanted.setdefault((*chunk, variable.dtype.itemsize), []).append((name, grid[1:], need))
    fd = os.open(path, os.O_RDONLY)
    try:
        header = os.pread(fd, extents[0][1], 0) if extents else b""
        layouts: dict[tuple[int, ...], list[Layout]] = {}
        for layout in find_layouts(header, wanted):
            layouts.setdefault(layout.shape, []).append(layout)
        taken: list[Array] = []
        for shape, variables in wanted.items():
            yield from _trees(fd, layouts.get(shape, []), variables, taken)
        yield from _overlaps(taken, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def _trees(
    fd: int,
    layouts: list[Layout],
    variables: list[tuple[str, tuple[int, ...], int]],
    taken: list[Array],
) -> Iterator[str]:
    """Check the indices of variables that the shape of their chunks does not tell apart."""
    names = " or ".join(name for name, _, _ in variables)
    if len(layouts) < len(variables):
        yield f"the header lacks the chunk index of {names}"
    counts: list[int] = []
    for layout in layouts:
        count, problem = _tree(fd, layout, variables[0][1], taken)
        counts.append(count)
        if problem:
            yield f"chunk index of {names}: {problem}"
    # Largest need against largest index: if that fits, some assignment does.
    needs = sorted((need for _, _, need in variables), reverse=True)
    for need, count in zip(needs, sorted(counts, reverse=True), strict=False):
        if count < need:
            yield f"chunk index of {names}: {count} chunks, {need} are committed"


def _tree(fd: int, layout: Layout, across: tuple[int, ...], taken: list[Array]) -> tuple[int, str]:
    """Count chunks in order, say what is wrong; add every ``(start, stop)`` to `taken`."""
    chunk = layout.shape[:-1]
    stored = math.prod(layout.shape) + _FLETCHER
    count = 0
    try:
        for node in walk(fd, layout):
            taken.append(np.array([[node.address, node.address + node.size]]))
            if node.level:
                continue
            for entry in node.chunks:
                place = _place(count, across, chunk)
                problem = _entry(entry, place, stored)
                if problem:
                    return count, f"in the node at byte {node.address}: {problem}"
                count += 1
            taken.append(np.array([[c.address, c.address + c.size] for c in node.chunks]))
    except TreeError as error:
        return count, str(error)
    return count, ""


def _place(number: int, across: tuple[int, ...], chunk: tuple[int, ...]) -> tuple[int, ...]:
    """Origin of chunk `number` of a grid with `across` chunks along the axes after the first."""
    index = []
    for size in reversed(across):
        number, i = divmod(number, size)
        index.append(i)
    return tuple(i * c for i, c in zip((number, *reversed(index)), chunk, strict=True))


def _entry(entry: Chunk, place: tuple[int, ...], stored: int) -> str:
    if entry.origin != place:
        return f"chunk at {entry.origin}, expected {place}"
    if entry.size != stored or entry.mask:
        return f"chunk at {place} has {entry.size} bytes, expected {stored} with their checksum"
    return ""


def _overlaps(taken: list[Array], end: int) -> Iterator[str]:
    spans: Any = np.concatenate([np.zeros((0, 2), dtype=np.uint64), *taken]).astype(np.uint64)
    spans = spans[np.argsort(spans[:, 0])]
    if spans.size and spans[:, 1].max() > end:
        yield f"a chunk index points beyond the end of the file, {end} bytes"
    clash = np.flatnonzero(spans[1:, 0] < spans[:-1, 1])
    if clash.size:
        yield f"two chunks or index nodes lie on one another at byte {spans[clash[0] + 1, 0]}"


def _values(nc: netCDF4.Dataset, rows: dict[str, int]) -> Iterator[str]:
    """Check what must hold between values that could all be read."""
    for dim, count in rows.items():
        values = np.asarray(nc[dim][:count])
        if not np.isfinite(values).all() or (np.diff(values) <= 0).any():
            yield f"{dim} does not increase"
    n = rows["time"]
    present = [name for name in DISTANCES if name in nc.variables]
    for at in range(0, n, 1 << 16):
        part = {name: np.asarray(nc[name][at : min(n, at + (1 << 16))]) for name in present}
        for name, values in part.items():
            if (values < 0).any() or np.nan_to_num(values[:, 0]).any():
                yield f"{name} is negative, or not zero for the reference"
                return
        for small, large in (("distance_linf", "distance_l2"), ("distance_l2", "distance_l1")):
            # NaN compares false on purpose: from divergence on there is nothing to compare.
            if small in part and large in part and (part[small] > part[large] * 1.0001).any():
                yield f"{small} exceeds {large} near time index {at}"
                return
