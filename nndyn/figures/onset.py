"""Figure of a search for the onset: growth and training time along the learning rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Unpack

import numpy as np

from analyzers.studies.onset import THRESHOLD
from nndyn.figures.sheet import drawn
from nndyn.figures.study import growth, mark_rate, scale, training_time
from nndyn.figures.style import Look, colours, require, verdict

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def onset(
    result: xr.Dataset, ax: Axes | Sequence[Axes] | None = None, **look: Unpack[Look]
) -> Figure:
    """Draw what a search for the onset found, in panels over one axis of learning rates.

    Parameters
    ----------
    result : xarray.Dataset
        What ``nndyn.find_onset`` returned, or a copy of it read from a file.
    ax : matplotlib.axes.Axes or sequence of them, optional
        Where to draw the growth alone, or both panels; a new figure by default.
    **look
        ``title``, ``size`` in inches, ``dpi``, ``style``: see `nndyn.figures.style.Look`.

    Returns
    -------
    matplotlib.figure.Figure
        One journal column wide. Growth over the seeds run at each rate, and, where there are any,
        training times, medians with their intervals; onset and recommended rate are marked. Below
        it the verdict, and why that rate is recommended, or none.

    Raises
    ------
    UsageError
        If `result` is none of that.
    """
    require(result, "onset", "find_onset")
    draws: list[Callable[[Axes], None]] = [
        partial(growth, result, THRESHOLD, label="median over seeds, with interval")
    ]
    if "median_training_time" in result and np.isfinite(result["median_training_time"]).any():
        draws.append(partial(training_time, result))

    def panel(draw: Callable[[Axes], None], axes: Axes) -> None:
        draw(axes)
        # rates are in equal ratios, however few of them were run
        scale(axes, np.asarray(result["lr"], np.float64), "lr", logs=True)
        c = colours()
        for mark, color, style in (("onset", c.orange, "-"), ("recommended", c.green, "--")):
            mark_rate(result, mark, color, style, axes, named=draw is draws[0])

    return drawn(
        [partial(panel, draw) for draw in draws],
        ax,
        f"{verdict(result)}\n{_recommended(result)}",
        short=str(result.attrs["verdict"]),
        ratios=(1.0,) * len(draws),
        height=1.0 + 1.25 * max(len(draws), 1.4),
        **look,
    )


def _recommended(result: xr.Dataset) -> str:
    """Return which rate is recommended, and why, or why there is none."""
    rate, note = float(result["recommended"]), result["recommended"].attrs["note"]
    return f"{f'recommended {rate:.3g}' if np.isfinite(rate) else 'no rate recommended'}: {note}"
