"""Protocol of a network: losses, gradients and Hessian-vector products for a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from nndyn.numerics.arrays import Array
from nndyn.systems.protocol import Parameter

Tensor = torch.Tensor
#: Some numbers of every row: an array, or a tensor where an engine computes with torch.
Numbers = Array | Tensor


class Network(Protocol):
    """What is trained: how many weights, where they lie in a row of numbers, and which first."""

    @property
    def size(self) -> int:
        """D, the number of weights."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Layout of the weights."""

    @property
    def names(self) -> Sequence[str]:
        """Names of all parameters, those that do not train among them."""

    @property
    def statistics(self) -> tuple[Parameter, ...]:
        """Layout of the running statistics."""

    @property
    def initial(self) -> Array:
        """Initial weights ``(D,)``."""

    @property
    def initial_statistics(self) -> Array:
        """Initial running statistics ``(B,)``."""

    @property
    def label(self) -> str:
        """What it is called."""

    @property
    def work(self) -> float:
        """Floating-point operations of a forward pass of a sample, roughly."""

    def tells_loss(self, batch_size: int | None) -> bool:
        """Whether the loss of a step is that of an evaluation: `Engine.whole`."""

    def copied(self) -> nn.Module:
        """Return a module with its initial weights, which is the caller's own."""

    def describe(self) -> Any:
        """Return what defines it, as JSON values."""


class Engine(Protocol):
    """M runs of R replicas of one network, M·R rows, computed together.

    The runs differ in their weights and in the order of their samples; network, samples and loss
    are the same. Rows with equal weights and statistics that see the same samples get equal
    results. Buffers are kept and overwritten by the next call: not for two threads at once.

    Attributes
    ----------
    runs, replicas : int
        M and R; run m has the rows ``m R … (m + 1) R - 1``.
    size : int
        D, the number of weights of a row.
    reason : str or None
        Why rows are computed one after the other, None where they are not.
    statistics : (M·R, B)
        Running statistics of the rows, such as those of batch normalisation, as the last `load` or
        `gradient` left them; B is 0 for most networks.
    whole : bool
        Whether the loss that `gradient` gives is that of the whole training set at the loaded
        weights, which `evaluate` then need not compute again: in full batch, for networks that
        compute the same in a step and in an evaluation.
    """

    runs: int
    replicas: int
    size: int
    reason: str | None
    statistics: Tensor
    whole: bool

    def load(self, weights: Tensor, statistics: Tensor) -> None:
        """Take the weights ``(M·R, D)`` and statistics ``(M·R, B)`` for the calls that follow.

        Weights may be taken as they lie there: they are not to change until the next call of it.
        """

    def gradient(
        self, t: int, *, correct: bool = False, out: Tensor | None = None
    ) -> tuple[Tensor, Numbers, Numbers | None]:
        """Return gradient, loss and correct samples of the step from time `t`.

        Moves `statistics` on by that step.

        Parameters
        ----------
        t : int
        correct : bool, default False
        out : (M·R, D), optional
            Where the gradient goes; a buffer of its own unless given.

        Returns
        -------
        gradient : (M·R, D)
            A buffer, or `out`; the caller may change it.
        loss : (M·R,)
        correct : (M·R,) or None
            Samples classified correctly, where asked and where there are labels.
        """

    def evaluate(self, *, correct: bool = False) -> tuple[Numbers, Numbers | None]:
        """Return loss ``(M·R,)`` and correct samples over the training set, as evaluations do."""

    def test(
        self, replicas: int, *, correct: bool = False
    ) -> tuple[Numbers, Numbers | None, Numbers, Numbers | None]:
        """Return what the test set says of the first `replicas` rows of every run.

        Returns
        -------
        loss : (M, replicas)
        correct : (M, replicas) or None
        distance : (M, replicas) float64
            l2 distance of the outputs to those of the run's first row.
        differing : (M, replicas) float64 or None
            Samples that are put in another class than by that row, as `correct` where asked.
        """


@dataclass(frozen=True)
class Point:
    """The loss around one row of weights, up to the next call of `Curvature.at`.

    Attributes
    ----------
    gradient : callable
        Returns the gradient ``(D,)``.
    hvp : callable
        Takes vectors ``(k, D)`` and returns their products with the Hessian ``(k, D)``, a buffer
        that the next call overwrites.
    loss : callable
        Returns the loss; after `gradient`, without a further pass.
    """

    gradient: Callable[[], Tensor]
    hvp: Callable[[Tensor], Tensor]
    loss: Callable[[], float]


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

    def loss(self, weights: Tensor, statistics: Tensor, t: int | None) -> float:
        """Return the loss that `at` gives the derivatives of, by one pass forward."""
