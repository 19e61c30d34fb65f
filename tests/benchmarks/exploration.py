"""Exploration, side by side with reading the states and with plain numpy: run by ``make bench``.

A file of 1001 states of 50,890 weights in two replicas: each round (a) reads the states once, block
by block, (b) explores them, (c) forms the same step lengths, mean-squared displacements and
participation ratio from one replica in memory, a lag at a time. Then a series of 50,000 states in
two dimensions, against (c) alone.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr
from measuring import in_turn, milliseconds, ratio

import nndyn
from nndyn.numerics.arrays import Array


def plain(x: Array, longest: int) -> tuple[Array, list[float], float]:
    """Return step lengths, mean-squared displacements and participation ratio of states (T, D)."""
    lengths = np.linalg.norm(np.diff(x, axis=0), axis=1)
    msd = [float(np.mean(np.sum((x[k:] - x[:-k]) ** 2, axis=1))) for k in range(1, longest + 1)]
    centred = x - x.mean(axis=0)
    products = centred @ centred.T if len(x) < x.shape[1] else centred.T @ centred
    return lengths, msd, float(np.trace(products) ** 2 / np.sum(products**2))


def label(x: Array) -> xr.Dataset:
    """Label states (T, R, D)."""
    time = ("time", np.arange(len(x)) * 1.0, {"units": "step"})
    return xr.Dataset({"state": (("time", "replica", "component"), x)}, {"time": time})


def network(folder: Path, rounds: int, times: int, weights: int) -> None:
    """Print the ratios of a trajectory of many weights."""
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.standard_normal((times, 2, weights)), axis=0)
    path = folder / "states.nc"
    chunks = {"state": {"chunksizes": (1, 1, weights), "fletcher32": True}}
    label(x).to_netcdf(path, encoding=chunks)
    one = x[:, 0].copy()
    del x
    with xr.open_dataset(path) as recording:

        def read() -> None:
            for r in range(2):
                for a in range(0, times, 20):
                    recording["state"][a : a + 20, r].values  # noqa: B018

        tasks = {
            "reading": read,
            "exploration": lambda: nndyn.exploration(recording),
            "numpy": lambda: plain(one, (times - 1) // 10),
        }
        found = in_turn(tasks, rounds)
    print(f"{times} states of {weights} weights, 2 replicas, from a file")
    print(f"  reading once takes {milliseconds(found, 'reading', 1)}")
    print(f"  exploration / reading            {ratio(found, 'exploration', 'reading')}")
    print(f"  exploration / numpy, per replica {ratio(found, 'exploration', 'numpy', scale=0.5)}")


def series(rounds: int, times: int) -> None:
    """Print the ratio of a long trajectory of two components."""
    x = np.cumsum(np.random.default_rng(0).standard_normal((times, 2)), axis=0)
    recording = label(x[:, None])
    tasks = {
        "exploration": lambda: nndyn.exploration(recording),
        "numpy": lambda: plain(x, (times - 1) // 10),
    }
    found = in_turn(tasks, rounds)
    print(f"{times} states of 2 components, in memory")
    print(f"  exploration / numpy              {ratio(found, 'exploration', 'numpy')}")


def main() -> None:
    """Run both comparisons."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        network(Path(folder), rounds, 1001, 50_890)
    series(rounds, 50_000)


if __name__ == "__main__":
    main()
