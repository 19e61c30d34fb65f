"""Index of a folder: the recordings and studies in it, with what each is and its verdict."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from nndyn.analysis import analyzer
from nndyn.errors import NndynError, UsageError
from nndyn.reports.content import Entry
from nndyn.reports.facts import in_short
from nndyn.runtime.progress import Called
from nndyn.store import facts, open_recording, reading
from nndyn.studies.folder import Folder
from nndyn.studies.index import open_study

#: How reports are called.
SUFFIXES = (".html", ".htm")


def parts(folder: Path) -> list[Path]:
    """Return the files that may be recordings, and the studies, of a folder, by name.

    Returns
    -------
    list of Path

    Raises
    ------
    UsageError
        If there are none.
    """
    found = [
        one
        for one in sorted(folder.iterdir())
        if not one.name.startswith(".")
        and (one.suffix.lower() == ".nc" if one.is_file() else Folder(one).is_study())
    ]
    if not found:
        raise UsageError(
            f"{folder} holds no recording (.nc) and no study; name a recording, a study, or a "
            "folder of them"
        )
    return found


def entries(folder: Path, output: Path, told: Called | None) -> list[Entry]:
    """Return the lines of the index of a folder.

    Parameters
    ----------
    folder : Path
    output : Path
        The index: reports beside it that are called as what they are on are linked.
    told : callable or None

    Returns
    -------
    list of Entry
        What cannot be read has its reason for a verdict.

    Raises
    ------
    UsageError
        If there is nothing of nndyn's in it.
    """
    found = []
    every = parts(folder)
    for i, one in enumerate(every):
        page = next(iter(_pages(one, output)), "")
        try:
            entry = _study(one, page) if one.is_dir() else _recording(one, page)
        except NndynError as error:
            why = str(error).replace(f"{folder}{os.sep}", "")  # its name stands beside it
            entry = Entry(one.name, "not read", reason=why, page=page)
        found.append(entry)
        if told is not None:
            told(i + 1, len(every))
    return found


def _pages(one: Path, output: Path) -> Iterator[str]:
    """Give the addresses of reports beside the index that are called as a recording or study is.

    Yields
    ------
    str
    """
    stem = one.name if one.is_dir() else one.stem
    for suffix in SUFFIXES:
        page = output.parent / f"{stem}{suffix}"
        if page.is_file() and page.name != output.name:
            yield quote(os.fsencode(page.name))


def _recording(path: Path, page: str) -> Entry:
    found = facts(path)
    steps = max(0, found.committed - 1)
    word, reason = "", ""
    try:
        with reading(path), open_recording(path) as recording:
            result = analyzer("lyapunov")(recording)
            word, reason = str(result.attrs["verdict"]), str(result.attrs["reason"])
    except NndynError as error:
        reason = str(error)
    return Entry(
        path.name,
        "recording",
        in_short(found.manifest.get("system", {})),
        f"{found.status}, {steps:,} steps",
        str(found.manifest.get("created", ""))[:10],
        word,
        reason,
        page,
    )


def _study(path: Path, page: str) -> Entry:
    index = open_study(path)
    status = Counter(str(one) for one in index["status"].values.flat)
    extent = ", ".join(f"{n} {kind}" for kind, n in status.most_common())
    swept = ", ".join(str(name) for name in index.dims)
    return Entry(path.name, "study", f"{index.attrs['system']} over {swept}", extent, page=page)
