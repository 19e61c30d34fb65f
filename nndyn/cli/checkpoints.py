"""``nndyn record checkpoints``."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import click

from nndyn.cli.output import say
from nndyn.cli.parameters import FilePath, NetcdfPath, Number, Whole, check_netcdf
from nndyn.cli.progress import command_bar, quiet
from nndyn.words.text import size


class _Steps(click.ParamType):  # type: ignore[type-arg]
    """Steps between two checkpoints, or those of all, with commas between them."""

    name = "steps"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return an int, or a list of floats."""
        if not isinstance(value, str):
            return value
        if "," not in value:
            return Whole().convert(value, param, ctx)
        return [Number().convert(part, param, ctx) for part in value.split(",")]


@click.command(
    "checkpoints",
    help="Store the checkpoints of runs that began a little off from each other: those of the "
    "reference, and of one or several copies. Each is a folder with .pt, .pth, .bin or .ckpt files "
    "of torch, .safetensors, or .npz, a file (or a folder) a step.",
)
@click.argument("reference", metavar="REFERENCE", type=FilePath())
@click.argument("copies", metavar="COPY...", type=FilePath(), nargs=-1, required=True)
@click.option(
    "--control",
    type=FilePath(),
    metavar="FOLDER",
    help="Checkpoints of a run that is to equal the reference: how far it departs is the floor.",
)
@click.option(
    "--key",
    metavar="NAME[.NAME]",
    help="Where in a checkpoint the weights are, such as model or trainer.state_dict.  "
    "[default: all of it]",
)
@click.option(
    "--steps",
    type=_Steps(),
    metavar="J|A,B,...",
    help="Steps between two checkpoints, or the step of each.  [default: from the names of files]",
)
@click.option("--overwrite", is_flag=True, help="Replace the file.")
@click.option(
    "-o",
    "--output",
    type=NetcdfPath(),
    required=True,
    help="The netCDF file to write.",
)
@quiet
def checkpoints(reference: Path, copies: tuple[Path, ...], output: Path, **options: Any) -> None:
    """Store checkpoints, and say what they are."""
    from nndyn.header import manifest

    check_netcdf(output)
    with command_bar(output.name, "looking at the checkpoints", "times") as bar:
        from recorders.apart.checkpoints import from_checkpoints

        with warnings.catch_warnings():
            # what it warns of is in the manifest, and said below
            warnings.filterwarnings("ignore", re.escape(f"{output}: "), UserWarning)
            made = from_checkpoints(reference, copies, output, progress=bar, **options)
    with made as recording:
        times, count = recording.sizes["time"], recording.sizes["replica"]
        width, unit = recording.sizes["component"], recording["time"].attrs["units"]
        first, last = recording["time"].values[[0, -1]]
        notes = manifest(recording.attrs).get("notes", [])
        stopped = recording.attrs["stop_reason"]
    say(
        f"{output}: {times:,} checkpoints, {unit} {first:g} to {last:g}, of {count} replicas with "
        f"{width:,} components, {size(output.stat().st_size)}"
    )
    for warning in (*notes, *([stopped] if stopped else [])):
        say(f"warning: {warning}", err=True)
