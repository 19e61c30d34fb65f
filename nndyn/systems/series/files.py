"""Files with a series: tables of text, ``.npy`` and netCDF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nndyn.errors import DataError, UnknownNameError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.runtime.paths import located
from nndyn.systems.series import columns
from nndyn.systems.series.labelled import from_dataarray
from nndyn.systems.series.measured import Series, checked, named, refuse_lying
from nndyn.systems.series.sampling import at_even_times
from nndyn.systems.tables import files
from nndyn.systems.tables.delimited import shown_path
from nndyn.words.names import did_you_mean

SUFFIXES = (*files.SUFFIXES, ".npy", ".nc")

#: What the netCDF library writes where nothing was written, by the type of a variable.
_UNWRITTEN = {"f4": 9.969209968386869e36, "f8": 9.969209968386869e36}
_UNWRITTEN |= {"i2": -32767, "i4": -2147483647, "i8": -9223372036854775806}
_UNWRITTEN |= {"u2": 65535, "u4": 4294967295, "u8": 18446744073709551614}


def load(
    path: str | Path,
    *,
    interval: float | None = None,
    variable: str | None = None,
    group: str | None = None,
    column: str | Sequence[str] | None = None,
    time: str | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    resample: bool = False,
) -> Series:
    """Read a series from a file.

    Parameters
    ----------
    path : path-like
        A table of text, ``.csv``, ``.tsv``, ``.txt`` or ``.dat``, gzipped or not; ``.npy``; or
        ``.nc``, netCDF.
    interval : float, optional
        Time between two rows, where the file does not say; 1 unless given.
    variable : str, optional
        Which one of a ``.nc`` file; not needed where only one has numbers over one or two
        dimensions.
    group : str, optional
        Group of a ``.nc`` file, as ``a/b``.
    column, separator, decimal : optional
        Of tables; see `nndyn.systems.series.columns.read`.
    time : str, optional
        Column of a table, or dimension or variable of a ``.nc`` file, with the times.
    resample : bool, default False
        Interpolate at even times where they are uneven.

    Returns
    -------
    Series

    Raises
    ------
    UsageError
        If there is no such file, its name ends otherwise, or an option is wrong, missing or of
        other files.
    DataError
        If it cannot be read, holds anything but finite numbers, or can be read in two ways.
    """
    path = located(path)
    source = shown_path(path)
    suffix = files.suffix(path)
    if suffix not in SUFFIXES:
        raise UsageError(
            f"{source} is none of {', '.join(SUFFIXES)}; save the series as one of them"
        )
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UsageError(f"{source} {what}; give a file with a series")
    table = files.is_table(suffix)
    kind = "tables" if table else f"{suffix} files"
    for name, value, kinds in (
        ("variable", variable, ".nc files"),
        ("group", group, ".nc files"),
        ("column", column, "tables"),
        ("separator", separator, "tables"),
        ("decimal", decimal, "tables"),
        ("time", time, "tables and .nc files"),
        ("resample", resample or None, "tables and .nc files"),
    ):
        if value is not None and kind not in kinds:
            raise UsageError(f"{name} is of {kinds}; leave it out for {source}")
    try:
        if table:
            return columns.read(
                path,
                interval=interval,
                column=column,
                time=time,
                separator=separator,
                decimal=decimal,
                resample=resample,
            )
        if suffix == ".nc":
            return _netcdf(path, variable, group, time, interval, resample)
        rows = _npy(path)
    except (UsageError, DataError):
        raise
    except (OSError, ValueError, EOFError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"cannot read {source}: {reason}") from error
    return at_even_times(
        rows,
        named(None, rows.shape[1]),
        None,
        source=source,
        interval=interval,
    )


def _npy(path: Path) -> Array:
    try:
        values: Array = np.load(path, allow_pickle=False)
    except ValueError as error:  # which speaks of pickles, that nobody should load
        raise ValueError("it is no .npy file of numbers") from error
    try:
        rows = checked(values)
    except (UsageError, DataError) as error:
        raise DataError(f"{shown_path(path)}: {error}") from None
    refuse_lying(rows, "save it as .nc with a dimension 'time'", shown_path(path))
    return rows


def _netcdf(
    path: Path,
    variable: str | None,
    group: str | None,
    time: str | None,
    interval: float | None,
    resample: bool,
) -> Series:
    with _opened(path, group) as found:
        fitting = [
            str(name)
            for name, values in found.data_vars.items()
            if values.ndim
            and values.squeeze().ndim <= 2
            and values.dtype.kind in "fiu"
            and name != time
        ]
        if variable is None and len(fitting) != 1:
            groups = [] if fitting else _groups(path, group)
            if fitting:
                cure = f": {', '.join(fitting)}; name one with `variable`"
            elif groups:
                cure = f"; name a group with `group`: {', '.join(groups)}"
            else:
                sizes = [
                    f"{name} ({', '.join(f'{d} {n}' for d, n in values.sizes.items())})"
                    for name, values in found.data_vars.items()
                ]
                cure = f"; it has {', '.join(sizes) or 'none'}: choose a part and save it first"
            raise UsageError(
                f"{path} has {len(fitting)} variables over one or two dimensions{cure}"
            )
        chosen = fitting[0] if variable is None else variable
        if chosen not in found.variables:
            raise UnknownNameError(
                f"{path} has no variable {chosen!r}; it has {', '.join(fitting)}"
                f"{did_you_mean(chosen, fitting)}"
            )
        values = found[chosen]
        if time is not None and time in found.data_vars:
            values = values.assign_coords({time: found[time]})
        if values.dtype.kind not in "fiu":
            raise DataError(f"{path}: variable {chosen!r} has {values.dtype}, expected numbers")
        source = f"{path}, {chosen}"
        _refuse_unwritten(values, source)
        try:
            return from_dataarray(
                values,
                source=source,
                interval=interval,
                time=time,
                resample=resample,
                without="xarray's drop_vars",
            )
        except DataError as error:
            message = str(error)
            raise DataError(
                message if message.startswith(source) else f"{source}: {message}"
            ) from None


def _opened(path: Path, group: str | None) -> Any:
    """Open a file, its dates decoded where its calendar is one of those that can be."""
    import xarray as xr

    try:
        return xr.open_dataset(path, engine="netcdf4", group=group, decode_timedelta=False)
    except OSError as error:
        if group is None or "group" not in str(error):
            raise
        known = _groups(path, None)
        raise UnknownNameError(
            f"{path} has no group {group!r}; known: {', '.join(known) or 'none'}"
            f"{did_you_mean(group, known)}"
        ) from None
    except (ValueError, OverflowError):
        return xr.open_dataset(path, engine="netcdf4", group=group, decode_times=False)


def _groups(path: Path, group: str | None) -> list[str]:
    """Return the groups of a file that hold variables, except one and the root."""
    import xarray as xr

    groups = xr.open_groups(path, engine="netcdf4", decode_times=False)
    names = [name.strip("/") for name, found in groups.items() if found.data_vars]
    return [name for name in names if name not in ("", (group or "").strip("/"))]


def _refuse_unwritten(values: Any, source: str) -> None:
    """Refuse numbers that the netCDF library puts where nothing was written."""
    kept = np.dtype(values.encoding.get("dtype", values.dtype)).str[1:]
    if (
        kept not in _UNWRITTEN
        or "_FillValue" in values.encoding
        or "scale_factor" in (values.encoding)
    ):
        return
    bad = np.argwhere(values.values == np.dtype(kept).type(_UNWRITTEN[kept]))
    if bad.size:
        place = ", ".join(f"{d} {i}" for d, i in zip(values.dims, bad[0].tolist(), strict=True))
        raise DataError(
            f"{source}: what stands at {place} was never written; cut the series, or fill the gaps"
        )
