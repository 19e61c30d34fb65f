"""Curvature of the loss along the reference: extreme eigenvalues of the Hessian."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nndyn.checks import every, whole
from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.recording import VARIABLES, Variable
from nndyn.store import Writer
from nndyn.systems.protocol import System, WithLoss
from recorders.followers.follower import Follower, Notes, check_loss
from recorders.followers.needs import WithEigenvalues
from recorders.plan import Followed, Plan, count, multiples, size_of_state

#: Products with a Hessian that an eigenvalue takes in a look after the first, roughly.
PRODUCTS = {"sharpness": 10, "curvature_min": 40, "preconditioned_sharpness": 10}
_FORM = "every:K, and after it top:N, lowest or midpoint, separated by commas"
_CHECKPOINT = "checkpoint_eigenvectors"


@dataclass(frozen=True)
class Asked:
    """What the option `sharpness` asks for.

    Attributes
    ----------
    every : int
        Steps between looks.
    top : int
        How many of the largest eigenvalues.
    lowest, midpoint : bool
        Whether the smallest one too, and the largest of the mean of three times.
    """

    every: int
    top: int
    lowest: bool
    midpoint: bool

    def __str__(self) -> str:
        """Return the option, spelled one way."""
        both = self.top == 1 and self.lowest
        top = "" if both else f",top:{self.top}" + ",lowest" * self.lowest
        return f"every:{self.every}{top}" + ",midpoint" * self.midpoint


def parse(system: System, option: Any) -> Asked:
    """Check the option `sharpness`, and that the system has a loss over a training set.

    Returns
    -------
    Asked

    Raises
    ------
    UsageError
        With what was got and what is expected.
    """
    first, *more = option.split(",") if isinstance(option, str) else (option,)
    steps = every("sharpness", first)
    found: dict[str, str] = {}
    for word in more:
        name, colon, value = word.partition(":")
        given = name in ("top", "lowest", "midpoint") and bool(colon) == (name == "top")
        if not given or name in found:
            raise UsageError(f"sharpness is {option!r}, expected {_FORM}")
        found[name] = value
    check_loss(system, "sharpness")
    if isinstance(system, WithLoss) and not system.curvatures:
        raise UsageError(
            "sharpness is of the loss over a training set, and here batches are drawn anew"
        )
    top = found.get("top", "1")
    number = whole(
        "top in sharpness", int(top) if top.isdecimal() else top, 1, size_of_state(system)
    )
    return Asked(steps, number, "lowest" in found or "top" not in found, "midpoint" in found)


@dataclass(frozen=True)
class Curvature(Followed):
    """Extreme eigenvalues of the Hessian, with one look more at the last step.

    Attributes
    ----------
    wanted : Asked
    """

    wanted: Asked

    takes = ("sharpness",)

    @classmethod
    def asked(cls, system: System, replicas: int, options: Mapping[str, Any]) -> Curvature | None:
        """Check `sharpness`."""
        given = options["sharpness"]
        return None if given is None else cls(parse(system, given))

    def options(self) -> dict[str, Any]:
        """Return the option."""
        return {"sharpness": str(self.wanted)}

    def lacking(self, names: Collection[str]) -> str:
        """Return that a file lacks the vectors a look begins with, if it does."""
        return "" if _CHECKPOINT in names else "its sharpness was searched for in another way"

    def numbers(self, system: System) -> dict[str, int]:
        """Return how many eigenvalues there are of each kind, by name."""
        assert isinstance(system, WithLoss)
        found = {"sharpness": self.wanted.top, "curvature_min": int(self.wanted.lowest)}
        kinds = [name for name in system.curvatures if not name.endswith("_residual")]
        return {name: number for name in kinds if (number := found.get(name, 1))}

    def sizes(self, system: System) -> dict[str, int]:
        """Return how many vectors go from look to look, their length, and eigenvalues."""
        assert isinstance(system, WithEigenvalues)
        rows, width = system.eigenvectors(self.numbers(system))
        return {"eigenvector": rows, "weight": width, "eigenvalue": self.wanted.top}

    def variables(self, system: System) -> list[Variable]:
        """Return times, eigenvalues, residuals, products, and what a run needs to go on."""
        names = list(self.numbers(system))
        if self.wanted.top > 1:
            names.insert(1, "sharpness_top")
        both = [name + end for name in names for end in ("", "_residual")]
        return [VARIABLES[n] for n in ("sharpness_time", *both, "sharpness_products", _CHECKPOINT)]

    def products(self, system: System) -> int:
        """Return roughly how many products with the Hessian a look takes."""
        return sum(PRODUCTS[name] * n for name, n in self.numbers(system).items())

    def work(self, system: System, plan: Plan) -> float:
        """Return the operations of products with the Hessian, over the steps between looks."""
        return 2 * system.work(1) * self.products(system) / self.wanted.every

    def bytes(self, system: System, plan: Plan) -> int:
        """Return the bytes of times, eigenvalues and residuals, and of both slots of vectors."""
        sizes = self.sizes(system)
        columns = 2 + 2 * sum(self.numbers(system).values())
        rows = count(self.wanted.every, plan.steps)
        return 8 * rows * columns + 2 * 4 * sizes["eigenvector"] * sizes["weight"]

    def seconds(self, system: System, plan: Plan, start: Array) -> float:
        """Estimate what all looks take from one at the start."""
        assert isinstance(system, WithEigenvalues)
        numbers = self.numbers(system)
        nothing = np.zeros(system.eigenvectors(numbers), np.float32)
        began = time.perf_counter()
        _, _, products = system.eigenvalues(start[0], 0, numbers, nothing)
        taken = (time.perf_counter() - began) / products
        return count(self.wanted.every, plan.steps) * taken * self.products(system)

    def begin(self, system: System, plan: Plan, writer: Writer, start: Array) -> Follower:
        """Return the follower of a run."""
        return _Curvature(system, self, plan, writer)


class _Curvature:
    """Extreme eigenvalues of the Hessian along the reference, under way.

    Parameters
    ----------
    system : System
    asked : Curvature
    plan : Plan
    writer : Writer
        Of the file; a run that goes on takes from there what the last look found. Older files do
        not have it.
    """

    def __init__(self, system: System, asked: Curvature, plan: Plan, writer: Writer) -> None:
        assert isinstance(system, WithEigenvalues)
        self._system, self._every, self._steps = system, asked.wanted.every, plan.steps
        self._numbers = asked.numbers(system)
        self._kept = _CHECKPOINT in writer.names
        self._vectors = np.zeros(system.eigenvectors(self._numbers), np.float32)
        if self._kept and writer.n_committed:
            self._vectors = writer.checkpoint_of(_CHECKPOINT)
        self._notes = Notes()
        self._notes.add(np.zeros(0), np.zeros((0, 1 + 2 * sum(self._numbers.values()))))

    @property
    def checkpoint(self) -> dict[str, Array]:
        """The vectors that the next look begins with (eigenvector, weight)."""
        return {_CHECKPOINT: self._vectors} if self._kept else {}

    def wants(self, start: int, stop: int) -> list[int]:
        """Return the times at which the Hessian is looked at."""
        return multiples(self._every, start, stop, self._steps)

    def follow(self, phases: Mapping[int, Array], start: int, stop: int) -> None:
        """Look at the Hessian."""
        for t in self.wants(start, stop):
            self.close(phases[t], t)

    def close(self, phase: Array, t: int) -> None:
        """Look at the Hessian at one time, if that is one of its own."""
        if self.wants(t, t + 1):
            found = self._system.eigenvalues(phase, t, self._numbers, self._vectors)
            values, self._vectors, products = found
            row = [values[name + end] for name in self._numbers for end in ("", "_residual")]
            self._notes.add(np.array([t]), np.concatenate([[products], *row])[None])

    def take(self, first: int, last: int, interval: float) -> dict[str, Array]:
        """Hand over the eigenvalues, their residuals and the products."""
        steps, rows = self._notes.take(first, last)
        found: dict[str, Array] = {"sharpness_time": steps * interval}
        found["sharpness_products"] = rows[:, 0].astype(np.int32)
        at = 1
        for name, number in self._numbers.items():
            for end in ("", "_residual"):
                part = rows[:, at : at + number]
                found[name + end] = part[:, 0]
                if name == "sharpness":
                    found[f"sharpness_top{end}"] = part
                at += number
        return found
