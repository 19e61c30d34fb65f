"""Study of any analyzer's results: medians over seeds along a swept parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.studies.bootstrap import check, middle
from analyzers.studies.cells import cells_of
from analyzers.studies.curves import medians as along_seeds
from nndyn.errors import DataError
from nndyn.results import Quantity, result

if TYPE_CHECKING:
    import xarray as xr

_ABOUT = ("steps", "stationary")


def medians(cells: xr.Dataset, *, confidence: float = 0.95, resamples: int = 2000) -> xr.Dataset:
    """Medians over seeds of what an analyzer finds, along a swept parameter.

    Parameters
    ----------
    cells : xarray.Dataset
        Results over (RATE, seed, …), RATE being the swept parameter.
    confidence : float, default 0.95
        Of the intervals.
    resamples : int, default 2000
        Of the bootstrap.

    Returns
    -------
    xarray.Dataset
        Every number of the cells, over (RATE, …), with an interval over seeds where it is one
        number a cell; NaN where no seed has it. The verdict is ``medians``.

    Raises
    ------
    UsageError
        If an option is out of range.
    DataError
        If `cells` are not over a parameter, of ascending numbers, and seeds, or have no number.
    """
    resamples = check(confidence, resamples)
    found = cells_of(cells)
    quantities: dict[str, Quantity] = {}
    coords: dict[str, Any] = dict(found.coords)
    for name, variable in cells.items():
        if variable.dtype.kind != "f" or str(name) in _ABOUT or str(name).endswith("_ci"):
            continue
        values = variable.transpose(found.name, "seed", ...).values
        dims = (found.name, *(str(d) for d in variable.dims if d not in (found.name, "seed")))
        unit = str(variable.attrs.get("units", "1"))
        what = f"{variable.attrs.get('long_name', name)}, median over seeds"
        note = "NaN where no seed has a value"
        if len(dims) == 1:
            median, ci = along_seeds(values, confidence=confidence, resamples=resamples)
            quantities[str(name)] = Quantity(
                median, unit, what, dims, ci=ci, interval_over="seeds", note=note
            )
        else:
            quantities[str(name)] = Quantity(
                middle(np.moveaxis(values, 1, -1)), unit, what, dims, note=note
            )
            coords |= {d: cells[d] for d in dims[1:] if d in cells.coords and d != "bound"}
    if not quantities:
        raise DataError("the cells of the study have no number to take a median of")
    has = int(found.done.sum())
    return result(
        quantities,
        analyzer="medians",
        recording=cells,
        parameters={"confidence": confidence, "resamples": resamples},
        summary=list(quantities),
        verdict="medians",
        reason=f"over up to {found.seeds.size} seeds at {found.rates.size} values of {found.name}; "
        f"{has} runs have a result",
        coords=coords,
    )
