"""``nndyn systems [NAME]``."""

from __future__ import annotations

import click

from nndyn.cli.output import say
from nndyn.cli.parameters import Name
from nndyn.systems.catalogue import CATALOGUE, entry
from nndyn.words.numbers import show


@click.command(help="List the systems that can be recorded by name, or show one.")
@click.argument("name", required=False, type=Name(CATALOGUE))
def systems(name: str | None) -> None:
    """Print the catalogue or one entry of it."""
    if name is None:
        for key, row in CATALOGUE.items():
            say(f"{key:16} {row.kind:5} {row.exponents}")
        return
    row = entry(name)
    parameters = ", ".join(f"{k} = {_values(v)}" for k, v in row.parameters.items())
    kind = "gradient descent" if row.kind == "gd" else f"a {row.kind}"
    say(f"{name}, {kind}")
    for equation in row.equations:
        say(f"  {equation}")
    say(f"parameters  {parameters or 'none'}")
    say(f"exponents   {row.exponents}")
    say(f"source      {row.source}")


def _values(value: float | tuple[float, ...]) -> str:
    return show(value) if isinstance(value, float) else ",".join(map(show, value))
