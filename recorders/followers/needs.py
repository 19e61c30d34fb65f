"""Protocols of systems that tell more of tangents and curvature than every system does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from nndyn.numerics.arrays import Array


@runtime_checkable
class Integrated(Protocol):
    """What a recorder needs of a system whose steps may approximate those of a flow."""

    def volume_error(self, phase: Array, steps: int) -> float | None:
        """Return what the integration adds to the sum of all exponents, per unit of time.

        Estimated over at most `steps` steps from a `phase` ``(P,)``; None where steps are exact, or
        as good as the tolerance of an adaptive method, or nothing can be said.
        """


@runtime_checkable
class WithCompanion(Protocol):
    """What a recorder needs of a transient, to tell when tangent vectors forget their start."""

    def push_with_companion(
        self, orbit: Array, vectors: Array, start: int, at: Array | Sequence[int]
    ) -> tuple[Array, Array, Array]:
        """Push vectors ``(P, k + 1)``, the last of which goes its own way, along an orbit.

        As `System.push` with the phases ``(steps, P)`` of the times from `start` on, but at the
        times `at` the last vector is brought to length 1 and is not made orthogonal to the others,
        which do not feel it. Returns the vectors, the logarithms of the first k ``(len(at), k)``,
        and the absolute cosine between the first and the last ``(len(at),)``.
        """


@runtime_checkable
class Forgetting(Protocol):
    """What a recorder needs of a system whose steps may empty a part of the phase."""

    @property
    def tangent_rank(self) -> int:
        """Tangent vectors that stay independent; more shrink to nothing."""


@runtime_checkable
class WithEigenvalues(Protocol):
    """What a recorder needs of a loss, to look at its Hessian again and again."""

    def eigenvectors(self, wanted: Mapping[str, int]) -> tuple[int, int]:
        """Return how many vectors one look hands to the next, and the length of each."""

    def eigenvalues(
        self, phase: Array, t: int, wanted: Mapping[str, int], start: Array
    ) -> tuple[dict[str, Array], Array, int]:
        """Look at the Hessian at a `phase` ``(P,)``.

        How many eigenvalues of each kind are `wanted` is told by the name of their variable. The
        search begins with the vectors `start` of the look before, or with zeros: there was none.
        Returns the eigenvalues and residuals by name ``(number,)``, the vectors as float32, and how
        many products with the Hessian were made.
        """
