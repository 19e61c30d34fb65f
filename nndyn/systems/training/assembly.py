"""Assembly of a training's task from a user's model, data and loss."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nndyn.systems.defaults import model_of
from nndyn.systems.training.data import order
from nndyn.systems.training.data.loading import files, load
from nndyn.systems.training.data.samples import classes
from nndyn.systems.training.models import factories
from nndyn.systems.training.models.build import build
from nndyn.systems.training.modules import criterion
from nndyn.systems.training.modules.engine import ModuleTask
from nndyn.systems.training.perceptron import inputs
from nndyn.systems.training.perceptron.network import Network
from nndyn.systems.training.perceptron.task import PerceptronTask
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
    batch_size : int or None
        Checked.
    is_spec : bool
        Whether the model is a spec, such as ``mlp:64-32-10``.
    """

    task: Task
    data: str
    files: tuple[Path, ...]
    batch_size: int | None
    is_spec: bool


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
) -> Assembled:
    """Load the samples, build the network, and check that they, loss and batches go together.

    Parameters
    ----------
    model, data, test, samples, data_dir, activation, init, loss, batch_size, seed
        As of `nndyn.Training`.
    dtype : torch.dtype
    device : torch.device

    Returns
    -------
    Assembled
    """
    model = model_of(model, data)
    spec = factories.is_spec(model, activation)
    labels = criterion.ignored(loss) is not None
    loaded = load(data, test, samples=samples, data_dir=data_dir, classes=labels)
    training, held_out = loaded.training, loaded.test
    loss = criterion.chosen(loss, training, held_out)
    criterion.check_classes(loss, training, loaded.name if isinstance(data, str) else "data")
    size = order.size(batch_size, len(training))
    if spec and str(model).startswith("mlp:"):
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
        batch_size=size,
        seed=seed,
        dtype=dtype,
        device=device,
    )
    kind: type[Task] = ModuleTask
    if isinstance(network, Network):
        kind = PerceptronTask
        training = inputs.rows(training, "data", network, str(loss))
        held_out = held_out and inputs.rows(held_out, "test", network, str(loss))
    task = kind(network, training, held_out, loss, dtype, device)
    return Assembled(task, loaded.name, files(data, data_dir), size, spec)
