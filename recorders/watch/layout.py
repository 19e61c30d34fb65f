"""Layout of the file of a training that is watched, and whether a file is of this training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nndyn import header as header_of
from nndyn.errors import UsageError
from nndyn.recording import REFERENCE, VARIABLES
from nndyn.runtime import provenance
from nndyn.store import Header, Writer
from nndyn.systems.protocol import Parameter
from recorders.watch.numbers import variables

#: Bytes of states that wait for a commit, a state at least; and rows, for small ones.
_WAITING_BYTES, _WAITING_ROWS = 16 * 2**20, 4096
#: Rows that share a chunk of what is no state, at least.
_SHORTEST = 8
#: Of a system, what has to agree for a file to be gone on with.
_AGREES = ("kind", "model", "parameters", "optimizer", "dtype")

_NAMES = ("time", "role", "perturbation", "pair", "diverged_at", "log_rescale", "state")
_LAYOUT = ("parameter_name", "parameter_start", "parameter_size")
_LOWER = (
    "of a last time off the grid of the others: the distance over the steps since the time before, "
    "divided by their number, a lower bound"
)


def waiting(parameters: list[Parameter], dtype: np.dtype[Any]) -> int:
    """Return how many states may wait for a commit."""
    row = dtype.itemsize * sum(p.size for p in parameters)
    return max(1, min(_WAITING_ROWS, _WAITING_BYTES // row))


def manifest(parameters: list[Parameter], system: dict[str, Any], every: int) -> dict[str, Any]:
    """Return the manifest of a new recording."""
    return {
        "system": system,
        "recording": {"replicas": 0, "control": False, "store": "full", "every": every},
        "steps": None,
        "parameter_shapes": {p.name: list(p.shape) for p in parameters},
        **provenance.provenance(),
    }


def header(
    parameters: list[Parameter], attrs: Mapping[str, Any], dtype: str, names: set[str]
) -> Header:
    """Return the header of a file.

    Parameters
    ----------
    parameters : list of Parameter
    attrs : mapping
        ``recording_id`` and ``manifest``.
    dtype : str
    names : set of str
        Variables of logged numbers.

    Returns
    -------
    Header
    """
    return Header(
        sizes={
            "replica": 1,
            "component": sum(p.size for p in parameters),
            "parameter": len(parameters),
        },
        variables=(
            *(VARIABLES[name] for name in (*_NAMES, *_LAYOUT)),
            replace(VARIABLES["step_length"], attrs={"comment": _LOWER}),
            *variables(names),
        ),
        fixed={
            "role": np.array([REFERENCE], np.int8),
            "perturbation": np.zeros(1),
            "pair": np.array([-1], np.int32),
            "diverged_at": np.array([-1], np.int64),
            "parameter_name": np.array([p.name for p in parameters], dtype=object),
            "parameter_start": np.array([p.start for p in parameters], np.int64),
            "parameter_size": np.array([p.size for p in parameters], np.int64),
        },
        block=max(_SHORTEST, waiting(parameters, np.dtype(dtype))),
        attrs={
            "recording_id": attrs["recording_id"],
            "manifest": attrs["manifest"],
            "stationary": 0,
            "redrawn": "[]",
        },
        time_unit="step",
        dtype=dtype,
    )


def check_same(writer: Writer, asked: dict[str, Any]) -> None:
    """Check that a file is of a training as it was asked for.

    Parameters
    ----------
    writer : Writer
    asked : dict
        As of `manifest`.

    Raises
    ------
    UsageError
        If not: what differs is named with both values. The numbers of an optimizer may differ: a
        schedule changes them.
    RecordingError
        If the manifest is damaged.
    """
    there = header_of.manifest(writer.attrs, str(writer.path), made=True)
    pairs = {key: (there["system"].get(key), asked["system"][key]) for key in _AGREES}
    pairs["every"] = (there["recording"].get("every"), asked["recording"]["every"])
    pairs["shapes"] = (there.get("parameter_shapes"), asked["parameter_shapes"])
    for key, (kept, now) in pairs.items():
        if json.dumps(kept) == json.dumps(now):
            continue
        if isinstance(kept, dict) and kept.keys() == now.keys():
            key = next(name for name in now if kept[name] != now[name])
            kept, now = kept[key], now[key]
        said = "not there" if kept is None else kept
        raise UsageError(
            f"{writer.path} cannot be gone on with: {key} is {said} in the file, {now} here"
        )
