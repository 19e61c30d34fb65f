"""Analysis of a study: an analyzer on every run, and the study as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import analyzers
from nndyn.analysis import takes_recordings
from nndyn.errors import DataError, NndynError, UsageError, is_number
from nndyn.header import FINISHED
from nndyn.kinds import number
from nndyn.runtime.progress import Progress, following
from nndyn.studies.design import Design
from nndyn.studies.folder import Folder
from nndyn.studies.index import look
from nndyn.studies.run_results import cells_of
from nndyn.words.names import OPTIONS, did_you_mean

if TYPE_CHECKING:
    import xarray as xr

#: The verdict of the study function of analyzers that have none of their own.
MEDIANS = "medians"
_MEDIANS = f"analyzers.studies.medians:{MEDIANS}"


def analyze_study(
    path: str | Path,
    name: str,
    *,
    along: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> xr.Dataset:
    """Analyze every run of a study, and the study as a whole.

    Parameters
    ----------
    path : path-like
        Folder of the study.
    name : str
        Of an analyzer.
    along : str, optional
        The swept option that the study is looked at along: ``lr`` where it is swept, else the one
        that has numbers, and of several the one with the most.
    workers : int, optional
        Processes; as many as there are cores unless given.
    progress : bool or callable, optional
        True draws a bar where there is a terminal or a notebook.
    **options
        Of the analyzer.

    Returns
    -------
    xarray.Dataset
        What the study function of the analyzer gives, or `analyzers.studies.medians`; along further
        swept options it is repeated. ``cell_NAME``, over all swept options, is what was found on
        every run.

    Raises
    ------
    UsageError
        If an option is wrong, or there is no study.
    DataError
        If the analyzer applies to no run of it.
    RecordingError
        If what the folder knows is damaged. A damaged recording is a warning, and left out.

    Notes
    -----
    Results on runs are kept in the folder, by the identity and length of the recording and the
    options of the analyzer, and taken from there the next time.
    """
    folder = Folder(path)
    planned = folder.design()
    name = name.replace("-", "_")
    function = analyzers.load(name)
    defaults = {o.name: o.default for o in analyzers.options(function)}
    unknown = [key for key in options if key not in defaults]
    if unknown:
        raise UsageError(
            f"{name} has no option {unknown[0]!r}; known: {', '.join(defaults)}"
            f"{did_you_mean(unknown[0], defaults, OPTIONS)}"
        )
    for key in takes_recordings(function):
        if not isinstance(options.get(key), int | np.integer | type(None)):
            raise UsageError(
                f"{key} is another recording, and {folder.path} holds many to set against it; give "
                "the number of a replica, or analyze a recording of the study"
            )
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in options.items()}
    options = {key: value for key, value in plain.items() if value != defaults[key]}
    row = analyzers.rows()[name]
    rate = along_of(planned, along)
    with following(progress, name, "runs") as told:
        cells = cells_of(folder, planned, name, options, workers=workers, progress=told)
        if not (cells["verdict"] != "").any():
            why = _why_none(cells)
            raise DataError(f"{name} has a result on no run of {folder.path}: {why}")
        study = analyzers.resolve(row.study or _MEDIANS)
        beside: dict[str, xr.Dataset | None] = {}
        for other in row.beside:
            found = cells_of(folder, planned, other, {}, workers=workers, progress=told)
            beside[other] = found if (found["verdict"] != "").any() else None
    shared = {"confidence": options["confidence"]} if "confidence" in options else {}
    others = [key for key in planned.axes if key not in (rate, "seed")]
    parts = []
    for chosen in product(*(planned.axes[key] for key in others)):
        at = dict(zip(others, chosen, strict=True))
        found = study(
            row_of(cells, planned, rate, at),
            **{k: row_of(v, planned, rate, at) for k, v in beside.items() if v is not None},
            **shared,
        )
        parts.append(found)
    result = _join(parts, planned, others)
    result = result.assign({f"cell_{k}": v for k, v in cells.items()})
    result[rate].attrs.setdefault("units", "1")
    result.attrs |= {
        "analyzer": name,
        "source_id": planned.id,
        "source_path": str(folder.path),
        "parameters": json.dumps(
            {**defaults, **options, **json.loads(parts[0].attrs["parameters"])}
        ),
        "along": rate,
        "warnings": json.dumps([*json.loads(result.attrs["warnings"]), *_unused(cells)]),
    }
    return result


def combinations(result: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
    """Give the parts of a study's result, one for each combination of the options beside.

    Yields
    ------
    str, xarray.Dataset
        Such as ``model=mlp:4-8-3``, empty where there is one part alone.
    """
    if "verdict" not in result:
        yield "", result
        return
    dims = result["verdict"].dims
    for place in product(*(range(result.sizes[d]) for d in dims)):
        part = result.isel(dict(zip(dims, place, strict=True)))
        label = ", ".join(f"{d}={part[d].item()}" for d in dims)
        names = ("verdict", "reason")
        own = {key: str(part[key].item()) for key in names}
        yield label, part.drop_vars(names).assign_attrs(own)  # parts share their attributes


def growth_and_learning(
    analyze: Callable[[str], xr.Dataset],
) -> list[tuple[str, xr.Dataset, xr.Dataset | None]]:
    """Return what a figure of a study shows, for each combination of the options beside.

    Parameters
    ----------
    analyze : callable
        Analyzes the study with the analyzer of a name.

    Returns
    -------
    list of (str, xarray.Dataset, xarray.Dataset or None)
        Of every combination its label, the study of growth, and that of learning, None of runs
        without accuracies.
    """
    growth = combinations(analyze("lyapunov"))
    try:
        learning = dict(combinations(analyze("learning")))
    except DataError:
        learning = {}
    return [(label, part, learning.get(label)) for label, part in growth]


def along_of(planned: Design, along: str | None) -> str:
    """Return the option that a study is looked at along; ``lr`` or ``run`` where none is swept."""
    numeric = {
        key: len(labels)
        for key, labels in planned.axes.items()
        if key not in ("seed", "steps") and all(map(is_number, labels))
    }
    if along is not None:
        along = along.replace("-", "_")
        if along not in numeric:
            swept = ", ".join(numeric) or "none"
            raise UsageError(
                f"along is {along!r}, expected a swept option with numbers: {swept}"
                f"{did_you_mean(along, numeric, OPTIONS)}"
            )
        return along
    if not numeric:
        return "lr" if number().fits(planned.options.get("lr")) else "run"
    return "lr" if "lr" in numeric else max(numeric, key=lambda key: numeric[key])


def row_of(cells: xr.Dataset, planned: Design, rate: str, at: dict[str, Any]) -> xr.Dataset:
    """Return the cells along one option and over seeds, at a combination of the others."""
    import xarray as xr

    places = {key: planned.axes[key].index(label) for key, label in at.items()}
    row = cells.isel(places).drop_vars(list(places))
    if "steps" in at:
        row["steps"] = xr.full_like(row["stationary"], float(at["steps"]))
    if rate not in row.dims:
        row = row.expand_dims({rate: [float(planned.options["lr"]) if rate == "lr" else 0.0]})
    row.encoding["source"] = ""
    row.attrs["options"] = json.dumps({**planned.options, **at})
    return row.transpose(rate, "seed", ...)


def _join(parts: Sequence[xr.Dataset], planned: Design, others: Sequence[str]) -> xr.Dataset:
    """Join results over the combinations of further options."""
    import xarray as xr

    if not others:
        return parts[0]
    labels = [planned.axes[key] for key in others]
    flat = [
        part.assign(verdict=((), part.attrs["verdict"]), reason=((), part.attrs["reason"]))
        for part in parts
    ]
    joined = xr.concat(flat, "combination", combine_attrs="override", join="outer")
    shape = [len(values) for values in labels]
    variables = {}
    for key, v in joined.variables.items():
        if "combination" not in v.dims:
            continue
        moved = v.transpose("combination", ...)
        dims = (*others, *moved.dims[1:])
        variables[key] = (dims, moved.values.reshape(*shape, *moved.shape[1:]), v.attrs)
    kept = {k: v for k, v in joined.variables.items() if "combination" not in v.dims}
    coords = {key: (key, np.array(values)) for key, values in zip(others, labels, strict=True)}
    result = xr.Dataset({**kept, **variables}, coords).set_coords(
        [name for name in joined.coords if name in kept]
    )
    warned = dict.fromkeys(w for part in parts for w in json.loads(part.attrs["warnings"]))
    counts = [f"{p.attrs['verdict']}" for p in parts]
    result.attrs = {**parts[0].attrs, "warnings": json.dumps(list(warned))}
    result.attrs |= {"verdict": "", "reason": f"{len(parts)} combinations: {', '.join(counts)}"}
    return result


def _why_none(cells: xr.Dataset) -> str:
    """Say why no run has a result: once where it is the same of all, else of the first two."""
    failures = [str(one) for one in cells["failure"].values.flat]
    same = len(failures) > 1 and len(set(failures)) == 1
    return failures[0] if same else "; ".join(_unused(cells)[:2])


def _unused(cells: xr.Dataset) -> list[str]:
    """Say which runs have no result, and why."""
    lines = []
    names = ("status", "failure", "file")
    for status, failure, file in zip(*(cells[n].values.ravel() for n in names), strict=True):
        if failure and status != "unplanned":
            lines.append(str(failure) if str(file) in str(failure) else f"{file}: {failure}")
    if len(lines) > 5:
        return [*lines[:4], f"and {len(lines) - 4} more runs without a result"]
    return lines


def run_results(
    path: str | Path,
    function: Callable[..., xr.Dataset],
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
    function : callable
        An analyzer: see `nndyn.analysis.analyzer`.
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
    with following(progress, function.__name__, "runs") as told:
        for i, cell in enumerate(planned.cells):
            label = ", ".join(f"{key}={cell.at[key]}" for key in others)
            facts = look(folder, planned, cell, known.get(cell.file, {}))
            kept = None
            if facts["status"] in FINISHED:
                kept = _kept(folder.recording(cell), function, keep, options)
            found.setdefault(label, []).append((dict(cell.at), kept))
            if told is not None:
                told(i + 1, len(planned.cells))
    return rate, list(found.items())


def _kept(
    file: Path,
    function: Callable[..., xr.Dataset],
    keep: Sequence[str],
    options: dict[str, Any],
) -> xr.Dataset | None:
    """Analyze one recording, and keep some variables; None where that cannot be done."""
    from nndyn.store import MissingRecordingError, open_recording, reading

    try:
        with reading(file), open_recording(file) as recording:
            result = function(recording, **options)
            return result[[one for one in keep if one in result]].load()
    except NndynError as error:
        if isinstance(error, UsageError) and not isinstance(error, MissingRecordingError):
            raise
        return None
