"""Figure of the curves of a study: every run, and the median over seeds of each swept value."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from nndyn.errors import DataError
from nndyn.figures.sheet import drawn
from nndyn.figures.study import option
from nndyn.figures.style import Look, colours, smoothed, thinned, unit

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Values that a legend names; of more it names so many, the first and the last among them.
NAMED = 6
#: Variables of results that the curves of an analyzer need.
NEEDED = {
    "lyapunov": ("mean_log_separation", "running_exponent", "lyapunov_max"),
    "learning": ("accuracy",),
}

#: A run: where it is in the study, and what was found on it.
Run = tuple[dict[str, Any], "xr.Dataset | None"]


def curves(
    name: str,
    runs: Sequence[Run],
    along: str,
    ax: Axes | Sequence[Axes] | None = None,
    **look: Unpack[Look],
) -> Figure:
    """Draw the separation, or the accuracy, of every run of a study.

    Parameters
    ----------
    name : str
        ``lyapunov`` or ``learning``.
    runs : sequence of (dict, xarray.Dataset)
        Values of the swept options, and the result of the analyzer, None where there is none.
    along : str
        The option that colours stand for.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    **look
        ``title``, ``size`` in inches, ``dpi``, ``style``: see `nndyn.figures.style.Look`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        If no run has a curve.
    """
    with_curve = [
        (at, result)
        for at, result in runs
        if result is not None and _curve(name, result) is not None
    ]
    if not with_curve:
        raise DataError("there is no curve to draw: no run of the study has one")
    panel = partial(_draw, name, with_curve, along)
    caption = f"{len(with_curve)} runs: {counts(r.attrs['verdict'] for _, r in with_curve)}"
    without = len(runs) - len(with_curve)
    if without:
        caption += f"; {without} more {'has' if without == 1 else 'have'} no curve"
    return drawn([panel], ax, caption, **look)


def counts(verdicts: Any) -> str:
    """Return how often there is each verdict, the most frequent first."""
    found = Counter(str(one) for one in verdicts)
    return ", ".join(f"{number} {one or 'without a result'}" for one, number in found.most_common())


def _draw(
    name: str, runs: Sequence[tuple[dict[str, Any], xr.Dataset]], along: str, ax: Axes
) -> None:
    """Draw curves, thin, and medians over seeds."""
    from matplotlib import colormaps

    c = colours()
    values = list(dict.fromkeys(at.get(along) for at, _ in runs))
    shades = colormaps["viridis"](np.linspace(0.0, 0.92, len(values)))
    named = {round(i) for i in np.linspace(0, len(values) - 1, min(NAMED, len(values)))}
    for i, value in enumerate(values):
        found = [_curve(name, r) for at, r in runs if at.get(along) == value]
        each = [one for one in found if one is not None]
        for time, curve in each:
            ax.plot(time, curve, color=shades[i], lw=0.5, alpha=0.6 if len(each) > 1 else 0.0)
        time = each[0][0]
        middle = each[0][1]
        if all(len(one) == len(time) for one, _ in each):
            middle = np.median([curve for _, curve in each], axis=0)
        label = f"{option(along)} {value:.3g}" if isinstance(value, float | int) else "median"
        ax.plot(time, middle, color=shades[i], lw=1.5, label=label if i in named else None)
    first = runs[0][1]
    ax.set_xlabel(f"time ({unit(first)})")
    if name == "learning":
        threshold = json.loads(first.attrs["parameters"])["threshold"]
        ax.axhline(threshold, color=c.grey, lw=0.9, ls=":", label=f"threshold {threshold:g}")
        ax.set_ylabel(str(first["accuracy"].attrs["long_name"]))
    elif "running_exponent" in first:
        ax.axhline(0.0, color=c.grey, lw=0.8, ls=":")
        ax.set_ylabel(f"exponent so far ({first['lyapunov_max'].attrs['units']})")
    else:
        ax.set_ylabel("ln separation (mean)")


def _curve(name: str, result: xr.Dataset) -> tuple[Any, Any] | None:
    """Return times and values of a run's curve; None where it has none."""
    if name == "learning":
        values = result["accuracy"].values[:, 0] if "accuracy" in result else np.empty(0)
    else:
        of = "running_exponent" if "running_exponent" in result else "mean_log_separation"
        values = result[of].values if of in result else np.empty(0)
    if not np.isfinite(values).any():
        return None
    time = result["time"].values
    if name == "lyapunov" and "running_exponent" in result:
        valid = np.isfinite(values)
        return smoothed(time[valid], values[valid])
    keep = thinned(len(values))
    return time[keep], values[keep]
