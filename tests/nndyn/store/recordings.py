"""Small recordings with known values, for the tests of the store."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from nndyn.recording import VARIABLES as V
from nndyn.store import Header, Writer, digests

PER_STEP = ("distance_l1", "distance_l2", "distance_linf", "log_rescale")


def header(*, replicas: int = 3, components: int = 5, block: int = 8, **changes: Any) -> Header:
    """Header with something on every growing dimension and every kind of fixed variable."""
    phase = components + 2
    variables = (
        *(V[n] for n in ("time", "role", "perturbation", "pair", "diverged_at", "state")),
        *(V[n] for n in PER_STEP),
        V["evaluation_time"],
        V["loss"].on("evaluation_time"),
        V["floor_time"],
        V["rounding_distance"],
        *(V[n] for n in ("parameter_name", "parameter_start", "parameter_size")),
        *(V[n] for n in ("checkpoint", "checkpoint_step")),
    )
    arguments: dict[str, Any] = {
        "sizes": {
            "replica": replicas,
            "component": components,
            "parameter": 2,
            "slot": 2,
            "phase": phase,
        },
        "variables": variables,
        "fixed": {
            "role": np.array([0] + [1] * (replicas - 2) + [2]),
            "perturbation": np.linspace(0, 1e-8, replicas),
            "pair": np.full(replicas, -1),
            "diverged_at": np.full(replicas, -1),
            "parameter_name": np.array(["0.weight", "0.biais é"]),
            "parameter_start": np.array([0, components - 1]),
            "parameter_size": np.array([components - 1, 1]),
        },
        "block": block,
        "attrs": {"stationary": 0, "manifest": '{"system": {"name": "test"}}'},
        "time_unit": "step",
        "dtype": "float64",
    }
    arguments.update(changes)
    return Header(**arguments)


def rows(plan: Header, start: int, stop: int) -> dict[str, np.ndarray]:
    """Values of the times ``[start, stop)``: each is a function of its time alone."""
    replicas, components = plan.sizes["replica"], plan.sizes["component"]
    t = np.arange(start, stop, dtype=float)
    r = np.arange(replicas)
    distance = np.sin(t + 1)[:, None] ** 2 * r
    evaluated, floor = t[t % 3 == 0], t[t < 5]
    return {
        "time": t,
        "state": np.cos(t[:, None, None] + 10 * r[:, None] + 100 * np.arange(components)),
        "distance_l1": 3 * distance,
        "distance_l2": 2 * distance,
        "distance_linf": distance,
        "log_rescale": 0.5 * t[:, None] * r,
        "evaluation_time": evaluated,
        "loss": np.exp(-evaluated[:, None] / 50) + r,
        "floor_time": floor,
        "rounding_distance": 1e-16 * floor,
    }


def phase_at(plan: Header, step: int) -> np.ndarray:
    """Checkpoint of `step`."""
    shape = (plan.sizes["replica"], plan.sizes["phase"])
    return step + np.arange(np.prod(shape), dtype=float).reshape(shape) / 1000


def write(writer: Writer, plan: Header, start: int, stop: int, block: int | None = None) -> None:
    """Append and commit the times ``[start, stop)`` in blocks."""
    for at in range(start, stop, block or plan.block):
        end = min(stop, at + (block or plan.block))
        writer.append(rows(plan, at, end))
        writer.commit(phase_at(plan, end - 1), end - 1)


def record(path: Path, plan: Header | None = None, times: int = 40) -> Header:
    """Make a complete recording at `path`: without a plan, a copy of one that is made once."""
    if plan is None:
        path.write_bytes(_recorded(times))
        return header()
    with Writer.create(path, plan) as writer:
        write(writer, plan, 0, times)
        writer.finish("complete")
    return plan


@functools.cache
def _recorded(times: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.nc"
        record(path, header(), times)
        return path.read_bytes()


def assert_holds(dataset: Any, plan: Header, times: int) -> None:
    """Assert that `dataset` holds exactly the first `times` times."""
    assert dataset.attrs["n_committed"] == times
    for name, expected in rows(plan, 0, times).items():
        np.testing.assert_array_equal(dataset[name].values, expected, err_msg=name)


def without_digests(path: Path) -> None:
    """Make of a recording what an earlier version would have written, but for unused variables."""
    import netCDF4

    with netCDF4.Dataset(path, "r+") as nc:
        nc.renameVariable(digests.NAME, "unused")
        for name in digests.OF_THE_FILE:
            nc.delncattr(name)
