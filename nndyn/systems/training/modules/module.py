"""Module of a run: its numbers and its behaviour."""

from __future__ import annotations

import copy
import hashlib
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.fingerprint import content_bytes
from nndyn.systems.protocol import Parameter
from nndyn.systems.training.data.several import Several
from nndyn.systems.training.modules.criterion import Criterion
from nndyn.systems.training.modules.fingerprint import attributes_digest, code_digest
from nndyn.systems.training.modules.layout import Layout, frozen, vector
from nndyn.systems.training.modules.passes import Batch
from nndyn.systems.training.modules.preparation import compute

Tensor = torch.Tensor


@dataclass(frozen=True)
class Form:
    """How samples enter a module.

    Attributes
    ----------
    shape : tuple of int or None
        Of a sample; None as given.
    dtype : torch.dtype
    """

    shape: tuple[int, ...] | None
    dtype: torch.dtype

    def __call__(self, x: Any, device: torch.device | str) -> Any:
        """Return samples ``(N, ...)`` in this form on `device`, in memory of their own.

        Of `Several` the integers stay what they are.

        Returns
        -------
        torch.Tensor or Several
        """
        if isinstance(x, Several):
            return x.map(lambda part: self._real(torch.as_tensor(part), device))
        with torch.inference_mode(False):
            taken = torch.as_tensor(x).to(device=device, dtype=self.dtype, copy=True)
            return taken if self.shape is None else taken.reshape(len(taken), *self.shape)

    def _real(self, part: Tensor, device: torch.device | str) -> Tensor:
        with torch.inference_mode(False):
            dtype = self.dtype if part.is_floating_point() else part.dtype
            return part.to(device=device, dtype=dtype, copy=True)

    def describe(self) -> dict[str, Any]:
        """Return the form as JSON values."""
        shape = None if self.shape is None else list(self.shape)
        return {"shape": shape, "dtype": str(self.dtype).removeprefix("torch.")}


@dataclass(frozen=True, eq=False)
class Module:
    """Any ``torch.nn.Module`` with a loss, tried on the data of a run.

    Attributes
    ----------
    module : torch.nn.Module
        A copy of its own, cast, never run: a pass copies it again.
    label : str
        The spec, or the name of its class.
    layout : Layout
    counts : tuple of (int, int)
        Initial value and increase a step of every counter of batches.
    criterion : Criterion
    form : Form
        How samples enter it.
    output : tuple of int or None
        Shape of the output of a sample; None where the output is more than one tensor, or not of
        one entry a sample.
    dtype : torch.dtype
        Of weights, statistics and losses.
    trial : Batch
        The few samples it was tried on.
    classes : int or None
        C, where there are labels (N, ...) and outputs (N, C, ...) of one entry a class.
    random : bool
        Whether a step draws random numbers, as dropout does.
    differs : bool
        Whether an evaluation computes something else than a step: dropout, batch normalisation.
    independent, independent_evaluation : bool
        Whether the output of a sample depends on no other sample, in a step and in an evaluation.
    saved_bytes : int
        What a sample keeps for the backward pass.
    graph : bool
        Whether an evaluation differentiates, as the loss of a differential equation does.
    reason : str or None
        Why rows are not one call, by vmap; None where they are.
    """

    module: nn.Module
    label: str
    layout: Layout
    counts: tuple[tuple[int, int], ...]
    criterion: Criterion
    form: Form
    output: tuple[int, ...] | None
    dtype: torch.dtype
    trial: Batch
    classes: int | None
    random: bool
    differs: bool
    independent: bool
    independent_evaluation: bool
    saved_bytes: int
    graph: bool
    reason: str | None

    engine = "modules"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Layout of the weights."""
        return self.layout.parameters

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all parameters, frozen ones too."""
        return tuple(name for name, _ in self.module.named_parameters())

    @property
    def statistics(self) -> tuple[Parameter, ...]:
        """Layout of the running statistics."""
        return self.layout.statistics

    @property
    def size(self) -> int:
        """D, the number of weights."""
        return self.layout.size

    @property
    def batched(self) -> bool:
        """Whether rows are one call, by vmap."""
        return self.reason is None

    def counted(self, y: Array) -> int:
        """Return how many labels of `y` count in the share that is right."""
        ignored = self.criterion.ignored
        return y.size if ignored is None else int((y != ignored).sum())

    def copied(self) -> nn.Module:
        """Return a module with its initial weights, which is the caller's own."""
        with torch.inference_mode(False):
            return copy.deepcopy(self.module)

    def cast(self, dtype: torch.dtype) -> Module:
        """Return the same in another precision."""
        module = copy.deepcopy(self.module).to(dtype)
        compute(module)
        form = self.form if self.form.dtype == torch.int64 else replace(self.form, dtype=dtype)
        criterion = self.criterion.cast(dtype, next(module.parameters()).device)
        return replace(
            self,
            module=module,
            criterion=criterion,
            form=form,
            dtype=dtype,
            trial=self.trial.cast(dtype),
        )

    @property
    def initial(self) -> Array:
        """Initial weights ``(D,)``, a copy that is made each time: they may be many."""
        return _numpy(vector(self.module, self.parameters))

    @cached_property
    def initial_statistics(self) -> Array:
        """Initial running statistics ``(B,)``."""
        return _numpy(vector(self.module, self.statistics).to(self.dtype))

    @property
    def work(self) -> float:
        """Rough floating-point operations of a forward pass of a sample: 2 a weight or value."""
        return 2.0 * self.size + self.saved_bytes / self.dtype.itemsize

    def tells_loss(self, batch_size: int | None) -> bool:
        """Whether the loss of a step is that of an evaluation: in full batch, without dropout."""
        return batch_size is None and not self.differs

    def batch(self, x: Any, y: Array | Tensor, what: str = "data") -> Batch:
        """Return samples as the engine takes them, on the device of the module.

        Parameters
        ----------
        x : (N, ...)
        y : (N, ...)
            int64 labels or real targets.
        what : str
            Names the samples in an error.

        Returns
        -------
        Batch

        Raises
        ------
        UsageError
            If a sample has another shape than those the module was tried on.
        DataError
            If a label is not a class.
        """
        device = next(self.module.parameters()).device
        target = torch.as_tensor(y)
        check_labels(target, self.criterion, self.classes, what)
        with torch.inference_mode(False):
            target = target.to(device, copy=True)
            labels = self.criterion.labels(target, self.output) if self.classes else None
            target = self.criterion.targets(target, self.output, self.dtype)
        try:
            return Batch(self.form(x, device), target, labels)
        except RuntimeError as error:
            raise UsageError(
                f"{what}: samples of shape {tuple(x.shape[1:])} do not have the shape "
                f"{self.form.shape} that the model takes"
            ) from error

    def describe(self) -> dict[str, Any]:
        """Return what defines the module, as JSON values."""
        own = {place.name for place in self.statistics} | set(self.layout.counters)
        kind = type(self.module)
        return {
            "class": f"{kind.__module__}.{kind.__qualname__}",
            # an address in memory is another one in every process
            "lines": re.sub(r" at 0x[0-9a-f]+", "", repr(self.module)).splitlines(),
            "evaluating": [name for name, part in self.module.named_modules() if not part.training],
            "shapes": {place.name: list(place.shape) for place in self.parameters},
            "frozen": {
                name: {"shape": list(value.shape), "sha256": content_bytes(_numpy(value))}
                for name, value in frozen(self.module)
            },
            "statistics": {place.name: list(place.shape) for place in self.statistics},
            "statistics_sha256": hashlib.sha256(self.initial_statistics.tobytes()).hexdigest(),
            "counters": [list(count) for count in self.counts],
            "code_sha256": code_digest(self.module),
            "attributes_sha256": attributes_digest(self.module, own),
            "input": self.form.describe(),
            "output": None if self.output is None else list(self.output),
            "batched": self.batched,
        }


def check_labels(y: Tensor, criterion: Criterion, classes: int | None, what: str) -> None:
    """Refuse labels that are not classes; where `classes` is None they may be anything.

    Raises
    ------
    DataError
        If a label is neither 0 to `classes` - 1 nor the one that the loss leaves out, or all are
        that one.
    """
    if classes is None:
        return
    good, left_out = (y >= 0) & (y < classes), ""
    if criterion.ignored is not None:
        good |= y == criterion.ignored
        left_out = f" (and {criterion.ignored}, which is left out)"
        if bool((y == criterion.ignored).all()):
            raise DataError(
                f"{what}: all labels are {criterion.ignored}, which the loss leaves out; some "
                "must count"
            )
    bad = torch.nonzero(~good)
    if len(bad):
        row, *rest = bad[0].tolist()
        place = f"row {row}" + (f", position {', '.join(map(str, rest))}" if rest else "")
        raise DataError(
            f"{what}: label in {place} is {int(y[tuple(bad[0])])}; the model takes labels 0 to "
            f"{classes - 1}, one for each of its outputs{left_out}"
        )


def not_batched(label: str, reason: str) -> str:
    """Return what a user is told of rows that are not one call."""
    return f"model {label} is not batched: {reason}; replicas run one after the other"


def _numpy(values: Tensor) -> Array:
    found: Array = values.detach().cpu().numpy().copy()
    return found
