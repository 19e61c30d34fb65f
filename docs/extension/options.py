"""``{options}``: the table of the options of recordings and trainings."""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from nndyn.options import OPTIONS, Option


def row(option: Option) -> str:
    """Return a line of the table."""
    flag = f"`--{option.name.replace('_', '-')}`" if option.kind else ""
    default = "" if option.default is None else f"`{option.default!r}`"
    text = option.help.partition("  [default:")[0].replace("|", "\\|").replace("*", "\\*")
    return f"| `{option.name}` | {flag} | {default} | {text} |"


class Options(SphinxDirective):
    """A table of the options of the groups that its argument names."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"class": directives.class_option}

    def run(self) -> list[nodes.Node]:
        """Return the table, in the order of the help."""
        groups = self.arguments[0].split()
        lines = ["| in Python | flag | default | what |", "|---|---|---|---|"]
        lines += [row(option) for option in OPTIONS if option.group in groups]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directive known to Sphinx."""
    app.add_directive("options", Options)
    return {"parallel_read_safe": True}
