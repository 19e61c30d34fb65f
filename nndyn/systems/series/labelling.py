"""Names, units and attributes of series, as recordings have them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.header import SCHEMA
from nndyn.numerics.arrays import Array
from nndyn.recording import CONVENTIONS, REFERENCE, VARIABLES, Variable
from nndyn.runtime.provenance import digest
from nndyn.systems.series.measured import Series
from nndyn.validity import validate

if TYPE_CHECKING:
    import xarray as xr


def as_recording(
    series: Series,
    *,
    states: Array | None = None,
    more: Mapping[str, Array] | None = None,
    stationary: bool = True,
) -> xr.Dataset:
    """Return a series as a recording in memory.

    Parameters
    ----------
    series : Series
        Of several trajectories the first one.
    states : (T, R, D) array, optional
        Of all trajectories, where there are several.
    more : mapping of str to array, optional
        Further variables, and other values of those there are.
    stationary : bool, default True

    Returns
    -------
    xarray.Dataset
    """
    import xarray as xr

    from nndyn.store.components import named as with_components

    rows = series.rows[:, None] if states is None else states
    T, R = rows.shape[:2]
    values = {
        "time": series.interval * np.arange(T),
        "state": rows,
        "log_rescale": np.zeros((T, R)),
        **fixed(series),
        **(more or {}),
    }
    if "step_length" not in values:
        values["step_length"] = steps_of(rows)
    known = {v.name: v for v in variables(series)}
    data = {}
    for name, found in values.items():
        variable = known.get(name) or VARIABLES[name]
        units = series.time_unit if variable.units == "time" else variable.units
        attrs = {"long_name": variable.long_name, "units": units, **variable.attrs}
        data[name] = (variable.dims, found, attrs)
    hashed = series.rows if states is None else states
    manifest = {"system": describe(series, hashed), "recording": {}, "steps": T - 1}
    attrs = {
        "Conventions": CONVENTIONS,
        "nndyn_schema": SCHEMA,
        "recording_id": digest(hashed)[:32],
        "status": "complete",
        "stop_reason": "",
        "stationary": int(stationary),
        "n_committed": T,
        "redrawn": "[]",
        "manifest": json.dumps(manifest),
    }
    made = validate(xr.Dataset(data, attrs=attrs).set_coords("time"), "the series")
    return with_components(made)


def steps_of(states: Array) -> Array:
    """Return the l2 length of the step that led to each state, 0 at the first: (T, R) float64."""
    from nndyn.systems.series.ensembles import steps  # numba, which not all of the package needs

    return steps(states)


def as_steps(rows: Array, times: Array, unit: str) -> Array:
    """Return rows of an axis of times as steps, where these are what it counts; -1 stays.

    Parameters
    ----------
    rows : (R,) int64
    times : (T,)
    unit : str
        Of `times`.

    Returns
    -------
    (R,) int64
    """
    if unit != "step":
        return rows
    steps = np.ceil(times[np.maximum(rows, 0)]).astype(np.int64)
    return np.where(rows >= 0, steps, -1)


def variables(series: Series) -> tuple[Variable, ...]:
    """Return the variables of the recording of a series, ``state`` in its units."""
    names = (*fixed(series), "time", "state", "step_length", "log_rescale")
    return tuple(
        replace(VARIABLES[name], units=series.units)
        if name in ("state", "step_length") and series.units
        else VARIABLES[name]
        for name in names
    )


def fixed(series: Series) -> dict[str, Array]:
    """Return the variables of a series that do not grow."""
    sizes = np.array(series.sizes or [1] * len(series.names), dtype=np.int64)
    return {
        "role": np.array([REFERENCE], np.int8),
        "perturbation": np.zeros(1),
        "pair": np.array([-1], np.int32),
        "diverged_at": np.array([-1], np.int64),
        "parameter_name": np.array(series.names, dtype=object),
        "parameter_start": np.cumsum(sizes) - sizes,
        "parameter_size": sizes,
    }


def describe(series: Series, states: Array | None = None) -> dict[str, Any]:
    """Return what a manifest says of a series, or of `states` of several, as JSON values."""
    return {
        "kind": "series",
        "interval": series.interval,
        "columns": list(series.names),
        "sha256": digest(series.rows if states is None else states),
        **({"units": series.units} if series.units else {}),
        **series.facts,
    }
