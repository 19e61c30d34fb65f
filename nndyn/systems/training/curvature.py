"""The loss around one row of weights: its gradient, and products with its Hessian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

Tensor = torch.Tensor


@dataclass(frozen=True)
class Point:
    """The loss around one row of weights, up to the next call of `Curvature.at`.

    Attributes
    ----------
    gradient : callable
        Returns the gradient ``(D,)``.
    products : callable
        Takes vectors ``(k, D)`` and returns their products with the Hessian ``(k, D)``, a buffer
        that the next call overwrites.
    """

    gradient: Callable[[], Tensor]
    products: Callable[[Tensor], Tensor]


class Curvature(Protocol):
    """What gives the derivatives of a loss. Buffers are kept: not for two threads at once.

    Attributes
    ----------
    size : int
        D, the number of weights.
    """

    size: int

    def at(self, weights: Tensor, statistics: Tensor, t: int | None) -> Point:
        """Return the loss of the step from time `t` around `weights`.

        Parameters
        ----------
        weights : (D,)
        statistics : (B,)
            Running statistics, which do not change here.
        t : int or None
            None for the whole training set, as a step of full batch from time 0 takes it.
        """
