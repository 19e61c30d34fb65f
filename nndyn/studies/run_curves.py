"""What an analyzer finds on each run of a study, whole: curves, not only numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nndyn.analysis import analyzer
from nndyn.errors import NndynError, UsageError
from nndyn.header import FINISHED
from nndyn.progress import Progress, following
from nndyn.studies.analysis import along_of
from nndyn.studies.folder import Folder
from nndyn.studies.index import look

if TYPE_CHECKING:
    import xarray as xr


def run_results(
    path: str | Path,
    name: str,
    *,
    keep: Sequence[str],
    along: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> tuple[str, list[tuple[str, list[tuple[dict[str, Any], xr.Dataset | None]]]]]:
    """Analyze every run of a study, and keep some variables of the results.

    Parameters
    ----------
    path : path-like
        Folder of the study.
    name : str
        Of an analyzer.
    keep : sequence of str
        Variables to keep, where there are any.
    along : str, optional
        The option that the study is looked at along: see `nndyn.studies.analysis.analyze_study`.
    progress : bool or callable, optional
    **options
        Of the analyzer.

    Returns
    -------
    str
        The option looked along.
    list of (str, list of (dict, xarray.Dataset))
        For each combination of the options beside it, its label, and its runs: where they are,
        and what was found, None where there is no result.

    Raises
    ------
    UsageError
        If an option is wrong, or there is no study.
    RecordingError
        If what the folder knows is damaged.
    """
    folder = Folder(path)
    planned = folder.design()
    rate, known = along_of(planned, along), folder.known()
    others = [key for key in planned.axes if key not in (rate, "seed")]
    found: dict[str, list[tuple[dict[str, Any], xr.Dataset | None]]] = {}
    with following(progress, name) as told:
        for i, cell in enumerate(planned.cells):
            label = ", ".join(f"{key}={cell.at[key]}" for key in others)
            facts = look(folder, planned, cell, known.get(cell.file, {}))
            kept = None
            if facts["status"] in FINISHED:
                kept = _kept(folder.recording(cell), name, keep, options)
            found.setdefault(label, []).append((dict(cell.at), kept))
            if told is not None:
                told(i + 1, len(planned.cells))
    return rate, list(found.items())


def _kept(file: Path, name: str, keep: Sequence[str], options: dict[str, Any]) -> xr.Dataset | None:
    """Analyze one recording, and keep some variables; None where that cannot be done."""
    from nndyn.store import MissingRecordingError, open_recording, reading

    try:
        with reading(file), open_recording(file) as recording:
            result = analyzer(name)(recording, **options)
            return result[[one for one in keep if one in result]].load()
    except NndynError as error:
        if isinstance(error, UsageError) and not isinstance(error, MissingRecordingError):
            raise
        return None
