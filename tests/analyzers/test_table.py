import importlib.metadata
import subprocess
import sys
from typing import Literal

import pytest

import analyzers
from analyzers import ANALYZERS, load, names, options, rows
from nndyn.errors import UnknownNameError, UsageError
from nndyn.results import Recording, Window


def first(recording, *, size: float = 1.0):
    """First line.

    Parameters
    ----------
    recording : Dataset
    size : float, default 1
        How large it is,
        in two lines.
    """


def _plugins(monkeypatch, **targets):
    entries = [
        importlib.metadata.EntryPoint(name.rstrip("_"), target, analyzers.GROUP)
        for name, target in targets.items()
    ]
    monkeypatch.setattr(analyzers, "_entries", lambda: entries)


def test_every_row_loads_and_its_options_become_a_command():
    for name in ANALYZERS:
        found = options(load(name))
        assert all(option.help for option in found), name


def test_dashes_and_underscores_name_the_same_analyzer(monkeypatch):
    _plugins(monkeypatch, two_words="analyzers:names")
    assert load("two-words") is load("two_words")


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"no analyzer is called 'lyapunow'.*lyapunov"):
        load("lyapunow")


def test_plugin_of_another_distribution_joins_the_table(monkeypatch):
    _plugins(monkeypatch, mine="tests.analyzers.test_table:first")
    assert "mine" in names()
    assert rows()["mine"].summary == "First line."
    assert load("mine").__name__ == "first"


def test_clash_with_a_built_in_name_is_an_error_when_used(monkeypatch):
    _plugins(monkeypatch, lyapunov="somewhere:f")
    with pytest.raises(UsageError, match="'lyapunov' is claimed by nndyn and somewhere"):
        load("lyapunov")


def test_clash_between_two_distributions_is_an_error_when_used(monkeypatch):
    _plugins(monkeypatch, mine="here:f", mine_="there:f")
    with pytest.raises(UsageError, match="claimed by here:f and there:f"):
        load("mine")


def test_broken_plugin_is_a_warning_that_names_it_and_stops_no_other(monkeypatch):
    _plugins(monkeypatch, broken="nowhere_at_all:f", mine="tests.analyzers.test_table:first")
    with pytest.warns(UserWarning, match=r"'broken' of nowhere_at_all:f cannot be loaded"):
        table = rows()
    assert set(table) == {*ANALYZERS, "mine"}
    assert load("lyapunov")


def test_options_carry_annotation_default_and_help():
    (option,) = options(first)
    assert (option.name, option.annotation, option.default) == ("size", float, 1.0)
    assert option.help == "How large it is, in two lines."


def test_allowed_annotations_are_those_of_the_command_line():
    from collections.abc import Sequence

    def f(
        recording,
        *,
        a: bool = True,
        b: int | None = None,
        c: Literal["x", "y"] = "x",
        d: Sequence[float] = (),
        e: Window | None = None,
        g: str = "",
        h: Recording | None = None,
    ):
        pass

    assert [o.name for o in options(f)] == ["a", "b", "c", "d", "e", "g", "h"]


def test_other_annotations_are_refused_with_the_parameter_named():
    def f(recording, *, a: dict[str, int] | None = None):
        pass

    with pytest.raises(UsageError, match=r"parameter 'a' of .* is annotated"):
        options(f)


def test_positional_options_are_refused():
    def f(recording, a: int = 1):
        pass

    with pytest.raises(UsageError, match=r"parameter 'a' of .* must be keyword-only"):
        options(f)


def test_importing_the_table_loads_no_heavy_package():
    heavy = ("numba", "xarray", "numpy")
    code = f"import sys, analyzers; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
