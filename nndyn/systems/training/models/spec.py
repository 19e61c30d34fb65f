"""Perceptrons of a spec such as ``mlp:64-32-10``, with their initial weights."""

from __future__ import annotations

import copy
import itertools
import re

import numpy as np
import torch
from torch import nn

from nndyn.checks import choice
from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.training.models.initialisation import check_init, initialise
from nndyn.systems.training.perceptron.activations import ACTIVATIONS
from nndyn.systems.training.perceptron.network import (
    Network,
    parse,
)
from nndyn.systems.training.torch_state.storage import allocated
from nndyn.words.names import meant

#: Letters of a spec beyond which none is suggested.
_LONG = 80


def from_spec(spec: str, activation: str) -> nn.Sequential:
    """Return the network a spec such as ``mlp:64-32-10`` stands for, without storage yet.

    Parameters
    ----------
    spec : str
    activation : str
        Between the layers.

    Returns
    -------
    torch.nn.Sequential

    Raises
    ------
    UsageError
        If `spec` is not ``mlp:`` and at least two positive widths.
    UnknownNameError
        If `activation` is not one of `ACTIVATIONS`.
    """
    choice("activation", activation, ACTIVATIONS)
    match = re.fullmatch(r"mlp:([1-9]\d{0,17}(?:-[1-9]\d{0,17})+)", spec)
    if match is None:
        raise UsageError(
            f"model {spec!r} is not a spec; give mlp: and the widths from input to output, "
            "such as 'mlp:64-32-10', or 'cnn:8-16', 'package.module:factory', a torch.nn.Module"
            f"{_spec_meant(spec)}"
        )
    widths = [int(width) for width in match[1].split("-")]
    modules: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        modules += [_linear(spec, inputs, outputs), ACTIVATIONS[activation].module()]
    return nn.Sequential(*modules[:-1])


def _spec_meant(spec: str) -> str:
    """Return the spec that is perhaps meant: ``64-32-10``, ``MLP 64x32x10``, ``mpl:64-32-10``."""
    word, widths = re.match(r"[^\W\d]*", spec)[0], re.findall(r"\d+", spec)  # type: ignore[index]
    kind = meant(word or "mlp", ("mlp", "cnn"))
    if not kind or len(widths) < 2 or len(spec) > _LONG:
        return ""
    return f"; did you mean '{kind[0]}:{'-'.join(widths)}'?"


def _linear(spec: str, inputs: int, outputs: int) -> nn.Linear:
    try:
        return nn.Linear(inputs, outputs, device="meta")  # draws nothing from the global state
    except (RuntimeError, TypeError) as error:  # a number that no size can have
        raise UsageError(f"model {spec!r} has a layer of {inputs} x {outputs} weights") from error


def allocate(module: nn.Module) -> nn.Module:
    """Give a module without storage memory on the CPU, its numbers not yet drawn.

    Parameters
    ----------
    module : torch.nn.Module
        Of a spec; changed in place.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    UsageError
        If it does not fit into memory.
    """
    count = sum(weight.numel() for weight in module.parameters())
    try:
        return allocated(module)
    except RuntimeError as error:
        raise UsageError(f"model has {count:,} weights, which do not fit into memory") from error


def build(
    model: nn.Module, *, init: str | None, seed: int, dtype: torch.dtype
) -> tuple[Network, Array]:
    """Return the network and its initial weights ``(D,)``; `model` itself is not changed.

    Parameters
    ----------
    model : torch.nn.Module
        A perceptron, without storage where it is of a spec.
    init : str or None
    seed : int
    dtype : torch.dtype

    Returns
    -------
    network : Network
    weights : (D,)

    Raises
    ------
    UsageError
        If `model` is no perceptron, or does not fit into memory.
    UnknownNameError
        If `init` is not known.
    DataError
        If a weight of `model` is not finite.
    """
    check_init(init)
    network = parse(model)
    module = copy.deepcopy(model)
    if any(weight.is_meta for weight in module.parameters()):
        module = allocate(module)
    module = module.to(device="cpu", dtype=torch.float64)
    if init is not None:
        initialise(module, init, seed)  # in float64, so that a seed is the same network in both
    with torch.no_grad():
        vector = nn.utils.parameters_to_vector(module.parameters())
        weights: Array = vector.to(dtype, copy=True).numpy()
    bad = np.flatnonzero(~np.isfinite(weights))
    if bad.size:
        raise DataError(
            f"model: weight {bad[0]} of {weights.size} is {weights[bad[0]]}, not finite"
        )
    return network, weights
