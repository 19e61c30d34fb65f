"""Trial of a module on a few samples, which finds out how it behaves.

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
from nndyn.systems.training.data.several import called, each, equal, told
from nndyn.systems.training.modules.criterion import Criterion
from nndyn.systems.training.modules.fingerprint import contents
from nndyn.systems.training.modules.fitting import check_loss, misfit
from nndyn.systems.training.modules.layout import layout, normalisations, trained
from nndyn.systems.training.modules.modes import evaluating
from nndyn.systems.training.modules.module import Form
from nndyn.systems.training.modules.nested import joined, numbers
from nndyn.systems.training.modules.passes import Batch, entering
from nndyn.systems.training.modules.preparation import first_line
from nndyn.systems.training.torch_state.randomness import seeded, state

Tensor = torch.Tensor
_Run = Callable[[nn.Module, Any], tuple[Any, bool]]

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
    graph: bool


def find_form(
    module: nn.Module,
    forms: list[tuple[Form, Any]],
    y: Tensor,
    criterion: Criterion,
    label: str,
) -> tuple[Form, tuple[int, ...] | None]:
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
    output : tuple of int or None
        Shape of the output of a sample; None where the output is more than one tensor, or not of
        one entry a sample.

    Raises
    ------
    UsageError
        If there is none; says what every form led to.
    """
    own = copy.deepcopy(module)
    faults: list[str] = []
    for form, x in forms:
        tried = told(x)
        try:
            # with gradients, which a forward pass may take of itself
            with seeded(0, x.device), torch.enable_grad(), evaluating(own):
                output = called(own, each(Tensor.detach, x))
        except Exception as error:
            faults.append(f"x of shape {tried} raises {type(error).__name__}: {first_line(error)}")
            continue
        fault = misfit(output, y, criterion)
        if fault is None:
            return form, _shape(output, len(x))
        faults.append(f"x of shape {tried} gives {fault}")
    raise UsageError(f"model {label} does not fit the data: " + "; ".join(faults))


def _shape(output: Any, samples: int) -> tuple[int, ...] | None:
    """Return the shape of the output of a sample, None where there is no such thing."""
    if not isinstance(output, Tensor) or output.shape[:1] != (samples,):
        return None
    return tuple(output.shape[1:])


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
    own = copy.deepcopy(module)
    graph = not _evaluates(module, batch, criterion, graph=False)
    x = entering(batch.x, criterion, graph=graph)
    first, counts, given = _look(own, x)
    draws = check_loss(own, first, x, batch.target, criterion)
    if graph:
        _evaluates(module, batch, criterion, graph=True)
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
        random=draws or given.random or other.random,
        differs=draws or given.differs or other.differs,
        independent=given.independent and other.independent,
        independent_evaluation=given.alone and other.alone,
        saved_bytes=_saved_bytes(own, x),
        graph=graph,
    )


def without_gradient(module: nn.Module, batch: Batch, criterion: Criterion) -> list[str]:
    """Return the parameters that train and that the loss of a step on `batch` does not reach."""
    own = copy.deepcopy(module)
    x = entering(batch.x, criterion, graph=True)
    output, _ = _step(own, x)
    with seeded(0, x.device), torch.enable_grad():
        loss = criterion(output, batch.target, x, len(x))
    names, weights = zip(*trained(own), strict=True)
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    return [name for name, gradient in zip(names, found, strict=True) if gradient is None]


def suffices(module: nn.Module, batch: Batch, criterion: Criterion) -> bool:
    """Return whether the loss of these samples is a finite number, as it may not be of few."""
    try:
        with torch.no_grad():
            x = entering(batch.x, criterion, graph=True)
            output, _ = _step(copy.deepcopy(module), x)
            return bool(torch.isfinite(criterion(output, batch.target, x, len(x))))
    except Exception:
        return False


def _evaluates(module: nn.Module, batch: Batch, criterion: Criterion, *, graph: bool) -> bool:
    """Return whether an evaluation succeeds; where it may differentiate, `graph`, it must."""
    own = copy.deepcopy(module)
    try:
        with (
            seeded(0, batch.x.device),
            torch.set_grad_enabled(graph),
            evaluating(own),
        ):
            x = entering(each(Tensor.detach, batch.x), criterion, graph=graph)
            criterion(called(own, x), batch.target, x, len(x))
    except Exception as error:
        if graph:
            raise UsageError(
                f"loss {criterion.name} raises {type(error).__name__} for what the model gives in "
                f"an evaluation, in eval mode: {first_line(error)}"
            ) from error
        return False
    return True


@dataclass(frozen=True)
class _Look:
    """What the samples show at some weights; `alone` is independence in an evaluation."""

    random: bool
    differs: bool
    independent: bool
    alone: bool


def _look(own: nn.Module, x: Any) -> tuple[Any, tuple[tuple[int, int], ...], _Look]:
    """Return the output of a step of `own` at its weights, its counters, and how it behaves."""
    places = layout(own)
    moving = {place.name for place in places.statistics} | set(places.counters)
    before, entered = contents(own, moving), each(lambda v: v.detach().clone(), x)
    weights = [name for name, _ in trained(own)]
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
    if [name for name, _ in trained(own)] != weights:
        raise UsageError(
            "model: a forward pass changes which parameters require a gradient; freeze them before"
        )
    if not equal(entered, x):
        raise UsageError("model: a forward pass changes the samples it is given; let it copy them")
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


def elsewhere(module: nn.Module, seed: int = 0) -> nn.Module:
    """Return a copy of `module` at weights near its own, none of them zero."""
    moved = copy.deepcopy(module)
    generator = np.random.default_rng(seed)
    with torch.no_grad():
        for _, weight in trained(moved):
            noise = torch.as_tensor(generator.standard_normal(weight.shape)).to(weight)
            largest = float(weight.abs().max()) if weight.numel() else 0.0
            weight.add_(noise, alpha=0.1 * (largest or 1.0))
    return moved


def check_size(module: nn.Module, x: Any, *, of_step: int) -> None:
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


def check_test(module: nn.Module, x: Any, output: tuple[int, ...] | None) -> None:
    """Refuse samples of a test set that `module` cannot evaluate.

    Raises
    ------
    UsageError
        If an evaluation of `x` fails, or gives another shape than `output` a sample.
    """
    try:
        found, _ = _evaluation(copy.deepcopy(module), each(Tensor.detach, x))
    except UsageError as error:
        raise UsageError(f"test: {str(error).replace('a step', 'an evaluation')}") from error
    if output is not None and tuple(found.shape) != (len(x), *output):
        raise UsageError(
            f"test: the output of an evaluation of {len(x)} samples has shape "
            f"{tuple(found.shape)}, not {(len(x), *output)}"
        )


def _step(module: nn.Module, x: Any) -> tuple[Any, bool]:
    """Return the output of a step, and whether it drew random numbers."""
    with seeded(0, x.device), torch.enable_grad():
        before = state(x.device)
        try:
            output = called(module, x)
        except Exception as error:
            raise UsageError(
                f"model: a step on x of shape {told(x)} raises {type(error).__name__}: "
                f"{first_line(error)}"
            ) from error
        return output, not torch.equal(before, state(x.device))


def _evaluation(module: nn.Module, x: Any) -> tuple[Any, bool]:
    with evaluating(module):
        return _step(module, x)


def _parts_agree(module: nn.Module, x: Any, run: _Run, whole: Any) -> bool:
    """Return whether the halves of `x`, if there are halves, give what all of it gives."""
    half = len(x) // 2
    if half == 0:
        return False
    try:
        found = numbers(joined([run(module, x[:half])[0], run(module, x[half:])[0]]))
    except (UsageError, RuntimeError, ValueError):  # with parts that are not of the samples
        return False
    expected = numbers(whole)
    return len(found) == len(expected) and all(map(close, found, expected))


def _same(a: Any, b: Any) -> bool:
    one, other = numbers(a), numbers(b)
    return len(one) == len(other) and all(
        torch.equal(torch.nan_to_num(v), torch.nan_to_num(w))
        for v, w in zip(one, other, strict=True)
    )


def close(a: Tensor, b: Tensor) -> bool:
    """Whether two results agree to rounding: to the square root of their precision."""
    if a.shape != b.shape:
        return False
    a, b = a.detach(), b.detach()
    tolerance = torch.finfo(b.dtype).eps ** 0.5
    scale = float(torch.nan_to_num(b).abs().max()) if b.numel() else 0.0
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


def _saved_bytes(module: nn.Module, x: Any) -> int:
    """Return the bytes a sample keeps for the backward pass, at least 1."""

    def kept(samples: Any) -> int:
        sizes: dict[int, int] = {}

        def pack(saved: Tensor) -> Tensor:
            try:
                storage = saved.untyped_storage()
                sizes[storage.data_ptr()] = storage.nbytes()
            except RuntimeError:  # of torch.func's, inside its transforms, which have none
                sizes[id(saved)] = saved.numel() * saved.itemsize
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
