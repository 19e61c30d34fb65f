"""Figure of a comparison: separation, spectra, displacement and recurrence of several systems."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from nndyn.figures.sheet import drawn
from nndyn.figures.style import Look, colours, plain_log, require, signed_scale
from nndyn.words.text import shortened

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Panels in a row, recurrence plots that are drawn, letters of a name, exponents.
ACROSS, PLOTS, LETTERS, EXPONENTS = 4, 13, 22, 8
#: Strokes of curves, one after the other as colours come again.
_STROKES = ("-", "--", ":", "-.")


def comparison(
    result: xr.Dataset, ax: Axes | Sequence[Axes] | None = None, **look: Unpack[Look]
) -> Figure:
    """Draw what systems of any kind have in common, each in a colour of its own.

    Parameters
    ----------
    result : xarray.Dataset
        What ``nndyn.compare`` returned.
    ax : matplotlib.axes.Axes or sequence of them, optional
        Where to draw the first panel alone, or several; a new figure by default.
    **look
        ``title``, ``size`` in inches, ``dpi``, ``style``: see `nndyn.figures.style.Look`.

    Returns
    -------
    matplotlib.figure.Figure
        With panels of the separation over Lyapunov times, of exponents over the largest, of the
        mean-squared displacement over autocorrelation times, and a recurrence plot of each, all of
        one recurrence rate.

    Raises
    ------
    UsageError
        If `result` is not that of ``compare``.
    """
    require(result, "compare")
    shown = [i for i in range(result.sizes["recording"]) if _has(result, "picture", i)]
    panels = [partial(draw, result) for draw in (_separations, _spectra, _displacements)]
    panels += [partial(_plot, result, i) for i in shown[:PLOTS]]
    return drawn(panels, ax, _caption(result, len(shown)), across=ACROSS, short="", **look)


def _has(result: xr.Dataset, name: str, i: int) -> bool:
    return bool(np.isfinite(result[name].values[i]).any())


def _names(result: xr.Dataset) -> list[str]:
    return [shortened(name, LETTERS) for name in result["recording"].values.tolist()]


def _stroke(i: int) -> dict[str, Any]:
    """Return colour and stroke of a recording, no two alike of the first 32."""
    cycle = colours().cycle
    return {"color": cycle[i % len(cycle)], "ls": _STROKES[i // len(cycle) % len(_STROKES)]}


def _caption(result: xr.Dataset, plots: int) -> str:
    """Say what each panel leaves out, and what may not be compared."""
    rate = json.loads(result.attrs["parameters"])["rate"]
    lines = [f"Recurrence plots at a rate of {rate:g}, from the first points on."]
    if plots > PLOTS:
        lines.append(f"{plots - PLOTS} more are not drawn.")
    names = _names(result)
    without = [n for i, n in enumerate(names) if not _has(result, "log_separation", i)]
    if without:
        few = [*without[:4], f"{len(without) - 4} more"] if len(without) > 5 else without
        lines.append(f"No Lyapunov clock: {', '.join(few)}.")
    window = [n for n, there in zip(names, result["stationary"].values, strict=True) if not there]
    if window and len(window) < len(names):
        few = [*window[:4], f"{len(window) - 4} more"] if len(window) > 5 else window
        lines.append(f"Of a window of a transient: {', '.join(few)}.")
    return " ".join(lines)


def _separations(result: xr.Dataset, ax: Axes) -> None:
    """Draw the separation over Lyapunov times: by definition of slope 1 while it is measured."""
    furthest = 0.0
    for i, name in enumerate(_names(result)):
        time = result["separation_lyapunov_times"].values[i]
        ax.plot(time, result["log_separation"].values[i], lw=1.2, label=name, **_stroke(i))
        furthest = max(furthest, float(np.nanmax(time, initial=0.0)))
    if furthest > 0.0:
        line = ax.plot([0.0, furthest], [0.0, furthest], color=colours().grey, lw=0.8, ls=":")
        line[0].set_zorder(0.5)
    else:
        _empty(ax, "no exponent above zero")
    ax.set_xlabel("Lyapunov times")
    ax.set_ylabel("ln separation, from its start")


def _spectra(result: xr.Dataset, ax: Axes) -> None:
    """Draw the exponents over the largest of them by their index."""
    ratios = result["exponent_ratios"].values[:, :EXPONENTS]
    ratios = ratios[:, : max(1, *np.isfinite(ratios).sum(axis=1))]
    index = np.arange(1, ratios.shape[1] + 1)
    ax.set_xlabel("index of the exponent")
    ax.set_ylabel("exponent over the largest")
    if not np.isfinite(ratios).any():
        _empty(ax, "no spectrum with intervals\nwhose largest is above zero")
        return
    for i in range(len(ratios)):
        known = np.isfinite(ratios[i])
        style = _stroke(i)
        if known.any():
            ax.plot(index[known], ratios[i][known], marker="o", ms=3.0, lw=0.8, **style)
    ax.axhline(0.0, color=colours().grey, lw=0.8, ls=":")
    ax.set_xticks(index)
    ax.set_xlim(0.5, index[-1] + 0.5)
    signed_scale(ax.yaxis, 1.0, float(-np.nanmin(ratios)))


def _displacements(result: xr.Dataset, ax: Axes) -> None:
    """Draw the mean-squared displacement, which is 1 where nothing is remembered."""
    any_there = False
    for i in range(result.sizes["recording"]):
        lag, values = result["msd_lag"].values[i], result["msd"].values[i]
        there = np.isfinite(values) & (values > 0.0)
        if there.any():
            ax.plot(lag[there], values[there], lw=1.2, **_stroke(i))
            any_there = True
    if any_there:
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.axhline(1.0, color=colours().grey, lw=0.8, ls=":")
        plain_log(ax.xaxis)
        plain_log(ax.yaxis)
    else:
        _empty(ax, "no states")
    ax.set_xlabel("lag (autocorrelation times)")
    ax.set_ylabel("displacement², over that of\nindependent states")


def _plot(result: xr.Dataset, i: int, ax: Axes) -> None:
    """Draw the recurrence plot of a recording."""
    picture = result["picture"].values[i]
    length = float(result["picture_length"].values[i])
    some = picture[picture > 0.0]
    ax.imshow(
        picture,
        origin="lower",
        extent=(0.0, length, 0.0, length),
        cmap="Greys",
        vmin=0.0,
        vmax=float(np.quantile(some, 0.95)) if some.size else 1.0,
        interpolation="nearest",
    )
    ax.set_title(_names(result)[i], color=_stroke(i)["color"])
    ax.set_xlabel("autocorrelation times")
    ax.spines[["top", "right"]].set_visible(True)


def _empty(ax: Axes, why: str) -> None:
    """Say why there is nothing in a panel, which then has no numbers along its axes either."""
    ax.set_xticks([])
    ax.set_yticks([])
    style: dict[str, Any] = {
        "ha": "center",
        "va": "center",
        "color": colours().grey,
        "fontsize": 7.0,
    }
    ax.text(0.5, 0.5, why, transform=ax.transAxes, **style)
