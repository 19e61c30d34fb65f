"""The validated way in: a recording as an ``xarray.Dataset``, lazily, and only what counts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import RecordingError, StoreError, UsageError
from nndyn.recording import GROWING, validate
from nndyn.store import journal as journals
from nndyn.store.index import faults
from nndyn.store.layout import EXTENTS, committed_rows, growing, rows_of, slot_of
from nndyn.store.library import (
    check_held,
    check_signature,
    exclusive,
    explain,
    open_netcdf,
    reading,
    small_cache,
)
from nndyn.store.locks import existing

if TYPE_CHECKING:
    import xarray as xr

_LOST = (
    "{path} was recorded, and is no longer what was recorded: it was removed, moved or replaced "
    "since; look for it under another name, or record it again"
)
_PATIENCE = 5.0  # s, for a moment in which a running file stands still


def open_recording(
    path: str | Path, *, chunks: Mapping[str, int] | None = None, identity: str | None = None
) -> xr.Dataset:
    """Open a recording: validated, lazy, trimmed to what is committed.

    A file that a dead writer left in the middle of a block is first put back to its last commit.
    A file that is being written is shown as of its last commit.

    Parameters
    ----------
    path : str or Path
    chunks : mapping of str to int, optional
        Give dask arrays of these chunks, as in `xarray.open_dataset`.
    identity : str, optional
        The ``recording_id`` it has to have.

    Returns
    -------
    xarray.Dataset
        ``encoding["source"]`` is `path`. Of the two checkpoint slots only the committed one is
        there. Before the first commit of a run there are no times. ``parameter``, a coordinate
        along ``component``, is the name of the parameter that a component belongs to, and
        ``buffers`` of what follows the weights in a phase.

    Raises
    ------
    MissingRecordingError
        If there is no such file.
    UsageError
        If `path` is a folder.
    RecordingError
        If it is not a recording, damaged, or cannot be repaired.
    StoreError
        If it has another `identity`, or writing it failed earlier in this process and the library
        will not let go of it.

    Notes
    -----
    Reads coordinates, per-replica variables, and the chunk indices (about 50 bytes a chunk). Values
    are read when they are used, and a checksum that does not match surfaces only then, as the
    library's RuntimeError: see `reading`.
    """
    if identity is None:
        return _opened(existing(path), chunks)
    try:
        recording = _opened(existing(path), chunks)
    except (UsageError, RecordingError) as error:
        raise StoreError(f"{_LOST.format(path=path)} ({error})") from error
    if recording.attrs["recording_id"] != identity:
        recording.close()
        raise StoreError(_LOST.format(path=path))
    return recording


def _opened(path: Path, chunks: Mapping[str, int] | None) -> xr.Dataset:
    deadline = time.monotonic() + _PATIENCE
    while True:
        running = journals.settle(path, max(0.0, deadline - time.monotonic()))
        check_signature(path)
        check_held(path)
        before = path.stat()
        try:
            recording = _open(path, chunks, warm=running)
        except RecordingError:
            # A running file may have changed under our hands; a quiet one is what it is.
            if not (running and _changed(path, before) and time.monotonic() < deadline):
                raise
            continue
        if not running or not _changed(path, before):
            return recording
        recording.close()
        if time.monotonic() > deadline:
            raise RecordingError(f"{path} is written faster than it opens; try again in a moment")


def _changed(path: Path, before: Any) -> bool:
    now = path.stat()
    same = (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    return not same or journals.busy(path)


@exclusive
def _open(path: Path, chunks: Mapping[str, int] | None, *, warm: bool) -> xr.Dataset:
    import xarray as xr

    try:
        with small_cache():
            recording = xr.open_dataset(
                path,
                engine="netcdf4",
                chunks=chunks,
                mask_and_scale=False,
                decode_times=False,
                decode_timedelta=False,
            )
    except (OSError, RuntimeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise explain(path, error) from error
    try:
        with reading(path):
            validate(recording, str(path))
            recording = _trimmed(recording, path)
            check_indices(path)
            if warm:
                _warm(recording)
    except BaseException:
        recording.close()
        raise
    recording.attrs.pop(EXTENTS, None)
    recording.encoding["source"] = str(path)
    return recording


def _trimmed(recording: xr.Dataset, path: Path) -> xr.Dataset:
    """Keep the committed rows and the committed checkpoint slot; name the components."""
    from nndyn.components import named

    dims = [d for d in GROWING if d in recording.dims]
    missing = [d for d in dims if d not in recording.coords]
    if missing:
        raise RecordingError(f"{path} is incomplete: coordinate {missing[0]!r} is missing")
    n = int(recording.attrs["n_committed"])
    found = recording.sizes["time"]
    if not 0 <= n <= found:
        raise RecordingError(
            f"{path} is damaged: {n} times committed, {found} found; restore it from a copy"
        )
    rows = committed_rows({d: recording[d].values for d in dims}, n)
    keep: dict[str, Any] = {d: slice(0, count) for d, count in rows.items()}
    if "checkpoint_step" in recording:
        keep["slot"] = np.flatnonzero(recording["checkpoint_step"].values == n - 1)[:1]
    closer = recording.close
    trimmed = named(recording.isel(keep))
    trimmed.set_close(closer)
    return trimmed


def _warm(recording: xr.Dataset) -> None:
    """Read the last row of every growing variable.

    The library remembers the nodes of a chunk index it has read, and looks up the others when it
    needs them. Were the end of an index read only after the writer had split it, the chunks that
    moved would not be found and their values be made up. Read now, between two blocks, the whole
    last path is remembered; what lies before it does not change.
    """
    for variable in recording.variables.values():
        if growing(tuple(map(str, variable.dims))) is not None and variable.shape[0]:
            np.asarray(variable[-1:].values)


def check_indices(path: Path) -> None:
    """Check that the chunk indices lead to every committed chunk.

    Parameters
    ----------
    path : Path

    Raises
    ------
    RecordingError
        With the first thing that is wrong.
    """
    with contextlib.closing(open_netcdf(path, "r")) as nc:
        n = int(nc.getncattr("n_committed"))
        for fault in faults(path, nc, rows_of(nc, n), slot_of(nc, n)):
            raise RecordingError(f"{path} is damaged: {fault}; restore it from a copy")
