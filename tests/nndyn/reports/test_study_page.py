"""The page on a study, with what does not hold first; the index of a folder."""

import json
import re
import shutil

import numpy as np
import pytest
import xarray as xr

import nndyn
from analyzers import rows
from nndyn.cli.study import study_dict
from nndyn.errors import DataError, UsageError
from nndyn.reports import studies
from nndyn.reports.content import Verdict
from nndyn.runtime.reproduction import sweep_reproduction
from nndyn.studies.analysis import analyze_study
from nndyn.words.numbers import show
from nndyn.words.tables import column
from nndyn.words.verdicts import NULLS, VERDICTS
from tests.nndyn.reports.conftest import read


@pytest.fixture(scope="module")
def subject(small_study):
    return studies.collect(small_study, "study", "r0", None)


def test_numbers_of_a_study_are_those_of_its_json(subject, small_study):
    summaries = {name: row.summary for name, row in rows().items()}
    analyses = {
        one.verdict.analyzer: one for one in subject.analyses if one.summary in summaries.values()
    }
    assert analyses.keys() | subject.absent.keys() == summaries.keys()
    assert {one.analyzer for one in subject.lead} == {"lyapunov", "learning"}
    for name in ("lyapunov", "learning"):
        analysis = analyses[name]
        said = study_dict(analyze_study(small_study, name))
        shown = [row for numbers in analysis.numbers for row in numbers.table.rows]
        for key, entry in said["results"].items():
            if isinstance(entry["value"], list):
                continue
            interval = "" if entry["ci"] is None else show(entry["ci"])
            assert (key, show(entry["value"]), interval, entry["unit"]) in shown
        tables = [one.table for one in analysis.numbers if one.table.headings[0][0] == "lr"]
        columns = {
            heading: [row[i] for row in table.rows]
            for table in tables
            for i, (heading, _) in enumerate(table.headings)
        }
        key = {"lyapunov": "exponent", "learning": "best_accuracy"}[name]
        values = said["results"][key]["value"]
        found = [float(cell.split()[0]) for cell in columns[key.replace("_", " ")]]
        assert found == pytest.approx(values, rel=5e-3)


def test_a_study_has_a_map_of_verdicts_and_its_figure(subject):
    assert all(one.svg for one in subject.pictures)
    assert [one.caption.partition(".")[0] for one in subject.pictures] == [
        "Verdicts of all runs",
        "Exponent, growth and training time along the swept option: medians over seeds",
    ]
    assert subject.facts.asked["runs"] == "6 complete"
    assert subject.facts.asked["lr"] == "0.25, 0.5, 1"


def test_what_is_read_along_the_rates_stands_at_a_glance(subject, small_study):
    found = [
        dict(zip([h for h, _ in one.table.headings], row, strict=True))
        for one in subject.numbers
        for row in one.table.rows
    ]
    growth, learning = (analyze_study(small_study, one) for one in ("lyapunov", "learning"))
    outputs = analyze_study(small_study, "lyapunov", distance="output")
    for called, result, name in (
        ("growth, e-foldings", growth, "median_growth"),
        ("growth of the outputs, e-foldings", outputs, "median_growth"),
        ("exponent", growth, "exponent"),
        ("best accuracy", learning, "best_accuracy"),
    ):
        values = [float(row[called].split("\n")[0]) for row in found if called in row]
        assert values == pytest.approx(result[name].values, rel=5e-3, abs=1e-12)
    assert subject.alternatives["function space"].startswith("growth of the outputs: ")
    medians = [one for one in subject.analyses if one.verdict.word == "medians"]
    assert medians == subject.analyses[-len(medians) :]


def test_what_does_not_hold_is_said_first(subject):
    nulls = [one.is_null for one in subject.lead]
    assert any(nulls)
    assert nulls == sorted(nulls, reverse=True)
    assert VERDICTS.keys() >= NULLS
    assert not Verdict("lyapunov", "found", "").is_null
    assert "lr \N{MULTIPLICATION SIGN} time" in subject.alternatives


def test_what_is_the_same_of_all_runs_is_said_once(subject, small_study, tmp_path):
    called = [(one.verdict.analyzer, one.verdict.label) for one in subject.analyses]
    assert len(set(called)) == len(called)
    assert ("lyapunov", "outputs") in called
    endings = next(one for one in subject.analyses if one.verdict.analyzer == "endings")
    assert endings.notes["null at every lr"].startswith("groups")
    for numbers in endings.numbers:
        assert ("null",) * 3 not in list(zip(*numbers.table.rows, strict=True))
    options = {"data": "iris", "model": "mlp:4-3-3", "steps": 5, "replicas": 1}
    nndyn.sweep("training", tmp_path / "s", lr=[0.5, 1.0], seeds=2, store="distances", **options)
    with pytest.raises(DataError, match="keeps no states") as caught:
        analyze_study(tmp_path / "s", "exploration")
    assert str(caught.value).count("keeps no states") == 1


def test_an_interval_of_no_value_has_an_end_or_is_not_shown():
    inf = np.inf
    values = {"time": ("lr", [np.nan, np.nan, 3.0])}
    values["time_ci"] = (("lr", "bound"), [[2.0, inf], [inf, inf], [2.0, inf]])
    part = xr.Dataset(values, {"lr": [1.0, 2.0, 3.0]})
    assert column(part, "time") == ["null [2, inf]", "null", "3 [2, inf]"]


def test_options_of_a_study_make_it_again(cli, subject, small_study, tmp_path):
    config = tmp_path / "sweep.toml"
    config.write_text(subject.facts.command)
    sweep = ("sweep", "training", "--config", config)
    code, out, err = cli(*sweep, "-o", "again", "--dry-run")
    assert code == 0, err
    assert "6 runs" in out + err
    with pytest.raises(UsageError, match=r"not every combination was planned"):
        sweep_reproduction("training", {}, {"lr": [1.0, 2.0], "seed": [0]}, 1)
    with pytest.raises(UsageError, match=r"study\.json in its folder"):
        sweep_reproduction("map", {}, {"seed": [0]}, 1)


def test_a_study_is_reported_by_its_index_and_by_its_folder_alike(small_study, tmp_path):
    one = nndyn.report(nndyn.open_study(small_study), tmp_path / "a.html")
    other = nndyn.report(small_study, tmp_path / "b.html")
    assert one.read_bytes() == other.read_bytes()
    page = read(one)
    assert len(set(page.identifiers)) == len(page.identifiers)
    assert page.words.count("Figure") == 0  # numbers of figures are the style's
    assert len([tag for tag, _ in page.tags if tag == "svg"]) == 2


def test_a_part_of_an_index_is_refused(small_study, tmp_path):
    part = nndyn.open_study(small_study).isel(lr=[0])
    with pytest.raises(UsageError, match="this is a part of the index of"):
        nndyn.report(part, tmp_path / "p.html")


def test_a_folder_of_recordings_and_studies_has_an_index(recording_path, small_study, tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    shutil.copy(recording_path, folder / "run.nc")
    shutil.copytree(small_study, folder / "study")
    (folder / "broken.nc").write_text("no")
    (folder / "notes.txt").write_text("not looked at")
    (folder / "run.html").write_text("its own report")
    page = read(nndyn.report(folder, folder / "index.html"))
    lines = {row[0]: row[1:] for row in page.rows}
    assert list(lines) == ["name", "broken.nc", "run.nc", "study"]
    assert lines["broken.nc"][-1].startswith("broken.nc is not an nndyn recording")
    assert lines["run.nc"][:2] == ["mlp:4-8-3 on iris", "complete, 60 steps"]
    assert re.match(r"\w+: deviations ", lines["run.nc"][-1])
    assert lines["study"][:2] == ["training over lr, seed", "6 complete"]
    assert [attrs["href"] for tag, attrs in page.tags if tag == "a"] == ["run.html"]


def test_a_plan_that_holds_no_result_yet_is_a_page_that_says_so(small_study, tmp_path):
    copy = tmp_path / "study"
    shutil.copytree(small_study, copy)
    shutil.rmtree(copy / "cells")
    page = read(nndyn.report(copy, tmp_path / "p.html"))
    assert "No analyzer applies to it" in page.words
    assert "lyapunov has a result on no run" in page.words
    assert json.loads((copy / "study.json").read_text())["id"] in page.text
