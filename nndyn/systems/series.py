"""Measured series as recordings: what comes from an experiment or another program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nndyn.errors import DataError, UsageError
from nndyn.header import SCHEMA
from nndyn.provenance import digest
from nndyn.recording import CONVENTIONS, REFERENCE, VARIABLES, validate

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[Any]

SUFFIXES = (".csv", ".npy", ".nc")


def from_array(
    states: Any, interval: float = 1.0, *, names: Sequence[str] | None = None
) -> xr.Dataset:
    """Return a measured series as a recording in memory, for every analyzer that takes one.

    Parameters
    ----------
    states : array_like, (T,) or (T, D)
        Real numbers, a time a row.
    interval : float, default 1
        Time between two rows, in time units; rows are steps where it is 1.
    names : sequence of str, optional
        Of the D columns.

    Returns
    -------
    xarray.Dataset
        With ``state`` (time, replica, component), float64, of one replica, the reference;
        ``stationary`` is 1.

    Raises
    ------
    UsageError
        If `states` is no array of real numbers with one or two dimensions, `interval` is not
        above 0, or there is not one name a column.
    DataError
        If it is empty, or a number is not finite.

    Notes
    -----
    One pass. Numbers that are float64 and contiguous are not copied.

    Examples
    --------
    >>> recording = from_array(np.sin(0.1 * np.arange(1000)), interval=0.1)
    >>> recording.sizes["time"]
    1000
    """
    import xarray as xr

    rows = _rows(states)
    step = _interval(interval)
    layout = _names(names, rows.shape[1])
    T = len(rows)
    unit = "step" if step == 1.0 else "time unit"
    values = {
        "time": step * np.arange(T),
        "state": rows[:, None],
        "log_rescale": np.zeros((T, 1)),
        **fixed(layout),
    }
    data = {}
    for name, array in values.items():
        variable = VARIABLES[name]
        units = unit if variable.units == "time" else variable.units
        attrs = {"long_name": variable.long_name, "units": units, **variable.attrs}
        data[name] = (variable.dims, array, attrs)
    manifest = {"system": describe(rows, step, layout), "recording": {}, "steps": T - 1}
    attrs = {
        "Conventions": CONVENTIONS,
        "nndyn_schema": SCHEMA,
        "recording_id": digest(rows)[:32],
        "status": "complete",
        "stop_reason": "",
        "stationary": 1,
        "n_committed": T,
        "redrawn": "[]",
        "manifest": json.dumps(manifest),
    }
    return validate(xr.Dataset(data, attrs=attrs).set_coords("time"), "the series")


def fixed(names: Sequence[str]) -> dict[str, Array]:
    """Return the variables of a series that do not grow."""
    return {
        "role": np.array([REFERENCE], np.int8),
        "perturbation": np.zeros(1),
        "pair": np.array([-1], np.int32),
        "diverged_at": np.array([-1], np.int64),
        "parameter_name": np.array(names, dtype=object),
        "parameter_start": np.arange(len(names), dtype=np.int64),
        "parameter_size": np.ones(len(names), np.int64),
    }


def describe(rows: Array, interval: float, names: Sequence[str]) -> dict[str, Any]:
    """Return what a manifest says of a series, as JSON values."""
    return {"kind": "series", "interval": interval, "columns": list(names), "sha256": digest(rows)}


def load(path: str | Path, variable: str | None = None) -> tuple[Array, tuple[str, ...]]:
    """Read a series from a file.

    Parameters
    ----------
    path : path-like
        ``.csv``, with or without a line of names; ``.npy``; or ``.nc``, netCDF.
    variable : str, optional
        Which one of a ``.nc`` file; not needed where only one has numbers over one or two
        dimensions.

    Returns
    -------
    rows : (T, D) float64
    names : tuple of str

    Raises
    ------
    UsageError
        If there is no such file, its name ends otherwise, or `variable` is wrong or missing.
    DataError
        If it cannot be read, or holds anything but finite numbers.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path} is none of {', '.join(SUFFIXES)}; save the series as one of them")
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UsageError(f"{path} {what}; give a file with a series")
    if variable is not None and suffix != ".nc":
        raise UsageError(f"variable {variable!r} is of .nc files; {path} has none by name")
    names: Sequence[str] | None = None
    try:
        if suffix == ".npy":
            values = _npy(path)
        elif suffix == ".csv":
            values, names = _csv(path)
        else:
            values = _netcdf(path, variable)
    except UsageError:
        raise
    except (OSError, ValueError, EOFError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"cannot read {path}: {reason}") from error
    try:
        rows = _rows(values)
    except (UsageError, DataError) as error:
        raise DataError(f"{path}: {error}") from None
    return rows, _names(names, rows.shape[1])


def _npy(path: Path) -> Array:
    try:
        values: Array = np.load(path, allow_pickle=False)
    except ValueError as error:  # which speaks of pickles, that nobody should load
        raise ValueError("it is no .npy file of numbers") from error
    return values


def _csv(path: Path) -> tuple[Array, Sequence[str] | None]:
    with path.open(encoding="utf-8-sig") as file:
        head = file.readline()
    fields = [field.strip().strip('"') for field in head.split(",")]
    named = not all(_is_number(field) for field in fields)
    values = np.loadtxt(path, delimiter=",", skiprows=int(named), ndmin=2, encoding="utf-8-sig")
    return values, fields if named else None


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _netcdf(path: Path, variable: str | None) -> Array:
    import xarray as xr

    with xr.open_dataset(path, engine="netcdf4", decode_times=False) as found:
        fitting = [
            str(name)
            for name, values in found.data_vars.items()
            if values.ndim in (1, 2) and values.dtype.kind in "fiu"
        ]
        if variable is None and len(fitting) != 1:
            raise UsageError(
                f"{path} has {len(fitting)} variables over one or two dimensions"
                + (f": {', '.join(fitting)}; name one with --variable" if fitting else "")
            )
        chosen = fitting[0] if variable is None else variable
        if chosen not in found.variables:
            raise UsageError(f"{path} has no variable {chosen!r}; it has {', '.join(fitting)}")
        values: Array = found[chosen].values
    return values


def _rows(states: Any) -> Array:
    """Check a series and return it as (T, D) float64."""
    try:
        given = np.asarray(states)
    except ValueError:
        given = np.zeros(0, dtype=object)
    if given.dtype.kind not in "fiub" or given.ndim not in (1, 2):
        raise UsageError(
            f"states is an array of {given.dtype} with shape {given.shape}, expected real numbers "
            "(T,) or (T, D)"
        )
    rows = np.ascontiguousarray(given, np.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if not rows.size:
        raise DataError(f"the series is empty: its shape is {given.shape}")
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size:
        others = f" and {bad.size - 1} others" if bad.size > 1 else ""
        raise DataError(
            f"the series is not finite in row {bad[0]}{others}; cut it, or fill the gaps"
        )
    return rows


def _interval(interval: Any) -> float:
    number = isinstance(interval, int | float | np.number) and not isinstance(interval, bool)
    if not number or not np.isfinite(interval) or not interval > 0:
        raise UsageError(f"interval is {interval!r}, expected a time above 0")
    return float(interval)


def _names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if names is None:
        return ("x",) if count == 1 else tuple(f"x{i}" for i in range(count))
    if isinstance(names, str) or len(names) != count:
        raise UsageError(f"names are {names!r}, expected one for each of {count} columns")
    return tuple(str(name) for name in names)
