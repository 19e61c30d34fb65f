"""Paths of files and folders, as a user gives them."""

from __future__ import annotations

import os
from pathlib import Path

from nndyn.errors import UsageError


def located(path: str | os.PathLike[str], name: str = "path") -> Path:
    """Return a path with ``~`` replaced by the home folder.

    Parameters
    ----------
    path : path-like
    name : str
        What messages call it.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    UsageError
        If it is no path, or there is no such home folder.
    """
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"{name} is {path!r}, expected the name of a file or folder")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{name} is {str(path)!r}, and there is no such home folder") from error
