"""What is known of each named system: formula, default parameters, exponents and their source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nndyn.errors import UnknownNameError


@dataclass(frozen=True)
class Entry:
    """One named system.

    Attributes
    ----------
    kind : str
        ``map`` or ``flow``.
    module : str
        Where the function of the same name lives.
    equations : tuple of str
        One line a component.
    parameters : mapping of str to float
        Default values.
    exponents : str
        Known Lyapunov exponents at the defaults, natural logarithms, with their unit.
    source : str
        Where they come from.
    """

    kind: str
    module: str
    equations: tuple[str, ...]
    parameters: Mapping[str, float]
    exponents: str
    source: str


CATALOGUE: dict[str, Entry] = {
    "logistic": Entry(
        "map",
        "nndyn.systems.maps",
        ("x' = r x (1 - x)",),
        {"r": 4.0},
        "ln 2 = 0.693147 per step (r = 4)",
        "exact: conjugate to the tent map",
    ),
    "skew_tent": Entry(
        "map",
        "nndyn.systems.maps",
        ("x' = x / a where x < a, (1 - x) / (1 - a) elsewhere",),
        {"a": 0.3},
        "-a ln a - (1 - a) ln(1 - a) = 0.610864 per step (a = 0.3)",
        "exact: piecewise linear with uniform invariant density",
    ),
    "henon": Entry(
        "map",
        "nndyn.systems.maps",
        ("x' = 1 - a x² + y", "y' = b x"),
        {"a": 1.4, "b": 0.3},
        "0.41923, -1.62321 per step; their sum is ln b exactly",
        "numerical (standard error 2e-5); map: doi:10.1007/BF01608556",
    ),
    "lorenz63": Entry(
        "flow",
        "nndyn.systems.flows",
        ("dx/dt = sigma (y - x)", "dy/dt = x (rho - z) - y", "dz/dt = x y - beta z"),
        {"sigma": 10.0, "rho": 28.0, "beta": 8.0 / 3.0},
        "0.9056, 0, -14.572 per time unit; their sum is -(sigma + 1 + beta) exactly",
        "numerical (standard error 5e-3); flow: doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2",
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
    found = CATALOGUE.get(name.replace("-", "_"))
    if found is None or (kind is not None and found.kind != kind):
        known = ", ".join(n for n, e in CATALOGUE.items() if kind in (None, e.kind))
        raise UnknownNameError(f"unknown {kind or 'system'} {name!r}; known: {known}")
    return found
