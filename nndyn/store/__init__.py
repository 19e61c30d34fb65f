"""Store of recordings: crash-safe netCDF, and the only package that touches such files.

`Writer` streams a run into a file that survives a kill at any moment, `open_recording` reads one
back as an ``xarray.Dataset``, `verify` reads every byte of one and says what is wrong with it.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

# HDF5 reads this when it is loaded. With its own locks on, nobody could look at a running file;
# writers exclude each other by a lock file instead (nndyn.store.locks).
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

if TYPE_CHECKING:
    from nndyn.store.integrity import Report, VariableCheck, verify
    from nndyn.store.layout import Header
    from nndyn.store.library import reading
    from nndyn.store.locks import BusyError, MissingRecordingError, vacant
    from nndyn.store.overview import Facts, facts
    from nndyn.store.reader import open_recording
    from nndyn.store.results_file import load_result, save_result
    from nndyn.store.rows import InParts
    from nndyn.store.writer import Writer
    from nndyn.store.written import Left

__all__ = [
    "BusyError",
    "Facts",
    "Header",
    "InParts",
    "Left",
    "MissingRecordingError",
    "Report",
    "VariableCheck",
    "Writer",
    "facts",
    "load_result",
    "open_recording",
    "reading",
    "save_result",
    "vacant",
    "verify",
]

_HOME = {
    "BusyError": "locks",
    "Facts": "overview",
    "Header": "layout",
    "InParts": "rows",
    "Left": "written",
    "MissingRecordingError": "locks",
    "Report": "integrity",
    "VariableCheck": "integrity",
    "facts": "overview",
    "Writer": "writer",
    "load_result": "results_file",
    "open_recording": "reader",
    "reading": "library",
    "save_result": "results_file",
    "vacant": "locks",
    "verify": "integrity",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOME[name]}")
    # all of its names: one may be that of the module, which the import has put in its place
    for other, home in _HOME.items():
        if home == _HOME[name]:
            globals()[other] = getattr(module, other)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted(__all__)
