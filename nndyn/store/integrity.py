"""Verification of every byte of a recording, with a report of what is wrong."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import RecordingError
from nndyn.header import read
from nndyn.recording import CHECKPOINTS, DISTANCES, GROWING
from nndyn.runtime.progress import Called
from nndyn.store import journal as journals
from nndyn.store.checks import Checks, DigestError, check_header
from nndyn.store.chunk_index import faults
from nndyn.store.committed import attributes, behind, own, rows_of, slot_of
from nndyn.store.layout import EXTENTS, is_copy
from nndyn.store.library import exclusive, open_netcdf, reading
from nndyn.store.locks import existing, has_writer
from nndyn.store.reader import open_recording

if TYPE_CHECKING:
    import netCDF4

_PIECE = 16 * 1024 * 1024  # bytes read at once


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


def verify(path: str | Path, *, progress: Called | None = None) -> Report:
    """Read all committed values of a recording, and check what can be checked.

    Parameters
    ----------
    path : str or Path
    progress : callable, optional
        Called with the bytes read and to be read.

    Returns
    -------
    Report

    Raises
    ------
    MissingRecordingError
        If there is no such file.
    RecordingError
        If it cannot be opened at all, or is being written.

    Notes
    -----
    One pass, at most about 32 MB in memory. Checked: the contract; the header by its digest; the
    committed rows of every growing dimension; coordinates increase; the checkpoint belongs to the
    last commit; every chunk by its fletcher32 and its digest; every chunk index (which carries no
    checksum of its own) node by node: complete, in order, each chunk of the right length, no two at
    the same place; distances not negative, max norm ≤ l2 ≤ l1, zero for the reference. Object
    headers, attributes and the superblock carry checksums that the library compares on opening.
    """
    path = existing(path)
    if (writer := journals.settle(path)) and has_writer(path):
        raise RecordingError(f"{path} is being written; verify it when {writer} is done")
    return _report(path, progress or (lambda done, total: None))


@exclusive
def _report(path: Path, progress: Called) -> Report:
    with reading(path), contextlib.closing(open_netcdf(path, "r")) as nc:
        found = attributes(path, nc)
        if is_copy(path, found):
            raise RecordingError(
                f"{path} was not written by nndyn's recorder: expected attribute {EXTENTS!r} and "
                "checksums; verify the original"
            )
        problems = list(_contract(path))
        status, n = "", 0
        try:
            sealed = check_header(path, nc)
            attrs = read(found, str(path))
            status, n = attrs.status, attrs.n_committed
            rows = rows_of(path, nc, n, sealed=sealed)
            digests = Checks(path, nc, rows) if sealed else None
        except RecordingError as error:  # nothing says what there ought to be
            problems = list(dict.fromkeys([*problems, str(error)]))
            return Report(str(path), status, n, 0, (), tuple(problems))
        slot = slot_of(nc, n)
        late = behind({"block": 1, **found})  # up to there a run begins anew
        if slot is None and n > late and "checkpoint_step" in nc.variables:
            where = f"step {n - 1}, the last" if not late else f"the last {late + 1} steps"
            problems.append(f"no checkpoint is of {where}: cannot be resumed")
        wrong = list(faults(path, nc, rows, slot, moved=sealed))
        problems += [f for f in wrong if not any(f in p for p in problems)]
        most = path.stat().st_size
        checks: list[VariableCheck] = []
        for variable in own(nc).values():
            before = sum(c.bytes for c in checks)

            def read_so_far(n: int, before: int = before) -> None:
                progress(min(before + n, most), most)

            checks.append(_check(variable, rows, slot, digests, most, read_so_far))
        problems += [f"{c.name}: {c.problem}" for c in checks if c.problem]
        if not any(c.problem for c in checks):
            problems += _values(nc, rows)
    return Report(
        path=str(path),
        status=status,
        n_committed=n,
        bytes=sum(c.bytes for c in checks),
        variables=tuple(checks),
        problems=tuple(dict.fromkeys(problems)),
    )


def _contract(path: Path) -> Iterator[str]:
    try:
        open_recording(path).close()
    except RecordingError as error:
        yield str(error)


def _check(
    variable: netCDF4.Variable[Any],
    rows: dict[str, int],
    slot: int | None,
    digests: Checks | None,
    most: int,
    progress: Callable[[int], None],
) -> VariableCheck:
    """Read what is committed of a variable, so that every checksum and digest is compared."""
    variable.set_auto_chartostring(False)
    dims, shape = variable.dimensions, tuple(variable.shape)
    start, stop = 0, rows.get(dims[0], shape[0])
    if variable.name in CHECKPOINTS:
        start, stop = (0, 0) if slot is None else (slot, slot + 1)
    row = variable.dtype.itemsize * math.prod(shape[1:])
    if row * (stop - start) > most:
        problem = f"{row * (stop - start)} bytes are committed, more than the file has"
        return VariableCheck(variable.name, dims, (stop - start, *shape[1:]), 0, problem)
    piece = max(1, _PIECE // row // variable.chunking()[0]) * variable.chunking()[0]
    problem = ""
    if stop > shape[0]:
        problem = f"{shape[0]} rows, {stop} are committed"
        stop = shape[0]
    elif not variable.filters()["fletcher32"]:
        problem = "has no checksums: not written by nndyn"
    for at in range(start, stop, piece):
        end = min(stop, at + piece)
        progress(row * (at - start))
        try:
            if digests is None:
                variable[at:end]
            else:
                key = (slice(at, end), *[slice(None)] * (len(dims) - 1))
                digests.read(variable.name, key, variable.__getitem__, shape[0])
        except DigestError as error:
            problem = error.what
            break
        except RuntimeError as error:
            problem = f"rows {at} to {end - 1} cannot be read ({error})"
            break
    size = row * (stop - start)
    return VariableCheck(variable.name, dims, (stop - start, *shape[1:]), size, problem)


def _values(nc: netCDF4.Dataset, rows: dict[str, int]) -> Iterator[str]:
    """Check what must hold between values that could all be read."""
    for dim, count in rows.items():
        if dim not in GROWING:
            continue
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
