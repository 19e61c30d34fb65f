"""Grids of an option's values: ``a,b,c``, ``LO:HI:N`` and ``LO:HI:Nlog``."""

from __future__ import annotations

import math

import numpy as np

from nndyn.errors import UsageError

_FORM = "a number, A,B,C, LO:HI:N or LO:HI:Nlog"


def numbers(name: str, text: str, *, whole: bool = False) -> float | list[float]:
    """Read one number or a grid of them.

    Parameters
    ----------
    name : str
        What messages call the option.
    text : str
        ``2``, ``0.5,1,2``, ``1:4:7`` (seven values from 1 to 4, both included) or ``0.25:8:16log``
        (in equal ratios).
    whole : bool, default False
        Whether only whole numbers make sense.

    Returns
    -------
    float or list of float
        A grid is a list; whole numbers are int.

    Raises
    ------
    UsageError
        If it is none of them, or a number is not finite or not whole.
    """
    values = _spaced(name, text) if ":" in text else _each(name, text)
    if whole:
        values = [_whole(name, text, value) for value in values]
    return values if ":" in text or "," in text else values[0]


def texts(name: str, text: str, separator: str = ",") -> str | list[str]:
    """Read one text or several; with ``separator=";"`` a value may have commas.

    Returns
    -------
    str or list of str

    Raises
    ------
    UsageError
        If one of several is empty.
    """
    parts = [part.strip() for part in text.split(separator)]
    if len(parts) > 1 and not all(parts):
        raise UsageError(f"{name} is {text!r}: a value is empty")
    return parts if len(parts) > 1 else text


def _each(name: str, text: str) -> list[float]:
    return [_number(name, text, part) for part in text.split(",")]


def _spaced(name: str, text: str) -> list[float]:
    low, high, count = (*text.split(":"), "", "")[:3]
    logarithmic = count.endswith("log")
    digits = count.removesuffix("log")
    if text.count(":") != 2 or not digits.isdigit():
        raise UsageError(f"{name} is {text!r}, expected {_FORM}")
    ends = _number(name, text, low), _number(name, text, high)
    if int(digits) < 2 or not ends[0] < ends[1]:
        raise UsageError(
            f"{name} is {text!r}, expected at least 2 values from a smaller number to a larger one"
        )
    if not logarithmic:
        return [float(v) for v in np.linspace(*ends, int(digits))]
    if ends[0] <= 0.0:
        raise UsageError(f"{name} is {text!r}: equal ratios begin above 0")
    return [float(v) for v in np.geomspace(*ends, int(digits))]


def _whole(name: str, text: str, value: float) -> int:
    if abs(value - round(value)) > 1e-9 * max(1.0, abs(value)):
        raise UsageError(f"{name} is {text!r}: {value:g} is no whole number")
    return round(value)


def _number(name: str, text: str, part: str) -> float:
    try:
        value = float(part)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{name} is {text!r}, expected {_FORM}")
    return value
