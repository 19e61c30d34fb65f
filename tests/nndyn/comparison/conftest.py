"""Small recordings of every kind, for readers; do not change them."""

import numpy as np
import pytest

import nndyn
from nndyn.cli import nndyn as group
from nndyn.cli.lazy import run


@pytest.fixture(scope="session")
def kinds(tmp_path_factory, recording_path):
    """Paths of a training, a map, a flow at two intervals of sampling, and a series."""
    folder = tmp_path_factory.mktemp("kinds")
    followed = {"replicas": 1, "rescale": 10, "tangents": "all"}
    logistic, lorenz = nndyn.systems.logistic(r=4.0), nndyn.systems.lorenz63()
    nndyn.record(logistic, folder / "map.nc", steps=4000, **followed).close()
    for name, store in (("lorenz.nc", "full"), ("coarse.nc", "every:5")):
        nndyn.record(lorenz, folder / name, steps=10_000, store=store, **followed).close()
    x = np.sin(0.1 * np.arange(600)) + 0.1 * np.random.default_rng(0).standard_normal(600)
    np.save(folder / "x.npy", x)
    assert (
        run(group, ["record", "series", str(folder / "x.npy"), "-o", f"{folder}/x.nc", "-q"]) == 0
    )
    names = {"map": "map.nc", "lorenz": "lorenz.nc", "coarse": "coarse.nc", "series": "x.nc"}
    return {"run": recording_path, **{key: folder / name for key, name in names.items()}}


@pytest.fixture(scope="session")
def compared(kinds):
    """The comparison of all of them but the coarse one."""
    return nndyn.compare({key: kinds[key] for key in ("run", "map", "lorenz", "series")})
