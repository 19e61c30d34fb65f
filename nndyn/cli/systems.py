"""``nndyn systems [NAME]``."""

from __future__ import annotations

import click

from nndyn.cli.output import show
from nndyn.systems.catalogue import CATALOGUE, entry


@click.command(help="List the maps and flows that can be recorded by name, or show one.")
@click.argument("name", required=False)
def systems(name: str | None) -> None:
    """Print the catalogue or one entry of it."""
    if name is None:
        for key, row in CATALOGUE.items():
            click.echo(f"{key:12} {row.kind:5} {row.exponents}")
        return
    row = entry(name)
    parameters = ", ".join(f"{k} = {show(v)}" for k, v in row.parameters.items())
    click.echo(f"{name}, a {row.kind}")
    for equation in row.equations:
        click.echo(f"  {equation}")
    click.echo(f"parameters  {parameters}")
    click.echo(f"exponents   {row.exponents}")
    click.echo(f"source      {row.source}")
