"""A recording gets further variables: it is written anew beside itself, and takes its own place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.runtime.interrupts import shielded
from nndyn.store.files import sync_folder
from nndyn.store.layout import Header, growing
from nndyn.store.writer import Writer

#: Bytes read and written at once.
_PIECE = 16 * 2**20


def beside(path: Path) -> Path:
    """Return where the recording of that name is written anew; a kill may leave that file."""
    return path.with_name(f".{path.name}.wider")


@shielded()
def widened(writer: Writer, header: Header) -> Writer:
    """Give a recording the variables of `header`, which has those that there are too.

    Parameters
    ----------
    writer : Writer
        Of the recording, all of whose rows are committed; closed in the end.
    header : Header
        With the ``recording_id`` of the file.

    Returns
    -------
    Writer
        Of the file that has taken the name.

    Raises
    ------
    StoreError
        If writing fails; the recording stays as it was.

    Notes
    -----
    One pass over the file, and its size on disk once more meanwhile; memory is 16 MiB, or a row.
    In rows that were there before a new variable is NaN. A kill leaves the one file or the other.
    """
    path, new = writer.path, beside(writer.path)
    try:
        with Writer.create(new, header, overwrite=True) as wider:
            for rows in _rows(writer, header):
                wider.append(rows)
            wider.commit()
        writer.close()
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return Writer.resume(path)


def _rows(writer: Writer, header: Header) -> Iterator[dict[str, Array]]:
    """Yield the rows of every growing dimension, time first, piece by piece."""
    dims = sorted(writer.committed, key=lambda dim: dim != "time")
    for dim in dims:
        here = [v for v in header.variables if growing(v.dims) == dim]
        row = sum(8 * int(np.prod([header.sizes[d] for d in v.dims[1:]])) for v in here)
        count, length = writer.committed[dim], max(1, _PIECE // row)
        for start in range(0, count, length):
            part = slice(start, min(start + length, count))
            yield {
                v.name: writer.read(v.name, part)
                if v.name in writer.names
                else np.full((part.stop - start, *(header.sizes[d] for d in v.dims[1:])), np.nan)
                for v in here
            }
