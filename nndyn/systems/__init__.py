"""Systems behind one protocol: maps, flows, gradient descent; networks in `systems.training`.

``nndyn.systems.henon(a=1.4)`` makes a system; `CATALOGUE` lists those there are.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nndyn.systems.catalogue import CATALOGUE, Entry, entry

if TYPE_CHECKING:
    from nndyn.systems.conservative import cat, standard
    from nndyn.systems.descent import cubic, double_well, heavy_ball, quadratic, separable
    from nndyn.systems.flows import lorenz63, rossler
    from nndyn.systems.lattices import coupled_logistic, lorenz96
    from nndyn.systems.maps import henon, ikeda, logistic, lozi, skew_tent, tent

__all__ = [
    "CATALOGUE",
    "Entry",
    "cat",
    "coupled_logistic",
    "cubic",
    "double_well",
    "entry",
    "heavy_ball",
    "henon",
    "ikeda",
    "logistic",
    "lorenz63",
    "lorenz96",
    "lozi",
    "quadratic",
    "rossler",
    "separable",
    "skew_tent",
    "standard",
    "tent",
]


def __getattr__(name: str) -> Any:
    """Load a system of the catalogue on first use: numba is imported then, not before."""
    if name not in CATALOGUE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(CATALOGUE[name].module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
