"""Maps and flows in numba, behind the protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from numbers import Real
from typing import Any

import numpy as np

from nndyn.errors import DataError, UsageError
from nndyn.numerics import separate
from nndyn.systems.kernels import advance_flow, advance_map
from nndyn.systems.protocol import Array, Block, OneByOne, Parameter, System

#: Draws a start near the attractor.
Start = Callable[[np.random.Generator], Array]


class NumericSystem:
    """A map or a Runge-Kutta flow, on its attractor after `discard` steps.

    Parameters
    ----------
    name : str
    formula : compiled function
        ``formula(rows, parameters, out)`` over a batch; see `nndyn.systems.kernels`.
    parameters : mapping of str to float
    variables : sequence of str
        Names of the P components.
    start : callable
        Draws a start from a generator.
    initial : array_like, (P,), optional
        A start of the caller's instead; `discard` applies to it as well.
    discard : int
        Steps taken before time 0.
    dt : float or None
        Step of the Runge-Kutta method; None for a map.

    Raises
    ------
    UsageError
        If a parameter or `dt` is not a finite number, `dt` ≤ 0, `discard` < 0, or `initial` does
        not have P finite numbers.
    """

    def __init__(
        self,
        name: str,
        formula: Any,
        parameters: Mapping[str, float],
        variables: Sequence[str],
        start: Start,
        *,
        initial: Any,
        discard: int,
        dt: float | None = None,
    ) -> None:
        for key, value in parameters.items():
            if not is_number(value):
                raise UsageError(
                    f"parameter {key} of {name} is {value!r}, expected a finite number"
                )
        if dt is not None and not (is_number(dt) and dt > 0):
            raise UsageError(f"dt is {dt!r}, expected a finite number above 0")
        if not (is_number(discard) and discard >= 0 and discard == int(discard)):
            raise UsageError(f"discard is {discard!r}, expected a whole number of steps, 0 or more")
        if initial is not None:
            try:
                initial = np.array(initial, dtype=np.float64)
            except (TypeError, ValueError):
                raise UsageError(f"initial is {initial!r}, expected numbers") from None
            if initial.shape != (len(variables),) or not np.isfinite(initial).all():
                raise UsageError(
                    f"initial is {initial.tolist()}, expected {len(variables)} finite numbers "
                    f"({', '.join(variables)})"
                )
        self.name = name
        self.kind = "map" if dt is None else "flow"
        self.dimension = len(variables)
        self.components = slice(0, self.dimension)
        self.parameters = tuple(Parameter(v, i, (1,)) for i, v in enumerate(variables))
        self.dtype: np.dtype[Any] = np.dtype(np.float64)
        self.stationary = True
        self.concurrent = True
        self.interval = 1.0 if dt is None else float(dt)
        self.time_unit = "step" if dt is None else "time unit"
        self.steps_per_epoch: int | None = None
        self.series: tuple[str, ...] = ()
        self.arrival = ("step_length",)
        self.evaluations: tuple[str, ...] = ()
        self.evaluate_every = 1
        self._formula = formula
        self._values = {key: float(value) for key, value in parameters.items()}
        self._vector = np.array(list(self._values.values()), dtype=np.float64)
        self._start = start
        self._initial = initial
        self._discard = int(discard)

    def describe(self) -> dict[str, Any]:
        """Name, parameters, start and discard, as JSON values."""
        return {
            "kind": self.kind,
            "name": self.name,
            "parameters": self._values,
            "dt": None if self.kind == "map" else self.interval,
            "initial": None if self._initial is None else self._initial.tolist(),
            "discard": self._discard,
        }

    def work(self, replicas: int) -> float:
        """Return a rough count of floating-point operations of one step of `replicas` rows."""
        stages = 1 if self.kind == "map" else 8
        return 10.0 * stages * self.dimension * replicas + replicas**2 * self.dimension

    def initial(self, seed: int) -> Array:
        """Draw a point of the attractor with `seed`.

        Returns
        -------
        (P,) float64

        Raises
        ------
        DataError
            If the orbit leaves every bound while the transient is discarded.
        """
        if self._initial is not None:
            point = self._initial.copy()
        else:
            point = self._start(np.random.default_rng([seed, _START]))
        if self._discard:
            point = self.advance(point[None], 0, self._discard, ()).phase[0].copy()
        if not np.isfinite(point).all():
            raise DataError(
                f"{self.name} with {self._values} left every bound within its {self._discard} "
                "discarded steps; choose other parameters or another initial state"
            )
        start: Array = point
        return start

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
        """Advance a batch; see `nndyn.systems.protocol.System.advance`."""
        rows = np.array(phase, dtype=np.float64, order="C")
        R = rows.shape[0]
        times = np.asarray(keep, dtype=np.int64)
        states = np.empty((times.size, R, self.dimension))
        l1, linf, lengths = np.empty((steps, R)), np.empty((steps, R)), np.empty((steps, R))
        gram = np.empty((steps, R, R))
        out = (start, steps, times, states, l1, linf, gram, lengths)
        if self.kind == "map":
            advance_map(self._formula, rows, self._vector, *out)
        else:
            advance_flow(self._formula, rows, self._vector, self.interval, *out)
        return Block(rows, states, l1, linf, gram, arrival={"step_length": lengths})

    def observe(
        self, phase: Array, t: int, *, evaluate: bool = True, part: slice | None = None
    ) -> Block:
        """Measure a batch without a step; see `nndyn.systems.protocol.System.observe`."""
        R = phase.shape[0]
        l1, linf, gram = np.empty((1, R)), np.empty((1, R)), np.empty((1, R, R))
        separate(phase, l1[0], linf[0], gram[0])
        return Block(phase, phase[None].copy(), l1, linf, gram)

    def reordered(self) -> None:
        """Return None: a short sum has no other order worth measuring."""
        return None

    def together(self, others: Sequence[System]) -> OneByOne:
        """Return this system and `others` as a batch that advances one after the other."""
        return OneByOne([self, *others])

    @staticmethod
    def one_thread() -> AbstractContextManager[None]:
        """Change nothing: maps and flows start no threads."""
        return nullcontext()


def is_number(value: Any) -> bool:
    """Tell whether `value` is a finite real number."""
    return isinstance(value, Real) and math.isfinite(value)


#: Key of the stream that draws starts.
_START = 1
