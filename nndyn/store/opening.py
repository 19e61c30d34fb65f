"""What a writer learns from a file before it changes anything in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nndyn.errors import NndynError, RecordingError, StoreError
from nndyn.header import CURE
from nndyn.kinds import shown
from nndyn.store.book import Book
from nndyn.store.committed import check_times, own
from nndyn.store.digests import CHUNK_ROWS, DIM, NAME, WORDS, Ledger
from nndyn.store.handles import Handle
from nndyn.store.inspection import inspected, plain, writable
from nndyn.store.journal import Journal, roll_back
from nndyn.store.layout import EXTENTS, extents_of, growing
from nndyn.store.library import forget_readers, open_netcdf, reading
from nndyn.store.regular import open_regular
from nndyn.store.saving import Range

if TYPE_CHECKING:
    import netCDF4


@dataclass(frozen=True)
class Opening:
    """A recording as a writer found it.

    Attributes
    ----------
    attrs : dict
        Global attributes, but those of `extents` and of digests.
    extents : list of (start, stop)
        Where metadata lies, see `nndyn.store.journal`; byte.
    place : int
        Where in the file the attribute lies that names them; byte.
    dims : dict of str to tuple of str
        Dimensions of each variable.
    shapes : dict of str to tuple of int
        Chunks of each variable, item size last.
    chunk_rows : dict of str to set of int
        Rows that chunks along each growing dimension have.
    committed : dict of str to int
        Committed rows of each growing dimension.
    book : Book
    """

    attrs: dict[str, Any]
    extents: list[Range]
    place: int
    dims: dict[str, tuple[str, ...]]
    shapes: dict[str, tuple[int, ...]]
    chunk_rows: dict[str, set[int]]
    committed: dict[str, int]
    book: Book


@dataclass(frozen=True)
class Opened:
    """A recording that is open to be written.

    Attributes
    ----------
    fd : int
        Its descriptor.
    handle : Handle
    journal : Journal
    found : Opening
    new : bool
        Whether this process has just made it, so that all that the library knows is on disk.
    """

    fd: int
    handle: Handle
    journal: Journal
    found: Opening
    new: bool = False


def opened(path: Path) -> Opened:
    """Open a recording to go on with it, once it is known to be sound; the caller has its lock.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Opened
        After the block that a dead writer left has been undone.

    Raises
    ------
    StoreError
        If it cannot be written.
    RecordingError
        If it is not a recording that this version can go on with, or damaged.
    """
    with _explained(path), contextlib.ExitStack() as undo:
        roll_back(path, adopt=True)
        fd = open_regular(path, os.O_RDWR)
        undo.callback(os.close, fd)
        forget_readers(fd)
        # before the library opens for writing what may be damaged
        with reading(path), contextlib.closing(open_netcdf(path, "r")) as nc:
            there = found(path, nc)
        journal = Journal(path)
        undo.callback(journal.close)
        handle = Handle(path, "r+")
        undo.callback(handle.close)
        if not handle.holds(fd):
            raise StoreError(
                f"{path} is written in this process already, under another name, or was "
                "replaced as it was opened; close the other Writer, or try again"
            )
        undo.pop_all()
    return Opened(fd, handle, journal, there)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say of what the system refuses that the recording cannot be written, and why."""
    try:
        yield
    except OSError as error:
        if isinstance(error, NndynError):
            raise
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}; check the permissions and "
            "the free space"
        ) from error


def of_new(
    path: Path,
    nc: netCDF4.Dataset,
    attrs: Mapping[str, Any],
    ledger: Ledger,
    extents: list[Range],
    place: int,
) -> Opening:
    """Return what there is in a recording that this process has just made.

    Parameters
    ----------
    path : Path
        The name that it is to have.
    nc : netCDF4.Dataset
        The file, open.
    attrs : mapping of str to value
        Its global attributes, but those of `extents` and of digests.
    ledger : Ledger
        In which all that was written counts.
    extents : list of (start, stop)
    place : int
        As of `Opening`.

    Returns
    -------
    Opening
    """
    shapes = {
        name: (*grid.chunk, nc.variables[name].dtype.itemsize)
        for name, grid in ledger.grids.items()
    }
    dims = {name: nc.variables[name].dimensions for name in [*shapes, NAME]}
    committed = {dim: 0 for of in dims.values() if (dim := growing(of)) is not None}
    committed[DIM] = len(nc.dimensions[DIM])
    shapes[NAME] = (CHUNK_ROWS, WORDS, 8)
    return Opening(
        attrs={name: plain(value) for name, value in attrs.items()},
        extents=extents,
        place=place,
        dims=dims,
        shapes=shapes,
        chunk_rows=_chunk_rows(dims, shapes, committed),
        committed=committed,
        book=Book(path, None, ledger),
    )


def found(path: Path, nc: netCDF4.Dataset) -> Opening:
    """Look at a recording that is to be gone on with.

    Parameters
    ----------
    path : Path
    nc : netCDF4.Dataset
        The same file, open.

    Returns
    -------
    Opening

    Raises
    ------
    RecordingError
        If it is not a recording that this version can go on with, or damaged.
    """
    with reading(path):
        attrs = writable(path, nc)
        extents = attrs.pop(EXTENTS)
        there = own(nc)
        shapes = {n: (*v.chunking(), v.dtype.itemsize) for n, v in there.items()}
        looked = inspected(path, nc)
        if attrs["block"] != shapes["time"][0]:
            raise RecordingError(
                f"{path} is damaged: block is {shown(attrs['block'])}, expected "
                f"{shapes['time'][0]}, the times of a chunk; {CURE}"
            )
        book = Book.of(path, looked.checks)
        times = {d: slice(0, n) for d, n in looked.rows.items() if d != DIM}
        check_times(path, {d: book.read(nc, d, where) for d, where in times.items()})
        dims = {n: v.dimensions for n, v in there.items()}
        return Opening(
            attrs=attrs,
            extents=extents_of(path, extents),
            place=int(extents[-2]),
            dims=dims,
            shapes=shapes,
            chunk_rows=_chunk_rows(dims, shapes, looked.rows),
            committed=looked.rows,
            book=book,
        )


def _chunk_rows(
    dims: Mapping[str, tuple[str, ...]],
    shapes: Mapping[str, tuple[int, ...]],
    rows: Iterable[str],
) -> dict[str, set[int]]:
    """Return the rows that chunks along each of some dimensions have."""
    return {dim: {int(shapes[n][0]) for n, of in dims.items() if of[0] == dim} for dim in rows}
