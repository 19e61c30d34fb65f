"""What a recording says of itself, without opening it as a Dataset."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from nndyn.errors import RecordingError
from nndyn.store import journal as journals
from nndyn.store.checks import check_header
from nndyn.store.layout import is_copy
from nndyn.store.library import exclusive, open_netcdf
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
    """

    id: str
    status: str
    stop_reason: str
    committed: int
    bytes: int


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
    with contextlib.closing(open_netcdf(path, "r")) as nc:
        try:
            committed = int(nc.getncattr("n_committed"))
            if is_copy(path, {a: nc.getncattr(a) for a in nc.ncattrs()}):
                committed = min(committed, nc.dimensions["time"].size)  # a piece has fewer
            else:
                check_header(path, nc)
            return Facts(
                id=str(nc.getncattr("recording_id")),
                status=str(nc.getncattr("status")),
                stop_reason=str(nc.getncattr("stop_reason")),
                committed=committed,
                bytes=path.stat().st_size,
            )
        except (AttributeError, KeyError, RuntimeError) as error:
            raise RecordingError(
                f"{path} is not an nndyn recording, or damaged: {error}; restore it from a copy"
            ) from error
