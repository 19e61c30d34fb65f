"""Option ``--config``: a file with defaults for the other options of a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nndyn.cli.parameters import FilePath, Grid
from nndyn.errors import UsageError
from nndyn.kinds import shown
from nndyn.runtime import config

#: Where a command finds which file its options are from.
_READ = "nndyn.runtime.config"


def config_files() -> list[Path]:
    """Return the file that gave options to the command that runs, if there is one."""
    path = click.get_current_context().meta.get(_READ)
    return [] if path is None else [path]


def load_config(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    """Let a file give defaults; the command line still comes first."""
    if path is None:
        return
    options = {p.name for p in ctx.command.params if isinstance(p, click.Option) and p.name}
    ctx.meta[_READ] = path
    values = config.read(path, options - {"config", "help"})
    for option in ctx.command.params:
        if option.name in values and option.name != "param":
            _check_kind(path, option, values[option.name])
    if isinstance(values.get("param"), dict):
        values["param"] = [f"{name}={_listed(v)}" for name, v in values["param"].items()]
    ctx.default_map = values


def config_option(more: str = "") -> click.Option:
    """Return the option that reads a TOML file; `more` is said of it as well."""
    return click.Option(
        ["--config"],
        type=FilePath(dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=load_config,
        help=f"TOML file with options; the command line takes precedence.{more}",
    )


def _listed(value: Any) -> str:
    """Return a value of a file as it is written on the command line."""
    each = value if isinstance(value, list) else [value]
    return ",".join(v if isinstance(v, str) else shown(v) for v in each)


def _check_kind(path: Path, option: click.Parameter, value: Any) -> None:
    """Refuse a value of another kind than the option's, which click would convert or choke on."""
    kinds = {"integer": int, "float": int | float, "boolean": bool, "number": int | str}
    kind = kinds.get(option.type.name, str)
    grid = isinstance(option.type, Grid)
    items = value if (grid or option.nargs > 1) and isinstance(value, list) else [value]
    if grid:  # a grid may be written as on the command line
        kind = kind | str
    whole = option.type.name in ("integer", "number")  # 1e3 is one
    items = [int(v) if whole and isinstance(v, float) and v.is_integer() else v for v in items]
    good = (grid or len(items) == option.nargs) and all(isinstance(v, kind) for v in items)
    if not good or (kind is not bool and any(isinstance(v, bool) for v in items)):
        raise UsageError(f"{path}: {option.name} is {shown(value)}, expected {option.type.name}")
