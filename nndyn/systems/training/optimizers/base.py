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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import torch

from nndyn.errors import UsageError
from nndyn.systems.training.optimizers.schedules import Schedule

Tensor = torch.Tensor
Parts = Sequence[Tensor]


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

    Notes
    -----
    A step allocates up to about five temporaries ``(R, D)`` and changes neither `phase` nor
    `gradient`. Without `out` it can be differentiated, in both.
    """

    lr: float
    schedule: Schedule = field(default=Schedule(), kw_only=True)
    weight_decay: float = field(default=0.0, kw_only=True)
    clip_norm: float | None = field(default=None, kw_only=True)

    @property
    @abstractmethod
    def buffers(self) -> int:
        """Number of buffers behind the weights."""

    @property
    def structure(self) -> tuple[str, ...]:
        """The kind and what is switched on; runs that agree in it can be stacked."""
        switches = ("momentum", "nesterov", "weight_decay", "clip_norm")
        return (type(self).__name__, *(name for name in switches if getattr(self, name, None)))

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


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent, with momentum in the form of ``torch.optim.SGD`` (no dampening).

    ``b' = momentum b + g``, ``w' = w - lr b'``, with `nesterov` ``w' = w - lr (g + momentum b')``.
    The buffer starts at 0, hence is ``g`` after the first step, as in torch. Without momentum a
    phase has no buffer.
    """

    momentum: float = 0.0
    nesterov: bool = False

    @property
    def buffers(self) -> int:
        """1 with momentum, else 0."""
        return 1 if self.momentum else 0

    def coefficients(self, t: int) -> dict[str, float]:
        """Return rate, decay and momentum."""
        return {**super().coefficients(t), "momentum": self.momentum}

    def update(
        self,
        c: Mapping[str, float | Tensor],
        gradient: Tensor,
        old: Parts,
        new: Sequence[Tensor | None],
    ) -> Parts:
        """Return weights and, with momentum, velocity."""
        g = gradient + c["decay"] * old[0] if self.weight_decay else gradient
        if not self.momentum:
            return (torch.sub(old[0], c["rate"] * g, out=new[0]),)
        velocity = torch.add(c["momentum"] * old[1], g, out=new[1])
        direction = g + c["momentum"] * velocity if self.nesterov else velocity
        return torch.sub(old[0], c["rate"] * direction, out=new[0]), velocity


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam as in ``torch.optim.Adam``, with both moments in the phase.

    References
    ----------
    Kingma and Ba, 2015, DOI 10.48550/arXiv.1412.6980.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    buffers: ClassVar[int] = 2
    decoupled: ClassVar[bool] = False

    def coefficients(self, t: int) -> dict[str, float]:
        """Return what enters `update`; the first step is the one from ``t = 0``."""
        first, second = self.betas
        common = super().coefficients(t)
        rate = common["rate"]
        return {
            **common,
            "keep": 1 - rate * self.weight_decay,
            "rate": rate / (1 - first ** (t + 1)),
            "first": first,
            "1-first": 1 - first,
            "second": second,
            "1-second": 1 - second,
            "scale": 1 / math.sqrt(1 - second ** (t + 1)),
            "epsilon": self.epsilon,
        }

    def update(
        self,
        c: Mapping[str, float | Tensor],
        gradient: Tensor,
        old: Parts,
        new: Sequence[Tensor | None],
    ) -> Parts:
        """Return weights, first and second moment."""
        weights, g = old[0], gradient
        if self.weight_decay:
            if self.decoupled:
                weights = c["keep"] * weights
            else:
                g = g + c["decay"] * weights
        mean = torch.add(c["first"] * old[1], c["1-first"] * g, out=new[1])
        square = torch.add(c["second"] * old[2], c["1-second"] * (g * g), out=new[2])
        root = c["scale"] * torch.sqrt(square) + c["epsilon"]
        return torch.sub(weights, c["rate"] * mean / root, out=new[0]), mean, square


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay, as in ``torch.optim.AdamW``: ``w (1 - lr decay)``.

    The rate in it is the scheduled one.

    References
    ----------
    Loshchilov and Hutter, 2019, DOI 10.48550/arXiv.1711.05101.
    """

    decoupled: ClassVar[bool] = True


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop as in ``torch.optim.RMSprop``, not centered; the mean square is the first buffer."""

    momentum: float = 0.0
    alpha: float = 0.99
    epsilon: float = 1e-8

    @property
    def buffers(self) -> int:
        """2 with momentum, else 1."""
        return 2 if self.momentum else 1

    def coefficients(self, t: int) -> dict[str, float]:
        """Return what enters `update`."""
        return {
            **super().coefficients(t),
            "momentum": self.momentum,
            "alpha": self.alpha,
            "1-alpha": 1 - self.alpha,
            "epsilon": self.epsilon,
        }

    def update(
        self,
        c: Mapping[str, float | Tensor],
        gradient: Tensor,
        old: Parts,
        new: Sequence[Tensor | None],
    ) -> Parts:
        """Return weights, mean square and, with momentum, velocity."""
        g = gradient + c["decay"] * old[0] if self.weight_decay else gradient
        square = torch.add(c["alpha"] * old[1], c["1-alpha"] * (g * g), out=new[1])
        direction = g / (torch.sqrt(square) + c["epsilon"])
        if not self.momentum:
            return torch.sub(old[0], c["rate"] * direction, out=new[0]), square
        velocity = torch.add(c["momentum"] * old[2], direction, out=new[2])
        return torch.sub(old[0], c["rate"] * velocity, out=new[0]), square, velocity


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


#: Steps whose columns `Stacked` computes, and sends to the device, at once.
BLOCK = 64


class Stacked:
    """Several runs of one structure as one rule; see `stack`.

    Notes
    -----
    The columns of `BLOCK` steps are kept between calls, about ``64 * 10 * rows`` numbers: an
    instance is not for two threads at once.
    """

    def __init__(
        self,
        rules: Sequence[Optimizer],
        replicas: int,
        dtype: torch.dtype,
        device: torch.device | str,
    ) -> None:
        self.rules = tuple(rules)
        self.replicas = replicas
        self.dtype = dtype
        self.device = device
        self.buffers = rules[0].buffers
        self._block = -1
        self._table: dict[str, Sequence[float] | Tensor] = {}

    def __call__(
        self, phase: Tensor, gradient: Tensor, t: int, out: Tensor | None = None
    ) -> Tensor:
        """Return the phase ``(R, P)`` at ``t + 1``, written to `out`, which must not be `phase`."""
        block, k = divmod(t, BLOCK)
        if block != self._block:
            self._table = self._columns(range(block * BLOCK, (block + 1) * BLOCK))
            self._block = block
        c = {name: values[k] for name, values in self._table.items()}
        return self.rules[0].step(phase, gradient, c, out)

    def _columns(self, times: range) -> dict[str, Sequence[float] | Tensor]:
        """Return each coefficient at `times`: floats, or columns where runs differ in it."""
        runs = [[rule.coefficients(t) for rule in self.rules] for t in times]
        table: dict[str, Sequence[float] | Tensor] = {}
        for name in runs[0][0]:
            values = [[coefficients[name] for coefficients in run] for run in runs]
            if all(value == row[0] for row in values for value in row):
                table[name] = [row[0] for row in values]
            else:
                columns = torch.tensor(values, dtype=self.dtype)
                columns = columns.repeat_interleave(self.replicas, 1)
                table[name] = columns[:, :, None].to(self.device)
        return table


def stack(
    rules: Sequence[Optimizer],
    replicas: int,
    dtype: torch.dtype,
    device: torch.device | str,
) -> Rule:
    """Return one rule for several runs, whose rows come one run after the other.

    Parameters
    ----------
    rules : sequence of Optimizer
        One a run, M; of the same `Optimizer.structure`.
    replicas : int
        Rows of each run, R; a phase has ``M * R``.
    dtype, device
        Of the phase.

    Returns
    -------
    Rule
        Every row has the bits that the rule of its run gives it.

    Raises
    ------
    UsageError
        If the rules differ in structure.
    """
    first = rules[0]
    for i, rule in enumerate(rules):
        if type(rule) is not type(first):
            raise UsageError(
                f"run 0 has {first.structure[0]}, run {i} has {rule.structure[0]}; "
                "runs of one batch need the same optimizer"
            )
        for name in first.structure + rule.structure:
            if (name in first.structure) != (name in rule.structure):
                here, there = (0, i) if name in first.structure else (i, 0)
                raise UsageError(
                    f"run {here} has {name}, run {there} has none; "
                    "runs of one batch need it all or not at all"
                )
    return (
        first if all(rule == first for rule in rules) else Stacked(rules, replicas, dtype, device)
    )
