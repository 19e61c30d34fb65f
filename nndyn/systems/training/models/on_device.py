"""Task of training a perceptron on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch

from nndyn.systems.training.data.order import Order
from nndyn.systems.training.data.samples import Samples
from nndyn.systems.training.data.several import Several
from nndyn.systems.training.models.build import perceptron
from nndyn.systems.training.modules.criterion import Loss
from nndyn.systems.training.modules.engine import ModuleTask
from nndyn.systems.training.modules.module import Module
from nndyn.systems.training.perceptron import inputs
from nndyn.systems.training.perceptron.device import sizes
from nndyn.systems.training.perceptron.device.engine import Buffers, DevicePerceptrons
from nndyn.systems.training.perceptron.device.losses import LOSSES
from nndyn.systems.training.perceptron.device.samples import Laid, laid
from nndyn.systems.training.perceptron.network import Network


class DevicePerceptronTask(ModuleTask):
    """A perceptron on a GPU: steps are a pass of our own, second derivatives those of modules."""

    @cached_property
    def perceptron(self) -> Network:
        """The layers of the module."""
        found = perceptron(self.network.module)
        assert found is not None  # `takes` has looked
        return found

    def describe(self) -> dict[str, Any]:
        """Return the bytes that a tile of samples takes: with the sizes of a run it gives them."""
        return {"tile_bytes": sizes.RUN_BYTES}

    def engine(self, orders: Sequence[Order], replicas: int) -> DevicePerceptrons:  # type: ignore[override]
        """Return what computes runs whose samples come in `orders`, with `replicas` rows each."""
        training, test = self._laid
        if orders[0].reverse and orders[0].batch_size is None:
            training = self._turned
        return DevicePerceptrons(
            self.perceptron,
            str(self.loss),
            training,
            test,
            orders,
            replicas=replicas,
            buffers=self._buffers,
        )

    def one_by_one(self, order: Order, replicas: int) -> None:
        """Return None: no rows are computed one after the other."""

    def shares(self, order: Order, replicas: int) -> int:
        """Return how many runs of `replicas` rows are taken by the same calls."""
        return sizes.together(self.perceptron, replicas, order.size, self.dtype.itemsize)

    @cached_property
    def _laid(self) -> tuple[Laid, Laid | None]:
        """Training and test set as the engine takes them."""
        test = None if self.test is None else self._on_device(self.test, "test")
        return self._on_device(self.training, "data"), test

    @cached_property
    def _turned(self) -> Laid:
        """The training set reversed, for the rounding twins of all runs."""
        return self._laid[0].turned()

    @cached_property
    def _buffers(self) -> Buffers:
        """Hidden states, which all engines share."""
        return {}

    def _on_device(self, samples: Samples, what: str) -> Laid:
        network = self.perceptron
        return laid(
            inputs.rows(samples, what, network, str(self.loss)),
            outputs=network.outputs,
            bias=network.layers[0].bias,
            dtype=self.dtype,
            device=self.device,
        )


def takes(
    network: object, samples: Samples, loss: Loss, device: torch.device, *, kept: bool
) -> bool:
    """Tell whether a network on a device is a perceptron that is trained by this task.

    Parameters
    ----------
    network : Network or Module
    samples : Samples
        The training set.
    loss : str or callable
    device : torch.device
    kept : bool
        Whether the training set is there as a whole.

    Returns
    -------
    bool
    """
    if device.type == "cpu" or not kept or not isinstance(network, Module):
        return False
    if not isinstance(loss, str) or loss not in LOSSES or isinstance(samples.x, Several):
        return False
    found = perceptron(network.module)
    if found is None or samples.y.ndim > 2 or (samples.labelled and samples.y.ndim > 1):
        return False
    if samples.labelled and samples.y.min() < 0:  # labels that do not count
        return False
    return samples.x.ndim == 2 or found.flattens
