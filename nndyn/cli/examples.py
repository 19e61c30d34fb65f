"""``nndyn examples DIR``."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import click

from nndyn.cli.output import say
from nndyn.cli.parameters import FilePath
from nndyn.errors import UsageError


@click.command(help="Copy the example scripts of nndyn into a folder, created if needed.")
@click.argument("folder", metavar="DIR", type=FilePath())
@click.option("--overwrite", is_flag=True, help="Replace files of the same names.")
def examples(folder: Path, overwrite: bool) -> None:
    """Copy the examples and list them."""
    sources = sorted(p for p in _installed().iterdir() if p.suffix in {".py", ".sh"})
    copies = [folder / source.name for source in sources]
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder")
    for copy in copies:
        if copy.is_symlink() or (copy.exists() and not (overwrite and copy.is_file())):
            raise UsageError(f"{copy} exists; choose another folder, or --overwrite it")
    folder.mkdir(parents=True, exist_ok=True)
    for source, copy in zip(sources, copies, strict=True):
        shutil.copyfile(source, copy)
        say(str(copy))


def _installed() -> Path:
    """Return the folder of the examples: within an installed package, beside it in a checkout."""
    package = Path(str(files("nndyn")))
    inside = package / "examples"
    return inside if inside.is_dir() else package.parent / "examples"
