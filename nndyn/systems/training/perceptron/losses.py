"""Losses over a batch of samples, for every row at once, and their gradients at the outputs.

Outputs are feature-major, ``(R, outputs, columns)`` without gaps: one column a sample, and behind
them a few columns that only pad the buffer and count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch

from nndyn.numerics.arrays import Array
from nndyn.systems.training.perceptron.kernels import outputs as kernels

Tensor = torch.Tensor


@dataclass(frozen=True)
class Targets:
    """Targets of `count` samples in columns, padded with zeros to the columns of the outputs.

    Attributes
    ----------
    count : int
    labels : (columns,) int64 or None
    values : (1, outputs, columns)
        Real-valued targets; one-hot columns where there are labels.
    """

    count: int
    labels: Tensor | None
    values: Tensor

    @cached_property
    def arrays(self) -> tuple[Array, Array]:
        """The labels, empty where there are none, and the values ``(outputs, columns)``."""
        labels = np.empty(0, np.int64) if self.labels is None else self.labels.numpy()
        return labels, self.values[0].numpy()


class Loss(Protocol):
    """A mean over samples, and its gradient.

    Attributes
    ----------
    squared : bool
        Whether it is the mean square, not the cross-entropy.
    """

    squared: bool

    def __call__(
        self, outputs: Array, targets: Targets, *, gradient: bool, correct: bool
    ) -> tuple[Array, Array | None]:
        """Return the loss (R,) and, where asked, the number of samples classified correctly (R,).

        Both in float64. `outputs` is overwritten: by the gradient of the loss where `gradient`.
        """

    def hvp(self, vectors: Tensor, gradient: Tensor, targets: Targets) -> None:
        """Multiply `vectors` (k, outputs, columns), in place, by the Hessian at the outputs.

        `gradient` (outputs, columns) is the one there.
        """


class CrossEntropy:
    """Mean over samples of ``log Σ exp z - z[label]``, each column shifted by its maximum."""

    squared = False

    def __call__(
        self, outputs: Array, targets: Targets, *, gradient: bool, correct: bool
    ) -> tuple[Array, Array | None]:
        """Return the loss and the number of correct samples; `outputs` becomes the gradient."""
        (labels, _), count = targets.arrays, targets.count  # labels: checked where the data enter
        loss, right = np.empty((2, len(outputs)))
        kernels.cross_entropy(outputs, labels, count, count, gradient, loss, right)
        return loss, right if correct else None

    def hvp(self, vectors: Tensor, gradient: Tensor, targets: Targets) -> None:
        """Multiply by ``(diag p - p pᵀ) / n`` with the probabilities p of every column."""
        share = gradient + targets.values[0] / targets.count  # p / n, and 0 where columns only pad
        vectors.mul_(share)
        mean = torch.sum(vectors, 1, keepdim=True).mul_(targets.count)
        vectors.addcmul_(mean, share, value=-1)


class MeanSquare:
    """Mean over all entries of the squared difference to the targets."""

    squared = True

    def __call__(
        self, outputs: Array, targets: Targets, *, gradient: bool, correct: bool
    ) -> tuple[Array, Array | None]:
        """Return the loss and the number of correct samples; `outputs` becomes the gradient."""
        (labels, values), count = targets.arrays, targets.count
        loss, right = np.empty((2, len(outputs)))
        if correct:
            kernels.hits(outputs, labels, count, right)
        kernels.mean_square(outputs, values, 0, count, count, loss)
        return loss, right if correct else None

    def hvp(self, vectors: Tensor, gradient: Tensor, targets: Targets) -> None:
        """Multiply by ``2 / entries``."""
        vectors.mul_(2 / (targets.count * vectors.shape[1]))
        vectors[..., targets.count :] = 0.0


LOSSES: dict[str, type[CrossEntropy] | type[MeanSquare]] = {
    "cross-entropy": CrossEntropy,
    "mse": MeanSquare,
}
