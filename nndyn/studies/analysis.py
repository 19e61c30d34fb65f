"""An analyzer on every run of a study, and what the study says as a whole."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import analyzers
from nndyn._version import __version__
from nndyn.errors import DataError, NndynError, UsageError
from nndyn.studies.design import Cell, Design
from nndyn.studies.folder import Folder
from nndyn.studies.index import locate, look
from nndyn.studies.stack import Found, reduce, split, stack

if TYPE_CHECKING:
    import xarray as xr

#: Seconds of work from which other processes take a part: one takes some to start.
_WORTH = 6.0
#: The study function of analyzers that have none of their own.
_MEDIANS = "analyzers.medians:medians"

#: Called with the runs done and those there are.
Progress = Callable[[int, int], None]


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
    progress : callable, optional
    **options
        Of the analyzer.

    Returns
    -------
    xarray.Dataset
        What the study function of the analyzer gives, or `analyzers.medians`; along further swept
        options it is repeated. ``cell_NAME``, over all swept options, is what was found on every
        run.

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
    row = analyzers.rows()[name] if name in analyzers.rows() else None
    keep = () if row is None else row.keep
    cells = _grid(folder, planned, name, keep, options, workers, progress)
    if not (cells["verdict"] != "").any() and not (cells["failure"] == "").any():
        why = [str(f) for f in np.unique(cells["failure"].values) if f]
        raise DataError(f"{name} applies to no run of {folder.path}: {why[0] if why else ''}")
    study = analyzers.resolve(_MEDIANS if row is None or row.study is None else row.study)
    beside = {
        other: _beside(folder, planned, other, workers, progress)
        for other in (row.beside if row is not None else ())
    }
    rate = _along(planned, along)
    shared = {"confidence": options["confidence"]} if "confidence" in options else {}
    others = [key for key in planned.axes if key not in (rate, "seed")]
    parts = []
    for chosen in product(*(planned.axes[key] for key in others)):
        at = dict(zip(others, chosen, strict=True))
        found = study(
            _row_of(cells, planned, rate, at),
            **{k: v and _row_of(v, planned, rate, at) for k, v in beside.items()},
            **shared,
        )
        parts.append(found)
    result = _join(parts, planned, others)
    result = result.assign({f"cell_{k}": v for k, v in cells.items()})
    result.attrs |= {
        "analyzer": name,
        "source_id": planned.id,
        "source_path": str(folder.path),
        "parameters": json.dumps(options),
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
        part.attrs |= {key: str(part[key].item()) for key in names}
        yield label, part.drop_vars(names)


def _grid(
    folder: Folder,
    planned: Design,
    name: str,
    keep: Sequence[str],
    options: dict[str, Any],
    workers: int | None,
    progress: Progress | None,
) -> xr.Dataset:
    """Return what is found on every run, over the axes of the study."""
    import xarray as xr

    known = folder.known()
    seen = {cell.file: look(folder, cell, known.get(cell.file, {})) for cell in planned.cells}
    cells = planned.cells
    ready = [c for c in cells if seen[c.file]["status"] in ("complete", "stopped")]
    keys = {c.file: f"{seen[c.file]['id']}-{seen[c.file]['committed']}" for c in ready}
    found = _results(folder, name, keep, options, ready, keys, workers, progress)
    stacked = stack([found.get(cell.file, Found()) for cell in cells])
    shape = tuple(len(labels) for labels in planned.axes.values())
    steps = {cell.file: batch.steps for batch in planned.batches for cell in batch.cells}
    where = [np.ravel_multi_index(locate(planned, cell), shape) for cell in cells]
    texts = {
        "status": np.array([str(seen[c.file]["status"]) for c in cells]),
        "file": np.array([str(folder.recording(c)) for c in cells]),
    }
    for i, cell in enumerate(cells):
        if not str(stacked["failure"].values[i]) and cell not in ready:
            texts.setdefault("why", np.full(len(cells), "", dtype=object))[i] = str(
                seen[cell.file].get("reason", "")
            )
    variables: dict[str, Any] = {k: (v.dims, v.values, v.attrs) for k, v in stacked.items()}
    variables |= {k: (("cell",), v.astype(str), {}) for k, v in texts.items()}
    variables["steps"] = (("cell",), np.array([float(steps[c.file]) for c in cells]), {})
    gridded: dict[str, Any] = {}
    for key, (dims, values, attrs) in variables.items():
        text = values.dtype.kind in "US"
        full = np.full((int(np.prod(shape)), *values.shape[1:]), "" if text else np.nan, object)
        full = full if text else full.astype(np.float64)
        if key == "status":
            full[:] = "unplanned"
        full[where] = values
        full = (full.astype(str) if text else full).reshape(*shape, *values.shape[1:])
        gridded[key] = ((*planned.axes, *dims[1:]), full, attrs)
    coords = {key: (key, np.array(labels)) for key, labels in planned.axes.items()}
    inner = {k: v for k, v in stacked.coords.items() if k != "cell"}
    return xr.Dataset(gridded, {**coords, **inner})


def _results(
    folder: Folder,
    name: str,
    keep: Sequence[str],
    options: dict[str, Any],
    cells: Sequence[Cell],
    keys: dict[str, str],
    workers: int | None,
    progress: Progress | None,
) -> dict[str, Found]:
    """Return what an analyzer finds on runs, by file; from the folder as far as it is there."""
    from nndyn.store import load_result, save_result

    text = json.dumps([name, options, list(keep), __version__], sort_keys=True)
    file = folder.results(f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}")
    cached: dict[str, Found] = {}
    if file.exists():
        try:
            stored = load_result(file)
            cached = dict(zip(map(str, stored["key"].values), split(stored), strict=True))
        except (NndynError, KeyError, ValueError):
            file.unlink(missing_ok=True)  # it is only a copy: made anew
    todo = [cell for cell in cells if keys[cell.file] not in cached]
    if todo:
        paths = [str(folder.recording(cell)) for cell in todo]
        fresh = _analyzed(name, options, tuple(keep), paths, workers, progress)
        cached |= dict(zip((keys[cell.file] for cell in todo), fresh, strict=True))
        current = {key: cached[key] for key in keys.values()}
        stacked = stack(list(current.values()))
        save_result(stacked.assign(key=("cell", np.array(list(current)))), file, overwrite=True)
    return {cell.file: cached[keys[cell.file]] for cell in cells}


def _analyzed(
    name: str,
    options: dict[str, Any],
    keep: tuple[str, ...],
    paths: Sequence[str],
    workers: int | None,
    progress: Progress | None,
) -> list[Found]:
    """Analyze recordings, in several processes where that is worth it."""
    total, found, began = len(paths), [], time.monotonic()
    workers = workers or _cores()
    for path in paths:
        found.append(_one(name, options, keep, path))
        if progress is not None:
            progress(len(found), total)
        spent = time.monotonic() - began
        if workers > 1 and spent / len(found) * (total - len(found)) > _WORTH:
            break
    rest = paths[len(found) :]
    if rest:
        from joblib import Parallel, delayed

        jobs = (delayed(_one)(name, options, keep, path) for path in rest)
        pool = Parallel(n_jobs=workers, batch_size=4, return_as="generator")
        for one in pool(jobs):
            found.append(one)
            if progress is not None:
                progress(len(found), total)
    return found


def _one(name: str, options: dict[str, Any], keep: tuple[str, ...], path: str) -> Found:
    """Analyze one recording; where that cannot be done, say why."""
    from nndyn.store import open_recording, reading

    try:
        with reading(path), open_recording(path) as recording:
            result = analyzers.load(name)(recording, **options)
            return reduce(result, keep, float(recording.attrs["stationary"]))
    except UsageError:
        raise
    except NndynError as error:
        return Found(failure=" ".join(str(error).split()))


def _beside(
    folder: Folder,
    planned: Design,
    name: str,
    workers: int | None,
    progress: Progress | None,
) -> xr.Dataset | None:
    """Return another analyzer's results on the runs; None where it applies to none."""
    keep = analyzers.ANALYZERS[name].keep
    cells = _grid(folder, planned, name, keep, {}, workers, progress)
    return cells if (cells["verdict"] != "").any() else None


def _along(planned: Design, along: str | None) -> str:
    """Return the option that a study is looked at along; the fixed learning rate where none is."""
    numeric = {
        key: len(labels)
        for key, labels in planned.axes.items()
        if key != "seed" and all(isinstance(v, int | float) for v in labels)
    }
    if along is not None:
        along = along.replace("-", "_")
        if along not in numeric:
            swept = ", ".join(numeric) or "none"
            raise UsageError(f"along is {along!r}, expected a swept option with numbers: {swept}")
        return along
    if "lr" in numeric or not numeric:
        return "lr"
    return max(numeric, key=lambda key: numeric[key])


def _row_of(cells: xr.Dataset, planned: Design, rate: str, at: dict[str, Any]) -> xr.Dataset:
    """Return the cells along one option and over seeds, at a combination of the others."""
    places = {key: planned.axes[key].index(label) for key, label in at.items()}
    row = cells.isel(places).drop_vars(list(places))
    if rate not in row.dims:
        fixed = planned.options.get(rate)
        row = row.expand_dims({rate: [float(fixed) if isinstance(fixed, int | float) else np.nan]})
    row.encoding["source"] = ""
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


def _unused(cells: xr.Dataset) -> list[str]:
    """Say which runs have no result, and why."""
    flat = cells[["status", "failure", "file"]].stack(run=[d for d in cells["status"].dims])
    lines = []
    for status, failure, file in zip(
        flat["status"].values, flat["failure"].values, flat["file"].values, strict=True
    ):
        if failure:
            lines.append(str(failure) if str(file) in str(failure) else f"{file}: {failure}")
        elif status not in ("complete", "stopped", "unplanned"):
            lines.append(f"{file} is {status}")
    if len(lines) > 5:
        return [*lines[:4], f"and {len(lines) - 4} more runs without a result"]
    return lines


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
