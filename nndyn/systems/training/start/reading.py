"""Reader of a start: a dict, a file of torch or safetensors, or a recording, with its step."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nndyn.checks import whole
from nndyn.errors import UsageError
from nndyn.runtime.paths import located
from nndyn.systems.checkpoints.names import TORCH
from nndyn.systems.checkpoints.tensors import listed
from nndyn.systems.training.checkpoints import all_of, loaded
from nndyn.systems.training.start import recorded
from nndyn.systems.training.start.start import Start

#: What checkpoints call the state of the model, that of the optimizer, and the number of steps.
MODEL = ("model", "model_state_dict", "state_dict", "model_state")
OPTIMIZER = ("optimizer", "optimizer_state_dict", "optimizer_state", "optimizer_states")
STEP = ("step", "global_step", "t")
_FORMS = (
    "the path of a checkpoint (.pt, .safetensors) or recording (.nc), alone or with a step "
    "(path, step), or a dict with model, optimizer and step"
)


def read(start: Any) -> Start | None:
    """Return where a training begins.

    Parameters
    ----------
    start : path-like, dict, xarray.Dataset, tuple (one of these, int), or None
        A checkpoint: a mapping with one of `MODEL`, and if there are any one of `OPTIMIZER` and of
        `STEP`, or a ``state_dict`` of a model, itself or in a file of `torch.save`; weights in a
        ``.safetensors`` file; or a recording. The number is the step of the checkpoint, or one of
        the recording, of which it is otherwise the last; as a text ``PATH:STEP``.

    Returns
    -------
    Start or None

    Raises
    ------
    UsageError
        If it is none of these, a file is missing, or a checkpoint lacks what is needed.
    DataError
        If a file is damaged, or reading it would run what it says.
    """
    if start is None:
        return None
    step: Any = None
    if isinstance(start, tuple | list):
        if len(start) != 2:
            raise UsageError(f"start is {start!r}, expected {_FORMS}")
        start, step = start
        step = whole("start: the step", step, 0)
    if isinstance(start, str) and step is None and not located(start).exists():
        match = re.fullmatch(r"(.+):([0-9]{1,18})", start)
        start, step = (match[1], int(match[2])) if match else (start, None)
    if isinstance(start, Mapping) and not hasattr(start, "data_vars"):
        return _checkpoint(start, "start", step)
    if hasattr(start, "data_vars"):
        return recorded.of(start, "start", step)
    if not isinstance(start, str | os.PathLike):
        raise UsageError(f"start is an object of type {type(start).__name__}, expected {_FORMS}")
    return _of_file(located(start, "start"), step)


def _of_file(path: Path, step: int | None) -> Start:
    """Return what is in a file."""
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not there"
        raise UsageError(f"start: {path} is {what}, expected {_FORMS}")
    name = path.name.lower()
    if name.endswith(".nc"):
        found = recorded.open_at(path, step)
    elif name.endswith(".safetensors"):
        found = _weights(all_of(path), str(path), step)
    elif name.endswith(TORCH):
        values = loaded(path)
        if not isinstance(values, Mapping):
            kind = type(values).__name__
            raise UsageError(f"start: {path} holds an object of type {kind}, expected a dict")
        found = _checkpoint(values, str(path), step)
    else:
        raise UsageError(
            f"start: {path} is no file that is known; known: {', '.join(TORCH)}, .safetensors, .nc"
        )
    return replace(found, files=(path,))


def _checkpoint(given: Mapping[Any, Any], label: str, step: int | None) -> Start:
    """Return what a mapping holds."""
    keys = listed([str(key) for key in given])
    name = _known(given, MODEL)
    if name is None:
        if given and all(isinstance(value, torch.Tensor) for value in given.values()):
            return _weights(given, label, step)
        raise UsageError(
            f"{label} has no state of a model; expected one of {', '.join(MODEL)}, or nothing but "
            f"tensors; {keys}"
        )
    weights = _state(given[name], nn.Module)
    if not isinstance(weights, Mapping):
        kind = type(weights).__name__
        raise UsageError(
            f"{label}: {name} is an object of type {kind}, expected a state_dict; {keys}"
        )
    optimizer, where = None, _known(given, OPTIMIZER)
    if where is not None and given[where] is not None:
        optimizer = _state(given[where], torch.optim.Optimizer)
        if isinstance(optimizer, list) and len(optimizer) == 1:
            optimizer = optimizer[0]
        if not isinstance(optimizer, Mapping) or not {"state", "param_groups"} <= optimizer.keys():
            raise UsageError(
                f"{label}: {where} is no state of one optimizer; expected its state_dict(), with "
                "state and param_groups"
            )
    told = _known(given, STEP)
    if told is not None:
        there = whole(f"{label}: {told}", given[told], 0)
        if step is not None and step != there:
            raise UsageError(f"{label} is of step {there}, and start says {step}")
        step = there
    if step is None and optimizer is not None:
        raise UsageError(
            f"{label} has an optimizer and does not say its step; expected one of "
            f"{', '.join(STEP)} in it, or start=(…, step); {keys}"
        )
    return Start(_tensors(weights, f"{label}: {name}"), step or 0, label, optimizer=optimizer)


def _weights(given: Mapping[Any, Any], label: str, step: int | None) -> Start:
    """Return weights alone; they are of step 0 unless another is told."""
    return Start(_tensors(given, label), step or 0, label)


def _tensors(given: Mapping[Any, Any], label: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a state of a model, whatever else a module keeps in it left out."""
    found = {str(name): value for name, value in given.items() if isinstance(value, torch.Tensor)}
    if not found:
        raise UsageError(f"{label} has no tensors; {listed([str(key) for key in given])}")
    return found


def _known(given: Mapping[Any, Any], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in given), None)


def _state(value: Any, kind: type[nn.Module | torch.optim.Optimizer]) -> Any:
    return value.state_dict() if isinstance(value, kind) else value
