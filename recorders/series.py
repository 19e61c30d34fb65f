"""Store a measured series as a recording."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nndyn.runtime import provenance
from nndyn.runtime.paths import located
from nndyn.store import Header, Writer, open_recording, vacant
from nndyn.systems.series.files import load
from nndyn.systems.series.labelling import as_recording, describe, fixed, variables

if TYPE_CHECKING:
    import xarray as xr

#: Bytes appended at once.
_BLOCK_BYTES = 16 * 2**20


def record_series(
    source: str | Path,
    path: str | Path,
    *,
    interval: float | None = None,
    variable: str | None = None,
    group: str | None = None,
    column: str | Sequence[str] | None = None,
    time: str | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    resample: bool = False,
    overwrite: bool = False,
    take_over: bool = False,
) -> xr.Dataset:
    """Store the series in a file as a recording.

    Parameters
    ----------
    source : path-like
        A table of text, ``.npy`` or ``.nc``; see `nndyn.systems.series.files.load`, which takes
        the options from `interval` to `resample`.
    path : path-like
        The netCDF file to write; its folder must exist.
    interval : float, optional
        Time between two rows, where the file does not say; 1 unless given.
    variable, group : str, optional
        Which one of a ``.nc`` file.
    column : str or sequence of str, optional
        Columns of a table that are state.
    time : str, optional
        Column, dimension or variable with the times.
    separator, decimal : str, optional
        Of a table; recognised unless given.
    resample : bool, default False
        Interpolate at even times where they are uneven.
    overwrite : bool, default False
        Replace an existing file.
    take_over : bool, default False
        As of `recorders.ensemble.record`.

    Returns
    -------
    xarray.Dataset
        The recording, opened lazily.

    Raises
    ------
    UsageError
        If an argument is wrong, or `path` exists and `overwrite` is not given.
    DataError
        If the file cannot be read, holds anything but finite numbers, or can be read in two ways.
    StoreError
        If the recording cannot be written.

    Notes
    -----
    The series is held in memory, and written in blocks.
    """
    path, source = located(path), located(source, "source")
    vacant(path, overwrite=overwrite, inputs=[source])
    series = load(
        source,
        interval=interval,
        variable=variable,
        group=group,
        column=column,
        time=time,
        separator=separator,
        decimal=decimal,
        resample=resample,
    )
    memory = as_recording(series)
    T, D = series.rows.shape
    growing = ("time", "state", "step_length", "log_rescale")
    block = max(1, min(T, _BLOCK_BYTES // (8 * (D + 3))))
    manifest = {
        "system": describe(series) | {"name": source.name},
        "recording": {},
        "steps": T - 1,
        "parameter_shapes": {name: [1] for name in series.names},
        **provenance.provenance(),
    }
    header = Header(
        sizes={"replica": 1, "component": D, "parameter": D},
        variables=variables(series),
        fixed=fixed(series),
        block=block,
        attrs={
            "recording_id": provenance.new_id(),
            "stationary": 1,
            "manifest": json.dumps(manifest),
            "redrawn": "[]",
        },
        time_unit=series.time_unit,
        dtype="float64",
        expected_bytes=8 * T * (D + 3) + 64 * 2**10,
    )
    with Writer.create(path, header, overwrite=overwrite, take_over=take_over) as writer:
        for start in range(0, T, block):
            part = slice(start, start + block)
            writer.append({name: np.asarray(memory[name][part]) for name in growing})
        writer.commit()
        writer.finish("complete")
    return open_recording(path, identity=str(header.attrs["recording_id"]))
