"""The figure of a lyapunov result: separation curves and what was read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import DataError
from nndyn.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    SKY,
    column,
    finish,
    require,
    stacked,
    thinned,
    unit,
    wrapped,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def lyapunov(result: xr.Dataset, ax: Axes | None = None) -> Figure:
    """Draw the separation of the replicas, the fit and the limits; the verdict is the title.

    Parameters
    ----------
    result : xarray.Dataset
        What ``nndyn.lyapunov`` returned. Of a stationary recording the running estimate of the
        exponent is drawn instead, with the interval that shrinks towards the one reported. Where
        sharpness was recorded a panel below shows it over its limit.
    ax : matplotlib.axes.Axes, optional
        Where to draw the separation, alone; a new figure of one journal column by default.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UsageError
        If `result` is not that of ``lyapunov``.
    DataError
        If the recording ended before there was anything to draw.
    """
    require(result, "lyapunov")
    if "log_separation" not in result:
        raise DataError(f"there is no curve to draw: {result.attrs['reason']}")
    below = None
    if ax is None and "sharpness_ratio" in result:
        figure, (ax, below) = stacked()
    else:
        figure, ax = column(ax)
    if "running_exponent" in result and np.isfinite(result["running_exponent"]).any():
        _running(result, ax)
        ylabel = f"Lyapunov exponent ({result['lyapunov_max'].attrs['units']})"
    else:
        _separation(result, ax)
        ylabel = "ln separation, rescaling put back"
    finish(ax, f"time ({unit(result)})", ylabel)
    ax.set_title(_title(result), fontsize=8, loc="left")
    if below is not None:
        _instability(result, below)
        below.set_xlim(ax.get_xlim())
    return figure


def _instability(result: xr.Dataset, ax: Axes) -> None:
    """Draw sharpness over its limit, and the limit."""
    ratio = result["sharpness_ratio"]
    ax.plot(ratio["sharpness_time"], ratio, color=BLUE, lw=1.2, marker=".", ms=2.5)
    ax.axhline(1.0, color=GREY, lw=1.0, ls="--", label="above: a minimum repels the optimizer")
    end = float(result["transient_end"])
    if np.isfinite(end):
        ax.axvline(end, color=GREEN, lw=1.0)
    ax.set_ylim(bottom=0.0)
    finish(ax, f"time ({unit(result)})", ratio.attrs["long_name"])


def _separation(result: xr.Dataset, ax: Axes) -> None:
    """Draw the curves of the replicas, their mean, fit, floor, saturation and transient's end."""
    keep = thinned(result.sizes["time"])
    time = result["time"].values[keep]
    replicas = result["log_separation"].values[keep]
    mean = result["mean_log_separation"].values[keep]
    ax.plot(time, replicas, color=SKY, lw=0.6, alpha=0.8)
    ax.plot([], [], color=SKY, lw=0.6, label=f"{replicas.shape[1]} replicas")
    goes_on = ", then a tangent" if "note" in result["mean_log_separation"].attrs else ""
    ax.plot(time, mean, color=BLUE, lw=1.8, label=f"their mean{goes_on}")
    if np.isfinite(result["fit"]).any():
        lower, upper = result["window"].values
        fit = result["fit"].values
        inside = np.flatnonzero(np.isfinite(fit))[[0, -1]]
        ax.plot(
            result["time"].values[inside],
            fit[inside],
            color=ORANGE,
            lw=1.6,
            ls="--",
            label=f"fit, {lower:g} to {upper:g}",
        )
    shown = np.concatenate([replicas[np.isfinite(replicas)], mean[np.isfinite(mean)]])
    if shown.size:
        margin = 0.15 * float(np.ptp(shown)) + 0.5
        ax.set_ylim(shown.min() - margin, shown.max() + margin)
    if "quadratic_log_growth" in result:
        start = mean[np.isfinite(mean)][:1]
        curve = result["quadratic_log_growth"].values[keep] + (start[0] if start.size else 0.0)
        limits = ax.get_ylim()
        ax.plot(time, curve, color=GREY, lw=1.0, label="on the loss's quadratic expansion")
        ax.set_ylim(limits)
    for name, style, label in (
        ("saturation", "-.", "no longer infinitesimal"),
        ("floor", ":", "rounding"),
    ):
        level = result[name].values[keep]
        low, high = ax.get_ylim()
        if (np.isfinite(level) & (level > low) & (level < high)).any():
            ax.plot(time, level, color=GREY, lw=1.0, ls=style, label=label)
            ax.set_ylim(low, high)
    end = float(result["transient_end"])
    if np.isfinite(end):
        ax.axvline(end, color=GREEN, lw=1.0, label=f"growth ends at {end:g}")


def _running(result: xr.Dataset, ax: Axes) -> None:
    """Draw the estimate against the time it is taken over, and the final value and interval."""
    valid = np.flatnonzero(np.isfinite(result["running_exponent"].values))
    valid = valid[thinned(valid.size)]
    time = result["time"].values[valid]
    running = result["running_exponent"].values[valid]
    value = float(result["lyapunov_max"])
    elapsed = time - float(result["window"][0])
    if "lyapunov_max_ci" in result:
        half = 0.5 * float(np.diff(result["lyapunov_max_ci"].values)[0])
        width = half * np.sqrt(elapsed[-1] / elapsed)
        ax.fill_between(
            time,
            running - width,
            running + width,
            color=SKY,
            alpha=0.35,
            lw=0,
            label="interval, narrowing as 1/√time",
        )
        around = [value - 4.0 * half, value + 4.0 * half]
        ax.set_ylim(*_limits(np.concatenate([running[len(running) // 50 :], around])))
    ax.plot(time, running, color=BLUE, lw=1.2, label="estimate so far")
    ax.axhline(value, color=ORANGE, lw=1.0, ls="--", label=f"estimate {value:.4g}")
    if ax.get_ylim()[0] < 0.0 < ax.get_ylim()[1]:
        ax.axhline(0.0, color=GREY, lw=0.8, ls=":", label="zero")


def _title(result: xr.Dataset) -> str:
    """Return the verdict, the exponent with its interval, and where it was measured."""
    value = float(result["lyapunov_max"])
    if not np.isfinite(value):
        return wrapped(result, 64)
    text = f"{result.attrs['verdict']}: {value:.3g}"
    if "lyapunov_max_ci" in result:
        low, high = result["lyapunov_max_ci"].values
        text += f" [{low:.3g}, {high:.3g}]"
    text += f" {result['lyapunov_max'].attrs['units']}"
    lower, upper = result["window"].values
    return f"{text}\nover {unit(result)} {lower:g} to {upper:g}"


def _limits(values: Any) -> tuple[float, float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.05 * (high - low) or 0.05
    return low - margin, high + margin
