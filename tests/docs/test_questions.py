"""Pages that answer a question: what they tell is what their recordings say."""

import shlex
from contextlib import redirect_stdout
from io import StringIO

import pytest

from nndyn.cli import nndyn
from nndyn.cli.lazy import run as run_command
from tests.pages import DOCS, Told, agree, cells, differences, execute, held, unprinted


def run(words):
    """Run a command in this process; return what it prints."""
    assert words[0] == "nndyn"
    printed = StringIO()
    with redirect_stdout(printed):
        assert run_command(nndyn, list(words[1:])) == 0, shlex.join(words)
    return printed.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["edge_of_stability", "learning_rate", "lorenz"])
def test_a_question_is_answered_with_what_its_recordings_say(name, tmp_path, monkeypatch):
    text = (DOCS / "questions" / f"{name}.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    printed = execute(text, name)
    assert unprinted(text, printed) == []
    once = remembered(run)
    assert list(differences(text, once)) == []
    # and one word or number that is another is noticed, wherever it stands
    for position in range(sum(len(paragraph.told) for paragraph in held(text))):
        wrong = changed(text, position)
        assert len(list(differences(wrong, once))) == 1, position


def remembered(run):
    """Return `run`, which runs a command once."""
    known = {}

    def asked(words):
        key = shlex.join(words)
        if key not in known:
            known[key] = run(words)
        return known[key]

    return asked


def changed(text, position):
    """Return a page in which one word or number that is held is another."""
    words = [told.text for paragraph in held(text) for told in paragraph.told]
    at = 0
    for one in words[: position + 1]:
        at = text.index(f"**{one}**", text.index("% held", at) if at == 0 else at + 1)
    word = words[position]
    other = "chaotic" if word != "chaotic" else "regular"
    if word[-1].isdigit():
        other = word[:-1] + str((int(word[-1]) + 5) % 10)
    return text[:at] + f"**{other}**" + text[at + len(word) + 4 :]


PAGE = """Before **7**.

```{code-cell} ipython3
:tags: [hide-input]
x = 3
print(x)
```

% held: nndyn analyze lyapunov a.nc --json | verdict, lyapunov_max
The run is **transient**: **0.37** [0.35, 0.39] per step.

```{code-cell} ipython3
x + 4
```
"""


def answer(value, low=0.3507, high=0.3912, verdict="transient"):
    """Return a command that says so."""
    result = f'{{"value": {value}, "ci": [{low}, {high}]}}'
    return lambda words: f'{{"verdict": "{verdict}", "results": {{"lyapunov_max": {result}}}}}'


def test_cells_have_their_line_and_run_as_in_a_notebook():
    assert [line for line, _ in cells(PAGE)] == [5, 13]
    assert execute(PAGE).split() == ["3", "7"]


def test_a_number_that_nothing_printed_is_named():
    assert unprinted(PAGE, execute(PAGE)) == []
    assert unprinted(PAGE, "3") == ["7"]


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        (answer(0.3709), 0),
        (answer(0.3766), 1),
        (answer(0.3709, low=0.3401), 1),
        (answer(0.3709, verdict="chaotic"), 1),
        (answer("null"), 1),
    ],
    ids=["as told", "another number", "another interval", "another verdict", "no number"],
)
def test_a_sentence_is_held_to_verdict_number_and_interval(found, wrong):
    assert len(list(differences(PAGE, found))) == wrong


def test_as_many_words_are_in_bold_as_are_held():
    with pytest.raises(ValueError, match="1 words in bold for 2 keys"):
        held(PAGE.replace("**transient**", "transient"))


@pytest.mark.parametrize(
    ("told", "value", "interval", "so"),
    [
        (Told("11.1"), 11.13, None, True),
        (Told("11.1"), 11.16, None, False),
        (Told("31"), 31.0, None, True),
        (Told("31"), 32.0, None, False),
        (Told("null"), None, None, True),
        (Told("0"), None, None, False),
        (Told("null"), 0.0, None, False),
        (Told("yes"), True, None, True),
        (Told("yes"), False, None, False),
        (Told("0.5", ("0.4", "0.6")), 0.5, None, False),
        (Told("0.50"), 0.509, [0.4, 0.6], True),
        (Told("0.50"), 0.511, [0.4, 0.6], False),
        (Told("6,400"), 6400, None, True),
        (Told("2e-3"), 0.0021, None, True),
        (Told("2e-3"), 0.0026, None, False),
        (Told("1"), float("nan"), None, False),
        (Told("some"), 1.0, None, False),
    ],
)
def test_numbers_agree_as_far_as_they_are_told(told, value, interval, so):
    assert agree(told, value, interval) is so
