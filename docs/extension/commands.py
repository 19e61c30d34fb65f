"""``{commands}``: the help of every command, as the command line prints it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from nndyn.cli.verbs import nndyn

#: Characters of a line: as many as fit between the columns of a page.
WIDTH = 76


def helps(command: click.Command, name: str, above: click.Context | None = None) -> Iterator[Any]:
    """Yield the words of every command from `command` down, with the help of each."""
    context = click.Context(command, above, name, terminal_width=WIDTH, max_content_width=WIDTH)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None:
                yield from helps(found, below, context)


class Commands(SphinxDirective):
    """A section for every command."""

    def run(self) -> list[nodes.Node]:
        """Return the sections, those of commands of a group below that of the group."""
        text = []
        for words, said in helps(nndyn, "nndyn"):
            level = "#" * min(len(words.split()) + 1, 3)
            text.append(f"{level} {words}\n\n```text\n{said}\n```\n")
        return self.parse_text_to_nodes("\n".join(text), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directive known to Sphinx."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
