"""Well-known systems to set others beside, recorded when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

SEED = 0


class Entry(NamedTuple):
    """How a system is recorded: its name in the catalogue of systems, parameters, options."""

    system: str
    parameters: Mapping[str, float]
    options: Mapping[str, Any]


_FOLLOWED: dict[str, Any] = {"replicas": 2, "rescale": 10, "tangents": "all", "seed": SEED}
#: Each with two replicas, rescaled every 10 steps, and all tangents, from one seed. The limit cycle
#: is Rössler's flow before its first doubling of the period. Beside them stands a random walk of
#: `WALK` normal steps in three dimensions.
SYSTEMS: dict[str, Entry] = {
    "logistic": Entry("logistic", {"r": 4.0}, {"steps": 4000, **_FOLLOWED}),
    "henon": Entry("henon", {}, {"steps": 4000, **_FOLLOWED}),
    "lorenz63": Entry("lorenz63", {}, {"steps": 20000, **_FOLLOWED}),
    "limit cycle": Entry("rossler", {"c": 2.5}, {"steps": 20000, **_FOLLOWED}),
}
WALK, WALKER = 4000, "random walk"
NAMES = (*SYSTEMS, WALKER)


@contextmanager
def recorded(name: str) -> Iterator[xr.Dataset]:
    """Record a system of the catalogue into a folder that is removed at the end.

    Parameters
    ----------
    name : str
        One of `NAMES`.

    Yields
    ------
    xarray.Dataset
    """
    from nndyn import systems
    from nndyn.systems.series.arrays import from_array
    from recorders.ensemble import record

    if name == WALKER:
        steps = np.random.default_rng(SEED).standard_normal((WALK, 3))
        yield from_array(steps.cumsum(axis=0), stationary=False)
        return
    entry = SYSTEMS[name]
    system = getattr(systems, entry.system)(**entry.parameters)
    with TemporaryDirectory(prefix="nndyn-") as folder:
        made = record(system, Path(folder) / "recording.nc", **entry.options)
        with made as recording:
            found = recording.load()
    found.encoding.pop("source", None)
    yield found
