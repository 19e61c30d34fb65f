"""Step and evaluation of a training whose optimizer is torch's, on the objects of a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from nndyn.systems.training.data.order import Order
from nndyn.systems.training.data.several import called
from nndyn.systems.training.modules.engine import Modules, ModuleTask
from nndyn.systems.training.modules.layout import trained, vector
from nndyn.systems.training.modules.modes import plain
from nndyn.systems.training.modules.passes import entering

Tensor = torch.Tensor
#: Learning rates of all groups at a time.
Rates = Callable[[int], Sequence[float]]
Clip = Callable[[list[nn.Parameter]], object]


class Step:
    """A step of a plain loop: gradient, clipping, learning rates of the schedule, update.

    Parameters
    ----------
    task : ModuleTask
    order : Order
    module : torch.nn.Module
        That of `optimizer`.
    optimizer : torch.optim.Optimizer
    rates : callable, optional
        Of a schedule.
    clip : callable, optional
        Takes the parameters, and clips their gradients.
    """

    def __init__(
        self,
        task: ModuleTask,
        order: Order,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        rates: Rates | None,
        clip: Clip | None,
    ) -> None:
        self._task, self._order = task, order
        self._module, self._optimizer = module, optimizer
        self._rates, self._clip = rates, clip
        self._weights = [weight for _, weight in trained(module)]
        training, test = task.inputs
        # row by row, as the step is
        self._engine = Modules(
            task.network, training, [order], replicas=1, test=test, kept=task.kept, batched=False
        )
        self._sets = {"": training if task.kept else None, "test_": test}
        self._looking = False

    def __call__(self, t: int) -> dict[str, float]:
        """Take the step from `t`; return the loss and the norm of the gradient before it."""
        network = self._task.network
        batch = self._engine.samples(self._order, t)
        x = entering(batch.x, network.criterion, graph=network.graph)
        self._optimizer.zero_grad()
        loss = network.criterion(called(self._module, x), batch.target, x, len(batch))
        torch.autograd.backward(loss)
        gradients = [w.grad.detach() for w in self._weights if w.grad is not None]
        gradients = [gradient.to_dense().reshape(-1) for gradient in gradients]
        norm = torch.linalg.vector_norm(torch.cat(gradients), dtype=torch.float64)
        if not self._looking:
            if self._clip is not None:
                self._clip(self._weights)
            if self._rates is not None:
                for group, rate in zip(self._optimizer.param_groups, self._rates(t), strict=True):
                    group["lr"] = rate
            self._optimizer.step()
        return {"loss": float(loss.detach()), "gradient_norm": float(norm)}

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Leave out the update: what is said of a time belongs to it alone."""
        self._looking = True
        try:
            yield
        finally:
            self._looking = False

    def evaluate(self) -> dict[str, Any]:
        """Return losses and accuracies over training and test set, and the outputs on the latter.

        Returns
        -------
        dict
            As `nndyn.Loop` takes it of an ``evaluate``.
        """
        found: dict[str, Any] = {}
        network = self._task.network
        weights = vector(self._module, network.parameters)[None]
        statistics = vector(self._module, network.layout.statistics).to(weights)[None]
        for prefix, samples in self._sets.items():
            if samples is None:
                continue
            with plain():
                seen = self._engine.evaluation(weights, statistics, samples, self._order)
            found[f"{prefix}loss"] = seen.loss
            if self._task.labelled:
                found[f"{prefix}accuracy"] = float(seen.correct) / self._task.counts[prefix]
            if prefix:
                outputs = [leaf.reshape(-1).to(torch.float64) for leaf in seen.outputs]
                found["output"] = torch.cat(outputs)
                if samples.labels is not None:
                    found["predicted"] = seen.outputs[0][0].argmax(1)[samples.labels >= 0]
        return found
