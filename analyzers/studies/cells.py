"""Cells of a study as plain arrays over its two dimensions: a swept parameter, and seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn import header
from nndyn.errors import DataError
from nndyn.header import FINISHED
from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr


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

    @property
    def options(self) -> dict[str, Any]:
        """With what all of its runs were recorded, as far as the study says so."""
        return header.options(self.data.attrs)

    @cached_property
    def done(self) -> Array:
        """Whether a cell's run was finished and analyzed, (n, S) bool; diverged ones are."""
        done: Array = np.isin(self._text("status"), FINISHED) & (self._text("verdict") != "")
        done.flags.writeable = False  # every number of the cells is masked by it
        return done

    @property
    def verdict(self) -> Array:
        """The verdict of every cell that is done, (n, S) str; empty elsewhere."""
        return np.where(self.done, self._text("verdict"), "")

    def values(self, name: str, *further: str) -> Array | None:
        """Return a variable of every cell, (n, S, …) float64, NaN where it is not done.

        Parameters
        ----------
        name : str
        *further : str
            Dimensions of the variable beside the study's.

        Returns
        -------
        (n, S, …) float64 or None
            None where no cell has it.
        """
        if name not in self.data:
            return None
        values = self.data[name].transpose(self.name, "seed", *further).values.astype(np.float64)
        out: Array = np.where(
            self.done.reshape(*self.done.shape, *[1] * len(further)), values, np.nan
        )
        return out

    def number(self, name: str) -> Array:
        """Return a number of every cell, (n, S) float64; NaN where there is none."""
        values = self.values(name)
        return np.full(self.done.shape, np.nan) if values is None else values

    def unit(self, name: str, otherwise: str) -> str:
        """Return the unit of a variable or of the swept parameter."""
        known = name in self.data.variables
        return str(self.data[name].attrs.get("units", otherwise)) if known else otherwise

    def _text(self, name: str) -> Array:
        variable = self.data[name]
        return np.asarray(variable.where(variable.notnull(), "").values, dtype=np.str_)

    @property
    def missing(self) -> int:
        """How many cells there should be and are not."""
        return int((self._text("status") == "missing").sum())

    @property
    def planned(self) -> int:
        """How many cells there should be: a search runs each seed at rates of its own."""
        return int((self._text("status") != "unplanned").sum())

    @property
    def left_out(self) -> str:
        """Cells that are there but not used, in words; empty where there is none."""
        status = self._text("status")
        unused = status[~np.isin(status, ("missing", "unplanned")) & ~self.done]
        kinds, counts = np.unique(unused, return_counts=True)
        return ", ".join(
            f"{n} {kind}{' without a result' * (kind in FINISHED)}"
            for kind, n in zip(kinds, counts, strict=True)
        )

    @property
    def shared(self) -> Array:
        """Rates with results of half of the seeds or more, of those with any; (n,) bool.

        What is said of all seeds at one rate needs them: a search may run each seed elsewhere.
        """
        seeds = int(self.done.any(axis=0).sum())
        enough: Array = 2 * self.done.sum(axis=1) >= max(seeds, 1)
        return enough

    @property
    def few(self) -> str:
        """Why the cells are too few for anything over seeds; empty where they are enough."""
        there, done = self.planned - self.missing, int(self.done.sum())
        if not done:
            return "no cell has a result" + (f": {self.left_out}" if self.left_out else "")
        if 2 * done < there:
            return (
                f"{done} of {there} cells can be used, fewer than half ({self.left_out}); "
                "resume or repair the study"
            )
        return ""

    @property
    def gaps(self) -> list[str]:
        """What is not there, for a reason: a list of parts of a sentence."""
        return [
            *([f"{self.missing} of {self.planned} cells are missing"] if self.missing else []),
            *([f"cells left out: {self.left_out}"] if self.left_out else []),
        ]

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
