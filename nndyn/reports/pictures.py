"""Figures within a page: SVG without identifiers, fonts and ink of its own."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.dom.minidom import Element, parseString

from nndyn.errors import NndynError
from nndyn.reports.content import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Inches, of a column of text: letters are then a little smaller than those around them.
WIDTH = 5.2

#: What of matplotlib's SVG the page says once for all figures, or for the ink of its own colours.
_LETTERS = re.compile(r"font-family: [^;]*(?:; )?")
_INK = re.compile(r"stroke: #000000")
_LINK = re.compile(r"url\(#([^)]*)\)")


def picture(draw: Callable[[], Figure], caption: str, prefix: str, *, above: str = "") -> Picture:
    """Draw a figure for a page, or say why it cannot be drawn.

    Parameters
    ----------
    draw : callable
        Returns the figure; the words below it go into the caption.
    caption : str
        What the figure shows.
    prefix : str
        Of its identifiers, another for each figure of a page.
    above : str
        What stands above it, and need not be said again.

    Returns
    -------
    Picture
        Text stays text: smaller than outlines, found by a search, read aloud, in the colours
        of the page, light or dark. Where the font of the layout is missing, letters of others are
        no wider.
    """
    try:
        figure = draw()
        words = getattr(figure, "caption", None)
        said = "" if words is None else ". ".join(str(words.get_text()).split("\n"))
        if words is not None:
            words.set_text("")
        if said == ". ".join(above.replace(" * ", " \u00d7 ").split("\n")):
            said = ""
        return Picture(" ".join(filter(None, (caption, said))), svg=inlined(figure, prefix))
    except NndynError as error:
        return Picture(caption, reason=str(error))


def inlined(figure: Figure, prefix: str) -> str:
    """Return a figure as an SVG element for the inside of a page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    prefix : str

    Returns
    -------
    str
        The same for the same figure. Black lines and letters have the colour of the text around.
    """
    from matplotlib import rc_context

    drawn = io.BytesIO()
    with rc_context({"svg.hashsalt": prefix}):
        figure.savefig(drawn, format="svg", metadata={"Date": None}, transparent=True)
    svg = parseString(drawn.getvalue()).documentElement
    assert svg is not None
    for name in ("metadata", "style"):
        for found in svg.getElementsByTagName(name):
            above: Any = found.parentNode
            above.removeChild(found)
    for name in ("width", "height", "version", "xmlns", "xmlns:xlink"):
        if svg.hasAttribute(name):
            svg.removeAttribute(name)
    svg.setAttribute("role", "img")
    elements: list[Any] = [svg, *svg.getElementsByTagName("*")]
    linked = {target for one in elements for target in _targets(one)}
    for one in elements:
        _rewrite(one, linked, prefix)
    # line feeds between elements are of no use, and those in paths separate as blanks do
    return re.sub(r">\s+<", "><", svg.toxml().replace("\n", " "))


def _targets(element: Element) -> set[str]:
    """Return the identifiers that an element refers to."""
    values = [str(value) for value in dict(element.attributes.items()).values()]
    return {name for value in values for name in _LINK.findall(value)} | {
        value[1:] for value in values if value.startswith("#")
    }


def _rewrite(element: Element, linked: set[str], prefix: str) -> None:
    """Leave the identifiers that are referred to, with a prefix, and what no page says for all."""
    for name, value in list(element.attributes.items()):
        new: str | None = value
        if name == "id":
            new = f"{prefix}-{value}" if value in linked else None
        elif name == "style":
            new = _INK.sub("stroke: currentColor", _LETTERS.sub("", value))
        elif name == "xlink:href" and value.startswith("#"):
            element.removeAttribute(name)
            name, new = "href", f"#{prefix}-{value[1:]}"
        elif name == "xlink:href":  # an image
            element.removeAttribute(name)
            name = "href"
        if new is None:
            element.removeAttribute(name)
        else:
            element.setAttribute(name, _LINK.sub(rf"url(#{prefix}-\1)", new))
