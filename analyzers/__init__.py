"""Analyzers: pure functions from a recording to a result, and the table that lists them.

A row of `ANALYZERS` gives a command, a public function, an accessor method, JSON and a table.
Other distributions add theirs through the entry-point group ``nndyn.analyzers``: the entry point's
name is ``package.module:function``, its summary the first line of the function's docstring.
Importing this package loads none of them.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import operator
import re
import types
import typing
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

from nndyn.errors import UnknownNameError, UsageError
from nndyn.words.names import did_you_mean

GROUP = "nndyn.analyzers"

#: Shows that this package is nndyn's: others of the same name exist on the public index.
DISTRIBUTION = "nndyn"


@dataclass(frozen=True)
class Row:
    """One analyzer.

    Attributes
    ----------
    target : str
        ``"package.module:function"``.
    summary : str
        One line for lists of commands.
    study : str or None
        ``"package.module:function"`` that turns the results over the cells of a study into one
        Dataset; None where there is none.
    beside : tuple of str
        Other analyzers whose results over the same cells that function takes, each as a keyword of
        the analyzer's name, None where it does not apply.
    keep : tuple of str
        Variables of a cell's result that it needs beside those of the summary.
    """

    target: str
    summary: str
    study: str | None = None
    beside: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


#: Every analyzer that ships with nndyn, by name.
ANALYZERS: dict[str, Row] = {
    "autocorrelation": Row(
        target="analyzers.series.autocorrelation:autocorrelation",
        summary="Autocorrelation of a motion, and the time over which it is forgotten.",
    ),
    "endings": Row(
        target="analyzers.endings.analyzer:endings",
        summary="Barriers between the ends of the replicas, and how far their functions agree.",
    ),
    "exploration": Row(
        target="analyzers.exploration.analyzer:exploration",
        summary="Exploration of the state space: path, turns, diffusion, dimension.",
    ),
    "learning": Row(
        target="analyzers.learning.analyzer:learning",
        summary="Training time and accuracies of a network.",
        study="analyzers.studies.learning:learning_study",
        beside=("lyapunov",),
        keep=("training_time_earliest", "sharpness_ratio_start"),
    ),
    "lyapunov": Row(
        target="analyzers.lyapunov.analyzer:lyapunov",
        summary="Maximum Lyapunov exponent from the separation of perturbed replicas.",
        study="analyzers.studies.lyapunov:onset_study",
        keep=("replica_exponent", "finite_time_exponent", "growth_lower_bound", "growth_p"),
    ),
    "recurrence": Row(
        target="analyzers.recurrence.analyzer:recurrence",
        summary="Recurrence plot of a trajectory, its lines and their measures.",
    ),
    "spectrum": Row(
        target="analyzers.spectrum.analyzer:spectrum",
        summary="Lyapunov spectrum, its sum, and the Kaplan-Yorke dimension, from tangents.",
    ),
}


def names() -> list[str]:
    """Return the names of all analyzers, built-in and installed by others, sorted."""
    return sorted({*ANALYZERS, *(entry.name for entry in _entries())})


def load(name: str) -> Callable[..., Any]:
    """Return the analyzer `name`.

    Parameters
    ----------
    name : str
        Dashes and underscores mean the same.

    Returns
    -------
    callable
        ``f(recording, *, …) -> xarray.Dataset``.

    Raises
    ------
    UnknownNameError
        If no analyzer has this name; lists those that exist.
    UsageError
        If two distributions claim the name, or the analyzer of another distribution fails to
        import.
    """
    name = name.replace("-", "_")
    claims = [e for e in _entries() if e.name == name]
    if (name in ANALYZERS) + len(claims) > 1:
        owners = ["nndyn"] * (name in ANALYZERS) + [_owner(e) for e in claims]
        raise UsageError(
            f"the analyzer {name!r} is claimed by {' and '.join(owners)}; "
            "uninstall one of them or ask for another name"
        )
    if name in ANALYZERS:
        return resolve(ANALYZERS[name].target)
    if not claims:
        raise UnknownNameError(
            f"no analyzer is called {name!r}; there are {', '.join(names())}"
            f"{did_you_mean(name, names())}"
        )
    try:
        function = claims[0].load()
    except Exception as error:  # a plugin may fail in any way
        raise UsageError(
            f"the analyzer {name!r} of {_owner(claims[0])} cannot be loaded "
            f"({type(error).__name__}: {error}); repair or uninstall it"
        ) from error
    if not callable(function):
        raise UsageError(
            f"the analyzer {name!r} of {_owner(claims[0])} is {function!r}, expected a function"
        )
    return typing.cast("Callable[..., Any]", function)


def rows() -> dict[str, Row]:
    """Return the whole table, with the analyzers of other distributions.

    Returns
    -------
    dict of str to Row
        By name, sorted.

    Warns
    -----
    UserWarning
        For each entry of another distribution that cannot be used; it is left out.
    """
    table = dict(ANALYZERS)
    for entry in _entries():
        try:
            function = load(entry.name)
        except UsageError as error:
            warnings.warn(str(error), stacklevel=2)
            if entry.name not in ANALYZERS:
                table.pop(entry.name, None)
            continue
        summary = (inspect.getdoc(function) or "").strip().split("\n")[0]
        table[entry.name] = Row(entry.value, summary)
    return dict(sorted(table.items()))


def resolve(target: str) -> Callable[..., Any]:
    """Import ``"package.module:function"`` and return the function."""
    module, _, function = target.partition(":")
    return typing.cast("Callable[..., Any]", getattr(importlib.import_module(module), function))


@functools.cache  # looking through all installed distributions takes as long as a small analysis
def _entries() -> tuple[metadata.EntryPoint, ...]:
    return tuple(metadata.entry_points(group=GROUP))


def _owner(entry: metadata.EntryPoint) -> str:
    """Return the distribution an entry point comes from, or the module where it is not known."""
    return entry.dist.name if entry.dist is not None else entry.value


@dataclass(frozen=True)
class Option:
    """One keyword option of an analyzer, as a command line needs it."""

    name: str
    annotation: Any
    default: Any
    help: str


def options(function: Callable[..., Any]) -> list[Option]:
    """Return the keyword options of an analyzer.

    Parameters
    ----------
    function : callable
        Its first parameter is the recording; all others are keyword-only with a default and an
        annotation among bool, int, float, str, Literal, Sequence[float], Window, Radius, Recording,
        or one of these or None.

    Returns
    -------
    list of Option
        In the order of the signature; the help text is the parameter's numpy docstring.

    Raises
    ------
    UsageError
        If a parameter has another annotation, no default, or is not keyword-only; names it.
    """
    where = f"{function.__module__}.{getattr(function, '__qualname__', function)}"
    parameters = list(inspect.signature(function).parameters.values())[1:]
    hints = typing.get_type_hints(function, localns=_names_for_hints())
    texts = _parameter_texts(inspect.getdoc(function) or "")
    found = []
    for parameter in parameters:
        name = parameter.name
        if parameter.kind is not parameter.KEYWORD_ONLY or parameter.default is parameter.empty:
            raise UsageError(
                f"parameter {name!r} of {where} must be keyword-only and have a default"
            )
        annotation = hints.get(name)
        if not _allowed(annotation):
            raise UsageError(
                f"parameter {name!r} of {where} is annotated {parameter.annotation!r}; allowed are "
                "bool, int, float, str, Literal, Sequence[float], Window, Radius, Recording, and "
                "X | None"
            )
        found.append(Option(name, annotation, parameter.default, texts.get(name, "")))
    return found


def _names_for_hints() -> dict[str, Any]:
    """Names that analyzers may import for type checking only."""
    import xarray as xr

    from nndyn.results import Radius, Recording, Window

    return {
        "xr": xr,
        "Radius": Radius,
        "Recording": Recording,
        "Window": Window,
        "Sequence": Sequence,
    }


def _allowed(annotation: Any) -> bool:
    from nndyn.results import Radius, Recording, Window

    kind = without_none(annotation)
    if typing.get_origin(kind) is Literal:
        return True
    if typing.get_origin(kind) is Sequence:
        return typing.get_args(kind) == (float,)
    return kind in (bool, int, float, str, Window, Radius, Recording)


def without_none(annotation: Any) -> Any:
    """Return the type of an option that may be None, of others as it is."""
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation
    members = [a for a in typing.get_args(annotation) if a is not type(None)]
    return functools.reduce(operator.or_, members)


def _parameter_texts(doc: str) -> dict[str, str]:
    """Return the description of every parameter of a numpy docstring, on one line each."""
    match = re.search(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", doc, re.M | re.S)
    texts: dict[str, str] = {}
    names_now: list[str] = []
    for line in (match.group(1) if match else "").splitlines():
        if line and not line[0].isspace():
            names_now = [n.strip() for n in line.split(":")[0].split(",")]
        elif line.strip():
            for name in names_now:
                texts[name] = f"{texts.get(name, '')} {line.strip()}".strip()
    return texts
