"""Checks of arguments: each returns its value as it is to be used, or says what was expected.

A message is one sentence: ``NAME is VALUE, expected …``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from nndyn.errors import UnknownNameError, UsageError, is_number, is_one_of
from nndyn.words.names import did_you_mean


def whole(
    name: str,
    value: Any,
    least: int,
    most: int | None = None,
    *,
    what: str = "a whole number",
    cure: str = "",
) -> int:
    """Check that a value is a whole number; a float that is one will do, a bool will not.

    Parameters
    ----------
    name : str
        What messages call the value.
    value
        A number of Python, numpy or torch.
    least, most : int
        Bounds, both allowed.
    what : str
        What messages call such a number, with its unit for instance.
    cure : str
        Follows what was expected in messages, with its own punctuation.

    Returns
    -------
    int

    Raises
    ------
    UsageError
        If the value is none, or out of bounds.
    """
    found = _scalar(value)
    if is_number(found) and found % 1 == 0 and least <= found and (most is None or found <= most):
        return int(found)
    bounds = f", {least} or more" if most is None else f" from {least} to {most}"
    raise UsageError(f"{name} is {value!r}, expected {what}{bounds}{cure}")


def number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    what: str = "",
    cure: str = "",
) -> float:
    """Check that a value is a finite number; a bool or a text is none.

    Parameters
    ----------
    name : str
        What messages call the value.
    value
        A number of Python, numpy or torch.
    least, above, most, below : float, optional
        Bounds; `least` and `most` are allowed themselves, `above` and `below` are not.
    what : str, optional
        What messages call such a number, if there is a better word.
    cure : str
        Follows what was expected in messages, with its own punctuation.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        If the value is none, or out of bounds.
    """
    found = _finite(value)
    if found is not None and (
        (least is None or least <= found)
        and (above is None or above < found)
        and (most is None or found <= most)
        and (below is None or found < below)
    ):
        return found
    bounds = _bounds(least, above, most, below)
    what = what or ("a number" if bounds.startswith(" in ") else "a finite number")
    raise UsageError(f"{name} is {value!r}, expected {what}{bounds}{cure}")


def is_finite(value: Any) -> bool:
    """Whether a value is a finite number, of Python, numpy or torch."""
    return _finite(value) is not None


def share(name: str, value: Any, *, closed: bool = False) -> float:
    """Check that a value is a number between 0 and 1.

    Parameters
    ----------
    name : str
        What messages call the value.
    value
    closed : bool, default False
        Whether 1 is one as well.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        If it is none; of a percentage the message says the number.
    """
    found = _finite(value)
    if found is not None and (0.0 < found < 1.0 or (closed and found == 1.0)):
        return found
    percent = found is not None and 1.0 < found < 100.0
    cure = f"; {value:g} % is {value / 100.0:g}" if percent else ""
    raise UsageError(f"{name} is {value!r}, expected a number between 0 and 1{cure}")


def flag(name: str, value: Any) -> bool:
    """Check that a value is True or False, of Python or numpy.

    Parameters
    ----------
    name : str
        What messages call the value.
    value

    Returns
    -------
    bool

    Raises
    ------
    UsageError
        If it is neither.
    """
    found = _scalar(value)
    if not isinstance(found, bool):
        raise UsageError(f"{name} is {value!r}, expected True or False")
    return found


def choice(name: str, value: Any, allowed: Iterable[str], *, others: str = "") -> str:
    """Check that a value is one of some names.

    Parameters
    ----------
    name : str
        What messages call the value.
    value
    allowed : iterable of str
    others : str, optional
        What the caller takes beside them, for the message.

    Returns
    -------
    str

    Raises
    ------
    UnknownNameError
        If it is none; the message lists all, and says which one is perhaps meant.
    """
    names = list(allowed)
    if is_one_of(value, names):
        return str(value)
    *most, last = [*map(repr, names), *([others] if others else [])]
    listed = f"{', '.join(most)} or {last}" if most else last
    meant = did_you_mean(value, names)
    raise UnknownNameError(f"{name} is {value!r}, expected {listed}{meant}")


def every(name: str, value: Any, *others: str) -> int:
    """Check that a value is ``every:K``.

    Parameters
    ----------
    name : str
        What messages call the value.
    value
    *others : str
        Names that the caller takes beside it, for the message.

    Returns
    -------
    int
        K, 1 or more.

    Raises
    ------
    UsageError
        If it is not.
    """
    kind, _, digits = value.partition(":") if isinstance(value, str) else ("", "", "")
    if kind == "every" and digits.isdecimal() and int(digits) > 0:
        return int(digits)
    beside = f"{', '.join(map(repr, others))} or " if others else ""
    raise UsageError(f"{name} is {value!r}, expected {beside}'every:K' with K above 0")


def _scalar(value: Any) -> Any:
    """Return a number of an array library as one of Python; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _finite(value: Any) -> float | None:
    found = _scalar(value)
    try:
        return float(found) if is_number(found) and math.isfinite(found) else None
    except OverflowError:
        return None


def _bounds(
    least: float | None, above: float | None, most: float | None, below: float | None
) -> str:
    """Return bounds as messages have them: ``, 0 or more``, `` above 0``, `` in [0, 1)``."""
    low = "" if least is None and above is None else f"{least if above is None else above:g}"
    high = most if below is None else below
    if high is not None:
        if below is None and above is None:
            return f" from {low} to {high:g}"
        opening, closing = "[" if above is None else "(", "]" if below is None else ")"
        return f" in {opening}{low}, {high:g}{closing}"
    return f" above {low}" if above is not None else f", {low} or more" if low else ""
