"""Plain loops of torch that train one module a replica, and how a recording is held to them."""

import copy
import math
from collections import defaultdict

import numpy as np
import torch
from torch import nn
from torch.optim import lr_scheduler

import nndyn
from nndyn.systems.training.torch_state.randomness import step_key


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
                torch.default_generator.manual_seed(step_key(seed, t))
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


def record(path, system, **options):
    """Record and return every variable as an array."""
    with nndyn.record(system, path, **options) as recording:
        assert recording.attrs["status"] == "complete"
        return {str(name): values.values for name, values in recording.variables.items()}


def compare(found, plain, *, rtol=1e-6, times=slice(None)):
    """Hold a recording to plain loops; the control, its last replica, to the reference."""
    inner = slice(1, -1)
    apart = separations(plain)
    assert apart["distance_l1"][:, inner].min() > 0
    for name, expected in apart.items():
        expected = expected[times] if name == "distance_output" else expected
        np.testing.assert_allclose(
            found[name][:, inner], expected[:, inner], rtol=rtol, err_msg=name
        )
        assert (found[name][:, -1] == 0.0).all(), name
        assert (found[name][:, 0] == 0.0).all(), name
    np.testing.assert_array_equal(found["state"][:, -1], found["state"][:, 0])
    size = plain["state"].shape[2]
    np.testing.assert_allclose(found["state"][..., :size], plain["state"], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found["gradient_norm"], plain["gradient_norm"], rtol=1e-8)
    lengths = np.linalg.norm(np.diff(plain["state"], axis=0), axis=2)
    np.testing.assert_allclose(found["step_length"][1:], lengths, rtol=1e-7, atol=1e-15)
    for name in ("loss", "test_loss"):
        np.testing.assert_allclose(found[name], plain[name][times], rtol=1e-9, err_msg=name)
    for name in ("accuracy", "test_accuracy"):
        assert (name in found) == (name in plain)
        if name in plain:
            np.testing.assert_allclose(found[name], plain[name][times], rtol=1e-14, err_msg=name)


def constant(optimizer):
    return lr_scheduler.ConstantLR(optimizer, 1.0, 1)


def cosine(steps):
    return lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, steps)


def warmup(steps):
    return lambda optimizer: lr_scheduler.LinearLR(optimizer, 1 / steps, total_iters=steps - 1)


def staircase(steps, gamma):
    return lambda optimizer: lr_scheduler.StepLR(optimizer, steps, gamma)


def warm_cosine(optimizer):
    return lr_scheduler.ChainedScheduler([warmup(5)(optimizer), cosine(30)(optimizer)], optimizer)


SCHEDULES = {
    "constant": constant,
    "cosine:25": cosine(25),
    "warmup:6": warmup(6),
    "step:7:0.5": staircase(7, 0.5),
    "warmup:5,cosine:30": warm_cosine,
}


def sgd(**options):
    return options, lambda weights: torch.optim.SGD(weights, **options)


def adam(**options):
    return {"optimizer": "adam", **options}, lambda weights: torch.optim.Adam(weights, **options)


class NAdam(torch.optim.NAdam):
    """torch's, with the product of its momenta in float64, as its moments are, not in float32."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        for group in self.param_groups:
            for weight in group["params"]:
                self.state[weight] = {
                    "step": torch.zeros(()),
                    "mu_product": torch.ones((), dtype=torch.float64),
                    "exp_avg": torch.zeros_like(weight),
                    "exp_avg_sq": torch.zeros_like(weight),
                }


class Lion(torch.optim.Optimizer):
    """The algorithm of Chen et al., line by line; torch has none."""

    def __init__(self, weights, lr, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(weights, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            first, second = group["betas"]
            for weight in group["params"]:
                mean = self.state[weight].setdefault("exp_avg", torch.zeros_like(weight))
                direction = torch.sign(first * mean + (1 - first) * weight.grad)
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(group["lr"] * direction)
                mean.mul_(second).add_((1 - second) * weight.grad)


def nadam(**options):
    return {"optimizer": "nadam", **options}, lambda weights: NAdam(weights, **options)


def adamw(**options):
    return {"optimizer": "adamw", **options}, lambda weights: torch.optim.AdamW(weights, **options)


def rmsprop(**options):
    return (
        {"optimizer": "rmsprop", **options},
        lambda weights: torch.optim.RMSprop(weights, **options),
    )


OPTIMIZERS = {
    "sgd": sgd(lr=0.5),
    "momentum": sgd(lr=0.2, momentum=0.9),
    "nesterov": sgd(lr=0.2, momentum=0.8, nesterov=True),
    "decay": sgd(lr=0.3, momentum=0.5, weight_decay=0.02),
    "adam": adam(lr=0.01, betas=(0.8, 0.99)),
    "adam, decay": adam(lr=0.01, weight_decay=0.05),
    "adamw": adamw(lr=0.02, weight_decay=0.1),
    "nadam": nadam(lr=0.02),
    "rmsprop": rmsprop(lr=0.003, alpha=0.9),
    "rmsprop, momentum": rmsprop(lr=0.002, momentum=0.7, weight_decay=0.01),
}
