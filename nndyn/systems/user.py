"""User's maps and flows: a plain Python function works, a numba one is fast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.core.errors import NumbaError

from nndyn.checks import whole
from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.fingerprint import Comparer, digest
from nndyn.systems.numeric.advance import FORMULA
from nndyn.systems.numeric.push import DERIVATIVE
from nndyn.systems.numeric.system import NumericSystem


class Map(NumericSystem):
    """A map of your own.

    Parameters
    ----------
    f : callable
        ``f(x)`` gives the image (P,) of a state (P,) float64. Compiled by ``numba.njit`` it runs as
        fast as the maps of the catalogue; a plain function is called at every step.
    dimension : int
        P.
    jacobian : callable, optional
        ``jacobian(x)`` gives the derivatives (P, P), row i those of component i. Needed for
        tangents; without it perturbed replicas are compared.
    initial : array_like, (P,), optional
        Start before `discard` steps; drawn uniformly from (0, 1) with the seed unless given.
    name : str, optional
        Name of the function unless given.
    discard : int, default 1000
        Steps taken before time 0.

    Raises
    ------
    UsageError
        If an argument is wrong, or a function fails at the start or returns another shape there.
    """

    def __init__(
        self,
        f: Callable[[Array], Any],
        dimension: int,
        *,
        jacobian: Callable[[Array], Any] | None = None,
        initial: Any = None,
        name: str | None = None,
        discard: int = 1000,
    ) -> None:
        self._make(f, dimension, jacobian, initial=initial, name=name, discard=discard)

    def _make(
        self, f: Any, dimension: Any, jacobian: Any, *, initial: Any, name: Any, **rest: Any
    ) -> None:
        P = whole("dimension", dimension, 1)
        functions = {"f": (f, (P,))} | ({"jacobian": (jacobian, (P, P))} if jacobian else {})
        self._digests = {}
        for label, (function, _) in functions.items():
            if not callable(function):
                raise UsageError(f"{label} is {function!r}, expected a function")
            self._digests[label] = digest(Comparer().comparable(function))
        formula, fast = _formula(f, P)
        derivative, fast_too = _derivative(jacobian, P) if jacobian else (None, True)
        super().__init__(
            str(name or getattr(f, "__name__", "map")),
            formula,
            {},
            [f"x{i}" for i in range(P)],
            lambda rng: rng.uniform(0.0, 1.0, P),
            packed=np.zeros(1),
            derivative=derivative,
            compiled=(fast, fast_too),
            initial=initial,
            **rest,
        )
        start = self._start(np.random.default_rng(0)) if self._initial is None else self._initial
        for label, (function, shape) in functions.items():
            _try(label, function, shape, start)

    def describe(self) -> dict[str, Any]:
        """Name, start, discard, and digests of the functions, as JSON values."""
        return {**super().describe(), "functions": self._digests}


class Flow(Map):
    """A flow of your own.

    Parameters
    ----------
    f : callable
        ``f(x)`` gives the rate of change (P,) of a state (P,) float64; see `Map`.
    dimension : int
        P.
    jacobian : callable, optional
        ``jacobian(x)`` gives the derivatives (P, P) of the rate.
    dt : float, default 0.01
        Time step, time units.
    method : {"rk4", "dop853"}, default "rk4"
        Classical Runge-Kutta method, or an adaptive one of order 8 between multiples of `dt`.
    initial : array_like, (P,), optional
        Start before `discard` steps; drawn uniformly from (0, 1) with the seed unless given.
    name : str, optional
        Name of the function unless given.
    discard : int, default 2000
        Steps taken before time 0.

    Raises
    ------
    UsageError
        If an argument is wrong, or a function fails at the start or returns another shape there.
    """

    def __init__(
        self,
        f: Callable[[Array], Any],
        dimension: int,
        *,
        jacobian: Callable[[Array], Any] | None = None,
        dt: float = 0.01,
        method: str = "rk4",
        initial: Any = None,
        name: str | None = None,
        discard: int = 2000,
    ) -> None:
        options = {"dt": dt, "method": method, "discard": discard}
        self._make(f, dimension, jacobian, initial=initial, name=name, **options)


def _try(label: str, function: Any, shape: tuple[int, ...], start: Array) -> None:
    """Call a function once, before any work is done."""
    try:
        found = np.asarray(function(start.copy()), dtype=np.float64)
    except Exception as error:
        raise UsageError(f"{label} fails at {start.tolist()}: {error}") from error
    if found.shape != shape:
        raise UsageError(f"{label} returns shape {found.shape}, expected {shape}")


def _formula(f: Any, P: int) -> tuple[Any, bool]:
    """Return `f` as a formula over batches, and whether it is compiled."""
    if hasattr(f, "py_func"):
        try:

            @numba.njit(FORMULA)
            def compiled(rows: Array, parameters: Array, out: Array) -> None:
                for i in range(rows.shape[0]):
                    image = f(rows[i])
                    for p in range(P):
                        out[i, p] = image[p]

            return compiled, True
        except NumbaError as error:
            raise UsageError(f"f does not compile: {error}") from error

    def plain(rows: Array, parameters: Array, out: Array) -> None:
        for i, row in enumerate(rows):
            out[i] = f(row.copy())

    return plain, False


@numba.njit(cache=True)
def _multiply(matrix: Array, vectors: Array, out: Array) -> None:
    """Write a product of matrices, summed in one order wherever they lie in memory."""
    for p in range(len(out)):
        for j in range(vectors.shape[1]):
            out[p, j] = 0.0
            for q in range(len(vectors)):
                out[p, j] += matrix[p, q] * vectors[q, j]


def _derivative(jacobian: Any, P: int) -> tuple[Any, bool]:
    """Return `jacobian` as a derivative, and whether it is compiled."""
    if hasattr(jacobian, "py_func"):
        try:

            @numba.njit(DERIVATIVE)
            def compiled(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
                _multiply(jacobian(row), vectors, out)

            return compiled, True
        except NumbaError as error:
            raise UsageError(f"jacobian does not compile: {error}") from error

    def plain(row: Array, parameters: Array, vectors: Array, out: Array) -> None:
        matrix = np.array(jacobian(row.copy()), dtype=np.float64, order="C")
        _multiply(matrix.reshape(P, P), vectors, out)

    return plain, False
