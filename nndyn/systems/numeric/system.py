"""Maps and flows in numba, behind the protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from nndyn.checks import choice, number, whole
from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.numerics.separation import separate
from nndyn.systems.numeric.advance import advance_flow, advance_map
from nndyn.systems.numeric.dop853 import flow_map
from nndyn.systems.numeric.one_by_one import OneByOne
from nndyn.systems.numeric.push import push_each, push_flow, push_map
from nndyn.systems.numeric.volume import POINTS, SPAN, volume_error
from nndyn.systems.protocol import Block, Parameter, System

#: Draws a start near the attractor.
Start = Callable[[np.random.Generator], Array]


class NumericSystem:
    """A map or a flow, on its attractor after `discard` steps.

    Parameters
    ----------
    name : str
    formula : function
        ``formula(rows, parameters, out)`` over a batch; see `nndyn.systems.numeric.advance`.
    parameters : mapping of str to float or sequence of float
    variables : sequence of str
        Names of the P components.
    start : callable
        Draws a start from a generator.
    initial : array_like, (P,), optional
        A start of the caller's instead; `discard` applies to it as well.
    discard : int
        Steps taken before time 0.
    kind : str
        ``map``, ``flow`` or ``gd``.
    derivative : function, optional
        ``derivative(row, parameters, vectors, out)``; see `nndyn.systems.numeric.push`.
    packed : array, optional
        The parameters as `formula` wants them; their values in order unless given.
    exponent_sum : float, optional
        Sum of all Lyapunov exponents per unit of time, where it is known exactly.
    compiled : (bool, bool)
        Whether `formula` and `derivative` are compiled functions.
    dt : float, optional
        Time step of a flow; maps have none.
    method : str
        ``rk4``, the classical Runge-Kutta method with step `dt`, or ``dop853``, an adaptive one
        of order 8 from one multiple of `dt` to the next.

    Raises
    ------
    UsageError
        If a parameter or `dt` is not a finite number, `dt` ≤ 0, `discard` < 0, `method` is
        unknown, or `initial` does not have P finite numbers.
    """

    def __init__(
        self,
        name: str,
        formula: Any,
        parameters: Mapping[str, Any],
        variables: Sequence[str],
        start: Start,
        *,
        initial: Any,
        discard: int,
        kind: str = "map",
        derivative: Any = None,
        packed: Array | None = None,
        exponent_sum: float | None = None,
        compiled: tuple[bool, bool] = (True, True),
        dt: float | None = None,
        method: str = "rk4",
    ) -> None:
        self._values = {key: _value(name, key, value) for key, value in parameters.items()}
        several = [key for key, value in self._values.items() if isinstance(value, list)]
        if several and packed is None:
            raise UsageError(
                f"parameter {several[0]} of {name} is {self._values[several[0]]}, expected one "
                "number; nndyn.sweep takes a list of them"
            )
        if dt is not None:
            dt = number("dt", dt, above=0)
        discard = whole("discard", discard, 0, what="a whole number of steps")
        choice("method", method, ("rk4", "dop853"))
        self.name = name
        self.kind = "flow" if dt is not None else kind
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
        self.evaluate_every = self.evaluate_auto = 1
        self.needs_orbit = False
        self.tangent_size = self.dimension
        self.exponent_sum = exponent_sum
        self.no_tangents = ""
        if derivative is None:
            self.no_tangents = f"{name} has no Jacobian; give one, or compare replicas instead"
        self._vector = np.array(list(self._values.values())) if packed is None else packed
        self._method, self._runge_kutta = method, dt is not None and method == "rk4"
        if method == "dop853" and dt is not None:
            formula, derivative = flow_map(formula, derivative, float(dt))
            compiled = False, False
        self._formula, self._derivative, self._compiled = formula, derivative, compiled
        self._start = start
        self._initial = None if initial is None else _point(initial, variables)
        self._discard = int(discard)

    def __repr__(self) -> str:
        """Return kind, name and parameters, and what is followed."""
        values = ", ".join(f"{key}={_short(value)}" for key, value in self._values.items())
        names = [p.name for p in self.parameters]
        parts = [
            values,
            f"dt={self.interval:g}, {self._method}" if self.kind == "flow" else "",
            f"{len(names)} component{'s' * (len(names) > 1)}"
            + (f" ({', '.join(names)})" if len(names) <= 3 else ""),
            "no Jacobian" if self.no_tangents else "",
        ]
        return f"<{self.kind} {self.name}: {'; '.join(filter(None, parts))}>"

    def describe(self) -> dict[str, Any]:
        """Name, parameters, start and discard, as JSON values."""
        known = {
            "kind": self.kind,
            "name": self.name,
            "parameters": self._values,
            "dt": self.interval if self.kind == "flow" else None,
            "initial": None if self._initial is None else self._initial.tolist(),
            "discard": self._discard,
        }
        return known if self._method == "rk4" else known | {"method": self._method}

    def work(self, replicas: int) -> float:
        """Return a rough count of floating-point operations of one step of `replicas` rows."""
        stages = 8.0 if self._runge_kutta else 1.0
        if not self._compiled[0]:  # a call of Python; a whole integration
            stages *= 1e4 if self._method == "rk4" else 1e5
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
            first = ""
            if self._runge_kutta:
                first = (
                    f"a shorter `dt` than {self.interval:g} or `method='dop853'`, for the steps "
                    "may do so where the flow does not, or "
                )
            elif "lr" in self._values:
                first = "a smaller lr, "
            raise DataError(
                f"{self.name} with {self._values} left every bound within its {self._discard} "
                f"discarded steps; choose {first}other parameters or another initial state"
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
        head: tuple[Any, ...] = (self._formula, rows, self._vector)
        loop: Any = advance_map
        if self._runge_kutta:
            loop, head = advance_flow, (*head, self.interval)
        with np.errstate(over="ignore", invalid="ignore"):  # found out by what is not finite
            (loop if self._compiled[0] else loop.py_func)(*head, *out)
        return Block(rows, states, l1, linf, gram, arrival={"step_length": lengths})

    def observe(
        self, phase: Array, t: int, *, evaluate: bool = True, part: slice | None = None
    ) -> Block:
        """Measure a batch without a step; see `nndyn.systems.protocol.System.observe`."""
        R = phase.shape[0]
        l1, linf, gram = np.empty((1, R)), np.empty((1, R)), np.empty((1, R, R))
        separate(phase, phase.shape[1], 0, l1, linf, gram)
        return Block(phase, phase[None].copy(), l1, linf, gram)

    def push(
        self,
        phase: Array,
        vectors: Array,
        start: int,
        steps: int,
        at: Array | Sequence[int],
        orbit: Array | None = None,
    ) -> tuple[Array, Array]:
        """Push tangent vectors along an orbit; see `nndyn.systems.protocol.System.push`."""
        if self.no_tangents:
            raise UsageError(self.no_tangents)
        row = np.array(phase, dtype=np.float64, order="C")[None]
        pushed = np.array(vectors, dtype=np.float64, order="C")
        times = np.asarray(at, dtype=np.int64)
        diagonal = np.empty((times.size, pushed.shape[1]))
        head: tuple[Any, ...] = (self._formula, self._derivative, row, self._vector)
        loop: Any = push_map if all(self._compiled) else push_each
        if self._runge_kutta:
            loop, head = push_flow, (*head, self.interval)
        if not all(self._compiled):
            loop = loop.py_func
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            loop(*head, pushed, start, steps, times, diagonal)
            return pushed, np.log(diagonal, out=diagonal)

    def jacobian(self, point: Any) -> Array:
        """Return the matrix of first derivatives of a map's image, or of a flow's rate.

        Parameters
        ----------
        point : array_like, (P,)

        Returns
        -------
        (P, P) float64
            Row i holds the derivatives of component i. Of an adaptive flow, those of the map from
            one multiple of `dt` to the next.

        Raises
        ------
        UsageError
            If the system has no Jacobian, or `point` does not have P finite numbers.
        """
        if self.no_tangents:
            raise UsageError(self.no_tangents)
        row = _point(point, [p.name for p in self.parameters])
        out = np.empty((self.dimension, self.dimension))
        self._derivative(row, self._vector, np.eye(self.dimension), out)
        return out

    def volume_error(self, phase: Array, steps: int) -> float | None:
        """Return what integration adds to the sum of exponents; see `needs.Integrated`."""
        if not self._runge_kutta or self.no_tangents:
            return None
        span = min(steps, SPAN)
        times = range(0, span, -(-span // POINTS))
        orbit = self.advance(phase[None], 0, span, times).states[:, 0]
        head = self._formula, self._derivative, orbit, self._vector, self.interval
        return volume_error(*head, compiled=all(self._compiled))

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


def _short(value: Any) -> str:
    """Return a parameter as its reader wants it: ``2.66667``, ``(0.2, 1, 3.5)``."""
    each = [f"{v:g}" for v in (value if isinstance(value, list) else [value])]
    return f"({', '.join(each)})" if isinstance(value, list) else each[0]


def _value(name: str, key: str, value: Any) -> float | list[float]:
    several = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
    values = value if several else [value]
    found = [number(f"parameter {key} of {name}", one) for one in values]
    return found if values is value else found[0]


def _point(given: Any, variables: Sequence[str]) -> Array:
    try:
        point = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"initial is {given!r}, expected numbers") from None
    if point.shape != (len(variables),) or not np.isfinite(point).all():
        few = len(variables) <= 4
        names = ", ".join(variables) if few else f"{variables[0]} to {variables[-1]}"
        raise UsageError(
            f"initial is {point.tolist()}, expected {len(variables)} finite numbers ({names})"
        )
    return point


#: Key of the stream that draws starts.
_START = 1
