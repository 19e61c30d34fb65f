"""Points of a recurrence plot: states, one of their components, or an embedding of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analyzers.common.ahead import Read, read_ahead
from analyzers.common.endings import called
from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr

#: Points of at most so many components are held in memory.
HELD = 64
#: Bytes of states read at once.
BLOCK_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Points:
    """A trajectory of points.

    Attributes
    ----------
    times : (N,) float64
    dimension : int
    read : callable
        Returns the points first … last-1, (n, d) float64 and contiguous; of points in memory
        without copying them.
    held : (N, d) float64 or None
        All of them, where they have few components.
    """

    times: Array
    dimension: int
    read: Read
    held: Array | None

    def part(self, first: int, last: int) -> Points:
        """Return the points first … last-1."""
        return Points(
            self.times[first:last],
            self.dimension,
            lambda a, b: self.read(first + a, first + b),
            None if self.held is None else self.held[first:last],
        )


def take(
    state: xr.DataArray,
    replica: int,
    component: int | None,
    dimension: int,
    delay: int,
    whose: str = "",
) -> Points:
    """Return the points of a replica, none of which may be infinite or NaN.

    Parameters
    ----------
    state : xarray.DataArray, (T, R, D)
        The states that are wanted; lazy and dask-backed ones are read block by block.
    replica : int
    component : int or None
        Take this one alone.
    dimension, delay : int
        A point is a scalar x(t), x(t + delay), … of so many values; with a dimension of 1 a state.
    whose : str
        What messages call the recording, where it is another one.

    Returns
    -------
    Points

    Raises
    ------
    UsageError
        If there is no such component, or states of several are to be embedded.
    DataError
        If a state is not finite, or there are too few to embed.

    Notes
    -----
    One pass over the states. Points of at most 64 components are held in memory.
    """
    D = state.shape[2]
    if component is not None and not 0 <= component < D:
        raise UsageError(f"component is {component}, expected one of 0 … {D - 1}")
    if dimension > 1 and component is None and D > 1:
        raise UsageError(
            f"`dimension={dimension}` embeds a scalar series, the states have {D} components; "
            "pick one with `component=0`"
        )
    one = state[:, replica] if component is None else state[:, replica, [component]]
    T, d = one.shape
    axis = one[one.dims[0]]
    times = np.asarray(axis.values, np.float64)

    def read(first: int, last: int) -> Array:
        return np.ascontiguousarray(one[first:last].values, np.float64)

    held = np.empty((T, d)) if d <= HELD else None
    for a, block in read_ahead(read, 0, T, max(1, BLOCK_BYTES // (8 * D))):
        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            at = times[a + int(np.argmin(finite))]
            raise DataError(
                f"the state of {called(replica, whose)} is not finite at "
                f"{axis.attrs.get('units', 'step')} {at:g}; choose a window without it"
            )
        if held is not None:
            held[a : a + len(block)] = block
    if held is None:
        return Points(times, d, read, None)
    return _embedded(times, held, dimension, delay)


def _embedded(times: Array, values: Array, dimension: int, delay: int) -> Points:
    """Return points in memory; of a scalar series those of an embedding."""
    if dimension > 1:
        n = len(values) - (dimension - 1) * delay
        if n < 1:
            raise DataError(
                f"{len(values)} states cannot be embedded with `dimension={dimension}` and "
                f"`delay={delay}`: that takes more than {(dimension - 1) * delay}"
            )
        values = np.concatenate([values[k * delay : k * delay + n] for k in range(dimension)], 1)
        times = times[:n]
    held = values if dimension <= HELD else None
    return Points(times, values.shape[1], lambda a, b: values[a:b], held)
