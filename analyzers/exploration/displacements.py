"""Mean-squared displacement and participation ratio of a trajectory of any dimension and length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analyzers.common.ahead import Read, read_ahead
from analyzers.common.progress import tell
from analyzers.exploration.kernels import collect
from analyzers.exploration.squared_displacements import pairs, squared_displacements
from nndyn.numerics.arrays import Array

#: Most bytes of states that are held, that pass by them, and that are read at once.
PANEL_BYTES, PASSING_BYTES, BLOCK_BYTES = 600 * 2**20, 32 * 2**20, 8 * 2**20
#: Most rows of a product of states with states, and most columns.
ROWS, COLUMNS = 1024, 2048
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
    """Return what pairs of states give.

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
    A trajectory of no more components than states (and `COMPONENTS`) that is held whole has its
    displacements taken by `analyzers.exploration.squared_displacements`, in O(T D log T)
    operations, and its covariance in O(T D²). Else blocks of states are multiplied with blocks of
    states, in O(T² D) operations: squared displacements are then exact to rounding of the squared
    radius of the trajectory, and the T x T matrix of products, which has the trace and the squared
    trace of the covariance, is never stored whole. Each state is read once more for every
    `PANEL_BYTES` of states before it, or not again where all fit into that.
    """
    narrow = len(mean) <= min(times, COMPONENTS)
    method = _held_whole if narrow and len(held) == times else _by_products
    sums, block_sums, trace, trace_square = method(read, times, mean, longest, cuts, held)
    within = []
    for cut, found in zip(cuts, block_sums, strict=True):
        sizes = np.bincount(cut.of(times), minlength=cut.blocks)
        within.append(found / (sizes[:, None] - cut.lags))
    return Displacements(
        msd=sums / np.arange(times, times - longest - 1, -1),
        within=within,
        variance=trace / times,
        participation_ratio=trace**2 / trace_square if trace_square > 0.0 else np.nan,
    )


#: Sums of squared displacements by lag (L + 1,), the same within every block of every cut (B, m),
#: and the traces of the centred products and of their square.
Sums = tuple[Array, list[Array], float, float]


def _held_whole(
    read: Read, times: int, mean: Array, longest: int, cuts: list[Cut], held: Array
) -> Sums:
    """Sum over a trajectory that is held whole, of few components."""
    held -= mean
    covariance = held.T @ held
    block_sums = [pairs(held, cut.lags, cut.of(times), cut.blocks) for cut in cuts]
    return (
        squared_displacements(held, longest),
        block_sums,
        float(np.trace(covariance)),
        float(np.vdot(covariance, covariance)),
    )


def _by_products(
    read: Read, times: int, mean: Array, longest: int, cuts: list[Cut], held: Array
) -> Sums:
    """Sum over products of blocks of states with blocks of states."""
    D = len(mean)
    narrow = min(times, COMPONENTS) >= D
    reach = longest if narrow else times - 1
    squares = np.zeros(times)
    sums = np.zeros(longest + 1)
    most = max((cut.blocks for cut in cuts), default=1)
    block_of = np.array([cut.of(times) for cut in cuts], np.int64).reshape(len(cuts), times)
    reaches = np.array([cut.lags[-1] for cut in cuts], np.int64)
    block_sums = np.zeros((len(cuts), most, longest + 1))
    covariance = np.zeros((D, D)) if narrow else None
    trace_square = 0.0
    known = 0
    for rows, i0, columns, j0 in _panels(read, times, mean, reach, held):
        if i0 + len(rows) > known:
            known = i0 + len(rows)
            squares[i0:known] = np.einsum("ij,ij->i", rows, rows)
        if covariance is not None and j0 == i0:
            covariance += rows.T @ rows
        products = rows @ columns.T
        if covariance is None:
            same = 1.0 if j0 == i0 else 2.0
            trace_square += same * float(np.vdot(products, products))
        collect(products, i0, j0, squares, sums, reaches, block_of, block_sums)
    if covariance is not None:
        trace_square = float(np.vdot(covariance, covariance))
    found = [block_sums[k, : cut.blocks][:, cut.lags] for k, cut in enumerate(cuts)]
    return sums, found, float(squares.sum()), trace_square


def panel_rows(times: int, dimension: int) -> int:
    """Return how many of so many states of `dimension` components are held at once."""
    return min(times, max(1, PANEL_BYTES // (8 * dimension)))


def block_rows(dimension: int) -> int:
    """Return how many states of `dimension` components are read at once."""
    return max(1, BLOCK_BYTES // (8 * dimension))


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
    size, D = len(held), len(mean)
    most = min(ROWS, max(1, PASSING_BYTES // (8 * D)))
    passing = np.empty((most if size < times else 0, D))

    def fill(out: Array, first: int) -> None:
        for a, states in read_ahead(read, first, first + len(out), block_rows(D)):
            np.subtract(states, mean, out=out[a - first : a - first + len(states)])

    for p0 in range(0, times, size):
        p1 = min(p0 + size, times)
        panel = held[: p1 - p0]
        if p0 == 0:
            panel -= mean
        else:
            fill(panel, p0)
        for i0 in range(p0, p1, ROWS):
            tell(i0, times)
            rows = panel[i0 - p0 : i0 - p0 + ROWS]
            yield rows, i0, rows, i0
            yield from _against(rows, i0, panel[: i0 - p0], p0, reach)
        end = min(p1 + reach, times)
        for i0 in range(p1, end, most):
            rows = passing[: end - i0]
            fill(rows, i0)
            yield from _against(rows, i0, panel, p0, reach)


def _against(
    rows: Array, i0: int, earlier: Array, p0: int, reach: int
) -> Iterator[tuple[Array, int, Array, int]]:
    """Yield `rows` with those of the `earlier` states, from time p0 on, that are in reach."""
    first = max(0, i0 - reach - p0)
    for j in range(first, len(earlier), COLUMNS):
        yield rows, i0, earlier[j : j + COLUMNS], p0 + j
