"""What files say stays text on a page, and is refused on the command line as everywhere."""

import os
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import nndyn
from nndyn.errors import UsageError
from nndyn.figures.sheet import drawn
from nndyn.reports import page as pages
from nndyn.reports.content import Entry
from nndyn.reports.pictures import inlined, picture
from nndyn.reports.recordings import collect
from nndyn.words.tables import Table
from tests.nndyn.reports.conftest import Page, read

SCRIPT = "<script>alert(1)</script>"
HOSTILE = (SCRIPT, '"><img src=x onerror=alert(1)>', "</style></svg>{{ 7 * 7 }}", "\u202eturned")


def spoiled(value, text):
    """The same content with every text replaced."""
    if isinstance(value, Table):
        return Table(((text, text),) * 2, [(text, text)])
    if is_dataclass(value):
        kept = {f.name: getattr(value, f.name) for f in fields(value)}
        but = ("kind", "svg", "page")
        changed = {k: v if k in but else spoiled(v, text) for k, v in kept.items()}
        return replace(value, **changed)
    if isinstance(value, dict):
        return {text: text}
    if isinstance(value, list | tuple):
        return [spoiled(one, text) for one in value]
    return text if isinstance(value, str) else value


@pytest.fixture(scope="module")
def walk():
    return nndyn.from_array(np.cumsum(np.random.default_rng(0).standard_normal((60, 2)), axis=0))


@pytest.fixture(scope="module")
def subject(walk):
    return collect(walk, "walk", "r0")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_markup_wherever_it_stands(subject, text):
    one = spoiled(subject, text)
    calm = Page(pages.subjects("t", [subject, subject])).tags
    together = one.analyses[0]
    for html in (pages.subjects(text, [one]), pages.subjects(text, [one, one], together)):
        found = Page(html)
        assert {tag for tag, _ in found.tags} <= {tag for tag, _ in calm} | {"pre", "p", "br"}
        assert not any(name.startswith("on") for _, attrs in found.tags for name in attrs)
        assert "\u202e" not in html
        assert "49" not in found.text
    assert SCRIPT not in pages.index(text, [Entry(text, text, text, text, text, text, text, "a")])


def test_what_files_say_is_not_taken_for_an_option_of_a_message(subject):
    facts = replace(subject.facts, asked={"data": "`overwrite=True`.csv"})
    html = pages.subjects("t", [replace(subject, facts=facts)])
    assert "`overwrite=True`.csv" in html


def test_a_data_set_and_a_recording_of_such_names_are_shown_as_text(cli, only, tmp_path):
    only("learning")
    data = Path(tmp_path, "<b>x<script>.csv")
    rows = [f"{i % 7},{i % 5},{i % 2}" for i in range(40)]
    data.write_text("\n".join(["a,<script>alert(1)<!--,label", *rows]))
    words = ("--data", data, "--model", "mlp:2-2", "--lr", 0.1, "--steps", 5, "--replicas", 1)
    name = "<img src=x onerror=alert(1)>\x1b[2J.nc"
    code, _, err = cli("record", "training", *words, "-o", name)
    assert code == 0, err
    code, out, err = cli("report", name, "-o", "p.html", "-q")
    assert (code, out) == (0, "p.html\n"), err
    found = read(Path("p.html"))
    assert not {"script", "img", "b"} & {tag for tag, _ in found.tags}
    assert "<b>x<script>.csv" in found.text
    assert "<img src=x onerror=alert(1)>\\x1b[2J.nc" in found.text


def test_names_in_figures_are_text_and_no_formula():
    def panel(ax):
        ax.plot([0, 1], [0, 1], label="$x^2$ id='p1'")
        ax.set_xlabel(SCRIPT)

    svg = inlined(drawn([panel], None, "caption"), "f")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in svg
    assert "<script" not in svg
    assert "$x^2$ id='p1'" in svg
    assert svg == inlined(drawn([panel], None, "caption"), "f")


def test_a_figure_that_cannot_be_drawn_is_replaced_by_its_reason():
    def refuse():
        raise UsageError("no room")

    found = picture(refuse, "What it shows.", "f")
    assert (found.svg, found.reason, found.caption) == ("", "no room", "What it shows.")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("gone.nc -o p.html", 2, "gone.nc does not exist"),
        ("notes.txt -o p.html", 4, "notes.txt is not an nndyn recording"),
        ("run.nc -o p.pdf", 2, "p.pdf: expected a name that ends in .html or .htm"),
        ("run.nc -o gone/p.html", 2, "folder gone does not exist"),
        ("run.nc run.nc -o p.html", 2, "run.nc is given twice"),
        ("run.nc empty -o p.html", 2, "empty has no study.json"),
        ("empty -o p.html", 2, "empty holds no recording (.nc) and no study"),
        ("run.nc", 2, "Missing option '-o'"),
        ("-o p.html", 2, "Missing argument 'PATH...'"),
        ("run.nc -o link.html", 2, "link.html is what is read"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(cli, recording_path, words, code, message):
    Path("run.nc").write_bytes(recording_path.read_bytes())
    Path("notes.txt").write_text("no recording")
    Path("empty").mkdir()
    Path("link.html").symlink_to("run.nc")
    before = sorted(os.listdir())
    found, out, err = cli("report", *words.split())
    assert (found, out, err.count("\n")) == (code, "", 1), err
    assert message in err
    assert sorted(os.listdir()) == before
    assert Path("run.nc").read_bytes() == recording_path.read_bytes()


@pytest.mark.parametrize(
    ("what", "message"),
    [(3, "what is 3, expected a recording"), ([], "nothing to report on"), ([3], "what is 3")],
)
def test_what_is_no_recording_is_refused_in_python(tmp_path, what, message):
    with pytest.raises(UsageError, match=message):
        nndyn.report(what, tmp_path / "p.html")


def test_a_result_is_no_recording(walk, tmp_path):
    with pytest.raises(UsageError, match="is the result of an analyzer, expected the recording"):
        nndyn.report(walk.nndyn.recurrence(), tmp_path / "p.html")
