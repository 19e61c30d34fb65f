"""``nndyn explain [VERDICT]``."""

from __future__ import annotations

import shutil
import textwrap

import click

from nndyn.cli.output import print_lines, say
from nndyn.cli.parameters import Name
from nndyn.words.dialect import flags
from nndyn.words.verdicts import VERDICTS, explanation


@click.command(help="Explain a verdict or a status and what to do next, or list them all.")
@click.argument("verdict", nargs=-1, type=Name(VERDICTS))
def explain(verdict: tuple[str, ...]) -> None:
    """Print what a word means, or the words there are."""
    if not verdict:
        for name, found in VERDICTS.items():
            say(f"{name:34} {found.of}")
        return
    word = " ".join(verdict)
    found = explanation(word)
    width = min(shutil.get_terminal_size().columns, 88)
    text = flags(f"{word} ({found.of}): {found.means} {found.next}")
    print_lines(textwrap.fill(text, width, break_on_hyphens=False))
