"""Examination of torch's second derivatives of a module's loss, on few samples."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nndyn.systems.training.data.order import Order
from nndyn.systems.training.data.several import called
from nndyn.systems.training.modules.curvature import ModuleCurvature
from nndyn.systems.training.modules.layout import vector
from nndyn.systems.training.modules.modes import plain
from nndyn.systems.training.modules.module import Module
from nndyn.systems.training.modules.passes import entering
from nndyn.systems.training.modules.preparation import first_line
from nndyn.systems.training.modules.trial import elsewhere
from nndyn.systems.training.torch_state.randomness import seeded

Tensor = torch.Tensor

#: Weights at which products are tried: the initial ones, where many a ReLU may have its kink, and
#: others near them.
POINTS = 4
#: Length of the difference of gradients, and how far from it, relatively, a product may lie.
_LENGTH, _TOLERANCE = 1e-5, 1e-3
#: The same of a module or a loss that works in single precision.
_LONG, _COARSE = 1e-2, 0.1
#: How far a product in single precision may lie from that in double.
_SINGLE = 0.05


@dataclass(frozen=True)
class Examined:
    """Whether there are second derivatives.

    Attributes
    ----------
    forward : bool
        Whether by differentiating forward; else by the backward pass of the gradient.
    fault : str
        Why there are none, empty where there are.
    """

    forward: bool
    fault: str


def examine(module: Module, order: Order) -> Examined:
    """Compare products with the Hessian with differences of gradients, in double precision.

    Parameters
    ----------
    module : Module
    order : Order

    Returns
    -------
    Examined

    Notes
    -----
    What is differentiable once only torch does not always find: it leaves its share out. Where
    the run is in single precision, products in that must agree with those in double.
    """
    fault = ""
    for forward in (True, False):
        try:
            exact = _double(module)
            few = [_curvature(own, order, forward=forward) for own in (exact, module)]
            misses = _misses(exact, few[0], module, few[1])
            if misses is None:
                return Examined(all(own.forward for own in few), "")
            fault = (
                f"has wrong second derivatives in torch ({_culprits(module)}they miss a difference "
                f"of gradients, most of all in {misses!r})"
            )
        except Exception as error:
            fault = f"cannot be differentiated twice ({_culprits(module)}{first_line(error)})"
    return Examined(False, fault)


def _misses(
    exact: Module, precise: ModuleCurvature, module: Module, own: ModuleCurvature
) -> str | None:
    """Return the weight whose share in a product is most wrong, None where all are right."""
    double = _loss(exact).dtype == torch.float64
    length, tolerance = (_LENGTH, _TOLERANCE) if double else (_LONG, _COARSE)
    statistics = torch.as_tensor(exact.initial_statistics, device=module.trial.x.device)
    first = None
    for weights in _points(exact):
        direction = np.random.default_rng(0).standard_normal(len(weights))
        along = torch.as_tensor(direction / np.linalg.norm(direction)).to(weights)
        product = precise.at(weights, statistics, None).hvp(along[None])[0].clone()
        ahead, behind = (
            precise.at(weights + side * length * along, statistics, None).gradient()
            for side in (0.5, -0.5)
        )
        found = _farthest(product, (ahead - behind) / length, tolerance, exact)
        if found is None and module is not exact:
            here, moved, vectors = (v.to(module.dtype) for v in (weights, statistics, along[None]))
            single = own.at(here, moved, None).hvp(vectors)[0].to(product)
            # numbers drawn in another precision are other numbers
            expected = single if module.random else product
            found = _farthest(single, expected, _SINGLE, exact)
        if found is None:
            return None
        first = first or found
    return first


def _double(module: Module) -> Module:
    """Return `module` in double precision, or itself where it does not work there."""
    if module.dtype == torch.float64:
        return module
    double = module.cast(torch.float64)
    try:
        _loss(double)
    except Exception:  # of numbers of its own in single precision, say
        return module
    return double


def _loss(module: Module) -> Tensor:
    """Return the loss of the trial's samples, with its graph."""
    with plain(), seeded(0, module.trial.x.device), torch.enable_grad():
        x = entering(module.trial.x, module.criterion, graph=module.graph)
        output = called(copy.deepcopy(module.module), x)
        return module.criterion(output, module.trial.target, x, len(x))


def _curvature(module: Module, order: Order, *, forward: bool) -> ModuleCurvature:
    whole = Order(len(module.trial), batch_size=None, seed=order.seed)
    return ModuleCurvature(module, module.trial, whole, forward=forward)


def _points(module: Module) -> Iterator[Tensor]:
    device = module.trial.x.device
    yield torch.as_tensor(module.initial, device=device)
    for seed in range(POINTS - 1):
        yield vector(elsewhere(module.module, seed=seed), module.parameters)


def _farthest(found: Tensor, expected: Tensor, tolerance: float, module: Module) -> str | None:
    """Return the weight whose share is farthest from what is expected, None where all is near."""
    allowed = tolerance * (torch.linalg.vector_norm(expected) + tolerance)
    if bool(torch.linalg.vector_norm(found - expected) <= allowed):
        return None
    apart = torch.nan_to_num(found - expected, torch.inf).abs()
    far = [float(apart[p.start : p.start + p.size].sum()) for p in module.parameters]
    return module.parameters[int(np.argmax(far))].name


def _culprits(module: Module) -> str:
    """Name what of a step is under suspicion: autograd functions of the user's own, weight_norm."""
    names: set[str] = set()
    seen: set[Any] = set()
    try:
        waiting: list[Any] = [_loss(module).grad_fn]
    except Exception:  # which another message tells of
        return ""
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            names.add(type(node).__name__.removesuffix("Backward"))
        if node.name().startswith("WeightNormInterface"):  # whose second derivative is wrong
            names.add("torch's weight_norm")
        waiting += [parent for parent, _ in node.next_functions]
    return f"it goes through {', '.join(sorted(names))}: " if names else ""
