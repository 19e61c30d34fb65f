"""Column names that say that a column numbers the rows, or gives their times."""

from __future__ import annotations

import re

_UNITS = frozenset(["year", "month", "week", "day", "hour", "minute", "second"])
_TIMES = _UNITS | {f"{unit}s" for unit in _UNITS}
_TIMES |= {"time", "times", "date", "dates", "datetime", "timestamp", "timestamps", "epoch", "yr"}
#: Names of nothing but such words number the rows; a price index has another word.
_COUNTS = frozenset(["index", "idx", "row", "rows", "rownames", "unnamed", "number", "no", "nr"])
_IDENTITIES = frozenset(["id", "ids", "rowid"])


def is_index(name: str) -> bool:
    """Whether a column of that name numbers the rows."""
    words = _words(name)
    counts = bool(words) and _COUNTS.issuperset(words)
    return not name.strip() or counts or not _IDENTITIES.isdisjoint(words)


def is_time(name: str) -> bool:
    """Whether a column of that name says when, or which row, a row is."""
    t = re.match(r"t(?![A-Za-z])", name.strip())  # T is a temperature
    return bool(t) or is_index(name) or not _TIMES.isdisjoint(_words(name))


def unit_of(name: str) -> str:
    """Return the unit that the name of a time column gives, empty if it gives none."""
    inside = re.search(r"[(\[]([^()\[\]]+)[)\]]\s*$", name)
    if inside:
        return inside[1].strip()
    word = name.strip().lower().removesuffix("s")
    return word if word in _UNITS else ""


def _words(name: str) -> list[str]:
    parted = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return re.findall(r"[^\W\d_]+", parted.lower())
