"""Nanoseconds a number of activations and the loss: ours, torch's and numpy's; one core.

Arrays of 400 x 1500 preactivations; forward with its bias, and backward.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
import torch
from measuring import in_turn

from nndyn.systems.training.perceptron.activations import ACTIVATIONS
from nndyn.systems.training.perceptron.losses import CrossEntropy, Targets

ROWS, COLUMNS = 400, 1500
NUMPY = {"tanh": np.tanh, "sin": np.sin}


def tasks(name: str, dtype: torch.dtype) -> dict[str, Callable[[], object]]:
    """Return the passes of an activation."""
    one, module = ACTIVATIONS[name], ACTIVATIONS[name].module()
    x = 2 * torch.randn(ROWS, COLUMNS, dtype=dtype)
    bias, here, value, delta = x[:, 0].clone(), x.clone(), x.clone(), torch.ones_like(x)
    leaf = x.clone().requires_grad_()
    known = module(leaf)

    found: dict[str, Callable[[], object]] = {
        "forward": lambda: one.forward(here.numpy(), bias.numpy(), value.numpy()),
        "torch forward": lambda: module(x + bias[:, None]),
        "backward": lambda: (
            one.backward and one.backward(delta.numpy(), value.numpy(), here.numpy())
        ),
        "torch backward": lambda: torch.autograd.grad(known, leaf, delta, retain_graph=True),
    }
    if name in NUMPY:
        found["numpy forward"] = lambda: NUMPY[name](x.numpy(), out=value.numpy())
    return found


def losses(dtype: torch.dtype) -> dict[str, Callable[[], object]]:
    """Return cross-entropy and its gradient over ten classes."""
    outputs = torch.randn(ROWS // 10, 10, COLUMNS, dtype=dtype)
    labels = torch.randint(0, 10, (COLUMNS,))
    targets = Targets(COLUMNS, labels, torch.zeros(1, 10, COLUMNS, dtype=dtype))
    here, loss = outputs.clone(), CrossEntropy()
    leaf = outputs.clone().requires_grad_()
    many = labels.expand(ROWS // 10, -1)

    def by_torch() -> None:
        torch.autograd.grad(torch.nn.functional.cross_entropy(leaf, many), leaf)

    return {
        "loss": lambda: loss(here.numpy(), targets, gradient=True, correct=True),
        "torch loss": by_torch,
    }


def show(name: str, dtype: torch.dtype, found: dict[str, Callable[[], object]]) -> None:
    """Print medians."""
    times = in_turn(found, 15)
    cost = {key: statistics.median(one[key][0] for one in times) for key in found}
    texts = [f"{key} {1e9 * one / (ROWS * COLUMNS):.2f}" for key, one in cost.items()]
    print(f"{str(dtype).removeprefix('torch.'):8} {name:14} {'  '.join(texts)}", flush=True)


def main() -> None:
    """Print every activation and the loss, in both precisions."""
    torch.set_num_threads(1)
    for dtype in (torch.float64, torch.float32):
        for name, one in ACTIVATIONS.items():
            if one.backward is not None:
                show(name, dtype, tasks(name, dtype))
        show("cross-entropy", dtype, losses(dtype))


if __name__ == "__main__":
    main()
