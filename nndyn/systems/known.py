"""Known Lyapunov exponents of the systems in the catalogue."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nndyn.systems.catalogue import CATALOGUE

Parameters = Mapping[str, Any]


def known_exponents(name: str, parameters: Parameters) -> tuple[float, ...]:
    """Return what is known of the exponents of a system, the largest first.

    Parameters
    ----------
    name : str
        In the catalogue; of any other nothing is known.
    parameters : mapping
        Its parameters; those left out have their defaults.

    Returns
    -------
    tuple of float
        Per step, of a flow per time unit; empty where they are not known at these parameters. Of
        many exponents there may be the largest alone.
    """
    if name not in CATALOGUE:
        return ()
    defaults = dict(CATALOGUE[name].parameters)
    given = defaults | {k: tuple(v) if isinstance(v, list) else v for k, v in parameters.items()}
    if name in _MEASURED:
        return _MEASURED[name] if given == defaults else ()
    if name not in _EXACT:
        return ()
    return tuple(sorted(_EXACT[name](given), reverse=True))


#: Measured at the parameters of the catalogue; sources stand there.
_MEASURED = {
    "henon": (0.41923, -1.62321),
    "ikeda": (0.50762, -0.71834),
    "lozi": (0.47024, -1.16338),
    "standard": (1.61996, -1.61996),
    "lorenz63": (0.9056, 0.0, -14.572),
    "rossler": (0.0714, 0.0, -5.394),
    "lorenz96": (1.688,),
}


def _log(slope: float) -> float:
    return math.log(abs(slope)) if slope else -math.inf


def _logistic(p: Parameters) -> Sequence[float]:
    return [math.log(2.0)] if p["r"] == 4.0 else []


def _tent(p: Parameters) -> Sequence[float]:
    return [math.log(p["slope"])] if 1.0 < p["slope"] <= 2.0 else []


def _skew_tent(p: Parameters) -> Sequence[float]:
    a = p["a"]
    return [-a * math.log(a) - (1.0 - a) * math.log(1.0 - a)] if 0.0 < a < 1.0 else []


def _cat(p: Parameters) -> Sequence[float]:
    largest = math.log((3.0 + math.sqrt(5.0)) / 2.0)
    return [largest, -largest]


def _quadratic(p: Parameters) -> Sequence[float]:
    return [_log(1.0 - p["lr"] * h) for h in p["curvatures"]]


def _cubic(p: Parameters) -> Sequence[float]:
    lr = p["lr"]
    if 0.0 < lr < 2.0:
        return [_log(1.0 - lr)]
    if 2.0 < lr < math.sqrt(6.0):
        return [0.5 * _log(5.0 - lr * lr)]
    return [math.log(2.0)] if lr == 3.0 else []


def _double_well(p: Parameters) -> Sequence[float]:
    lr = p["lr"]
    if 0.0 < lr < 1.0:
        return [_log(1.0 - 2.0 * lr)]
    if 1.0 < lr < math.sqrt(5.0) - 1.0:
        return [0.5 * _log(9.0 - 2.0 * (1.0 + lr) ** 2)]
    return [math.log(3.0)] if lr == 2.0 else []


def _heavy_ball(p: Parameters) -> Sequence[float]:
    root, pull = math.sqrt(p["momentum"]), p["lr"] * p["curvature"]
    if not (1.0 - root) ** 2 < pull < (1.0 + root) ** 2:
        return []
    return [0.5 * math.log(p["momentum"])] * 2


_EXACT: dict[str, Callable[[Parameters], Sequence[float]]] = {
    "logistic": _logistic,
    "tent": _tent,
    "skew_tent": _skew_tent,
    "cat": _cat,
    "quadratic": _quadratic,
    "cubic": _cubic,
    "double_well": _double_well,
    "heavy_ball": _heavy_ball,
}
