"""A command group that imports a command when it is used, and one place where errors end."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from nndyn._version import __version__
from nndyn.errors import NndynError


class LazyGroup(click.Group):
    """A group whose commands are ``name → (module:attribute, one line of help)``."""

    def __init__(
        self,
        name: str,
        targets: Mapping[str, tuple[str, str]],
        *,
        help: str,
        versioned: bool = False,
    ) -> None:
        super().__init__(name, help=help, context_settings={"help_option_names": ["-h", "--help"]})
        self._targets = targets
        if versioned:
            click.version_option(__version__, prog_name="nndyn")(self)
            self.params.append(
                click.Option(["--debug"], is_flag=True, help="Show the traceback of an error.")
            )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(self._targets)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command called `cmd_name`; None if there is none."""
        if cmd_name not in self._targets:
            return None
        module, _, attribute = self._targets[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which there are."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            known = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"unknown command {name!r}; known: {known}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._targets.items()])


def run(group: click.Group, arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; an error is one line on standard error."""
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    try:
        value: Any = group.main(args=list(arguments), prog_name="nndyn", standalone_mode=False)
        sys.stdout.flush()
        return value if isinstance(value, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _fail(_one_line(error), 2, debug)
    except (KeyboardInterrupt, click.Abort):
        return _fail(
            "interrupted; a recording under way was committed, --resume goes on", 130, debug
        )
    except BrokenPipeError:
        # the reader of our output has gone: leave without a complaint from the interpreter
        _discard_output()
        return 1
    except NndynError as error:
        return _fail(str(error), error.exit_code, debug)
    except OSError as error:  # the system's: a full disk under standard output or a cache, say
        return _refused(error, debug)
    except MemoryError as error:
        return _fail(f"out of memory: {error}", 1, debug)


def _discard_output() -> None:
    """Let what standard output still holds go nowhere."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refused(error: OSError, debug: bool) -> int:
    """Say what the system refused."""
    name = error.filename or "standard output or a temporary file"
    return _fail(f"cannot read or write {name}: {error.strerror or error}", 1, debug)


def _one_line(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    if isinstance(error, click.UsageError) and context is not None:
        message = f"{message.rstrip('.')}; see '{context.command_path} --help'"
    return message


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    try:
        sys.stdout.flush()
    except OSError:  # the interpreter would try again, and complain
        _discard_output()
    click.echo(f"nndyn: {' '.join(message.split())}", err=True)
    return code


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """Show a Python warning as a line on standard error."""
    click.echo(f"warning: {' '.join(str(message).split())}", err=True)


def unexpected(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Say in one line that nndyn itself failed; the traceback comes with ``--debug``."""
    if "--debug" in sys.argv:
        sys.__excepthook__(kind, error, trace)
        return
    message = " ".join(f"{kind.__name__}: {error}".split())
    click.echo(f"nndyn: internal error, {message}; run again with --debug and report it", err=True)
