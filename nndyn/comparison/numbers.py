"""Numbers with intervals, and their products and ratios."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Number:
    """One number of one recording.

    Attributes
    ----------
    value : float or None
        None is a null, and `note` says why.
    ci : (float, float) or None
        Its interval.
    over : str
        What the interval is over.
    note : str
        Why there is no value, or what to know about it.
    """

    value: float | None
    ci: tuple[float, float] | None = None
    over: str = ""
    note: str = ""

    def noted(self, *notes: str) -> Number:
        """Return the same with further notes, each once."""
        said = dict.fromkeys(n for n in "; ".join((self.note, *notes)).split("; ") if n)
        return replace(self, note="; ".join(said))

    @property
    def ends(self) -> tuple[float, float]:
        """The interval, or the value twice where there is none."""
        if self.value is None:
            return np.nan, np.nan
        return self.ci or (self.value, self.value)


def null(why: str) -> Number:
    """Return a null."""
    return Number(None, note=why)


def of(result: xr.Dataset | str, name: str, index: int | None = None) -> Number:
    """Return a number as an analyzer gave it.

    Parameters
    ----------
    result : xarray.Dataset or str
        What it returned, or why it does not apply.
    name : str
        Of a number, or of several.
    index : int, optional
        Which of these.

    Returns
    -------
    Number
        An infinite value is a null.
    """
    if isinstance(result, str):
        return null(result)
    analyzer = result.attrs["analyzer"]
    if name not in result:
        return null(f"{analyzer} ({result.attrs['verdict']}) gives no {name} of such a recording")
    variable = result[name]
    at = () if index is None else (index,)
    value = float(variable.values[at])
    note = str(variable.attrs.get("note", ""))
    if not np.isfinite(value):
        return null(note or f"not finite: {result.attrs['reason']}")
    if f"{name}_ci" not in result:
        return Number(value, note=note)
    interval = result[f"{name}_ci"]
    low, high = (float(end) for end in interval.values[at])
    if not np.isfinite([low, high]).all():
        return Number(value, note=note)
    return Number(value, (low, high), str(interval.attrs["interval_over"]), note)


def product(a: Number, b: Number) -> Number:
    """Return a product; see `combined`."""
    return combined(a, b, lambda x, y: x * y)


def ratio(a: Number, b: Number) -> Number:
    """Return a ratio, of which the interval of the second number holds no zero.

    Returns
    -------
    Number
        See `combined`; 1 without an interval of a number over itself.
    """
    if a.value is not None and (a.value, a.ci) == (b.value, b.ci):
        return Number(1.0).noted(a.note, b.note)
    return combined(a, b, lambda x, y: x / y)


def combined(a: Number, b: Number, function: Callable[[float, float], float]) -> Number:
    """Return a function of two numbers that is monotone in each over both intervals.

    Parameters
    ----------
    a, b : Number
    function : callable

    Returns
    -------
    Number
        The interval reaches from the smallest to the largest value at the ends of both, which
        holds it wherever the two lie within theirs, however they depend on each other: it is
        rather too wide.
    """
    if a.value is None or b.value is None:
        return null("; ".join(dict.fromkeys(n.note for n in (a, b) if n.value is None)))
    over = " and ".join(dict.fromkeys(n.over for n in (a, b) if n.ci is not None))
    corners = [function(x, y) for x in a.ends for y in b.ends]
    ci = (min(corners), max(corners)) if over else None
    return Number(function(a.value, b.value), ci, over).noted(a.note, b.note)


def warnings_of(result: xr.Dataset) -> list[str]:
    """Return what an analyzer warns of."""
    found: list[str] = json.loads(result.attrs["warnings"])
    return found
