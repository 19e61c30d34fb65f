"""Growth per doubling of time: increasing for an exponential, constant for a power."""

from __future__ import annotations

import numpy as np

from nndyn.numerics.arrays import Array

#: e-foldings per doubling below which growth is that of a power, and from which it is exponential.
POWER, EXPONENTIAL = 1.4, 2.0
#: Share of all growth that the last doubling adds, from which it may be exponential: 3/8 if it is.
LATE = 0.3
#: Growth per doubling of what no longer grows at all.
AT_REST = 0.35
#: Most times as long a recording that is asked for.
LONGEST = 1000.0
#: Power of time that growth has to exceed from the first sample on.
STEEPEST = 2.0


def growth_per_doubling(growth: Array) -> float:
    """Return what the last doubling of the time adds to the accumulated growth of a deviation.

    Parameters
    ----------
    growth : (n + 1,) float64
        ``ln d`` at evenly spaced times from the start on.

    Returns
    -------
    float
        Its mean over (T/2, T] less its mean over (T/4, T/2], in e-foldings: p ln 2 for d ~ t^p,
        however long the recording, and 3/8 λ T for d ~ exp(λ t). NaN of fewer than four samples.

    References
    ----------
    That deviations of regular orbits grow as a power of time: Contopoulos, Galgani and Giorgilli,
    Physical Review A 18 (1978) 1183, doi:10.1103/PhysRevA.18.1183.
    """
    n = len(growth) - 1
    if n < 4:
        return float("nan")
    later = float(growth[n // 2 + 1 :].mean())
    return later - float(growth[n // 4 + 1 : n // 2 + 1].mean())


def longer(total: float, doubling: float, samples: int) -> float:
    """Return how many times as long a recording decides whether growth is exponential.

    Parameters
    ----------
    total, doubling : float
        e-foldings over the recording, and per doubling of the time.
    samples : int
        Of the recording; at least 2.

    Returns
    -------
    float
        If it is exponential, both are in proportion to the length.
    """
    times = max(EXPONENTIAL / max(doubling, 0.1), 2.0)
    while times < LONGEST and max(total, 0.1) * times < needed(samples * times):
        times *= 1.1
    return times


def needed(samples: float) -> float:
    """Return the e-foldings over so many samples that exceed what t² gives."""
    return STEEPEST * float(np.log(max(samples, 2.0)))
