"""Measured series: rows checked, the interval between them, and their source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nndyn.checks import number
from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array


@dataclass(frozen=True)
class Series:
    """A series of which every number is finite and every row as long after the last.

    Attributes
    ----------
    rows : (T, D) float64
    names : tuple of str
        Of the D columns, or of groups of them.
    interval : float
        Time between two rows.
    time_unit : str
        Its unit.
    units : str
        Of the numbers, empty if it is not known.
    facts : dict
        What a manifest says of how it was read, as JSON values.
    sizes : tuple of int
        Columns that share each of the names; empty where every column has one.
    """

    rows: Array
    names: tuple[str, ...]
    interval: float = 1.0
    time_unit: str = "step"
    units: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    sizes: tuple[int, ...] = ()


def strictly_monotonous(column: Array) -> bool:
    """Whether three or more numbers only rise, or only fall."""
    steps = np.diff(column)
    return len(steps) > 1 and bool((steps > 0).all() or (steps < 0).all())


def checked(states: Any, place: Callable[[int], str] = "row {}".format) -> Array:
    """Return a series as rows, after checking that it is one.

    Parameters
    ----------
    states : array_like, (T,) or (T, D)
    place : callable
        Returns what messages call a row.

    Returns
    -------
    (T, D) float64

    Raises
    ------
    UsageError
        If it is no array of real numbers with one or two dimensions.
    DataError
        If it is empty, or a number is masked or not finite.
    """
    try:
        given = np.asanyarray(states)
    except (ValueError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"states is no array, expected real numbers (T,) or (T, D): {reason}"
        ) from None
    if given.dtype.kind not in "fiub" or given.ndim not in (1, 2):
        cure = ""
        if given.ndim > 3:
            cure = "; make rows of it with states.reshape(len(states), -1), or choose a part"
        raise UsageError(
            f"states is an array of {given.dtype} with shape {given.shape}, expected real numbers "
            f"(T,) or (T, D){cure}"
        )
    if isinstance(given, np.ma.MaskedArray):
        _refuse(np.ma.getmaskarray(given), "masked", place)
        given = given.data
    rows = np.ascontiguousarray(given, np.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if not rows.size:
        raise DataError(f"the series is empty: its shape is {given.shape}")
    _refuse(~np.isfinite(rows), "not finite", place)
    return rows


def _refuse(bad: Array, how: str, place: Callable[[int], str]) -> None:
    found = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1)) if bad.size else bad
    if found.size:
        others = f" and {found.size - 1} others" if found.size > 1 else ""
        raise DataError(
            f"the series is {how} in {place(int(found[0]))}{others}; cut it, or fill the gaps"
        )


def refuse_lying(rows: Array, cure: str, source: str = "the series") -> None:
    """Ask whether rows are times where there are fewer of them than columns without names.

    Parameters
    ----------
    rows : (T, D) array
    cure : str
        What to do if they are.
    source : str
        What messages call it.

    Raises
    ------
    DataError
        If there are fewer rows than columns.
    """
    times, columns = rows.shape
    if times < columns:
        raise DataError(
            f"{source} has {times} row{'s' * (times > 1)} and {columns} columns, expected a time "
            f"a row; transpose it, or {cure} if rows are times"
        )


def named(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """Return names of `count` columns: those given, or ``x``, or else ``x0``, ``x1`` and so on.

    Parameters
    ----------
    names : sequence of str or None
    count : int

    Returns
    -------
    tuple of str

    Raises
    ------
    UsageError
        If there is not one name for each column, or one twice.
    """
    if names is None:
        return ("x",) if count == 1 else tuple(f"x{i}" for i in range(count))
    if isinstance(names, str) or len(names) != count:
        raise UsageError(f"names are {names!r}, expected one for each of {count} columns")
    found = tuple(str(name) for name in names)
    if len(set(found)) < count:
        twice = next(name for i, name in enumerate(found) if name in found[:i])
        raise UsageError(f"two columns are called {twice!r}; rename one")
    return found


def interval_of(interval: Any) -> float:
    """Return a time between rows, after checking it.

    Parameters
    ----------
    interval : float or None
        1 if None.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        If it is not above 0.
    """
    return 1.0 if interval is None else number("interval", interval, above=0, what="a time")
