"""Reproduction of a recording or a study: the options that make it again."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from nndyn.errors import UsageError
from nndyn.header import tangent_start
from nndyn.options import RECORDING, TRAINING
from nndyn.runtime import config
from nndyn.words.text import escaped

#: What a manifest says of systems that options make, and of the recording of any.
_FORMULA = ("name", "parameters", "initial", "discard", "dt")
_MADE: dict[Any, tuple[str, ...]] = {
    "training": ("model", "data", "loss", "device", "seed"),
    **dict.fromkeys(("map", "flow", "gd"), _FORMULA),
}
_ASKED = ("perturbations", "control", "rescale", "evaluate", "seed")


def reproduction(manifest: Mapping[str, Any], source: str) -> str:
    """Return the options that make a recording again, as TOML.

    Parameters
    ----------
    manifest : mapping
        Of the recording, with what tells the run: see `nndyn.header.manifest`.
    source : str
        What the recording is called: its path.

    Returns
    -------
    str
        With the command that takes it, as a comment; and with a warning where code would be run.

    Raises
    ------
    UsageError
        If no options make it again: arrays, code or a system came from Python, or it was put
        together of runs made apart.
    """
    code = ""
    system, options = dict(manifest["system"]), dict(manifest["recording"])
    kind = str(system.get("kind"))
    if kind == "series":
        raise UsageError("a series comes from its file: nndyn record series FILE stores it again")
    if kind == "checkpoints" or "joined" in manifest:
        raise UsageError("the runs were made apart and joined: no options make this run again")
    if kind not in _MADE:
        raise UsageError("the system came from Python: no options make this run again")
    missing = [f"system.{key}" for key in _MADE[kind] if key not in system]
    missing += [f"recording.{key}" for key in _ASKED if key not in options]
    if missing:
        raise UsageError(
            f"manifest.{missing[0]} is missing, as where the system came from Python: no options "
            "make this run again"
        )
    if options.get("tangents"):
        options["tangent_start"] = tangent_start(options)
    if options.pop("perturbations") is not None:
        raise UsageError("perturbations were given as an array: no options make this run again")
    # only what `record` has: a file may say more, such as where to write
    options = {key: options[key] for key in (*RECORDING, "seed") if key in options}
    options.pop("steps", None)
    options["no_control"] = not options.pop("control")
    options["rescale"] = options["rescale"] or None
    if kind == "training":
        named = "loss_sha256" not in system and ":" in str(system["model"])
        if system["data"] == "arrays" or not named:
            raise UsageError("model, data or loss came from Python: no options make this run again")
        if system["seed"] != options["seed"]:
            raise UsageError("the run has two seeds, set in Python: no options make it again")
        options |= {key: system.get(key) for key in TRAINING if key != "data_dir"}
        options["device"] = str(system["device"]).split()[0]  # cuda, not the model of the GPU
        head = "nndyn record training --config FILE --output run.nc"
        if not re.fullmatch(r"(mlp|cnn):[\d-]+", str(system["model"])):
            code = (
                f"The model is code that the author of {source} names, {system['model']}: "
                "recording imports and runs it. See first what it is."
            )
    else:
        if system["initial"] is not None:
            raise UsageError("the initial state was given in Python: no options make it again")
        options |= {"param": system["parameters"], "discard": system["discard"]}
        options["dt"] = system["dt"]
        del options["evaluate"]
        words = shlex.join([kind, system["name"]])
        head = f"nndyn record {words} --config FILE --output run.nc"
    lines = "".join(f"# {escaped(line)}\n" for line in (head, code) if line)
    return lines + config.write({"steps": manifest["steps"], **options})


def analysis_command(analyzer: str, source: str, **options: str) -> str:
    """Return the command of an analyzer on what `source` is called."""
    asked = [word for name, value in options.items() for word in (f"--{name}", value)]
    return shlex.join(["nndyn", "analyze", analyzer.replace("_", "-"), *asked, source])


def sweep_reproduction(
    system: str, options: Mapping[str, Any], axes: Mapping[str, Sequence[Any]], runs: int
) -> str:
    """Return the options that make a study again, as TOML.

    Parameters
    ----------
    system : str
        What is swept.
    options : mapping
        The same for all runs.
    axes : mapping of str to sequence
        Values of the swept options, ``seed`` among them.
    runs : int
        As many as are planned.

    Returns
    -------
    str
        With the command that takes it, as a comment.

    Raises
    ------
    UsageError
        If no options make it again: not every combination is planned, or the system is none that
        the command line sweeps by options alone.
    """
    if system != "training":
        raise UsageError("the plan of the study, study.json in its folder, says what was swept")
    seeds = [int(seed) for seed in axes["seed"]]
    grid = math.prod(len(values) for values in axes.values()) == runs
    if not grid or seeds != list(range(seeds[0], seeds[0] + len(seeds))):
        raise UsageError("not every combination was planned: no options make this study again")
    swept = {key: list(values) for key, values in axes.items() if key != "seed"}
    of_seeds = {"seeds": len(seeds), "seed": seeds[0]}
    head = "# nndyn sweep training --config FILE --output STUDY\n"
    return head + config.write({**options, **swept, **of_seeds})
