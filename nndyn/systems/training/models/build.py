"""Builder of networks from whatever a user gives as the model."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.training.data.several import Several, each
from nndyn.systems.training.models import cnn, factories, spec
from nndyn.systems.training.models.initialisation import check_init
from nndyn.systems.training.modules import trial, vmap
from nndyn.systems.training.modules.criterion import Criterion, Loss, chosen
from nndyn.systems.training.modules.layout import frozen, layout, trained
from nndyn.systems.training.modules.module import Form, Module, check_labels, not_batched
from nndyn.systems.training.modules.passes import Batch
from nndyn.systems.training.modules.preparation import copied, prepare
from nndyn.systems.training.perceptron.inputs import check_width
from nndyn.systems.training.perceptron.network import Network, parse
from nndyn.systems.training.start.start import Start
from nndyn.systems.training.torch_state.storage import allocated

Tensor = torch.Tensor


def build(
    model: str | nn.Module | Callable[[], nn.Module],
    x: Any,
    y: Array | Tensor,
    *,
    test: Any = None,
    image: tuple[int, int, int] | None = None,
    classes: int | None = None,
    loss: Loss = "cross-entropy",
    activation: str = "tanh",
    init: str | None = None,
    batch_size: int | None = None,
    sizes: Iterable[int] = (),
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    start: Start | None = None,
    kept: bool = True,
    as_module: bool = False,
) -> Network | Module:
    """Return the network that `model` is on the samples given; `model` itself is not changed.

    Parameters
    ----------
    model : str, torch.nn.Module or callable
        ``mlp:64-32-10``, ``cnn:8-16`` (see `cnn.from_spec`), ``package.module:factory`` (see
        `factories.call`), or a module.
    x : (N, ...) float64 or int64, or Several
        Training samples.
    y : (N, ...) int64 or float64
        Labels or real targets.
    test : (N, ...), optional
        Samples of the test set, on which a module must work, too.
    image : (channels, height, width), optional
        Shape of the images whose pixels the rows of `x` are.
    classes : int, optional
        Number of classes for a spec of a convolutional network, one more than the largest label
        unless given.
    loss : str or callable
        See `criteria.Criterion`.
    activation : str
        Between the layers of a spec.
    init : str, optional
        See `models.initialise` and `preparation.prepare`; None keeps the weights of a module and
        is ``normal:1`` for a spec.
    batch_size : int, optional
        Samples of a step, all unless given.
    sizes : iterable of int, optional
        Samples of all steps there are; unless given those of `batch_size`, and what these leave.
    seed : int
        Draws what `init` asks for, and the weights a factory draws.
    dtype : torch.dtype
    device : torch.device or str
    start : Start, optional
        What gives the weights.
    kept : bool, default True
        Whether `x` is the whole training set; else a batch, and others will be drawn.

    Returns
    -------
    Network
        A perceptron on the CPU with a loss by name, for the hand-written engine; its ``initial``
        is set.
    Module
        Everything else, tried on a few samples.

    Raises
    ------
    UsageError
        If `model` is none of these, cannot be trained, or does not fit samples and loss.
    UnknownNameError
        If `activation`, `init` or `loss` is not known.
    DataError
        If a weight is not finite or a label not a class.

    Warns
    -----
    UserWarning
        If the rows of a module cannot be batched.
    """
    check_init(init)
    inputs, targets = each(torch.as_tensor, x), torch.as_tensor(y)
    if loss == "mse" and targets.dim() > 1:
        targets = targets.to(torch.float64)  # of such a shape they are numbers, not classes
    loss = chosen(loss)
    _warn_of_weights(loss)
    criterion = Criterion(
        loss, labelled=not targets.is_floating_point(), dtype=dtype, device=device
    )
    made, label, init = _module(model, inputs, targets, image, classes, activation, init, seed)
    if start is not None:
        made, init = _restored(made, start), None
    network = _perceptron(made)
    if network is not None:
        several = isinstance(inputs, Several)
        if not several and inputs.dim() == 2:
            check_width(inputs.shape[1], "data", network)
        network, weights = spec.build(made, init=init, seed=seed, dtype=dtype)
        flat = targets.is_floating_point() or targets.dim() == 1
        known = isinstance(loss, str) and flat and kept and not (several or as_module)
        if known and (inputs.dim() == 2 or network.flattens):
            return replace(network, initial=weights, module=made)
        # so that an engine does not change what a seed draws
        made, init = allocated(copy.deepcopy(made)).to(dtype), None
        with torch.no_grad():
            nn.utils.vector_to_parameters(torch.from_numpy(weights), made.parameters())
        label = label or network.label
    tried = min(len(inputs), trial.SAMPLES)
    try:
        tested = _tried(
            prepare(made, init=init, seed=seed, dtype=dtype, device=device),
            label or type(made).__name__,
            inputs,
            targets,
            None if test is None else each(torch.as_tensor, test),
            image,
            criterion,
            batch_size,
            tuple(sizes),
            int(targets.max()) + 1 if classes is None and criterion.labelled else classes,
        )
    except UsageError as error:
        raise UsageError(f"{error} (tried on the first {tried} samples)") from error
    if start is not None and not start.partial:  # what it counted up to its step
        counts = tuple((at - stride * start.step, stride) for at, stride in tested.counts)
        return replace(tested, counts=counts)
    return tested


def _restored(module: nn.Module, start: Start) -> nn.Module:
    """Return a copy of `module` with the weights of a start, in double precision."""
    if any(weight.is_meta for weight in module.parameters()):  # of a spec
        module = spec.allocate(copy.deepcopy(module))
    module = copied(module)
    start.load(module)
    return module


def _module(
    model: str | nn.Module | Callable[[], nn.Module],
    x: Any,
    y: Tensor,
    image: tuple[int, int, int] | None,
    classes: int | None,
    activation: str,
    init: str | None,
    seed: int,
) -> tuple[nn.Module, str | None, str | None]:
    """Return the module, its label where it is not that of its class, and how to draw weights."""
    if isinstance(model, nn.Module):
        return model, None, init
    if callable(model):
        name = getattr(model, "__qualname__", type(model).__name__)
        return factories.called(model, seed, "model", name), None, init
    if not isinstance(model, str):
        raise UsageError(
            f"model is {type(model).__module__}.{type(model).__qualname__}, expected a spec such "
            "as 'mlp:64-32-10' or 'cnn:8-16', 'package.module:factory', a torch.nn.Module, or a "
            "function that returns one"
        )
    factories.check_spec(model)
    if isinstance(x, Several) and not factories.is_named(model):
        raise UsageError(f"model {model!r} takes one array of samples; give a torch.nn.Module")
    if factories.is_named(model):
        return factories.call(model, seed), model, init
    if model.startswith("cnn:"):
        if image is None and x.dim() == 4:
            image = (x.shape[1], x.shape[2], x.shape[3])
        if y.is_floating_point():
            outputs = y.shape[1] if y.dim() == 2 else 1
        else:
            outputs = int(y.max()) + 1 if classes is None else classes
        return cnn.from_spec(model, activation, image, outputs), model, init or "normal:1"
    return spec.from_spec(model, activation), None, init or "normal:1"


def _perceptron(module: nn.Module) -> Network | None:
    """Return the perceptron that `module` is, if it is one."""
    if any(part._forward_hooks or part._forward_pre_hooks for part in module.modules()):
        return None
    if frozen(module):
        return None
    try:
        return parse(module)
    except UsageError:
        return None


def _tried(
    module: nn.Module,
    label: str,
    x: Any,
    y: Tensor,
    test: Any,
    image: tuple[int, int, int] | None,
    criterion: Criterion,
    batch_size: int | None,
    sizes: tuple[int, ...],
    labels: int | None,
) -> Module:
    """Return what a trial on the first samples finds."""
    step = len(x) if batch_size is None else min(batch_size, len(x))
    rows = _counting(y, criterion.ignored)
    weight = next(value for _, value in trained(module))
    dtype, device = weight.dtype, weight.device
    one = not isinstance(x, Several)
    dtypes = [torch.int64, dtype] if one and not x.is_floating_point() else [dtype]
    shapes = [None, image] if image is not None and x.dim() == 2 else [None]
    forms = [Form(shape, kind) for shape in shapes for kind in dtypes]
    few = rows[: trial.SAMPLES]
    form, output = trial.find_form(
        module,
        [(form, form(x[few], device)) for form in forms],
        y[few].to(device),
        criterion,
        label,
    )
    classes = _classes(criterion, output, y, labels)
    check_labels(y, criterion, classes, "data")

    def samples(few: Tensor) -> Batch:
        return Batch(
            form(x[few], device), criterion.targets(y[few].to(device), output, dtype), None
        )

    batch = samples(few)
    for more in (64, step):  # pairs of a class, say, may be missing among few
        if not criterion.adds and not trial.suffices(module, batch, criterion):
            larger = samples(rows[: min(more, step)])
            batch = larger if trial.suffices(module, larger, criterion) else batch
    count, taken = len(batch), batch.x
    behaviour = trial.observe(module, batch, criterion)
    for size in sizes or (step, len(x) % step):
        if 0 < size < count:
            trial.check_size(module, taken[:size], of_step=step)
    if test is not None:
        trial.check_test(module, form(test[:count], device), output)
    reason = None
    if device.type == "cpu":
        reason = vmap.why_better_apart(module, behaviour, step)
    if reason is None:
        reason = vmap.why_not_batched(module, behaviour, batch, criterion)
    if reason is not None:
        warnings.warn(not_batched(label, reason), stacklevel=4)
    return Module(
        module=module,
        label=label,
        layout=layout(module),
        criterion=criterion,
        form=form,
        output=output,
        dtype=dtype,
        trial=batch,
        classes=classes,
        reason=reason,
        **vars(behaviour),
    )


def _counting(y: Tensor, ignored: int | None) -> Tensor:
    """Return the rows with a label that counts."""
    if ignored is None:
        return torch.arange(len(y))
    found = torch.nonzero((y != ignored).reshape(len(y), -1).any(1)).flatten()
    return found if len(found) else torch.arange(len(y))  # of which nothing counts: refused later


def _classes(
    criterion: Criterion, output: tuple[int, ...] | None, y: Tensor, labels: int | None
) -> int | None:
    """Return how many entries of an output are one a class, where accuracies have a meaning.

    A loss of the user's may take labels otherwise, such as those of pairs of embeddings: they are
    classes where there are as many of them as outputs.

    Returns
    -------
    int or None
    """
    if not criterion.labelled or not output:
        return None
    if criterion.ignored is None and (y.dim() > 1 or len(output) > 1):
        return None
    if criterion.ignored is None and not criterion.adds and (labels != output[0] or y.min() < 0):
        return None
    return output[0]


def _warn_of_weights(loss: Loss) -> None:
    """Say that what a loss holds does not train."""
    held = [name for name, _ in trained(loss)] if isinstance(loss, nn.Module) else []
    if held:
        warnings.warn(
            f"loss {type(loss).__name__} has parameters of its own, {', '.join(held)}, which stay "
            "as they are; what is to train belongs to the model",
            stacklevel=4,
        )
