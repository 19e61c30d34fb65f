"""The figure of a study: exponents, growth and training time along what was swept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nndyn.errors import UsageError
from nndyn.figures.style import BLUE, GREEN, GREY, ORANGE, SKY, require, wrapped

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]

#: Rates beyond which points are no longer marked one by one.
MARKED = 50


def study(lyapunov: xr.Dataset, learning: xr.Dataset | None = None) -> Figure:
    """Draw what the seeds of a study do along the swept parameter, in panels over one axis.

    Parameters
    ----------
    lyapunov : xarray.Dataset
        What the study function of ``lyapunov`` returned. Of stationary systems the exponent alone
        is drawn, with zero.
    learning : xarray.Dataset, optional
        What that of ``learning`` returned for the same cells.

    Returns
    -------
    matplotlib.figure.Figure
        One journal column wide. Exponent, growth and training time are medians over seeds with
        their intervals; onset and fastest rate are marked in all panels with theirs.

    Raises
    ------
    UsageError
        If a result is not that of a study.
    """
    from matplotlib.figure import Figure as NewFigure

    rates = _require(lyapunov, "lyapunov", "growing_share")
    if learning is not None:
        _require(learning, "learning", "median_training_time")
    stationary = lyapunov.attrs["verdict"] == "stationary"
    panels = ["exponent"] if stationary else ["exponent", "growth"]
    if learning is not None:
        for name, variable in (("time", "median_training_time"), ("sharpness", "sharpness_ratio")):
            if variable in learning and np.isfinite(learning[variable]).any():
                panels.append(name)
    figure = NewFigure(figsize=(4.2, 1.35 + 1.25 * max(len(panels), 1.4)), layout="constrained")
    axes = dict(
        zip(panels, figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0], strict=True)
    )
    _exponent(lyapunov, axes["exponent"])
    if "growth" in axes:
        _growth(lyapunov, axes["growth"])
    if learning is not None:
        if "time" in axes:
            _training_time(learning, axes["time"])
        if "sharpness" in axes:
            _sharpness(learning, axes["sharpness"])
    _axis(list(axes.values())[-1], rates, str(lyapunov["exponent"].dims[0]))
    for result, name, color, style in (
        (lyapunov, "onset", ORANGE, "-"),
        (learning, "fastest", GREEN, "--"),
    ):
        if result is not None:
            _mark(result, name, color, style, list(axes.values()))
    figure.align_ylabels(list(axes.values()))
    axes["exponent"].set_title(_title(lyapunov, learning), fontsize=8, loc="left")
    _legend(figure, list(axes.values()))
    return figure


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
    ax.axhline(0.0, color=GREY, lw=0.8, ls=":")
    _curve(result, "exponent", ax, BLUE, "median over seeds, with interval")
    ax.set_ylabel(f"exponent\n({result['exponent'].attrs['units']})", fontsize=8)


def _growth(result: xr.Dataset, ax: Axes) -> None:
    """Draw the growth, what counts as such, and how many seeds show it."""
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    threshold = json.loads(result.attrs["parameters"])["threshold"]
    ax.axhline(threshold, color=GREY, lw=0.8, ls="--", label=f"growth of {threshold:g} e-foldings")
    if (result["median_growth"] > 10.0 * threshold).any():
        # followed to its end it reaches hundreds, and what matters lies around the threshold
        ax.set_yscale("symlog", linthresh=threshold, linscale=1.5)
    _curve(result, "median_growth", ax, BLUE, None)
    if ax.get_yscale() == "symlog":
        ticks = threshold * np.array([-10.0, -1.0, 0.0, 1.0, 10.0, 100.0, 1000.0])
        low, high = ax.get_ylim()
        ax.yaxis.set_major_locator(FixedLocator(list(ticks[(ticks >= low) & (ticks <= high)])))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
    ax.set_ylabel("growth\n(e-foldings)", fontsize=8)
    beside = ax.twinx()
    share = result["growing_share"].values
    known = np.isfinite(share)
    rates = result[str(result["growing_share"].dims[0])].values
    low, high = result["growing_share_ci"].values[known].T
    beside.vlines(rates[known], low, high, color=ORANGE, lw=0.7, alpha=0.6)
    beside.plot(rates[known], share[known], color=ORANGE, lw=1.0, ls=":")
    ax.plot([], [], color=ORANGE, lw=1.0, ls=":", label="share of seeds that grow")
    beside.set_ylim(-0.05, 1.05)
    beside.set_yticks([0.0, 0.5, 1.0])
    beside.set_ylabel("share growing", fontsize=8, color=ORANGE)
    beside.tick_params(labelsize=7, colors=ORANGE)
    beside.spines[["top", "left"]].set_visible(False)
    beside.spines["right"].set_color(ORANGE)


def _training_time(result: xr.Dataset, ax: Axes) -> None:
    """Draw the median training time, and which rates are not told from the fastest."""
    ax.set_yscale("log")
    _curve(result, "median_training_time", ax, BLUE, None)
    alike = result["indistinguishable"].values.astype(bool)
    values = np.where(alike, result["median_training_time"].values, np.nan)
    if np.isfinite(values).any():
        rates = result[str(result["indistinguishable"].dims[0])]
        ax.plot(
            rates,
            values,
            ls="",
            marker="o",
            ms=5,
            mfc="none",
            mec=GREEN,
            label="not told from the fastest",
        )
    unit = result["median_training_time"].attrs["units"]
    ax.set_ylabel(f"training time\n({unit})", fontsize=8)
    _plain_log(ax.yaxis)


def _sharpness(result: xr.Dataset, ax: Axes) -> None:
    """Draw the largest sharpness over its limit, and the limit."""
    ax.axhline(1.0, color=GREY, lw=0.8, ls="-.", label="above: a minimum repels the optimizer")
    _curve(result, "sharpness_ratio", ax, BLUE, None)
    ax.set_ylim(bottom=0.0)
    ax.set_ylabel("largest sharpness\n/ limit", fontsize=8)


def _curve(result: xr.Dataset, name: str, ax: Axes, color: str, label: str | None) -> None:
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
    ax.fill_between(rates[band], *ends, color=SKY, alpha=0.35, lw=0)


def _mark(result: xr.Dataset, name: str, color: str, style: str, axes: Sequence[Axes]) -> None:
    """Mark a rate and its interval in all panels; an open end runs to the edge."""
    value = float(result[name])
    if not np.isfinite(value):
        return
    left, right = axes[0].get_xlim()
    label = f"{name} {value:.3g}"
    if f"{name}_ci" in result:
        low, high = result[f"{name}_ci"].values
        ends = [f"{end:.3g}" if np.isfinite(end) else "open" for end in (low, high)]
        label += f" [{ends[0]}, {ends[1]}]"
        for ax in axes:
            ax.axvspan(max(low, left), min(high, right), color=color, alpha=0.13, lw=0)
    for ax in axes:
        ax.axvline(value, color=color, lw=1.0, ls=style)
    axes[0].plot([], [], color=color, lw=1.0, ls=style, label=label)
    axes[0].set_xlim(left, right)


def _axis(ax: Axes, rates: Array, name: str) -> None:
    """Scale and label the axis all panels share."""
    if log_spaced(rates):
        ax.set_xscale("log")
        _plain_log(ax.xaxis)
        edge = (rates[-1] / rates[0]) ** 0.03 if rates.size > 1 else 2.0
        ax.set_xlim(rates[0] / edge, rates[-1] * edge)
    else:
        edge = 0.03 * float(np.ptp(rates)) or 1.0
        ax.set_xlim(rates[0] - edge, rates[-1] + edge)
    ax.set_xlabel({"lr": "learning rate"}.get(name, name.replace("_", " ")), fontsize=8)


def log_spaced(rates: Array) -> bool:
    """Return whether values are spaced more evenly in their logs: a log axis shows them best."""
    if not (rates > 0.0).all():
        return False
    if rates.size < 3:
        return True
    uneven = [np.std(np.diff(x)) / np.mean(np.diff(x)) for x in (np.log(rates), rates)]
    return bool(uneven[0] < uneven[1])


def _plain_log(axis: Any) -> None:
    """Write numbers on a log axis as they are, at 1, 2 and 5."""
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, StrMethodFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def _title(lyapunov: xr.Dataset, learning: xr.Dataset | None) -> str:
    """Return the verdict and reason of the study that says most: of a comparison, if there is."""
    if lyapunov.attrs["verdict"] == "stationary":
        seeds = int(lyapunov["seeds_used"])
        return f"maximum Lyapunov exponent, {seeds} seed{'s' * (seeds != 1)}"
    if learning is not None:
        compared = bool(np.isfinite(learning["coincidence"]))
        if compared or not learning.attrs["verdict"] == "unresolved" != lyapunov.attrs["verdict"]:
            return wrapped(learning, 60)
    return wrapped(lyapunov, 60)


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """Tidy the panels, and put one legend of them all below, where it hides no curve."""
    entries: dict[str, Any] = {}
    for ax in axes:
        ax.tick_params(labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        fontsize=6.5,
        frameon=False,
        ncols=2,
        columnspacing=1.2,
        handlelength=1.6,
    )
