"""Every verdict and status that nndyn prints is explained, in one place."""

import ast
from pathlib import Path

import pytest

import analyzers
from analyzers.studies.curves import KINDS
from nndyn.errors import UnknownNameError
from nndyn.header import STATUSES
from nndyn.studies import index
from nndyn.studies.folder import BEGUN, FAILED
from nndyn.words.verdicts import VERDICTS, explanation

SOURCES = [*Path(analyzers.__file__).parent.rglob("*.py")]
SOURCES += [Path(analyzers.__file__).parents[1] / "nndyn" / "finder" / "labels.py"]
#: Functions that return a verdict and its reason.
JUDGES = {"_verdict", "_judged", "judged", "kind"}


def first_text(node):
    """The texts that stand first in what is returned, or before ``if`` and ``else``."""
    if isinstance(node, ast.Tuple):
        yield from first_text(node.elts[0])
    elif isinstance(node, ast.IfExp):
        yield from (*first_text(node.body), *first_text(node.orelse))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def verdicts_in(tree):
    """What is called a verdict: assigned to one, given as one, or returned by who judges."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if getattr(node.func, "id", "") == "Verdict":
                yield from first_text(node.args[0])
            for keyword in node.keywords:
                if keyword.arg == "verdict":
                    yield from first_text(keyword.value)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
                for name, value in zip(names, values, strict=False):
                    if getattr(name, "id", "") == "verdict":
                        yield from first_text(value)
        elif isinstance(node, ast.FunctionDef) and node.name in JUDGES:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield from first_text(inner.value)


def test_every_verdict_that_an_analyzer_returns_is_explained():
    found = {word for path in SOURCES for word in verdicts_in(ast.parse(path.read_text()))}
    assert {"chaotic", "withheld", "not learned", "imprecise", "finite-time", "full"} <= found
    assert {"at the onset (not distinguishable)", "above the grid", "stationary"} <= found
    assert found | set(KINDS) <= VERDICTS.keys() | {""}


def test_every_status_is_explained():
    listed = index._TEXTS["status"].replace("or ", "").split(", ")
    assert {"missing", "damaged", "foreign", "interrupted"} <= set(listed)
    assert {*STATUSES, BEGUN, FAILED, *listed} <= VERDICTS.keys()


def test_nothing_is_explained_that_is_never_said():
    text = "\n".join(path.read_text() for path in Path(analyzers.__file__).parent.rglob("*.py"))
    nndyn = Path(analyzers.__file__).parents[1] / "nndyn"
    others = [p for p in nndyn.rglob("*.py") if p.name != "verdicts.py"]
    text += "\n".join(path.read_text() for path in others)
    assert [word for word in VERDICTS if f'"{word}"' not in text] == []


@pytest.mark.parametrize("word", ["Not-Learned", "not_learned", " not  learned"])
def test_words_are_known_however_they_are_written(word):
    assert explanation(word) is VERDICTS["not learned"]


def test_a_word_in_brackets_may_be_left_out():
    whole = VERDICTS["at the onset (not distinguishable)"]
    assert explanation("at the onset") is whole


def test_an_unknown_word_is_answered_with_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"known: regular, .*did you mean 'transient'\?"):
        explanation("transcient")
