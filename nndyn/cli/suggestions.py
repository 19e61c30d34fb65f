"""Suggestions for a command line that cannot be understood."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import click

from nndyn.words.names import OPTIONS, called, did_you_mean, meant

#: What is to be known beside the name of an option.
_NOTES = {
    "epochs": "a step is one batch: an epoch of S samples takes S / batch-size steps, one in full "
    "batch"
}
_NOTES |= dict.fromkeys(("epoch", "num-epochs"), _NOTES["epochs"])
_TABLES = (".csv", ".tsv", ".txt", ".dat", ".npy", ".csv.gz")


def no_such_option(error: click.NoSuchOption, arguments: Sequence[str]) -> str:
    """Return a message on an option that a command does not have, with the one that is meant.

    Parameters
    ----------
    error : click.NoSuchOption
    arguments : sequence of str
        The command line.

    Returns
    -------
    str
    """
    given, value = _as_typed(error.option_name, arguments)
    message, name = f"No such option {given}", given.lstrip("-")
    if error.ctx is None or not name:
        return message
    if parameter := _parameter(error.ctx, name, value, arguments):
        return f"{message}; {parameter}"
    flags = _flags(error.ctx.command)
    found = [name] if name in flags else called(name, flags, OPTIONS)
    command, flag = _elsewhere(error.ctx, name) if not found else ("", "")
    if command:
        return f"{message}; {'it' if flag == given else flag} is an option of {command}"
    found = found or meant(name, flags)
    if not found:
        return message
    note = f" ({_NOTES[name]})" if name in _NOTES else ""
    return f"{message}; did you mean {' or '.join(f'--{one}' for one in found)}?{note}"


def no_such_command(
    ctx: click.Context, arguments: Sequence[str], known: Iterable[str], said: str
) -> str:
    """Return a message on a command that a group does not have, with the line that is meant.

    Parameters
    ----------
    ctx : click.Context
        Of the group.
    arguments : sequence of str
        What follows its name.
    known : iterable of str
        Its commands.
    said : str
        How the message begins.

    Returns
    -------
    str
    """
    known = list(known)
    group = "" if ctx.parent is None else str(ctx.info_name)
    words = _line(group, arguments[0], list(arguments[1:]), known)
    if words is None:
        return said + did_you_mean(arguments[0], known)
    return f"{said}; did you mean '{shlex.join(['nndyn', *filter(None, [group]), *words])}'?"


def _line(group: str, name: str, rest: list[str], known: list[str]) -> list[str] | None:
    """Return the words after the name of a group that are meant; None where there are none."""
    path = Path(name)
    is_path = path.exists() or path.suffix.lower() in (".nc", *_TABLES)
    if group in ("analyze", "plot") and is_path:
        first = next((word for word in rest if word in known), None)
        return [first or ("study" if group == "plot" and path.is_dir() else "lyapunov"), name]
    if group in ("record", "sweep"):
        return _system(name, group, known)
    if group or is_path:
        return None if group else ["info", name]
    return _command(name, rest, known)


def _command(name: str, rest: list[str], known: list[str]) -> list[str] | None:
    """Return the words of a command of the top level."""
    import analyzers
    from nndyn.systems.catalogue import CATALOGUE

    if meant(name, known)[:1] and name not in (*CATALOGUE, "training"):
        return None
    if name in analyzers.names():
        return ["analyze", name, *rest[:1]]
    if name in ("training", "map", "flow", "gd", "series"):
        return ["record", name, *rest[:1]]
    found = _system(name, "record", ["map", "flow", "gd", "training"])
    return None if found is None else ["record", *found]


def _system(name: str, group: str, known: list[str]) -> list[str] | None:
    """Return the words that record or sweep a system, a data set, a network or a table."""
    from nndyn.options import CHOICES
    from nndyn.systems.catalogue import CATALOGUE

    if group == "record" and name.lower().endswith(_TABLES):
        return ["series", name]
    if name in CHOICES["data"]:
        return ["training", "--data", name]
    if ":" in name:
        return ["training", "--model", name]
    found = [name] if name in CATALOGUE else [] if meant(name, known) else meant(name, CATALOGUE)
    return [CATALOGUE[found[0]].kind, found[0]] if found else None


def _as_typed(name: str, arguments: Sequence[str]) -> tuple[str, str]:
    """Return an option as it was typed, ``-lr`` of which the first letter is known, and its value.

    Returns
    -------
    option, value : str
        The value is empty where none follows.
    """
    for i, word in enumerate(arguments):
        typed, equals, value = word.partition("=")
        if typed == name or (len(name) == 2 and name[0] == "-" != name[1] and typed[:2] == name):
            following = arguments[i + 1] if i + 1 < len(arguments) else ""
            return typed, value if equals else following
    return name, ""


def _flags(command: click.Command) -> list[str]:
    """Return the long names of the options of a command, without dashes."""
    options = [p for p in command.params if isinstance(p, click.Option)]
    names = [flag for p in options for flag in (*p.opts, *p.secondary_opts)]
    return [flag.removeprefix("--") for flag in names if flag.startswith("--")]


def _parameter(ctx: click.Context, name: str, value: str, arguments: Sequence[str]) -> str:
    """Say how a parameter of a named system is given, if it is one."""
    from nndyn.systems.catalogue import CATALOGUE

    if "param" not in {p.name for p in ctx.command.params}:
        return ""
    forms = (word.replace("-", "_").lower() for word in arguments)
    row = next((CATALOGUE[form] for form in forms if form in CATALOGUE), None)
    if row is None:
        return ""
    found = [key for key in row.parameters if key.lower() == name.replace("-", "_").lower()]
    return f"it is a parameter: --param {found[0]}={value or 'VALUE'}" if found else ""


def _elsewhere(ctx: click.Context, name: str) -> tuple[str, str]:
    """Return a command that has an option of that name, or of that meaning, and the option."""
    for words in ("record training", "record flow", "record series", "sweep training"):
        flags = _flags(_found(ctx, words))
        if name in flags:
            return f"'nndyn {words}'", f"--{name}"
        if named := called(name, flags, OPTIONS):
            return f"'nndyn {words}'", f"--{named[0]}"
    return "", ""


def _found(ctx: click.Context, words: str) -> click.Command:
    found = ctx.find_root().command
    for word in words.split():
        group = cast(click.Group, found)
        found = cast(click.Command, group.get_command(click.Context(group), word))
    return found
