"""What a writer learns from a file before it changes anything in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nndyn.errors import RecordingError
from nndyn.header import CURE
from nndyn.kinds import shown
from nndyn.store.book import Book
from nndyn.store.committed import check_times, own
from nndyn.store.digests import DIM
from nndyn.store.inspection import inspected, writable
from nndyn.store.layout import EXTENTS, extents_of
from nndyn.store.library import reading
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


def found(path: Path, nc: netCDF4.Dataset, *, new: bool = False) -> Opening:
    """Look at a recording that is to be written.

    Parameters
    ----------
    path : Path
    nc : netCDF4.Dataset
        The same file, open.
    new : bool, default False
        As of `nndyn.store.inspection.inspected`.

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
        looked = inspected(path, nc, new=new)
        if attrs["block"] != shapes["time"][0]:
            raise RecordingError(
                f"{path} is damaged: block is {shown(attrs['block'])}, expected "
                f"{shapes['time'][0]}, the times of a chunk; {CURE}"
            )
        book = Book(path, looked.attrs.id, looked.checks)
        times = {d: slice(0, n) for d, n in looked.rows.items() if d != DIM}
        check_times(path, {d: book.read(nc, d, where) for d, where in times.items()})
        return Opening(
            attrs=attrs,
            extents=extents_of(path, extents),
            place=int(extents[-2]),
            dims={n: v.dimensions for n, v in there.items()},
            shapes=shapes,
            chunk_rows={
                dim: {int(v.chunking()[0]) for v in there.values() if v.dimensions[0] == dim}
                for dim in looked.rows
            },
            committed=looked.rows,
            book=book,
        )
