"""Task of training a perceptron."""

from __future__ import annotations

from collections.abc import Sequence

from nndyn.systems.training import task
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.data.samples import Samples
from nndyn.systems.training.perceptron.curvature import PerceptronCurvature
from nndyn.systems.training.perceptron.engine import Perceptrons, is_small
from nndyn.systems.training.perceptron.fused.engine import FusedPerceptrons
from nndyn.systems.training.perceptron.fused.threads import THREADED_WORK
from nndyn.systems.training.perceptron.inputs import Inputs, inputs
from nndyn.systems.training.perceptron.losses import LOSSES, Loss
from nndyn.systems.training.perceptron.network import Network


class PerceptronTask(task.Task):
    """A perceptron, its samples in rows, and a loss by name; see `Task`."""

    network: Network
    concurrent = True

    def laid_out(self, samples: Samples, what: str) -> Inputs:
        """Return a set as the first layer takes it."""
        bias, outputs = self.network.layers[0].bias, self.network.outputs
        return inputs(
            samples,
            outputs=outputs,
            bias=bias,
            dtype=self.dtype,
            by_sample=what == "data" and not self.whole,
        )

    def engine(self, orders: Sequence[Order], replicas: int) -> Perceptrons | FusedPerceptrons:
        """Return what computes runs whose samples come in `orders`, with `replicas` rows each."""
        given = self.network, self._loss(), *self.inputs, orders
        if self._fused:
            return FusedPerceptrons(*given, replicas=replicas)
        return Perceptrons(*given, replicas=replicas, dtype=self.dtype)

    def curvature(self, order: Order, *, forward: bool = True) -> PerceptronCurvature:
        """Return what gives second derivatives of a run."""
        return PerceptronCurvature(self.network, self._loss(), self.inputs[0], order, self.dtype)

    def shares(self, order: Order, replicas: int) -> int:
        """Return how many runs of `replicas` rows are best computed by the same calls."""
        widest = max(layer.outputs for layer in self.network.layers)
        return max(1, task.SHARED_VALUES // (replicas * widest * order.size))

    @property
    def threaded_work(self) -> float | None:
        """Work from which a second thread pays: less where rows are shared among them."""
        return THREADED_WORK if self._fused else None

    @property
    def _fused(self) -> bool:
        """Whether one kernel computes all layers."""
        return all(is_small(layer, self.dtype) for layer in self.network.layers)

    def _loss(self) -> Loss:
        return LOSSES[str(self.loss)]()
