"""Update rules as pure functions of (phase, gradient, t), batched over rows.

A phase row is the weights followed by the buffers of the optimizer. Every rule equals its
counterpart in ``torch.optim`` up to rounding; what changes with time, such as Adam's bias
correction or a schedule, follows from ``t`` alone, so that a run resumes from its phase and time.

A rule has two halves: the *coefficients* at a time, floats computed on the host in float64, and
the *update*, one formula in which a coefficient is a float, a column ``(rows, 1)``, or has a value
a weight, ``(1, D)`` or ``(rows, D)``. So several runs with hyperparameters of their own advance as
one batch (`stack`), and a row has the same bits there as alone. For these bits a formula uses only
operations that round once and correctly (``+ - * / sqrt``, and those that do not round at all);
not torch's fused ones (``alpha=``, ``addcmul``, ``lerp``), whose rounding depends on how they are
vectorized, and no division by or of a coefficient, which torch turns into a product where it is a
float.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch

from nndyn.checks import number
from nndyn.numerics.arrays import Array
from nndyn.systems.training.optimizers.differentials import Differential
from nndyn.systems.training.optimizers.schedules import Schedule

Tensor = torch.Tensor
#: Takes name and value of a hyperparameter, and returns the value as the rule has it.
Check = Callable[[str, Any], Any]
#: Of one run: of all its weights, or one a group.
Coefficient = float | tuple[float, ...]


fraction: Check = partial(number, least=0, below=1)


class Rule(Protocol):
    """What advances phases: an `Optimizer`, or a `stack` of several.

    Attributes
    ----------
    buffers : int
        Number of buffers of the length of the weights that a phase carries behind them.
    """

    @property
    def buffers(self) -> int:
        """Number of buffers behind the weights."""

    def __call__(
        self, phase: Tensor, gradient: Tensor, t: int, out: Tensor | None = None
    ) -> Tensor:
        """Return the phase ``(R, P)`` at ``t + 1``, written to `out`, which must not be `phase`."""


class Optimizer(ABC):
    """The update rule of one run: a `Formula`, or what is composed of some.

    Notes
    -----
    A step changes neither `phase` nor, unless it lies where `out` has the weights, `gradient`.
    Without `out` it allocates up to about five temporaries ``(R, D)``, and can be differentiated,
    in both; with `out`, on a CPU, they are of a few columns at a time, but for two ``(R, D)`` where
    norms are clipped or gradients accumulated.
    """

    @property
    @abstractmethod
    def buffers(self) -> int:
        """Number of buffers behind the weights."""

    @property
    @abstractmethod
    def own(self) -> int:
        """How many of them, the first, an optimizer of torch has as well."""

    @property
    def every(self) -> int:
        """Steps to an update of the weights."""
        return 1

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """The groups in the order of the weights, as (group, number of weights); none is empty."""
        return ()

    @property
    @abstractmethod
    def structure(self) -> tuple[str, ...]:
        """The kind and what is switched on; runs that agree in it can be stacked."""

    @property
    @abstractmethod
    def schedule(self) -> Schedule:
        """Factor on the learning rate, a function of the number of updates."""

    @property
    @abstractmethod
    def preconditioned(self) -> bool:
        """Whether a step divides every component of the gradient by a number of its own."""

    @property
    @abstractmethod
    def needs_gradient(self) -> bool:
        """Whether the derivative of a step depends on the gradient."""

    def updates(self, t: int) -> int:
        """Return the updates of the weights before ``t``."""
        return t // self.every

    @abstractmethod
    def rate(self, t: int) -> float:
        """Return the learning rate of the step from ``t``; where groups differ, the common one."""

    @abstractmethod
    def fresh(self, weights: Array) -> Array:
        """Return the buffers ``(b, D)`` with which a run from the weights ``(D,)`` begins."""

    @abstractmethod
    def begun(self, since: int, average_since: int) -> Optimizer:
        """Return the rule whose buffers were fresh after so many updates; its average's, after."""

    @abstractmethod
    def coefficients(self, t: int) -> dict[str, Coefficient]:
        """Return the coefficients of the step from ``t``, under the same names at all times."""

    @abstractmethod
    def step(
        self,
        phase: Tensor,
        gradient: Tensor,
        c: Mapping[str, float | Tensor],
        out: Tensor | None = None,
    ) -> Tensor:
        """Return the phase after a step.

        The coefficients `c` are floats, or ``(rows, 1)``, or with a value a group ``(rows, S)``;
        rows may be 1.
        """

    def __call__(
        self, phase: Tensor, gradient: Tensor, t: int, out: Tensor | None = None
    ) -> Tensor:
        """Return the phase ``(R, P)`` at ``t + 1``, written to `out`, which must not be `phase`."""
        return self.step(phase, gradient, columns(self.coefficients(t), phase), out)

    @abstractmethod
    def log_volume(self, size: int) -> float | None:
        """Return ln of the factor by which every step changes volumes in phase space.

        Parameters
        ----------
        size : int
            D, the number of weights.

        Returns
        -------
        float or None
            Where it is the same for every loss and every step, else None.
        """

    @abstractmethod
    def preconditioner(self, phase: Tensor, gradient: Tensor, t: int) -> Tensor:
        """Return what the step from `t` divides the gradient by, of a preconditioned rule.

        Parameters
        ----------
        phase : (P,)
        gradient : (D,)
        t : int

        Returns
        -------
        (D,)
            The step is the common learning rate by this; where groups have other rates, these are
            in it.
        """

    @abstractmethod
    def decay_curvature(self, weights: Tensor) -> float | Tensor:
        """Return what weight decay adds to the diagonal of the Hessian, a number or ``(D,)``."""

    @abstractmethod
    def differential(self, t: int, phase: Tensor, gradient: Tensor | None) -> Differential:
        """Return the derivative of the step from time `t`.

        Parameters
        ----------
        t : int
        phase : (P,)
            Weights and buffers before the step.
        gradient : (D,) or None
            There; may be None where not `needs_gradient`.

        Returns
        -------
        Differential

        Notes
        -----
        Where a mean square is 0, and so the gradient always was, the derivative of its root is
        taken as 0. A gradient whose norm is just at the clipping norm counts as clipped.
        """


def columns(coefficients: Mapping[str, Coefficient], like: Tensor) -> dict[str, float | Tensor]:
    """Return coefficients as a step takes them: those with a value a group as ``(1, S)``."""
    return {
        name: torch.from_numpy(np.array([value])).to(like.device, like.dtype)
        if isinstance(value, tuple)
        else value
        for name, value in coefficients.items()
    }
