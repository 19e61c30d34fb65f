"""Tutorials run as they stand, and the numbers they tell are those that they print."""

import ast

import pytest

from tests.pages import DOCS, cells, execute, held, unprinted

NOTEBOOKS = {
    f"{page.parent.name}/{page.stem}": page
    for folder in ("tutorials", "questions")
    for page in sorted((DOCS / folder).glob("*.md"))
    if "file_format: mystnb" in page.read_text(encoding="utf-8")
}
TUTORIALS = [name for name in NOTEBOOKS if name.startswith("tutorials")]


@pytest.mark.slow
@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_runs_in_an_empty_folder_and_tells_what_it_prints(name, tmp_path, monkeypatch):
    text = NOTEBOOKS[name].read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert unprinted(text, execute(text, name)) == []


@pytest.mark.parametrize("name", list(NOTEBOOKS))
def test_every_cell_is_python_and_every_held_paragraph_has_its_keys(name):
    text = NOTEBOOKS[name].read_text(encoding="utf-8")
    found = cells(text)
    assert len(found) == text.count("```{code-cell}")
    for _, code in found:
        ast.parse(code)
    assert text.count("% held:") >= len(held(text)) >= name.startswith("questions")
    assert "real study" in text
