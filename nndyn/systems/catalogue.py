"""Catalogue of named systems: formula, default parameters, exponents and their source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nndyn.errors import UnknownNameError
from nndyn.words.names import did_you_mean


@dataclass(frozen=True)
class Entry:
    """One named system.

    Attributes
    ----------
    kind : str
        ``map``, ``flow`` or ``gd`` (gradient descent on a loss with known exponents).
    module : str
        Where the function of the same name lives.
    equations : tuple of str
        One line a component.
    parameters : mapping of str to float or tuple of float
        Default values.
    exponents : str
        Known Lyapunov exponents at the defaults, natural logarithms, with their unit.
    source : str
        Where they come from.
    """

    kind: str
    module: str
    equations: tuple[str, ...]
    parameters: Mapping[str, float | tuple[float, ...]]
    exponents: str
    source: str


_MAPS, _DESCENT = "nndyn.systems.maps", "nndyn.systems.descent"
_FLOWS, _LATTICES = "nndyn.systems.flows", "nndyn.systems.lattices"

CATALOGUE: dict[str, Entry] = {
    "logistic": Entry(
        "map",
        _MAPS,
        ("x' = r x (1 - x)",),
        {"r": 4.0},
        "ln 2 = 0.693147 per step (r = 4)",
        "exact: conjugate to the tent map",
    ),
    "tent": Entry(
        "map",
        _MAPS,
        ("x' = slope min(x, 1 - x)",),
        {"slope": 1.9},
        "ln slope = 0.641854 per step",
        "exact: the slope is the same everywhere",
    ),
    "skew_tent": Entry(
        "map",
        _MAPS,
        ("x' = x / a where x < a, (1 - x) / (1 - a) elsewhere",),
        {"a": 0.3},
        "-a ln a - (1 - a) ln(1 - a) = 0.610864 per step (a = 0.3)",
        "exact: piecewise linear with uniform invariant density",
    ),
    "henon": Entry(
        "map",
        _MAPS,
        ("x' = 1 - a x² + y", "y' = b x"),
        {"a": 1.4, "b": 0.3},
        "0.41923, -1.62321 per step; their sum is ln b exactly",
        "numerical (standard error 2e-5); map: doi:10.1007/BF01608556",
    ),
    "ikeda": Entry(
        "map",
        _MAPS,
        (
            "x' = 1 + u (x cos t - y sin t)",
            "y' = u (x sin t + y cos t)",
            "t = 0.4 - 6 / (1 + x² + y²)",
        ),
        {"u": 0.9},
        "0.50762, -0.71834 per step; their sum is 2 ln u exactly",
        "numerical (standard error 3e-5); map: doi:10.1364/JOSAB.2.000552",
    ),
    "lozi": Entry(
        "map",
        _MAPS,
        ("x' = 1 - a |x| + y", "y' = b x"),
        {"a": 1.7, "b": 0.5},
        "0.47024, -1.16338 per step; their sum is ln b exactly",
        "numerical (standard error 1e-5); map: doi:10.1051/jphyscol:1978505",
    ),
    "standard": Entry(
        "map",
        "nndyn.systems.conservative",
        ("p' = p + K sin theta mod 2π", "theta' = theta + p' mod 2π"),
        {"K": 10.0},
        "±1.61996 per step (K = 10); their sum is 0 exactly",
        "numerical (standard error 7e-5); map: doi:10.1016/0370-1573(79)90023-1",
    ),
    "cat": Entry(
        "map",
        "nndyn.systems.conservative",
        ("x' = 2 x + y mod 1", "y' = x + y mod 1"),
        {},
        "±ln((3 + √5) / 2) = ±0.962423650 per step",
        "exact: the derivative is constant",
    ),
    "coupled_logistic": Entry(
        "map",
        _LATTICES,
        ("x_i' = (1 - c) f(x_i) + c/2 (f(x_i-1) + f(x_i+1)), f(x) = r x (1 - x), c = coupling",),
        {"r": 4.0, "coupling": 0.1, "sites": 8.0},
        "ln 2 + ln|1 - c + c cos(2πk / N)| per step on the orbit of equal sites (r = 4)",
        "exact: circulant derivative; lattice: doi:10.1143/PTP.72.480",
    ),
    "lorenz63": Entry(
        "flow",
        _FLOWS,
        ("dx/dt = sigma (y - x)", "dy/dt = x (rho - z) - y", "dz/dt = x y - beta z"),
        {"sigma": 10.0, "rho": 28.0, "beta": 8.0 / 3.0},
        "0.9056, 0, -14.572 per time unit; their sum is -(sigma + 1 + beta) exactly",
        "numerical (standard error 5e-3); flow: doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2",
    ),
    "rossler": Entry(
        "flow",
        _FLOWS,
        ("dx/dt = -y - z", "dy/dt = x + a y", "dz/dt = b + z (x - c)"),
        {"a": 0.2, "b": 0.2, "c": 5.7},
        "0.0714, 0, -5.394 per time unit",
        "numerical (standard error 2e-3); flow: doi:10.1016/0375-9601(76)90101-8",
    ),
    "lorenz96": Entry(
        "flow",
        _LATTICES,
        ("dx_i/dt = (x_i+1 - x_i-2) x_i-1 - x_i + forcing",),
        {"forcing": 8.0, "sites": 40.0},
        "1.688 the largest, 13 positive, one 0 per time unit; their sum is -sites exactly",
        "numerical (standard error 4e-3); "
        "flow: doi:10.1175/1520-0469(1998)055<0399:OSFSWO>2.0.CO;2",
    ),
    "quadratic": Entry(
        "gd",
        _DESCENT,
        ("loss = Σ h_i y_i² / 2, y a rotation of w, h = curvatures",),
        {"lr": 0.5, "curvatures": (0.2, 1.0, 3.5), "rotation": 0.0},
        "ln|1 - lr h_i| per step",
        "exact: linear",
    ),
    "cubic": Entry(
        "gd",
        _DESCENT,
        ("loss = x² / 2 - x³ / 3",),
        {"lr": 3.0},
        "ln|1 - lr| below lr = 2, ln|5 - lr²| / 2 from there to √6, ln 2 at lr = 3, per step",
        "exact: the logistic map with r = 1 + lr in disguise",
    ),
    "double_well": Entry(
        "gd",
        _DESCENT,
        ("loss = (x² - 1)² / 4",),
        {"lr": 2.0},
        "ln|1 - 2 lr| below lr = 1, ln|9 - 2 (1 + lr)²| / 2 from there to √5 - 1, ln 3 at lr = 2",
        "exact: fixed point, cycle of two, Chebyshev's cubic map",
    ),
    "separable": Entry(
        "gd",
        _DESCENT,
        (
            "loss = sum of quadratic, cubic and double-well losses of the components of y,",
            "y a rotation of w; each part times a factor",
        ),
        {
            "lr": 1.0,
            "curvatures": (0.2, 1.5),
            "cubic": (3.0,),
            "double_well": (2.0,),
            "rotation": 1.0,
        },
        "those of the parts, per step",
        "exact: a rotation leaves exponents alone",
    ),
    "heavy_ball": Entry(
        "gd",
        _DESCENT,
        ("v' = momentum v + curvature w", "w' = w - lr v'"),
        {"lr": 0.1, "momentum": 0.9, "curvature": 1.0},
        "both ln(momentum) / 2 while (1 - √momentum)² < lr curvature < (1 + √momentum)², per step",
        "exact: linear; method: doi:10.1016/0041-5553(64)90137-5",
    ),
}


def entry(name: str, kind: str | None = None) -> Entry:
    """Return the entry called `name` (dashes count as underscores), of `kind` where one is given.

    Returns
    -------
    Entry

    Raises
    ------
    UnknownNameError
        If there is none; the message lists those there are.
    """
    found = CATALOGUE.get(name.replace("-", "_").lower())
    if found is None or (kind is not None and found.kind != kind):
        known = [n for n, e in CATALOGUE.items() if kind in (None, e.kind)]
        raise UnknownNameError(
            f"unknown {kind or 'system'} {name!r}; known: {', '.join(known)}"
            f"{_elsewhere(name) or did_you_mean(name, known)}"
        )
    return found


def _elsewhere(name: str) -> str:
    """Say of which kind a system is that another kind was asked for."""
    found = CATALOGUE.get(name.replace("-", "_").lower())
    return "" if found is None else f"; {name} is a {found.kind}"
