"""Animation of a separation: distances grow while the paths of two replicas part."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from PIL import Image

from nndyn.errors import DataError, UsageError
from nndyn.figures.path import label_components
from nndyn.figures.sheet import Sheet, drawn, embedded
from nndyn.figures.source import is_stationary
from nndyn.figures.style import Look, colours, require, thinned, unit, verdict
from nndyn.numerics.arrays import Array

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

#: Share of the time of an attractor that is drawn behind where its paths are.
TAIL = 0.06
#: Most dots of a frame.
DOTS = 2.5e6
#: Steps between shades of a colour, of 255.
SHADE = 15
#: Frames, milliseconds of one and of the last, dots per inch, and colours.
FRAMES, SHOWN, HELD, DPI, COLOURS = 80, 70, 1500, 100.0, 128


def animation(
    result: xr.Dataset, components: xr.Dataset | None = None, **look: Unpack[Look]
) -> bytes:
    """Draw how the replicas of a recording separate, as the content of a GIF.

    Parameters
    ----------
    result : xarray.Dataset
        What ``nndyn.lyapunov`` returned.
    components : xarray.Dataset, optional
        What `analyzers.exploration.components.components` returned of the same recording: the paths
        of the reference and of the replica that is furthest from it at the end are drawn beside.
    **look
        ``title``, ``size`` in inches, ``dpi``, 100 by default, ``style``: see
        `nndyn.figures.style.Look`.

    Returns
    -------
    bytes
        80 frames, evenly spaced in time; as many bytes are held as they have dots.

    Raises
    ------
    UsageError
        If a result is of something else, there is no such size, resolution or style, or a frame has
        more than 2.5 million dots.
    DataError
        If the recording ended before there was anything to draw.
    """
    require(result, "lyapunov")
    if "log_separation" not in result:
        raise DataError(f"there is no curve to draw: {result.attrs['reason']}")
    moving: list[_Moving] = []
    panels = [partial(_separation, result, moving)]
    if components is not None and components.sizes["replica"] > 1:
        require(components, "path", "components")
        tail = TAIL * float(np.ptp(result["time"].values)) if is_stationary(result) else np.inf
        panels.append(partial(_paths, components, moving, tail))
    look = {**look, "dpi": look.get("dpi") or DPI}
    figure = drawn(panels, None, verdict(result), **look)
    assert isinstance(figure, Sheet)
    width, height = figure.get_size_inches()
    if (dots := width * height * figure.dpi**2) > DOTS:
        raise UsageError(
            f"{width:g} x {height:g} inches with {figure.dpi:g} dots per inch are "
            f"{dots / 1e6:.1f} million dots a frame; expected at most {DOTS / 1e6:g} million of "
            "what moves"
        )
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # axes stay where they are from frame to frame
    times = result["time"].values
    (last,) = _frames(figure, moving, times[-1:])
    palette = _palette(last)
    small = [
        frame.quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in _frames(figure, moving, np.linspace(times[0], times[-1], FRAMES))
    ]
    written = io.BytesIO()
    shown = [SHOWN] * (FRAMES - 1) + [HELD]
    small[0].save(
        written, "GIF", save_all=True, append_images=small[1:], duration=shown, loop=0, disposal=1
    )
    return written.getvalue()


def _frames(figure: Sheet, moving: list[_Moving], times: Array) -> Iterator[Image.Image]:
    """Draw what stays once, and over it what moves."""
    canvas: Any = figure.canvas
    with embedded(figure):
        canvas.draw()
        still = canvas.copy_from_bbox(figure.bbox)
        for time in times:
            canvas.restore_region(still)
            for one in moving:
                one.draw(float(time))
            dots = np.asarray(canvas.buffer_rgba())[..., :3]
            # few shades: what smooths edges takes no more of the palette than lines do
            yield Image.fromarray(np.round(dots / SHADE).astype(np.uint8) * np.uint8(SHADE))


def _palette(frame: Image.Image) -> Image.Image:
    """Return the most frequent colours of a frame: paper stays as white as it is."""
    colours, counts = np.unique(np.asarray(frame).reshape(-1, 3), axis=0, return_counts=True)
    frequent = colours[np.argsort(-counts, kind="stable")[:COLOURS]]
    found = Image.new("P", (1, 1))
    found.putpalette(frequent.ravel().tolist())
    return found


class _Moving:
    """A line that is drawn as far as a time, with a point at its end."""

    def __init__(
        self,
        ax: Axes,
        time: Array,
        place: tuple[Array, Array],
        color: str,
        tail: float = np.inf,
        **style: Any,
    ) -> None:
        x, y = place
        self._data, self._ax, self._tail = (time, x, y), ax, tail
        self._line = ax.plot(x, y, color=color, animated=True, **style)[0]
        self._point = ax.plot(x[-1:], y[-1:], "o", ms=3.5, color=color, animated=True)[0]

    def draw(self, time: float) -> None:
        """Draw it as far as `time`, from a tail's length before."""
        times, x, y = self._data
        n = int(np.searchsorted(times, time, side="right"))
        begin = int(np.searchsorted(times, time - self._tail))
        for artist, first in ((self._line, begin), (self._point, max(0, n - 1))):
            artist.set_data(x[first:n], y[first:n])
            self._ax.draw_artist(artist)


def _separation(result: xr.Dataset, moving: list[_Moving], ax: Axes) -> None:
    """Draw the log distances of the replicas and their mean."""
    c = colours()
    keep = thinned(result.sizes["time"])
    time, each = result["time"].values[keep], result["log_separation"].values[keep]
    mean = result["mean_log_separation"].values[keep]
    for i, values in enumerate(each.T):
        label = f"{each.shape[1]} replica{'s' * (each.shape[1] != 1)}" if i == 0 else None
        moving.append(_Moving(ax, time, (time, values), c.sky, lw=0.6, label=label))
    moving.append(_Moving(ax, time, (time, mean), c.blue, lw=1.8, label="their mean"))
    ax.set_xlim(*ax.get_xlim())
    ax.set_ylim(*ax.get_ylim())
    ax.set_xlabel(f"time ({unit(result)})")
    ax.set_ylabel("ln separation")


def _paths(components: xr.Dataset, moving: list[_Moving], tail: float, ax: Axes) -> None:
    """Draw the reference and the replica that is furthest from it, in the plane of the first."""
    c = colours()
    keep = thinned(components.sizes["time"])
    time, scores = components["time"].values[keep], components["score"].values[keep, :, :2]
    apart = np.linalg.norm(scores - scores[:, :1], axis=2)
    known = np.nan_to_num(apart, nan=-1.0)
    furthest = 1 + int(np.argmax(known[-1, 1:]))
    for r, color, label in ((0, c.blue, "reference"), (furthest, c.orange, f"replica {furthest}")):
        width = 2.2 if r == 0 else 1.0  # where they are one, both are seen
        x, y = scores[:, r].T
        moving.append(_Moving(ax, time, (x, y), color, tail, lw=width, label=label))
    ax.set_xlim(*ax.get_xlim())
    ax.set_ylim(*ax.get_ylim())
    label_components(ax, components["explained_share"].values[:2])
