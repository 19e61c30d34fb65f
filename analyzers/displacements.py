"""Mean-squared displacement and participation ratio of a trajectory of any dimension and length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzers.kernels.displacements import collect

Array = NDArray[Any]
#: Returns the states first … last-1 as (last - first, D) float64.
Read = Callable[[int, int], Array]

#: Most bytes of states that are held while the others pass by.
PANEL_BYTES = 512 * 2**20
#: Rows of a product of states with states, and most columns.
ROWS, COLUMNS = 256, 2048
#: Most components of a covariance that is kept whole.
COMPONENTS = 4096


@dataclass(frozen=True)
class Cut:
    """A trajectory cut into blocks of equal length, for the spread of estimates between them.

    Attributes
    ----------
    lags : (m,) int64
        Lags of interest, ascending; the last is at most half of a block.
    blocks : int
    """

    lags: Array
    blocks: int

    def of(self, times: int) -> Array:
        """Return the block of every time (T,): states 0 … T-1 are cut alike to one state."""
        return np.arange(times) * self.blocks // times


@dataclass(frozen=True)
class Displacements:
    """What pairs of states of one trajectory give.

    Attributes
    ----------
    msd : (L + 1,) float64
        Mean squared displacement over all starts, by lag; 0 at lag 0.
    within : list of (B, m) float64
        For every cut, the mean over the starts in each block, at the lags of the cut.
    variance : float
        Trace of the covariance of the states: the squared radius of gyration.
    participation_ratio : float
        Of the covariance C: ``(tr C)² / tr C²``; NaN where the states do not vary.
    """

    msd: Array
    within: list[Array]
    variance: float
    participation_ratio: float


def displacements(
    read: Read, times: int, mean: Array, longest: int, cuts: list[Cut], held: Array
) -> Displacements:
    """Return what pairs of states give, from products of blocks of them.

    Parameters
    ----------
    read : callable
        ``read(first, last)`` gives states.
    times : int
        T, number of states.
    mean : (D,) float64
        Of the states.
    longest : int
        L, the longest lag.
    cuts : list of Cut
    held : (h, D) float64
        The first states, as many as `panel_rows`; overwritten.

    Returns
    -------
    Displacements

    Notes
    -----
    Squared displacements come from products of centred states: they are exact to rounding of the
    squared radius of the trajectory. The covariance is that of D components where D is at most T
    and `COMPONENTS`; else the T x T matrix of products is used, which has the same trace and
    squared trace and is never stored whole. At most `PANEL_BYTES` of states are held; each state
    is read once more for every such panel before it, or not again where they fit into one. O(T² D)
    operations where the products are used, O(T (L + D) D) else.
    """
    D = len(mean)
    wide = min(times, COMPONENTS) < D
    reach = times - 1 if wide else longest
    squares = np.zeros(times)
    sums = np.zeros(longest + 1)
    most = max((cut.blocks for cut in cuts), default=1)
    block_of = np.array([cut.of(times) for cut in cuts], np.int64).reshape(len(cuts), times)
    reaches = np.array([cut.lags[-1] for cut in cuts], np.int64)
    block_sums = np.zeros((len(cuts), most, longest + 1))
    covariance = None if wide else np.zeros((D, D))
    trace_square = 0.0
    for rows, i0, columns, j0 in _panels(read, times, mean, reach, held):
        squares[i0 : i0 + len(rows)] = np.einsum("ij,ij->i", rows, rows)
        if covariance is not None and j0 == i0:
            covariance += rows.T @ rows
        products = rows @ columns.T
        if wide:
            same = 1.0 if j0 == i0 else 2.0
            trace_square += same * float(np.vdot(products, products))
        collect(products, i0, j0, squares, sums, reaches, block_of, block_sums)
    trace = float(squares.sum())
    if covariance is not None:
        trace_square = float(np.vdot(covariance, covariance))
    within = []
    for k, cut in enumerate(cuts):
        sizes = np.bincount(block_of[k], minlength=cut.blocks)
        within.append(block_sums[k, : cut.blocks, cut.lags] / (sizes - cut.lags[:, None]))
    return Displacements(
        msd=sums / np.arange(times, times - longest - 1, -1),
        within=[means.T for means in within],
        variance=trace / times,
        participation_ratio=trace**2 / trace_square if trace_square > 0.0 else np.nan,
    )


def panel_rows(times: int, dimension: int) -> int:
    """Return how many of so many states of `dimension` components are held at once."""
    return min(times, max(ROWS, PANEL_BYTES // (8 * dimension)))


def _panels(
    read: Read, times: int, mean: Array, reach: int, held: Array
) -> Iterator[tuple[Array, int, Array, int]]:
    """Yield blocks of centred states that together make every pair at most `reach` apart.

    Yields
    ------
    rows : (n, D)
    i0 : int
        Index of the first row.
    columns : (m, D)
        Earlier states, or the rows themselves.
    j0 : int
        Index of the first column.
    """
    size = len(held)
    passing = np.empty((ROWS if size < times else 0, len(mean)))
    for p0 in range(0, times, size):
        p1 = min(p0 + size, times)
        panel = held[: p1 - p0]
        if p0 == 0:
            panel -= mean
        for a in range(p0, p1 if p0 else p0, ROWS):
            part = slice(a - p0, min(a + ROWS, p1) - p0)
            np.subtract(read(a, min(a + ROWS, p1)), mean, out=panel[part])
        for i0 in range(p0, p1, ROWS):
            rows = panel[i0 - p0 : i0 - p0 + ROWS]
            yield rows, i0, rows, i0
            yield from _against(rows, i0, panel[: i0 - p0], p0, reach)
        for i0 in range(p1, min(p1 + reach, times), ROWS):
            following = read(i0, min(i0 + ROWS, p1 + reach, times))
            rows = np.subtract(following, mean, out=passing[: len(following)])
            yield from _against(rows, i0, panel, p0, reach)


def _against(
    rows: Array, i0: int, earlier: Array, p0: int, reach: int
) -> Iterator[tuple[Array, int, Array, int]]:
    """Yield `rows` with those of the `earlier` states, from time p0 on, that are in reach."""
    first = max(0, i0 - reach - p0)
    for j in range(first, len(earlier), COLUMNS):
        yield rows, i0, earlier[j : j + COLUMNS], p0 + j
