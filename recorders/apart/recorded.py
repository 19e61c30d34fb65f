"""Recordings of one replica as trajectories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn import header
from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.recording import Variable, variable
from nndyn.systems.protocol import Parameter
from recorders.apart.trajectories import Quantity

if TYPE_CHECKING:
    import xarray as xr

#: What compares with a reference, or is made anew.
_NOT_TAKEN = (
    "state",
    "log_rescale",
    "quadratic_log_growth",
    "distance_output",
    "prediction_disagreement",
    "tangent_alignment",
)


class Recorded:
    """The trajectory of a recording of one replica; a `Trajectory`.

    Parameters
    ----------
    recording : xarray.Dataset
    label : str

    Raises
    ------
    UsageError
        If it has several replicas, or is no recording.
    DataError
        If it has no states, or they were rescaled.
    """

    def __init__(self, recording: xr.Dataset, label: str) -> None:
        self.label = label
        replicas = recording.sizes.get("replica", 0)
        if replicas != 1:
            raise UsageError(
                f"{label} has {replicas} replicas, expected a recording of one; open it, and "
                "choose one with isel(replica=[0])"
            )
        if "state" not in recording.variables or "time" not in recording.variables:
            raise DataError(f"{label} has no state along time; record it with `store='full'`")
        state = recording["state"]
        if state.ndim != 3 or state.dims[1:] != ("replica", "component"):
            raise DataError(
                f"{label}: state has dimensions {state.dims}, expected (time, replica, component)"
            )
        if "log_rescale" in recording and np.any(recording["log_rescale"].values != 0.0):
            raise DataError(
                f"{label} was rescaled towards a reference; record it without `rescale`"
            )
        self._state, self._axis = state.variable, str(state.dims[0])
        self.times = np.asarray(recording[self._axis].values, dtype=np.float64)
        self.width = int(state.shape[2])
        self.dtype = np.dtype(np.float32 if state.dtype == np.float32 else np.float64)
        self.unit = str(recording["time"].attrs.get("units", "step"))
        self.stationary = bool(recording.attrs.get("stationary", 0))
        self.identity = str(recording.attrs.get("recording_id", ""))
        self.manifest = header.manifest(recording.attrs, label)
        self.layout = _layout(recording, self.manifest, self.width)
        #: Whether it ends because it is not finite any more; NaN may follow.
        self.diverged = bool(np.any(recording.get("diverged_at", -1) >= 0))
        self._length = len(self.times)
        self.quantities: dict[str, Quantity] = {}
        self.alone: dict[str, Quantity] = {}
        for key in map(str, recording.data_vars):
            self._note(recording, key)

    def read(self, start: int, stop: int, first: int, last: int) -> Array:
        """Return components ``first … last - 1`` of the states ``start … stop - 1``."""
        there = slice(start, max(start, min(stop, self._length)))
        found: Array = self._state[there, 0, first:last].values
        found = _lengthened(found, stop - start)
        return found.astype(self.dtype, copy=False)

    def go_on(self, times: Array, other: Recorded) -> None:
        """Let NaN follow what there is of a run that diverged.

        Parameters
        ----------
        times : (T,) float64
            Those of the others, which begin with its own.
        other : Recorded
            One that has its quantities for as long.
        """
        for name, quantity in self.quantities.items():
            if quantity.variable.dims[0] == "time":
                at = times
            else:
                at = other.quantities.get(name, quantity).at
            count = len(quantity.at)
            if len(at) > count and np.array_equal(at[:count], quantity.at):
                self.quantities[name] = Quantity(quantity.variable, at, _going_on(quantity))
        self.times = times

    def _note(self, recording: xr.Dataset, key: str) -> None:
        """Take note of a quantity along time, if it is of this run."""
        known, found = variable(key), recording[key]
        if known is None or key in _NOT_TAKEN or key.startswith(("distance_", "deviation_")):
            return
        dim = str(found.dims[0]) if found.dims else ""
        if f"{dim}" not in recording.coords or not (dim == "time" or dim.endswith("_time")):
            return
        kept = {k: v for k, v in found.attrs.items() if k not in ("units", "long_name")}
        label = found.attrs.get("long_name", known.long_name)
        at = np.asarray(recording[dim].values, dtype=np.float64)
        index = np.arange(len(at))
        if (
            dim == "time" and self._axis != "time"
        ):  # states at some times only: what belongs to them
            index = np.searchsorted(at, self.times)
            at = at[index]
        dims = tuple(map(str, found.dims))
        of = Variable(key, dims, "float64", known.units, str(label), kept)

        def read(where: slice) -> Array:
            values: Array = found.variable[index[where]].values
            return values[:, 0] if values.ndim > 1 else values

        if dims == (dim, "replica"):
            self.quantities[key] = Quantity(of, at, read)
        elif dims == (dim,):
            self.alone[key] = Quantity(of, at, read)


def _lengthened(values: Array, count: int) -> Array:
    """Return so many rows, those that lack being NaN."""
    lacking = np.full((count - len(values), *values.shape[1:]), np.nan, values.dtype)
    return np.concatenate([values, lacking]) if len(lacking) else values


def _going_on(quantity: Quantity) -> Callable[[slice], Array]:
    def read(where: slice) -> Array:
        there = slice(min(where.start, len(quantity.at)), min(where.stop, len(quantity.at)))
        return _lengthened(quantity.read(there), where.stop - where.start)

    return read


def _layout(recording: xr.Dataset, manifest: Mapping[str, Any], width: int) -> list[Parameter]:
    """Return the parameters; all is one where they are not said."""
    if "parameter_name" not in recording.variables:
        return [Parameter("state", 0, (width,))]
    shapes = manifest.get("parameter_shapes", {})
    found = []
    for name, start, size in zip(
        *(recording[f"parameter_{what}"].values.tolist() for what in ("name", "start", "size")),
        strict=True,
    ):
        shape = shapes.get(name) if isinstance(shapes, dict) else None
        fits = isinstance(shape, list) and np.prod(shape, dtype=np.int64) == size
        found.append(Parameter(str(name), start, tuple(shape) if fits and shape else (size,)))
    return found
