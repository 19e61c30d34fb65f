"""Losses over a batch of samples, for every row at once, and their gradients at the outputs.

Outputs are feature-major, ``(R, outputs, columns)`` without gaps: one column a sample, and behind
them a few columns that only pad the buffer and count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

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


class Loss(Protocol):
    """A mean over samples, and its gradient."""

    def __call__(
        self, outputs: Tensor, targets: Targets, *, gradient: bool, correct: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss (R,) and, where asked, the number of samples classified correctly (R,).

        Both in float64. `outputs` is overwritten: by the gradient of the loss where `gradient`.
        """

    def hvp(self, vectors: Tensor, gradient: Tensor, targets: Targets) -> None:
        """Multiply `vectors` (k, outputs, columns), in place, by the Hessian at the outputs.

        `gradient` (outputs, columns) is the one there.
        """


class CrossEntropy:
    """Mean over samples of ``log Σ exp z - z[label]``, each column shifted by its maximum."""

    def __call__(
        self, outputs: Tensor, targets: Targets, *, gradient: bool, correct: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss and the number of correct samples; `outputs` becomes the gradient."""
        assert targets.labels is not None  # checked where the data enter
        loss, right = torch.empty((2, len(outputs)), dtype=torch.float64)
        kernels.cross_entropy(
            outputs.numpy(),
            targets.labels.numpy(),
            targets.count,
            gradient,
            loss.numpy(),
            right.numpy(),
        )
        return loss, right if correct else None

    def hvp(self, vectors: Tensor, gradient: Tensor, targets: Targets) -> None:
        """Multiply by ``(diag p - p pᵀ) / n`` with the probabilities p of every column."""
        share = gradient + targets.values[0] / targets.count  # p / n, and 0 where columns only pad
        vectors.mul_(share)
        mean = torch.sum(vectors, 1, keepdim=True).mul_(targets.count)
        vectors.addcmul_(mean, share, value=-1)


class MeanSquare:
    """Mean over all entries of the squared difference to the targets."""

    def __call__(
        self, outputs: Tensor, targets: Targets, *, gradient: bool, correct: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss and the number of correct samples; `outputs` becomes the gradient."""
        loss, right = torch.empty((2, len(outputs)), dtype=torch.float64)
        n = targets.count
        if correct:
            assert targets.labels is not None  # nobody asks otherwise
            kernels.hits(outputs.numpy(), targets.labels.numpy(), n, right.numpy())
        kernels.mean_square(outputs.numpy(), targets.values[0].numpy(), n, loss.numpy())
        return loss, right if correct else None

    def hvp(self, vectors: Tensor, gradient: Tensor, targets: Targets) -> None:
        """Multiply by ``2 / entries``."""
        vectors.mul_(2 / (targets.count * vectors.shape[1]))
        vectors[..., targets.count :] = 0.0


LOSSES: dict[str, type[CrossEntropy] | type[MeanSquare]] = {
    "cross-entropy": CrossEntropy,
    "mse": MeanSquare,
}
