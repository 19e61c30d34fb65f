"""How a module behaves, found out on a few samples before anything runs.

Everything here runs on copies, and leaves torch's random state alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from nndyn.errors import UsageError
from nndyn.systems.training.contents import contents
from nndyn.systems.training.criteria import Criterion
from nndyn.systems.training.functional import Batch, evaluating
from nndyn.systems.training.layout import layout, normalisations
from nndyn.systems.training.modules import Form
from nndyn.systems.training.preparation import first_line
from nndyn.systems.training.randomness import seeded

Tensor = torch.Tensor
_Run = Callable[[nn.Module, Tensor], tuple[Tensor, bool]]

#: Samples of a trial; the halves are compared with the whole.
SAMPLES = 4


@dataclass(frozen=True)
class Behaviour:
    """What the trial of a module found; the attributes are those of `Module`."""

    counts: tuple[tuple[int, int], ...]
    random: bool
    differs: bool
    independent: bool
    independent_evaluation: bool
    saved_bytes: int


def find_form(
    module: nn.Module,
    forms: list[tuple[Form, Tensor]],
    y: Tensor,
    criterion: Criterion,
    label: str,
) -> tuple[Form, Tensor, tuple[int, ...]]:
    """Return the first of `forms` in which samples pass through `module`, and what that gives.

    Parameters
    ----------
    module : torch.nn.Module
    forms : list of (Form, samples)
    y : (n, ...)
    criterion : Criterion
    label : str

    Returns
    -------
    form : Form
    x : (n, ...)
    output : tuple of int
        Shape of the output of a sample.

    Raises
    ------
    UsageError
        If there is none; says what every form led to.
    """
    own = copy.deepcopy(module)
    faults: list[str] = []
    for form, x in forms:
        tried = f"{tuple(x.shape)} {str(x.dtype).removeprefix('torch.')}"
        try:
            with seeded(0, x.device), torch.no_grad(), evaluating(own):
                output = own(x)
        except Exception as error:
            faults.append(f"x of shape {tried} raises {type(error).__name__}: {first_line(error)}")
            continue
        fault = _misfit(output, y, criterion)
        if fault is None:
            return form, x, tuple(output.shape[1:])
        faults.append(f"x of shape {tried} gives {fault}")
    raise UsageError(f"model {label} does not fit the data: " + "; ".join(faults))


def _misfit(output: Any, y: Tensor, criterion: Criterion) -> str | None:
    """Return what is wrong with `output` for targets `y`."""
    n = len(y)
    if not isinstance(output, Tensor):
        return f"a {type(output).__name__}, not a tensor; return the tensor that the loss takes"
    if not output.is_floating_point():
        return f"an output of {output.dtype}, not floating point"
    shape = tuple(output.shape)
    if shape[:1] != (n,):
        return f"an output of shape {shape}; its first dimension must be the {n} samples"
    if criterion.loss == "cross-entropy" and len(shape) != 2:
        return f"an output of shape {shape}; cross-entropy takes (samples, classes)"
    if criterion.loss == "mse" and criterion.labelled and len(shape) != 2:
        return f"an output of shape {shape}; mse on labels takes (samples, classes)"
    if criterion.loss == "mse" and not criterion.labelled:
        target = criterion.targets(y, shape[1:], output.dtype)
        if shape != tuple(target.shape):
            return f"an output of shape {shape}; mse takes that of the targets, {tuple(y.shape)}"
    return None


def observe(module: nn.Module, batch: Batch, criterion: Criterion) -> Behaviour:
    """Return how `module` behaves on the few samples of `batch`.

    Parameters
    ----------
    module : torch.nn.Module
    batch : Batch
    criterion : Criterion

    Returns
    -------
    Behaviour

    Raises
    ------
    UsageError
        If a forward pass fails, changes the module, or does not repeat itself; if the loss is not
        a finite number with a derivative with respect to the weights.
    """
    x = batch.x
    own = copy.deepcopy(module)
    first, counts, given = _look(own, x)
    _check_loss(own, first, batch.target, criterion)
    # initial weights may hide what a step does: nothing passes a layer of zeros
    moved = elsewhere(module)
    try:
        _step(moved, x)
    except UsageError:  # weights that the module does not take: nothing is known
        other = _Look(random=given.random, differs=True, independent=False, alone=False)
    else:
        _, _, other = _look(moved, x)
    return Behaviour(
        counts=counts,
        random=given.random or other.random,
        differs=given.differs or other.differs,
        independent=given.independent and other.independent,
        independent_evaluation=given.alone and other.alone,
        saved_bytes=_saved_bytes(own, x),
    )


@dataclass(frozen=True)
class _Look:
    """What the samples show at some weights; `alone` is independence in an evaluation."""

    random: bool
    differs: bool
    independent: bool
    alone: bool


def _look(own: nn.Module, x: Tensor) -> tuple[Tensor, tuple[tuple[int, int], ...], _Look]:
    """Return the output of a step of `own` at its weights, its counters, and how it behaves."""
    places = layout(own)
    moving = {place.name for place in places.statistics} | set(places.counters)
    before = contents(own, moving)
    buffers = dict(own.named_buffers())
    started = [int(buffers[name]) for name in places.counters]
    first, random = _step(own, x)
    strides = [
        int(buffers[name]) - start for name, start in zip(places.counters, started, strict=True)
    ]
    second, _ = _step(own, x)
    evaluated, _ = _evaluation(own, x)
    changed = next((k for k, v in contents(own, moving).items() if before.get(k) != v), None)
    if changed is not None:
        raise UsageError(
            f"model: a forward pass changes {changed!r}; a step may depend on nothing but weights, "
            "samples and torch's random numbers: keep no state in the module"
        )
    if not _same(first, second):
        raise UsageError(
            "model: two forward passes with the same weights, samples and torch seed differ; "
            "draw random numbers from torch's global generator only"
        )
    normalised = any(part.training for _, part in normalisations(own))
    look = _Look(
        random=random,
        differs=random or normalised or not _same(first, evaluated),
        independent=not (random or normalised) and _parts_agree(own, x, _step, first),
        alone=_parts_agree(own, x, _evaluation, evaluated),
    )
    return first, tuple(zip(started, strides, strict=True)), look


def elsewhere(module: nn.Module) -> nn.Module:
    """Return a copy of `module` at weights near its own, none of them zero."""
    moved = copy.deepcopy(module)
    generator = np.random.default_rng(0)
    with torch.no_grad():
        for weight in moved.parameters():
            noise = torch.as_tensor(generator.standard_normal(weight.shape)).to(weight)
            largest = float(weight.abs().max()) if weight.numel() else 0.0
            weight.add_(noise, alpha=0.1 * (largest or 1.0))
    return moved


def check_size(module: nn.Module, x: Tensor, *, of_step: int) -> None:
    """Refuse a number of samples that `module` cannot take a step on.

    Raises
    ------
    UsageError
        If a step on `x` fails.
    """
    try:
        _step(copy.deepcopy(module), x)
    except UsageError as error:
        raise UsageError(
            f"batches of {of_step} samples leave one of {len(x)}; {error}; choose another "
            "batch_size"
        ) from error


def check_test(module: nn.Module, x: Tensor, output: tuple[int, ...]) -> None:
    """Refuse samples of a test set that `module` cannot evaluate.

    Raises
    ------
    UsageError
        If an evaluation of `x` fails, or gives another shape than `output` a sample.
    """
    try:
        found, _ = _evaluation(copy.deepcopy(module), x)
    except UsageError as error:
        raise UsageError(f"test: {str(error).replace('a step', 'an evaluation')}") from error
    if tuple(found.shape) != (len(x), *output):
        raise UsageError(
            f"test: the output of an evaluation of {len(x)} samples has shape "
            f"{tuple(found.shape)}, not {(len(x), *output)}"
        )


def _step(module: nn.Module, x: Tensor) -> tuple[Tensor, bool]:
    """Return the output of a step, and whether it drew random numbers."""
    with seeded(0, x.device), torch.enable_grad():
        before = _random_state(x.device)
        try:
            output: Tensor = module(x)
        except Exception as error:
            raise UsageError(
                f"model: a step on x of shape {tuple(x.shape)} raises {type(error).__name__}: "
                f"{first_line(error)}"
            ) from error
        return output, not torch.equal(before, _random_state(x.device))


def _evaluation(module: nn.Module, x: Tensor) -> tuple[Tensor, bool]:
    with evaluating(module):
        return _step(module, x)


def _parts_agree(module: nn.Module, x: Tensor, run: _Run, whole: Tensor) -> bool:
    """Return whether the halves of `x`, if there are halves, give what all of it gives."""
    half = len(x) // 2
    if half == 0:
        return False
    try:
        parts = [run(module, x[:half])[0], run(module, x[half:])[0]]
    except UsageError:
        return False
    return close(torch.cat(parts), whole)


def _random_state(device: torch.device) -> Tensor:
    state = torch.get_rng_state()
    if device.type == "cuda":
        state = torch.cat([state, torch.cuda.get_rng_state(device)])
    return state


def _same(a: Tensor, b: Tensor) -> bool:
    return bool(torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)))


def close(a: Tensor, b: Tensor) -> bool:
    """Whether two results agree to rounding: to the square root of their precision."""
    a, b = a.detach(), b.detach()
    tolerance = torch.finfo(b.dtype).eps ** 0.5
    scale = float(torch.nan_to_num(b).abs().max()) if b.numel() else 0.0
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


def _check_loss(module: nn.Module, output: Tensor, target: Tensor, criterion: Criterion) -> None:
    try:
        loss: Any = criterion(output, target, len(output))
    except Exception as error:
        raise UsageError(
            f"loss {criterion.name} raises {type(error).__name__} for an output of shape "
            f"{tuple(output.shape)} and a target of shape {tuple(target.shape)} "
            f"{str(target.dtype).removeprefix('torch.')}: {first_line(error)}"
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
    if not loss.requires_grad:
        what = "the model's output" if not output.requires_grad else f"loss {criterion.name}"
        raise UsageError(
            f"{what} has no derivative with respect to the weights; compute it from them by "
            "differentiable torch operations"
        )
    if not criterion.adds and not bool(torch.isfinite(loss)):
        raise UsageError(
            f"loss {criterion.name} is {float(loss.detach())} at the initial weights; it must be "
            "finite"
        )
    try:
        torch.autograd.grad(loss, list(module.parameters()), materialize_grads=True)
    except Exception as error:
        raise UsageError(
            f"model: the backward pass raises {type(error).__name__}: {first_line(error)}"
        ) from error


def _saved_bytes(module: nn.Module, x: Tensor) -> int:
    """Return the bytes a sample keeps for the backward pass, at least 1."""

    def kept(samples: Tensor) -> int:
        sizes: dict[int, int] = {}

        def pack(saved: Tensor) -> Tensor:
            storage = saved.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return saved

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
            output, _ = _step(module, samples)
        del output  # until here nothing saved is freed, and no address used twice
        return sum(sizes.values())

    half = len(x) // 2
    try:
        # the weights are kept once, whatever the number of samples
        return max((kept(x) - kept(x[:half])) // (len(x) - half), 1)
    except UsageError:  # half of the samples are too few for a step
        return max(kept(x) // len(x), 1)
