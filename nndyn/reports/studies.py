"""What a page says of a study: the map of its verdicts, onset and fastest rate, all analyzers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import analyzers
from nndyn.errors import DataError
from nndyn.figures.study import study
from nndyn.figures.style import verdict as words
from nndyn.figures.verdicts import maps, verdicts
from nndyn.reports.content import Analysis, Numbers, Picture, Subject
from nndyn.reports.facts import file_of, of_study
from nndyn.reports.glance import LINE, Part, glance
from nndyn.reports.pictures import WIDTH, picture
from nndyn.reports.results import of_study as alternatives_of_study
from nndyn.reports.results import tables, verdict, warnings
from nndyn.runtime.reproduction import analysis_command
from nndyn.studies.analysis import MEDIANS, analyze_study, combinations, growth_and_learning
from nndyn.words.tables import along, known, notes, of_combination, split

if TYPE_CHECKING:
    import xarray as xr

    from nndyn.runtime.progress import Progress

_MAP = "Verdicts of all runs."
_STUDY = "Exponent, growth and training time along the swept option: medians over seeds."
_STATIONARY = "Exponent along the swept option: medians over seeds."
_OUTPUTS = "Growth of the deviations of the network's outputs, in place of its weights."


def collect(path: Path, name: str, prefix: str, progress: Progress | None) -> Subject:
    """Analyze a study with every analyzer that applies: those with a verdict on the whole first.

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
    file = file_of(path, name)
    results: dict[str, xr.Dataset] = {}
    absent: dict[str, str] = {}
    rows = analyzers.rows()
    for one in sorted(rows, key=lambda one: rows[one].study is None):
        try:
            results[one] = analyze_study(path, one, progress=progress)
        except DataError as error:
            absent[one] = str(error)
    outputs = _of_outputs(path, progress) if "lyapunov" in results else None
    analyses = [
        analysis
        for one, result in results.items()
        for analysis in _analyses(result, rows[one].summary, analysis_command(one, file))
    ]
    if outputs is not None:
        analyses += _analyses(
            outputs, _OUTPUTS, analysis_command("lyapunov", file, distance="output"), "outputs"
        )
    # nulls first: what does not hold is said before what does; medians have no verdict
    analyses.sort(key=lambda one: (one.verdict.word == MEDIANS, not one.verdict.is_null))
    judged = [one for one in analyses if one.verdict.word != MEDIANS and one.summary != _OUTPUTS]
    parts = _parts(results, outputs)
    return Subject(
        name,
        "study",
        of_study(path),
        [one.verdict for one in judged],
        _alternatives(parts),
        analyses,
        absent,
        _pictures(results, parts, prefix),
        [table for part in parts for table in glance(part)],
        list(dict.fromkeys(line for one in results.values() for line in warnings(one))),
    )


def _of_outputs(path: Path, progress: Progress | None) -> xr.Dataset | None:
    """Return the growth of the deviations of outputs, None where none were recorded."""
    try:
        return analyze_study(path, "lyapunov", progress=progress, distance="output")
    except DataError:
        return None


def _alternatives(parts: Sequence[Part]) -> dict[str, str]:
    """Return other explanations of growth, of each what every combination says."""
    said: dict[str, dict[str, str]] = {}
    for part in parts:
        if part.growth.attrs["verdict"] != "stationary":
            for key, text in alternatives_of_study(part).items():
                said.setdefault(key, {})[part.label] = text
    return {key: _together(texts) for key, texts in said.items()}


def _together(texts: dict[str, str]) -> str:
    """Return what is said of every combination, once where it is the same of all."""
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{label}: {text}" for label, text in texts.items())


def _parts(results: dict[str, xr.Dataset], outputs: xr.Dataset | None) -> list[Part]:
    """Return what there is of every combination, nothing where there is no growth."""
    if "lyapunov" not in results:
        return []
    beside = {} if outputs is None else dict(combinations(outputs))
    return [
        Part(label, growth, learning, beside.get(label))
        for label, growth, learning in growth_and_learning(partial(_found, results))
    ]


def _found(results: dict[str, xr.Dataset], name: str) -> xr.Dataset:
    if name not in results:
        raise DataError(f"{name} has a result on no run")
    return results[name]


def _analyses(result: xr.Dataset, summary: str, made_by: str, which: str = "") -> list[Analysis]:
    """Return the parts of a study's result, one for each combination of the options beside."""
    found = []
    for label, whole in combinations(result):
        part = of_combination(whole)
        numbers = tables(part)
        series, unknown = known(along(whole))
        rate = series.headings[0][0]
        said = notes(part) | ({f"null at every {rate}": ", ".join(unknown)} if unknown else {})
        for one in split(series, LINE):
            numbers.append(Numbers(one, f"Along {rate}, with intervals."))
        called = verdict(part, ", ".join(filter(None, (which, label))))
        found.append(Analysis(called, summary, made_by, (), numbers, said))
    return found


def _pictures(results: dict[str, xr.Dataset], parts: Sequence[Part], prefix: str) -> list[Picture]:
    """Draw the map of verdicts, and exponent, growth and training time."""
    found = []
    for i, (label, whole) in enumerate(maps(results["lyapunov"]) if "lyapunov" in results else ()):
        shows = " ".join(filter(None, (_MAP, label)))
        found.append(picture(partial(verdicts, whole, size=WIDTH), shows, f"{prefix}-map{i}"))
    for i, part in enumerate(parts):
        stationary = part.growth.attrs["verdict"] == "stationary"
        shows = " ".join(filter(None, (_STATIONARY if stationary else _STUDY, part.label)))
        both = [one for one in (part.growth, part.learning) if one is not None]
        above = "\n".join(map(words, both))
        draw = partial(study, part.growth, part.learning, size=WIDTH)
        found.append(picture(draw, shows, f"{prefix}-study{i}", above=above))
    return found
