"""Systems behind one protocol: maps, flows, and (in `nndyn.systems.training`) networks.

``nndyn.systems.henon(a=1.4)`` makes a system; `CATALOGUE` lists those there are.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nndyn.systems.catalogue import CATALOGUE, Entry, entry

if TYPE_CHECKING:
    from nndyn.systems.flows import lorenz63
    from nndyn.systems.maps import henon, logistic, skew_tent

__all__ = ["CATALOGUE", "Entry", "entry", "henon", "logistic", "lorenz63", "skew_tent"]


def __getattr__(name: str) -> Any:
    """Load a system of the catalogue on first use: numba is imported then, not before."""
    if name not in CATALOGUE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(CATALOGUE[name].module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the systems as well."""
    return sorted({*globals(), *__all__})
