"""What a page says of several recordings and studies together: the comparison of them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nndyn.comparison.comparison import compare
from nndyn.comparison.table import rows
from nndyn.errors import DataError, UsageError
from nndyn.figures.comparison import comparison
from nndyn.reports.content import Analysis, Numbers, Verdict
from nndyn.reports.facts import file_of
from nndyn.reports.pictures import WIDTH, picture
from nndyn.reports.results import warnings
from nndyn.runtime.progress import Called
from nndyn.words.tables import Table

if TYPE_CHECKING:
    import xarray as xr

#: What the section is called, and what it is.
_NAME, _SUMMARY = "Side by side", "Numbers of all analyzers, on clocks in common."
_SHOWS = "Separation, spectra, displacement and recurrence on clocks in common."
#: Recordings beside each other in a table.
_COLUMNS = 4


def together(
    chosen: Mapping[str, Path | xr.Dataset], progress: Called | None = None
) -> Analysis | None:
    """Compare what a page is on, or say why it is not compared.

    Parameters
    ----------
    chosen : mapping of str to Path or xarray.Dataset
        Recordings and studies, by name.
    progress : callable or None

    Returns
    -------
    Analysis or None
        None of one alone.

    Raises
    ------
    NndynError
        What `nndyn.comparison.comparison.compare` raises, except that there is nothing to compare.
    """
    if len(chosen) < 2:
        return None
    files = [file_of(one, name) for name, one in chosen.items()]
    command = shlex.join(["nndyn", "compare", *files])
    try:
        result = compare(dict(chosen), progress=progress or False)
    except (DataError, UsageError) as error:
        return Analysis(Verdict(_NAME, "not compared", str(error)), _SUMMARY, command)
    marks: dict[str, int] = {}
    count = result.sizes["recording"]
    numbers = [
        Numbers(_table(result, range(first, min(first + _COLUMNS, count)), marks))
        for first in range(0, count, _COLUMNS)
    ]
    return Analysis(
        Verdict(_NAME, str(result.attrs["verdict"]), str(result.attrs["reason"])),
        _SUMMARY,
        command,
        [picture(partial(comparison, result, size=WIDTH), _SHOWS, "together")],
        numbers,
        {f"#{number}": note for note, number in marks.items()},
        warnings(result),
    )


def _table(result: xr.Dataset, shown: range, marks: dict[str, int]) -> Table:
    """Return some recordings as columns, each part of the table under its name."""
    names = result["recording"].values[list(shown)].tolist()
    found: list[tuple[str, ...]] = []
    last = ""
    for title, label, cells in rows(result, shown, marks, "\n"):
        if title != last:
            found.append((title, *[""] * len(names)))
            last = title
        found.append((label, *cells))
    return Table((("", ""), *((name, "") for name in names)), found)
