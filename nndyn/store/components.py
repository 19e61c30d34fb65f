"""Parameter names of the components of a state, as a coordinate that is computed when used."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

#: What components belong to that are no weights, in recordings of the whole phase.
BUFFERS = "buffers"


class ParameterNames(BackendArray):
    """The name of the parameter of each component, looked up when it is asked for.

    Parameters
    ----------
    count : int
        Components.
    layout : tuple of xarray.Variable, (parameter,)
        Name, first component, and number of components of each parameter.
    """

    def __init__(self, count: int, layout: tuple[xr.Variable, xr.Variable, xr.Variable]) -> None:
        self.shape, self.dtype = (count,), np.dtype(object)
        self._layout = layout

    def __getitem__(self, key: Any) -> Any:
        """Return the names of some components."""
        outer = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, outer, self._names)

    def _names(self, key: tuple[Any, ...]) -> Any:
        names, start, size = (variable.values for variable in self._layout)
        known = np.array([*map(str, names), BUFFERS], dtype=object)  # one text for all of a kind
        at = np.arange(self.shape[0])[key]
        found = np.searchsorted(start, at, side="right") - 1
        return known[np.where(at < start[found] + size[found], found, len(known) - 1)]


def named(recording: xr.Dataset) -> xr.Dataset:
    """Return a recording with the coordinate ``parameter`` along ``component``.

    Parameters
    ----------
    recording : xarray.Dataset

    Returns
    -------
    xarray.Dataset
        The same where it has no states or no parameters, where components have names already, and
        where some were left out, so that nothing says which are there.

    Notes
    -----
    No name is read or made before the coordinate is used; then 8 bytes a component. Where the last
    parameter ends is read at once.
    """
    layout = ("parameter_name", "parameter_start", "parameter_size")
    count = recording.sizes.get("component", 0)
    if not count or not recording.sizes.get("parameter"):
        return recording
    if "parameter" in recording.variables or not all(key in recording.variables for key in layout):
        return recording
    name, start, size = (recording.variables[key] for key in layout)
    if count < int(start[-1].values) + int(size[-1].values):
        return recording
    names = ParameterNames(count, (name, start, size))
    attrs = {"long_name": "parameter that the component belongs to", "units": "1"}
    lazy = xr.Variable(("component",), indexing.LazilyIndexedArray(names), attrs)
    return recording.assign_coords(parameter=lazy)
