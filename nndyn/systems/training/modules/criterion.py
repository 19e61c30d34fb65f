"""Criterion: the loss of a module's outputs for one row, by name or a user's function."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from nndyn.errors import DataError, UnknownNameError, UsageError
from nndyn.options import CHOICES
from nndyn.systems.training.data.samples import Samples
from nndyn.systems.training.data.several import plain
from nndyn.systems.training.modules.preparation import first_line
from nndyn.words.names import did_you_mean

_NAMES = CHOICES["loss"]

Tensor = torch.Tensor
Loss = str | Callable[..., Any]

#: The label that cross-entropy leaves out, as in torch.
IGNORED = -100
#: What a keyword-only argument is called that gets the input.
_INPUT = ("input", "inputs", "x")
#: How options of cross-entropy are read, by the names of ``torch.nn.CrossEntropyLoss``.
_OPTIONS: dict[str, Callable[[str], Any]] = {
    "label_smoothing": float,
    "ignore_index": int,
    "weight": lambda text: torch.tensor([float(w) for w in text.split(",")], dtype=torch.float64),
}


def chosen(loss: Loss, *sets: Samples | None) -> Loss:
    """Return what computes `loss`: a name without options, or what is called.

    Parameters
    ----------
    loss : str or callable
        ``cross-entropy``, with options as in ``cross-entropy:label_smoothing=0.1:weight=1,2.5``
        or ``cross-entropy:ignore_index=0``; ``mse``; or a callable.
    *sets : Samples, optional
        The training and the test set.

    Returns
    -------
    str or callable
        ``torch.nn.CrossEntropyLoss`` for cross-entropy with options, or of labels to be ignored.

    Raises
    ------
    UnknownNameError
        If `loss` is a name that is not known.
    UsageError
        If it is neither a name nor callable, or an option is wrong.
    """
    if not isinstance(loss, str):
        if not callable(loss):
            raise UsageError(
                f"loss is {loss!r}, expected {', '.join(CHOICES['loss'])} or a callable "
                "(output, target) -> scalar"
            )
        return loss
    name, *given = loss.split(":")
    if name not in _NAMES:
        raise UnknownNameError(
            f"unknown loss {loss!r}; known: {', '.join(CHOICES['loss'])}, or give a callable "
            f"(output, target) -> scalar{did_you_mean(name, CHOICES['loss'])}"
        )
    if given and name != "cross-entropy":
        raise UsageError(f"loss {loss!r}: {name} has no options")
    options: dict[str, Any] = {}
    for text in given:
        key, _, value = text.partition("=")
        try:
            options[key] = _OPTIONS[key](value)
        except (KeyError, ValueError):
            raise UsageError(
                f"loss {loss!r}: {text!r} is no option; cross-entropy takes label_smoothing=S, "
                "ignore_index=K and weight=W,W,…, one number a class, each after a colon"
            ) from None
    if not 0 <= options.get("label_smoothing", 0.0) <= 1:
        raise UsageError(f"loss {loss!r}: label_smoothing must lie in [0, 1]")
    ignoring = any(s is not None and s.labelled and bool((s.y == IGNORED).any()) for s in sets)
    if options or (name == "cross-entropy" and ignoring):
        return nn.CrossEntropyLoss(**options)
    return name


def of_whole(loss: Loss) -> Callable[..., Any]:
    """Return the loss of samples that have no targets apart.

    Parameters
    ----------
    loss : str or callable
        ``cross-entropy``, the default, for the loss that a model returns; or a callable
        ``(output, batch) -> scalar``, which gets all that the model does.

    Returns
    -------
    callable
        ``(output, target, batch) -> scalar``.

    Raises
    ------
    UsageError
        If it is neither.
    """
    if loss == "cross-entropy":
        return returned_loss
    if not callable(loss):
        raise UsageError(
            f"loss is {loss!r}, and data is a dict, which goes whole to the model; leave loss out "
            "for the one that the model returns, or give a callable (output, batch) -> scalar"
        )
    return functools.partial(_with_batch, loss)


def returned_loss(output: Any, target: Tensor, batch: Any) -> Any:
    """Return the loss that a model returns: ``output.loss`` or ``output["loss"]``."""
    found = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    if found is None:
        kind = type(output).__name__
        raise UsageError(
            f"the model returns a {kind} without a loss; give it labels, or a `loss` of yours, "
            "(output, batch) -> scalar"
        )
    return found


def _with_batch(loss: Callable[..., Any], output: Any, target: Tensor, batch: Any) -> Any:
    return loss(output, batch)


def ignored(loss: Loss) -> int | None:
    """Return the label that `loss` leaves out, None where it takes no labels in torch's layout.

    Torch's layout: outputs (N, C, ...), one entry a class, and labels (N, ...).

    Returns
    -------
    int or None
    """
    if isinstance(loss, str):
        return IGNORED if loss.partition(":")[0] == "cross-entropy" else None
    if type(loss) in (nn.CrossEntropyLoss, nn.NLLLoss):
        return int(loss.ignore_index)  # type: ignore[attr-defined]
    bound = loss if isinstance(loss, functools.partial) else functools.partial(loss)
    if bound.func in (functional.cross_entropy, functional.nll_loss):
        return int(bound.keywords.get("ignore_index", IGNORED))
    return None


def check_classes(loss: Loss, training: Samples, what: str) -> None:
    """Refuse labels of one class alone, where `loss` is known to take classes.

    Parameters
    ----------
    loss : str or callable
    training : Samples
    what : str
        What messages call the training set.

    Raises
    ------
    DataError
        If all training labels are the same.
    """
    left_out = ignored(loss)
    known = left_out is not None or (loss == "mse" and training.y.ndim == 1)
    if not (known and training.labelled):
        return
    labels = training.y.reshape(-1)
    labels = labels if left_out is None else labels[labels != left_out]
    if len(labels) and (labels == labels[0]).all():
        label = int(labels[0])
        named = f" ({training.classes[label]!r})" if training.classes else ""
        raise DataError(
            f"{what}: all {len(labels)} labels are {label}{named}; training needs at least two "
            "classes (or targets that are not integers)"
        )


class Criterion:
    """A loss and the targets it takes.

    Parameters
    ----------
    loss : str or callable
        ``cross-entropy``: mean over labels, of outputs (N, C, ...) and labels (N, ...). ``mse``:
        mean over all entries, of real targets, or of class labels (N,) as one-hot rows. A callable
        ``(output, target) -> scalar``, or ``(output, target, input) -> scalar``, gets all samples
        of a step at once, and the targets as given. A module among callables is copied and cast.
    labelled : bool
        Whether targets are integers.
    dtype : torch.dtype, default torch.float64
    device : torch.device or str, default "cpu"
        What a loss holds, such as the weights of classes, is cast to these.

    Attributes
    ----------
    name : str
        The name, or the module and name of the function.
    adds : bool
        Whether the loss of many samples is the sum of the losses of its parts.
    takes_input : bool
        Whether it gets the input as well.
    ignored : int or None
        The label that it leaves out; None where it is not known to take labels in torch's layout.

    Raises
    ------
    UnknownNameError
        If `loss` is a name that is not known.
    UsageError
        If it is neither a name nor callable, cannot be copied, or ``cross-entropy`` of targets
        without labels.
    """

    def __init__(
        self,
        loss: Loss,
        *,
        labelled: bool,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.name = name(loss)
        loss = chosen(loss)
        if loss == "cross-entropy" and not labelled:
            raise UsageError(
                "`loss='cross-entropy'` takes integer class labels, and y holds real numbers; "
                "give labels or `loss='mse'`"
            )
        self.loss = loss if isinstance(loss, str) else _cast(loss, dtype, device)
        self.labelled = labelled
        self.adds = isinstance(loss, str)
        self.takes_input, self._keyword = (False, None) if isinstance(loss, str) else _third(loss)
        self.ignored = ignored(loss) if labelled else None

    def cast(self, dtype: torch.dtype, device: torch.device | str) -> Criterion:
        """Return the same in another precision."""
        return Criterion(self.loss, labelled=self.labelled, dtype=dtype, device=device)

    def targets(self, y: Tensor, outputs: tuple[int, ...] | None, dtype: torch.dtype) -> Tensor:
        """Return `y` as the loss takes it, for an output of shape `outputs` a sample."""
        if self.loss == "mse" and self.labelled and outputs:
            return functional.one_hot(y, outputs[0]).to(dtype)
        if self.loss == "mse" and {tuple(y.shape[1:]), outputs} == {(), (1,)}:
            return y.to(dtype).reshape(len(y), *(outputs or ()))  # one number a sample, either way
        if self.ignored is not None and outputs is not None and y.shape[1:] == (1,):
            return y.reshape(-1) if len(outputs) == 1 else y  # one label a sample, either way
        return y if self.labelled else y.to(dtype)

    def labels(self, y: Tensor, outputs: tuple[int, ...] | None) -> Tensor:
        """Return class labels as outputs are held to them, -1 where none counts."""
        labels = y if self.loss == "mse" else self.targets(y, outputs, y.dtype)
        return labels if self.ignored is None else labels.masked_fill(labels == self.ignored, -1)

    def __call__(self, output: Any, target: Tensor, x: Any, count: int) -> Tensor:
        """Return the share in the loss of `count` samples that the samples given have, a scalar."""
        if not isinstance(self.loss, str):
            x = plain(x)
            placed = (x,) if self.takes_input and self._keyword is None else ()
            named = {} if self._keyword is None else {self._keyword: x}
            found: Tensor = self.loss(output, target, *placed, **named)
            return found
        if self.loss == "mse":
            per_sample: int = output[0].numel()
            squares: Tensor = functional.mse_loss(output, target, reduction="sum")
            return squares / (count * per_sample)
        summed: Tensor = functional.cross_entropy(output, target, reduction="sum")
        return summed / (count * target[0].numel())


def name(loss: Loss) -> str:
    """Return the name of a loss; of a callable, where it is defined."""
    if isinstance(loss, str):
        return loss
    if isinstance(loss, functools.partial):
        return name(loss.func)
    named = loss if hasattr(loss, "__qualname__") else type(loss)
    return f"{named.__module__}.{named.__qualname__}"


def _third(loss: Callable[..., Any]) -> tuple[bool, str | None]:
    """Return whether `loss` takes the input as well, and by which keyword where by one only."""
    called = loss.forward if isinstance(loss, nn.Module) else loss
    try:
        needed = [
            p
            for p in inspect.signature(called).parameters.values()
            if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
    except (TypeError, ValueError):  # written in another language, which does not say
        return False, None
    placed = [p for p in needed if p.kind is not p.KEYWORD_ONLY]
    if len(placed) == 3:
        return True, None
    named = next((p.name for p in needed if p.kind is p.KEYWORD_ONLY and p.name in _INPUT), None)
    return named is not None, named


def _cast(loss: Any, dtype: torch.dtype, device: torch.device | str) -> Any:
    """Return a copy of a loss whose tensors, of a module or bound by partial, are cast."""
    if isinstance(loss, nn.Module):
        try:
            return copy.deepcopy(loss).to(device=device, dtype=dtype)
        except Exception as error:
            raise UsageError(
                f"loss {name(loss)} cannot be copied: {first_line(error)}; it must be possible to "
                "copy.deepcopy it"
            ) from error
    if isinstance(loss, functools.partial):
        bound = {key: _cast(value, dtype, device) for key, value in loss.keywords.items()}
        given = [_cast(value, dtype, device) for value in loss.args]
        return functools.partial(_cast(loss.func, dtype, device), *given, **bound)
    if isinstance(loss, Tensor):
        return loss.detach().to(device, dtype if loss.is_floating_point() else loss.dtype)
    return loss
