"""Figure of a study: exponents, growth and training time along a swept option."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Unpack

import numpy as np

from nndyn.errors import UsageError
from nndyn.figures.sheet import drawn
from nndyn.figures.style import Look, colours, plain_log, require, verdict
from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Rates beyond which points are no longer marked one by one.
MARKED = 50


def study(
    lyapunov: xr.Dataset,
    learning: xr.Dataset | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    **look: Unpack[Look],
) -> Figure:
    """Draw what the seeds of a study do along the swept parameter, in panels over one axis.

    Parameters
    ----------
    lyapunov : xarray.Dataset
        What the study function of ``lyapunov`` returned. Of stationary systems the exponent alone
        is drawn, with zero.
    learning : xarray.Dataset, optional
        What that of ``learning`` returned for the same cells.
    ax : matplotlib.axes.Axes or sequence of them, optional
        Where to draw the exponent alone, or several panels; a new figure by default.
    **look
        ``title``, ``size`` in inches, ``dpi``, ``style``: see `nndyn.figures.style.Look`.

    Returns
    -------
    matplotlib.figure.Figure
        One journal column wide. Exponent, growth, training time, learning rate x time and sharpness
        are medians over seeds with their intervals; onset and fastest rate are marked in all panels
        with theirs.

    Raises
    ------
    UsageError
        If a result is not that of a study.
    """
    rates = _require(lyapunov, "lyapunov", "growing_share")
    if learning is not None:
        _require(learning, "learning", "median_training_time")
    draws: list[Callable[[Axes], None]] = [partial(_exponent, lyapunov)]
    if lyapunov.attrs["verdict"] != "stationary":
        threshold = float(json.loads(lyapunov.attrs["parameters"])["threshold"])
        draws.append(partial(growth, lyapunov, threshold))
    if learning is not None:
        for draw, variable in (
            (training_time, "median_training_time"),
            (_flow_time, "flow_time_ratio"),
            (_sharpness, "sharpness_ratio"),
        ):
            if variable in learning and np.isfinite(learning[variable]).any():
                draws.append(partial(draw, learning))
    name = str(lyapunov["exponent"].dims[0])

    def panel(draw: Callable[[Axes], None], axes: Axes) -> None:
        draw(axes)
        scale(axes, rates, name)
        c = colours()
        for result, mark, color, style in (
            (lyapunov, "onset", c.orange, "-"),
            (learning, "fastest", c.green, "--"),
        ):
            if result is not None:
                mark_rate(result, mark, color, style, axes, named=draw is draws[0])

    results = [one for one in (lyapunov, learning) if one is not None]
    return drawn(
        [partial(panel, draw) for draw in draws],
        ax,
        "\n".join(verdict(one) for one in results),
        short=str(results[-1].attrs["verdict"]),
        ratios=(1.0,) * len(draws),
        height=1.0 + 1.25 * max(len(draws), 1.4),
        **look,
    )


def _require(result: xr.Dataset, analyzer: str, variable: str) -> Array:
    """Check that a result is that of a study, and return the values swept."""
    require(result, analyzer)
    if variable not in result:
        raise UsageError(
            f"the figure needs the study of {analyzer}, got the result of one run; "
            "analyze a folder of recordings"
        )
    return np.asarray(result[str(result[variable].dims[0])], np.float64)


def _exponent(result: xr.Dataset, ax: Axes) -> None:
    """Draw the maximum exponent, and zero."""
    c = colours()
    ax.axhline(0.0, color=c.grey, lw=0.8, ls=":")
    curve(result, "exponent", ax, c.blue, "median over seeds, with interval")
    ax.set_ylabel(f"exponent\n({result['exponent'].attrs['units']})")


def growth(result: xr.Dataset, threshold: float, ax: Axes, *, label: str | None = None) -> None:
    """Draw the growth, the threshold that counts as such, and how many seeds show it."""
    c = colours()
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    ax.axhline(
        threshold, color=c.grey, lw=0.8, ls="--", label=f"growth of {threshold:g} e-foldings"
    )
    if (result["median_growth"] > 10.0 * threshold).any():
        # followed to its end it reaches hundreds, and what matters lies around the threshold
        ax.set_yscale("symlog", linthresh=threshold, linscale=1.5)
    curve(result, "median_growth", ax, c.blue, label)
    if ax.get_yscale() == "symlog":
        ticks = threshold * np.array([-10.0, -1.0, 0.0, 1.0, 10.0, 100.0, 1000.0])
        low, high = ax.get_ylim()
        ax.yaxis.set_major_locator(FixedLocator(list(ticks[(ticks >= low) & (ticks <= high)])))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
    ax.set_ylabel("growth\n(e-foldings)")
    beside = ax.twinx()
    share = result["growing_share"].values
    known = np.isfinite(share)
    rates = result[str(result["growing_share"].dims[0])].values
    low, high = result["growing_share_ci"].values[known].T
    beside.vlines(rates[known], low, high, color=c.orange, lw=0.7, alpha=0.6)
    beside.plot(rates[known], share[known], color=c.orange, lw=1.0, ls=":")
    ax.plot([], [], color=c.orange, lw=1.0, ls=":", label="share of seeds that grow")
    beside.set_ylim(-0.05, 1.05)
    beside.set_yticks([0.0, 0.5, 1.0])
    beside.set_ylabel("share growing", color=c.orange)
    beside.tick_params(colors=c.orange)
    beside.spines[["top", "left"]].set_visible(False)
    beside.spines["right"].set_visible(True)
    beside.spines["right"].set_color(c.orange)


def training_time(result: xr.Dataset, ax: Axes) -> None:
    """Draw the median training time, and which rates are not told from the fastest, if known."""
    c = colours()
    ax.set_yscale("log")
    curve(result, "median_training_time", ax, c.blue, None)
    unknown = np.zeros(result.sizes[str(result["median_training_time"].dims[0])], bool)
    alike = result["indistinguishable"].values if "indistinguishable" in result else unknown
    values = np.where(alike.astype(bool), result["median_training_time"].values, np.nan)
    if np.isfinite(values).any():
        rates = result[str(result["indistinguishable"].dims[0])]
        ax.plot(
            rates,
            values,
            ls="",
            marker="o",
            ms=5,
            mfc="none",
            mec=c.green,
            label="not told from the fastest",
        )
    unit = result["median_training_time"].attrs["units"]
    ax.set_ylabel(f"training time\n({unit})")
    plain_log(ax.yaxis)


def _flow_time(result: xr.Dataset, ax: Axes) -> None:
    """Draw training time times learning rate over its value at the lowest, and the null: no fall.

    It is 1 where steps are longer and nothing else is gained.
    """
    ax.set_yscale("log")
    label = "lr \u00d7 time as at the lowest rate"
    ax.axhline(1.0, color=colours().grey, lw=0.8, ls=(0, (1, 1)), label=label)
    curve(result, "flow_time_ratio", ax, colours().blue, None)
    ax.set_ylabel("lr \u00d7 time,\nover its first")
    plain_log(ax.yaxis)


def _sharpness(result: xr.Dataset, ax: Axes) -> None:
    """Draw the largest sharpness over its limit, and the limit."""
    c = colours()
    ax.axhline(1.0, color=c.grey, lw=0.8, ls="-.", label="stability limit")
    ratio = result["sharpness_ratio"].values
    wide = bool((ratio > 10.0).any() and (ratio[np.isfinite(ratio)] > 0.0).all())
    if wide:  # what matters lies around 1
        ax.set_yscale("log")
    curve(result, "sharpness_ratio", ax, c.blue, None)
    if wide:
        plain_log(ax.yaxis)
    else:
        ax.set_ylim(bottom=0.0)
    ax.set_ylabel("largest sharpness\n/ limit")


def curve(result: xr.Dataset, name: str, ax: Axes, color: str, label: str | None) -> None:
    """Draw a variable along the sweep with its interval; open ends run to the edge of the axes."""
    values = result[name].values
    rates = np.asarray(result[str(result[name].dims[0])], np.float64)
    known = np.isfinite(values)  # rates not sampled by any seed break no line
    marker = "o" if rates.size <= MARKED else ""
    width = 1.3 if rates.size <= MARKED else 0.8
    ax.plot(rates[known], values[known], color=color, lw=width, marker=marker, ms=2.5, label=label)
    if f"{name}_ci" not in result:
        return
    low, high = result[f"{name}_ci"].values.T
    band = known & ~np.isnan(low) & ~np.isnan(high)
    drawn = np.concatenate([values[known], low[band], high[band]])
    drawn = drawn[np.isfinite(drawn) & ((drawn > 0.0) | (ax.get_yscale() != "log"))]
    if not band.any() or not drawn.size:
        return
    edges = (0.5 * drawn.min(), 2.0 * drawn.max())
    if ax.get_yscale() != "log":
        margin = 0.3 * float(np.ptp(drawn))
        edges = (drawn.min() - margin, drawn.max() + margin)
    ends = np.clip(low[band], edges[0], None), np.clip(high[band], None, edges[1])
    ax.fill_between(rates[band], *ends, color=colours().sky, alpha=0.35, lw=0)


def mark_rate(
    result: xr.Dataset, name: str, color: str, style: str, ax: Axes, *, named: bool
) -> None:
    """Mark a rate and its interval; an open end runs to the edge."""
    value = float(result[name])
    if not np.isfinite(value):
        return
    left, right = ax.get_xlim()
    label = f"{name} {value:.3g}"
    if f"{name}_ci" in result:
        low, high = result[f"{name}_ci"].values
        ends = [f"{end:.3g}" if np.isfinite(end) else "open" for end in (low, high)]
        label += f" [{ends[0]}, {ends[1]}]"
        ax.axvspan(max(low, left), min(high, right), color=color, alpha=0.13, lw=0)
    ax.axvline(value, color=color, lw=1.0, ls=style, label=label if named else None)
    ax.set_xlim(left, right)


def scale(ax: Axes, rates: Array, name: str, *, logs: bool | None = None) -> None:
    """Scale and label the axis all panels share; `logs` where the spacing is not to decide."""
    if log_spaced(rates) if logs is None else logs:
        ax.set_xscale("log")
        edge = (rates[-1] / rates[0]) ** 0.03 if rates.size > 1 else 2.0
        ax.set_xlim(rates[0] / edge, rates[-1] * edge)
        plain_log(ax.xaxis)
    else:
        edge = 0.03 * float(np.ptp(rates)) or 1.0
        ax.set_xlim(rates[0] - edge, rates[-1] + edge)
    ax.set_xlabel(option(name))


def option(name: str) -> str:
    """Return what an axis calls a swept option."""
    return {"lr": "learning rate"}.get(name, name.replace("_", " "))


def log_spaced(rates: Array) -> bool:
    """Return whether values are spaced more evenly in their logs: a log axis shows them best."""
    if not (rates > 0.0).all():
        return False
    if rates.size < 3:
        return True
    uneven = [np.std(np.diff(x)) / np.mean(np.diff(x)) for x in (np.log(rates), rates)]
    return bool(uneven[0] < uneven[1])
