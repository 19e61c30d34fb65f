"""Trajectories side by side: distances, steps, mirror images, and how alike deviations are."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.numerics.separation import moved, separate_by_parameter
from nndyn.recording import PERTURBED

#: First and second rows of every pair of perturbed replicas that are not mirror images.
Pairs = tuple[Array, Array]
#: Deviations are mirrored where what is left of their sum is this share of both, by rounding.
_MIRRORED = 0.01


class Sums:
    """What is known of some times of R trajectories, from their components, part after part.

    Parameters
    ----------
    times, replicas : int
        n and R.
    ends : sequence of int, optional
        Where each parameter ends, of several by which distances are told too.

    Attributes
    ----------
    l1, linf : (n, R) float64
        Distances to replica 0; NaN where either state is not finite.
    gram : (n, R, R) float64
        Inner products of the deviations from it.
    squares : (n, R, k) float64
        Squares of the l2 distances by parameter.
    steps : (n, R) float64
        l2 distance of each state to the one before it; 0 where there is none.
    """

    def __init__(self, times: int, replicas: int, ends: Sequence[int] = ()) -> None:
        self._ends, self._seen = np.array(ends, np.int64), 0
        self.l1, self.linf = np.zeros((times, replicas)), np.zeros((times, replicas))
        self.gram = np.zeros((times, replicas, replicas))
        self.squares = np.zeros((times, replicas, len(ends)))
        self.steps = np.zeros((times, replicas))

    def add(self, states: Array, before: Array | None) -> None:
        """Add a part of the components.

        Parameters
        ----------
        states : (n, R, C) float64 or float32
        before : (R, C) array or None
            The states before the first of these, None where there are none.
        """
        states = np.ascontiguousarray(states)
        l1, linf, gram = (np.zeros_like(x) for x in (self.l1, self.linf, self.gram))
        size = states.shape[2]
        ends = np.clip(self._ends - self._seen, 0, size) if self._ends.size else np.array([size])
        squares = np.zeros((*self.l1.shape, ends.size))
        _separated(states, ends, l1, linf, gram, squares)
        self._seen += size
        self.l1 += l1
        self.linf = np.maximum(self.linf, linf)
        self.gram += gram
        self.squares += squares[..., : self._ends.size]
        steps = np.zeros_like(self.steps)
        if before is not None:
            _lengths(np.ascontiguousarray(before), states[0], steps[0])
        _stepped(states, steps)
        self.steps = np.hypot(self.steps, steps)

    @property
    def l2(self) -> Array:
        """Distances to replica 0, (n, R) float64."""
        lengths: Array = np.sqrt(np.einsum("nrr->nr", self.gram))
        return lengths

    @property
    def finite(self) -> Array:
        """Whether each state is, and its distance to a finite reference, (n, R) bool."""
        good: Array = np.isfinite(self.l1) & np.isfinite(self.l2)
        return good

    def rows(self, pairs: Pairs) -> dict[str, Array]:
        """Return the distances as variables of a recording, and the alignment where there is one.

        Parameters
        ----------
        pairs : Pairs

        Returns
        -------
        dict of str to array
        """
        found = {"distance_l1": self.l1, "distance_l2": self.l2, "distance_linf": self.linf}
        if self._ends.size:
            found["distance_l2_parameter"] = np.sqrt(self.squares)
        if pairs[0].size:
            found["deviation_alignment"] = alignment(self.gram, pairs)
        return found


@numba.njit(cache=True, nogil=True)
def _separated(
    states: Array, ends: Array, l1: Array, linf: Array, gram: Array, squares: Array
) -> None:
    for i in range(states.shape[0]):
        separate_by_parameter(states[i], ends, i, l1, linf, gram, squares)


@numba.njit(cache=True, nogil=True)
def _lengths(before: Array, after: Array, lengths: Array) -> None:
    copy = np.empty(after.shape[1], after.dtype)
    for r in range(after.shape[0]):
        lengths[r] = np.sqrt(moved(after[r], before[r], copy))


@numba.njit(cache=True, nogil=True)
def _stepped(states: Array, steps: Array) -> None:
    for i in range(1, states.shape[0]):
        _lengths(states[i - 1], states[i], steps[i])


def steps(states: Array) -> Array:
    """Return the l2 length of the step that led to each state.

    Parameters
    ----------
    states : (T, R, D) float64 or float32

    Returns
    -------
    (T, R) float64
        0 at the first time.
    """
    found = np.zeros(states.shape[:2])
    _stepped(np.ascontiguousarray(states), found)
    return found


def partners(role: Array, gram: Array) -> Array:
    """Find which perturbed replicas begin as mirror images of each other.

    Parameters
    ----------
    role : (R,) int
    gram : (R, R) float64
        Inner products of the first deviations.

    Returns
    -------
    (R,) int32
        Index of the partner, -1 where there is none.
    """
    partner = np.full(len(role), -1, dtype=np.int32)
    size = np.sqrt(np.diag(gram))
    for r in np.flatnonzero(role == PERTURBED):
        for s in range(r + 1, len(role)):
            free = partner[r] < 0 and partner[s] < 0 and role[s] == PERTURBED
            both = size[r] + size[s]
            left = gram[r, r] + gram[s, s] + 2.0 * gram[r, s]
            if free and both > 0.0 and left <= (_MIRRORED * both) ** 2:
                partner[r], partner[s] = s, r
    return partner


def alignment(gram: Array, pairs: Pairs) -> Array:
    """Mean absolute cosine between the deviations of perturbed replicas, ± partners left out.

    Parameters
    ----------
    gram : (n, R, R) float64
        Inner products of the deviations.
    pairs : Pairs

    Returns
    -------
    (n,) float64
        NaN where fewer than two deviations are left that are finite and not zero.
    """
    lengths = np.sqrt(np.einsum("nrr->nr", gram))
    first, second = pairs
    norms = lengths[:, first] * lengths[:, second]
    products = gram[:, first, second]
    valid = np.isfinite(norms) & (norms > 0) & np.isfinite(products)
    cosines = np.zeros_like(norms)
    np.divide(np.abs(products), norms, out=cosines, where=valid)
    count = valid.sum(axis=1)
    mean = np.full(len(gram), np.nan)
    # accumulate adds in one order, whatever n; sum does not, and a resumed run would show it
    total = np.add.accumulate(cosines, axis=1)[:, -1]
    np.divide(total, count, out=mean, where=count > 0)
    aligned: Array = np.minimum(mean, 1.0)
    return aligned


def independent(role: Array, pair: Array) -> Pairs:
    """Pairs of perturbed replicas that are not each other's mirror image."""
    first, second = np.triu_indices(len(role), k=1)
    chosen = (role[first] == PERTURBED) & (role[second] == PERTURBED) & (pair[first] != second)
    return first[chosen], second[chosen]
