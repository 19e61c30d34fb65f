"""README and pages of docs tell what is so; and what compares them notices where they do not."""

import subprocess
import sys

import pytest

from analyzers import ANALYZERS
from tests.readme import DOCS, README, blocks, differences, fewer


@pytest.mark.slow
def test_every_block_of_the_first_pages_runs_in_an_empty_folder_and_prints_what_is_told():
    done = subprocess.run(
        [sys.executable, "-m", "tests.readme"],
        cwd=README.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def run_page(name, folder, monkeypatch, capsys):
    """Run the blocks of a page in a folder; return its text on one line, and what they print."""
    monkeypatch.chdir(folder)
    text = (DOCS / name).read_text(encoding="utf-8")
    names = {}
    for block in blocks(text):
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, name, "exec"), names)
    return " ".join(text.split()), capsys.readouterr().out


def test_a_page_on_loops_of_ones_own_runs_in_an_empty_folder(tmp_path, monkeypatch, capsys):
    told, said = run_page("own_loop.md", tmp_path, monkeypatch, capsys)
    told = told.replace("`model` nor `stateful`", "model nor stateful")
    said = said.replace("`", "").partition("; the recording ends")[0]
    assert said.startswith("the step from time 0 is not the same for equal rows")
    assert said in told


def test_a_page_on_watching_runs_in_an_empty_folder(tmp_path, monkeypatch, capsys):
    run_page("watch.md", tmp_path, monkeypatch, capsys)
    assert {one.name for one in tmp_path.iterdir()} == {"run.nc", "checkpoint.pt"}


def test_a_page_on_twins_runs_in_an_empty_folder(tmp_path, monkeypatch, capsys):
    told, said = run_page("twins.md", tmp_path, monkeypatch, capsys)
    _, refusal, notes = said.strip().split("\n")
    start, _, rest = refusal.partition(" (by up to ")
    assert start in told
    assert rest.partition("); ")[2].partition("; usual causes")[0] in told
    assert "finished runs are kept in .killed.nc.parts" in notes
    assert {one.name for one in tmp_path.iterdir()} == {"twins.nc", "killed.nc"}


def test_a_page_on_endings_runs_in_an_empty_folder(tmp_path, monkeypatch, capsys):
    _, said = run_page("endings.md", tmp_path, monkeypatch, capsys)
    assert said.startswith("connected [")


def test_a_page_on_reports_runs_in_an_empty_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("analyzers.rows", lambda: {"learning": ANALYZERS["learning"]})
    run_page("reports.md", tmp_path, monkeypatch, capsys)
    assert {one.name for one in tmp_path.iterdir()} == {"run.nc", "run.html", "named.html"}


def test_a_page_on_trainings_runs_in_an_empty_folder(tmp_path, monkeypatch, capsys):
    with pytest.warns(UserWarning, match="Signed is none of nndyn's own; replicas run one after"):
        run_page("training.md", tmp_path, monkeypatch, capsys)


def test_blocks_have_their_line_their_language_and_what_is_particular():
    text = "one\n\n<!-- tolerance 0.1 -->\n```\n$ nndyn a\nb 1\n$ nndyn c\n```\n"
    text += "\n```python\nx = 1\n```\n"
    first, second = blocks(text)
    assert (first.line, first.language, first.tolerance) == (5, "", 0.1)
    assert list(first.commands()) == [("nndyn a", "b 1\n"), ("nndyn c", "")]
    assert (second.line, second.language, second.text) == (11, "python", "x = 1\n")


@pytest.mark.parametrize(
    ("told", "printed", "differ"),
    [
        ("rate 0.5857", "rate   0.5858", 0),
        ("rate 0.5857", "rate 0.5957", 1),
        ("runs 45", "runs 46", 1),
        ("verdict regular", "verdict chaotic", 1),
        ("rate 0.58  [0.53, 0.64]", "rate 0.61  [0.57, 0.66]", 0),
        ("rate 0.58  [0.53, 0.64]", "rate 0.65  [0.60, 0.70]", 1),
        ("one\ntwo", "one", 1),
        ("one\n…", "one\ntwo\nthree", 0),
        ("one\n…", "two\ntwo", 1),
    ],
)
def test_numbers_are_compared_within_what_is_told_of_them(told, printed, differ):
    assert len(differences(told, printed)) == differ


def test_a_quick_run_has_fewer_steps_and_seeds():
    assert fewer("--steps 100000 --seeds 10") == "--steps 10000 --seeds 2"
    assert fewer("--steps 400 --lr 0.5:8:12log") == "--steps 400 --lr 0.5:8:3log"
