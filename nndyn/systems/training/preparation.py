"""A module of a run's own: copied, checked, cast, its weights drawn."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import UninitializedParameter, is_lazy

from nndyn.errors import DataError, UsageError
from nndyn.systems.training.randomness import initial_key, seeded

Tensor = torch.Tensor


def prepare(
    module: nn.Module,
    *,
    init: str | None,
    seed: int,
    dtype: torch.dtype,
    device: torch.device | str,
) -> nn.Module:
    """Return a copy of `module`, cast to `dtype` on `device`; `module` itself is not changed.

    Parameters
    ----------
    module : torch.nn.Module
    init : str or None
        None keeps the weights. Else those of every ``nn.Linear`` and convolution are drawn anew,
        and the rest keeps its values: ``normal:S``: weights N(0, S²); ``xavier``: uniform with
        variance 2/(inputs + outputs); ``kaiming``: N(0, 2/inputs); all with zero biases;
        ``default``: as ``reset_parameters`` does.
    seed : int
    dtype : torch.dtype
    device : torch.device or str

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    UsageError
        If `module` has no parameters, a parameter is frozen, lazy, without storage, or not real
        floating-point numbers; if it is quantized, TorchScript, or cannot be copied.
    DataError
        If a weight is not finite.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise UsageError(
            f"model is a {type(module).__name__} of TorchScript; give the torch.nn.Module it was "
            "made from"
        )
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        if isinstance(value, UninitializedParameter) or is_lazy(value):
            raise UsageError(
                f"model: {name!r} has no shape yet, as lazy modules before their first input; run "
                "one forward first"
            )
        if value.is_meta:
            raise UsageError(f"model: {name!r} is on the device meta; give it storage first")
        if value.is_quantized:
            raise UsageError(f"model: {name!r} is quantized; only floating point can be trained")
        if value.is_complex():
            raise UsageError(f"model: {name!r} is complex; only real numbers are supported")
    parameters = list(module.named_parameters())
    if not parameters:
        raise UsageError(f"model: {type(module).__name__} has no parameters; nothing can train")
    for name, value in parameters:
        if not value.is_floating_point():
            raise UsageError(f"model: parameter {name!r} is {value.dtype}, not floating point")
        if not value.requires_grad:
            raise UsageError(f"model: parameter {name!r} is frozen; every parameter must train")
    try:
        with torch.inference_mode(False):
            module = copy.deepcopy(module).to(device="cpu", dtype=torch.float64)
    except Exception as error:
        raise UsageError(
            f"model: {type(module).__name__} cannot be copied: {first_line(error)}; it must be "
            "possible to copy.deepcopy it"
        ) from error
    if init is not None:
        _initialise(module, init, seed)  # in float64, so that a seed is the same network in both
    module = module.to(dtype=dtype)
    for name, value in module.named_parameters():
        bad = torch.nonzero(~torch.isfinite(value.detach()).flatten())
        if len(bad):
            at = int(bad[0])
            raise DataError(
                f"model: weight {at} of {value.numel()} in {name!r} is "
                f"{float(value.detach().flatten()[at])}, not finite"
            )
    return module.to(device)


def first_line(error: BaseException) -> str:
    """Return the first line of what `error` says, or its name."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _initialise(module: nn.Module, init: str, seed: int) -> None:
    with seeded(initial_key(seed)), torch.no_grad():
        for part in module.modules():
            # a weight that is not a parameter is computed, as by a parametrization
            if not isinstance(part, (nn.Linear, _ConvNd)) or "weight" not in part._parameters:
                continue
            if init == "default":
                part.reset_parameters()
                continue
            if init == "xavier":
                nn.init.xavier_uniform_(part.weight)
            elif init == "kaiming":
                nn.init.kaiming_normal_(part.weight)
            else:
                part.weight.normal_(0.0, float(init.split(":")[1]))
            if part.bias is not None:
                part.bias.zero_()
