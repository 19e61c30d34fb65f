"""Growth phases: a separation curve as a few straight pieces."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from analyzers.common.blocks import parts
from nndyn.numerics.arrays import Array
from nndyn.numerics.series import autocorrelation_time

#: Fewest samples of a phase, most segments tried.
SHORTEST, MOST = 8, 10
#: Boundaries tried per curve; longer curves are tried at every sample at first, then ever sparser.
CANDIDATES = 1200
#: Fluctuations below this share of the steepest slope are not told apart: what differs in a calm
#: stretch by less is no phase of its own, however quiet it is.
NEGLIGIBLE = 0.02
#: Slopes below this share of the steepest are one calm phase.
CALM = 0.1


@dataclass(frozen=True)
class Phase:
    """A stretch of steady growth: increments ``start … stop - 1``, times ``start … stop``."""

    start: int
    stop: int
    growth: float

    @property
    def slope(self) -> float:
        """Growth per sample."""
        return self.growth / (self.stop - self.start)


@dataclass(frozen=True)
class Phases:
    """The pieces of a curve.

    Attributes
    ----------
    phases : list of Phase
        Adjoining, from 0 to n.
    pieces : list of int
        How many segments each phase was joined from.
    tau : float
        Integrated autocorrelation time of the residual increments, in samples.
    """

    phases: list[Phase]
    pieces: list[int]
    tau: float

    @property
    def main(self) -> int:
        """Index of the phase with the most e-foldings."""
        return max(range(len(self.phases)), key=lambda i: self.phases[i].growth)

    @property
    def breaks(self) -> list[int]:
        """Samples at which a new phase starts."""
        return [p.start for p in self.phases[1:]]


def growth_phases(steps: Array) -> Phases:
    """Return the phases of a curve from its increments.

    Parameters
    ----------
    steps : (n,) float64
        ``S(t + 1) - S(t)``, finite; at least `SHORTEST`.

    Returns
    -------
    Phases

    Notes
    -----
    The curve is taken as continuous and piecewise linear with fluctuations that add up along it,
    so its increments have a mean and a variance of their own in each segment. The number of
    segments k minimises ``-2 ln L + 3 k ln n'`` with both terms in effective samples n' = n / τ,
    where τ ≥ 1 is the integrated autocorrelation time of the residual increments of a first
    segmentation. Neighbours whose slopes agree within a factor of two, or are both below a tenth
    of the steepest, are one phase.
    """
    n = len(steps)
    costs, best = segmentations(steps)
    bounds = _row(best, preferred(costs, n, 1.0))
    residual = np.empty(n)
    for a, b in itertools.pairwise(bounds):
        np.subtract(steps[a:b], steps[a:b].mean(), out=residual[a:b])
    tau = min(max(autocorrelation_time(residual), 1.0), n / SHORTEST)
    del residual
    if tau > 1.0 and len(bounds) > 2:
        bounds = _row(best, preferred(costs, n / tau, tau))
    pieces = merge(_phases(steps, bounds))
    return Phases(_phases(steps, _joined(bounds, pieces)), pieces, tau)


def same_phases(steps: Array, like: Phases) -> Phases:
    """Place the phases of another curve anew: as many segments, joined in the same way.

    Parameters
    ----------
    steps : (n,) float64
        As many as those `like` was found in.
    like : Phases

    Returns
    -------
    Phases
        With boundaries of its own.
    """
    count = sum(like.pieces)
    bounds = _row(segmentations(steps, count)[1], count)
    return Phases(_phases(steps, _joined(bounds, like.pieces)), like.pieces, like.tau)


def segmentations(steps: Array, most: int = MOST) -> tuple[Array, Array]:
    """Return the best segmentation into each number of segments, up to `most`.

    Parameters
    ----------
    steps : (n,) float64
    most : int
        Fewer where the curve has not as many that are long enough.

    Returns
    -------
    costs, bounds
        As of `analyzers.lyapunov.kernels.best_segments`.
    """
    from analyzers.lyapunov.kernels import best_segments

    n = len(steps)
    most = max(1, min(most, n // SHORTEST))
    steepest = 0.0
    for part in parts(n - SHORTEST + 1):
        ahead = steps[part.start : part.stop + SHORTEST - 1]
        smooth = np.convolve(ahead, np.full(SHORTEST, 1.0 / SHORTEST), mode="valid")
        steepest = max(steepest, float(np.max(np.abs(smooth))))
    smallest = (NEGLIGIBLE * steepest) ** 2 + 1e-24
    found: tuple[Array, Array] = best_segments(
        np.ascontiguousarray(steps, dtype=np.float64), candidates(n), SHORTEST, most, smallest
    )
    return found


def preferred(costs: Array, effective: float, tau: float) -> int:
    """Return the number of segments that the information criterion prefers.

    Parameters
    ----------
    costs : (most,) float64
        Of the best segmentation into 1, 2, … segments.
    effective : float
        Effective samples.
    tau : float
        Integrated autocorrelation time of the residuals, in samples.

    Returns
    -------
    int
    """
    penalty = 3.0 * np.log(max(effective, 2.0)) * np.arange(1, len(costs) + 1)
    return int(np.argmin(costs / tau + penalty)) + 1


def candidates(n: int) -> Array:
    """Return the boundaries to try for n samples: all, or all at first and ever sparser later."""
    if n <= CANDIDATES:
        return np.arange(n + 1)
    half = CANDIDATES // 2
    later = np.geomspace(half, n, CANDIDATES - half)
    return np.unique(np.concatenate([np.arange(half), later.astype(np.int64), [n]]))


def merge(phases: list[Phase]) -> list[int]:
    """Join neighbours whose slopes agree within a factor of two, the most alike first.

    Parameters
    ----------
    phases : list of Phase

    Returns
    -------
    list of int
        How many of them make up each joined phase.
    """
    phases, pieces = list(phases), [1] * len(phases)
    while len(phases) > 1:
        steepest = max(abs(p.slope) for p in phases)
        ratios = [_unlike(a.slope, b.slope, CALM * steepest) for a, b in itertools.pairwise(phases)]
        i = int(np.argmin(ratios))
        if ratios[i] > 2.0:
            break
        a, b = phases[i], phases[i + 1]
        phases[i : i + 2] = [Phase(a.start, b.stop, a.growth + b.growth)]
        pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]
    return pieces


def _phases(steps: Array, bounds: list[int]) -> list[Phase]:
    return [Phase(a, b, float(steps[a:b].sum())) for a, b in itertools.pairwise(bounds)]


def _row(bounds: Array, count: int) -> list[int]:
    """Boundaries of the best segmentation into `count` segments, from 0 to n."""
    return [int(b) for b in bounds[count - 1, : count + 1]]


def _joined(bounds: list[int], pieces: list[int]) -> list[int]:
    """Boundaries left after joining."""
    return [bounds[i] for i in [0, *itertools.accumulate(pieces)]]


def _unlike(a: float, b: float, calm: float) -> float:
    """Ratio of two slopes, 1 where both are calm, infinite where only their signs differ."""
    if max(abs(a), abs(b)) <= calm:
        return 1.0
    if a * b <= 0.0:
        return np.inf
    return max(abs(a), abs(b)) / min(abs(a), abs(b))
