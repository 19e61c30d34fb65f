"""Growth phases: a separation curve as a few straight pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nndyn.numerics import autocorrelation_time

Array = NDArray[Any]

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
    """A stretch of steady growth: increments ``start … stop − 1``, times ``start … stop``."""

    start: int
    stop: int
    growth: float

    @property
    def slope(self) -> float:
        """Growth per sample."""
        return self.growth / (self.stop - self.start)


def growth_phases(steps: Array) -> list[Phase]:
    """Return the phases of a curve from its increments.

    Parameters
    ----------
    steps : (n,) float64
        ``S(t + 1) − S(t)``, finite; at least `SHORTEST`.

    Returns
    -------
    list of Phase
        Adjoining, from 0 to n.

    Notes
    -----
    The curve is taken as continuous and piecewise linear with fluctuations that add up along it,
    so its increments have a mean and a variance of their own in each segment. The number of
    segments minimises ``−2 ln L + 3 k ln n'`` with both terms in effective samples n' = n / τ,
    where τ ≥ 1 is the integrated autocorrelation time of the residual increments. Neighbours whose
    slopes agree within a factor of two, or are both below a tenth of the steepest, are one phase.
    """
    n = len(steps)
    bounds = segment(steps, 1.0)
    residual = np.concatenate(
        [_standardised(steps[a:b]) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    )
    tau = min(max(autocorrelation_time(residual), 1.0), n / SHORTEST)
    if tau > 1.0 and len(bounds) > 2:
        bounds = segment(steps, tau)
    phases = [
        Phase(int(a), int(b), float(steps[a:b].sum()))
        for a, b in zip(bounds[:-1], bounds[1:], strict=True)
    ]
    return merge(phases)


def segment(steps: Array, tau: float) -> list[int]:
    """Return the boundaries of the segmentation that the information criterion prefers.

    Parameters
    ----------
    steps : (n,) float64
    tau : float
        Integrated autocorrelation time of the residuals, in samples.

    Returns
    -------
    list of int
        Ascending, from 0 to n.
    """
    from analyzers.kernels.segments import best_segments

    n = len(steps)
    most = max(1, min(MOST, n // SHORTEST))
    smooth = np.convolve(steps, np.full(SHORTEST, 1.0 / SHORTEST), mode="valid")
    smallest = (NEGLIGIBLE * float(np.max(np.abs(smooth)))) ** 2 + 1e-24
    costs, bounds = best_segments(
        np.ascontiguousarray(steps, dtype=np.float64), candidates(n), SHORTEST, most, smallest
    )
    effective = max(n / tau, 2.0)
    penalty = 3.0 * np.log(effective) * np.arange(1, most + 1)
    k = int(np.argmin(costs / tau + penalty))
    return [int(b) for b in bounds[k, : k + 2]]


def candidates(n: int) -> Array:
    """Return the boundaries to try for n samples: all, or all at first and ever sparser later."""
    if n <= CANDIDATES:
        return np.arange(n + 1)
    half = CANDIDATES // 2
    later = np.geomspace(half, n, CANDIDATES - half)
    return np.unique(np.concatenate([np.arange(half), later.astype(np.int64), [n]]))


def merge(phases: list[Phase]) -> list[Phase]:
    """Join neighbours whose slopes agree within a factor of two, the most alike first."""
    phases = list(phases)
    while len(phases) > 1:
        steepest = max(abs(p.slope) for p in phases)
        ratios = [
            _unlike(a.slope, b.slope, CALM * steepest)
            for a, b in zip(phases[:-1], phases[1:], strict=True)
        ]
        i = int(np.argmin(ratios))
        if ratios[i] > 2.0:
            break
        a, b = phases[i], phases[i + 1]
        phases[i : i + 2] = [Phase(a.start, b.stop, a.growth + b.growth)]
    return phases


def _unlike(a: float, b: float, calm: float) -> float:
    """Ratio of two slopes, 1 where both are calm, infinite where only their signs differ."""
    if max(abs(a), abs(b)) <= calm:
        return 1.0
    if a * b <= 0.0:
        return np.inf
    return max(abs(a), abs(b)) / min(abs(a), abs(b))


def _standardised(x: Array) -> Array:
    spread = float(x.std())
    centred: Array = x - x.mean()
    return centred / spread if spread > 0.0 else centred
