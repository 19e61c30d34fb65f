"""What a page says of one recording: every analyzer that applies, with its figure."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

import analyzers
from nndyn.analysis import analyzer
from nndyn.errors import DataError
from nndyn.figures import FIGURES, draw
from nndyn.figures.source import is_stationary, known_of
from nndyn.figures.style import verdict as words
from nndyn.header import manifest
from nndyn.reports.content import Analysis, Picture, Subject
from nndyn.reports.facts import file_of, of_recording
from nndyn.reports.pictures import WIDTH, picture
from nndyn.reports.results import alternatives, tables, verdict, warnings
from nndyn.runtime.reproduction import analysis_command
from nndyn.words.numbers import show
from nndyn.words.tables import notes

if TYPE_CHECKING:
    import xarray as xr

#: What the figure of an exponent shows where it is a mean over an attractor.
_STATIONARY = "Estimate of the exponent so far, with its interval, and what is known of it."
#: What is read first; what else there is follows by name.
_ORDER = ("lyapunov", "spectrum", "learning", "exploration", "recurrence")


def collect(recording: xr.Dataset, name: str, prefix: str) -> Subject:
    """Analyze a recording with every analyzer that applies, and draw what there are figures of.

    Parameters
    ----------
    recording : xarray.Dataset
    name : str
        What it is called.
    prefix : str
        Of the identifiers of its figures.

    Returns
    -------
    Subject

    Raises
    ------
    NndynError
        What opening or an analyzer raises, except that it does not apply.
    """
    rows = analyzers.rows()
    results: dict[str, xr.Dataset] = {}
    absent: dict[str, str] = {}
    for one in sorted(rows, key=lambda name: (_ORDER.index(name) if name in _ORDER else 9, name)):
        try:
            results[one] = analyzer(one)(recording)
        except DataError as error:
            absent[one] = str(error)
    analyses = [
        Analysis(
            verdict=verdict(result),
            summary=rows[one].summary,
            command=analysis_command(one, file_of(recording, name)),
            pictures=_pictures(one, result, prefix),
            numbers=tables(result),
            notes=notes(result),
            warnings=warnings(result),
        )
        for one, result in results.items()
    ]
    facts = of_recording(recording, file_of(recording, name))
    kind = manifest(recording.attrs).get("system", {}).get("kind")
    other = alternatives(results, training=kind == "training")
    if "lyapunov" in results:
        other |= _known(results["lyapunov"])
    lead = [one.verdict for one in analyses[:1]]
    return Subject(name, "recording", facts, lead, other, analyses, absent)


def _pictures(name: str, result: xr.Dataset, prefix: str) -> list[Picture]:
    """Draw the figure of an analyzer, where there is one."""
    if name not in FIGURES:
        return []
    above = words(result)
    made = partial(draw, name, result, size=WIDTH)
    stationary = name == "lyapunov" and is_stationary(result)
    caption = _STATIONARY if stationary else FIGURES[name].summary
    return [picture(made, caption, f"{prefix}-{name}", above=above)]


def _known(result: xr.Dataset) -> dict[str, str]:
    """Return the exponent that is known of a system of the catalogue."""
    known = known_of(result)
    if not known or not np.isfinite(known[0]):
        return {}
    return {"known exponent": f"{show(float(known[0]))} {result['lyapunov_max'].attrs['units']}"}
