"""Public functions of the analyzers: recordings among their options are opened and labelled."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import wraps
from typing import TYPE_CHECKING, Any

import analyzers
from analyzers.common.progress import telling
from nndyn.errors import NndynError
from nndyn.runtime.paths import located
from nndyn.runtime.progress import progress_bar, watched

if TYPE_CHECKING:
    import xarray as xr


def analyzer(name: str) -> Callable[..., xr.Dataset]:
    """Return the analyzer `name`, which takes paths and arrays where an option is a recording.

    Parameters
    ----------
    name : str

    Returns
    -------
    callable
        With the signature and the docstring of the analyzer. Where somebody looks on as it works,
        in a notebook or at Python's prompt, it draws a bar.

    Raises
    ------
    UsageError
        If there is no such analyzer, or its options are not those of an analyzer.
    """
    return opening(analyzers.load(name))


def opening(function: Callable[..., xr.Dataset]) -> Callable[..., xr.Dataset]:
    """Return a function of a recording as `analyzer` does one of the table.

    Parameters
    ----------
    function : callable
        With the signature and the docstring of an analyzer.

    Returns
    -------
    callable

    Raises
    ------
    UsageError
        If its options are not those of an analyzer.
    """
    names = takes_recordings(function)

    @wraps(function)
    def opened(*recording: Any, **options: Any) -> xr.Dataset:
        with ExitStack() as stack:
            if watched():
                bar = stack.enter_context(progress_bar(function.__name__))
                stack.enter_context(telling(bar.share))
            for key in names & options.keys():
                options[key] = _opened(key, options[key], stack)
            if names:
                stack.enter_context(_named(*recording, *(options.get(key) for key in names)))
            result: xr.Dataset = function(*recording, **options)
            return result

    opened.__module__, opened.__qualname__ = "nndyn", function.__name__  # where pickle finds it
    return opened


def takes_recordings(function: Callable[..., Any]) -> set[str]:
    """Return the names of the options of an analyzer that are recordings."""
    from nndyn.results import Recording

    found = analyzers.options(function)
    return {o.name for o in found if analyzers.without_none(o.annotation) == Recording}


def _named(*given: Any) -> AbstractContextManager[None]:
    """Name the files of all recordings where one turns out to be damaged while it is read."""
    from nndyn.store import reading

    sources = (one.encoding.get("source", "") for one in given if hasattr(one, "data_vars"))
    return reading(" or ".join(str(source) for source in sources if source))


def _opened(name: str, given: Any, stack: ExitStack) -> Any:
    """Return a Dataset of what is given for a recording; a number, None or a Dataset as it is."""
    if isinstance(given, str | os.PathLike):
        from nndyn.store import open_recording

        return stack.enter_context(open_recording(located(given, name)))
    if given is None or hasattr(given, "data_vars") or not hasattr(given, "__len__"):
        return given
    from nndyn.systems.series.arrays import from_array

    try:
        return from_array(given)
    except NndynError as error:
        raise type(error)(f"{name}: {error}") from error
