"""Update rules as pure functions of (phase, gradient, t), batched over rows.

A phase row is the weights followed by the buffers of the optimizer. Every rule equals its
counterpart in ``torch.optim`` up to rounding; what changes with time, such as Adam's bias
correction or a schedule, follows from ``t`` alone, so that a run resumes from its phase and time.

A rule has two halves: the *coefficients* at a time, floats computed on the host in float64, and
the *update*, one formula in which a coefficient is a float or a column ``(rows, 1)``. So several
runs with hyperparameters of their own advance as one batch (`stack`), and a row has the same bits
there as alone. For these bits a formula uses only operations that round once and correctly
(``+ - * / sqrt``); not torch's fused ones (``alpha=``, ``addcmul``, ``lerp``), whose rounding
depends on how they are vectorized, and no division by or of a coefficient, which torch turns into
a product where it is a float.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol

import torch

from nndyn.checks import number
from nndyn.systems.training.optimizers.differentials import (
    Differential,
    Linear,
    Pushforward,
    through_clipping,
)
from nndyn.systems.training.optimizers.schedules import Schedule

Tensor = torch.Tensor
Parts = Sequence[Tensor]
#: Takes name and value of a hyperparameter, and returns the value as the rule has it.
Check = Callable[[str, Any], Any]


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


@dataclass(frozen=True)
class Optimizer(ABC):
    """An optimizer with the hyperparameters of one run.

    Parameters
    ----------
    lr : float
        Learning rate; the rate at ``t`` is ``lr * schedule(t)``.
    schedule : Schedule
        Constant unless given.
    weight_decay : float, default 0
        Added to the gradient times the weights, unless the rule says otherwise.
    clip_norm : float, optional
        Largest l2 norm of a row's gradient, as by ``torch.nn.utils.clip_grad_norm_``, before
        anything else.
    since : int, default 0
        The time at which the buffers were fresh; bias corrections count steps from there.

    Notes
    -----
    A step allocates up to about five temporaries ``(R, D)`` and changes neither `phase` nor
    `gradient`. Without `out` it can be differentiated, in both.
    """

    lr: float
    schedule: Schedule = field(default=Schedule(), kw_only=True)
    weight_decay: float = field(default=0.0, kw_only=True)
    clip_norm: float | None = field(default=None, kw_only=True)
    since: int = field(default=0, kw_only=True)

    #: Its hyperparameters beside those of every optimizer, each with its check.
    takes: ClassVar[Mapping[str, Check]] = {}
    #: Whether a step is linear in the gradient, so that its derivative does not depend on it.
    linear: ClassVar[bool] = False
    #: Whether weight decay is apart from the gradient.
    decoupled: ClassVar[bool] = False
    #: Whether a step divides every component of the gradient by a number of its own.
    preconditioned: ClassVar[bool] = False

    @property
    @abstractmethod
    def buffers(self) -> int:
        """Number of buffers behind the weights."""

    @property
    def structure(self) -> tuple[str, ...]:
        """The kind and what is switched on; runs that agree in it can be stacked."""
        kind = type(self)
        switches = [n for n in (*self.takes, "weight_decay", "clip_norm") if not getattr(kind, n)]
        return (kind.__name__, *(name for name in switches if getattr(self, name)))

    def age(self, t: int) -> int:
        """Return the steps that the buffers have seen at ``t``; 0 before they were fresh."""
        return max(t - self.since, 0)

    def coefficients(self, t: int) -> dict[str, float]:
        """Return the coefficients of the step from ``t``, under the same names at all times."""
        found = {"rate": self.lr * self.schedule(t), "decay": self.weight_decay}
        return found if self.clip_norm is None else {**found, "clip": self.clip_norm}

    @abstractmethod
    def update(
        self,
        c: Mapping[str, float | Tensor],
        gradient: Tensor,
        old: Parts,
        new: Sequence[Tensor | None],
    ) -> Parts:
        """Return weights and buffers after a step, written to `new` where it is given.

        `gradient` ``(R, D)`` is clipped; `old` are the weights and buffers before.
        """

    def step(
        self,
        phase: Tensor,
        gradient: Tensor,
        c: Mapping[str, float | Tensor],
        out: Tensor | None = None,
    ) -> Tensor:
        """Return the phase after a step with the coefficients `c`, floats or columns."""
        if self.clip_norm is not None:
            gradient = clipped(gradient, c["clip"])
        parts = 1 + self.buffers
        old = phase.chunk(parts, 1)
        if out is None:
            return torch.cat(list(self.update(c, gradient, old, [None] * parts)), 1)
        self.update(c, gradient, old, out.chunk(parts, 1))
        return out

    def __call__(
        self, phase: Tensor, gradient: Tensor, t: int, out: Tensor | None = None
    ) -> Tensor:
        """Return the phase ``(R, P)`` at ``t + 1``, written to `out`, which must not be `phase`."""
        return self.step(phase, gradient, self.coefficients(t), out)

    @property
    def needs_gradient(self) -> bool:
        """Whether the derivative of a step depends on the gradient."""
        return self.clip_norm is not None or not self.linear

    @property
    def volume_factor(self) -> float | None:
        """Factor a weight by which every step changes volumes; None where the loss decides."""
        return None

    def log_volume(self, size: int) -> float | None:
        """Return ln of the factor by which every step changes volumes in phase space.

        Parameters
        ----------
        size : int
            D, the number of weights.

        Returns
        -------
        float or None
            Where it is the same for every loss: ``D ln β`` with momentum (not Nesterov's),
            ``D ln(β₁β₂)`` of Adam, to which AdamW adds ``D ln(1 - lr decay)``; else None.
        """
        factor = self.volume_factor
        return size * math.log(factor) if factor and factor > 0 else None

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
        """
        parts = 1 + self.buffers
        moved = phase[: len(gradient) * parts]
        c = self.coefficients(t)
        # the square the step itself makes, as from there on it divides by it
        return self.divisor(c, self.step(moved[None], gradient[None], c)[0].chunk(parts), t)

    def divisor(self, c: Mapping[str, float], after: Parts, t: int) -> Tensor:
        """Return what a step divides by, from weights and buffers after it."""
        raise NotImplementedError

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
        c = self.coefficients(t)
        weights, *buffers = phase.chunk(1 + self.buffers)
        clip: Linear | None = None
        if self.clip_norm is not None and gradient is not None:
            gradient, clip = through_clipping(gradient, c["clip"])
        coupled = c["decay"] if self.weight_decay and not self.decoupled else 0.0
        if gradient is not None and coupled:
            gradient = gradient + coupled * weights

        def gradient_change(deviations: Tensor, hvp: Tensor) -> Tensor:
            """Return how the gradient that the rule takes deviates."""
            found = hvp if clip is None else clip(hvp)
            return found + coupled * deviations[:, : len(weights)] if coupled else found

        return self.derivative(
            c, gradient_change, weights if gradient is None else gradient, buffers
        )

    @abstractmethod
    def derivative(
        self,
        c: Mapping[str, float],
        gradient_change: Pushforward,
        gradient: Tensor,
        buffers: Parts,
    ) -> Differential:
        """Return the derivative of a step.

        `gradient_change` takes deviations and the products of their weights with the Hessian, and
        returns the deviations of the gradient that `update` gets; `gradient` ``(D,)`` is that
        gradient, of no meaning where the rule is linear; `buffers` are those before the step.
        """


def clipped(gradient: Tensor, norm: float | Tensor) -> Tensor:
    """Return the rows of a gradient, those longer than `norm` shortened to it.

    Parameters
    ----------
    gradient : (R, D)
    norm : float or (R, 1)

    Returns
    -------
    (R, D)
        Rows times ``min(1, norm / (l2 norm + 1e-6))``.

    Notes
    -----
    The squares are summed by halves, ``log2 D`` additions: torch's own sums depend in their
    rounding on the number of rows and of threads, this one on the row alone. Memory: two
    temporaries ``(R, D)``.
    """
    squares = gradient * gradient
    while (width := squares.shape[1]) > 1:
        half = (width + 1) // 2
        squares[:, : width - half] += squares[:, half:]
        squares = squares[:, :half]
    factor = norm * torch.reciprocal(torch.sqrt(squares) + 1e-6)
    return gradient * torch.clamp(factor, max=1.0)
