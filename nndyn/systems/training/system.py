"""Training of a network as a system: `nndyn.Training`."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from nndyn.checks import whole
from nndyn.numerics.arrays import Array
from nndyn.systems.protocol import Parameter, Team
from nndyn.systems.spelling import canonical
from nndyn.systems.training.assembly import assembled
from nndyn.systems.training.description import describe
from nndyn.systems.training.execution.advancing import Advancing
from nndyn.systems.training.execution.team import Together
from nndyn.systems.training.execution.trajectories import evaluations
from nndyn.systems.training.optimizers.groups import Group
from nndyn.systems.training.second_order.differentiable import Differentiable
from nndyn.systems.training.second_order.measures import SecondOrder
from nndyn.systems.training.start.reading import read
from nndyn.systems.training.start.start import Start
from nndyn.systems.training.torch_optimizers import choice
from nndyn.systems.training.torch_optimizers.choice import Chosen
from nndyn.systems.training.torch_optimizers.in_turn import RowsInTurn
from nndyn.systems.training.torch_state import device as devices


class Training(Advancing, Differentiable):
    """The training of a network, as a map on its weights and the buffers of its optimizer.

    Parameters
    ----------
    model : str, torch.nn.Module or callable
        ``"mlp:64-32-10"``, the widths from input to output; ``"cnn:8-16"``, the channels of
        convolutions; ``"package.module:factory"``, a function without arguments that returns a
        module, or the function itself, called with torch seeded by `seed`; or a module, which is
        copied and cast, never changed. Data with a name have one where none is given, such as
        ``mlp:64-32-10`` of digits (`nndyn.systems.defaults.MODELS`).
    data : str, path, tuple (x, y), dict, Dataset or DataLoader
        ``digits``, ``iris``, ``wine``, ``breast-cancer``, ``fashion-mnist``, ``mnist``; the path of
        a ``.npz`` file or a table (``.csv``); or arrays or tensors, which enter as they are: x
        (samples, …), y integers, such as labels, or real-valued targets, (samples, …); of more
        than two the last is y; x may be a dict by the names of the model's arguments. A dict alone
        goes whole to the model, ``model(**batch)``. Of a Dataset or DataLoader the items are
        collected once, or batches drawn anew: see `data.loading.load` and `batches.loaders.taken`.
    test : tuple (x, y), optional
        Test set for given arrays; the others bring their own.
    loss : {"cross-entropy", "mse"} or callable
        ``cross-entropy``: mean over labels (samples, …), -100 left out, of outputs (samples,
        classes, …); options as in ``cross-entropy:label_smoothing=0.1:ignore_index=0:weight=1,2``.
        ``mse``: mean over all entries, on class labels (samples,) against one-hot rows. A callable
        takes (output, target), or (output, target, input), and returns a scalar tensor; where
        data is a dict (output, batch), and without one the model's own, ``output.loss``, is taken;
        outputs may be tuples, lists, dicts or dataclasses. A ``torch.nn.Module`` is copied and
        cast, its own parameters do not train.
    optimizer : str, class, callable or torch.optim.Optimizer
        ``sgd``, ``adam``, ``adamw``, ``rmsprop``, ``nadam`` or ``adagrad``, as in ``torch.optim``,
        to rounding, and ``lion`` (DOI 10.48550/arXiv.2302.06675); names may have capitals, and
        dtypes be torch's. Or a class of torch's or of your own, also in a ``functools.partial``; a
        function of the model that returns an optimizer of its parameters, in groups if need be; or
        an optimizer of the module given that has not stepped. They bring their own
        hyperparameters. One that has no name here takes its steps itself, a row after the other,
        bit for bit as in a plain loop, and has no tangents.
    lr : float, optional
        Learning rate; of a name required. A class gets it, and so does a function with a parameter
        `lr`; else it replaces the one that all groups have.
    momentum : float, default 0
        Momentum coefficient of sgd and rmsprop, in [0, 1).
    nesterov : bool, default False
        Nesterov momentum (sgd with a momentum).
    dampening : float, default 0
        Share of a gradient that does not enter the momentum of sgd, in [0, 1]; the first enters
        whole.
    weight_decay : float, default 0
        Times the weights, added to the gradient; decoupled from it in adamw and lion.
    betas : tuple of two floats, optional
        Decay rates of the two moments of adam and its variants, each in [0, 1); (0.9, 0.999) unless
        given. Of lion those of the step and of the mean, (0.9, 0.99).
    amsgrad : bool, default False
        Whether adam and adamw divide by the largest second moment so far.
    alpha : float, default 0.99
        Decay rate of the mean square of rmsprop, in [0, 1).
    eps : float, optional
        Added to the root that adam and its variants, rmsprop and adagrad divide by; 1e-8 unless
        given, 1e-10 of adagrad.
    lr_decay, initial_accumulator_value : float, default 0
        Of adagrad: after k updates the rate is ``lr / (1 + k lr_decay)``; the sum of squares begins
        at the other.
    groups : sequence of dict, optional
        Parameters with hyperparameters of their own, as torch's parameter groups: ``params`` has
        their names, or patterns such as ``"*.bias"``; the rest is `lr`, `weight_decay` and what
        else the optimizer takes. Others have the values above; schedule and clipping are of all.
    clip_norm : float, optional
        Largest l2 norm of a gradient, of all weights together; longer ones are scaled down to it.
    clip_value : float, optional
        Largest size of a component of a gradient; larger ones are cut. Not with `clip_norm`.
    accumulate : int, default 1
        Steps whose gradients, of a batch each, are averaged to one update of the weights, which the
        step from t makes where ``t + 1`` is a multiple; in the others they stay. Schedules, bias
        corrections and `ema` count updates; clipping is of the mean. In full batch the gradients
        of an update are equal but for what a step draws, such as dropout.
    ema : float, optional
        Decay, in [0, 1), of an exponential moving average of the weights, which begins with those
        after the first update, as in ``torch.optim.swa_utils.AveragedModel``. It is kept in the
        phase, nothing depends on it, and evaluations are those of the weights.
    batch_size : int, optional
        Samples per step; the whole training set unless given. An epoch is a permutation drawn from
        (`seed`, epoch) and cut into batches, the last of which may be shorter.
    schedule : str or callable, default "constant"
        Learning-rate schedule: ``constant``, ``cosine:T``, ``warmup:K``, ``step:K:G``,
        ``exponential:G``, ``linear:T:E``, ``one-cycle:T:P``, ``inverse-sqrt:K``, or several joined
        by commas, which are multiplied; see `optimizers.schedules`. Or a function of t that
        returns the factor on `lr`; or one of an optimizer that returns a scheduler of torch.
    start : path, dict or tuple, optional
        Where a training was before that is gone on with: a checkpoint with weights, optimizer and
        step, as a dict or in a file of ``torch.save`` or safetensors; or a recording, at its last
        time or as (path, step) at another. See `start.reading.read`.
    activation : {"tanh", "relu", "sigmoid", "gelu", "sin", "silu", "identity"}
        Activation function between the layers of a spec.
    init : str, optional
        ``normal:S``, ``xavier``, ``kaiming`` (all with zero biases) or ``default`` (torch's), for
        linear and convolutional layers. None keeps the weights of a module and is ``normal:1`` for
        a spec.
    samples : int, optional
        Number of training samples, stratified by label; the test set shrinks in proportion.
    data_dir : path, optional
        Folder that holds the files of ``fashion-mnist`` or ``mnist``.
    seed : int, default 0
        Seed of the initial weights, the batch order and the randomness of a step, each a stream of
        its own; not of the data.
    dtype : {"float64", "float32"}
    device : {"cpu", "cuda", "cuda:N"}

    Raises
    ------
    UsageError
        If an argument is wrong or the model cannot be trained on the data; `UnknownNameError` if
        it is a name that is not known.
    DataError
        If a number in the data or in the weights is not finite, or a label is out of range.

    Warns
    -----
    UserWarning
        If the replicas of a module cannot be computed together, or the optimizer steps for each.

    Notes
    -----
    The phase is the weights, in the order of ``torch.nn.utils.parameters_to_vector``, followed by
    the optimizer's buffers (none for sgd, one with momentum, two for adam and its variants, three
    with amsgrad, one or two for rmsprop, one for adagrad and lion), then the average of `ema`, the
    sum of the gradients of `accumulate`, and the running statistics of batch normalisation. Where
    an optimizer of torch steps for each row itself, it is that of `nndyn.Loop`. Parameters that do
    not require a gradient are constants, no part of it, and hashed in the description. A step is in
    the mode the module is in (as a rule ``train()``), evaluations are in evaluation mode; a step's
    randomness, as of dropout, is drawn from (`seed`, step) and shared by the replicas.

    Perceptrons with a named loss are computed by a pass of our own, other modules by
    ``torch.func``; see `nndyn.systems.training.perceptron.engine` and
    `nndyn.systems.training.modules.engine`. Rows of a perceptron with equal phases stay bitwise
    equal. Buffers are kept between calls: an instance is not for two threads at once.

    Examples
    --------
    >>> system = Training("mlp:64-32-10", "digits", lr=2.0)
    >>> system.dimension
    2410
    """

    kind = "training"
    stationary = False
    needs_orbit = True  # a row alone may be rounded otherwise than among others
    interval = 1.0
    time_unit = "step"
    series = ("gradient_norm",)
    arrival = ("step_length",)
    first_step = 0

    def __init__(
        self,
        model: str | nn.Module | Callable[[], nn.Module] | None = None,
        data: Any = None,
        *,
        test: Any = None,
        loss: str | Callable[[Any, Any], Any] = "cross-entropy",
        optimizer: str | Callable[..., Any] | torch.optim.Optimizer = "sgd",
        lr: float | None = None,
        momentum: float = 0,
        nesterov: bool = False,
        dampening: float = 0,
        weight_decay: float = 0,
        betas: tuple[float, float] | None = None,
        amsgrad: bool = False,
        alpha: float = 0.99,
        eps: float | None = None,
        lr_decay: float = 0,
        initial_accumulator_value: float = 0,
        groups: Sequence[Group | Mapping[str, Any]] = (),
        clip_norm: float | None = None,
        clip_value: float | None = None,
        accumulate: int = 1,
        ema: float | None = None,
        batch_size: int | None = None,
        schedule: str | Callable[..., Any] | tuple[type, dict[str, Any]] = "constant",
        start: Any = None,
        activation: str = "tanh",
        init: str | None = None,
        samples: int | None = None,
        data_dir: str | os.PathLike[str] | None = None,
        seed: int = 0,
        dtype: str | torch.dtype = "float64",
        device: str | torch.device = "cpu",
    ) -> None:
        optimizer, loss, activation, init = map(canonical, (optimizer, loss, activation, init))
        choose = choice.of(
            optimizer,
            model,
            own={
                "momentum": momentum,
                "nesterov": nesterov,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "betas": betas,
                "amsgrad": amsgrad,
                "alpha": alpha,
                "eps": eps,
                "lr_decay": lr_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "groups": groups,
            },
            lr=lr,
            schedule=canonical(schedule),
            clip_norm=clip_norm,
            clip_value=clip_value,
            accumulate=accumulate,
            ema=ema,
        )
        self.dtype, self.torch_dtype = devices.precision(dtype)
        self.device = devices.check(device)
        seed = whole("seed", seed, 0)
        begin = read(start)
        assemble = partial(
            assembled,
            model,
            data,
            test,
            samples=samples,
            data_dir=data_dir,
            activation=activation,
            init=init,
            loss=loss,
            batch_size=batch_size,
            seed=int(seed),
            dtype=self.torch_dtype,
            device=self.device,
            start=begin,
        )
        made, chosen = choose(assemble)
        self.task, self.files, network = made.task, made.files, made.task.network
        self.name = f"{made.data} {network.label}"
        self.first_step = 0 if begin is None else begin.step
        self.components = slice(0, network.size)
        self.parameters: Sequence[Parameter] = network.parameters
        self.labelled, self.counts = self.task.labelled, self.task.counts
        self.order = made.order
        self.steps_per_epoch = self.order.steps_per_epoch
        self.evaluate_every = self.steps_per_epoch or 1
        self.evaluate_auto = self.task.evaluate_auto(self.order)
        self.batch_values = () if self.task.kept else ("batch_loss",)
        self._description = describe(
            network,
            self.task.training,
            self.task.test,
            made.loss,
            self.kind,
            activation=activation if made.is_spec else None,
            init=(init or "normal:1") if made.is_spec and begin is None else init,
            data=made.data,
            **chosen.described,
            schedule_source=getattr(chosen.schedule, "source", None),
            batch_size=self.order.batch_size,
            **self.order.describe(),
            seed=int(seed),
            dtype=self.dtype.name,
            device=devices.describe(self.device),
            **self.task.describe(),
            **({} if samples is None else {"samples": int(samples)}),
        )
        self._hyperparameters = chosen.described
        if chosen.rule is None:
            self.__class__ = TrainingInTurn
        self._begin(chosen, begin)

    def _begin(self, chosen: Chosen, begin: Start | None) -> None:
        """Begin with the rule that is chosen, and the buffers that a start may bring."""
        assert chosen.rule is not None
        self.rule, network = chosen.rule, self.task.network
        self._buffers = self.rule.fresh(network.initial)
        if begin is not None:
            buffers = begin.buffers(
                self.rule,
                chosen.name,
                network.parameters,
                network.names,
                network.initial,
                chosen.groups,
            )
            self.rule = self.rule.begun(buffers.since, buffers.average_since)
            self._buffers = buffers.values
            self._description["start"] = begin.describe(self.rule, buffers)
        self._moved = network.size * (1 + self.rule.buffers)
        self.dimension = self._moved + len(network.initial_statistics)
        self._alone = Together([self])
        self._second = SecondOrder(self.task, self.rule, self.order)

    @property
    def tangent_size(self) -> int:
        """Components of the phase in which tangents live: all but running statistics."""
        return self._moved

    @property
    def by_parameter(self) -> bool:
        """Whether it tells distances by parameter: it has several."""
        return len(self.parameters) > 1

    @property
    def evaluations(self) -> tuple[str, ...]:
        """Names of what is evaluated."""
        return evaluations(self.counts, labelled=self.labelled)

    def __repr__(self) -> str:
        """Return the name and what was chosen."""
        named = {k: v for k, v in self._hyperparameters.items() if isinstance(v, int | float | str)}
        chosen = ", ".join(f"{k}={v}" for k, v in named.items())
        return f"<Training {self.name}, {chosen}>"

    def describe(self) -> dict[str, Any]:
        """Everything that defines the system, as JSON values; equal only for equal systems."""
        return self._description | ({"summation": "reversed"} if self.order.reverse else {})

    def initial(self, seed: int = 0) -> Array:
        """Return the first phase ``(P,)``, drawn by the `seed` of the system, not this one."""
        phase = np.zeros(self.dimension, self.dtype)
        phase[self.components] = self.task.network.initial
        phase[self.components.stop : self._moved] = self._buffers.reshape(-1)
        phase[self._moved :] = self.task.network.initial_statistics
        return phase

    def reordered(self) -> Self | None:
        """Return the same training with the samples of every step summed in reversed order.

        Returns
        -------
        Self or None
            None where a step is random: its numbers belong to places in the batch.
        """
        if self.task.random:
            return None
        twin = copy.copy(self)
        twin.order = self.order.turned()
        twin._alone = Together([twin])
        twin._second = SecondOrder(twin.task, twin.rule, twin.order)
        return twin

    def together(self, others: Sequence[Any]) -> Team:
        """Return this training and `others`, which have its shape, as one batch.

        Returns
        -------
        Team

        Raises
        ------
        UsageError
            If they differ in more than seeds and the numbers of the optimizer.
        """
        return Together([self, *others])


class TrainingInTurn(RowsInTurn, Training):
    """A `Training` whose optimizer is torch's: rows take turns, as in `nndyn.Loop`."""
