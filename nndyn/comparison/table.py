"""Table of a comparison: its rows as text, with the notes that they refer to by number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nndyn.comparison.quantities import ANALYZERS, QUANTITIES
from nndyn.words.numbers import show
from nndyn.words.text import escaped

if TYPE_CHECKING:
    import xarray as xr

#: Exponents of a spectrum that are shown.
_EXPONENTS = 4


def rows(
    result: xr.Dataset, shown: range, marks: dict[str, int], between: str
) -> Iterator[tuple[str, str, list[str]]]:
    """Give the rows of the table for some of the recordings; what any has is a row of all.

    Parameters
    ----------
    result : xarray.Dataset
        What ``nndyn.compare`` returned.
    shown : range
        Places of the recordings that are columns.
    marks : dict of str to int
        Notes by their numbers; those that are new are added.
    between : str
        Between a value and its interval.

    Yields
    ------
    str, str, list of str
        Part of the table, name of the row, and its cells.
    """
    part = result.isel(recording=list(shown))
    for name in ("kind", "system"):
        yield "what", name, [escaped(text) for text in part[name].values.tolist()]
    sizes = ["-" if n != n else f"{int(n):,}" for n in part["dimension"].values.tolist()]
    yield "what", "dimension", sizes
    for name in ("states", "time_unit"):
        yield "what", name.replace("_", " "), part[name].values.tolist()
    if (result["runs"] > 1).any():
        yield "what", "runs", [str(n) for n in part["runs"].values.tolist()]
    for i, name in enumerate(ANALYZERS):
        yield "verdict", name, part["verdicts"].values[:, i].tolist()
    yield "exponent", "exponent kind", part["exponent_kind"].values.tolist()
    for name, row in QUANTITIES.items():
        if result[name].notnull().any():
            unit = "" if row.unit == "1" else f" ({row.unit.replace('_', ' ')})"
            cells = [_cell(result, name, (i,), marks) for i in shown]
            yield row.part, name.replace("_", " ") + unit, [between.join(c) for c in cells]
        if name == "entropy_bound_ratio":
            yield from _ratios(result, shown, marks, between)


def _ratios(
    result: xr.Dataset, shown: range, marks: dict[str, int], between: str
) -> Iterator[tuple[str, str, list[str]]]:
    """Give the exponents over the largest, as many of each spectrum as are shown.

    Yields
    ------
    str, str, list of str
    """
    ratios = result["exponent_ratios"]
    for k in range(min(result.sizes["exponent"], _EXPONENTS)):
        if ratios.isel(exponent=k).notnull().any():
            cells = [_cell(result, "exponent_ratios", (i, k), marks) for i in shown]
            label = f"exponent {k + 1} / largest"
            yield "Lyapunov clock", label, [between.join(c) for c in cells]


def _cell(result: xr.Dataset, name: str, at: tuple[int, ...], marks: dict[str, int]) -> list[str]:
    """Return a value with the mark of its note, and its interval."""
    value = float(result[name].values[at])
    note = json.loads(result[name].attrs["notes"])[at[0]]
    if len(at) > 1 and np.isfinite(result[name].values[at[0]]).any():
        note = ""  # it is of all exponents, and stands where there are none
    mark = f" #{marks.setdefault(note, len(marks) + 1)}" if note else ""
    if value != value:
        return [f"null{mark}" if mark else "-"]
    lines = [f"{show(float(f'{value:.4g}'))}{mark}"]
    if f"{name}_ci" in result:
        low, high = result[f"{name}_ci"].values[at].tolist()
        if low == low and high == high:
            lines.append(f"[{low:.3g}, {high:.3g}]")
    return lines
