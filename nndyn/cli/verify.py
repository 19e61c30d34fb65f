"""``nndyn verify PATH``."""

from __future__ import annotations

from pathlib import Path

import click

from nndyn.cli.output import size


@click.command(help="Read every byte of a recording against its checksums; exit 4 if any is wrong.")
@click.argument("path", type=click.Path(path_type=Path))
def verify(path: Path) -> int:
    """Print what was checked and what is wrong."""
    from nndyn.store import verify as check

    report = check(path)
    for problem in report.problems:
        click.echo(f"{path}: {problem}")
    if not report.sound:
        return 4
    total = sum(v.bytes for v in report.variables)
    click.echo(f"{path}: {len(report.variables)} variables, {size(total)}, all checksums hold")
    return 0
