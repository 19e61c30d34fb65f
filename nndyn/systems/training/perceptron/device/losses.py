"""Losses over samples in columns on a GPU, and their gradients at the outputs: torch's kernels.

Outputs are ``(M, R, outputs, columns)``. Losses are sums over the samples, and so are gradients:
whoever has seen all tiles divides.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from nndyn.systems.training.perceptron.device.samples import Laid

Tensor = torch.Tensor


def cross_entropy(outputs: Tensor, samples: Laid) -> Tensor:
    """Return the sum ``(M, R)`` of ``log Σ exp z - z[label]``; `outputs` become its gradient."""
    assert samples.labels is not None  # checked where the data enter
    logs = torch.log_softmax(outputs, 2)
    labels = samples.labels[:, None, None].expand(*outputs.shape[:2], 1, -1)
    loss = logs.gather(2, labels)[..., 0, : samples.count].sum(2).neg_()
    torch.exp(logs, out=outputs)
    outputs.sub_(samples.values.mT[:, None])
    outputs[..., samples.count :] = 0.0
    return loss


def mean_square(outputs: Tensor, samples: Laid) -> Tensor:
    """Return the sum ``(M, R)`` of the mean squared differences; `outputs` become its gradient."""
    width = outputs.shape[2]
    outputs.sub_(samples.values.mT[:, None])
    outputs[..., samples.count :] = 0.0
    loss = outputs.square().sum((2, 3)).div_(width)
    outputs.mul_(2 / width)
    return loss


def predicted(outputs: Tensor, samples: Laid) -> Tensor:
    """Return where the largest output, the first of equals, of every sample is, ``(M, R, n)``."""
    return outputs[..., : samples.count].argmax(2)


def correct(predictions: Tensor, samples: Laid) -> Tensor:
    """Return the number of predictions that are right, ``(M, R)`` float64."""
    assert samples.labels is not None
    right = predictions == samples.labels[:, None, : samples.count]
    return right.sum(2, dtype=torch.float64)


LOSSES: dict[str, Callable[[Tensor, Laid], Tensor]] = {
    "cross-entropy": cross_entropy,
    "mse": mean_square,
}
