"""What a module is to a run: its numbers, and how it behaves."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from nndyn.errors import DataError, UsageError
from nndyn.systems.protocol import Array, Parameter
from nndyn.systems.training.contents import attributes_digest, code_digest
from nndyn.systems.training.criteria import Criterion
from nndyn.systems.training.functional import Batch
from nndyn.systems.training.layout import Layout, vector

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

    def __call__(self, x: Array | Tensor, device: torch.device | str) -> Tensor:
        """Return samples ``(N, ...)`` in this form on `device`, in memory of their own."""
        with torch.inference_mode(False):
            taken = torch.as_tensor(x).to(device=device, dtype=self.dtype, copy=True)
            return taken if self.shape is None else taken.reshape(len(taken), *self.shape)

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
    output : tuple of int
        Shape of the output of a sample.
    dtype : torch.dtype
        Of weights, statistics and losses.
    classes : int or None
        Width of the output, where there are labels and an output has one entry a class.
    random : bool
        Whether a step draws random numbers, as dropout does.
    differs : bool
        Whether an evaluation computes something else than a step: dropout, batch normalisation.
    independent, independent_evaluation : bool
        Whether the output of a sample depends on no other sample, in a step and in an evaluation.
    saved_bytes : int
        What a sample keeps for the backward pass.
    batched : bool
        Whether rows are one call, by vmap.
    reason : str or None
        Why they cannot be, where that is the module's fault.
    """

    module: nn.Module
    label: str
    layout: Layout
    counts: tuple[tuple[int, int], ...]
    criterion: Criterion
    form: Form
    output: tuple[int, ...]
    dtype: torch.dtype
    classes: int | None
    random: bool
    differs: bool
    independent: bool
    independent_evaluation: bool
    saved_bytes: int
    batched: bool
    reason: str | None

    engine = "modules"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Layout of the weights."""
        return self.layout.parameters

    @property
    def statistics(self) -> tuple[Parameter, ...]:
        """Layout of the running statistics."""
        return self.layout.statistics

    @property
    def size(self) -> int:
        """D, the number of weights."""
        return self.layout.size

    @property
    def outputs(self) -> int:
        """Number of outputs a sample."""
        return math.prod(self.output)

    @cached_property
    def initial(self) -> Array:
        """Initial weights ``(D,)``."""
        return _numpy(vector(self.module, self.parameters))

    @cached_property
    def initial_statistics(self) -> Array:
        """Initial running statistics ``(B,)``."""
        return _numpy(vector(self.module, self.statistics).to(self.dtype))

    @property
    def work(self) -> float:
        """Rough floating-point operations of a forward pass of a sample: 2 a weight or value."""
        return 2.0 * self.size + self.saved_bytes / self.dtype.itemsize

    def batch(self, x: Array | Tensor, y: Array | Tensor, what: str = "data") -> Batch:
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
            labels = None if self.classes is None else target
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
            "statistics": {place.name: list(place.shape) for place in self.statistics},
            "statistics_sha256": hashlib.sha256(self.initial_statistics.tobytes()).hexdigest(),
            "counters": [list(count) for count in self.counts],
            "code_sha256": code_digest(self.module),
            "attributes_sha256": attributes_digest(self.module, own),
            "input": self.form.describe(),
            "output": list(self.output),
            "batched": self.batched,
        }


def check_labels(y: Tensor, criterion: Criterion, classes: int | None, what: str) -> None:
    """Refuse labels that are not classes.

    Raises
    ------
    DataError
        If a label is negative or, where `classes` is not None, not below it.
    """
    if not criterion.labelled:
        return
    most = math.inf if classes is None else classes
    bad = torch.nonzero((y < 0) | (y >= most)).flatten()
    if len(bad):
        row = int(bad[0])
        allowed = "labels from 0" if classes is None else f"labels 0 to {classes - 1}"
        raise DataError(
            f"{what}: label in row {row} is {int(y[row])}; the model takes {allowed}, one for "
            "each of its outputs"
        )


def _numpy(values: Tensor) -> Array:
    found: Array = values.detach().cpu().numpy().copy()
    return found
