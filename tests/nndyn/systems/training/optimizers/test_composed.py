"""Accumulation and averages: against plain loops of torch, their derivatives, their resumption."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import nndyn
from nndyn.errors import UsageError
from tests.nndyn.systems.training.networks import digits
from tests.recorders import plain_loops
from tests.recorders.linear import assert_same, values

STEPS = 200
RULES = {
    "sgd": ({"lr": 0.05}, torch.optim.SGD, {}),
    "dampening": (
        {"lr": 0.02, "momentum": 0.9, "dampening": 0.5, "clip_norm": 0.3},
        torch.optim.SGD,
        {"momentum": 0.9, "dampening": 0.5},
    ),
    "adam": (
        {"lr": 1e-3, "optimizer": "adam", "eps": 1e-2, "schedule": "cosine:250"},
        torch.optim.Adam,
        {"eps": 1e-2},
    ),
    "clip_value": (
        {"lr": 1e-3, "optimizer": "nadam", "eps": 1e-2, "clip_value": 0.01},
        plain_loops.NAdam,
        {"eps": 1e-2},
    ),
}


def module():
    return plain_loops.made(lambda: nn.Sequential(nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, 10)))


def vector(net):
    return nn.utils.parameters_to_vector(net.parameters()).detach().numpy().copy()


def plain(system, rule, steps, every, decay):
    """Return weights and average after `steps` batches of a plain loop."""
    options, kind, arguments = RULES[rule]
    net = module()
    x, y = map(torch.from_numpy, digits(20))
    optimizer = kind(net.parameters(), lr=options["lr"], **arguments)
    plan = lr_scheduler.CosineAnnealingLR(optimizer, 250) if "schedule" in options else None
    averaged = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(decay))
    for t in range(steps):
        rows = system.order.rows(t)
        (nn.functional.cross_entropy(net(x[rows]), y[rows]) / every).backward()
        if (t + 1) % every:
            continue
        if "clip_norm" in options:
            nn.utils.clip_grad_norm_(net.parameters(), options["clip_norm"])
        if "clip_value" in options:
            nn.utils.clip_grad_value_(net.parameters(), options["clip_value"])
        optimizer.step()
        optimizer.zero_grad()
        averaged.update_parameters(net)
        if plan is not None:
            plan.step()
    return vector(net), vector(averaged.module)


def near(found, expected):
    assert np.linalg.norm(found - expected) <= 1e-12 * np.linalg.norm(expected)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("rule", RULES)
def test_an_average_and_accumulated_gradients_equal_those_of_torch(rule, every):
    options = {"batch_size": 7, "accumulate": every, "ema": 0.9}
    system = nndyn.Training(module(), digits(20), **RULES[rule][0], **options)
    size = system.task.network.size
    phase = system.initial()[None]
    begin = 0
    for steps in (1, 2 * every, 3 * every + 1, STEPS):
        phase = system.advance(phase, begin, steps - begin, ()).phase
        weights, average = plain(system, rule, steps, every, 0.9)
        at = system.rule.buffers if every == 1 else system.rule.buffers - 1
        near(phase[0, :size], weights)
        near(phase[0, at * size :][:size], average)
        begin = steps


def test_weights_stay_until_an_update_is_due():
    system = nndyn.Training("mlp:4-5-3", "iris", lr=0.5, batch_size=40, accumulate=4)
    block = system.advance(system.initial()[None], 0, 12, range(12))
    moved = block.arrival["step_length"][:, 0] > 0
    np.testing.assert_array_equal(moved, [(t + 1) % 4 == 0 for t in range(12)])
    assert (block.phase[0, 43:] == 0).all()


def test_what_is_not_asked_leaves_no_trace():
    plain_one = nndyn.Training("mlp:4-5-3", "iris", lr=0.5)
    same = nndyn.Training("mlp:4-5-3", "iris", lr=0.5, accumulate=1, ema=None)
    assert same.describe() == plain_one.describe()
    assert same.rule == plain_one.rule
    asked = nndyn.Training("mlp:4-5-3", "iris", lr=0.5, accumulate=3, ema=0)
    extra = {"accumulate": 3, "ema": 0.0}
    assert asked.describe() == plain_one.describe() | extra
    assert asked.dimension == 3 * plain_one.dimension


COMPOSED = {
    "ema": {"lr": 0.1, "momentum": 0.9, "ema": 0.8},
    "adam, ema": {"lr": 0.01, "optimizer": "adam", "ema": 0.8, "weight_decay": 0.1},
    "accumulate": {"lr": 0.1, "momentum": 0.9, "accumulate": 2, "batch_size": 40},
    "accumulate, clipped": {"lr": 0.1, "accumulate": 2, "batch_size": 40, "clip_norm": 0.05},
    "clip_value": {"lr": 0.1, "momentum": 0.9, "clip_value": 0.01},
    "dampening": {"lr": 0.1, "momentum": 0.9, "dampening": 0.5},
    "amsgrad": {"lr": 0.01, "optimizer": "adam", "amsgrad": True, "betas": (0.9, 0.9)},
    "adagrad": {"lr": 0.05, "optimizer": "adagrad", "lr_decay": 0.1, "weight_decay": 0.1},
    "lion": {"lr": 0.001, "optimizer": "lion", "weight_decay": 0.1},
    "all": {
        "lr": 0.01,
        "optimizer": "adamw",
        "accumulate": 2,
        "ema": 0.7,
        "batch_size": 40,
        "weight_decay": 0.1,
        "groups": [{"params": "*.bias", "lr": 0.03, "weight_decay": 0, "betas": (0.5, 0.8)}],
    },
    "groups": {
        "lr": 0.1,
        "momentum": 0.9,
        "clip_norm": 0.1,
        "groups": [{"params": "0.*", "lr": 0.2, "momentum": 0, "weight_decay": 0.1}],
    },
    "rmsprop, groups": {
        "lr": 0.01,
        "optimizer": "rmsprop",
        "groups": [{"params": "0.*", "alpha": 0.8, "eps": 1e-3, "momentum": 0.5}],
    },
    "nadam, groups": {
        "lr": 0.01,
        "optimizer": "nadam",
        "groups": [{"params": "0.*", "betas": (0.5, 0.8)}],
    },
}


@pytest.mark.parametrize("t", [25, 26])
@pytest.mark.parametrize("name", COMPOSED)
def test_the_derivative_of_a_step_is_that_of_differences(name, t):
    system = nndyn.Training("mlp:4-6-3", "iris", seed=3, **COMPOSED[name])
    phase = system.advance(system.initial()[None], 0, t, ()).phase[0]
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((system.dimension, 6)) * (np.abs(phase) + 1e-9)[:, None]
    pushed, _ = system.push(phase, vectors, t, 1, ())

    def difference(h):
        ends = [system.advance(phase + s * vectors.T, t, 1, ()).phase for s in (h, -h)]
        return (ends[0] - ends[1]) / (2 * h)

    # to fourth order: differences over h and h / 2
    expected = (4 * difference(5e-6) - difference(1e-5)) / 3
    parts = len(phase) // system.task.network.size
    for found, known in zip(
        np.split(pushed.T, parts, 1), np.split(expected, parts, 1), strict=True
    ):
        np.testing.assert_allclose(found, known, atol=1e-6 * np.abs(known).max(), rtol=1e-6)


BIASES, WEIGHTS = 8, 35


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ({"lr": 0.5, "momentum": 0.9, "ema": 0.7}, 43 * np.log(0.9 * 0.7)),
        ({"lr": 0.5, "momentum": 0.9, "dampening": 0.5}, 43 * np.log(0.9)),
        (
            {
                "lr": 0.1,
                "optimizer": "adam",
                "ema": 0.7,
                "groups": [{"params": "*.bias", "betas": (0.5, 0.8), "lr": 0.3}],
            },
            WEIGHTS * np.log(0.9 * 0.999) + BIASES * np.log(0.4) + 43 * np.log(0.7),
        ),
        (
            {
                "lr": 0.1,
                "optimizer": "adamw",
                "weight_decay": 0.2,
                "groups": [{"params": "*.bias", "lr": 0.3}],
            },
            43 * np.log(0.9 * 0.999) + WEIGHTS * np.log(0.98) + BIASES * np.log(0.94),
        ),
        (
            {"lr": 0.5, "momentum": 0.9, "groups": [{"params": "*.bias", "momentum": 0.5}]},
            WEIGHTS * np.log(0.9) + BIASES * np.log(0.5),
        ),
        (
            {"lr": 0.1, "optimizer": "lion", "weight_decay": 0.2},
            43 * np.log(0.99) + 43 * np.log(0.98),
        ),
    ],
)
def test_volumes_change_by_the_same_factor_at_every_step(options, total):
    system = nndyn.Training("mlp:4-5-3", "iris", **options)
    rng = np.random.default_rng(1)
    vectors = np.linalg.qr(rng.standard_normal((system.dimension,) * 2))[0]
    sums = system.push(system.initial(), vectors, 0, 20, range(1, 21))[1].sum(axis=1)
    np.testing.assert_allclose(sums, total, rtol=0, atol=1e-8)
    assert system.exponent_sum == pytest.approx(total)


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adam", "amsgrad": True},
        {"optimizer": "adagrad"},
        {"momentum": 0.9, "accumulate": 2, "batch_size": 40},
        {"momentum": 0.9, "groups": [{"params": "*.bias", "momentum": 0}]},
        {"momentum": 0.9, "ema": 0},
    ],
)
def test_where_no_factor_is_known_there_is_no_sum(options):
    assert nndyn.Training("mlp:4-5-3", "iris", lr=0.1, **options).exponent_sum is None


def test_from_update_to_update_volumes_change_as_those_of_the_rule(tmp_path):
    options = {"lr": 0.5, "momentum": 0.9, "accumulate": 3, "batch_size": 40}
    system = nndyn.Training("mlp:4-5-3", "iris", **options)
    vectors = np.zeros((3 * 43, 86))
    vectors[:86] = np.eye(86)
    logs = system.push(system.initial(), vectors, 0, 12, range(1, 13))[1]
    sums = logs.sum(axis=1).reshape(4, 3).sum(axis=1)
    np.testing.assert_allclose(sums, 43 * np.log(0.9), rtol=0, atol=1e-8)
    with pytest.raises(UsageError, match="tangents is 87, expected at most 86, as many as a step"):
        nndyn.record(system, tmp_path / "r.nc", steps=3, replicas=0, tangents=87)
    with nndyn.record(system, tmp_path / "r.nc", steps=3, replicas=0, tangents="all") as recording:
        assert recording["tangent_log_stretch"].shape[1] == 86


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adamw", "amsgrad": True, "ema": 0.9, "accumulate": 4},
        {"momentum": 0.9, "ema": 0.9, "groups": [{"params": "*.bias", "lr": 0.3}]},
    ],
)
def test_a_resumed_recording_has_the_bits_of_one_that_was_not_cut(tmp_path, options):
    def system():
        return nndyn.Training("mlp:4-5-3", "iris", lr=0.05, batch_size=40, **options)

    recorded = {"replicas": 2, "tangents": 2, "state": "phase", "evaluate": 1}
    whole = values(nndyn.record(system(), tmp_path / "whole.nc", steps=33, **recorded))
    for steps in (2, 7, 33):
        cut = nndyn.record(system(), tmp_path / "cut.nc", steps=steps, resume=True, **recorded)
        found = values(cut)
    known = {name: whole[name] for name in found}  # a run of 2 steps has no twin for its rounding
    assert_same(found, known)


@pytest.mark.parametrize("at", [5, 6, 9])
def test_a_training_goes_on_from_a_recording_within_an_update(tmp_path, at):
    options = {"lr": 0.05, "batch_size": 40, "optimizer": "adam", "ema": 0.9, "accumulate": 3}
    whole = nndyn.Training("mlp:4-5-3", "iris", **options)
    with nndyn.record(whole, tmp_path / "r.nc", steps=12, state="phase", replicas=1) as recording:
        end = recording["state"].values[-1, 0]
    on = nndyn.Training("mlp:4-5-3", "iris", start=(tmp_path / "r.nc", at), **options)
    np.testing.assert_array_equal(on.advance(on.initial()[None], 0, 12 - at, ()).phase[0], end)
    for other in ({"amsgrad": True, "ema": None}, {"accumulate": 2}, {"ema": None}):
        with pytest.raises(UsageError, match="was recorded with adam, ema, accumulate=3"):
            nndyn.Training(
                "mlp:4-5-3", "iris", start=(tmp_path / "r.nc", at), **{**options, **other}
            )


def test_an_average_begins_afresh_where_a_checkpoint_has_none():
    net, (x, y) = module(), map(torch.from_numpy, digits(20))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, amsgrad=True)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    checkpoint = {"model": net.state_dict(), "optimizer": optimizer.state_dict()}
    start = copy.deepcopy(checkpoint), 12  # an update every 4 batches: 3
    options = {"lr": 1e-3, "optimizer": "adam", "amsgrad": True, "ema": 0.9, "accumulate": 4}
    system = nndyn.Training(net, (x, y), start=start, batch_size=7, **options)
    size = system.task.network.size
    first, second = (
        system.advance(system.initial()[None], 0, steps, ()).phase[0].reshape(-1, size)
        for steps in (4, 8)
    )
    np.testing.assert_array_equal(first[4], first[0])
    near(second[4], 0.9 * first[0] + 0.1 * second[0])
    for update in range(2):
        optimizer.zero_grad()
        for t in range(12 + 4 * update, 16 + 4 * update):
            rows = system.order.rows(t)
            (nn.functional.cross_entropy(net(x[rows]), y[rows]) / 4).backward()
        optimizer.step()
    near(second[0], vector(net))
    with pytest.raises(UsageError, match="begin at a multiple of 4"):
        nndyn.Training(net, (x, y), start=(checkpoint, 13), batch_size=7, **options)


def test_the_preconditioner_of_an_update_has_the_mean_of_its_gradients():
    options = {"lr": 0.01, "optimizer": "adam", "eps": 1e-3}
    accumulating = nndyn.Training("mlp:4-5-3", "iris", **options, accumulate=2, ema=0.9)
    alone = nndyn.Training("mlp:4-5-3", "iris", **options)
    phase = accumulating.advance(accumulating.initial()[None], 0, 7, ()).phase[0]
    expected = alone.curvature(phase[: alone.dimension], 3)
    for name, value in accumulating.curvature(phase, 7).items():
        if not name.endswith("residual"):
            assert value == pytest.approx(expected[name], rel=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ema": 1}, r"ema is 1, expected a number in \[0, 1\)"),
        ({"accumulate": 0}, "accumulate is 0, expected a whole number, 1 or more"),
        ({"accumulate": 1.5}, "accumulate is 1.5"),
        ({"clip_norm": 1, "clip_value": 1}, "clip_norm and clip_value are both given"),
        ({"clip_value": 0}, "clip_value is 0, expected a finite number above 0"),
        ({"dampening": 0.5, "momentum": 0.5, "nesterov": True}, "nesterov needs no dampening"),
        ({"dampening": 2}, "dampening is 2, expected a finite number from 0 to 1"),
        ({"eps": -1, "optimizer": "adam"}, "eps is -1"),
        ({"eps": 1e-3}, "eps applies to adam, adamw, rmsprop, nadam and adagrad"),
        ({"amsgrad": True}, "amsgrad applies to adam and adamw"),
        ({"lr_decay": 0.1}, "lr_decay applies to adagrad"),
        ({"betas": (0.9, 0.999), "optimizer": "adagrad", "eps": 1e-10, "dampening": 0.1}, "damp"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        nndyn.Training("mlp:4-5-3", "iris", lr=0.1, **options)
