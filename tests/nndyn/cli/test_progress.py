"""Every command that may take long has a bar, and ``-q``, which leaves results alone."""

import contextlib

import click
import pytest

from nndyn.cli import nndyn
from nndyn.cli import progress as bars
from nndyn.runtime.progress import Bar

LONG = ("demo", "record", "sweep", "analyze", "onset", "plot", "report", "verify")


def commands(name, command):
    if not isinstance(command, click.Group):
        yield name, command
        return
    with click.Context(command) as context:
        for part in command.list_commands(context):
            yield from commands(f"{name} {part}", command.get_command(context, part))


def test_every_command_that_may_take_long_can_be_quiet():
    with click.Context(nndyn) as context:
        found = [c for name in LONG for c in commands(name, nndyn.get_command(context, name))]
    assert len(found) > 20
    for name, command in found:
        flags = [flag for p in command.params for flag in p.opts]
        assert flags.count("-q") == flags.count("--quiet") == 1, name


@pytest.fixture
def begun(monkeypatch):
    """The bars that were begun, with all that they were told to be doing."""
    found = []

    @contextlib.contextmanager
    def bar(label, unit="steps"):
        made = Bar(label, unit, None)
        found.append(made)
        yield made

    monkeypatch.setattr(bars, "progress_bar", bar)
    return found


def test_commands_have_one_bar_each_and_none_with_q(cli, begun):
    record = ("record", "map", "logistic", "--steps", 40, "--replicas", 1, "-o", "r.nc")
    for command in (record, ("analyze", "lyapunov", "r.nc"), ("verify", "r.nc")):
        code, out, err = cli(*command)
        assert (code, len(begun), err) == (0, 1, ""), err
        assert begun.pop().total
        again = (*command, "--overwrite") if command is record else command
        assert cli(*again, "-q") == (0, out, "")
        assert begun == []


def test_a_bar_says_what_is_being_done(cli, begun):
    cli("record", "map", "logistic", "--steps", 40, "--replicas", 1, "-o", "r.nc")
    assert begun[0].title == "r.nc: recording logistic"
    assert (begun[0].done, begun[0].total) == (40, 40)
