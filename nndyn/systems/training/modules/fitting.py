"""Fit of an output to its loss and targets, checked before anything runs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nndyn.errors import UsageError
from nndyn.systems.training.modules.criterion import Criterion
from nndyn.systems.training.modules.fingerprint import contents
from nndyn.systems.training.modules.layout import trained
from nndyn.systems.training.modules.nested import leaves, numbers
from nndyn.systems.training.modules.preparation import first_line
from nndyn.systems.training.torch_state.randomness import seeded, state

Tensor = torch.Tensor


def misfit(output: Any, y: Tensor, criterion: Criterion) -> str | None:
    """Return what is wrong with `output` for targets `y`, None where nothing is.

    Parameters
    ----------
    output : object
        A loss of the user's takes tuples, lists, dicts and dataclasses of tensors as well.
    y : (n, ...)
    criterion : Criterion

    Returns
    -------
    str or None
    """
    n = len(y)
    by_class = criterion.ignored is not None
    if not isinstance(output, Tensor):
        kind = type(output).__name__
        if criterion.adds or by_class:
            return f"a {kind}, not a tensor; return the tensor that the loss takes"
        if not leaves(output):
            return (
                f"a {kind} without tensors; return tensors, or a tuple, dict or dataclass of them"
            )
        return None if numbers(output) else f"a {kind} without a tensor of floating point"
    if not output.is_floating_point() and (criterion.adds or not output.is_complex()):
        return f"an output of {output.dtype}, not floating point"
    shape = tuple(output.shape)
    if not (criterion.adds or by_class):
        return None
    if shape[:1] != (n,):
        return f"an output of shape {shape}; its first dimension must be the {n} samples"
    if by_class:
        return _misplaced_classes(shape, tuple(y.shape))
    if criterion.loss == "mse" and criterion.labelled and len(shape) != 2:
        return f"an output of shape {shape}; mse on labels takes (samples, classes)"
    if criterion.loss == "mse" and not criterion.labelled:
        target = criterion.targets(y, shape[1:], output.dtype)
        if shape != tuple(target.shape):
            return f"an output of shape {shape}; mse takes that of the targets, {tuple(y.shape)}"
    return None


def _misplaced_classes(output: tuple[int, ...], labels: tuple[int, ...]) -> str | None:
    """Return what is wrong with outputs that are to be (N, C, ...) for labels (N, ...)."""
    one_each = labels[1:] == (1,) and len(output) == 2
    if one_each or (len(output) > 1 and output[:1] + output[2:] == labels):
        return None
    fault = f"an output of shape {output}; cross-entropy takes (samples, classes"
    fault += f"{''.join(f', {n}' for n in labels[1:])}) for labels of shape {labels}"
    if output[:-1] == labels:
        fault += "; bring the classes to the second place by output.movedim(-1, 1)"
    elif len(output) == 2 and len(labels) > 1:
        fault += "; leave the places of a sample apart, or take a loss of your own"
    return fault


def check_loss(
    module: nn.Module, output: Any, x: Any, target: Tensor, criterion: Criterion
) -> bool:
    """Refuse a loss that is none.

    Parameters
    ----------
    module : torch.nn.Module
    output : object
        Of a step of `module` on `x`.
    x, target : (n, ...)
    criterion : Criterion

    Returns
    -------
    bool
        Whether it draws random numbers.

    Raises
    ------
    UsageError
        If it fails, changes itself or does not repeat itself, or if it is not a finite number
        with a derivative with respect to the weights.
    """
    held = criterion.loss if isinstance(criterion.loss, nn.Module) else nn.Module()
    before = contents(held, set())
    try:
        with seeded(0, x.device), torch.enable_grad():
            started = state(x.device)
            loss: Any = criterion(output, target, x, len(x))
            random = not torch.equal(started, state(x.device))
    except UsageError:  # of ours, where the model returns no loss
        raise
    except Exception as error:
        shape = f"of shape {tuple(output.shape)}" if isinstance(output, Tensor) else "it gets"
        said = first_line(error)
        raise UsageError(
            f"loss {criterion.name} raises {type(error).__name__} for an output {shape} and a "
            f"target of shape {tuple(target.shape)} {str(target.dtype).removeprefix('torch.')}: "
            f"{said}{_cure(said, output, target)}"
        ) from error
    if not isinstance(loss, Tensor):
        raise UsageError(
            f"loss {criterion.name} returns a {type(loss).__name__}; it must return a scalar tensor"
        )
    if loss.dim() != 0:
        raise UsageError(
            f"loss {criterion.name} returns a tensor of shape {tuple(loss.shape)}; it must return "
            "a scalar, such as the mean over samples"
        )
    if loss.is_complex():
        raise UsageError(f"loss {criterion.name} returns a complex number; it must be real")
    if not loss.requires_grad:
        of_output = any(leaf.requires_grad for leaf in leaves(output))
        what = f"loss {criterion.name}" if of_output else "the model's output"
        raise UsageError(
            f"{what} has no derivative with respect to the weights; compute it from them by "
            "differentiable torch operations"
        )
    if not criterion.adds and not bool(torch.isfinite(loss)):
        raise UsageError(
            f"loss {criterion.name} is {float(loss.detach())} at the initial weights; it must be "
            "finite"
        )
    with seeded(0, x.device), torch.enable_grad():
        again = criterion(output, target, x, len(x))
    if changed := next((k for k, v in contents(held, set()).items() if before.get(k) != v), None):
        raise UsageError(
            f"loss {criterion.name} changes its {changed!r}; a step may depend on nothing but "
            "weights, samples and torch's random numbers: keep no state in the loss"
        )
    if not criterion.adds and not torch.equal(again, loss):
        raise UsageError(
            f"loss {criterion.name} differs for the same output, target and torch seed; draw "
            "random numbers from torch's global generator only"
        )
    weights = [value for _, value in trained(module)]
    try:
        torch.autograd.grad(loss, weights, materialize_grads=True)
    except Exception as error:
        raise UsageError(
            f"model: the backward pass raises {type(error).__name__}: {first_line(error)}"
            f"{_cure(first_line(error), output, target)}"
        ) from error
    return random


def _cure(said: str, output: Any, target: Tensor) -> str:
    """Return what to do where torch is given numbers of two kinds, empty for other errors."""
    if "dtype" not in said and "type" not in said:
        return ""
    kind = str(numbers(output)[0].dtype).removeprefix("torch.")
    if not target.is_floating_point():
        return f"; integers in y stay integers: give {kind} where they are no labels"
    return f"; what the loss holds must be {kind}: in an nn.Module it is cast"
