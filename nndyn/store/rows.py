"""Rows to be appended: checked, and counted along each growing dimension."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.store.layout import growing

if TYPE_CHECKING:
    import netCDF4


@dataclass(frozen=True)
class InParts:
    """Rows too large to be held, which are made a chunk at a time as they are written.

    Attributes
    ----------
    shape : tuple of int
    part : callable
        Returns the part at a tuple of slices, one an axis, as an array.
    """

    shape: tuple[int, ...]
    part: Callable[[tuple[slice, ...]], Array]

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def whole(self) -> Array:
        """Return all of it."""
        return self.part(tuple(slice(0, n) for n in self.shape))


def counted(
    path: Path,
    rows: Mapping[str, Array | InParts],
    variables: Mapping[str, tuple[str, ...]],
    nc: netCDF4.Dataset,
) -> dict[str, int]:
    """Return how many rows there are of each growing dimension.

    Parameters
    ----------
    path : Path
        What messages call the file.
    rows : mapping of str to array or InParts
        By variable.
    variables : mapping of str to tuple of str
        Dimensions of all variables of the file.
    nc : netCDF4.Dataset
        The file, open.

    Returns
    -------
    dict of str to int

    Raises
    ------
    UsageError
        If a variable is missing, unknown or has the wrong shape.
    """
    counts: dict[str, int] = {}
    for name, values in rows.items():
        dims = variables.get(name)
        dim = None if dims is None else growing(dims)
        if dims is None or dim is None:
            raise UsageError(f"{name!r} is not a variable of {path} that grows")
        shape = values.shape if isinstance(values, InParts) else np.shape(values)
        expected = tuple(len(nc.dimensions[d]) for d in dims[1:])
        if shape[1:] != expected or len(shape) != len(dims):
            raise UsageError(f"{name} has shape {shape}, expected (rows, *{expected}) over {dims}")
        if counts.setdefault(dim, shape[0]) != shape[0]:
            raise UsageError(f"{name} has {shape[0]} rows, others along {dim} have {counts[dim]}")
    for name, dims in variables.items():
        if counts.get(dims[0] if dims else "") and name not in rows:
            raise UsageError(f"rows along {dims[0]} lack {name}")
    return counts
