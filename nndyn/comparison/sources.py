"""Recordings and studies that are compared: their names, and how each is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nndyn.comparison import catalogue
from nndyn.errors import DataError, UsageError
from nndyn.header import FINISHED
from nndyn.runtime.paths import located

if TYPE_CHECKING:
    import xarray as xr

Opened = Callable[[], "AbstractContextManager[xr.Dataset]"]


@dataclass(frozen=True)
class Source:
    """One column of the comparison.

    Attributes
    ----------
    name : str
    runs : list of callable
        Each opens a recording; more than one are runs of a study, that differ in their seed.
    path : str
        Of the recording or study, empty where it is in memory.
    warnings : list of str
    """

    name: str
    runs: Sequence[Opened]
    path: str = ""
    warnings: list[str] = field(default_factory=list)


def sources(recordings: Any, *, with_catalogue: bool) -> list[Source]:
    """Return what is to be compared, each looked at before any work.

    Parameters
    ----------
    recordings : mapping of str to path-like or Dataset, or sequence of path-like
    with_catalogue : bool
        Whether the systems of the catalogue stand beside them.

    Returns
    -------
    list of Source

    Raises
    ------
    UsageError
        If there is none, one is given twice, is neither recording nor study, or has the name of
        another.
    DataError
        If a study has no run that is done.
    RecordingError
        If a file is no recording, or damaged.
    """
    if isinstance(recordings, Mapping):
        given = dict(recordings)
    elif isinstance(recordings, str | os.PathLike) or hasattr(recordings, "data_vars"):
        raise UsageError(
            "recordings is one recording, expected several: a dict of them by the names they are "
            "to have, or a list of paths"
        )
    else:
        given = named([located(path, "recordings") for path in recordings])
    found = [one for name, value in given.items() for one in _sources(name, value)]
    beside = catalogue.NAMES if with_catalogue else ()
    found += [Source(name, [partial(catalogue.recorded, name)]) for name in beside]
    if not found:
        raise UsageError("there is nothing to compare; give recordings or studies")
    names = [one.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(
            f"two columns are called {twice!r}; give each recording a name of its own, other than "
            f"those of the catalogue: {', '.join(catalogue.NAMES)}"
        )
    return found


def named(paths: Sequence[Path]) -> dict[str, Path]:
    """Return paths by their names, with as many folders before these as tell them apart.

    Parameters
    ----------
    paths : sequence of Path

    Returns
    -------
    dict of str to Path

    Raises
    ------
    UsageError
        If a file or folder is given twice.
    """
    whole = [Path(os.path.realpath(path)) for path in paths]
    for i, path in enumerate(whole):
        if path in whole[:i]:
            raise UsageError(f"{paths[i]} is given twice; give each recording once")
    parts = [Path(os.path.abspath(path)).parts for path in paths]
    count = [1] * len(paths)
    while True:
        names = ["/".join(part[-n:]) for part, n in zip(parts, count, strict=True)]
        alike = [i for i, name in enumerate(names) if names.count(name) > 1]
        if not alike or all(count[i] >= len(parts[i]) for i in alike):
            return dict(zip(names, paths, strict=True))
        for i in alike:
            count[i] += 1


def _sources(name: Any, value: Any) -> Iterator[Source]:
    """Give the columns of one recording or study.

    Yields
    ------
    Source

    Raises
    ------
    UsageError
        If it is neither, or has no name.
    """
    from nndyn.store import facts
    from nndyn.studies.index import open_study

    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"a recording is called {name!r}, expected a text for a name")
    if isinstance(value, str | os.PathLike):
        path = located(value, name)
        if path.is_dir():
            yield from _runs(name, open_study(path), str(path))
            return
        facts(path)
        yield Source(name, [partial(_file, path)], str(path))
        return
    if not hasattr(value, "data_vars"):
        raise UsageError(
            f"{name} is {value!r}, expected the path of a recording or study, or what nndyn.open, "
            "nndyn.open_study or nndyn.from_array returned"
        )
    if "nndyn_study" in value.attrs:
        yield from _runs(name, value, str(value.encoding.get("source", "")))
        return
    if "time" not in value.variables or "summary" in value.attrs:
        raise UsageError(f"{name} is no recording; open one with nndyn.open(path)")
    yield Source(name, [lambda: nullcontext(value)], str(value.encoding.get("source", "")))


def _runs(name: str, index: xr.Dataset, path: str) -> Iterator[Source]:
    """Give a column for each combination of the options of a study, of all its seeds.

    Yields
    ------
    Source

    Raises
    ------
    DataError
        If none of its runs is done.
    """
    axes = [str(d) for d in index["path"].dims if d != "seed"]
    none = True
    for values in product(*(index[axis].values.tolist() for axis in axes)):
        at = dict(zip(axes, values, strict=True))
        part = index.sel(at)
        runs = zip(part["path"].values.ravel(), part["status"].values.ravel(), strict=True)
        every = [(str(file), str(status)) for file, status in runs if status != "unplanned"]
        done = [partial(_file, Path(file)) for file, status in every if status in FINISHED]
        label = " ".join([name, *(f"{k}={_short(v)}" for k, v in at.items() if index.sizes[k] > 1)])
        if not done:
            continue
        none = False
        left = len(every) - len(done)
        warned = [f"{left} of {len(every)} runs are not done, and left out"] if left else []
        yield Source(label, done, path, warned)
    if none:
        raise DataError(f"{name}: no run of the study {path} is done; sweep on, with `resume`")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@contextmanager
def _file(path: Path) -> Iterator[xr.Dataset]:
    """Open a file, and name it where it turns out to be damaged.

    Yields
    ------
    xarray.Dataset
    """
    from nndyn.store import open_recording, reading

    with reading(path), open_recording(path) as recording:
        yield recording
