"""Lazy command groups, which import a command on first use, and the one handler of errors."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from nndyn._version import __version__
from nndyn.cli.interrupts import EXIT_CODE, Listener
from nndyn.cli.output import print_json, print_lines, say
from nndyn.cli.suggestions import no_such_command, no_such_option
from nndyn.errors import NndynError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: Where a command leaves what to say if it is interrupted.
_SAY = "if interrupted"
#: The option with which a command prints one JSON object, of an error too.
JSON = "--json"
#: Characters of a line of help on a command: as many as it has.
_WHOLE = 1000


class _Interrupted(Exception):  # noqa: N818
    """KeyboardInterrupt, on its way past click, which would write an empty line for it."""


class Group(click.Group):
    """A group that says which of its commands is meant where there is none of a name."""

    #: How the message begins.
    unknown = "No such command {name!r}; known: {known}"

    def summaries(self, ctx: click.Context) -> dict[str, str]:
        """Return a line on every command, by name."""
        found = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        return {n: one.get_short_help_str(_WHOLE) for n, one in found.items() if one is not None}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, none of the lines cut."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries(ctx).items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which there are, and which is meant."""
        known, name = self.list_commands(ctx), args[0]
        if not (name.startswith("-") or self.is_known(ctx, name) or ctx.resilient_parsing):
            said = self.unknown.format(name=name, known=", ".join(known))
            raise click.UsageError(no_such_command(ctx, args, known, said), ctx)
        return super().resolve_command(ctx, args)

    def is_known(self, ctx: click.Context, name: str) -> bool:
        """Whether there is a command of that name."""
        return name in self.list_commands(ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin so, without importing commands."""
        from click.shell_completion import CompletionItem

        found = self.summaries(ctx).items()
        commands = [CompletionItem(n, help=line) for n, line in found if n.startswith(incomplete)]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]


class LazyGroup(Group):
    """A group whose commands are ``name → (module:attribute, one line of help)``."""

    unknown = "unknown command {name!r}; known: {known}"

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

    def summaries(self, ctx: click.Context) -> dict[str, str]:
        """Return a line on every command, by name, without importing any."""
        return {name: line for name, (_, line) in self._targets.items()}

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise _Interrupted from error


def if_interrupted(say: Callable[[], str]) -> None:
    """Let a command say what is true if it ends by Ctrl-C.

    Parameters
    ----------
    say : callable
        Called then; returns what follows "interrupted; ".
    """
    click.get_current_context().ensure_object(dict)[_SAY] = say


def run(group: click.Group, arguments: Sequence[str], *, listener: Listener | None = None) -> int:
    """Run a command line and return its exit code; an error is one line on standard error."""
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    as_json = JSON in arguments
    state: dict[str, Any] = {}
    try:
        value: Any = group.main(
            args=list(arguments), prog_name="nndyn", standalone_mode=False, obj=state
        )
        sys.stdout.flush()
    except BaseException as error:
        pressed = listener is not None and listener.pressed  # whatever became of the interrupt
        if not (pressed or isinstance(error, KeyboardInterrupt | _Interrupted | click.Abort)):
            code = _explained(error, arguments, debug)
            if code is None:
                raise
            return code
        if debug:
            _print_traceback()
    else:
        if listener is None or not listener.pressed:
            return value if isinstance(value, int) else 0
    # the command's own objects are gone here, and with them all that it held
    return _interrupted(state, listener, as_json)


def _explained(error: BaseException, arguments: Sequence[str], debug: bool) -> int | None:
    """Say what an error means and return the exit code; None of one that is not ours."""
    as_json = JSON in arguments
    match error:
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)
            return 2
        case click.ClickException():
            return _fail(_one_line(error, arguments), 2, debug, as_json)
        case BrokenPipeError():
            # the reader of our output has gone: leave without a complaint from the interpreter
            _discard_output()
            return 1
        case NndynError():
            return _fail(str(error), error.exit_code, debug, as_json)
        case OSError():  # the system's: a full disk under standard output or a cache, say
            return _refused(error, debug, as_json)
        case MemoryError():
            return _fail(f"out of memory: {error}", 1, debug, as_json)
    return None


def _interrupted(state: dict[str, Any], listener: Listener | None, as_json: bool) -> int:
    """Say what is true of a command that Ctrl-C ended; return the exit code."""
    if listener is not None:
        listener.ending(EXIT_CODE, "nndyn: interrupted\n")
    if sys.stderr.isatty():
        click.echo(err=True)  # the terminal has written ^C
    try:
        said = state[_SAY]() if _SAY in state else ""
    except (NndynError, OSError):  # not to be known now: another process is at it, say
        said = ""
    if listener is not None:
        listener.ending(EXIT_CODE)
    return _fail(f"interrupted{'; ' if said else ''}{said}", EXIT_CODE, False, as_json)


def _discard_output() -> None:
    """Let what standard output still holds go nowhere."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refused(error: OSError, debug: bool, as_json: bool) -> int:
    """Say what the system refused."""
    name = error.filename or "standard output or a temporary file"
    message = f"cannot read or write {name}: {error.strerror or error}"
    return _fail(message, 1, debug, as_json)


def _one_line(error: click.ClickException, arguments: Sequence[str]) -> str:
    message = " ".join(error.format_message().split())
    if isinstance(error, click.NoSuchOption):
        message = no_such_option(error, arguments)
    values = getattr(getattr(error, "param", None), "nargs", 1)
    if isinstance(error, click.BadParameter) and values > 1:
        message = f"{message.rstrip('.')}; it takes {values} values"
    context = getattr(error, "ctx", None)
    if isinstance(error, click.UsageError) and context is not None:
        see = f"'{context.command_path} --help'"
        asks = message.endswith(("?", "?)"))
        message = f"{message} See {see}" if asks else f"{message.rstrip('.')}; see {see}"
    return message


def _print_traceback() -> None:
    print_lines(traceback.format_exc(), err=True)


def _fail(message: str, code: int, debug: bool, as_json: bool) -> int:
    if debug:
        _print_traceback()
    message = " ".join(message.split())
    try:
        if as_json:
            print_json({"error": message})
        sys.stdout.flush()
    except OSError:  # the interpreter would try again, and complain
        _discard_output()
    say(f"nndyn: {message}", err=True)
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
    say(f"warning: {' '.join(str(message).split())}", err=True)


def unexpected(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Say in one line that nndyn itself failed; the traceback comes with ``--debug``."""
    if "--debug" in sys.argv:
        print_lines("".join(traceback.format_exception(error)), err=True)
        return
    message = f"internal error, {kind.__name__}: {error}; run again with --debug and report it"
    _fail(message, 1, False, JSON in sys.argv)
