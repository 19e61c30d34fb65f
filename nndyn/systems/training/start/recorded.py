"""Start from a recording: the whole phase of its reference at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nndyn import header
from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.training.start.optimizer_state import Buffers
from nndyn.systems.training.start.start import SHAPING, Start

if TYPE_CHECKING:
    import xarray as xr


def open_at(path: Path, step: int | None) -> Start:
    """Return the start that the recording in a file holds; see `of`."""
    from nndyn.store import open_recording

    recording = open_recording(path)
    try:
        return of(recording, str(path), step)
    finally:
        recording.close()


def of(recording: xr.Dataset, label: str, step: int | None) -> Start:
    """Return the start that a recording holds.

    Parameters
    ----------
    recording : xarray.Dataset
        Of a `nndyn.Training`.
    label : str
        What messages call it.
    step : int or None
        One of its times, at which the whole phase is known: that of its last checkpoint, or any
        where ``state`` holds the phase; the last time unless given.

    Returns
    -------
    Start

    Raises
    ------
    UsageError
        If it is of another system, or has no whole phase at that time.
    """
    manifest = header.manifest(recording.attrs, label)
    system = manifest.get("system", {})
    if "optimizer" not in system or "layers" not in system:
        raise UsageError(f"{label} is no recording of a nndyn.Training, which alone has a phase")
    if "optimizer_class" in system:
        raise UsageError(
            f"{label} was recorded with {system['optimizer']}, which stepped for each row itself, "
            "and its state is not what a training begins with; resume it, or give a checkpoint"
        )
    if recording.sizes["time"] == 0:
        raise UsageError(f"{label} has no times yet")
    last = int(recording["time"].values[-1])
    step = last if step is None else step
    row = _row(recording, label, step, last)
    shapes = manifest["parameter_shapes"]
    places = zip(
        (str(name) for name in recording["parameter_name"].values),
        recording["parameter_start"].values.tolist(),
        recording["parameter_size"].values.tolist(),
        strict=True,
    )
    weights = {
        name: torch.from_numpy(row[start : start + size].copy()).reshape(shapes[name])
        for name, start, size in places
    }
    D = sum(value.numel() for value in weights.values())
    layers: Any = system["layers"]
    statistics = layers.get("statistics", {}) if isinstance(layers, dict) else {}
    end = len(row)
    for name, shape in reversed(statistics.items()):
        size = int(np.prod(shape, dtype=np.int64))
        weights[name] = torch.from_numpy(row[end - size : end].copy()).reshape(shape)
        end -= size
    begun = system.get("start", {})
    shape = [name for name in SHAPING if system.get(name) not in (None, False)]
    return Start(
        weights,
        step,
        label,
        recorded=Buffers(
            row[D:end].reshape(-1, D).astype(np.float64),
            int(begun.get("since", 0)),
            int(begun.get("average_since", 0)),
        ),
        rule=str(system["optimizer"]),
        shape=tuple(f"accumulate={system[n]}" if n == "accumulate" else n for n in shape),
        partial=True,
    )


def _row(recording: xr.Dataset, label: str, step: int, last: int) -> Array:
    """Return the phase (P,) of the reference at a step."""
    known = []
    if "checkpoint" in recording and recording.sizes["slot"]:
        known = [int(recording["time"].values[0]) + int(recording["checkpoint_step"].values[0])]
    if step in known:
        found: Array = recording["checkpoint"][0, 0].values
        return found
    size = recording.sizes.get("phase")
    if "state" in recording and recording.sizes["component"] == size:
        times = recording[recording["state"].dims[0]].values
        at = np.flatnonzero(times == step)
        if at.size:
            phase: Array = recording["state"][int(at[0]), 0].values
            return phase
        raise UsageError(
            f"{label} has no state at step {step}; it has {len(times)} from {times[0]:g} to "
            f"{times[-1]:g}"
        )
    raise UsageError(
        f"{label} has the weights at step {step} and not the optimizer's buffers, which it has at "
        f"{', '.join(map(str, known)) or 'no time'}; record with state='phase' for those of all "
        "times"
    )
