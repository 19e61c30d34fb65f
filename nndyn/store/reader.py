"""Reader of recordings: a lazy ``xarray.Dataset`` of the committed rows, validated."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import NndynError, RecordingError, StoreError, UsageError
from nndyn.header import CURE, PIECE, read
from nndyn.recording import GROWING, arranged
from nndyn.store import journal as journals
from nndyn.store.checks import Checks
from nndyn.store.committed import attributes, behind, check_times, committed_rows, newest
from nndyn.store.digests import HEADER
from nndyn.store.inspection import inspected
from nndyn.store.layout import EXTENTS, growing, is_copy
from nndyn.store.library import (
    check_held,
    check_lengths,
    check_signature,
    exclusive,
    explain,
    reading,
    small_cache,
)
from nndyn.store.locks import existing
from nndyn.validity import validate

if TYPE_CHECKING:
    import netCDF4
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
    A file that is being written is shown as of its last commit, by this function alone: what plain
    `xarray.open_dataset` gives of it may be other values, until its ``status`` is ``complete`` or
    ``stopped``. One that a process of another host has is only read, between two of its blocks.

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
        ``buffers`` of what follows the weights in a phase. A piece that another program saved, such
        as xarray, has the attribute ``piece_of``, the times of the whole.

    Raises
    ------
    MissingRecordingError
        If there is no such file.
    UsageError
        If `path` is a folder.
    RecordingError
        If it is not a recording, damaged, or cannot be repaired; or a block of it is being written
        for seconds, or was left by a process of another host.
    StoreError
        If it has another `identity`, or writing it failed earlier in this process and the library
        will not let go of it.

    Notes
    -----
    Reads coordinates, per-replica variables, the chunk indices (about 50 bytes a chunk) and the
    digests (40 bytes). Values are read when they are used, and each chunk is then compared with its
    digest, once for each time that the file is opened: a RecordingError is raised where it differs.
    A file of an earlier version, which has no digests, is opened with a warning.
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
        running = bool(journals.settle(path, max(0.0, deadline - time.monotonic())))
        check_signature(path)
        check_held(path)
        before = path.stat()
        try:
            recording = _open(path, chunks, warm=running)
        except RecordingError:
            # A running file may have changed under our hands; a quiet one is what it is.
            if not _changed(path, before):
                raise
        else:
            if not _changed(path, before):
                return recording
            recording.close()
        if time.monotonic() > deadline:
            raise journals.UnsettledError(
                f"{path} is written faster than it opens; try again in a moment"
            )


def _changed(path: Path, before: Any) -> bool:
    now = path.stat()
    same = (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    return not same or journals.busy(path)


@exclusive
def _open(path: Path, chunks: Mapping[str, int] | None, *, warm: bool) -> xr.Dataset:
    from nndyn.store.lazily import opened

    rows: dict[str, int] | None = None

    def checked(nc: netCDF4.Dataset) -> Checks | None:
        nonlocal rows
        rows, checks = _inspected(path, nc)
        return checks

    try:
        with small_cache():
            recording = opened(path, checked, chunks)
    except NndynError:
        raise
    except (OSError, RuntimeError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise explain(path, error) from error
    try:
        with reading(path), _in_this_thread(chunks):
            validate(recording, str(path))
            recording = _trimmed(recording, path, rows)
            if warm:
                _warm(recording)
    except BaseException:
        recording.close()
        raise
    recording.attrs.pop(EXTENTS, None)
    recording.encoding["source"] = str(path)
    return recording


def _in_this_thread(chunks: Mapping[str, int] | None) -> AbstractContextManager[object]:
    """Let dask compute here, not in threads that would wait for the library, which this one has."""
    if chunks is None:
        return nullcontext()
    import dask

    return dask.config.set(scheduler="synchronous")


def _inspected(path: Path, nc: netCDF4.Dataset) -> tuple[dict[str, int] | None, Checks | None]:
    """Return committed rows and digests of a recording as nndyn laid it out; None of others."""
    with reading(path):
        check_lengths(path, nc)
        attrs = attributes(path, nc)
        if is_copy(path, attrs):
            read(attrs, str(path))
            if HEADER in attrs:
                _warn(
                    path,
                    "was written anew by another program: its digests are not checked; where "
                    "it should be the file that was recorded, restore that from a copy",
                )
            return None, None
        found = inspected(path, nc, moved=True)
    if found.checks is None:
        _warn(
            path,
            "has no digests, as earlier versions of nndyn wrote it: parts of it that were "
            "lost or exchanged would not all be noticed; keep a checksum of it, or record it again",
        )
    return found.rows, found.checks


@functools.lru_cache(maxsize=1024)  # once for each file
def _warn(path: Path, what: str) -> None:
    warnings.warn(f"{path} {what}", stacklevel=2)


def _trimmed(recording: xr.Dataset, path: Path, rows: dict[str, int] | None) -> xr.Dataset:
    """Keep the committed rows and the committed checkpoint slot; name the components."""
    from nndyn.store.components import named

    dims = [d for d in GROWING if d in recording.dims]
    missing = [d for d in dims if d not in recording.coords]
    if missing:
        raise RecordingError(f"{path} is incomplete: coordinate {missing[0]!r} is missing")
    n = int(recording.attrs["n_committed"])
    found = recording.sizes["time"]
    if n > found and rows is None:  # a piece
        recording.attrs |= {"n_committed": found, PIECE: n}
        n = found
    if n > found:
        raise RecordingError(f"{path} is damaged: {n} times committed, {found} found; {CURE}")
    if rows is None:
        rows = committed_rows({d: recording[d].values for d in dims}, n)
    keep: dict[str, Any] = {d: slice(0, rows[d]) for d in dims}
    if "checkpoint_step" in recording:
        slot = newest(recording["checkpoint_step"].values, n, behind(recording.attrs))
        keep["slot"] = [] if slot is None else [slot]
    closer = recording.close
    trimmed = arranged(named(recording.isel(keep)))
    trimmed.set_close(closer)
    check_times(path, {d: trimmed[d].values for d in dims})
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
