"""Committed rows of an open recording, by variable."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import RecordingError
from nndyn.header import CURE
from nndyn.kinds import shown
from nndyn.numerics.arrays import Array
from nndyn.recording import variable
from nndyn.store import digests
from nndyn.store.layout import growing

if TYPE_CHECKING:
    import netCDF4


def committed_rows(coordinates: Mapping[str, Array], n_committed: int) -> dict[str, int]:
    """Rows of each growing dimension that belong to the last commit.

    Parameters
    ----------
    coordinates : mapping of str to array
        The coordinate of each growing dimension, ``time`` among them.
    n_committed : int
        Number of committed times.

    Returns
    -------
    dict of str to int
        Of ``time``, `n_committed`; of the others, the leading entries that increase strictly and
        do not exceed the last committed time.
    """
    time = coordinates["time"][:n_committed]
    rows = {"time": n_committed}
    for dim, values in coordinates.items():
        if dim != "time":
            good = values <= time[-1] if time.size else np.zeros(values.shape, dtype=bool)
            good[1:] &= np.diff(values) > 0
            rows[dim] = int(np.argmin(good)) if not good.all() else int(values.size)
    return rows


def own(nc: netCDF4.Dataset) -> dict[str, netCDF4.Variable[Any]]:
    """Return the variables that are the writer's: those of the schema and digests, in chunks."""
    found = {
        name: nc.variables[name]
        for name in nc.variables
        if name == digests.NAME or variable(name) is not None
    }
    return {n: v for n, v in found.items() if v.chunking() != "contiguous" and _plain(v)}


def attributes(path: Path, nc: netCDF4.Dataset) -> dict[str, Any]:
    """Return the global attributes of an open file.

    Parameters
    ----------
    path : Path
    nc : netCDF4.Dataset

    Returns
    -------
    dict of str to value

    Raises
    ------
    RecordingError
        If one cannot be read.
    """
    try:
        return {name: nc.getncattr(name) for name in nc.ncattrs()}
    except (AttributeError, KeyError, RuntimeError, ValueError) as error:
        raise RecordingError(
            f"{path} is damaged: an attribute cannot be read ({error}); {CURE}"
        ) from error


def rows_of(path: Path, nc: netCDF4.Dataset, n_committed: int, *, sealed: bool) -> dict[str, int]:
    """Return the committed rows of each growing dimension of an open file.

    Parameters
    ----------
    path : Path
    nc : netCDF4.Dataset
    n_committed : int
        Number of committed times.
    sealed : bool
        Whether it has digests, and so says how many.

    Returns
    -------
    dict of str to int
        As stored; of files without digests, `committed_rows`.

    Raises
    ------
    RecordingError
        If the file has less, or times do not increase.
    """
    dims = {d for v in own(nc).values() if (d := growing(v.dimensions)) is not None}
    dims |= {"time"}
    for dim in dims:
        _check_coordinate(path, nc, dim)
    found = {d: len(nc.dimensions[d]) for d in dims}
    if n_committed > found["time"]:
        raise RecordingError(
            f"{path} is damaged: {n_committed} times committed, {found['time']} found; {CURE}"
        )
    if not sealed:
        return committed_rows({d: np.asarray(nc[d][:]) for d in dims}, n_committed)
    rows = _counts(path, nc)
    listed = nc.variables.get(digests.NAME)
    if listed is None or listed.dimensions[:1] != (digests.DIM,) or not _plain(listed):
        raise RecordingError(f"{path} is damaged: its digests are not a list; {CURE}")
    found[digests.DIM] = nc[digests.NAME].shape[0]
    short = [d for d in found if not 0 <= rows.get(d, -1) <= found[d]]
    if short or rows["time"] != n_committed:
        dim = short[0] if short else "time"
        raise RecordingError(
            f"{path} is damaged: {rows.get(dim)} rows of {dim} committed, {found[dim]} found; "
            f"{CURE}"
        )
    return rows


def _plain(variable: netCDF4.Variable[Any]) -> bool:
    """Whether values are numbers or characters: texts of any length have no type of numpy's."""
    return isinstance(variable.dtype, np.dtype)


def _check_coordinate(path: Path, nc: netCDF4.Dataset, dim: str) -> None:
    if dim not in nc.variables:
        raise RecordingError(f"{path} is incomplete: coordinate {dim!r} is missing")
    variable = nc.variables[dim]
    if variable.dimensions != (dim,) or not _plain(variable) or variable.dtype.kind != "f":
        raise RecordingError(
            f"{path} is damaged: {dim} is {variable.dtype} over {variable.dimensions}, expected "
            f"float64 over {(dim,)}; {CURE}"
        )


def _counts(path: Path, nc: netCDF4.Dataset) -> dict[str, int]:
    dims, counts = nc.getncattr(digests.DIMENSIONS), np.atleast_1d(nc.getncattr(digests.COUNTS))
    names = dims.split() if isinstance(dims, str) else []
    if counts.dtype.kind not in "iu" or counts.shape != (len(names),):
        raise RecordingError(
            f"{path} is damaged: {digests.COUNTS} is {shown(counts.tolist())}, expected a whole "
            f"number for each of {digests.DIMENSIONS}, {shown(dims)}; {CURE}"
        )
    return {name: int(n) for name, n in zip(names, counts, strict=True)}


def check_times(path: Path, coordinates: Mapping[str, Array]) -> None:
    """Check that committed times can be.

    Parameters
    ----------
    path : Path
    coordinates : mapping of str to array
        Committed values of the coordinate of each growing dimension, ``time`` among them.

    Raises
    ------
    RecordingError
        If one does not increase, is not finite, or goes beyond the last time.
    """
    end = coordinates["time"][-1:]
    for dim, values in coordinates.items():
        if not np.isfinite(values).all() or (np.diff(values) <= 0).any():
            raise RecordingError(f"{path} is damaged: {dim} does not increase; {CURE}")
        if values.size and not (end.size and values[-1] <= end[0]):
            raise RecordingError(f"{path} is damaged: {dim} goes beyond the last time; {CURE}")


def slot_of(nc: netCDF4.Dataset, n_committed: int) -> int | None:
    """Return the slot of the last checkpoint of an open file, None if there is none."""
    if "checkpoint_step" not in nc.variables:
        return None
    attrs = {name: nc.getncattr(name) for name in nc.ncattrs()}
    return newest(np.asarray(nc["checkpoint_step"][:]), n_committed, behind(attrs))


def behind(attrs: Mapping[str, Any]) -> int:
    """Return how many times there may be after the last checkpoint of a recording."""
    every = int(attrs.get("checkpoint_every", 1))
    return (every - 1) * int(attrs.get("block", 1))


def newest(steps: Array, n_committed: int, behind: int) -> int | None:
    """Return the slot of the last checkpoint.

    Parameters
    ----------
    steps : (slots,) int64
        Their steps, -1 where there is none.
    n_committed : int
    behind : int
        Times that there may be after it.

    Returns
    -------
    int or None
        None where there is none, of a step that is committed and not further behind.
    """
    good = (steps >= max(n_committed - 1 - behind, 0)) & (steps < n_committed)
    return int(np.where(good, steps, -1).argmax()) if good.any() else None
