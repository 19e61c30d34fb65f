"""Curvature of the loss between steps: the largest eigenvalue at the mean of three times."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.recording import VARIABLES, Variable
from nndyn.store import Writer
from nndyn.systems.protocol import System
from recorders.followers.curvature import PRODUCTS, parse
from recorders.followers.follower import Follower, Notes
from recorders.followers.needs import WithEigenvalues
from recorders.plan import Followed, Plan

_PATH, _VECTORS = "checkpoint_path", "checkpoint_midpoint"
_WANTED = {"sharpness": 1}


@dataclass(frozen=True)
class Midpoint(Followed):
    """Largest eigenvalue of the Hessian at (w(t - 1) + 2 w(t) + w(t + 1)) / 4.

    An oscillation of period two is no part of that mean. `Curvature` is asked for with it, and
    names the option in the manifest.

    Attributes
    ----------
    every : int
        Steps between looks, which are at multiples of it.
    """

    every: int

    takes = ("sharpness",)

    @classmethod
    def asked(cls, system: System, replicas: int, options: Mapping[str, Any]) -> Midpoint | None:
        """Check `sharpness`, and look for ``midpoint`` in it."""
        given = options["sharpness"]
        found = None if given is None else parse(system, given)
        return cls(found.every) if found is not None and found.midpoint else None

    def options(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def sizes(self, system: System) -> dict[str, int]:
        """Return how many times are kept and how many vectors, and the length of these."""
        assert isinstance(system, WithEigenvalues)
        rows, width = system.eigenvectors(_WANTED)
        return {"before": 2, "midpoint_vector": rows, "weight": width}

    def variables(self, system: System) -> list[Variable]:
        """Return times, eigenvalues, residuals, and what a run needs to go on."""
        names = "midpoint_time", "midpoint_sharpness", "midpoint_sharpness_residual"
        return [VARIABLES[name] for name in (*names, _PATH, _VECTORS)]

    def work(self, system: System, plan: Plan) -> float:
        """Return the operations of products with the Hessian, over the steps between looks."""
        return 2 * system.work(1) * PRODUCTS["sharpness"] / self.every

    def bytes(self, system: System, plan: Plan) -> int:
        """Return the bytes of times, eigenvalues and residuals, and of both checkpoints."""
        sizes = self.sizes(system)
        vectors = 4 * sizes["midpoint_vector"] * sizes["weight"]
        path = 2 * system.dimension * system.dtype.itemsize
        return 24 * (plan.steps // self.every) + 2 * (vectors + path)

    def seconds(self, system: System, plan: Plan, start: Array) -> float:
        """Estimate what all looks take from one at the start."""
        assert isinstance(system, WithEigenvalues)
        nothing = np.zeros(system.eigenvectors(_WANTED), np.float32)
        began = time.perf_counter()
        _, _, products = system.eigenvalues(start[0], 0, _WANTED, nothing)
        taken = (time.perf_counter() - began) / products
        return (plan.steps // self.every) * taken * PRODUCTS["sharpness"]

    def begin(self, system: System, plan: Plan, writer: Writer, start: Array) -> Follower:
        """Return the follower of a run."""
        return _Midpoint(system, self, writer)


class _Midpoint:
    """Means of three times along the reference, under way.

    Parameters
    ----------
    system : System
    asked : Midpoint
    writer : Writer
    """

    def __init__(self, system: System, asked: Midpoint, writer: Writer) -> None:
        assert isinstance(system, WithEigenvalues)
        self._system, self._every = system, asked.every
        #: Phases of the two times before, where they are needed, and the time it stands at.
        self._path: dict[int, Array] = {}
        self._now = max(writer.n_committed - 1, 0)
        self._nothing = np.zeros(system.dimension, system.dtype)
        self._vectors = np.zeros(system.eigenvectors(_WANTED), np.float32)
        if writer.n_committed:
            self._path = dict(zip(self._before, writer.checkpoint_of(_PATH), strict=True))
            self._vectors = writer.checkpoint_of(_VECTORS)
        self._notes = Notes()
        self._notes.add(np.zeros(0), np.zeros((0, 2)))

    @property
    def _before(self) -> tuple[int, int]:
        return self._now - 2, self._now - 1

    @property
    def checkpoint(self) -> dict[str, Array]:
        """The phases (2, P) of the two times before, and the vectors of the last look."""
        path = np.stack([self._path.get(t, self._nothing) for t in self._before])
        return {_PATH: path, _VECTORS: self._vectors}

    def wants(self, start: int, stop: int) -> list[int]:
        """Return the times of looks, those before them, and those after them."""
        k = self._every
        return [t for t in range(start, stop) if any((t + d) % k == 0 < t + d for d in (-1, 0, 1))]

    def follow(self, phases: Mapping[int, Array], start: int, stop: int) -> None:
        """Look at the Hessian at the means that are known by now."""
        for t in self.wants(start, stop):
            self.close(phases[t], t)
        self._now = stop
        self._path = {t: self._path[t] for t in self._before if t in self._path}

    def close(self, phase: Array, t: int) -> None:
        """Note the phase of one time, if it is needed, and look at the mean that ends there."""
        if not self.wants(t, t + 1):
            return
        self._path[t] = np.array(phase)
        middle = t - 1
        if middle > 0 and middle % self._every == 0:
            around = [self._path[middle + d].astype(np.float64) for d in (-1, 0, 0, 1)]
            mean = np.add.reduce(around) / 4
            found = self._system.eigenvalues(mean, middle, _WANTED, self._vectors)
            values, self._vectors, _ = found
            row = np.concatenate([values["sharpness"], values["sharpness_residual"]])
            self._notes.add(np.array([t]), row[None])

    def take(self, first: int, last: int, interval: float) -> dict[str, Array]:
        """Hand over eigenvalues and residuals; what is of a time is known one step later."""
        steps, rows = self._notes.take(first, last)
        names = "midpoint_sharpness", "midpoint_sharpness_residual"
        return {"midpoint_time": (steps - 1) * interval, **dict(zip(names, rows.T, strict=True))}
