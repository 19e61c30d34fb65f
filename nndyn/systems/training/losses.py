"""Losses over a batch of samples, for every row at once, and their gradients at the outputs.

Outputs are feature-major, ``(R, outputs, columns)``: one column a sample, and behind them up to
seven columns that only pad the buffer and count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

Tensor = torch.Tensor


@dataclass(frozen=True)
class Targets:
    """Targets of `count` samples in columns, padded with zeros to the columns of the outputs.

    Attributes
    ----------
    count : int
    labels : (1, 1, columns) int64 or None
    values : (1, outputs, columns)
        Real-valued targets; one-hot columns where there are labels.
    """

    count: int
    labels: Tensor | None
    values: Tensor


class Loss(Protocol):
    """A mean over samples, and its gradient."""

    def __call__(
        self, outputs: Tensor, targets: Targets, *, gradient: bool, hits: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss (R,) and, where asked, the number of samples classified rightly (R,).

        `outputs` is overwritten: by the gradient of the loss where `gradient`.
        """


class CrossEntropy:
    """Mean over samples of ``log Σ exp z - z[label]``, each column shifted by its maximum."""

    def __call__(
        self, outputs: Tensor, targets: Targets, *, gradient: bool, hits: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss and the number of hits; `outputs` becomes the gradient."""
        assert targets.labels is not None  # checked where the data enter
        n = targets.count
        outputs.sub_(torch.amax(outputs, 1, keepdim=True))
        picked = torch.gather(outputs, 1, targets.labels.expand(len(outputs), 1, -1))
        right = _hits(outputs, picked, targets) if hits else None
        outputs.exp_()
        total = torch.sum(outputs, 1, keepdim=True)
        loss = torch.log(total).sub_(picked)[..., :n].sum((1, 2)).div_(n)
        if gradient:
            outputs.div_(total.mul_(n))
            outputs.sub_(targets.values, alpha=1 / n)
            outputs[..., n:] = 0.0
        return loss, right


class MeanSquare:
    """Mean over all entries of the squared difference to the targets."""

    def __call__(
        self, outputs: Tensor, targets: Targets, *, gradient: bool, hits: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss and the number of hits; `outputs` becomes the gradient."""
        n = targets.count
        right = None
        if hits and targets.labels is not None:
            shifted = outputs - torch.amax(outputs, 1, keepdim=True)
            picked = torch.gather(shifted, 1, targets.labels.expand(len(outputs), 1, -1))
            right = _hits(shifted, picked, targets)
        outputs.sub_(targets.values)
        outputs[..., n:] = 0.0
        entries = n * outputs.shape[1]
        loss = outputs.square().sum((1, 2)).div_(entries)
        if gradient:
            outputs.mul_(2 / entries)
        return loss, right


LOSSES: dict[str, type[CrossEntropy] | type[MeanSquare]] = {
    "cross-entropy": CrossEntropy,
    "mse": MeanSquare,
}


def _hits(shifted: Tensor, picked: Tensor, targets: Targets) -> Tensor:
    """Count per row the columns whose first maximum, a zero of `shifted`, is at the label."""
    n = targets.count
    ties = np.count_nonzero(torch.eq(shifted, 0).numpy()) != picked.numel()
    if ties:  # or values that are not finite
        assert targets.labels is not None  # the caller gathered at them
        first = torch.argmax(torch.eq(shifted, 0).to(torch.uint8), 1, keepdim=True)
        right = torch.eq(first, targets.labels)
    else:
        right = torch.eq(picked, 0)
    return right[..., :n].sum((1, 2))
