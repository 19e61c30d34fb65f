"""Times of a series: numbers or dates, whether they are even, and rows at even times if not."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.series.measured import Series, interval_of
from nndyn.systems.tables.column_names import unit_of
from nndyn.systems.tables.delimited import shown

#: Times may be so far from an even grid, in intervals: as rounding in print puts them.
_JITTER = 0.01
#: Resampling may make so many rows of one.
_MOST = 10

_DAY_MONTH = re.compile(r"([0-9]{1,2})([./-])([0-9]{1,2})\2([0-9]{4})(.*)", re.DOTALL)
_YEAR_FIRST = re.compile(r"([0-9]{4})[./]([0-9]{1,2})(?:[./]([0-9]{1,2}))?(?![0-9])")
_COMPACT = re.compile(r"(1[0-9]|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])")


@dataclass(frozen=True)
class Times:
    """When the rows of a series were measured.

    Attributes
    ----------
    name : str
    values : (T,) float64
        In `unit`.
    unit : str
        Empty if it is not known.
    labels : sequence
        The times as they were given.
    months : (T,) int64 or None
        Months since year 0, where all dates are at the same time of the same day of a month, or
        of its last day.
    """

    name: str
    values: Array
    unit: str
    labels: Sequence[Any]
    months: Array | None = None


def of_numbers(name: str, values: Array, unit: str = "") -> Times:
    """Return numbers as times; the unit is that in their name unless it is given."""
    return Times(name, np.asarray(values, np.float64), unit or unit_of(name), values.tolist())


def of_dates(name: str, index: Any) -> Times:
    """Return the dates of a `pandas.DatetimeIndex` or `xarray.CFTimeIndex` as times."""
    seconds = np.asarray((index - index[0]).total_seconds(), np.float64)
    day = not (seconds % 86400).any()
    number, clock = np.asarray(index.day), np.asarray(index.hour)
    ends = (number == np.asarray(index.days_in_month)).all()
    monthly = (ends or (number == number[0]).all()) and (clock == clock[0]).all()
    months = np.asarray(index.year, np.int64) * 12 + np.asarray(index.month)
    return Times(
        name,
        seconds / 86400 if day else seconds,
        "day" if day else "second",
        [date.isoformat().removesuffix("T00:00:00") for date in index],
        months if monthly else None,
    )


def of_text(name: str, fields: Sequence[str], source: str, place: Callable[[int], str]) -> Times:
    """Return dates that are text as times.

    Parameters
    ----------
    name : str
    fields : sequence of str
        As in ISO 8601, or with the year behind day and month.
    source : str
        What messages call what they come from.
    place : callable
        Returns what messages call a row.

    Returns
    -------
    Times

    Raises
    ------
    DataError
        If one is no date, or day and month cannot be told apart.
    """
    import pandas as pd

    behind = [_DAY_MONTH.fullmatch(field.strip()) for field in fields]
    parted = [match for match in behind if match]
    first = any(int(match[1]) > 12 for match in parted) or any(m[2] == "." for m in parted)
    second = any(int(match[3]) > 12 for match in parted)
    if parted and not first and not second:
        raise DataError(
            f"{source}: {name!r} has {shown(parted[0][0])}, and no date tells its day from its "
            "month; write dates as 2020-01-31"
        )
    written = [
        _YEAR_FIRST.sub(lambda m: "-".join(filter(None, m.groups())), field.strip(), count=1)
        if match is None
        else f"{match[4]}-{match[3 if first else 1]:0>2}-{match[1 if first else 3]:0>2}{match[5]}"
        for field, match in zip(fields, behind, strict=True)
    ]
    dates = pd.to_datetime(
        pd.Series(written, dtype=object), format="ISO8601", utc=True, errors="coerce"
    )
    bad = np.flatnonzero(dates.isna())
    if bad.size:
        row = int(bad[0])
        raise DataError(
            f"{source}: {place(row)} has {shown(fields[row].strip())} for {name!r}, neither a "
            "number nor a date such as 2020-01-31 or 2020-01-31 12:00; write it so"
        )
    return of_dates(name, pd.DatetimeIndex(dates).tz_localize(None))


def at_even_times(
    rows: Array,
    names: tuple[str, ...],
    times: Times | None,
    *,
    source: str,
    place: Callable[[int], str] = "row {}".format,
    interval: float | None = None,
    resample: bool = False,
    without: str = "`interval`",
    units: str = "",
) -> Series:
    """Return the series with the interval that its times have.

    Parameters
    ----------
    rows : (T, D) float64
    names : tuple of str
    times : Times or None
        None if there are none, and rows are `interval` apart.
    source : str
        What messages call the series.
    place : callable
        Returns what messages call a row.
    interval : float, optional
        Time between two rows; 1 unless given.
    resample : bool, default False
        Interpolate at even times, the median of the intervals apart, if times are uneven.
    without : str
        What messages say leaves times out.
    units : str
        Of the numbers.

    Returns
    -------
    Series

    Raises
    ------
    UsageError
        If both an interval and times are given, and do not agree; or neither times nor a need of
        them, and `resample`.
    DataError
        If times do not ascend, or are uneven and `resample` is not given.
    """
    step = interval_of(interval)
    if times is None:
        if resample:
            raise UsageError("resample needs times; say which they are, or leave it out")
        return Series(rows, names, step, _plain(step), units)
    _refuse_disorder(times, source, place)
    found, unit = _even(times)
    facts: dict[str, Any] = {"time": times.name, "start": times.labels[0]}
    if found is None:
        if not resample:
            _refuse_uneven(times, source, place, without)
        count = len(rows)
        found, rows = _resampled(times, rows, source)
        facts["resampled"] = f"linearly interpolated from {count} uneven rows"
    if interval is not None and not np.isclose(step, found, rtol=1e-9):
        raise UsageError(
            f"{source}: interval is {step:g} and {times.name!r} has steps of {found:g}; leave one "
            "of them out"
        )
    return Series(rows, names, found, unit or _plain(found), units, facts)


def _plain(interval: float) -> str:
    return "step" if interval == 1.0 else "time unit"


def _even(times: Times) -> tuple[float | None, str]:
    """Return the interval, None if times are uneven, and its unit."""
    values = times.values - times.values[0]
    count = len(values) - 1
    if count == 0:
        return 1.0, times.unit
    if times.months is not None:
        months = np.diff(times.months)
        if months[0] > 0 and (months == months[0]).all():
            years, rest = divmod(int(months[0]), 12)
            return (float(months[0]), "month") if rest else (float(years), "year")
    step = values[-1] / count
    if np.abs(values - step * np.arange(count + 1)).max() > _JITTER * step:
        return None, times.unit
    return float(f"{step:.12g}"), times.unit  # 0.1, not 0.09999999999999999


def _refuse_disorder(times: Times, source: str, place: Callable[[int], str]) -> None:
    bad = np.flatnonzero(~(np.diff(times.values) > 0))
    if bad.size:
        k = int(bad[0])
        raise DataError(
            f"{source}: {times.name!r} goes from {times.labels[k]} to {times.labels[k + 1]} in "
            f"{place(k + 1)}; sort the rows by it, and keep one for each time"
        )


def _refuse_uneven(times: Times, source: str, place: Callable[[int], str], without: str) -> None:
    steps = np.diff(times.values)
    usual = np.median(steps)
    k = int(np.argmax(np.abs(steps - usual)))
    unit = f" ({times.unit})" * bool(times.unit)
    raise DataError(
        f"{source}: {times.name!r} is uneven: from {times.labels[k]} to {times.labels[k + 1]} in "
        f"{place(k + 1)} it steps by {steps[k]:g}, mostly by {usual:g}{unit}; interpolate with "
        f"`resample=True`, or leave times out with {without}"
    )


def _resampled(times: Times, rows: Array, source: str) -> tuple[float, Array]:
    """Return the median interval, and rows interpolated linearly at multiples of it."""
    values = times.values - times.values[0]
    step = float(f"{np.median(np.diff(values)):.12g}")
    count = int(values[-1] / step + _JITTER) + 1
    if count > _MOST * len(rows):
        raise DataError(
            f"{source}: {times.name!r} is too uneven: {len(rows)} rows would become {count:,}; cut "
            "the series where the gaps are"
        )
    grid = step * np.arange(count)
    return step, np.stack([np.interp(grid, values, column) for column in rows.T], axis=1)


def refuse_compact(name: str, values: Array, source: str, place: Callable[[int], str]) -> None:
    """Ask where numbers can be read as dates without dashes, 20200131.

    Parameters
    ----------
    name : str
    values : (T,) float64
    source : str
    place : callable

    Raises
    ------
    DataError
        If all can.
    """
    if all(_COMPACT.fullmatch(f"{value:.17g}") for value in values):
        raise DataError(
            f"{source}: {place(0)} has {values[0]:.17g} for {name!r}, a number or a date; write "
            "dates as 2020-01-31"
        )
