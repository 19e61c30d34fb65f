"""Index of a study: a Dataset over the swept options with the file and status of every run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import RecordingError, UsageError
from nndyn.store import MissingRecordingError, facts
from nndyn.store.journal import UnsettledError
from nndyn.store.locks import has_writer
from nndyn.studies.belonging import foreign
from nndyn.studies.design import Cell, Design
from nndyn.studies.folder import FAILED, Folder

if TYPE_CHECKING:
    import xarray as xr

#: What `open_study` says of every run, beside its status.
_TEXTS = {
    "path": "file of the recording",
    "status": "complete, stopped, recording, interrupted, failed, damaged, foreign, missing, or "
    "unplanned",
    "id": "identity of the recording",
    "reason": "why a run stopped or failed",
}


def open_study(path: str | Path) -> xr.Dataset:
    """Open the index of a study.

    Parameters
    ----------
    path : path-like
        Its folder.

    Returns
    -------
    xarray.Dataset
        Over the swept options, ``seed`` the last of them: ``path``, ``status``, ``id`` and
        ``reason`` of every run, all str, and ``steps``, the times recorded after the first
        (``steps_recorded``, where ``steps`` is swept). Status
        ``missing`` is a run not begun, or whose file is gone; ``damaged`` one whose file is no
        recording any more; ``foreign`` one whose file is the recording of another run;
        ``unplanned`` a combination the study does not have. Attributes:
        ``nndyn_study``, ``study_id``, ``system`` and ``options`` (JSON).

    Raises
    ------
    MissingStudyError
        If there is no such folder, or it is no study.
    RecordingError
        If the plan, or a note on a batch, is damaged.

    Notes
    -----
    Reads the plan and the notes on batches; of recordings those that changed since.

    Examples
    --------
    >>> index = nndyn.open_study("study")
    >>> nndyn.open(str(index.path.sel(lr=2.0, seed=3).item()))
    """
    import xarray as xr

    folder = Folder(path)
    planned, known = folder.design(), folder.known()
    shape = tuple(len(labels) for labels in planned.axes.values())
    values: dict[str, Any] = {name: np.full(shape, "", dtype=object) for name in _TEXTS}
    values["status"][...] = "unplanned"
    steps = np.zeros(shape, np.int64)
    for cell in planned.cells:
        at = locate(planned, cell)
        found = look(folder, planned, cell, known.get(cell.file, {}))
        values["path"][at] = str(folder.recording(cell))
        values["status"][at] = found["status"]
        values["id"][at] = found.get("id", "")
        values["reason"][at] = found.get("reason", "")
        steps[at] = max(int(found.get("committed", 0)) - 1, 0)
    dims = tuple(planned.axes)
    variables: dict[str, Any] = {
        name: (dims, values[name].astype(str), {"long_name": text}) for name, text in _TEXTS.items()
    }
    variables["steps_recorded" if "steps" in dims else "steps"] = (
        dims,
        steps,
        {"long_name": "steps recorded", "units": "step"},
    )
    coords = {key: (key, np.array(labels)) for key, labels in planned.axes.items()}
    index = xr.Dataset(variables, coords)
    index.attrs = {
        "nndyn_study": 1,
        "study_id": planned.id,
        "system": planned.system,
        "options": json.dumps(planned.options),
    }
    index.encoding["source"] = str(folder.path)
    return index


def locate(planned: Design, cell: Cell) -> tuple[int, ...]:
    """Return the place of a run on the grid."""
    return tuple(places[cell.at[key]] for key, places in planned.places.items())


def look(folder: Folder, planned: Design, cell: Cell, known: dict[str, Any]) -> dict[str, Any]:
    """Return what there is of a run: what is known of it, as far as its file agrees."""
    file = folder.recording(cell)
    if has_writer(file):
        return {**known, "status": "recording"}
    if known.get("status") == FAILED:  # a file there may be is not of this run, or damaged
        return known
    gone = {"status": "missing", "reason": f"{file} is gone; sweep again" if known else ""}
    if not file.exists():
        return gone
    if folder.sound(cell, known):
        return known
    try:  # its batch was not noted, or it was changed since: say what it is now
        now = facts(file)
    except MissingRecordingError:
        return gone
    except UnsettledError as error:
        return {**known, "status": "interrupted", "reason": " ".join(str(error).split())}
    except (RecordingError, UsageError) as error:  # a folder, too, is no recording
        reason = f"{' '.join(str(error).split())}; or remove it and sweep again"
        return {"status": "damaged", "id": known.get("id", ""), "reason": reason}
    other = foreign(file, planned, cell, known, now)
    if other:
        return {"status": "foreign", "id": known.get("id", ""), "reason": other}
    status = "interrupted" if now.status == "recording" else now.status
    return {**asdict(now), "status": status, "reason": now.stop_reason}
