"""Report on recordings, a study, or what a folder holds: one page in one file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from nndyn.errors import UsageError
from nndyn.runtime.paths import located
from nndyn.runtime.progress import Bar, Progress, following

if TYPE_CHECKING:
    import xarray as xr

    from nndyn.reports.content import Subject

#: A recording or a study: its path, or what nndyn.open or nndyn.open_study gave.
Given: TypeAlias = "str | os.PathLike[str] | xr.Dataset"


def report(
    what: Given | Sequence[Given] | Mapping[str, Given],
    path: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
) -> Path:
    """Write a report: a page with verdicts, figures, tables, and how everything was made.

    Parameters
    ----------
    what : path-like, xarray.Dataset, or a sequence or mapping of them
        A recording or a study, or several, by their names in a mapping, which are compared as well:
        see `nndyn.compare`. A folder that is no study gets an index of the recordings and studies
        in it.
    path : path-like
        The page, ``.html``; replaced where it exists.
    progress : bool or callable, optional
        True draws a bar where there is a terminal or a notebook.

    Returns
    -------
    pathlib.Path
        Of the page.

    Raises
    ------
    UsageError
        If `path` is no name for a page or one of what is read, or `what` is none of these.
    RecordingError
        If a recording is damaged, or no recording.
    StoreError
        If the page cannot be written; what was there before is left.

    Notes
    -----
    Runs every analyzer that applies; their results on the runs of a study are kept in its folder.
    Several recordings are analyzed twice, for their own sections and for the comparison. The page
    needs no other file and no script, and is the same for the same recordings.
    """
    from nndyn.reports import page
    from nndyn.reports.folders import entries
    from nndyn.reports.together import together
    from nndyn.store.files import write_whole

    output = located(path)
    chosen = _named(what)
    folder = _plain_folder(chosen)
    _check(output, chosen, folder)
    with following(progress, output.name, "runs") as told:
        if folder is not None:
            html = page.index(folder.resolve().name, entries(folder, output, told))
        else:
            found = [
                _collected(one, name, f"r{i}", told) for i, (name, one) in enumerate(chosen.items())
            ]
            html = page.subjects(", ".join(chosen), found, together(chosen, told))
        write_whole(output, html.encode("utf-8", "backslashreplace"))
    return output


def _collected(one: Path | xr.Dataset, name: str, prefix: str, told: Any) -> Subject:
    """Return what the page says of a recording or a study."""
    from analyzers.common.progress import telling
    from nndyn.reports import recordings, studies
    from nndyn.store import open_recording, reading

    if isinstance(one, Path) and one.is_dir():
        return studies.collect(one, name, prefix, told)
    with ExitStack() as stack:
        if isinstance(told, Bar):
            stack.enter_context(telling(told.share))
        if isinstance(one, Path):
            stack.enter_context(reading(one))
            one = stack.enter_context(open_recording(one))
        return recordings.collect(one, name, prefix)


def _named(what: Any) -> dict[str, Path | xr.Dataset]:
    """Return what is reported by name: as the user calls it, or as its file is called."""
    if isinstance(what, Mapping) and not hasattr(what, "data_vars"):
        found = {str(name): _located(one) for name, one in what.items()}
    else:
        single = isinstance(what, str | os.PathLike) or hasattr(what, "data_vars")
        if not single and not isinstance(what, Sequence):
            raise UsageError(
                f"what is {what!r}, expected a recording, a study, or a list of them: paths, or "
                "what nndyn.open gave"
            )
        given = [what] if single else list(what)
        every = [_located(one) for one in given]
        names = [_name(one, i) for i, one in enumerate(every)]
        if len(set(names)) < len(names):  # files of one name in several folders
            pairs = zip(every, names, strict=True)
            names = [str(one) if isinstance(one, Path) else name for one, name in pairs]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise UsageError(f"{twice} is given twice; give each once")
        found = dict(zip(names, every, strict=True))
    if not found:
        raise UsageError("there is nothing to report on: name a recording, a study, or a folder")
    return found


def _located(one: Any) -> Path | xr.Dataset:
    """Return a path, or a recording in memory; of the index of a study its folder."""
    if hasattr(one, "data_vars"):
        recording: xr.Dataset = one
        if "nndyn_study" in recording.attrs:
            return _folder_of(recording)
        if "analyzer" in recording.attrs:
            raise UsageError("what is the result of an analyzer, expected the recording it is of")
        return recording
    return located(one, "what")


def _folder_of(index: xr.Dataset) -> Path:
    """Return the folder of a study from its whole index."""
    from nndyn.studies.folder import Folder

    folder = Folder(index.encoding.get("source", ""))
    if {key: len(values) for key, values in folder.design().axes.items()} != dict(index.sizes):
        raise UsageError(
            f"this is a part of the index of {folder.path}; report what nndyn.open_study gave"
        )
    return folder.path


def _name(one: Path | xr.Dataset, place: int) -> str:
    source = one if isinstance(one, Path) else one.encoding.get("source", "")
    return Path(os.path.abspath(source)).name if str(source) else f"recording {place + 1}"


def _plain_folder(chosen: Mapping[str, Path | xr.Dataset]) -> Path | None:
    """Return the folder that an index is asked for of; None where it is no index."""
    from nndyn.studies.folder import Folder

    only = next(iter(chosen.values()))
    if len(chosen) > 1 or not isinstance(only, Path):
        return None
    return only if only.is_dir() and not Folder(only).is_study() else None


def _check(output: Path, chosen: Mapping[str, Path | xr.Dataset], folder: Path | None) -> None:
    """Refuse, before any work, a name that is of no page, and what is not there."""
    from nndyn.reports.folders import SUFFIXES, parts
    from nndyn.store.locks import existing, vacant
    from nndyn.studies.folder import Folder

    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{output}: expected a name that ends in {' or '.join(SUFFIXES)}")
    read: list[str | Path] = []
    for one in parts(folder) if folder is not None else chosen.values():
        if not isinstance(one, Path):
            read += [one.encoding["source"]] if one.encoding.get("source") else []
        elif one.is_dir():
            Folder(one).design()
            read += Folder(one).parts
        else:
            read.append(existing(one))
    vacant(output, overwrite=True, inputs=read)
