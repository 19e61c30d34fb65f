"""Schedules of the user's own: functions of t and schedulers of torch."""

import functools
import math

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

import nndyn
from nndyn.errors import UsageError
from nndyn.systems.training import Training
from nndyn.systems.training.optimizers.schedulers import chosen

RATE = 0.3
FACTORIES = {
    "step": lambda o: lr_scheduler.StepLR(o, 30, 0.1),
    "partial": functools.partial(lr_scheduler.MultiStepLR, milestones=[20, 70], gamma=0.5),
    "class": lr_scheduler.LinearLR,
    "class with arguments": (lr_scheduler.ExponentialLR, {"gamma": 0.99}),
    "restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 17, T_mult=2, eta_min=1e-4),
    "sequential": lambda o: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.LinearLR(o, 0.1, total_iters=12), lr_scheduler.CosineAnnealingLR(o, 150)],
        milestones=[12],
    ),
    "chained": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.LinearLR(o, 0.1, total_iters=12), lr_scheduler.ExponentialLR(o, 0.98)]
    ),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.7, total_steps=200, cycle_momentum=False),
    "cyclic": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.5, 20, cycle_momentum=False),
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda t: 0.95**t),
    "polynomial": lambda o: lr_scheduler.PolynomialLR(o, 120, 2.0),
}


def made(factory, optimizer):
    if isinstance(factory, tuple):
        return factory[0](optimizer, **factory[1])
    return factory(optimizer)


@pytest.mark.parametrize("name", FACTORIES)
def test_rates_are_those_of_the_scheduler(name):
    schedule = chosen(FACTORIES[name], RATE)
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    scheduler = made(FACTORIES[name], optimizer)
    for t in range(200):
        rate = optimizer.param_groups[0]["lr"]
        assert RATE * schedule(t) == pytest.approx(rate, rel=1e-12, abs=1e-300)
        optimizer.step()
        scheduler.step()
    assert RATE * schedule(7) == RATE * schedule(7)  # as good as any time, in any order


def test_a_function_of_t_is_what_lambda_lr_takes():
    def factor(t):
        return min((t + 1) / 10, 0.97**t)

    schedule = chosen(factor, RATE)
    assert [schedule(t) for t in (5, 0, 50)] == [factor(5), factor(0), factor(50)]
    assert chosen(lambda t: torch.tensor(0.5), RATE)(3) == 0.5
    assert chosen(lambda t: np.float32(0.5), RATE)(3) == 0.5


def test_the_same_in_a_training_as_a_plain_loop(tmp_path):
    def warm(t):
        return min((t + 1) / 5, 1.0) * 0.9 ** (t // 4)

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3))
    net = net.double()
    data = nndyn.Training("mlp:4-6-3", "iris", lr=0.1).task.training
    system = Training(net, (data.x, data.y), lr=0.2, momentum=0.9, schedule=warm)
    run = nndyn.record(system, tmp_path / "a.nc", steps=30, replicas=1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.2, momentum=0.9)
    scheduler = lr_scheduler.LambdaLR(optimizer, warm)
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    for _ in range(30):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
        scheduler.step()
    row = torch.nn.utils.parameters_to_vector(net.parameters()).detach().numpy()
    np.testing.assert_allclose(run["state"][-1, 0].values, row, rtol=1e-12)


def test_a_recording_goes_on_with_the_same_function_and_no_other(tmp_path):
    def training(factor):
        return Training("mlp:4-6-3", "iris", lr=0.2, schedule=factor)

    def slow(t):
        return 0.99**t

    def fast(t):
        return 0.98**t

    whole = nndyn.record(training(slow), tmp_path / "whole.nc", steps=20, replicas=1)
    nndyn.record(training(slow), tmp_path / "a.nc", steps=8, replicas=1).close()
    with pytest.raises(UsageError, match=r"schedule is .*slow.* in the file, .*fast.* asked"):
        nndyn.record(training(fast), tmp_path / "a.nc", steps=20, replicas=1, resume=True)
    later = nndyn.record(training(slow), tmp_path / "a.nc", steps=20, replicas=1, resume=True)
    np.testing.assert_array_equal(whole["state"].values, later["state"].values)


def test_an_end_of_the_schedule_is_told_before_anything_is_recorded(tmp_path):
    def training(steps):
        return Training(
            "mlp:4-6-3",
            "iris",
            lr=0.2,
            schedule=lambda o: lr_scheduler.OneCycleLR(
                o, 0.2, total_steps=steps, cycle_momentum=False
            ),
        )

    with pytest.raises(UsageError, match=r"ends after 13 steps: .*; give it as many steps"):
        nndyn.record(training(12), tmp_path / "a.nc", steps=20, replicas=1)
    assert not list(tmp_path.iterdir())
    run = nndyn.record(training(12), tmp_path / "a.nc", steps=12, replicas=1)
    assert np.isfinite(run["state"].values).all()
    with pytest.raises(UsageError, match="ends after 13 steps"):
        nndyn.record(training(12), tmp_path / "a.nc", steps=24, replicas=1, resume=True)
    with pytest.raises(UsageError, match=r"raises IndexError.* for t = 3"):
        nndyn.record(
            Training("mlp:4-6-3", "iris", lr=0.2, schedule=lambda t: [1, 1, 0.5][t]),
            tmp_path / "b.nc",
            steps=20,
        )


def test_runs_with_schedules_of_their_own_advance_as_one_batch(tmp_path):
    ways = [lambda t: 0.9**t, lambda o: lr_scheduler.StepLR(o, 3), "cosine:9"]
    systems = [Training("mlp:4-6-3", "iris", lr=0.2, schedule=way) for way in ways]
    paths = [tmp_path / f"{i}.nc" for i in range(3)]
    nndyn.record_batch(systems, paths, steps=10, replicas=1)
    for way, path in zip(ways, paths, strict=True):
        system = Training("mlp:4-6-3", "iris", lr=0.2, schedule=way)
        alone = nndyn.record(system, tmp_path / "alone.nc", steps=10, replicas=1, overwrite=True)
        np.testing.assert_array_equal(nndyn.open(path)["state"].values, alone["state"].values)
        alone.close()


def other():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


BOUND = lr_scheduler.StepLR(other(), 5)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (BOUND, r"is a StepLR of an optimizer of yours; give .* lambda optimizer: StepLR"),
        (lambda o: BOUND if isinstance(o, torch.optim.Optimizer) else o.x, "of another optimizer"),
        (lr_scheduler.ReduceLROnPlateau(other()), "follows a measured loss.*nndyn.Loop"),
        (lr_scheduler.ReduceLROnPlateau, "follows a measured loss.*nndyn.Loop"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o), "follows a measured loss.*nndyn.Loop"),
        (
            lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=10),
            "changes the momentum as well, to 0.95 at t = 0.*cycle_momentum=False",
        ),
        (lr_scheduler.StepLR, "raises TypeError.*step_size"),
        ((lr_scheduler.StepLR, 3), "expected the arguments as a dict"),
        (lambda t: math.nan, "at t = 0 is nan, expected a finite number"),
        (lambda t: -1.0, "at t = 0 is -1.0, expected"),
        (lambda t: "x", "at t = 0 is 'x', expected"),
        (lambda t: None, "at t = 0 is None, expected"),
        (lambda: 1.0, "raises TypeError.* for t = 0, and TypeError.* for an optimizer; expected"),
        (3.0, "schedule is 3.0, expected a name, a function of t"),
        (lambda o: o.param_groups and 3, "returns an object of type int; expected"),
    ],
)
def test_what_is_no_schedule_is_refused(schedule, message):
    with pytest.raises(UsageError, match=message):
        chosen(schedule, 0.1)
