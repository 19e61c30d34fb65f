"""The command line: one module a verb; each parses, calls and prints."""

from __future__ import annotations

import sys
import warnings

from nndyn.cli.lazy import LazyGroup, run, show_warning, unexpected

_VERBS = {
    "demo": ("nndyn.cli.demo:demo", "Two runs, one regular and one not, explained."),
    "record": ("nndyn.cli.record:record", "Run a system with perturbed replicas, store it all."),
    "sweep": ("nndyn.cli.sweep:sweep", "Record a study: a grid of options and seeds."),
    "analyze": (
        "nndyn.cli.analyze:analyze",
        "Compute from a recording or a study.",
    ),
    "onset": ("nndyn.cli.onset:onset", "Find the learning rate at the onset, with few runs."),
    "plot": ("nndyn.cli.plot:plot", "Draw a figure of a recording or study."),
    "info": ("nndyn.cli.info:info", "Say what a recording or study holds."),
    "verify": ("nndyn.cli.verify:verify", "Read every byte of a recording and check it."),
    "systems": ("nndyn.cli.systems:systems", "List the systems, or show one."),
}

nndyn = LazyGroup(
    "nndyn",
    _VERBS,
    help=(
        "Dynamical-systems analysis of neural-network training.\n\n"
        "Results go to standard output, everything else to standard error. Exit codes: 0 done; "
        "1 it could not be done; 2 wrong usage; 3 unresolved, with --strict; 4 the file is "
        "damaged, foreign or incomplete."
    ),
    versioned=True,
)


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the command ``nndyn``."""
    sys.excepthook = unexpected
    warnings.showwarning = show_warning
    sys.exit(run(nndyn, sys.argv[1:] if arguments is None else arguments))
