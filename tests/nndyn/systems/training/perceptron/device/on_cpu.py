"""Trainings that compute on the CPU as they would on a GPU."""

import torch

from nndyn.systems.training import Training
from nndyn.systems.training.assembly import assembled
from nndyn.systems.training.execution.team import Together
from nndyn.systems.training.models.on_device import DevicePerceptronTask


def as_on_a_gpu(model, data, *, test=None, samples=None, activation="tanh", init=None, **options):
    """Return the training of a perceptron by the pass for a GPU."""
    system = Training(
        model,
        data,
        test=test,
        samples=samples,
        activation=activation,
        init=init,
        **{"lr": 0.1, **options},
    )
    made = assembled(
        model,
        data,
        test,
        samples=samples,
        data_dir=None,
        activation=activation,
        init=init,
        loss=options.get("loss", "cross-entropy"),
        batch_size=options.get("batch_size"),
        seed=options.get("seed", 0),
        dtype=system.torch_dtype,
        device=torch.device("cpu"),
        as_module=True,
    )
    fields = ("network", "training", "test", "loss", "dtype", "device", "kept")
    system.task = DevicePerceptronTask(*(getattr(made.task, name) for name in fields))
    system._description |= system.task.describe()
    system._alone = Together([system])
    return system
