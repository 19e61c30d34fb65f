"""Update rules with one set of hyperparameters: what all of them share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import numpy as np
import torch

from nndyn.checks import number
from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.training.optimizers.base import Check, Coefficient, Optimizer
from nndyn.systems.training.optimizers.differentials import (
    Differential,
    Linear,
    Pushforward,
    clamped,
    through_clipping,
    through_clipping_values,
)
from nndyn.systems.training.optimizers.schedules import Schedule

Tensor = torch.Tensor
Parts = Sequence[Tensor]
#: Coefficients as an update takes them: a number, or what is broadcast over rows and weights.
Coefficients = Mapping[str, float | Tensor]

small: Check = partial(number, least=0)

#: Numbers of each part of a phase that a step written on a CPU takes at once, so that what it
#: computes on the way stays in the cache.
BLOCK = 2**16


@dataclass(frozen=True)
class Formula(Optimizer):
    """An optimizer with the same hyperparameters for all weights.

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
    clip_value : float, optional
        Largest size of a component of the gradient, as by ``torch.nn.utils.clip_grad_value_``,
        before anything else; not with `clip_norm`.
    since : int, default 0
        The updates after which the buffers were fresh; bias corrections count from there.
    """

    lr: float
    schedule: Schedule = field(default=Schedule(), kw_only=True)
    weight_decay: float = field(default=0.0, kw_only=True)
    clip_norm: float | None = field(default=None, kw_only=True)
    clip_value: float | None = field(default=None, kw_only=True)
    since: int = field(default=0, kw_only=True)

    #: Its hyperparameters beside those of every optimizer, each with its check.
    takes: ClassVar[Mapping[str, Check]] = {}
    #: Those of them that, where they are not 0, make a formula another one.
    switches: ClassVar[tuple[str, ...]] = ()
    #: Those in which all groups agree.
    shared: ClassVar[tuple[str, ...]] = ()
    #: Whether a step is linear in the gradient, so that its derivative does not depend on it.
    linear: ClassVar[bool] = False
    #: Whether weight decay is apart from the gradient.
    decoupled: ClassVar[bool] = False
    #: Whether a step divides every component of the gradient by a number of its own.
    preconditioned: ClassVar[bool] = False
    #: Whether the step is not proportional to the gradient, but has its signs.
    signs: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse two ways of clipping."""
        if self.clip_norm is not None and self.clip_value is not None:
            raise UsageError("clip_norm and clip_value are both given; one of them can be")

    @property
    def own(self) -> int:
        """All buffers."""
        return self.buffers

    @property
    def structure(self) -> tuple[str, ...]:
        """The kind and what is switched on; runs that agree in it can be stacked."""
        switches = (*self.switches, "weight_decay", "clip_norm", "clip_value")
        return (type(self).__name__, *(name for name in switches if getattr(self, name)))

    def age(self, t: int) -> int:
        """Return the steps that the buffers have seen at ``t``; 0 before they were fresh."""
        return max(t - self.since, 0)

    def fresh(self, weights: Array) -> Array:
        """Return zeros."""
        return np.zeros((self.buffers, len(weights)))

    def begun(self, since: int, average_since: int) -> Formula:
        """Return the rule whose buffers were fresh after `since` updates."""
        return replace(self, since=since)

    def rate(self, t: int) -> float:
        """Return the learning rate of the step from ``t``."""
        return self.lr * self.schedule(t)

    def numbers(self, t: int) -> dict[str, float]:
        """Return the coefficients of the step from ``t``, under the same names at all times."""
        found = {"rate": self.rate(t), "decay": self.weight_decay}
        clip = self.clip_norm if self.clip_value is None else self.clip_value
        return found if clip is None else {**found, "clip": clip}

    def coefficients(self, t: int) -> dict[str, Coefficient]:
        """Return the coefficients of the step from ``t``."""
        return dict(self.numbers(t))

    @abstractmethod
    def update(
        self, c: Coefficients, gradient: Tensor, old: Parts, new: Sequence[Tensor | None]
    ) -> Parts:
        """Return weights and buffers after a step, written to `new` where it is given.

        `gradient` ``(R, D)`` is clipped; `old` are the weights and buffers before.
        """

    def step(
        self, phase: Tensor, gradient: Tensor, c: Coefficients, out: Tensor | None = None
    ) -> Tensor:
        """Return the phase after a step with the coefficients `c`."""
        if self.clip_norm is not None:
            gradient = clipped(gradient, c["clip"])
        elif self.clip_value is not None:
            gradient = clamped(gradient, c["clip"])
        parts = 1 + self.buffers
        old = phase.chunk(parts, 1) if self.buffers else (phase,)
        if out is None:
            return torch.cat(list(self.update(c, gradient, old, [None] * parts)), 1)
        rows, size = gradient.shape
        width = size if out.is_cuda else max(BLOCK // rows, 1)
        new = out.chunk(parts, 1) if self.buffers else (out,)
        if width >= size and gradient.data_ptr() != out.data_ptr():  # a view takes some time
            self.update(c, gradient, old, new)
            return out
        for start in range(0, size, width):
            columns = slice(start, start + width)
            few = gradient[:, columns]
            self.update(
                {name: _within(value, columns, size) for name, value in c.items()},
                few.clone() if gradient.data_ptr() == out.data_ptr() else few,
                [part[:, columns] for part in old],
                [part[:, columns] for part in new],
            )
        return out

    @property
    def needs_gradient(self) -> bool:
        """Whether the derivative of a step depends on the gradient."""
        clips = self.clip_norm is not None or self.clip_value is not None
        return clips or not self.linear

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
            ``D ln(β₁β₂)`` of Adam, to which AdamW adds ``D ln(1 - lr decay)``, ``D ln β₂`` of Lion
            with the same; else None.
        """
        factor = self.volume_factor
        return size * math.log(factor) if factor and factor > 0 else None

    @property
    def kept(self) -> float | None:
        """Share of the weights that decoupled decay leaves at a constant rate, else None."""
        if not (self.decoupled and self.weight_decay):
            return 1.0
        return 1 - self.lr * self.weight_decay if str(self.schedule) == "constant" else None

    def preconditioner(self, phase: Tensor, gradient: Tensor, t: int) -> Tensor:
        """Return what the step from `t` divides the gradient by, ``(D,)``."""
        return self.scales(self.numbers(t), phase, gradient)

    def scales(self, c: Coefficients, phase: Tensor, gradient: Tensor) -> Tensor:
        """Return what a step with the coefficients `c` divides the gradient by, ``(D,)``."""
        parts = 1 + self.buffers
        moved = phase[: len(gradient) * parts]
        # the square the step itself makes, as from there on it divides by it
        return self.divisor(c, self.step(moved[None], gradient[None], c)[0].chunk(parts))

    def divisor(self, c: Coefficients, after: Parts) -> Tensor:
        """Return what a step divides by, from weights and buffers after it."""
        return torch.ones_like(after[0])

    def decay_curvature(self, weights: Tensor) -> float:
        """Return the decay where it is part of the gradient."""
        return 0.0 if self.decoupled else self.weight_decay

    def differential(self, t: int, phase: Tensor, gradient: Tensor | None) -> Differential:
        """Return the derivative of the step from time `t`; see `Optimizer.differential`."""
        return self.differential_with(self.numbers(t), phase, gradient)

    def differential_with(
        self, c: Coefficients, phase: Tensor, gradient: Tensor | None
    ) -> Differential:
        """Return the derivative of a step with the coefficients `c`, numbers or ``(D,)``."""
        weights, *buffers = phase.chunk(1 + self.buffers)
        clip: Linear | None = None
        if self.clip_norm is not None and gradient is not None:
            gradient, clip = through_clipping(gradient, c["clip"])
        elif self.clip_value is not None and gradient is not None:
            gradient, clip = through_clipping_values(gradient, c["clip"])
        coupled, decay = self.weight_decay and not self.decoupled, c["decay"]
        if gradient is not None and coupled:
            gradient = gradient + decay * weights

        def gradient_change(deviations: Tensor, hvp: Tensor) -> Tensor:
            """Return how the gradient that the rule takes deviates."""
            found = hvp if clip is None else clip(hvp)
            return found + decay * deviations[:, : len(weights)] if coupled else found

        return self.derivative(
            c, gradient_change, weights if gradient is None else gradient, buffers
        )

    @abstractmethod
    def derivative(
        self, c: Coefficients, gradient_change: Pushforward, gradient: Tensor, buffers: Parts
    ) -> Differential:
        """Return the derivative of a step.

        `gradient_change` takes deviations and the products of their weights with the Hessian, and
        returns the deviations of the gradient that `update` gets; `gradient` ``(D,)`` is that
        gradient, of no meaning where the rule is linear; `buffers` are those before the step; a
        coefficient is a number or ``(D,)``.
        """


def _within(value: float | Tensor, columns: slice, size: int) -> float | Tensor:
    """Return a coefficient of some of `size` columns."""
    if isinstance(value, Tensor) and value.shape[-1] == size:
        return value[..., columns]
    return value


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
