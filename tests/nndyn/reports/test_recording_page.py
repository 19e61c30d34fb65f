"""The page on a recording: its numbers are those of the command line; it needs no other file."""

import json
import shutil

import numpy as np
import pytest

import nndyn
from analyzers import rows
from nndyn.errors import DataError
from nndyn.reports.recordings import collect
from nndyn.words.dialect import flags
from nndyn.words.numbers import show
from tests.nndyn.reports.conftest import read


def test_every_number_is_that_of_the_json_of_its_analyzer(cli, recording_path, trained_page):
    page = read(trained_page)
    analyses = json.loads(cli("analyze", "all", recording_path, "--json")[1])["analyses"]
    assert len(analyses) == len(rows())
    shown = {tuple(row) for row in page.rows}
    for analysis in analyses:
        assert analysis["reason"] in page.words
        for name, entry in analysis["results"].items():
            interval = "" if entry["ci"] is None else show(entry["ci"])
            if "copy" in entry:  # a column of a table of its own
                cells = {cell for row in shown for cell in row}
                given = entry["value"] or []
                assert {show(float(f"{value:.3g}")) for value in given} <= cells
            else:
                assert (name, show(entry["value"]), interval, entry["unit"]) in shown
            if "note" in entry:
                assert " ".join(entry["note"].split()) in page.words


def test_verdicts_are_said_in_words_with_other_explanations_beside(trained_page, recording_path):
    page = read(trained_page)
    with nndyn.open(recording_path) as run:
        result = run.nndyn.lyapunov()
    assert f"{result.attrs['verdict'].capitalize()}: {result.attrs['reason']}" in page.words
    assert nndyn.words.verdicts.VERDICTS[result.attrs["verdict"]].means in page.words
    assert "edge of stability not measured: record with --sharpness every:10" in page.words
    assert "quadratic loss not measured: record with --quadratic-model" in page.words
    assert "`" not in page.text


def test_what_was_asked_and_what_makes_it_again_stand_there(cli, trained_page, recording_path):
    page = read(trained_page)
    code, config, _ = cli("info", "--config", recording_path)
    assert code == 0
    assert config.strip() in page.text
    facts = json.loads(cli("info", "--json", recording_path)[1])
    for digest in (facts["id"], facts["manifest"]["system"]["train"]["sha256"]):
        assert digest in page.text
    for name, version in facts["manifest"]["versions"].items():
        assert f"{name} {version}" in page.words
    assert "model mlp:4-8-3" in page.words


def test_a_page_needs_no_script_and_no_other_file(trained_page):
    page = read(trained_page)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "iframe", "object", "embed", "base"}
    for tag, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs)
        for name in ("src", "href", "xlink:href"):
            assert attrs.get(name, "#").startswith(("#", "data:")), (tag, attrs)
    assert "http" not in page.html
    assert "@import" not in page.html


def test_figures_are_text_of_the_colour_of_the_page_and_share_no_identifier(trained_page):
    page = read(trained_page)
    figures = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len(figures) == 4  # a spectrum of replicas has none
    assert "no intervals and distributions to draw" in page.words
    assert "stroke: currentColor" in page.html
    assert "#000000" not in page.html.partition("</style>")[2]
    assert "test accuracy" in page.text
    assert len(set(page.identifiers)) == len(page.identifiers)
    assert page.references <= set(page.identifiers)


@pytest.mark.slow
def test_the_same_recording_gives_the_same_bytes(trained_page, recording_path, tmp_path):
    with nndyn.open(recording_path) as run:
        again = nndyn.report(run, tmp_path / "again.html")
    assert again.read_bytes() == trained_page.read_bytes()


def test_a_map_stands_beside_what_is_known_of_it(tmp_path, only):
    only("learning", "lyapunov")
    path = tmp_path / "m.nc"
    nndyn.record(nndyn.systems.logistic(r=4.0), path, steps=200, replicas=1, rescale=5).close()
    with nndyn.open(path) as run:
        subject = collect(run, "m.nc", "r0")
    assert subject.alternatives == {"known exponent": "0.693147 per step"}
    assert "of no training on class labels" in subject.absent["learning"]
    assert subject.facts.system == "logistic"


def test_several_recordings_have_a_comparison_and_a_section_each(recording_path, tmp_path, only):
    only("learning")
    series = nndyn.from_array(np.sin(0.3 * np.arange(80.0)))
    chosen = {"one": recording_path, "other": series}
    page = read(nndyn.report(chosen, tmp_path / "p.html"))
    assert [row[2] for row in page.rows if row[0] == "one"] == ["learning"]
    assert f"nndyn compare {recording_path.name} other" in page.words  # files, not names of ours
    assert f"nndyn analyze learning {recording_path.name}" in page.words
    assert [attrs.get("id") for tag, attrs in page.tags if tag == "h2"] == [None, "s1", "s2"]
    assert len(set(page.identifiers)) == len(page.identifiers)
    assert page.references <= set(page.identifiers)
    found = nndyn.compare(chosen)
    shown = {row[0]: row[1:] for row in page.rows if len(row) == 3}
    assert shown[""] == ["one", "other"]
    for name in ("growth", "determinism", "msd exponent"):
        values = found[name.replace(" ", "_")].values
        told = [cell.partition("\n")[0].partition(" #")[0] for cell in shown[name]]
        assert told == ["null" if v != v else show(float(f"{v:.4g}")) for v in values]
    for line in json.loads(found.attrs["warnings"]):
        assert flags(line) in page.words
    for line in json.loads(found["growth"].attrs["notes"]):
        assert flags(line) in page.words


def test_what_cannot_be_compared_is_said(small_study, recording_path, tmp_path, only):
    only("learning")
    empty = tmp_path / "study"
    shutil.copytree(small_study, empty)
    shutil.rmtree(empty / "cells")
    page = read(nndyn.report([recording_path, empty], tmp_path / "p.html"))
    assert "not compared: study: no run of the study" in page.words


def test_names_that_cannot_be_compared_leave_the_rest_of_a_page(tmp_path, only):
    only("autocorrelation")
    series = nndyn.from_array(np.sin(0.3 * np.arange(80.0)))
    page = read(nndyn.report({"": series, "other": series}, tmp_path / "p.html"))
    assert "not compared: a recording is called ''" in page.words
    assert [row[2] for row in page.rows if row[0] == "other"] == ["autocorrelation"]


def test_what_does_not_apply_is_listed_with_its_reason(tmp_path, monkeypatch):
    def never(recording, **options):
        raise DataError("not today")

    monkeypatch.setattr("nndyn.reports.recordings.analyzer", lambda name: never)
    series = nndyn.from_array([[1.0], [2.0], [3.0]])
    page = read(nndyn.report(series, tmp_path / "p.html"))
    assert "No analyzer applies to it: the reasons are below." in page.words
    assert "lyapunov not today" in page.words


@pytest.mark.parametrize("write", [KeyboardInterrupt, DataError])
def test_what_cuts_a_report_short_leaves_the_page_before(
    recording_path, tmp_path, monkeypatch, write
):
    page = tmp_path / "p.html"
    page.write_text("before")

    def cut(*args):
        raise write

    monkeypatch.setattr("nndyn.reports.recordings.collect", cut)
    with pytest.raises(write):
        nndyn.report(recording_path, page)
    assert [one.name for one in tmp_path.iterdir()] == ["p.html"]
    assert page.read_text() == "before"
