"""Progress bar of a command, its log, and ``-q``, which silences both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from nndyn.cli.output import say
from nndyn.runtime.progress import Bar, progress_bar

if TYPE_CHECKING:
    import xarray as xr

_QUIET = "nndyn.quiet"


def _silence(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    ctx.meta[_QUIET] = value


#: The option ``-q``, as a decorator.
quiet = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    expose_value=False,
    callback=_silence,
    help="Show results, warnings and errors only, no progress.",
)


def quiet_option() -> click.Option:
    """Return the option ``-q``."""

    @quiet
    def bearer() -> None: ...

    option: click.Option = bearer.__click_params__[0]  # type: ignore[attr-defined]
    return option


def is_quiet() -> bool:
    """Whether the command that runs was given ``-q``."""
    context = click.get_current_context(silent=True)
    return bool(context is not None and context.meta.get(_QUIET))


def log(line: str) -> None:
    """Say on standard error what is being done."""
    if not is_quiet():
        say(line, err=True)


@contextmanager
def command_bar(label: str, what: str = "", unit: str = "steps") -> Iterator[Bar]:
    """Give the bar of the command that runs; see `nndyn.runtime.progress.progress_bar`.

    Parameters
    ----------
    label, unit : str
    what : str
        What is done first.

    Yields
    ------
    Bar
        One that is not drawn, with ``-q``.
    """
    if is_quiet():
        yield Bar(label, unit, None)
        return
    with progress_bar(label, unit) as bar:
        bar.doing(what)
        yield bar


def analyzed(name: str, recording: xr.Dataset, bar: Bar, **options: Any) -> xr.Dataset:
    """Analyze a recording, and let a bar follow."""
    from analyzers.common.progress import telling
    from nndyn.analysis import analyzer

    with telling(bar.share):
        return analyzer(name)(recording, **options)
