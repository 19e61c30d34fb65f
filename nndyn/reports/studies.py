"""What a page says of a study: the map of its verdicts, onset and fastest rate."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import analyzers
from nndyn.errors import DataError
from nndyn.figures.study import study
from nndyn.figures.style import verdict as words
from nndyn.figures.verdicts import maps, verdicts
from nndyn.reports.content import Analysis, Numbers, Picture, Subject
from nndyn.reports.facts import of_study
from nndyn.reports.pictures import WIDTH, picture
from nndyn.reports.results import of_study as alternatives_of_study
from nndyn.reports.results import tables, verdict, warnings
from nndyn.studies.analysis import analyze_study, combinations, growth_and_learning
from nndyn.words.tables import along, notes, of_combination, split

if TYPE_CHECKING:
    import xarray as xr

    from nndyn.runtime.progress import Progress

#: Characters of a line of a table.
_LINE = 84
_MAP = "Verdicts of all runs."
_STUDY = "Exponent, growth and training time along the swept option: medians over seeds."


def collect(path: Path, name: str, prefix: str, progress: Progress | None) -> Subject:
    """Analyze a study with the analyzers that say something on it as a whole.

    Parameters
    ----------
    path : Path
        Its folder.
    name : str
        What it is called.
    prefix : str
        Of the identifiers of its figures.
    progress : bool or callable or None

    Returns
    -------
    Subject

    Raises
    ------
    NndynError
        What `nndyn.studies.analysis.analyze_study` raises, except that an analyzer has a result on
        no run.
    """
    results: dict[str, xr.Dataset] = {}
    absent: dict[str, str] = {}
    for one, row in analyzers.rows().items():
        if row.study is None:
            continue
        try:
            results[one] = analyze_study(path, one, progress=progress)
        except DataError as error:
            absent[one] = str(error)
    analyses = [
        analysis
        for one, result in results.items()
        for analysis in _analyses(result, f"nndyn analyze {one} {shlex.quote(name)}")
    ]
    # nulls first: what does not hold is said before what does
    analyses.sort(key=lambda one: not one.verdict.is_null)
    return Subject(
        name,
        "study",
        of_study(path),
        [one.verdict for one in analyses],
        _alternatives(results),
        analyses,
        absent,
        _pictures(results, prefix),
        list(dict.fromkeys(line for one in results.values() for line in warnings(one))),
    )


def _alternatives(results: dict[str, xr.Dataset]) -> dict[str, str]:
    """Return other explanations of growth, of each what every combination says."""
    said: dict[str, dict[str, str]] = {}
    for label, growth, learning in _parts(results):
        if growth.attrs["verdict"] != "stationary":
            for key, text in alternatives_of_study(growth, learning).items():
                said.setdefault(key, {})[label] = text
    return {key: _together(texts) for key, texts in said.items()}


def _together(texts: dict[str, str]) -> str:
    """Return what is said of every combination, once where it is the same of all."""
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{label}: {text}" for label, text in texts.items())


def _parts(results: dict[str, xr.Dataset]) -> list[tuple[str, xr.Dataset, xr.Dataset | None]]:
    """Return growth and learning of every combination, nothing where there is no growth."""
    return growth_and_learning(partial(_found, results)) if "lyapunov" in results else []


def _found(results: dict[str, xr.Dataset], name: str) -> xr.Dataset:
    if name not in results:
        raise DataError(f"{name} has a result on no run")
    return results[name]


def _analyses(result: xr.Dataset, command: str) -> list[Analysis]:
    """Return the parts of a study's result, one for each combination of the options beside."""
    row = analyzers.rows()[str(result.attrs["analyzer"])]
    found = []
    for label, whole in combinations(result):
        part = of_combination(whole)
        numbers = tables(part)
        for series in split(along(whole), _LINE):
            numbers.append(Numbers(series, f"Along {series.headings[0][0]}, with intervals."))
        found.append(Analysis(verdict(part, label), row.summary, command, (), numbers, notes(part)))
    return found


def _pictures(results: dict[str, xr.Dataset], prefix: str) -> list[Picture]:
    """Draw the map of verdicts, and exponent, growth and training time."""
    found = []
    for i, (label, part) in enumerate(maps(results["lyapunov"]) if "lyapunov" in results else ()):
        shows = " ".join(filter(None, (_MAP, label)))
        found.append(picture(partial(verdicts, part, size=WIDTH), shows, f"{prefix}-map{i}"))
    for i, (label, growth, learning) in enumerate(_parts(results)):
        shows = " ".join(filter(None, (_STUDY, label)))
        above = "\n".join(words(one) for one in (growth, learning) if one is not None)
        draw = partial(study, growth, learning, size=WIDTH)
        found.append(picture(draw, shows, f"{prefix}-study{i}", above=above))
    return found
