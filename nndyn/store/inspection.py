"""Inspection of a recording before any of its values is used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import RecordingError
from nndyn.header import CURE, Stated, read
from nndyn.store.checks import Checks, check_header
from nndyn.store.chunk_index import faults
from nndyn.store.committed import attributes, rows_of, slot_of
from nndyn.store.digests import OF_THE_FILE
from nndyn.store.layout import EXTENTS, is_copy

if TYPE_CHECKING:
    import netCDF4


@dataclass(frozen=True)
class Inspected:
    """What was found.

    Attributes
    ----------
    attrs : Stated
    rows : dict of str to int
        Committed rows of each growing dimension.
    checks : Checks or None
        Its digests; none in a file of an earlier version.
    """

    attrs: Stated
    rows: dict[str, int]
    checks: Checks | None


def inspected(path: Path, nc: netCDF4.Dataset, *, moved: bool = False) -> Inspected:
    """Check header, counters and chunk indices of a recording that nndyn laid out.

    Parameters
    ----------
    path : Path
    nc : netCDF4.Dataset
        The same file, open.
    moved : bool, default False
        As of `faults`, of a file with digests: whether it is only read.

    Returns
    -------
    Inspected

    Raises
    ------
    RecordingError
        With the first thing that is wrong.
    """
    sealed = check_header(path, nc)
    attrs = read(attributes(path, nc), str(path))
    rows = rows_of(path, nc, attrs.n_committed, sealed=sealed)
    for fault in faults(path, nc, rows, slot_of(nc, rows["time"]), moved=moved and sealed):
        raise RecordingError(f"{path} is damaged: {fault}; {CURE}")
    return Inspected(attrs, rows, Checks(path, nc, rows) if sealed else None)


def writable(path: Path, nc: netCDF4.Dataset) -> dict[str, Any]:
    """Return the attributes of a recording that a writer may go on with.

    Parameters
    ----------
    path : Path
    nc : netCDF4.Dataset
        The same file, open.

    Returns
    -------
    dict of str to value
        Without those that the digests of the whole file are in.

    Raises
    ------
    RecordingError
        If some are missing, or another program copied it.
    """
    attrs = {name: plain(value) for name, value in attributes(path, nc).items()}
    missing = {EXTENTS, "n_committed", "recording_id", "block"} - set(attrs)
    if missing:
        raise RecordingError(
            f"{path} is not a recording this version can go on writing: attribute "
            f"{min(missing)!r} is missing; record to another name"
        )
    if is_copy(path, attrs):
        raise RecordingError(
            f"{path} is a copy that another program made, which this version cannot go on "
            "writing; resume the original, or record to another name"
        )
    return {name: value for name, value in attrs.items() if name not in OF_THE_FILE}


def plain(value: Any) -> Any:
    """Return a value of an attribute as Python has it."""
    return value.item() if isinstance(value, np.generic) else value
