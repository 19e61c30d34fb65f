"""Function of the user's that makes the systems of a search: what is one, and what it must do."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from nndyn.errors import UsageError
from nndyn.header import FINISHED, manifest
from nndyn.studies.folder import Folder
from nndyn.studies.index import look
from nndyn.studies.request import Request
from nndyn.systems.protocol import System
from nndyn.systems.recipe import recorded

#: What messages call parts of a description.
_CALLED = {
    "initial_sha256": "its initial weights",
    "rest_sha256": "its initial state beside the weights",
    "batches_sha256": "its first batches",
    "step_sha256": "the code of its step",
    "values": "the numbers that its step uses",
    "groups": "the groups of its optimizer",
}


def is_factory(model: Any) -> bool:
    """Tell whether what is given as `model` makes systems.

    Returns
    -------
    bool

    Raises
    ------
    UsageError
        If it is callable, no torch module, and has no parameter ``lr``.
    """
    torch = sys.modules.get("torch")  # where it is not loaded nothing is a module
    if not callable(model) or (torch is not None and isinstance(model, torch.nn.Module)):
        return False
    try:
        takes_rate = "lr" in inspect.signature(model).parameters
    except (TypeError, ValueError):  # of a builtin
        takes_rate = False
    if not takes_rate:
        name = getattr(model, "__name__", type(model).__name__)
        raise UsageError(
            f"model is {name}, a function without a parameter `lr`; expected one such as "
            "make(lr, seed) that returns a system, or the model and data of nndyn.Training"
        )
    return True


def check(asked: Request, seed: int, bounds: tuple[float, float], steps: int) -> list[str]:
    """Check that a function makes systems that a search can go on with and learn from.

    Parameters
    ----------
    asked : Request
    seed : int
        The first.
    bounds : (float, float)
        The smallest and the largest rate.
    steps : int
        Of a run, at most.

    Returns
    -------
    list of str
        What the reader of the result has to know.

    Raises
    ------
    UsageError
        If it fails, returns something else, or not the same for the same `lr` and `seed`; if `lr`
        changes nothing; if a system cannot be recorded with these options.

    Notes
    -----
    Calls it four times. Two runs of `steps` are made where systems of different `lr` look alike.
    """
    from recorders.perturbations import ensemble
    from recorders.request import make

    name, (low, high) = asked.recipe.name, bounds
    first, again = (made(asked, low, seed) for _ in range(2))
    ensemble(first, make(first, seed=seed, **recorded(asked.options({"seed": seed}))))
    odd = _differing(first.describe(), again.describe())
    if odd:
        raise UsageError(
            f"{name}(lr={low:g}, seed={seed}) makes another system each time it is called, "
            f"different in {odd[0]}: what is random in it has to be drawn from `seed`; begin with "
            "torch.manual_seed(seed)"
        )
    other = made(asked, high, seed)
    alike = not _differing(first.describe(), other.describe())
    if alike and _same_path(first, other, seed, steps):
        raise UsageError(
            f"{name} makes the same system at lr={low:g} and at lr={high:g}, to the last bit over "
            f"{steps} steps: let the optimizer have `lr`"
        )
    beside = made(asked, low, seed + 1)
    if not np.array_equal(first.initial(seed), beside.initial(seed + 1)):
        return []
    return [
        "all seeds begin at the same weights: the interval is over perturbations and batches at "
        f"most; let {name} draw weights from `seed`"
    ]


def check_same(folder: Folder, asked: Request) -> None:
    """Check that a function makes what a run in the folder is of.

    Raises
    ------
    UsageError
        If it does not: it was changed since.
    """
    from nndyn.store import open_recording

    planned, known = folder.design(), folder.known()
    for cell in planned.cells:
        if look(folder, planned, cell, known.get(cell.file, {}))["status"] not in FINISHED:
            continue
        file = folder.recording(cell)
        with open_recording(file) as recording:
            there = manifest(recording.attrs, str(file), made=True)["system"]
        now = made(asked, float(cell.at["lr"]), int(cell.at["seed"]))
        odd = _differing(there, now.describe())
        if odd:
            raise UsageError(
                f"{folder.path} holds runs of another {asked.recipe.name}, different in "
                f"{', '.join(odd[:3])}. Choose another folder"
            )
        return


def made(asked: Request, rate: float, seed: int) -> System:
    """Return the system of a run of a search, be it a training or what a function makes."""
    return asked.recipe.make({**asked.options({"seed": seed}), "lr": rate}, seed)


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return what two descriptions differ in."""
    a, b = (json.loads(json.dumps(described)) for described in (one, other))
    odd = [key for key in sorted(a.keys() | b.keys()) if a.get(key) != b.get(key)]
    return [_CALLED.get(key, key) for key in odd]


def _same_path(one: System, other: System, seed: int, steps: int) -> bool:
    """Tell whether two systems go the same way; most are told apart by their first step."""
    for n in (1, steps):
        a, b = (s.advance(s.initial(seed)[None], 0, n, ()).phase for s in (one, other))
        if not np.array_equal(a, b, equal_nan=True):
            return False
    return True
