"""Measures of a recurrence plot, from the numbers of its lines by length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyzers.recurrence.counting import Lines
from nndyn.numerics.arrays import Array
from nndyn.results import Quantity

#: Unit and meaning of every measure.
MEASURES = {
    "recurrence_rate": ("1", "share of all pairs that recur, each point with itself among them"),
    "rate_obtained": ("1", "share of the pairs outside the Theiler window that recur"),
    "determinism": ("1", "share of these recurrences that lie on diagonal lines"),
    "mean_diagonal_length": ("points", "mean length of the diagonal lines"),
    "max_diagonal_length": ("points", "length of the longest diagonal line"),
    "divergence": ("1/point", "inverse of the length of the longest diagonal line"),
    "diagonal_entropy": ("nat", "entropy of the lengths of the diagonal lines"),
    "laminarity": ("1", "share of the recurrences that lie on vertical lines"),
    "trapping_time": ("points", "mean length of the vertical lines"),
    "max_vertical_length": ("points", "length of the longest vertical line"),
    "vertical_entropy": ("nat", "entropy of the lengths of the vertical lines"),
    "mean_recurrence_time": ("points", "mean length of the white vertical lines"),
    "max_recurrence_time": ("points", "length of the longest white vertical line"),
    "recurrence_time_entropy": ("nat", "entropy of the lengths of the white vertical lines"),
}


@dataclass(frozen=True)
class _Lengths:
    """Lines by length: `numbers` (n + 1,) of length 0 … n, those that count from `least` on."""

    numbers: Array
    least: int

    def points(self, least: int = 0) -> int:
        """Return on how many points lines of at least this length lie."""
        return int(np.dot(np.arange(least, len(self.numbers)), self.numbers[least:]))

    def share(self) -> float | None:
        """Return the share of the points that lie on lines that count."""
        return self.points(self.least) / self.points() if self.points() else None

    def mean(self) -> float | None:
        """Return the mean length of the lines that count."""
        lines = int(self.numbers[self.least :].sum())
        return self.points(self.least) / lines if lines else None

    def longest(self) -> int | None:
        """Return the length of the longest line, one that counts or not."""
        found = np.flatnonzero(self.numbers[1:])
        return int(found[-1]) + 1 if found.size else None

    def entropy(self) -> float | None:
        """Return the entropy of the lengths of lines that count."""
        numbers = self.numbers[self.least :]
        if not numbers.any():
            return None
        p = numbers[numbers > 0] / numbers.sum()
        return abs(float(np.sum(p * np.log(p))))


def measure(lines: Lines, min_diagonal: int, min_vertical: int) -> dict[str, float | int | None]:
    """Return every measure of a plot, None where there is no value.

    Parameters
    ----------
    lines : Lines
    min_diagonal, min_vertical : int
        Length from which a line counts.

    Returns
    -------
    dict of str to float or int or None
        The names are those of `MEASURES`. Longest lines are of any length.
    """
    diagonal = _Lengths(lines.diagonal, min_diagonal)
    vertical = _Lengths(lines.vertical, min_vertical)
    white = _Lengths(lines.white, 1)
    pairs = lines.plane.pairs(lines.theiler)
    longest = diagonal.longest()
    return {
        "recurrence_rate": vertical.points() / (lines.plane.rows * lines.plane.columns),
        "rate_obtained": diagonal.points() / pairs if pairs else None,
        "determinism": diagonal.share(),
        "mean_diagonal_length": diagonal.mean(),
        "max_diagonal_length": longest,
        "divergence": 1.0 / longest if longest else None,
        "diagonal_entropy": diagonal.entropy(),
        "laminarity": vertical.share(),
        "trapping_time": vertical.mean(),
        "max_vertical_length": vertical.longest(),
        "vertical_entropy": vertical.entropy(),
        "mean_recurrence_time": white.mean(),
        "max_recurrence_time": white.longest(),
        "recurrence_time_entropy": white.entropy(),
    }


def numbers(lines: Lines, min_diagonal: int, min_vertical: int) -> dict[str, Quantity]:
    """Return every measure of a plot labelled, and why there is none where there is not.

    Returns
    -------
    dict of str to Quantity
    """
    values = measure(lines, min_diagonal, min_vertical)
    outside = f" at least {lines.theiler} apart" if lines.theiler > 1 else ""
    empty = f"no two points{outside} recur"
    notes = {
        "rate_obtained": f"there are no two points{outside}",
        "determinism": empty,
        "max_diagonal_length": empty,
        "divergence": empty,
        "laminarity": "no two points recur",
        "max_vertical_length": "no two points recur",
    } | dict.fromkeys(("mean_diagonal_length", "diagonal_entropy"), _none(min_diagonal, "diagonal"))
    notes |= dict.fromkeys(("trapping_time", "vertical_entropy"), _none(min_vertical, "vertical"))
    if values["determinism"] is None:
        notes["mean_diagonal_length"] = notes["diagonal_entropy"] = empty
    return {
        name: Quantity(
            value,
            *MEASURES[name],
            note=notes.get(name, "all points recur") if value is None else None,
        )
        for name, value in values.items()
    }


def by_length(lines: Lines) -> dict[str, Quantity]:
    """Return how many lines of every length from 1 on there are, over (length,).

    Returns
    -------
    dict of str to Quantity
        Of as many lengths as the longest line of any kind has.
    """
    kinds = {
        "diagonal_lines": (lines.diagonal, "diagonal lines"),
        "vertical_lines": (lines.vertical, "vertical lines"),
        "white_vertical_lines": (lines.white, "white vertical lines: recurrence times"),
    }
    most = max(_Lengths(n, 1).longest() or 1 for n, _ in kinds.values())
    found = {}
    for name, (counts, what) in kinds.items():
        values = np.zeros(most, np.int64)
        values[: len(counts) - 1] = counts[1 : most + 1]
        found[name] = Quantity(values, "1", f"number of {what}, by length", ("length",))
    return found


def _none(least: int, kind: str) -> str:
    """Return that there are no lines of a kind that count."""
    return f"no {kind} line of at least {least} points"
