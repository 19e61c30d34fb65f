"""The loss of a module's outputs for one row: by name, or a function of the user's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from nndyn.errors import UnknownNameError, UsageError
from nndyn.systems.training.losses import LOSSES

Tensor = torch.Tensor
Loss = str | Callable[[Tensor, Tensor], Tensor]


class Criterion:
    """A loss and the targets it takes.

    Parameters
    ----------
    loss : str or callable
        ``cross-entropy``: mean over samples, of class labels. ``mse``: mean over all entries, of
        real targets, or of class labels as one-hot rows. A callable ``(output, target) -> scalar``
        gets all samples of a step at once, and the targets as given.
    labelled : bool
        Whether targets are class labels.

    Attributes
    ----------
    name : str
        The name, or the module and name of the function.
    adds : bool
        Whether the loss of many samples is the sum of the losses of its parts.

    Raises
    ------
    UnknownNameError
        If `loss` is a name that is not known.
    UsageError
        If it is neither a name nor callable, or ``cross-entropy`` of targets without labels.
    """

    def __init__(self, loss: Loss, *, labelled: bool) -> None:
        if isinstance(loss, str):
            if loss not in LOSSES:
                raise UnknownNameError(
                    f"unknown loss {loss!r}; known are {', '.join(LOSSES)}, or give a callable "
                    "(output, target) -> scalar"
                )
            if loss == "cross-entropy" and not labelled:
                raise UsageError(
                    "loss='cross-entropy' takes integer class labels, and y holds real numbers; "
                    "give labels or loss='mse'"
                )
        elif not callable(loss):
            raise UsageError(
                f"loss is {loss!r}; give {', '.join(LOSSES)} or a callable "
                "(output, target) -> scalar"
            )
        self.loss = loss
        self.labelled = labelled
        self.adds = isinstance(loss, str)
        self.name = name(loss)

    def targets(self, y: Tensor, outputs: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return `y` as the loss takes it, for an output of shape `outputs` a sample."""
        if self.loss == "mse" and self.labelled:
            return functional.one_hot(y, outputs[0]).to(dtype)
        if self.loss == "mse" and {tuple(y.shape[1:]), outputs} == {(), (1,)}:
            return y.to(dtype).reshape(len(y), *outputs)  # one number a sample, either way
        return y if self.labelled else y.to(dtype)

    def __call__(self, output: Tensor, target: Tensor, count: int) -> Tensor:
        """Return the share in the loss of `count` samples that the samples given have, a scalar."""
        if callable(self.loss):
            return self.loss(output, target)
        if self.loss == "mse":
            per_sample = output[0].numel()
            return functional.mse_loss(output, target, reduction="sum") / (count * per_sample)
        return functional.cross_entropy(output, target, reduction="sum") / count


def name(loss: Loss) -> str:
    """Return the name of a loss; of a callable, where it is defined."""
    if isinstance(loss, str):
        return loss
    named = loss if hasattr(loss, "__qualname__") else type(loss)
    return f"{named.__module__}.{named.__qualname__}"
