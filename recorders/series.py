"""Store a measured series as a recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nndyn import provenance
from nndyn.recording import VARIABLES
from nndyn.store import Header, Writer, open_recording, vacant
from nndyn.systems.series import describe, fixed, from_array, load

if TYPE_CHECKING:
    import xarray as xr

#: Bytes appended at once.
_BLOCK_BYTES = 16 * 2**20


def record_series(
    source: str | Path,
    path: str | Path,
    *,
    interval: float = 1.0,
    variable: str | None = None,
    overwrite: bool = False,
    take_over: bool = False,
) -> xr.Dataset:
    """Store the series in a file as a recording.

    Parameters
    ----------
    source : path-like
        ``.csv``, ``.npy`` or ``.nc``; see `nndyn.systems.series.load`.
    path : path-like
        The netCDF file to write; its folder must exist.
    interval : float, default 1
        Time between two rows.
    variable : str, optional
        Which one of a ``.nc`` file.
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
        If the file cannot be read or holds anything but finite numbers.
    StoreError
        If the recording cannot be written.

    Notes
    -----
    The series is held in memory, and written in blocks.
    """
    path = Path(path)
    vacant(path, overwrite=overwrite, cure="overwrite it", inputs=[source])
    rows, names = load(source, variable)
    series = from_array(rows, interval, names=names)
    T, D = rows.shape
    growing = ("time", "state", "log_rescale")
    block = max(1, min(T, _BLOCK_BYTES // (8 * (D + 2))))
    manifest = {
        "system": describe(rows, float(interval), names) | {"name": Path(source).name},
        "recording": {},
        "steps": T - 1,
        "parameter_shapes": {name: [1] for name in names},
        **provenance.provenance(),
    }
    header = Header(
        sizes={"replica": 1, "component": D, "parameter": D},
        variables=tuple(VARIABLES[name] for name in (*fixed(names), *growing)),
        fixed=fixed(names),
        block=block,
        attrs={
            "recording_id": provenance.new_id(),
            "stationary": 1,
            "manifest": json.dumps(manifest),
            "redrawn": "[]",
        },
        time_unit=str(series["time"].attrs["units"]),
        dtype="float64",
        expected_bytes=8 * T * (D + 2) + 64 * 2**10,
    )
    with Writer.create(path, header, overwrite=overwrite, take_over=take_over) as writer:
        for start in range(0, T, block):
            part = slice(start, start + block)
            writer.append({name: np.asarray(series[name][part]) for name in growing})
        writer.commit()
        writer.finish("complete")
    return open_recording(path, identity=str(header.attrs["recording_id"]))
