"""Models, optimizers of a user's own, and the plain loop that a training is compared with."""

import torch
from torch import nn
from torch.nn import functional

from nndyn.systems.training.torch_state.randomness import step_key


class Signed(torch.optim.Optimizer):
    """Momentum by signs, with a state of tensors, a count and a list."""

    def __init__(self, params, lr=0.01, beta=0.9, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "beta": beta, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state.update(mean=torch.zeros_like(p), count=0, last=[0.0, 0.0])
                state["count"] += 1
                state["last"] = [state["last"][1], float(p.grad.abs().max())]
                state["mean"].mul_(group["beta"]).add_(p.grad, alpha=1 - group["beta"])
                rate = group["lr"] / (1 + state["last"][0]) / state["count"] ** 0.1
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(torch.sign(state["mean"]) * state["mean"].abs().sqrt(), alpha=-rate)


class Both(torch.optim.Optimizer):
    """One optimizer for matrices, another for the rest."""

    def __init__(self, params, lr=0.01):
        params = list(params)
        super().__init__(params, {"lr": lr})
        matrices = [p for p in params if p.dim() > 1]
        others = [p for p in params if p.dim() < 2]
        self.inside = [torch.optim.Muon(matrices, lr=lr), torch.optim.AdamW(others, lr=lr)]

    def step(self, closure=None):
        for one in self.inside:
            one.step()


class Counted(torch.optim.Optimizer):
    """Averages with a count that is kept in its group."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr, "count": 0})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            group["count"] += 1
            for p in group["params"]:
                slow = self.state[p].setdefault("slow", p.clone())
                slow.sub_(p.grad, alpha=group["lr"])
                p.lerp_(slow, 1 / group["count"])


def data(dtype=torch.float64, samples=48):
    x = torch.randn(samples, 6, dtype=dtype, generator=torch.Generator().manual_seed(1))
    return x, (x[:, 0] * x[:, 1] > 0).long()


def network(*extra, dtype=torch.float64):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), *extra, nn.Tanh(), nn.Linear(8, 2)).to(dtype)


def grouped(model, kind=torch.optim.AdamW, lr=0.01, decay=0.1, **options):
    """An optimizer with decay on matrices alone."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return kind(groups, lr=lr, **options)


def trained(model, optimizer, order, sets, steps, *, clip=None, schedule=None, seed=0, start=0):
    """The weights after the steps of a plain loop."""
    x, y = sets
    for t in range(start, start + steps):
        rows = torch.from_numpy(order.rows(t))
        torch.manual_seed(step_key(seed, t))
        optimizer.zero_grad()
        functional.cross_entropy(model(x[rows]), y[rows]).backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return nn.utils.parameters_to_vector(model.parameters()).detach().numpy()
