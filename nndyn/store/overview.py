"""Facts about a recording, read without opening it as a Dataset."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nndyn.header import read
from nndyn.store import journal as journals
from nndyn.store.checks import check_header
from nndyn.store.committed import attributes
from nndyn.store.layout import is_copy
from nndyn.store.library import exclusive, open_netcdf, reading
from nndyn.store.locks import existing


@dataclass(frozen=True)
class Facts:
    """Identity and state of a recording.

    Attributes
    ----------
    id, status, stop_reason : str
    committed : int
        Times.
    bytes : int
        Size of the file.
    copied : bool
        Whether another program wrote the file anew, from the recording or a piece of it.
    manifest : dict
        How it was made: see `nndyn.header.manifest`.
    """

    id: str
    status: str
    stop_reason: str
    committed: int
    bytes: int
    copied: bool
    manifest: dict[str, Any]


def facts(path: str | Path) -> Facts:
    """Return what a recording says of itself.

    A file that a dead writer left in the middle of a block is first put back to its last commit.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Facts

    Raises
    ------
    MissingRecordingError
        If there is no such file.
    RecordingError
        If it is no recording, so damaged that its attributes cannot be read, or cannot be put back.
    """
    path = existing(path)
    journals.settle(path)
    return _read(path)


@exclusive
def _read(path: Path) -> Facts:
    with reading(path), contextlib.closing(open_netcdf(path, "r")) as nc:
        found = attributes(path, nc)
        copied = is_copy(path, found)
        if not copied:
            check_header(path, nc)
        attrs = read(found, str(path))
        committed = attrs.n_committed
        if copied and "time" in nc.dimensions:
            committed = min(committed, len(nc.dimensions["time"]))  # a piece has fewer
        return Facts(
            id=attrs.id,
            status=attrs.status,
            stop_reason=attrs.stop_reason,
            committed=committed,
            bytes=path.stat().st_size,
            copied=copied,
            manifest=attrs.manifest,
        )
