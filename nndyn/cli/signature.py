"""Command-line options of recordings, made from the table of options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from nndyn.cli.configuration import load_config
from nndyn.cli.parameters import (
    FilePath,
    Name,
    NetcdfPath,
    Number,
    Often,
    OneOf,
    Size,
    Tangents,
    Whole,
)
from nndyn.cli.progress import quiet_option
from nndyn.options import OPTIONS, Option
from nndyn.words.dialect import flags

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_TAKEN = [f"--{row.name}" for row in OPTIONS if row.of_trainings == "taken"]
#: What the help of maps and flows says of options of trainings that they take.
WITHOUT_EFFECT = (
    f"Accepted without effect, for scripts that record trainings as well: {', '.join(_TAKEN)}."
)


class _Data(Name):
    """A data set, for which the shell offers names, and files as well."""

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin so, or else let the shell look for files."""
        return super().shell_complete(ctx, param, incomplete) or FilePath().shell_complete(
            ctx, param, incomplete
        )


_KINDS: Mapping[str, Callable[[Option], Any]] = {
    "whole": lambda row: Whole(),
    "number": lambda row: Number(),
    "text": lambda row: None,
    "name": lambda row: Name(row.values),
    "terms": lambda row: Name(name.partition(":")[0] for name in row.values),
    "choice": lambda row: OneOf(row.values),
    "data": lambda row: _Data(row.values),
    "path": lambda row: FilePath(),
    "tangents": lambda row: Tangents(),
    "size": lambda row: Size(),
    "often": lambda row: Often(),
}


def recording_options(*, training: bool = False) -> Decorator:
    """Return a decorator that gives a command the options of a recording, and of its file.

    Parameters
    ----------
    training : bool, default False
        Whether it records trainings, and has their options too.

    Returns
    -------
    callable
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed([*_of_the_run(training), *_of_the_file()]):
            function.__dict__.setdefault("__click_params__", []).append(option)
        return function

    return decorate


def _of_the_run(training: bool) -> list[click.Option]:
    return [
        _option(row, training)
        for row in OPTIONS
        if row.kind and (training or not (row.group == "training" or row.of_trainings == "alone"))
    ]


def _option(row: Option, training: bool) -> click.Option:
    """Return a row of the table as an option of a command."""
    name = row.name.replace("_", "-")
    told = {"help": row.help, "metavar": row.metavar, **({} if training else row.elsewhere)}
    settings: dict[str, Any] = {**told, "help": flags(str(told["help"])), "required": row.required}
    settings["hidden"] = not training and row.of_trainings == "taken"
    if row.kind == "switch":
        return click.Option(
            [f"--no-{name}" if row.default else f"--{name}"], is_flag=True, **settings
        )
    default = str(row.default) if row.kind == "tangents" else row.default
    if row.default is not None:
        settings |= {"default": default, "show_default": row.told}
    return click.Option([f"--{name}"], type=_KINDS[row.kind](row), nargs=row.count, **settings)


def _of_the_file() -> list[click.Option]:
    return [
        click.Option(
            ["--resume"], is_flag=True, help="Continue the recording in the file, or start it."
        ),
        click.Option(
            ["--mix"],
            is_flag=True,
            help="Resume even if this version or machine rounds differently; the file notes it.",
        ),
        click.Option(["--overwrite"], is_flag=True, help="Replace the file."),
        click.Option(
            ["--take-over"],
            is_flag=True,
            help="Resume or replace a file whose writer on another host is known to be gone.",
        ),
        click.Option(
            ["--config"],
            type=FilePath(dir_okay=False),
            is_eager=True,
            expose_value=False,
            callback=load_config,
            help="TOML file with options; the command line takes precedence.",
        ),
        click.Option(
            ["--dry-run"], is_flag=True, help="Print what it would take and write nothing."
        ),
        click.Option(
            ["-o", "--output"],
            type=NetcdfPath(),
            required=True,
            help="The netCDF file to write.",
        ),
        quiet_option(),
    ]
