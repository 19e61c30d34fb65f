"""Derivatives of a training, as a recorder asks for them: tangents, curvature, expansion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from nndyn.numerics.arrays import Array
from nndyn.systems.protocol import Block
from nndyn.systems.training.optimizers.base import Optimizer
from nndyn.systems.training.second_order import critical, sharpness
from nndyn.systems.training.second_order.expansion import Expansion
from nndyn.systems.training.second_order.measures import SecondOrder
from nndyn.systems.training.task import Task


class Differentiable(ABC):
    """What a training has where its loss has second derivatives.

    Attributes
    ----------
    task : Task
    rule : Optimizer
    first_step : int
        Step at which it begins; times below are counted from there.
    """

    task: Task
    rule: Optimizer
    first_step: int
    _second: SecondOrder

    @abstractmethod
    def advance(
        self,
        phase: Array,
        start: int,
        steps: int,
        keep: Sequence[int],
        *,
        evaluate: Sequence[int] = (),
        part: slice | None = None,
    ) -> Block:
        """Advance rows; see `nndyn.systems.protocol.System`."""

    @abstractmethod
    def check_steps(self, steps: int) -> None:
        """Check that so many steps can be taken; see `nndyn.systems.protocol.Begun`."""

    @abstractmethod
    def computing(self, replicas: int) -> AbstractContextManager[None]:
        """Have torch compute steps of `replicas` rows fast and repeatably."""

    @property
    def exponent_sum(self) -> float | None:
        """Sum of all exponents per step, where the optimizer alone decides it."""
        return self.rule.log_volume(self.task.network.size)

    @property
    def tangent_rank(self) -> int:
        """See `recorders.followers.needs.Forgetting`: an update empties a sum of gradients."""
        accumulates = self.rule.every > 1
        return self.task.network.size * (1 + self.rule.buffers - accumulates)

    @property
    def no_tangents(self) -> str:
        """Why there are no tangents, empty where there are."""
        return self._second.missing

    @property
    def curvatures(self) -> tuple[str, ...]:
        """Names of what `curvature` gives: nothing without a whole training set."""
        return sharpness.names(self.rule) if self.task.kept else ()

    def push(
        self,
        phase: Array,
        vectors: Array,
        start: int,
        steps: int,
        at: Array | Sequence[int],
        orbit: Array | None = None,
    ) -> tuple[Array, Array]:
        """Push tangent vectors (P, k); see `nndyn.systems.protocol.System.push`."""
        if orbit is None:
            times = range(start, start + steps)
            orbit = self.advance(phase[None], start, steps, times, part=slice(None)).states[:, 0]
        with self.computing(vectors.shape[1]):
            return self._second.push(orbit, vectors, **self._at(start, at))[:2]

    def push_with_companion(
        self, orbit: Array, vectors: Array, start: int, at: Array | Sequence[int]
    ) -> tuple[Array, Array, Array]:
        """Push one more vector; see `recorders.followers.needs.WithCompanion`."""
        with self.computing(vectors.shape[1]):
            return self._second.push(orbit, vectors, **self._at(start, at), companion=True)

    def curvature(self, phase: Array, t: int) -> dict[str, float]:
        """Return extreme eigenvalues of the Hessian; see `sharpness.measure`."""
        with self.computing(1):
            wanted = sharpness.known(self.rule)
            found, _, _ = self._second.curvature(phase, self.first_step + t, wanted)
        return {name: float(value[0]) for name, value in found.items()}

    def eigenvectors(self, wanted: Mapping[str, int]) -> tuple[int, int]:
        """Return how many vectors a look hands to the next; see `WithEigenvalues`."""
        return sharpness.count(wanted), self.task.network.size

    def eigenvalues(
        self, phase: Array, t: int, wanted: Mapping[str, int], start: Array
    ) -> tuple[dict[str, Array], Array, int]:
        """Return several extreme eigenvalues of the Hessian; see `sharpness.measure`."""
        with self.computing(1):
            return self._second.curvature(
                phase, self.first_step + t, wanted, start, tolerance=sharpness.LOOSE
            )

    @property
    def no_critical(self) -> str:
        """See `nndyn.systems.protocol.WithUpdate`."""
        return (
            "" if self.task.kept else "batches are drawn anew, and there is no whole training set"
        )

    def critical(self, phase: Array, t: int) -> dict[str, float]:
        """Return the critical sharpness along the next update; see `critical.measure`."""
        try:
            self.check_steps(t + 1)
        except Exception:  # of the schedule, which may be the user's: there is no next update
            return critical.nothing()
        with self.computing(1):
            return self._second.critical(phase, self.first_step + t)

    def expansion(self, origin: Array) -> Expansion:
        """Return this training on the expansion of its loss around the phase `origin` (P,)."""
        return self._second.expansion(origin, self.computing, first=self.first_step)

    def _at(self, start: int, at: Array | Sequence[int]) -> dict[str, Any]:
        """Return times as steps."""
        return {"start": self.first_step + start, "at": [self.first_step + int(t) for t in at]}
