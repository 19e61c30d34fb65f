"""Figure of the curves of a study: every run, or quartiles over seeds, and medians over seeds."""

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
from nndyn.figures.style import PARTS, Look, colours, plain_log, smoothed, thinned, unit

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Values that a legend names; of more it names so many, the first and the last among them.
NAMED = 6
#: Seeds from which on there is a band between their quartiles in place of a line for each.
BAND = 4

#: A run: where it is in the study, and what was found on it.
Run = tuple[dict[str, Any], "xr.Dataset | None"]


def curves(
    name: str,
    runs: Sequence[Run],
    along: str,
    ax: Axes | Sequence[Axes] | None = None,
    **look: Unpack[Look],
) -> Figure:
    """Draw the separation, the accuracy, or another quantity, of the runs of a study.

    Parameters
    ----------
    name : str
        ``lyapunov``, ``learning``, or ``curves`` of the values of a quantity.
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
    caption = f"{len(with_curve)} runs"
    if name != "curves":
        caption += f": {counts(r.attrs['verdict'] for _, r in with_curve)}"
    elif lost := sum(bool(r["diverged"]) for _, r in with_curve):
        caption += f", of which {lost} diverged"
    without = len(runs) - len(with_curve)
    if without:
        caption += f"; {without} more {'has' if without == 1 else 'have'} no curve"
    if name == "curves" and max(r.sizes["time"] for _, r in with_curve) > 3 * PARTS:
        caption += f"; of many values the medians of {PARTS} parts of the time"
    seeds = Counter(at.get(along) for at, _ in with_curve)
    if max(seeds.values()) >= BAND:
        caption += "; lines are medians over seeds, bands reach from quartile to quartile"
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
        if len(each) < BAND:
            for time, curve in each:
                ax.plot(time, curve, color=shades[i], lw=0.5, alpha=0.6 if len(each) > 1 else 0.0)
        time, (low, middle, high) = _quartiles(each)
        if len(each) >= BAND:
            ax.fill_between(time, low, high, color=shades[i], alpha=0.2, lw=0)
        label = f"{option(along)} {value:.3g}" if isinstance(value, float | int) else "median"
        marker = "." if np.isfinite(middle).sum() == 1 else ""
        shown = label if i in named else None
        ax.plot(time, middle, color=shades[i], lw=1.5, marker=marker, label=shown)
    first = runs[0][1]
    ax.set_xlabel(f"time ({unit(first)})")
    if name == "learning":
        threshold = json.loads(first.attrs["parameters"])["threshold"]
        ax.axhline(threshold, color=c.grey, lw=0.9, ls=":", label=f"threshold {threshold:g}")
        ax.set_ylabel(str(first["accuracy"].attrs["long_name"]))
    elif name == "curves":
        ax.set_ylabel(named_unit(first["value"]))
        # of what diverged the beginning: the rest leaves the picture
        wide_scale(ax, [r["value"][:1] if bool(r["diverged"]) else r["value"] for _, r in runs])
    elif "running_exponent" in first:
        ax.axhline(0.0, color=c.grey, lw=0.8, ls=":")
        ax.set_ylabel(f"exponent so far ({first['lyapunov_max'].attrs['units']})")
    else:
        ax.set_ylabel("ln separation (mean)")


def _curve(name: str, result: xr.Dataset) -> tuple[Any, Any] | None:
    """Return times and values of a run's curve; None where it has none."""
    if name == "curves":
        values = result["value"].values
    elif name == "learning":
        values = result["accuracy"].values[:, 0] if "accuracy" in result else np.empty(0)
    else:
        of = "running_exponent" if "running_exponent" in result else "mean_log_separation"
        values = result[of].values if of in result else np.empty(0)
    if not np.isfinite(values).any():
        return None
    time = result["time"].values
    if name == "curves" or "running_exponent" in result:
        valid = np.isfinite(values)
        return smoothed(time[valid], values[valid])
    keep = thinned(len(values))
    return time[keep], values[keep]


def _quartiles(each: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Return times, and quartiles and median (3, n) of runs as far as half of them go on."""
    time = max((times for times, _ in each), key=lambda times: (len(times), times[-1]))
    on = [
        values if np.array_equal(times, time) else np.interp(time, times, values, np.nan, np.nan)
        for times, values in each
    ]
    stacked = np.array(on)
    found = np.full((3, len(time)), np.nan)
    stacked[~np.isfinite(stacked)] = np.nan
    most = 2 * np.isfinite(stacked).sum(axis=0) >= len(each)
    found[:, most] = np.nanquantile(stacked[:, most], [0.25, 0.5, 0.75], axis=0)
    return time, found


def named_unit(variable: xr.DataArray) -> str:
    """Return the name of a variable, with its unit where it has one."""
    unit_of = variable.attrs["units"]
    return str(variable.attrs["long_name"]) + ("" if unit_of == "1" else f" ({unit_of})")


def wide_scale(ax: Axes, values: Sequence[xr.DataArray]) -> None:
    """Let the upright axis reach over values, by logs where, other than states, they are wide."""
    found = np.concatenate([one.values for one in values])
    finite = found[np.isfinite(found)]
    if not finite.size:
        return
    low, high = float(finite.min()), float(finite.max())
    logs = not values[0].attrs["of_state"] and low > 0.0 and high > 30.0 * low
    if logs:
        margin = (high / low) ** 0.05
        ax.set_yscale("log")
        ax.set_ylim(low / margin, high * margin)
        plain_log(ax.yaxis)
    else:
        around = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        ax.set_ylim(low - around, high + around)
