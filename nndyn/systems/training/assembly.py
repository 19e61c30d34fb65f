"""Assembly of a training's task from a user's model, data and loss."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from nndyn.errors import UsageError
from nndyn.systems.defaults import model_of
from nndyn.systems.training.batches import loaders
from nndyn.systems.training.batches.orders import DrawnOrder
from nndyn.systems.training.data.loading import files, load
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.data.order import size as checked_size
from nndyn.systems.training.data.samples import classes
from nndyn.systems.training.data.several import Several
from nndyn.systems.training.models import factories
from nndyn.systems.training.models.build import build
from nndyn.systems.training.models.on_device import DevicePerceptronTask
from nndyn.systems.training.modules import criterion
from nndyn.systems.training.modules.engine import ModuleTask
from nndyn.systems.training.perceptron import inputs
from nndyn.systems.training.perceptron.network import Network
from nndyn.systems.training.perceptron.task import PerceptronTask
from nndyn.systems.training.start.start import Start
from nndyn.systems.training.task import Task


@dataclass(frozen=True)
class Assembled:
    """What was made of the arguments of a training.

    Attributes
    ----------
    task : Task
    data : str
        Name of the data.
    files : tuple of Path
        Of the user's, that samples were read from.
    order : Order
        Of the samples.
    is_spec : bool
        Whether the model is a spec, such as ``mlp:64-32-10``.
    loss : str or callable
        As given, or the one that the model returns.
    """

    task: Task
    data: str
    files: tuple[Path, ...]
    order: Order
    is_spec: bool
    loss: criterion.Loss


def assembled(
    model: str | nn.Module | Callable[[], nn.Module] | None,
    data: Any,
    test: Any,
    *,
    samples: int | None,
    data_dir: str | os.PathLike[str] | None,
    activation: str,
    init: str | None,
    loss: str | Callable[[Any, Any], Any],
    batch_size: int | None,
    seed: int,
    dtype: torch.dtype,
    device: torch.device,
    start: Start | None = None,
    as_module: bool = False,
) -> Assembled:
    """Load the samples, build the network, and check that they, loss and batches go together.

    Parameters
    ----------
    model, data, test, samples, data_dir, activation, init, loss, batch_size, seed
        As of `nndyn.Training`.
    dtype : torch.dtype
    device : torch.device
    start : Start, optional
        What gives the weights.
    as_module : bool
        Whether a perceptron, too, is computed as any module is.

    Returns
    -------
    Assembled

    Raises
    ------
    UsageError
        If there are two ways to initial weights, or an argument is wrong.
    """
    if start is not None and init is not None:
        raise UsageError(f"init is {init!r}, and start brings weights of its own; leave init out")
    model = model_of(model, data)
    spec = factories.is_spec(model, activation)
    labels = criterion.ignored(loss) is not None
    found = None
    if loaders.are(data):
        found = loaders.taken(data, batch_size=batch_size, seed=seed)
        data = found.arrays
    if loaders.are(test):
        test = loaders.collected(test.dataset if isinstance(test, DataLoader) else test)
        if test is None:
            raise UsageError("test draws its samples anew; give it once, as arrays")
    drawn = found is not None and isinstance(found.order, DrawnOrder)
    if samples is not None and found is not None and found.order is not None:
        raise UsageError("samples applies to arrays and names; take a Subset of the Dataset")
    loaded = load(data, test, samples=samples, data_dir=data_dir, classes=labels)
    training, held_out = loaded.training, loaded.test
    given = loss
    if training.whole:
        loss = criterion.of_whole(loss)
        given = loss if isinstance(given, str) else given
    loss = criterion.chosen(loss, training, held_out)
    if not drawn:
        criterion.check_classes(loss, training, loaded.name if isinstance(data, str) else "data")
    order: Order | None = None if found is None else found.order
    if order is None:
        size = checked_size(batch_size, len(training))
        order = Order(len(training), batch_size=size, seed=seed)
    if spec and str(model).startswith("mlp:") and not isinstance(training.x, Several):
        training, held_out = training.in_rows(), held_out and held_out.in_rows()
    network = build(
        model,
        training.x,
        training.y,
        test=None if held_out is None else held_out.x,
        image=training.image,
        classes=classes(training, held_out, criterion.ignored(loss)),
        loss=loss,
        activation=activation,
        init=init,
        batch_size=order.batch_size,
        sizes=order.sizes,
        seed=seed,
        dtype=dtype,
        device=device,
        start=start,
        kept=not drawn,
        as_module=as_module,
    )
    kind: type[Task] = ModuleTask
    if isinstance(network, Network):
        kind = PerceptronTask if device.type == "cpu" else DevicePerceptronTask
        training = inputs.rows(training, "data", network, str(loss))
        held_out = held_out and inputs.rows(held_out, "test", network, str(loss))
    whole = order.batch_size is None
    task = kind(network, training, held_out, loss, dtype, device, not drawn, whole)
    read = (*files(data, data_dir), *(() if start is None else start.files))
    name = loaded.name if found is None else found.name
    return Assembled(task, name, read, order, spec, given)
