"""Style of every figure: colours, font sizes, scales, and the number of points drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, cast

import numpy as np

from nndyn.checks import number
from nndyn.errors import UsageError

if TYPE_CHECKING:
    import xarray as xr

#: Okabe and Ito's palette, told apart by colour-blind readers.
BLUE, SKY, ORANGE, GREEN, GREY = "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#777777"
#: Colours of things of which there are several, such as exponents.
CYCLE = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", SKY, "#000000", "#8C6D31")
#: Most points drawn per curve.
POINTS = 4000
#: Parts of a long series of which medians are drawn.
PARTS = 150
#: Letters of a paper set in columns of 8.5 cm, and axes without what no reader needs.
PAPER: dict[str, Any] = {
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.0,
    "figure.titlesize": 8.0,
    "figure.titleweight": "normal",
    "figure.labelsize": 7.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.columnspacing": 1.2,
    "legend.handlelength": 1.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.unicode_minus": True,
}
#: TrueType in PDF, text in SVG: what editors and publishers can read.
EMBEDDED: dict[str, Any] = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none"}
#: Inches that a side may have, dots per inch, and dots in all.
SIDES, DOTS, MOST_DOTS = (1.0, 50.0), (20.0, 2400.0), 2e8
#: Dots per inch unless asked for, on the command line and from Python alike.
DPI = 200.0

#: Signs of numbers as they are printed.
_TIMES, _MINUS = "\u00d7", "\u2212"
_RAISED = {
    ord(digit): code
    for digit, code in zip(
        "-0123456789", (0x207B, 0x2070, 0xB9, 0xB2, 0xB3, *range(0x2074, 0x207A)), strict=True
    )
}


class Look(TypedDict, total=False):
    """How a figure looks.

    Attributes
    ----------
    title : str, optional
        Above the panels.
    size : float or (float, float), optional
        Width, or width and height, in inches.
    dpi : float, default 200
        Dots per inch.
    style : str, optional
        A style of matplotlib, or the path of one.
    """

    title: str | None
    size: float | tuple[float, float] | None
    dpi: float | None
    style: str | None


class Colours(NamedTuple):
    """Colours by what they are for: measured, its replicas, read from it, its end, guides."""

    blue: str
    sky: str
    orange: str
    green: str
    grey: str
    cycle: tuple[str, ...]


@contextmanager
def styled(style: str | None) -> Iterator[None]:
    """Draw in the style of a paper, and in a style of matplotlib over it.

    Yields
    ------
    None

    Raises
    ------
    UsageError
        If there is no such style.
    """
    from matplotlib import style as styles

    with styles.context([PAPER, *([] if style is None else [known_style(style)])]):
        yield


def known_style(style: str) -> str:
    """Return the name, or the path, of a style of matplotlib.

    Returns
    -------
    str

    Raises
    ------
    UsageError
        If there is none of that name; lists those there are.
    """
    from matplotlib import style as styles

    if style == "default" or style in styles.available:
        return style
    if style.endswith(".mplstyle") and Path(style).is_file():
        return style
    known = ", ".join(name for name in styles.available if not name.startswith("_"))
    raise UsageError(
        f"no style {style!r}; expected the path of a .mplstyle file, or one of {known}"
    )


def colours() -> Colours:
    """Return the colours to draw with: Okabe and Ito's, or those of the style that is in force."""
    import matplotlib as mpl
    from matplotlib.colors import to_hex, to_rgb

    paper = np.array(to_rgb(mpl.rcParams["axes.facecolor"]))
    if mpl.rcParams["axes.prop_cycle"] == mpl.rcParamsDefault["axes.prop_cycle"]:
        light = paper.mean() > 0.5
        cycle = tuple("#BBBBBB" if one == "#000000" and not light else one for one in CYCLE)
        return Colours(BLUE, SKY, ORANGE, GREEN, GREY, cycle)
    own = [to_hex(c) for c in mpl.rcParams["axes.prop_cycle"].by_key().get("color", CYCLE)]
    cycle = tuple((own * 8)[:8])
    ink = np.array(to_rgb(mpl.rcParams["text.color"]))
    sky, grey = 0.5 * np.array(to_rgb(own[0])) + 0.5 * paper, 0.6 * ink + 0.4 * paper
    blue, orange, green = cycle[:3]
    return Colours(blue, to_hex(sky.tolist()), orange, green, to_hex(grey.tolist()), cycle)


def checked_size(size: Any) -> tuple[float, float | None]:
    """Return width and height, None where it is not given, of a size in inches.

    Returns
    -------
    float, float or None

    Raises
    ------
    UsageError
        If it is no number or pair, or of a side that no figure has.
    """
    values = size if isinstance(size, tuple | list) else (size,)
    numbers = (int, float, np.number)
    if len(values) not in (1, 2) or not all(
        isinstance(side, numbers) and SIDES[0] <= side <= SIDES[1] for side in values
    ):
        raise UsageError(
            f"size is {size!r}, expected a width, or width and height, of {SIDES[0]:g} to "
            f"{SIDES[1]:g} inches"
        )
    return float(values[0]), (float(values[1]) if len(values) == 2 else None)


def checked_dpi(dpi: Any, width: float, height: float) -> float:
    """Return dots per inch.

    Returns
    -------
    float

    Raises
    ------
    UsageError
        If it is no number, out of range, or of more dots in all than a figure needs.
    """
    dpi = number("dpi", dpi, least=DOTS[0], most=DOTS[1], what="a number of dots per inch")
    if width * height * dpi**2 > MOST_DOTS:
        raise UsageError(
            f"{width:g} x {height:g} inches with {dpi:g} dots per inch are "
            f"{width * height * dpi**2 / 1e6:.0f} million dots; expected at most "
            f"{MOST_DOTS / 1e6:.0f} million"
        )
    return float(dpi)


def checked(look: Mapping[str, Any]) -> Look:
    """Return what is given of a look, checked before there is anything to draw.

    Returns
    -------
    Look

    Raises
    ------
    UsageError
        If there is no such size, resolution or style.
    """
    given = cast(Look, {key: value for key, value in look.items() if value is not None})
    if "style" in given:
        known_style(str(given["style"]))
    width, height = checked_size(given.get("size") or SIDES[0])
    checked_dpi(given.get("dpi", DPI), width, height or SIDES[0])
    return given


def require(result: xr.Dataset, analyzer: str, function: str | None = None) -> None:
    """Check that a result is that of the analyzer whose figure is asked for.

    Parameters
    ----------
    result : xarray.Dataset
    analyzer : str
        What it says that it is of.
    function : str, optional
        What returns such a one, if it is not called as the analyzer.

    Raises
    ------
    UsageError
        If it is not.
    """
    got = getattr(result, "attrs", {}).get("analyzer")
    if got != analyzer:
        raise UsageError(
            f"the figure needs the result of {analyzer}, got {got!r}; "
            f"pass what nndyn.{function or analyzer} returned"
        )


def unit(result: xr.Dataset) -> str:
    """Return the unit of time."""
    return str(result["time"].attrs.get("units", "step"))


def lasting(length: float, of: str) -> str:
    """Return a length of time with its unit: ``1 step``, ``47 steps``, ``2.5 year``."""
    plural = bool(of in ("step", "sample", "time unit") and length != 1.0)
    return f"{length:.3g} {of}{'s' * plural}"


def span(lower: float, upper: float, of: str) -> str:
    """Return between which times: ``steps 1 to 22``, ``time 0.5 to 2 (year)``."""
    if of in ("step", "sample"):
        return f"{of}s {lower:g} to {upper:g}"
    return f"time {lower:g} to {upper:g} ({of})"


def thinned(n: int) -> Any:
    """Return indices of at most `POINTS` of n samples, the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, POINTS)).astype(np.int64))


def smoothed(time: Any, values: Any) -> tuple[Any, Any]:
    """Return medians of the parts of a long series, and its last value; a short one as it is.

    Drawn at every time, what swings from one to the next is a block of colour.

    Returns
    -------
    (n,) float64, (n,) float64
    """
    if len(time) <= 3 * PARTS:
        return time, values
    middle = [np.median(part) for part in np.array_split(values[:-1], PARTS)]
    at = [part.mean() for part in np.array_split(time[:-1], PARTS)]
    return np.append(at, time[-1]), np.append(middle, values[-1])


def verdict(result: xr.Dataset) -> str:
    """Return the verdict and its reason, whole."""
    return ": ".join(str(result.attrs[name]) for name in ("verdict", "reason"))


def plain_log(axis: Any) -> None:
    """Write numbers on a log axis as they are: at 1, 2 and 5, over several decades at 1 alone.

    Over less than a factor of five they are at more, since 2 and 5 may be all there is of those.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low) if low > 0.0 else 1.0
    few = decades < 2.0
    close = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
    subs = close if decades < np.log10(5.0) else (1.0, 2.0, 5.0) if few else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=6))
    axis.set_major_formatter(FuncFormatter(_plain))
    if few:
        axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def _plain(value: float, position: int | None = None) -> str:
    """Return 0.01, 200, and powers of ten beyond what is quickly read."""
    if value > 0.0 and not 1e-3 <= value < 1e5:
        digits, _, power = f"{value:.0e}".partition("e")
        tens = "10" + str(int(power)).translate(_RAISED)
        return tens if digits == "1" else f"{digits}{_TIMES}{tens}"
    return f"{value:g}".replace("-", _MINUS)


def signed_scale(axis: Any, positive: float, furthest: float) -> None:
    """Scale an axis so that small values are seen beside one far from zero: linear, then log.

    Parameters
    ----------
    axis : matplotlib.axis.YAxis
    positive : float
        Size of the values that are to be seen.
    furthest : float
        Of the largest; up to five times `positive` the axis stays as it is.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    if not 0.0 < 5.0 * positive < furthest:
        return
    tens = 10.0 ** np.floor(np.log10(positive))
    linear = float(next(k * tens for k in (1.0, 2.0, 5.0, 10.0) if k * tens >= positive))
    low, high = axis.get_view_interval()
    if low < -linear:
        low *= 1.6  # a margin that is seen on the logarithmic part
    axis.axes.set_yscale("symlog", linthresh=linear, linscale=1.2)
    axis.axes.set_ylim(low, high)
    outer = linear * 10.0 ** np.arange(1, 6)
    ticks = [*-outer[::-1], -linear, -0.5 * linear, 0.0, 0.5 * linear, linear, *outer]
    if furthest < outer[0]:
        ticks += [-0.5 * outer[0]]
    axis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", _MINUS)))
    axis.set_minor_locator(NullLocator())
