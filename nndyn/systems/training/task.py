"""A network, its samples and its loss: what is computed, whatever the optimizer does with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from nndyn.systems.training.data.order import Order
from nndyn.systems.training.data.samples import Samples
from nndyn.systems.training.modules.curvature import ModuleCurvature
from nndyn.systems.training.modules.engine import Modules
from nndyn.systems.training.modules.module import Module
from nndyn.systems.training.perceptron.curvature import PerceptronCurvature
from nndyn.systems.training.perceptron.engine import Perceptrons
from nndyn.systems.training.perceptron.inputs import inputs
from nndyn.systems.training.perceptron.losses import LOSSES
from nndyn.systems.training.perceptron.network import Network
from nndyn.systems.training.protocol import Curvature, Engine

#: Numbers of a layer's values, of all rows, up to which runs share the calls that compute them:
#: each call costs the interpreter some time, and threads wait for one another in it. Above, the
#: calls are long enough, and one run after the other stays in the processor's caches.
SHARED_VALUES = 2**21


@dataclass(frozen=True, eq=False)
class Task:
    """What a run computes losses and gradients of.

    Attributes
    ----------
    network : Network or Module
    training : Samples
    test : Samples or None
    loss : str or callable
    dtype : torch.dtype
    device : torch.device
    """

    network: Network | Module
    training: Samples
    test: Samples | None
    loss: str | Callable[[Any, Any], Any]
    dtype: torch.dtype
    device: torch.device

    @cached_property
    def _inputs(self) -> tuple[Any, Any]:
        """Training and test set as the engine takes them, laid out when first used."""
        return self._laid_out(self.training, "data"), self._laid_out(self.test, "test")

    def _laid_out(self, samples: Samples | None, what: str) -> Any:
        network = self.network
        if samples is None:
            return None
        if isinstance(network, Module):
            return network.batch(samples.x, samples.y, what)
        bias, outputs = network.layers[0].bias, network.outputs
        return inputs(samples, outputs=outputs, bias=bias, dtype=self.dtype)

    @property
    def labelled(self) -> bool:
        """Whether there are class labels, hence accuracies."""
        counted = not isinstance(self.network, Module) or self.network.classes is not None
        return self.training.labelled and counted

    @property
    def counts(self) -> dict[str, int]:
        """Labels that count in the training set, ``""``, and the test set, ``"test_"``."""
        sets = {"": self.training, "test_": self.test}
        network = self.network
        return {
            name: network.counted(some.y) if isinstance(network, Module) else len(some)
            for name, some in sets.items()
            if some is not None
        }

    def one_by_one(self, order: Order, replicas: int) -> str | None:
        """Return why `replicas` rows are computed one after the other, None where they are not."""
        network = self.network
        if not isinstance(network, Module):
            return None
        if network.reason is not None or self.device.type != "cpu":
            return network.reason
        return self.engine([order], replicas).reason  # which tries all places of a batch

    def engine(self, orders: Sequence[Order], replicas: int) -> Engine:
        """Return what computes runs whose samples come in `orders`, with `replicas` rows each."""
        training, test = self._inputs
        if isinstance(self.network, Module):
            return Modules(self.network, training, orders, replicas=replicas, test=test)
        loss = LOSSES[str(self.loss)]()
        return Perceptrons(
            self.network, loss, training, test, orders, replicas=replicas, dtype=self.dtype
        )

    def curvature(self, order: Order, *, forward: bool = True) -> Curvature:
        """Return what gives second derivatives of a run; see `ModuleCurvature` for `forward`."""
        training, _ = self._inputs
        if isinstance(self.network, Module):
            return ModuleCurvature(self.network, training, order, forward=forward)
        return PerceptronCurvature(
            self.network, LOSSES[str(self.loss)](), training, order, self.dtype
        )

    def shares(self, order: Order, replicas: int) -> int:
        """Return how many runs of `replicas` rows are best computed by the same calls."""
        if isinstance(self.network, Module):  # which has calls of its own for each run on a CPU
            return 1 if self.device.type == "cpu" else SHARED_VALUES
        widest = max(layer.outputs for layer in self.network.layers)
        return max(1, SHARED_VALUES // (replicas * widest * order.size))

    def work(self, order: Order) -> float:
        """Rough floating-point operations of a step of one row, an evaluation included."""
        tested = len(self.test) if self.test is not None and order.batch_size is None else 0
        return self.network.work * (3 * order.size + tested)
