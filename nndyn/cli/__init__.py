"""Command line of nndyn: one module per command, which parses, calls and prints."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nndyn.cli.verbs import nndyn as nndyn

#: After how many new objects Python looks for garbage. Modules have some 400,000, which all stay;
#: to search them again and again, as it does by itself, is a sixth of the time in which they load.
_COLLECTIONS = 10_000, 10, 4


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the command ``nndyn``."""
    listener = None
    try:  # what is imported from here on may be interrupted
        from nndyn.cli.interrupts import Listener

        if arguments is None:  # the process is this command's
            gc.set_threshold(*_COLLECTIONS)
            listener = Listener()
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
