"""Plain loops of torch that train one module a replica: what a recording has to agree with."""

import copy
import math
from collections import defaultdict

import numpy as np
import torch
from torch import nn

from nndyn.systems.training.randomness import step_key


def made(build, *, seed=0):
    """Return the module `build` gives, in float64, whose weights only `seed` decides."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build().double()


def batch(count, size, seed, t):
    """Return the samples of the step from time `t`, in order."""
    if size is None:
        return torch.arange(count)
    epoch, position = divmod(t, math.ceil(count / size))
    order = np.random.default_rng([seed, 1, epoch]).permutation(count)
    return torch.from_numpy(order[position * size : (position + 1) * size])


def statistics(net):
    """Return the running means and variances, in the order of the module's buffers."""
    values = [b.reshape(-1) for _, b in net.named_buffers() if b.is_floating_point()]
    return torch.cat(values).numpy().copy() if values else np.empty(0)


def train(
    net,
    starts,
    data,
    test,
    *,
    steps,
    optimizer,
    scheduler=None,
    clip_norm=None,
    batch_size=None,
    seed=0,
    loss=nn.functional.cross_entropy,
):
    """Train a copy of `net` from every row of `starts`, one after the other.

    Returns arrays over (time, replica, ...): what belongs to the state before a step.
    """
    (x, y), (xt, yt) = [tuple(map(torch.as_tensor, pair)) for pair in (data, test)]
    labelled = y.dtype == torch.int64
    replicas = []
    for start in starts:
        twin = copy.deepcopy(net).train()
        weights = list(twin.parameters())
        nn.utils.vector_to_parameters(torch.as_tensor(start).clone(), weights)
        moving = optimizer(weights)
        plan = scheduler(moving) if scheduler is not None else None
        found = defaultdict(list)
        for t in range(steps + 1):
            found["state"].append(nn.utils.parameters_to_vector(weights).detach().numpy().copy())
            found["statistics"].append(statistics(twin))
            twin.eval()
            with torch.no_grad():
                z, zt = twin(x), twin(xt)
            twin.train()
            found["loss"].append(loss(z, y).item())
            found["test_loss"].append(loss(zt, yt).item())
            found["outputs"].append(zt.reshape(-1).numpy().copy())
            if labelled:
                found["accuracy"].append((z.argmax(1) == y).double().mean().item())
                found["test_accuracy"].append((zt.argmax(1) == yt).double().mean().item())
            rows = batch(len(x), batch_size, seed, t)
            moving.zero_grad()
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(step_key(seed, t))
                loss(twin(x[rows]), y[rows]).backward()
            limit = math.inf if clip_norm is None else clip_norm
            found["gradient_norm"].append(nn.utils.clip_grad_norm_(weights, limit).item())
            moving.step()
            if plan is not None:
                plan.step()
        replicas.append({name: np.array(values) for name, values in found.items()})
    return {name: np.stack([r[name] for r in replicas], 1) for name in replicas[0]}


def separations(plain):
    """Return the distances of every replica to the first, by the names of a recording."""
    apart = plain["state"] - plain["state"][:, :1]
    outputs = plain["outputs"] - plain["outputs"][:, :1]
    return {
        "distance_l1": np.abs(apart).sum(2),
        "distance_l2": np.linalg.norm(apart, axis=2),
        "distance_linf": np.abs(apart).max(2),
        "distance_output": np.linalg.norm(outputs, axis=2),
    }
