"""Figures of all runs of a study: what each needs of a run, and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import analyzers
from nndyn.analysis import opening
from nndyn.runtime.progress import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_VALUES = "analyzers.exploration.values:values"
_KEPT = ("value", "diverged")


@dataclass(frozen=True)
class Kind:
    """A figure of the runs of a study.

    Attributes
    ----------
    of : str
        ``module:function`` from a recording to what is drawn of it.
    keep : tuple of str
        Variables that are needed of that.
    defaults : dict
        Options of the function that are others here.
    """

    of: str
    keep: tuple[str, ...]
    defaults: dict[str, Any]


#: Figures of the runs of a study, by name.
KINDS = {
    "lyapunov": Kind(
        analyzers.ANALYZERS["lyapunov"].target,
        ("mean_log_separation", "running_exponent", "lyapunov_max"),
        {},
    ),
    "learning": Kind(analyzers.ANALYZERS["learning"].target, ("accuracy",), {}),
    "curves": Kind(_VALUES, _KEPT, {}),
    "orbit": Kind(_VALUES, _KEPT, {"last": 0.25}),
}


def of_runs(
    name: str,
    path: str | Path,
    *,
    along: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> list[tuple[str, Callable[..., Figure]]]:
    """Look at every run of a study, and return its figures.

    Parameters
    ----------
    name : str
        One of `KINDS`.
    path : path-like
        Folder of the study.
    along : str, optional
        The swept option that the study is looked at along.
    progress : bool or callable, optional
    **options
        Of the function that looks at a run.

    Returns
    -------
    list of (str, callable)
        For each combination of the options beside, its label, and what draws it: on axes, or on a
        new figure, and with a look.
    """
    from nndyn.figures.curves import curves
    from nndyn.figures.orbit import orbit
    from nndyn.studies.analysis import run_results

    kind = KINDS[name]
    rate, found = run_results(
        path,
        opening(analyzers.resolve(kind.of)),
        keep=kind.keep,
        along=along,
        progress=progress,
        **{**kind.defaults, **options},
    )
    draw = orbit if name == "orbit" else partial(curves, name)
    return [(label, partial(draw, runs, rate)) for label, runs in found]
