"""Labelled series of xarray and pandas: their time dimension, times, names and units."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import DataError, UnknownNameError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.series.columns import refuse_not_state
from nndyn.systems.series.measured import Series, checked, named, refuse_lying
from nndyn.systems.series.sampling import Times, at_even_times, of_dates, of_numbers, of_text
from nndyn.systems.tables.column_names import is_time

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: What xarray calls dimensions that were given no name.
_NAMELESS = re.compile(r"dim_[0-9]+")


def from_dataarray(
    given: xr.DataArray,
    *,
    source: str = "states",
    interval: float | None = None,
    time: str | None = None,
    resample: bool = False,
    without: str = "states.drop_vars",
) -> Series:
    """Return a series with the names, times and units of an array that has them.

    Parameters
    ----------
    given : xarray.DataArray
        Over a dimension of times and at most another; dimensions of size 1 are dropped.
    source : str
        What messages call it.
    interval : float, optional
        Between two rows, where there are no times.
    time : str, optional
        Dimension of the times, or a coordinate along it. Needed where its name does not say so.
    resample : bool
        Interpolate at even times where they are uneven.
    without : str
        What leaves times out, called with their name.

    Returns
    -------
    Series

    Raises
    ------
    UsageError
        If it has more dimensions, or which is time is not known; `UnknownNameError` if there is
        no such `time`.
    DataError
        If a number is missing, or times are uneven or no times.
    """
    along = time_dim(given, time, source)
    others = [d for d in given.dims if d != along]
    given = given.squeeze([d for d in others if given.sizes[d] == 1 and len(others) > 1])
    others = [d for d in given.dims if d != along]
    if len(others) > 1:
        sizes = ", ".join(f"{d} {n}" for d, n in given.sizes.items())
        stacked = ", ".join(map(repr, others))
        raise UsageError(
            f"{source} has dimensions {sizes}, expected time and at most one other; choose with "
            f"isel, or join them: stack(component=[{stacked}])"
        )
    if all(_NAMELESS.fullmatch(str(d)) for d in given.dims) and given.ndim == 2 and time is None:
        refuse_lying(given.values, "name the dimensions 'time' and 'component'")
    given = given.transpose(along, *others)
    rows = checked(given.values)
    names = _component_names(given, others, rows.shape[1])
    times = _times(given, along, time, source)
    units = str(given.attrs.get("units", ""))
    return at_even_times(
        rows,
        names,
        times,
        source=source,
        interval=interval,
        resample=resample,
        without=f"{without}({times.name!r})" if times else "",
        units=units,
    )


def time_dim(given: xr.DataArray, time: str | None, source: str) -> Any:
    """Return the dimension that is time.

    Returns
    -------
    hashable

    Raises
    ------
    UsageError
        If it is not known.
    UnknownNameError
        If there is no such `time`.
    """
    if time is not None:
        if time in given.dims:
            return time
        if time in given.coords and given[time].ndim == 1:
            return given[time].dims[0]
        known = ", ".join(map(str, dict.fromkeys([*given.dims, *given.coords])))
        raise UnknownNameError(f"{source} has no times called {time!r}; known: {known}")
    if given.ndim == 0:
        raise UsageError(f"{source} is a single number, expected a series over time")
    if given.ndim == 1:
        return given.dims[0]
    dated = [d for d in given.dims if d in given.indexes and _dates(given.indexes[d]) is not None]
    called = [d for d in given.dims if is_time(str(d))]
    for found in (dated, called):
        if len(found) == 1:
            return found[0]
    if all(_NAMELESS.fullmatch(str(d)) for d in given.dims):
        return given.dims[0]
    sizes = ", ".join(f"{d} {n}" for d, n in given.sizes.items())
    raise UsageError(
        f"{source} has dimensions {sizes}, and which is time is not clear; say "
        + " or ".join(f"`time={str(d)!r}`" for d in given.dims)
    )


def _component_names(given: xr.DataArray, others: list[Any], count: int) -> tuple[str, ...]:
    """Return the labels of the dimension that is not time, or the name of the array."""
    name = "x" if given.name is None else str(given.name)
    if not others:
        return (name,)
    if others[0] in given.indexes and given.indexes[others[0]].dtype.kind in "OUT":
        labels = [str(label) for label in given.indexes[others[0]]]
        if len(set(labels)) == count:
            return tuple(labels)
    return (name,) if count == 1 else tuple(f"{name}{i}" for i in range(count))


def _times(given: xr.DataArray, along: Any, time: str | None, source: str) -> Times | None:
    """Return the times along a dimension, None if there are none."""
    if time is not None and time in given.coords:
        name = time
    elif along in given.coords:
        name = str(along)
    else:
        called = [n for n, c in given.coords.items() if c.dims == (along,) and is_time(str(n))]
        if len(called) != 1:
            return None
        name = str(called[0])
    coordinate = given[name]
    unit = str(coordinate.attrs.get("units", "")).split(" since ")[0].strip()
    return _of_index(name, coordinate.to_index(), source, unit)


def from_frame(
    given: pd.Series[Any] | pd.DataFrame,
    *,
    interval: float | None = None,
    time: str | None = None,
    resample: bool = False,
) -> Series:
    """Return a series with the names of the columns of a frame and the times of its index.

    Parameters
    ----------
    given : pandas.Series or pandas.DataFrame
    interval : float, optional
        Between two rows, where the index only numbers them.
    time : str, optional
        A column with times, instead of the index.
    resample : bool
        Interpolate at even times where they are uneven.

    Returns
    -------
    Series

    Raises
    ------
    UsageError
        If a column has no numbers, or two have the same name.
    UnknownNameError
        If there is no column `time`.
    DataError
        If a number is missing, a column looks like times, or times are uneven or no times.
    """
    frame = given
    if given.ndim == 1:
        frame = given.to_frame("x" if given.name is None else given.name)
    names = [str(name) for name in frame.columns]
    unnamed = frame.columns.dtype.kind in "iu"
    times: Times | None
    if time is None:
        called = str(frame.index.name or "index")
        times = None if _counts(frame.index) else _of_index(called, frame.index, "states")
        left_out = "states.reset_index(drop=True)"
    else:
        if names.count(time) != 1:
            raise UnknownNameError(f"states has no column {time!r}; known: {', '.join(names)}")
        at = names.index(time)
        times = _of_index(time, frame.iloc[:, at], "states")
        left_out = f"states.drop(columns={time!r})"
        frame = frame.drop(columns=frame.columns[at])
        names.pop(at)
    for name, dtype in zip(names, frame.dtypes, strict=True):
        if dtype.kind not in "fiub":
            cure = f"give `time={name!r}`" if is_time(name) else "convert it"
            raise UsageError(
                f"states: column {name!r} has {dtype} and no numbers; leave it out, or {cure}"
            )
    values = frame.to_numpy(np.float64, na_value=np.nan)
    if unnamed and time is None:
        refuse_lying(values, "give states.to_numpy() with names, one for each column,")
        names = list(named(None, len(names)))
    rows = checked(values)
    labels = named(names, rows.shape[1])
    if frame.shape[1] > 1 or not unnamed:
        refuse_not_state(
            labels,
            rows,
            list(range(len(labels))),
            source="states",
            place="row {}".format,
            cure=lambda name, rest: (
                f"give `time={name!r}`, or only the columns that are state"
                + (f": states[{list(rest)!r}]" if rest else " as states.to_numpy()")
            ),
        )
    return at_even_times(
        rows,
        labels,
        times,
        source="states",
        interval=interval,
        resample=resample,
        without=left_out,
    )


def _counts(index: pd.Index[Any]) -> bool:
    """Whether an index only numbers the rows from 0."""
    return index.dtype.kind in "iu" and bool((np.asarray(index) == np.arange(len(index))).all())


def _of_index(name: str, index: Any, source: str, unit: str = "") -> Times:
    """Return the values of an index or a column as times."""
    import pandas as pd

    if isinstance(index, pd.Series):
        index = pd.Index(index)
    place: Callable[[int], str] = "row {}".format
    if isinstance(index, pd.MultiIndex):
        raise UsageError(f"{source}: the index has {index.nlevels} levels, expected times alone")
    missing = np.flatnonzero(np.asarray(index.isna()))
    if missing.size:
        raise DataError(f"{source}: {name!r} is missing in row {missing[0]}; remove the row")
    if index.dtype.kind == "m":
        return Times(name, np.asarray(index.total_seconds()), "second", [str(i) for i in index])
    if index.dtype.kind in "fiu":
        values: Array = np.asarray(index, np.float64)
        return of_numbers(name, values, unit)
    dates = _dates(index)
    if dates is None:
        return of_text(name, [str(label) for label in index], source, place)
    return of_dates(name, dates)


def _dates(index: Any) -> Any:
    """Return an index as dates, None if it has none."""
    import pandas as pd
    import xarray as xr

    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp()
    if isinstance(index, pd.DatetimeIndex):
        return index.tz_convert(None) if index.tz is not None else index
    return index if isinstance(index, xr.CFTimeIndex) else None
