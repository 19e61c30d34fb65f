"""The training of a network as a system: what `nndyn.Training` is."""

from __future__ import annotations

import copy
import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from nndyn.errors import UnknownNameError, UsageError
from nndyn.systems.protocol import Array, Block, Parameter
from nndyn.systems.training import batches, models
from nndyn.systems.training import data as datasets
from nndyn.systems.training import device as devices
from nndyn.systems.training.engine import Engine
from nndyn.systems.training.losses import LOSSES
from nndyn.systems.training.mlp import Perceptrons
from nndyn.systems.training.threads import threads_for
from nndyn.systems.training.together import SHARED_VALUES, Together
from nndyn.systems.training.trajectory import evaluations
from nndyn.systems.training.updates import SGD, Adam, Rule

OPTIMIZERS = ("sgd", "adam")
DTYPES = {"float64": torch.float64, "float32": torch.float32}


class Training:
    """The training of a network, as a map on its weights and the buffers of its optimizer.

    Parameters
    ----------
    model : str or torch.nn.Sequential
        ``"mlp:64-32-10"``, the widths from input to output; or an ``nn.Sequential`` of
        ``nn.Linear`` and activations, with ``nn.Flatten`` allowed in front. A module is copied and
        cast, never changed.
    data : str or tuple (x, y)
        ``digits``, ``iris``, ``wine``, ``breast-cancer``, which bring a test set (see
        `nndyn.systems.training.data`); or arrays or tensors, which enter as they are: x (samples,
        features), y integer labels from 0 (samples,) or real-valued targets (samples, outputs).
    test : tuple (x, y), optional
        Test set for given arrays.
    loss : {"cross-entropy", "mse"}
        Mean over samples. ``mse`` is the mean over all entries, on class labels against one-hot
        rows.
    optimizer : {"sgd", "adam"}
        As in ``torch.optim``, to rounding.
    lr : float
        Learning rate.
    momentum : float, default 0
        Of sgd, in [0, 1), without dampening.
    betas : tuple of two floats, default (0.9, 0.999)
        Of adam, each in [0, 1).
    batch_size : int, optional
        Samples a step; the whole training set unless given. An epoch is a permutation drawn from
        (`seed`, epoch) and cut into batches, the last of which may be shorter.
    activation : {"tanh", "relu", "sigmoid", "gelu", "sin", "identity"}
        Between the layers of a spec.
    init : str, optional
        ``normal:S``, ``xavier``, ``kaiming`` (all with zero biases) or ``default`` (torch's). None
        keeps the weights of a module and is ``normal:1`` for a spec.
    seed : int, default 0
        Draws initial weights and batch order, each from a stream of its own.
    dtype : {"float64", "float32"}
    device : {"cpu"}

    Raises
    ------
    UsageError
        If an argument is wrong; `UnknownNameError` if it is a name that is not known.
    DataError
        If a number in the data or in the weights is not finite, or a label is out of range.

    Notes
    -----
    The phase is the weights, in the order of ``torch.nn.utils.parameters_to_vector``, followed by
    the optimizer's buffers: none for sgd, one with momentum, two for adam. Rows with equal phases
    stay bitwise equal. Buffers are kept between calls: an instance is not for two threads at once.

    Examples
    --------
    >>> system = Training("mlp:64-32-10", "digits", lr=2.0)
    >>> system.dimension
    2410
    """

    kind = "training"
    stationary = False
    interval = 1.0
    time_unit = "step"
    series = ("gradient_norm",)
    arrival = ("step_length",)

    def __init__(
        self,
        model: str | nn.Module,
        data: Any,
        *,
        test: Any = None,
        loss: str = "cross-entropy",
        optimizer: str = "sgd",
        lr: float,
        momentum: float = 0,
        betas: tuple[float, float] = (0.9, 0.999),
        batch_size: int | None = None,
        activation: str = "tanh",
        init: str | None = None,
        seed: int = 0,
        dtype: str = "float64",
        device: str = "cpu",
    ) -> None:
        self.rule, self._hyperparameters = _rule(optimizer, lr, momentum, betas)
        _choice("loss", loss, LOSSES)
        _choice("dtype", dtype, DTYPES)
        self.device = devices.check(device)
        if not _is_integer(seed) or seed < 0:
            raise UsageError(f"seed is {seed!r}; give an integer >= 0")
        if not isinstance(model, str) and activation != "tanh":
            raise UsageError(
                f"activation={activation!r} applies to a spec; a module brings its own activations"
            )
        self._network, self._initial = models.build(
            model, activation=activation, init=init, seed=int(seed), dtype=DTYPES[dtype]
        )
        network = self._network
        held_out: datasets.Samples | None
        if isinstance(data, str):
            if test is not None:
                raise UsageError(f"data {data!r} brings its own test set; leave test out")
            training, held_out = datasets.named(data)
            data_name = data.replace("_", "-")
        else:
            training = datasets.given(data, "data", flattens=network.flattens)
            held_out = (
                None if test is None else datasets.given(test, "test", flattens=network.flattens)
            )
            data_name = "arrays"
        for samples, what in ((training, "data"), (held_out, "test")):
            if samples is not None:
                datasets.fit(
                    samples, what, inputs=network.inputs, outputs=network.outputs, loss=loss
                )
        if held_out is not None and held_out.labelled != training.labelled:
            raise UsageError("data and test must both have integer labels, or neither")
        if batch_size is not None and (
            not _is_integer(batch_size) or not 1 <= batch_size <= len(training)
        ):
            raise UsageError(
                f"batch_size is {batch_size!r}; give an integer from 1 to {len(training)}, "
                "the number of training samples"
            )
        self.name = f"{data_name} {network.label}"
        self.dtype, self.torch_dtype = np.dtype(dtype), DTYPES[dtype]
        self.dimension = network.size * (1 + self.rule.buffers)
        self.components = slice(0, network.size)
        self.parameters: Sequence[Parameter] = network.parameters
        self._training, self._test = training, held_out
        self._loss, self.labelled = loss, training.labelled
        size = None if batch_size is None else int(batch_size)
        self._order = batches.Order(len(training), batch_size=size, seed=int(seed))
        self.steps_per_epoch: int | None = self._order.steps_per_epoch
        self.evaluate_every = self._order.steps_per_epoch
        self.counts = {"": len(training)}
        if held_out is not None:
            self.counts["test_"] = len(held_out)
        self._description = {
            "kind": self.kind,
            "model": network.label,
            "layers": network.describe(),
            "parameters": [parameter.name for parameter in network.parameters],
            "activation": activation if isinstance(model, str) else None,
            "init": (init or "normal:1") if isinstance(model, str) else init,
            "initial_sha256": hashlib.sha256(self._initial.tobytes()).hexdigest(),
            "data": data_name,
            "train": training.describe(),
            "test": None if held_out is None else held_out.describe(),
            "loss": loss,
            **self._hyperparameters,
            "batch_size": size,
            "seed": int(seed),
            "dtype": dtype,
            "device": devices.describe(self.device),
        }
        self._alone = Together([self])

    @property
    def evaluations(self) -> tuple[str, ...]:
        """Names of what is evaluated."""
        return evaluations(self.counts, labelled=self.labelled)

    @cached_property
    def _inputs(self) -> tuple[batches.Inputs, batches.Inputs | None]:
        """Training and test set, laid out for a perceptron when first used."""
        layer = self._network.layers[0]
        training, test = (
            None
            if samples is None
            else batches.inputs(
                samples, outputs=self._network.outputs, bias=layer.bias, dtype=self.torch_dtype
            )
            for samples in (self._training, self._test)
        )
        assert training is not None  # checked where the data enter
        return training, test

    def engine(self, systems: Sequence[Training], replicas: int) -> Engine:
        """Return what computes `systems`, of which this is the first, with `replicas` rows each."""
        training, test = self._inputs
        return Perceptrons(
            self._network,
            LOSSES[self._loss](),
            training,
            test,
            [system._order for system in systems],
            replicas=replicas,
            dtype=self.torch_dtype,
        )

    def shares(self, replicas: int) -> int:
        """Return how many runs of `replicas` rows are best computed by the same calls."""
        samples = self._order.batch_size or len(self._training)
        widest = max(layer.outputs for layer in self._network.layers)
        return max(1, SHARED_VALUES // (replicas * widest * samples))

    def __repr__(self) -> str:
        """Return the name and what was chosen."""
        chosen = ", ".join(f"{k}={v}" for k, v in self._hyperparameters.items() if v is not None)
        return f"<Training {self.name}, {chosen}>"

    def describe(self) -> dict[str, Any]:
        """Everything that defines the system, as JSON values; equal only for equal systems."""
        description = dict(self._description)
        if self._order.reverse:
            description["summation"] = "reversed"
        return description

    def work(self, replicas: int) -> float:
        """Rough floating-point operations of one step of `replicas` rows."""
        samples = self._order.batch_size or len(self._training)
        first, *rest = (layer.size for layer in self._network.layers)
        forward, backward = first + sum(rest), first + 2 * sum(rest)
        tested = 0 if self._test is None or self._order.batch_size is not None else len(self._test)
        return 2.0 * replicas * (samples * (forward + backward) + tested * forward)

    def initial(self, seed: int = 0) -> Array:
        """Return the phase ``(P,)`` at time 0, drawn by the `seed` of the system, not this one."""
        phase = np.zeros(self.dimension, self.dtype)
        phase[self.components] = self._initial
        return phase

    def advance(
        self,
        phase: Array,
        start: int,
        steps: int,
        keep: Sequence[int],
        *,
        evaluate: Sequence[int] = (),
        part: slice | None = None,
    ) -> Block:
        """Advance the rows ``(R, P)`` by `steps` steps; see `nndyn.systems.protocol.System`.

        Parameters
        ----------
        phase : (R, P)
            Rows at time `start`; not changed.
        start, steps : int
        keep, evaluate : sequence of int
            Ascending times in ``[start, start + steps)``.
        part : slice, optional
            Part of the phase that is stored, `components` unless given.

        Returns
        -------
        Block
            All arrays are fresh.

        Raises
        ------
        UsageError
            If `phase` is not ``(R, P)``, `steps` < 1, or a time is out of range.
        """
        if steps < 1:
            raise UsageError(f"steps is {steps}; give at least 1")
        return self._run(phase, start, steps, keep, evaluate, part)

    def observe(
        self, phase: Array, t: int, *, evaluate: bool = True, part: slice | None = None
    ) -> Block:
        """Return the Block of the time `t` alone, equal to what `advance` stores there.

        Parameters
        ----------
        phase : (R, P)
        t : int
        evaluate : bool, default True
        part : slice, optional

        Returns
        -------
        Block

        Raises
        ------
        UsageError
            If `phase` is not ``(R, P)``.
        """
        return self._run(phase, t, 0, (t,), (t,) if evaluate else (), part)

    def reordered(self) -> Training:
        """Return the same training with the samples of every batch summed in reversed order."""
        twin = copy.copy(self)
        twin._order = self._order.turned()
        twin._alone = Together([twin])
        return twin

    def together(self, others: Sequence[Training]) -> Together:
        """Return this training and `others`, which have its shape, as one batch.

        Returns
        -------
        Together

        Raises
        ------
        UsageError
            If they differ in more than seeds and the numbers of the optimizer.
        """
        return Together([self, *others])

    @staticmethod
    def one_thread() -> AbstractContextManager[None]:
        """Let torch use one thread, for where several runs have one each."""
        return threads_for(0.0)

    def bare(self, phase: Array, start: int, steps: int) -> Array:
        """Return the phase ``(R, P)`` after `steps` steps that record nothing, for timing."""
        rows = self._rows(phase)
        with self.computing(len(rows)):
            end: Array = self._alone.bare(rows[None], start, steps)[0]
        return end

    def _run(
        self,
        phase: Array,
        start: int,
        steps: int,
        keep: Sequence[int],
        evaluate: Sequence[int],
        part: slice | None,
    ) -> Block:
        phase = self._rows(phase)
        end = start + max(steps, 1)
        for what, times in (("keep", keep), ("evaluate", evaluate)):
            ascending = all(a < b for a, b in itertools.pairwise(times))
            if len(times) and not (ascending and start <= times[0] and times[-1] < end):
                raise UsageError(f"{what}: times must ascend within [{start}, {end})")
        with self.computing(len(phase)):
            return self._alone.run(phase[None], start, steps, keep, evaluate, part)[0]

    @contextmanager
    def computing(self, replicas: int) -> Iterator[None]:
        """Have torch compute steps of `replicas` rows fast and repeatably."""
        with threads_for(self.work(replicas)), devices.repeatable(self.device):
            yield

    def _rows(self, phase: Array) -> Array:
        rows = np.ascontiguousarray(phase, dtype=self.dtype)
        if rows.ndim != 2 or rows.shape[1] != self.dimension or len(rows) == 0:
            raise UsageError(
                f"phase has shape {np.shape(phase)}; it must be (rows, {self.dimension})"
            )
        return rows


def _is_integer(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _number(name: str, value: Any, allowed: str) -> float:
    try:
        if isinstance(value, (str, bytes, bool)):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise UsageError(f"{name} is {value!r}; give {allowed}") from None
    return number


def _choice(what: str, value: Any, known: Any) -> None:
    if not isinstance(value, str) or value not in known:
        raise UnknownNameError(f"unknown {what} {value!r}; known are {', '.join(known)}")


def _rule(optimizer: str, lr: Any, momentum: Any, betas: Any) -> tuple[Rule, dict[str, Any]]:
    """Return the update rule and its hyperparameters, checked."""
    _choice("optimizer", optimizer, OPTIMIZERS)
    rate = _number("lr", lr, "a finite number > 0")
    if not (math.isfinite(rate) and rate > 0):
        raise UsageError(f"lr is {lr!r}; give a finite number > 0")
    mass = _number("momentum", momentum, "a number in [0, 1)")
    if not 0 <= mass < 1:
        raise UsageError(f"momentum is {momentum!r}; give a number in [0, 1)")
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise UsageError(f"betas is {betas!r}; give two numbers in [0, 1)")
    first, second = (_number("betas", beta, "two numbers in [0, 1)") for beta in betas)
    if not (0 <= first < 1 and 0 <= second < 1):
        raise UsageError(f"betas is {betas!r}; give two numbers in [0, 1)")
    if optimizer == "sgd":
        if (first, second) != (0.9, 0.999):
            raise UsageError("betas apply to adam; the optimizer is sgd")
        return SGD(rate, mass), {
            "optimizer": "sgd",
            "lr": rate,
            "momentum": mass,
            "betas": None,
        }
    if mass:
        raise UsageError("momentum applies to sgd; the optimizer is adam, whose betas are its own")
    return Adam(rate, (first, second)), {
        "optimizer": "adam",
        "lr": rate,
        "momentum": None,
        "betas": [first, second],
    }
