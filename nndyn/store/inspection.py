"""What of a recording is checked before any of its values is used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nndyn.errors import RecordingError
from nndyn.store.checks import Checks, check_header
from nndyn.store.index import faults
from nndyn.store.layout import rows_of, slot_of

if TYPE_CHECKING:
    import netCDF4


def inspected(path: Path, nc: netCDF4.Dataset) -> tuple[dict[str, int], Checks | None]:
    """Check counters, header and chunk indices of a recording that nndyn laid out.

    Parameters
    ----------
    path : Path
    nc : netCDF4.Dataset
        The same file, open.

    Returns
    -------
    dict of str to int
        Committed rows of each growing dimension.
    Checks or None
        Its digests; none in a file of an earlier version.

    Raises
    ------
    RecordingError
        With the first thing that is wrong.
    """
    rows = rows_of(path, nc, int(nc.getncattr("n_committed")))
    sealed = check_header(path, nc)
    for fault in faults(path, nc, rows, slot_of(nc, rows["time"])):
        raise RecordingError(f"{path} is damaged: {fault}; restore it from a copy")
    return rows, Checks(path, nc, rows) if sealed else None
