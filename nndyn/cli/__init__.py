"""Command line of nndyn: one module per command, which parses, calls and prints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nndyn.cli.verbs import nndyn as nndyn


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the command ``nndyn``."""
    listener = None
    try:  # what is imported from here on may be interrupted
        from nndyn.cli.interrupts import Listener

        listener = Listener() if arguments is None else None
        import warnings

        from nndyn.cli.lazy import run, show_warning, unexpected
        from nndyn.cli.verbs import nndyn

        sys.excepthook = unexpected
        warnings.showwarning = show_warning
        given = sys.argv[1:] if arguments is None else arguments
        code = run(nndyn, given, listener=listener)
    except KeyboardInterrupt:
        sys.stderr.write("nndyn: interrupted\n")
        code = 130
    if listener is not None:
        listener.ending(code, "" if code else "nndyn: interrupted; all was done\n")
    sys.exit(code)


def __getattr__(name: str) -> Any:
    if name == "nndyn":
        from nndyn.cli.verbs import nndyn

        return nndyn
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
