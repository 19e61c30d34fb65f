"""Layout of a figure: panels, their legends below them, the verdict below all."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack, cast

from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.axis import Tick
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.transforms import offset_copy

from nndyn.errors import UsageError
from nndyn.figures.style import DPI, EMBEDDED, Look, checked_dpi, checked_size, styled
from nndyn.words.text import escaped

if TYPE_CHECKING:
    from matplotlib.backend_bases import RendererBase
    from matplotlib.legend import Legend

#: Inches of a column of a journal, and of a panel of which several stand beside each other.
COLUMN, PANEL = 4.2, 2.5
#: Inches of width below which panels stand below each other; of height that one needs there.
NARROW, LOW = 2.3, 2.1

#: Settings that a legend is written by.
_LETTERED = ("legend.", "font.", "text.color", "axes.facecolor", "axes.edgecolor")
#: What draws one panel.
Panel = Callable[[Axes], None]


class Sheet(Figure):
    """A figure that keeps legends and verdict inside, whatever its size, and embeds its fonts."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, layout=_Layout(), **options)
        FigureCanvasAgg(self)
        self.caption: Text | None = None
        self.legends_below: list[_Legend] = []
        self.labels: list[_Label] = []
        self.cramped = False

    def draw(self, renderer: RendererBase) -> None:
        """Draw as `matplotlib.figure.Figure.draw` does, or refuse a size without room for axes.

        Raises
        ------
        UsageError
            If legend and verdict take all of it.
        """
        super().draw(renderer)
        if self.cramped:  # an error within the layout would be passed over by matplotlib
            width, height = self.get_size_inches()
            raise UsageError(
                f"size is {width:g} x {height:g} inches, which leaves no room for the axes beside "
                "legend and verdict; make the figure larger"
            )

    def savefig(self, *args: Any, **options: Any) -> None:
        """Save as `matplotlib.figure.Figure.savefig` does, with fonts embedded and text as text."""
        with embedded(self):
            super().savefig(*args, **options)

    def _repr_png_(self) -> bytes:
        """Return the picture that a notebook shows, also where pyplot was never imported."""
        drawn = io.BytesIO()
        self.savefig(drawn, format="png")
        return drawn.getvalue()


class _Layout(ConstrainedLayoutEngine):
    """Matplotlib's constrained layout, with legends in as many columns as there is room for."""

    def execute(self, fig: Any) -> None:
        """Lay out a figure for the size that it has now, and note whether axes have room there."""
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "constrained_layout not applied")
            try:
                self._lay_out(fig)
                fig.cramped = False
            except UserWarning:
                fig.cramped = True

    def _lay_out(self, fig: Any) -> None:
        for one in fig.labels:
            one.reset()
        super().execute(fig)
        for _ in range(2):  # legends take from the room that labels have
            renderer = fig._get_renderer()
            for one in fig.labels:
                one.fit(renderer)
            for one in fig.legends_below:
                with rc_context(one.style):
                    one.fit(renderer)
            super().execute(fig)


@dataclass
class _Label:
    """The label of an axis, in two lines or smaller letters where it is longer than the axis."""

    ax: Axes
    label: Text
    upright: bool

    def __post_init__(self) -> None:
        _as_it_is(self.label)
        self.text, self.size = self.label.get_text(), float(self.label.get_fontsize())

    def reset(self) -> None:
        """Write it as it was given."""
        self.label.set_text(self.text)
        self.label.set_fontsize(self.size)

    def fit(self, renderer: RendererBase) -> None:
        """Make it fit."""
        box, figure = self.ax.bbox, cast(Figure, self.ax.get_figure(root=True))
        room = (box.height if self.upright else box.width) + 0.12 * figure.dpi
        words = " ".join(self.text.split())
        halves = textwrap.fill(words, max(10, len(words) // 2 + 4), break_long_words=False)
        for scale in (1.0, 0.85, 0.7, 0.6):
            for text in (self.text, halves):
                self.label.set_text(text)
                self.label.set_fontsize(scale * self.size)
                extent = self.label.get_window_extent(renderer)
                if (extent.height if self.upright else extent.width) <= room:
                    return


@dataclass
class _Legend:
    """The legend below some axes, of all the axes named in it."""

    below: Axes
    of: Sequence[Axes]
    style: Any

    def entries(self) -> dict[str, Any]:
        """Return what is named, with its names."""
        entries: dict[str, Any] = {}
        for ax in self.of:
            for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
                entries.setdefault(label, handle)
        return entries

    def begin(self) -> None:
        """Write the legend; where it fits is seen when the figure is laid out."""
        entries = self.entries()
        if entries:
            self._made(entries, list(entries))

    def fit(self, renderer: RendererBase) -> None:
        """Write the legend below the numbers of the axis, in columns that the figure can hold."""
        entries = self.entries()
        if not entries:
            return
        figure: Any = self.below.get_figure(root=True)
        columns = self.below.get_subplotspec()
        across = 1 if columns is None else columns.get_gridspec().ncols
        axis = self.below.yaxis.get_tightbbox(renderer)
        left = 0.0 if axis is None else max(0.0, self.below.bbox.x0 - axis.x0)
        room = figure.bbox.width / across - left - 0.1 * figure.dpi
        lower = self.below.xaxis.get_tightbbox(renderer)
        drop = 0.0 if lower is None else max(0.0, self.below.bbox.y0 - lower.y0)
        place = offset_copy(
            self.below.transAxes, figure, y=-drop / figure.dpi * 72 - 2.0, units="points"
        )
        labels = list(entries)
        for count in range(len(entries), 0, -1):
            if self._write(entries, labels, count, place, renderer) <= room:
                return
        for width in (40, 32, 26, 20, 16, 12):
            labels = [textwrap.fill(label, width, break_long_words=False) for label in entries]
            if self._write(entries, labels, 1, place, renderer) <= room:
                return

    def _write(
        self,
        entries: dict[str, Any],
        labels: list[str],
        columns: int,
        place: Any,
        renderer: RendererBase,
    ) -> float:
        legend = self._made(
            entries,
            labels,
            ncols=columns,
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            bbox_transform=place,
            borderaxespad=0.0,
        )
        return float(legend.get_window_extent(renderer).width)

    def _made(self, entries: dict[str, Any], labels: list[str], **options: Any) -> Legend:
        legend = self.below.legend(list(entries.values()), labels, **options)
        for text in legend.get_texts():
            _as_it_is(text)
        return legend


def drawn(
    panels: Sequence[Panel],
    ax: Axes | Sequence[Axes] | None,
    caption: str,
    *,
    short: str = "",
    ratios: Sequence[float] = (),
    height: float | None = None,
    across: int = 0,
    **look: Unpack[Look],
) -> Figure:
    """Draw panels on axes that are given, or on a new sheet with the verdict below.

    Parameters
    ----------
    panels : sequence of callable
        Each draws on the axes that it gets.
    ax : Axes or sequence of Axes or None
        Axes of the caller: one for the first panel alone, several for as many. None makes a new
        figure.
    caption : str
        The verdict, whole; it stands below a new figure.
    short : str
        What stands above axes that are given, unless a title is.
    ratios : sequence of float
        Heights of panels that stand below each other over one axis, with one legend; where there
        are none, panels stand beside each other if there is room.
    height : float, optional
        Inches of all panels, of a figure one column wide.
    across : int, optional
        Panels in a row, where there are too many for one.
    **look
        Title, size, resolution and style: see `nndyn.figures.style.Look`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UsageError
        If there is no such size, resolution or style, or there are more axes than panels.
    """
    with styled(look.get("style")) if ax is None or look.get("style") else nullcontext():
        if ax is not None:
            return _on_given(panels, ax, look.get("title") or short)
        sheet, axes = _new(len(panels), caption, ratios, height, across, look)
        for panel, place in zip(panels, axes, strict=True):
            panel(place)
        if ratios:
            for upper in axes[:-1]:
                upper.set_xlabel("")
                upper.tick_params(labelbottom=False)
            sheet.align_ylabels(axes)
        style = {key: rcParams[key] for key in rcParams if key.startswith(_LETTERED)}
        shared = [(axes[-1], axes)] if ratios else [(one, [one]) for one in axes]
        sheet.legends_below = [_Legend(below, of, style) for below, of in shared]
        for one in sheet.legends_below:
            one.begin()
        sheet.labels = [
            _Label(place, axis.label, axis is place.yaxis)
            for place in sheet.axes
            for axis in (place.xaxis, place.yaxis)
        ]
    return sheet


def _on_given(panels: Sequence[Panel], ax: Axes | Sequence[Axes], title: str) -> Figure:
    """Draw on axes of the caller; letters are those of their figure."""
    given = [ax] if isinstance(ax, Axes) else list(getattr(ax, "flat", ax))
    if not 1 <= len(given) <= len(panels) or not all(isinstance(one, Axes) for one in given):
        raise UsageError(
            f"ax is {ax!r}, expected matplotlib axes, or a list of up to {len(panels)}"
        )
    for panel, place in zip(panels, given, strict=False):
        panel(place)
        if place.get_legend_handles_labels()[0]:
            place.legend()
    given[0].set_title(escaped(title, keep="\n"), loc="left")
    figure: Figure = given[0].get_figure(root=True)  # type: ignore[assignment]
    return figure


def _new(
    count: int,
    caption: str,
    ratios: Sequence[float],
    height: float | None,
    across: int,
    look: Look,
) -> tuple[Sheet, list[Axes]]:
    """Make a sheet with its axes, and write title and verdict."""
    natural = COLUMN if ratios or count == 1 else PANEL * min(count, across or count)
    size = look.get("size")
    width, tall = (natural, None) if size is None else checked_size(size)
    lines = sum(1 + int(len(line) / (width * 21)) for line in caption.split("\n"))
    rows = 1
    if across:
        columns = max(1, min(across, count, int(width / NARROW)))
        rows = -(-count // columns)
        body = LOW * 1.2 * rows * max(1.0, width / columns / PANEL)
    elif ratios:
        rows = count
        body = (height or 3.2) * max(1.0, width / COLUMN) ** 0.5
    elif width / count < NARROW and (tall is None or tall > 1.2 * width):
        rows = count
        body = LOW * count
    else:
        body = min(3.0 * width / COLUMN, 4.6) if count == 1 else 2.7 * max(1.0, width / natural)
    tall = tall or round(body + 0.13 * lines, 2)
    dpi = checked_dpi(look.get("dpi") or DPI, width, tall)
    sheet = Sheet(figsize=(width, tall), dpi=dpi)
    if ratios:
        grid = sheet.subplots(
            count, 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": list(ratios)}
        )
    else:
        grid = sheet.subplots(rows, -(-count // rows), squeeze=False)
        for surplus in grid.flat[count:]:
            surplus.remove()
    left: dict[str, Any] = {"x": 0.01, "ha": "left", "wrap": True}
    if look.get("title"):
        sheet.suptitle(str(look["title"]), **left)
    sheet.caption = sheet.supxlabel(caption.replace(" * ", " \u00d7 "), **left)
    return sheet, list(grid.flat)[:count]


@contextmanager
def embedded(figure: Figure) -> Iterator[None]:
    """Save a figure with fonts as TrueType, text as text, and no text taken for a formula.

    Yields
    ------
    None
    """
    numbers = {id(t) for tick in figure.findobj(Tick) for t in tick.get_children()}
    for found in figure.findobj(Text):
        if not isinstance(found, Text) or id(found) in numbers:
            continue
        _as_it_is(found)
    with rc_context(cast(Any, EMBEDDED)):
        yield


def _as_it_is(text: Text) -> None:
    """Let a text be what it says: no character of it acts, and none begins a formula."""
    said = text.get_text().replace(r"\$", "$")
    text.set_text(escaped(said, keep="\n").replace("$", r"\$"))
