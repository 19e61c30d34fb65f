"""The table of the verbs."""

from __future__ import annotations

from nndyn.cli.lazy import LazyGroup

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
    "explain": ("nndyn.cli.explain:explain", "Say what a verdict means and what to do next."),
    "examples": ("nndyn.cli.examples:examples", "Copy the example scripts into a folder."),
}

nndyn = LazyGroup(
    "nndyn",
    _VERBS,
    help=(
        "Dynamical-systems analysis of neural-network training.\n\n"
        "Results go to standard output, everything else to standard error. Exit codes: 0 done; "
        "1 it could not be done; 2 wrong usage; 3 unresolved, with --strict; 4 the file is "
        "damaged, foreign or incomplete; 130 interrupted.\n\n"
        'Names complete in the shell after: eval "$(_NNDYN_COMPLETE=bash_source nndyn)", in zsh '
        "with zsh_source; of fish: _NNDYN_COMPLETE=fish_source nndyn | source."
    ),
    versioned=True,
)
