"""Layout of a page: templates of jinja, in which all that comes from files stays text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nndyn._version import __version__
from nndyn.reports.content import Analysis, Entry, Subject
from nndyn.words.dialect import flags
from nndyn.words.text import escaped

if TYPE_CHECKING:
    from jinja2 import Environment


def subjects(title: str, found: Sequence[Subject], together: Analysis | None = None) -> str:
    """Return the page on recordings and studies.

    Parameters
    ----------
    title : str
    found : sequence of Subject
    together : Analysis, optional
        What is said of all of them.

    Returns
    -------
    str
        HTML, with styles and figures inside, and without scripts.
    """
    return _rendered("report.html.jinja", title=title, subjects=found, together=together)


def index(title: str, found: Sequence[Entry]) -> str:
    """Return the index of a folder as a page: see `subjects`."""
    return _rendered("index.html.jinja", title=title, entries=found)


def _rendered(template: str, **content: Any) -> str:
    return _environment().get_template(template).render(version=__version__, **content)


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("nndyn.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_harmless,
    )
    made.filters["flags"] = flags
    return made


def _harmless(value: Any) -> Any:
    """Show characters that cannot be seen, or turn the direction of writing, by their numbers."""
    return escaped(value, keep="\n") if type(value) is str else value
