"""Trainings that compute on the CPU as they would on a GPU."""

from nndyn.systems.training import Training
from nndyn.systems.training.execution.team import Together
from nndyn.systems.training.models.on_device import DevicePerceptronTask
from nndyn.systems.training.second_order.measures import SecondOrder


def as_on_a_gpu(model, data, **options):
    """Return the training of a perceptron by the pass for a GPU."""
    system = Training(model, data, **{"lr": 0.1, **options})
    fields = ("network", "training", "test", "loss", "dtype", "device", "kept")
    system.task = DevicePerceptronTask(*(getattr(system.task, name) for name in fields))
    system._description |= system.task.describe()
    system._alone = Together([system])
    system._second = SecondOrder(system.task, system.rule, system.order)
    return system
