"""Table of the commands."""

from __future__ import annotations

from nndyn.cli.lazy import LazyGroup

_VERBS = {
    "demo": ("nndyn.cli.demo:demo", "Record, analyze and explain two runs."),
    "record": ("nndyn.cli.record:record", "Record a system with perturbed replicas."),
    "sweep": ("nndyn.cli.sweep:sweep", "Record a study over a grid of options and seeds."),
    "analyze": ("nndyn.cli.analyze:analyze", "Analyze a recording or a study."),
    "onset": ("nndyn.cli.onset:onset", "Find the learning rate at the onset of growth."),
    "compare": ("nndyn.cli.compare:compare", "Set recordings and studies side by side."),
    "plot": ("nndyn.cli.plot:plot", "Draw a figure of a recording or study."),
    "report": ("nndyn.cli.report:report", "Write a page on recordings or a study."),
    "info": ("nndyn.cli.info:info", "Show what a recording or study holds."),
    "verify": ("nndyn.cli.verify:verify", "Check every byte of a recording."),
    "systems": ("nndyn.cli.systems:systems", "List the systems, or show one."),
    "explain": ("nndyn.cli.explain:explain", "Explain a verdict and what to do next."),
    "examples": ("nndyn.cli.examples:examples", "Copy the example scripts into a folder."),
}

nndyn = LazyGroup(
    "nndyn",
    _VERBS,
    help=(
        "Dynamical-systems analysis of neural-network training.\n\n"
        "Results go to standard output, everything else to standard error. Exit codes: 0 done; "
        "1 failed; 2 wrong usage; 3 unresolved, with --strict; 4 the file is "
        "damaged, foreign or incomplete; 130 interrupted.\n\n"
        'For shell completion run eval "$(_NNDYN_COMPLETE=bash_source nndyn)"; in zsh, with '
        "zsh_source; in fish, _NNDYN_COMPLETE=fish_source nndyn | source."
    ),
    versioned=True,
)
