"""``{options}``: the table of the options of recordings and trainings."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from nndyn.options import OPTIONS, Option


def row(option: Option) -> str:
    """Return a line of the table."""
    default = "" if option.default is None else f"`{option.default!r}`"
    text = option.help.partition("  [default:")[0].replace("|", "\\|").replace("*", "\\*")
    if not option.kind:
        text += " In Python alone."
    elif option.kind == "switch" and option.default:  # the flag turns it over, and its help says so
        text = f"`--no-{option.name}`: {text}"
    return f"| `{option.name}` | {default} | {text} |"


class Options(SphinxDirective):
    """A table of the options of the groups that its argument names."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the table, in the order of the help."""
        groups = self.arguments[0].split()
        lines = ["| name | default | what |", "|---|---|---|"]
        lines += [row(option) for option in OPTIONS if option.group in groups]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directive known to Sphinx."""
    app.add_directive("options", Options)
    return {"parallel_read_safe": True}
