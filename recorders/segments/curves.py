"""Curves along a segment between two rows of weights, and how its ends differ."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.numerics.separation import moved
from nndyn.recording import ALONG


@runtime_checkable
class WithSegments(Protocol):
    """What is needed of a system to look at weights between those of its rows."""

    @property
    def no_barrier(self) -> str:
        """Why `evaluated` cannot be called, empty where it can."""

    @property
    def evaluations(self) -> tuple[str, ...]:
        """See `nndyn.systems.protocol.System`."""

    def evaluated(self, weights: Array) -> dict[str, Array]:
        """Return the `evaluations` ``(R,)`` of rows of weights ``(R, D)`` alone.

        Running statistics are those of one pass over the training set.
        """


#: The length of a segment.
LENGTH = "barrier_distance_l2"
#: What the ends of a segment tell of one another: as the evaluations call it, and as a variable.
BETWEEN = {
    "distance_output": "barrier_distance_output",
    "prediction_disagreement": "barrier_disagreement",
}


def check(system: Any) -> WithSegments:
    """Check that a network can be evaluated at any weights.

    Returns
    -------
    WithSegments
        The system.

    Raises
    ------
    UsageError
        If it has no network and samples of its own.
    """
    if not isinstance(system, WithSegments):
        name = getattr(system, "name", repr(system))
        raise UsageError(
            f"barrier is of trainings whose network and samples nndyn has, not of {name}; of a "
            "loop of your own give network and data to nndyn.Training, and that with two rows of "
            "weights to nndyn.barrier"
        )
    if system.no_barrier:
        raise UsageError(
            f"barrier: {system.no_barrier}; give the samples as arrays, or as a Dataset whose "
            "items do not change"
        )
    return system


def positions(points: int) -> Array:
    """Return `points` positions from 0 to 1, equally far apart, and those halfway between them."""
    return np.linspace(0.0, 1.0, 2 * points - 1)


def named(evaluations: tuple[str, ...]) -> tuple[str, ...]:
    """Return the variables that `curves` gives, by what a system evaluates."""
    along = [f"barrier_{name}" for name in ALONG if name in evaluations]
    return (*along, *(BETWEEN[name] for name in BETWEEN if name in evaluations), LENGTH)


def curves(
    system: WithSegments, first: Array, second: Array, at: Array, rows: int
) -> dict[str, Array]:
    """Evaluate a segment.

    Parameters
    ----------
    system : WithSegments
    first, second : (D,)
        Its ends.
    at : (n,) float64
        Positions on it, the ends among them: 0 first, 1 last.
    rows : int
        Weights that are evaluated at once, 2 at least.

    Returns
    -------
    dict of str to array
        Variables of a recording: ``barrier_distance_l2``, its length; ``barrier_loss`` and what
        else lies along it, ``(n,)``; ``barrier_distance_output`` and ``barrier_disagreement``.
        The length alone where that is not finite.

    Notes
    -----
    Memory beside that of the system is `rows` + 1 rows of weights.
    """
    n, batch = len(at), np.empty((rows, len(first)), first.dtype)
    length = np.sqrt(moved(second, first, batch[1]))
    found = {LENGTH: np.array(length)}
    if not np.isfinite(length):
        return found
    found |= {f"barrier_{name}": np.zeros(n) for name in ALONG if name in system.evaluations}
    between = second - first
    # the first row is what outputs and predictions are compared with: both ends come first
    order = np.array([0, n - 1, *range(1, n - 1)])
    for start in range(0, n, rows):
        few = order[start : start + rows]
        batch[:] = first
        for row, i in zip(batch, few, strict=False):
            if i == n - 1:
                row[:] = second
            elif i:
                row += between * first.dtype.type(at[i])
        values = system.evaluated(batch)
        for name in ALONG:
            if name in values:
                found[f"barrier_{name}"][few] = values[name][: len(few)]
        if start == 0:
            found |= {v: values[name][1] for name, v in BETWEEN.items() if name in values}
    return found
