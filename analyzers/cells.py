"""The cells of a study as plain arrays over its two dimensions: a swept parameter, and seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nndyn.errors import DataError

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[Any]


@dataclass(frozen=True)
class Cells:
    """The stacked results of a study's cells.

    Attributes
    ----------
    data : xarray.Dataset
        As the study stacked it.
    name : str
        Of the swept parameter.
    rates : (n,) float64
        Its values, ascending.
    seeds : (S,)
        As in the study.
    """

    data: xr.Dataset
    name: str
    rates: Array
    seeds: Array

    def number(self, name: str, otherwise: float = np.nan) -> Array:
        """Return a number of every cell, (n, S) float64; `otherwise` where no cell has it."""
        if name not in self.data:
            return np.full((self.rates.size, self.seeds.size), otherwise)
        return self.data[name].values.astype(np.float64)

    def text(self, name: str) -> Array:
        """Return a word of every cell, (n, S) object."""
        return np.asarray(self.data[name].values).astype(str).astype(object)

    @property
    def unfinished(self) -> str:
        """Cells without a result that are not just missing, in words; empty where there is none."""
        status, verdict = self.text("status"), self.text("verdict")
        kinds, counts = np.unique(
            status[(verdict == "") & (status != "missing")].astype(str), return_counts=True
        )
        said = {"complete": "without a result", "stopped": "stopped without a result"}
        return ", ".join(
            f"{n} {said.get(kind, kind)}" for kind, n in zip(kinds, counts, strict=True)
        )

    @property
    def missing(self) -> int:
        """How many cells there are not."""
        return int((self.text("status") == "missing").sum())

    @property
    def few(self) -> str:
        """Why the cells are too few for anything over seeds; empty where they are enough."""
        has = self.text("verdict") != ""
        there = self.text("status") != "missing"
        if not has.any():
            return "no cell has a result" + (f": {self.unfinished}" if self.unfinished else "")
        if 2 * int(has.sum()) < int(there.sum()):
            return (
                f"{int(has.sum())} of {int(there.sum())} cells have a result, fewer than half "
                f"({self.unfinished}); resume or repair the study"
            )
        return ""

    @property
    def coords(self) -> dict[str, Any]:
        """Coordinates of a result over the study's dimensions."""
        return {
            name: (name, values, dict(self.data[name].attrs) if name in self.data.coords else {})
            for name, values in ((self.name, self.rates), ("seed", self.seeds))
        }


def cells_of(data: xr.Dataset) -> Cells:
    """Check the stacked results of a study and return them.

    Parameters
    ----------
    data : xarray.Dataset
        With ``status`` and ``verdict`` over two dimensions, the swept parameter and ``seed``.

    Returns
    -------
    Cells

    Raises
    ------
    DataError
        If it is none, or the parameter is not of ascending numbers.
    """
    if "status" not in data or "verdict" not in data or data["status"].ndim != 2:
        raise DataError(
            "expected the results of a study's cells, with status and verdict over a swept "
            "parameter and seed; analyze the study"
        )
    name, other = (str(dim) for dim in data["status"].dims)
    if other != "seed":
        raise DataError(f"the study is over ({name}, {other}), expected a parameter and seed")
    try:
        rates = np.asarray(data[name].values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"values of {name} are not numbers: nothing to interpolate") from None
    if not np.isfinite(rates).all() or (np.diff(rates) <= 0.0).any():
        raise DataError(f"values of {name} are {rates.tolist()}, expected ascending numbers")
    seeds = np.asarray(data["seed"].values)
    return Cells(data, name, rates, seeds)
