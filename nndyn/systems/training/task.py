"""Task of a training: a network, its samples and its loss, whatever the optimizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from nndyn.systems.defaults import sparing
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.data.samples import Samples
from nndyn.systems.training.protocol import Curvature, Engine, Network

#: Numbers of a layer's values, of all rows, up to which runs share the calls that compute them:
#: each call costs the interpreter some time, and threads wait for one another in it. Above, the
#: calls are long enough, and one run after the other stays in the processor's caches.
SHARED_VALUES = 2**19


@dataclass(frozen=True, eq=False)
class Task(ABC):
    """What a run computes losses and gradients of; a class for each kind of network.

    Attributes
    ----------
    network : Network
    training : Samples
    test : Samples or None
    loss : str or callable
    dtype : torch.dtype
    device : torch.device
    kept : bool
        Whether the training set is there as a whole; else its batches are drawn, and `training`
        is one of them.
    whole : bool
        Whether every step sees all of it.
    concurrent : bool
        Whether trainings like this may advance at once, each in a thread of its own.
    """

    network: Network
    training: Samples
    test: Samples | None
    loss: str | Callable[[Any, Any], Any]
    dtype: torch.dtype
    device: torch.device
    kept: bool = True
    whole: bool = False

    concurrent = False

    @cached_property
    def inputs(self) -> tuple[Any, Any]:
        """Training and test set as the engine takes them, laid out when first used."""
        test = None if self.test is None else self.laid_out(self.test, "test")
        return self.laid_out(self.training, "data"), test

    def share(self, other: Task) -> None:
        """Take the samples as another task of equal ones has laid them out."""
        self.__dict__["inputs"] = other.inputs

    @property
    def random(self) -> bool:
        """Whether a step draws random numbers, which belong to places in the batch."""
        return False

    @property
    def labelled(self) -> bool:
        """Whether there are class labels, hence accuracies."""
        return self.training.labelled

    @property
    def counts(self) -> dict[str, int]:
        """Labels that count in the training set, ``""``, and the test set, ``"test_"``."""
        sets = {"": self.training if self.kept else None, "test_": self.test}
        return {name: self.counted(some) for name, some in sets.items() if some is not None}

    def counted(self, samples: Samples) -> int:
        """Return how many labels of a set count."""
        return len(samples)

    def describe(self) -> dict[str, Any]:
        """Return what else decides how sums are rounded, as JSON values."""
        return {}

    def one_by_one(self, order: Order, replicas: int) -> str | None:
        """Return why `replicas` rows are computed one after the other, None where they are not."""
        return None

    def work(self, order: Order) -> float:
        """Rough floating-point operations of a step of one row, an evaluation included."""
        tested = len(self.test) if self.test is not None and order.batch_size is None else 0
        return float(self.network.work * (3 * order.size + tested))

    @property
    def threaded_work(self) -> float | None:
        """Work of steps from which a second thread pays; None where it is as for all else."""
        return None

    def evaluate_auto(self, order: Order) -> int:
        """Return after how many steps an evaluation is a twentieth of their work, as counted."""
        told = not self.kept or self.network.tells_loss(order.batch_size)
        samples = (0 if told else len(self.training)) + (0 if self.test is None else len(self.test))
        return sparing(samples, 3 * order.size)

    @abstractmethod
    def laid_out(self, samples: Samples, what: str) -> Any:
        """Return a set as the engine takes it; messages call it `what`."""

    @abstractmethod
    def engine(self, orders: Sequence[Order], replicas: int) -> Engine:
        """Return what computes runs whose samples come in `orders`, with `replicas` rows each."""

    @abstractmethod
    def curvature(self, order: Order, *, forward: bool = True) -> Curvature:
        """Return what gives second derivatives of a run; see `ModuleCurvature` for `forward`."""

    @abstractmethod
    def shares(self, order: Order, replicas: int) -> int:
        """Return how many runs of `replicas` rows are best computed by the same calls."""
