"""Second-order measures of a training: tangents, sharpness, its expansion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property

import numpy as np
import torch

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.modules.module import Module
from nndyn.systems.training.optimizers.base import Optimizer
from nndyn.systems.training.protocol import Curvature
from nndyn.systems.training.second_order import critical, sharpness
from nndyn.systems.training.second_order.derivatives import Examined, examine
from nndyn.systems.training.second_order.expansion import Expansion
from nndyn.systems.training.second_order.tangents import Pusher
from nndyn.systems.training.task import Task

Tensor = torch.Tensor

#: What to do where there are none.
_CURE = "compare replicas instead"


class SecondOrder:
    """The second derivatives of one training.

    Parameters
    ----------
    task : Task
    rule : Optimizer
    order : Order

    Notes
    -----
    Buffers are made when first used. Not for two threads at once.
    """

    def __init__(self, task: Task, rule: Optimizer, order: Order) -> None:
        self._task, self._rule, self._order = task, rule, order

    @cached_property
    def _curvature(self) -> Curvature:
        return self._task.curvature(self._order, forward=self._examined.forward)

    @cached_property
    def _values(self) -> Curvature:
        """What gives losses and gradients: second derivatives need not be there."""
        return self._task.curvature(self._order, forward=False)

    @cached_property
    def _pusher(self) -> Pusher:
        return Pusher(self._curvature, self._rule)

    @cached_property
    def _examined(self) -> Examined:
        network = self._task.network
        if not isinstance(network, Module):
            return Examined(True, "")
        with torch.no_grad():
            return examine(network, self._order)

    @property
    def missing(self) -> str:
        """Why there are none, empty where there are: found by trying a module on few samples."""
        fault = self._examined.fault
        return fault and f"{self._task.network.label} {fault}; {_CURE}"

    def require(self) -> None:
        """Refuse where there are none."""
        if self.missing:
            raise UsageError(self.missing)

    def push(
        self,
        orbit: Array,
        vectors: Array,
        start: int,
        at: Array | Sequence[int],
        *,
        companion: bool = False,
    ) -> tuple[Array, Array, Array]:
        """Push vectors ``(P, k)`` along an orbit ``(steps, P)``; see `Pusher.push`."""
        self.require()
        size = self._pusher.size
        if vectors.ndim != 2 or vectors.shape[0] != orbit.shape[1]:
            raise UsageError(
                f"vectors have shape {vectors.shape}, expected ({orbit.shape[1]}, k): a column each"
            )
        with torch.no_grad():
            rows = self._tensor(vectors.T[:, :size])
            times = [int(t) for t in at]
            rows, logs, alignment = self._pusher.push(
                self._tensor(orbit), rows, start, times, companion=companion
            )
            out = np.zeros(vectors.shape)
            out[:size] = rows.T.cpu().numpy()
        return out, logs, alignment

    def curvature(
        self,
        phase: Array,
        t: int,
        wanted: Mapping[str, int],
        start: Array | None = None,
        *,
        tolerance: float = sharpness.TOLERANCE,
    ) -> tuple[dict[str, Array], Array, int]:
        """Return extreme eigenvalues of the Hessian at `phase` (P,); see `sharpness.measure`."""
        self.require()
        with torch.no_grad():
            here = self._tensor(phase)
            return sharpness.measure(
                self._curvature, self._rule, here, t, wanted, start, tolerance=tolerance
            )

    def critical(self, phase: Array, t: int) -> dict[str, float]:
        """Return the critical sharpness at `phase` (P,); see `critical.measure`."""
        with torch.no_grad():
            here, random = self._tensor(phase), self._task.random
            return critical.measure(self._values, self._rule, self._order, here, t, random=random)

    def expansion(
        self,
        origin: Array,
        computing: Callable[[int], AbstractContextManager[None]],
        *,
        first: int,
    ) -> Expansion:
        """Return the training on the expansion of its loss around `origin` (P,), step `first`."""
        self.require()
        curvature = self._task.curvature(self._order, forward=self._examined.forward)
        return Expansion(curvature, self._rule, self._tensor(origin), computing, first)

    def _tensor(self, values: Array) -> Tensor:
        given = torch.from_numpy(np.ascontiguousarray(values))
        return given.to(self._task.device, self._task.dtype)
