"""Update rules as pure functions of (phase, gradient, t), batched over rows.

A phase row is the weights followed by the buffers of the optimizer. Every rule equals its
counterpart in ``torch.optim`` up to rounding; what changes with time, such as Adam's bias
correction, follows from ``t`` alone, so that a run resumes from its phase and its time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch


class Rule(Protocol):
    """An optimizer.

    Attributes
    ----------
    buffers : int
        Number of buffers of the length of the weights that a phase carries behind them.
    """

    @property
    def buffers(self) -> int:
        """Number of buffers behind the weights."""

    def __call__(
        self, phase: torch.Tensor, gradient: torch.Tensor, t: int, out: torch.Tensor
    ) -> None:
        """Write the phase ``(R, P)`` at ``t + 1`` to `out`, which must not be `phase`."""


@dataclass(frozen=True)
class SGD:
    """Gradient descent, with momentum in the form of ``torch.optim.SGD`` (no dampening).

    ``b' = momentum b + g``, ``w' = w - lr b'``: the buffer starts at 0, hence is ``g`` after the
    first step, as in torch. Without momentum a phase has no buffer.
    """

    lr: float
    momentum: float = 0.0

    @property
    def buffers(self) -> int:
        """1 with momentum, else 0."""
        return 1 if self.momentum else 0

    def __call__(
        self, phase: torch.Tensor, gradient: torch.Tensor, t: int, out: torch.Tensor
    ) -> None:
        """Write the phase at ``t + 1`` to `out`."""
        if not self.momentum:
            torch.add(phase, gradient, alpha=-self.lr, out=out)
            return
        size = gradient.shape[1]
        velocity = out[:, size:]
        torch.add(gradient, phase[:, size:], alpha=self.momentum, out=velocity)
        torch.add(phase[:, :size], velocity, alpha=-self.lr, out=out[:, :size])


@dataclass(frozen=True)
class Adam:
    """Adam as in ``torch.optim.Adam`` (no weight decay), with both moments in the phase.

    References
    ----------
    Kingma and Ba, 2015, DOI 10.48550/arXiv.1412.6980.
    """

    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    buffers: ClassVar[int] = 2

    def __call__(
        self, phase: torch.Tensor, gradient: torch.Tensor, t: int, out: torch.Tensor
    ) -> None:
        """Write the phase at ``t + 1`` to `out`; the first step is the one from ``t = 0``."""
        size = gradient.shape[1]
        first, second = self.betas
        mean, square = out[:, size : 2 * size], out[:, 2 * size :]
        torch.lerp(phase[:, size : 2 * size], gradient, 1 - first, out=mean)
        torch.mul(phase[:, 2 * size :], second, out=square)
        square.addcmul_(gradient, gradient, value=1 - second)
        scale = math.sqrt(1 - second ** (t + 1))
        root = torch.sqrt(square).div_(scale).add_(self.epsilon)
        step = self.lr / (1 - first ** (t + 1))
        torch.addcdiv(phase[:, :size], mean, root, value=-step, out=out[:, :size])
