"""Distinctness of files: no output may be an input of the same work."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from nndyn.errors import UsageError


def check_apart(path: Path, inputs: Iterable[str | Path]) -> None:
    """Refuse to replace what the work reads, whatever the names it has.

    Parameters
    ----------
    path : Path
        A file to be replaced, or a folder to be removed.
    inputs : iterable of path-like
        Files and folders that are read.

    Raises
    ------
    UsageError
        If `path` is one of them, by another name or through a link too, or one lies in the other.
    """
    if not os.path.lexists(path):
        return
    for given in inputs:
        if not os.path.exists(given):
            continue
        same = path.exists() and os.path.samefile(path, given)
        if same or _lies_in(path, given) or _lies_in(given, path):
            raise UsageError(
                f"{path} is what is read, or a part of it, {given}: nothing was written; choose "
                "another name"
            )


def _lies_in(path: str | Path, folder: str | Path) -> bool:
    inner, outer = os.path.realpath(path), os.path.realpath(folder)
    return inner != outer and os.path.commonpath([inner, outer]) == outer
