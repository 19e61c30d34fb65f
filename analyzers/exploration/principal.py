"""Plane of the largest variance of a trajectory, from states in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import eigh

from analyzers.common.progress import tell
from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr

#: Bytes of states that are held, and that are read at once.
HELD_BYTES, BLOCK_BYTES = 512 * 2**20, 32 * 2**20


@dataclass(frozen=True)
class Plane:
    """Leading principal components of one trajectory of n states.

    Attributes
    ----------
    scores : (n, k) float64
        Along each component, from the mean state; the last state lies on the positive side.
    shares : (k,) float64
        Of the variance.
    variance : float
        Trace of the covariance.
    held : list of (slice, (n, w) float64, (w,) float64)
        The pieces of components that are in memory, each with centred states and their mean: the
        one there is, or none.
    pieces : list of slice
    """

    scores: Array
    shares: Array
    variance: float
    held: list[tuple[slice, Array, Array]]
    pieces: list[slice]

    def directions(
        self, state: xr.DataArray, replica: int, rows: Array
    ) -> Iterator[tuple[slice, Array, Array]]:
        """Give the components in the space of states, piece by piece.

        Yields
        ------
        piece : slice
        mean : (w,) float64
        directions : (w, k) float64
            A component without variance has none, and is 0.
        """
        squares = (self.scores**2).sum(axis=0)
        along = np.divide(self.scores, squares, out=np.zeros_like(self.scores), where=squares > 0.0)
        for piece in self.pieces:
            _, states, mean = self.held[0] if self.held else _centred(state, replica, rows, piece)
            yield piece, mean, states.T @ along


def plane(state: xr.DataArray, replica: int, rows: Array, count: int) -> Plane:
    """Return the leading principal components of some states of a replica.

    Parameters
    ----------
    state : xarray.DataArray, (time, replica, component)
        Lazy ones are read block by block.
    replica : int
    rows : (n,) int64
        Which states, ascending; they are finite.
    count : int
        k, below n and at most the number of components.

    Returns
    -------
    Plane
    """
    n, D = len(rows), state.shape[2]
    width = max(1, HELD_BYTES // (8 * n))
    pieces = [slice(c, min(c + width, D)) for c in range(0, D, width)]
    if len(pieces) == 1:
        held = _centred(state, replica, rows, pieces[0])
        scores, shares, variance = principal(held[1], count)
        return Plane(scores, shares, variance, [held], pieces)
    products = np.zeros((n, n))
    for i, piece in enumerate(pieces):
        states = _centred(state, replica, rows, piece)[1]
        products += states @ states.T
        tell(i + 1, len(pieces))
    return Plane(*of_products(products, count), [], pieces)


def principal(centred: Array, count: int) -> tuple[Array, Array, float]:
    """Return scores, shares and variance of centred states (n, D)."""
    n, D = centred.shape
    if n <= D:
        return of_products(centred @ centred.T, count)
    covariance = centred.T @ centred
    trace = float(np.trace(covariance))
    values, vectors = _leading(covariance, count)
    return _facing(centred @ vectors), values / (trace or 1.0), trace / n


def of_products(products: Array, count: int) -> tuple[Array, Array, float]:
    """Return scores, shares and variance from the inner products (n, n) of centred states."""
    trace = float(np.trace(products))
    values, vectors = _leading(products, count)
    return _facing(vectors * np.sqrt(values)), values / (trace or 1.0), trace / len(products)


def read_rows(
    state: xr.DataArray, replica: int, rows: Array, piece: slice
) -> Iterator[tuple[slice, Array]]:
    """Read some states of a replica, as many at once as fit into a block.

    Yields
    ------
    slice
        Of `rows`.
    (m, w) float64
    """
    values = state.variable
    spacing = max(1, int(np.diff(rows).max(initial=1)))
    most = max(1, BLOCK_BYTES // (8 * (piece.stop - piece.start) * spacing))
    for a in range(0, len(rows), most):
        wanted = rows[a : a + most]
        block = values[int(wanted[0]) : int(wanted[-1]) + 1, replica, piece].values
        yield slice(a, a + len(wanted)), np.asarray(block[wanted - wanted[0]], np.float64)


def _centred(
    state: xr.DataArray, replica: int, rows: Array, piece: slice
) -> tuple[slice, Array, Array]:
    held = np.empty((len(rows), piece.stop - piece.start))
    for at, block in read_rows(state, replica, rows, piece):
        held[at] = block
        tell(at.stop, len(rows))
    mean = held.mean(axis=0)
    held -= mean
    return piece, held, mean


def _leading(matrix: Array, count: int) -> tuple[Array, Array]:
    """Return the largest eigenvalues, descending and none below 0, and their vectors."""
    n = len(matrix)
    values, vectors = eigh(matrix, subset_by_index=[n - count, n - 1])
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]


def _facing(scores: Array) -> Array:
    """Turn each component so that the last state lies on its positive side."""
    turned: Array = scores * np.where(scores[-1] < 0.0, -1.0, 1.0)
    return turned
