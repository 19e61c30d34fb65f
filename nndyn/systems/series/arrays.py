"""Series in memory as recordings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import UsageError
from nndyn.header import SCHEMA
from nndyn.recording import CONVENTIONS, REFERENCE, VARIABLES, Variable, validate
from nndyn.runtime.provenance import digest
from nndyn.systems.series.measured import Array, Series, checked, named, refuse_lying
from nndyn.systems.series.sampling import at_even_times

if TYPE_CHECKING:
    import xarray as xr


def from_array(
    states: Any,
    interval: float | None = None,
    *,
    names: Sequence[str] | None = None,
    time: str | None = None,
    resample: bool = False,
) -> xr.Dataset:
    """Return a measured series as a recording in memory, for every analyzer that takes one.

    Parameters
    ----------
    states : array_like, (T,) or (T, D)
        Real numbers, a time a row. Of an `xarray.DataArray`, whose dimensions may come in either
        order, name, units and the coordinate of times are used; of a `pandas.Series` or
        `DataFrame`, the columns and an index of dates or numbers.
    interval : float, optional
        Time between two rows, in time units, where there are no times; 1 unless given. Rows are
        steps where it is 1.
    names : sequence of str, optional
        Of the D columns.
    time : str, optional
        Dimension or coordinate of a DataArray, or column of a DataFrame, that has the times.
    resample : bool, default False
        Interpolate linearly at even times, the median of the intervals apart, where times are
        uneven.

    Returns
    -------
    xarray.Dataset
        With ``state`` (time, replica, component), float64, of one replica, the reference;
        ``stationary`` is 1.

    Raises
    ------
    UsageError
        If `states` is no array of real numbers with one or two dimensions, which of its
        dimensions is time is not clear, `interval` is not above 0 or not that of the times, there
        is not one name a column, or `time` or `resample` do not apply.
    DataError
        If it is empty, a number is masked or not finite, there are fewer rows than columns, none
        of which has a name, a column of a frame has the name of times or is the first and only
        rises, or times are uneven.

    Notes
    -----
    One pass. Numbers that are float64 and contiguous are not copied.

    Examples
    --------
    >>> recording = from_array(np.sin(0.1 * np.arange(1000)), interval=0.1)
    >>> recording.sizes["time"]
    1000
    """
    kind = type(states).__module__.partition(".")[0]  # so that neither is imported for nothing
    name = type(states).__name__
    if kind == "xarray" and name == "Dataset":
        known = ", ".join(map(str, states.data_vars))
        raise UsageError(f"states is a Dataset; give one variable of it: {known}")
    if kind == "xarray" and name == "DataArray":
        from nndyn.systems.series.labelled import from_dataarray

        series = from_dataarray(states, interval=interval, time=time, resample=resample)
    elif kind == "pandas" and name in ("Series", "DataFrame"):
        from nndyn.systems.series.labelled import from_frame

        series = from_frame(states, interval=interval, time=time, resample=resample)
    else:
        if time is not None:
            raise UsageError(f"time is {time!r}; it is of DataArrays and DataFrames, leave it out")
        rows = checked(states)
        if names is None:
            refuse_lying(rows, "give nndyn.from_array names, one for each column,")
        series = at_even_times(
            rows,
            named(names, rows.shape[1]),
            None,
            source="states",
            interval=interval,
            resample=resample,
        )
    if names is not None:
        series = replace(series, names=named(names, series.rows.shape[1]))
    return as_recording(series)


def as_recording(series: Series) -> xr.Dataset:
    """Return a series as a recording in memory."""
    import xarray as xr

    from nndyn.store.components import named as with_components

    T = len(series.rows)
    values = {
        "time": series.interval * np.arange(T),
        "state": series.rows[:, None],
        "log_rescale": np.zeros((T, 1)),
        **fixed(series),
    }
    data = {}
    for variable in variables(series):
        units = series.time_unit if variable.units == "time" else variable.units
        attrs = {"long_name": variable.long_name, "units": units, **variable.attrs}
        data[variable.name] = (variable.dims, values[variable.name], attrs)
    manifest = {"system": describe(series), "recording": {}, "steps": T - 1}
    attrs = {
        "Conventions": CONVENTIONS,
        "nndyn_schema": SCHEMA,
        "recording_id": digest(series.rows)[:32],
        "status": "complete",
        "stop_reason": "",
        "stationary": 1,
        "n_committed": T,
        "redrawn": "[]",
        "manifest": json.dumps(manifest),
    }
    made = validate(xr.Dataset(data, attrs=attrs).set_coords("time"), "the series")
    return with_components(made)


def variables(series: Series) -> tuple[Variable, ...]:
    """Return the variables of the recording of a series, ``state`` in its units."""
    kept = [VARIABLES[name] for name in (*fixed(series), "time", "state", "log_rescale")]
    return tuple(
        replace(v, units=series.units) if v.name == "state" and series.units else v for v in kept
    )


def fixed(series: Series) -> dict[str, Array]:
    """Return the variables of a series that do not grow."""
    count = len(series.names)
    return {
        "role": np.array([REFERENCE], np.int8),
        "perturbation": np.zeros(1),
        "pair": np.array([-1], np.int32),
        "diverged_at": np.array([-1], np.int64),
        "parameter_name": np.array(series.names, dtype=object),
        "parameter_start": np.arange(count, dtype=np.int64),
        "parameter_size": np.ones(count, np.int64),
    }


def describe(series: Series) -> dict[str, Any]:
    """Return what a manifest says of a series, as JSON values."""
    return {
        "kind": "series",
        "interval": series.interval,
        "columns": list(series.names),
        "sha256": digest(series.rows),
        **({"units": series.units} if series.units else {}),
        **series.facts,
    }
