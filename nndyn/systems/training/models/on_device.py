"""Task of training a perceptron on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from nndyn.systems.training import task
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.data.samples import Samples
from nndyn.systems.training.models.build import build
from nndyn.systems.training.modules.curvature import ModuleCurvature
from nndyn.systems.training.modules.module import Module
from nndyn.systems.training.modules.passes import Batch
from nndyn.systems.training.perceptron.device import sizes
from nndyn.systems.training.perceptron.device.engine import Buffers, DevicePerceptrons
from nndyn.systems.training.perceptron.device.samples import Laid, laid
from nndyn.systems.training.perceptron.network import Network


class DevicePerceptronTask(task.Task):
    """A perceptron on a GPU, its samples in rows, and a loss by name; see `Task`.

    Its steps are a pass of our own, its second derivatives those of any module.
    """

    network: Network

    def describe(self) -> dict[str, Any]:
        """Return the bytes that a tile of samples takes: with the sizes of a run it gives them."""
        return {"tile_bytes": sizes.RUN_BYTES}

    def laid_out(self, samples: Samples, what: str) -> Laid:
        """Return a set as the first layer takes it."""
        bias, outputs = self.network.layers[0].bias, self.network.outputs
        return laid(samples, outputs=outputs, bias=bias, dtype=self.dtype, device=self.device)

    def engine(self, orders: Sequence[Order], replicas: int) -> DevicePerceptrons:
        """Return what computes runs whose samples come in `orders`, with `replicas` rows each."""
        training, test = self.inputs
        if orders[0].reverse and orders[0].batch_size is None:
            training = self._turned
        return DevicePerceptrons(
            self.network,
            str(self.loss),
            training,
            test,
            orders,
            replicas=replicas,
            buffers=self._buffers,
        )

    def curvature(self, order: Order, *, forward: bool = True) -> ModuleCurvature:
        """Return what gives second derivatives of a run; see `ModuleCurvature` for `forward`."""
        module, training = self._as_module
        return ModuleCurvature(module, training, order, forward=forward)

    def shares(self, order: Order, replicas: int) -> int:
        """Return how many runs of `replicas` rows are taken by the same calls."""
        return sizes.together(self.network, replicas, order.size, self.dtype.itemsize)

    @cached_property
    def _turned(self) -> Laid:
        """The training set reversed, for the rounding twins of all runs."""
        found: Laid = self.inputs[0].turned()
        return found

    @cached_property
    def _buffers(self) -> Buffers:
        """Hidden states, which all engines share."""
        return {}

    @cached_property
    def _as_module(self) -> tuple[Module, Batch]:
        """The network, and its training set, as those of any module."""
        x, y = self.training.x, self.training.y
        module = build(
            self.network.copied(),
            x,
            y,
            classes=self.network.outputs,
            loss=self.loss,
            dtype=self.dtype,
            device=self.device,
            as_module=True,
        )
        assert isinstance(module, Module)
        return module, module.batch(x, y, "data")
