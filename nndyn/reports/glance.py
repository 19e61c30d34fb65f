"""A study at a glance: what is read along the swept option, from several analyzers in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nndyn.reports.content import Numbers
from nndyn.words.tables import Table, column, places, split

if TYPE_CHECKING:
    import xarray as xr

#: What is read along the swept option: whose result it is in, its name there, and a short one.
_COLUMNS = (
    ("growth", "growing_share", "share growing"),
    ("growth", "median_growth", "growth, e-foldings"),
    ("outputs", "median_growth", "growth of the outputs, e-foldings"),
    ("growth", "exponent", "exponent"),
    ("growth", "diverged_share", "share diverged"),
    ("learning", "median_training_time", "training time"),
    ("learning", "flow_time_ratio", "lr \u00d7 time, over that at the lowest"),
    ("learning", "sharpness_ratio", "sharpness over its limit"),
    ("learning", "best_accuracy", "best accuracy"),
)
#: What there is of growth from a start, and not on an attractor.
_OF_A_START = ("growing_share", "median_growth", "diverged_share")
#: Characters of a line of a table.
LINE = 84
_SAID = "Medians over seeds and shares of them, with their intervals."


@dataclass(frozen=True)
class Part:
    """One combination of a study's options beside the one that it is looked at along.

    Attributes
    ----------
    label : str
        Of the combination; empty of the only one.
    growth : xarray.Dataset
        The study of ``lyapunov``.
    learning : xarray.Dataset or None
        That of ``learning``.
    outputs : xarray.Dataset or None
        That of ``lyapunov`` by the distance of outputs.
    """

    label: str
    growth: xr.Dataset
    learning: xr.Dataset | None
    outputs: xr.Dataset | None


def glance(part: Part) -> list[Numbers]:
    """Return the table of one combination, without what nothing is known of, as wide as a page."""
    rate = str(part.growth.attrs["along"])
    headings, columns = [(rate.replace("_", " "), "")], [places(part.growth)]
    for whose, name, called in _COLUMNS:
        result = getattr(part, whose)
        if result is None or name not in result or not np.isfinite(result[name]).any():
            continue
        if name in _OF_A_START and part.growth.attrs["verdict"] == "stationary":
            continue
        if name == "diverged_share" and not (result[name] > 0.0).any():
            continue
        unit = str(result[name].attrs["units"])
        headings.append((called, "" if unit == "1" else unit))
        columns.append(column(result, name, "\n"))
    table = Table(tuple(headings), list(zip(*columns, strict=True)))
    said = f"{part.label}. {_SAID}" if part.label else _SAID
    return [Numbers(one, said) for one in split(table, LINE)]
