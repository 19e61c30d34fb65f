"""Kinds of values that a file may hold, and messages on values that do not fit."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from nndyn.errors import RecordingError, is_whole
from nndyn.words.text import escaped

#: Levels of JSON that anything of nndyn's has at most.
_DEEPEST = 32
#: Stands for a value that is not there.
_MISSING: Any = object()

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist, _SHORT.maxtuple = 2, 3, 4, 4
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60

#: Parts of a value: the name of each, itself, and of which kind it is to be.
Parts = Iterator[tuple[str, Any, "Kind"]]


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    Attributes
    ----------
    said : str
        What messages call it.
    fits : callable
        Whether a value is of it, apart from its parts.
    parts : callable
        Gives the parts of a value that fits.
    """

    said: str
    fits: Callable[[Any], bool]
    parts: Callable[[Any], Parts] = lambda value: iter(())


def whole(least: int = 0, most: int | None = 2**63 - 1) -> Kind:
    """Return the kind of whole numbers from `least` to `most`, of netCDF attributes too."""

    def fits(value: Any) -> bool:
        return is_whole(value) and least <= value and (most is None or value <= most)

    common = most is None or most == 2**63 - 1
    return Kind(
        f"a whole number, {least} or more" if common else f"a whole number, {least} to {most}", fits
    )


def number(low: float = -math.inf, high: float = math.inf) -> Kind:
    """Return the kind of finite numbers from `low` to below `high`."""

    def fits(value: Any) -> bool:
        if not (is_whole(value) or isinstance(value, float)):
            return False
        return bool(abs(value) < 1e308 and low <= value < high)

    span = "" if low == -math.inf else f", {low:g} or more"
    return Kind(f"a finite number{span}" + ("" if high == math.inf else f", below {high:g}"), fits)


def one_of(*values: Any) -> Kind:
    """Return the kind that has these values alone."""
    known = ", ".join(map(str, values))
    return Kind(f"one of {known}", lambda v: isinstance(v, str | Integral) and v in values)


def null_or(kind: Kind) -> Kind:
    """Return a kind with null beside."""

    def parts(value: Any) -> Parts:
        return iter(()) if value is None else kind.parts(value)

    return Kind(f"{kind.said}, or null", lambda v: v is None or kind.fits(v), parts)


def items(kind: Kind, count: int | None = None) -> Kind:
    """Return the kind of lists of a kind; of `count` of them if that is given."""

    def parts(value: list[Any]) -> Parts:
        return ((f"[{i}]", one, kind) for i, one in enumerate(value))

    many = "a list" if count is None else f"a list of {count}"
    return Kind(many, lambda v: isinstance(v, list) and count in (None, len(v)), parts)


def by_name(kind: Kind) -> Kind:
    """Return the kind of objects in which all values are of a kind."""

    def parts(value: dict[str, Any]) -> Parts:
        return ((f".{name}", one, kind) for name, one in value.items())

    return Kind("an object", lambda v: isinstance(v, dict), parts)


def table(needed: Mapping[str, Kind], more: Mapping[str, Kind] | None = None) -> Kind:
    """Return the kind of objects with keys `needed`, perhaps `more`, and others of any kind."""

    def parts(value: Mapping[str, Any]) -> Parts:
        for key, kind in needed.items():
            yield f".{key}", value.get(key, _MISSING), kind
        for key, kind in (more or {}).items():
            if key in value:
                yield f".{key}", value[key], kind

    return Kind("an object", lambda v: isinstance(v, Mapping), parts)


TEXT = Kind("a text", lambda v: isinstance(v, str))
#: Of what a run says of itself; the index of a study holds one for every place of the grid.
LINE = Kind("a text of at most 4000 characters", lambda v: isinstance(v, str) and len(v) <= 4000)
FLAG = Kind("true or false", lambda v: isinstance(v, bool))
ANY = Kind("anything", lambda v: v is not _MISSING)


def check(value: Any, kind: Kind, *, place: str = "", says: str, cure: str) -> None:
    """Check that a value from a file is of a kind, with all that is in it.

    Parameters
    ----------
    value
        As `parsed` gives it, or a mapping of names to attributes.
    kind : Kind
    place : str
        What messages call it; parts of it are named ``place.key``.
    says : str
        How a message begins: the file, and what it is no longer.
    cure : str
        How it ends.

    Raises
    ------
    RecordingError
        With the first part that is of another kind: its place, what was found, what was expected.
    """
    found = _fault(value, kind, place)
    if found is not None:
        where, one, wanted = found
        is_it = "is missing" if one is _MISSING else f"is {shown(one)}"
        raise RecordingError(
            f"{says}: {where.lstrip('.') or 'it'} {is_it}, expected {wanted}; {cure}"
        )


def parsed(text: str, *, says: str, cure: str) -> Any:
    """Return what JSON from a file says.

    Parameters
    ----------
    text : str
    says : str
        What messages call it, the file first.
    cure : str
        As of `check`.

    Returns
    -------
    value

    Raises
    ------
    RecordingError
        If it is no JSON, has numbers that are not finite, or more than 32 levels.
    """
    try:
        tree = json.loads(text, parse_float=_finite, parse_constant=_refuse)
        _check_depth(tree)
    except RecursionError:
        raise RecordingError(f"{says} is JSON of too many levels; {cure}") from None
    except ValueError as error:
        raise RecordingError(f"{says} is no JSON ({_line(error)}); {cure}") from None
    return tree


def shown(value: Any) -> str:
    """Return a value as messages show it: on one line, short, and harmless in a terminal."""
    import numpy as np

    if isinstance(value, np.generic):
        value = value.item()
    return escaped(" ".join(_SHORT.repr(value).split()))


def _fault(value: Any, kind: Kind, place: str) -> tuple[str, Any, str] | None:
    """Return place, value and expected kind of the first part that does not fit."""
    if value is _MISSING or not kind.fits(value):
        return place, value, kind.said
    for name, part, of in kind.parts(value):
        found = _fault(part, of, f"{place}{name if len(name) < 60 else name[:60]}")
        if found is not None:
            return found
    return None


def _check_depth(tree: Any) -> None:
    """Check that no more levels lie within one another; of the values of one, most are none."""
    level, left = 1, _nested([tree])
    while left:
        level += any(left)
        if level > _DEEPEST:
            raise RecursionError
        left = [inner for value in left for inner in _nested(value)]


def _nested(value: Any) -> list[Any]:
    """Return what is in an object or a list and is one itself."""
    values = value.values() if isinstance(value, dict) else value
    return [inner for inner in values if isinstance(inner, dict | list)]


def _finite(text: str) -> float:
    """Return a number with a fraction or an exponent, which may be too large for a float."""
    value = float(text)
    if not math.isfinite(value):
        _refuse(str(value))
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _line(error: ValueError) -> str:
    return " ".join(str(error).split())[:120]
