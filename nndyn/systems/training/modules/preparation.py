"""Preparation of a run's own module: copied, checked, cast, its weights drawn."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import UninitializedParameter, is_lazy
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.weight_norm import WeightNorm

from nndyn.errors import DataError, UsageError
from nndyn.systems.training.modules.layout import frozen, trained
from nndyn.systems.training.torch_state.randomness import initial_key, seeded

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
        If no parameter of `module` trains; if one is lazy, without storage, quantized or complex;
        if `module` is TorchScript or cannot be copied.
    DataError
        If a weight that trains is not finite, or another is no number.

    Notes
    -----
    Parameters that do not require a gradient are constants: they are cast, and keep their values
    whatever `init` says.
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
    if not trained(module):
        kind = type(module).__name__
        if constants := len(frozen(module)):
            raise UsageError(
                f"model: all {constants} parameters of {kind} are frozen; let one train, by "
                "requires_grad_(True)"
            )
        raise UsageError(f"model: {kind} has no parameters; nothing can train")
    module = copied(module)
    if init is not None:
        _initialise(module, init, seed)  # in float64, so that a seed is the same network in both
    module = module.to(dtype=dtype)
    for name, value in module.named_parameters():
        # a constant may be infinite, as a mask of attention is
        good = torch.isfinite(value) if value.requires_grad else ~torch.isnan(value)
        bad = torch.nonzero(~good.flatten())
        if len(bad):
            at = int(bad[0])
            raise DataError(
                f"model: weight {at} of {value.numel()} in {name!r} is "
                f"{float(value.detach().flatten()[at])}, not finite"
            )
    module = module.to(device)
    compute(module)
    return module


def copied(module: nn.Module) -> nn.Module:
    """Return a copy of `module` in double precision on the CPU.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    UsageError
        If it cannot be copied.
    """
    try:
        with torch.inference_mode(False):
            module = copy.deepcopy(module, _computed(module))
            return module.to(device="cpu", dtype=torch.float64)
    except Exception as error:
        raise UsageError(
            f"model: {type(module).__name__} cannot be copied: {first_line(error)}; it must be "
            "possible to copy.deepcopy it"
        ) from error


def first_line(error: BaseException) -> str:
    """Return the first line of what `error` says, or its name."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _computed(module: nn.Module) -> dict[int, Any]:
    """Return copies of what a hook of pruning or weight normalisation computed, by their `id`.

    They are no parameters but attributes of a layer, which Python cannot copy.

    Returns
    -------
    dict
    """
    values = [value for part in module.modules() for value in vars(part).values()]
    computed = [v for v in values if isinstance(v, Tensor) and not v.is_leaf]
    return {id(value): value.detach().clone() for value in computed}


def compute(module: nn.Module) -> None:
    """Have hooks of pruning and weight normalisation compute anew, from weights that were cast."""
    with torch.no_grad():
        for part in module.modules():
            for hook in part._forward_pre_hooks.values():
                if isinstance(hook, (BasePruningMethod, WeightNorm)):
                    hook(part, ())


def _initialise(module: nn.Module, init: str, seed: int) -> None:
    with seeded(initial_key(seed)), torch.no_grad():
        kept = [(value, value.clone()) for _, value in frozen(module)]
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
        for value, before in kept:
            value.copy_(before)
