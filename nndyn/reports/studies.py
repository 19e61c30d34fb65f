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
from nndyn.studies.folder import Folder
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
    folder = Folder(path)
    planned = folder.design()
    some = next(iter(results.values()), None)
    status = {}
    if some is not None:
        status = dict(
            zip(some["cell_file"].values.flat, some["cell_status"].values.flat, strict=True)
        )
        status = {str(k): str(v) for k, v in status.items() if v != "unplanned"}
    other: dict[str, str] = {}
    pictures: list[Picture] = []
    if "lyapunov" in results:
        pictures = _pictures(results, prefix)
        for label, growth, learning in growth_and_learning(partial(_found, results)):
            if growth.attrs["verdict"] == "stationary":
                continue
            said = alternatives_of_study(growth, learning)
            other |= {f"{k} ({label})" if label else k: text for k, text in said.items()}
    return Subject(
        name,
        "study",
        of_study(folder, planned, status),
        [one.verdict for one in analyses],
        other,
        analyses,
        absent,
        pictures,
        list(dict.fromkeys(line for one in results.values() for line in warnings(one))),
    )


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
    found = [
        picture(
            partial(verdicts, part, size=WIDTH),
            " ".join(filter(None, (_MAP, label))),
            f"{prefix}-map{i}",
        )
        for i, (label, part) in enumerate(maps(results["lyapunov"]))
    ]
    for i, (label, growth, learning) in enumerate(growth_and_learning(partial(_found, results))):
        found.append(
            picture(
                partial(study, growth, learning, size=WIDTH),
                " ".join(filter(None, (_STUDY, label))),
                f"{prefix}-study{i}",
                above="\n".join(words(one) for one in (growth, learning) if one is not None),
            )
        )
    return found
