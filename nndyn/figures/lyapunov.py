"""Figure of a lyapunov result: separation curves, window and fit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from nndyn.errors import DataError
from nndyn.figures.parameters import separations, shares
from nndyn.figures.sheet import drawn
from nndyn.figures.source import known_of, rescaled_every
from nndyn.figures.style import Look, colours, require, smoothed, span, thinned, unit, verdict

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def lyapunov(
    result: xr.Dataset, ax: Axes | Sequence[Axes] | None = None, **look: Unpack[Look]
) -> Figure:
    """Draw the separation of the replicas, the fit and the limits; the verdict stands below.

    Parameters
    ----------
    result : xarray.Dataset
        What ``nndyn.lyapunov`` returned. Of a stationary recording the running estimate of the
        exponent is drawn instead, with the interval that shrinks towards the one reported, and the
        exponent that is known, where one is. Where sharpness was recorded a panel below shows it
        over its limit, and where growth is told by parameter two more the deviation and the share
        of each.
    ax : matplotlib.axes.Axes or sequence of them, optional
        Where to draw the separation alone, or both panels; a new figure by default.
    **look
        ``title``, ``size`` in inches, ``dpi``, ``style``: see `nndyn.figures.style.Look`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UsageError
        If `result` is not that of ``lyapunov``, or there is no such size, resolution or style.
    DataError
        If the recording ended before there was anything to draw.
    """
    require(result, "lyapunov")
    if "log_separation" not in result:
        raise DataError(f"there is no curve to draw: {result.attrs['reason']}")
    stationary = "running_exponent" in result and np.isfinite(result["running_exponent"]).any()
    panels = [partial(_running if stationary else _separation, result)]
    if "sharpness_ratio" in result:
        panels.append(partial(_instability, result))
    if "parameter_share" in result:
        panels += [partial(separations, result), partial(shares, result)]
    measured = _measured(result)
    caption = verdict(result)
    if not stationary and measured:
        caption = f"{result.attrs['verdict']}: exponent {measured}; {result.attrs['reason']}"
    return drawn(
        panels,
        ax,
        caption,
        short=f"{result.attrs['verdict']}: {measured}" if measured else result.attrs["verdict"],
        ratios=(2.0, *[1.0] * (len(panels) - 1)) if len(panels) > 1 else (),
        height=4.2 + 1.3 * max(0, len(panels) - 2),
        **look,
    )


def _instability(result: xr.Dataset, ax: Axes) -> None:
    """Draw sharpness over its limit, and the limit."""
    c = colours()
    ratio = result["sharpness_ratio"]
    ax.plot(ratio["sharpness_time"], ratio, color=c.blue, lw=1.2, marker=".", ms=2.5)
    ax.axhline(1.0, color=c.grey, lw=1.0, ls="--", label="stability limit")
    end = float(result["transient_end"])
    if np.isfinite(end):
        ax.axvline(end, color=c.green, lw=1.0)
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(f"time ({unit(result)})")
    ax.set_ylabel(str(ratio.attrs["long_name"]).replace(" * ", " \u00d7 "))


def _separation(result: xr.Dataset, ax: Axes) -> None:
    """Draw the curves of the replicas, their mean, fit, floor, saturation and transient's end."""
    c = colours()
    keep = thinned(result.sizes["time"])
    time = result["time"].values[keep]
    replicas = result["log_separation"].values[keep]
    mean = result["mean_log_separation"].values[keep]
    count = replicas.shape[1]
    ax.plot(time, replicas, color=c.sky, lw=0.6, alpha=0.8)
    ax.plot([], [], color=c.sky, lw=0.6, label=f"{count} replica{'s' * (count != 1)}")
    goes_on = ", then a tangent" if "note" in result["mean_log_separation"].attrs else ""
    ax.plot(time, mean, color=c.blue, lw=1.8, label=f"their mean{goes_on}")
    if np.isfinite(result["fit"]).any():
        lower, upper = result["window"].values
        fit = result["fit"].values
        inside = np.flatnonzero(np.isfinite(fit))[[0, -1]]
        ax.plot(
            result["time"].values[inside],
            fit[inside],
            color=c.orange,
            lw=1.6,
            ls="--",
            label=f"fit, {span(lower, upper, unit(result))}",
        )
    shown = np.concatenate([replicas[np.isfinite(replicas)], mean[np.isfinite(mean)]])
    if shown.size:
        margin = 0.15 * float(np.ptp(shown)) + 0.5
        ax.set_ylim(shown.min() - margin, shown.max() + margin)
    if "quadratic_log_growth" in result:
        start = mean[np.isfinite(mean)][:1]
        curve = result["quadratic_log_growth"].values[keep] + (start[0] if start.size else 0.0)
        limits = ax.get_ylim()
        ax.plot(time, curve, color=c.grey, lw=1.0, label="on the loss's quadratic expansion")
        ax.set_ylim(limits)
    for name, style, label in (
        ("saturation", "-.", "no longer infinitesimal"),
        ("floor", ":", "rounding"),
    ):
        at, level = _limit(result, name)
        low, high = ax.get_ylim()
        if (np.isfinite(level) & (level > low) & (level < high)).any():
            ax.plot(at, level, color=c.grey, lw=1.0, ls=style, label=label)
            ax.set_ylim(low, high)
    end = float(result["transient_end"])
    if np.isfinite(end):
        ax.axvline(end, color=c.green, lw=1.0, label=f"growth ends at {end:g}")
    ax.set_xlabel(f"time ({unit(result)})")
    rescaled = rescaled_every(result) > 0
    ax.set_ylabel("ln separation" + (", rescaling put back" if rescaled else ""))


def _limit(result: xr.Dataset, name: str) -> tuple[Any, Any]:
    """Return times and values of a limit: where deviations are rescaled, just after that alone.

    In between the limit stays and the curve grows: drawn at every time it is a flight of stairs.

    Returns
    -------
    (n,) float64, (n,) float64
    """
    every = rescaled_every(result)
    count = result.sizes["time"]
    if not 1 < every < count:
        keep = thinned(count)
        return result["time"].values[keep], result[name].values[keep]
    keep = np.arange(0, count, every)
    keep = keep[thinned(keep.size)]
    return result["time"].values[keep], result[name].values[keep]


def _running(result: xr.Dataset, ax: Axes) -> None:
    """Draw the estimate against the time it is taken over, and the final value and interval."""
    c = colours()
    valid = np.flatnonzero(np.isfinite(result["running_exponent"].values))
    valid = valid[thinned(valid.size)]
    time = result["time"].values[valid]
    running = result["running_exponent"].values[valid]
    value = float(result["lyapunov_max"])
    elapsed = time - float(result["window"][0])
    if "lyapunov_max_ci" in result:
        half = 0.5 * float(np.diff(result["lyapunov_max_ci"].values)[0])
        at, middle = smoothed(time, running)
        width = half * np.sqrt(elapsed[-1] / np.interp(at, time, elapsed))
        ax.fill_between(
            at,
            middle - width,
            middle + width,
            color=c.sky,
            alpha=0.35,
            lw=0,
            label="interval, narrowing as 1/√time",
        )
        around = [value - 4.0 * half, value + 4.0 * half]
        ax.set_ylim(*_limits(np.concatenate([middle[len(middle) // 50 :], around])))
    ax.plot(*smoothed(time, running), color=c.blue, lw=1.2, label="estimate so far")
    ax.axhline(value, color=c.orange, lw=1.0, ls="--", label=f"estimate {value:.4g}")
    known = known_of(result)[:1]
    if known:
        low, high = ax.get_ylim()
        ax.axhline(known[0], color=c.green, lw=1.0, ls=(0, (1, 2)), label=f"known {known[0]:.4g}")
        ax.set_ylim(min(low, known[0]), max(high, known[0]))
    if ax.get_ylim()[0] < 0.0 < ax.get_ylim()[1]:
        ax.axhline(0.0, color=c.grey, lw=0.8, ls=":", label="zero")
    ax.set_xlabel(f"time ({unit(result)})")
    ax.set_ylabel(f"Lyapunov exponent ({result['lyapunov_max'].attrs['units']})")


def _measured(result: xr.Dataset) -> str:
    """Return the exponent with its interval, and where it was measured; empty if it was not."""
    value = float(result["lyapunov_max"])
    if not np.isfinite(value):
        return ""
    text = f"{value:.3g}"
    if "lyapunov_max_ci" in result:
        low, high = result["lyapunov_max_ci"].values
        text += f" [{low:.3g}, {high:.3g}]"
    lower, upper = result["window"].values
    over = span(lower, upper, unit(result))
    return f"{text} {result['lyapunov_max'].attrs['units']} over {over}"


def _limits(values: Any) -> tuple[float, float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.05 * (high - low) or 0.05
    return low - margin, high + margin
