"""State of a recording or study after Ctrl-C, and how to continue it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

_NOTHING_WRITTEN = "nothing was written"


def of_recording(
    path: Path, steps: int, *, dry_run: bool, overwrite: bool, resume: bool = False
) -> Callable[[], str]:
    """Return what says how a recording stands, to be called when it was interrupted.

    Parameters
    ----------
    path : Path
        As it is before.
    steps : int
        Asked for.
    dry_run, overwrite, resume : bool
        Whether nothing is to be written; whether a file there is to be replaced, or gone on with.

    Returns
    -------
    callable
    """
    before = _identity(path)

    def say() -> str:
        from nndyn.store import facts

        if dry_run:
            return _NOTHING_WRITTEN
        if not path.exists():
            return f"nothing was recorded, there is no {path}"
        if overwrite and _identity(path) == before:
            return f"nothing was recorded, {path} is as it was"
        found = facts(path)
        last = found.committed - 1
        if found.status == "stopped":
            return f"{path} is whole: {found.stop_reason}"
        if found.status == "complete" and last >= steps:
            return f"{path} is complete, with {last:,} steps"
        again = "" if resume else " with --resume"
        again = " with --resume instead of --overwrite" if overwrite else again
        if last < 0:
            return f"nothing was committed to {path} yet; the same command{again} begins it"
        done = f"steps 0 to {last:,} of {steps:,} are" if last else f"step 0 of {steps:,} is"
        return f"{done} in {path}; the same command{again} goes on"

    return say


def of_study(path: Path, *, dry_run: bool = False, overwrite: bool = False) -> Callable[[], str]:
    """Return what says how a study stands, to be called when it was interrupted.

    Parameters
    ----------
    path : Path
        Its folder, as it is before.
    dry_run, overwrite : bool
        Whether nothing is to be written; whether a study there is to be replaced.

    Returns
    -------
    callable
    """
    from nndyn.studies.folder import PLAN

    before = _identity(path / PLAN)

    def say() -> str:
        if dry_run:
            return _NOTHING_WRITTEN
        if not (path / PLAN).exists():
            return "nothing was recorded yet; the same command begins again"
        if overwrite and _identity(path / PLAN) == before:
            return f"nothing was recorded yet; the study in {path} was not replaced"
        again = " without --overwrite" if overwrite else ""
        return f"what was done is in {path}; the same command{again} goes on"

    return say


def _identity(path: Path) -> tuple[int, int] | None:
    """Tell a file from one that takes its name later."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
