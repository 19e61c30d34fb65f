"""From a Block of a system to rows of a recording."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nndyn.recording import PERTURBED
from nndyn.systems.protocol import Array, Block


@dataclass
class Rows:
    """Rows of the variables on one growing dimension.

    Attributes
    ----------
    steps : (n,) int64
        Their times, counted in steps.
    values : dict of str to (n, …) array
    """

    steps: Array
    values: dict[str, Array] = field(default_factory=dict)

    def blank(self, replica: int, step: int) -> None:
        """Set the values of `replica` from `step` on to NaN."""
        for values in self.values.values():
            if values.ndim > 1:
                values[self.steps >= step, replica] = np.nan

    def cut(self, step: int) -> None:
        """Drop the rows from `step` on."""
        before = self.steps < step
        self.values = {name: values[before] for name, values in self.values.items()}
        self.steps = self.steps[before]


def alignment(gram: Array, role: Array, pair: Array) -> Array:
    """Mean absolute cosine between the deviations of perturbed replicas, ± partners left out.

    Parameters
    ----------
    gram : (n, R, R) float64
        Inner products of the deviations.
    role, pair : (R,)

    Returns
    -------
    (n,) float64
        NaN where fewer than two deviations are left that are finite and not zero.
    """
    lengths = np.sqrt(np.einsum("nrr->nr", gram))
    first, second = _independent(role, pair)
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


def has_alignment(role: Array, pair: Array) -> bool:
    """Whether any two perturbed replicas are not each other's mirror image."""
    return bool(_independent(role, pair)[0].size)


def _independent(role: Array, pair: Array) -> tuple[Array, Array]:
    first, second = np.triu_indices(len(role), k=1)
    chosen = (role[first] == PERTURBED) & (role[second] == PERTURBED) & (pair[first] != second)
    return first[chosen], second[chosen]


def first_not_finite(block: Block) -> Array:
    """Index ``(R,)`` of the first time of each row that is not finite, -1 where all are finite.

    The phase reached counts as one time more. A distance that overflows counts as well: such a
    replica is lost a step later at most.
    """
    square = np.einsum("nrr->nr", block.gram)
    good = np.vstack(
        [
            np.isfinite(block.distance_l1) & np.isfinite(square),
            np.isfinite(block.phase).all(axis=1, keepdims=True).T,
        ]
    )
    first: Array = np.where(good.all(axis=0), -1, good.argmin(axis=0))
    return first
