"""Learning-rate schedules against the schedulers of torch, and the specs they come from."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from nndyn.errors import UnknownNameError, UsageError
from nndyn.systems.training.optimizers.schedules import Cosine, Schedule, Step, Warmup, parse


def linear(optimizer, steps):
    return lr_scheduler.LinearLR(optimizer, 1 / steps, total_iters=steps - 1)


def cycle(optimizer, steps, rise):
    group = optimizer.param_groups[0]
    return lr_scheduler.OneCycleLR(
        optimizer, group["lr"], total_steps=steps, pct_start=rise, cycle_momentum=False
    )


#: Steps over which torch's and ours are the same; beyond, cosines of torch rise again.
UNTIL = {"cosine:50": 51, "warmup:7,cosine:50": 51, "one-cycle:150:0.1": 150}

TORCH = {
    "constant": lambda o: lr_scheduler.ConstantLR(o, 1.0),
    "cosine:50": lambda o: lr_scheduler.CosineAnnealingLR(o, 50),
    "warmup:7": lambda o: linear(o, 7),
    "step:9": lambda o: lr_scheduler.StepLR(o, 9),
    "step:10:0.5": lambda o: lr_scheduler.StepLR(o, 10, 0.5),
    "exponential:0.97": lambda o: lr_scheduler.ExponentialLR(o, 0.97),
    "linear:40": lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, total_iters=40),
    "linear:60:0.2": lambda o: lr_scheduler.LinearLR(o, 1.0, 0.2, total_iters=60),
    "one-cycle:200": lambda o: cycle(o, 200, 0.3),
    "one-cycle:150:0.1": lambda o: cycle(o, 150, 0.1),
    "inverse-sqrt": lambda o: lr_scheduler.LambdaLR(o, lambda t: (t + 1) ** -0.5),
    "warmup:30,inverse-sqrt:30": lambda o: lr_scheduler.LambdaLR(
        o, lambda t: 30**0.5 * min((t + 1) ** -0.5, (t + 1) * 30**-1.5)
    ),
    "warmup:7,cosine:50": lambda o: lr_scheduler.ChainedScheduler(
        [
            linear(o, 7),
            lr_scheduler.CosineAnnealingLR(o, 50),
        ]
    ),
    "warmup:7,step:20,step:15:0.9": lambda o: lr_scheduler.ChainedScheduler(
        [
            linear(o, 7),
            lr_scheduler.StepLR(o, 20),
            lr_scheduler.StepLR(o, 15, 0.9),
        ]
    ),
}


@pytest.mark.parametrize("spec", TORCH)
def test_factor_is_what_torch_applies_to_step_t(spec):
    schedule = parse(spec)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = TORCH[spec](optimizer)
    for t in range(UNTIL.get(spec, 200)):
        # torch builds its rate up step by step, with a rounding error of the starting rate
        assert optimizer.param_groups[0]["lr"] == pytest.approx(
            0.3 * schedule(t), rel=1e-12, abs=1e-15
        )
        optimizer.step()
        scheduler.step()


def test_cosine_is_zero_from_its_end_on():
    schedule = parse("cosine:30")
    assert schedule(0) == 1.0
    assert schedule(15) == pytest.approx(0.5)
    assert 0 < schedule(29) < 0.01
    assert [schedule(t) for t in (30, 31, 60, 10**9)] == [0.0] * 4


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 10, 11])
def test_a_short_cycle_is_torchs_where_that_has_one(steps):
    schedule = parse(f"one-cycle:{steps}")
    if 0.3 * steps != 1:  # torch divides by 0
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
        scheduler = cycle(optimizer, steps, 0.3)
        for t in range(steps):
            assert optimizer.param_groups[0]["lr"] == pytest.approx(0.3 * schedule(t), rel=1e-12)
            optimizer.step()
            scheduler.step()
    assert schedule(steps - 1) == schedule(steps) == schedule(10**6) == pytest.approx(4e-6)


def test_warmup_ends_at_one():
    assert [parse("warmup:4")(t) for t in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert parse("warmup:1")(0) == 1.0


@given(st.integers(1, 10**6), st.integers(0, 10**7))
def test_factors_stay_between_0_and_1(steps, t):
    for term in (Cosine(steps), Warmup(steps), Step(steps), Step(steps, 1.0)):
        assert 0 <= term(t) <= 1
        assert term(t) == term(t)


@given(st.integers(1, 1000), st.integers(0, 1000))
def test_the_two_halves_of_a_cosine_add_up_to_one(steps, t):
    t = min(t, steps)
    assert Cosine(steps)(t) + Cosine(steps)(steps - t) == pytest.approx(1, abs=1e-15)


@given(st.integers(0, 300))
def test_joined_terms_are_multiplied(t):
    joined = parse("warmup:20,cosine:300,step:50:0.5")
    assert joined(t) == math.prod(
        parse(spec)(t) for spec in ("warmup:20", "cosine:300", "step:50:0.5")
    )


@pytest.mark.parametrize(
    ("spec", "normal"),
    [
        ("constant", "constant"),
        (" constant , cosine:10", "cosine:10"),
        ("warmup:020, cosine:300", "warmup:20,cosine:300"),
        ("step:30:.1", "step:30"),
        ("step:30:5e-1", "step:30:0.5"),
        ("exponential:.9", "exponential:0.9"),
        ("linear:10:0", "linear:10"),
        ("one-cycle:010:.3", "one-cycle:10"),
        ("inverse-sqrt:1", "inverse-sqrt"),
    ],
)
def test_a_schedule_prints_as_its_normalized_spec(spec, normal):
    assert str(parse(spec)) == normal
    assert parse(normal) == parse(spec)
    assert hash(parse(normal)) == hash(parse(spec))


def test_a_schedule_is_constant_by_default():
    assert Schedule() == parse("constant")
    assert Schedule()(12) == 1.0


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        (None, UsageError, "schedule is None, expected a text"),
        (10, UsageError, "schedule is 10"),
        ("", UnknownNameError, "'' is not known; known: constant, cosine:T"),
        ("cosine:10,", UnknownNameError, "'' is not known"),
        ("polynomial:10", UnknownNameError, "'polynomial:10' is not known"),
        ("Cosine:10", UnknownNameError, "'Cosine:10' is not known"),
        ("constant:1", UsageError, "constant takes none"),
        ("cosine", UsageError, "has 0 numbers, expected cosine:T"),
        ("cosine:10:2", UsageError, "has 2 numbers, expected cosine:T"),
        ("warmup:0", UsageError, "has '0' steps, expected a whole number"),
        ("warmup:-5", UsageError, "has '-5' steps"),
        ("warmup:2.5", UsageError, "has '2.5' steps"),
        ("cosine:" + 5000 * "9", UsageError, "expected a whole number from 1 to"),
        ("step:", UsageError, "has '' steps"),
        ("step:\u0663", UsageError, "steps, expected a whole number"),
        ("step:5:0.1:2", UsageError, "expected step:K or step:K:G"),
        ("step:5:x", UsageError, "has the factor 'x'"),
        ("step:5:0", UsageError, r"has the factor '0', expected a number in \(0, 1\]"),
        ("step:5:nan", UsageError, "has the factor 'nan'"),
        ("step:5:2", UsageError, "has the factor '2'"),
        ("exponential", UsageError, "has 0 numbers, expected exponential:G"),
        ("exponential:1.5", UsageError, "has the factor '1.5'"),
        ("linear:10:2", UsageError, r"has the last factor '2', expected a number in \[0, 1\]"),
        ("one-cycle:10:1", UsageError, r"has the part '1', expected a number in \(0, 1\)"),
        ("inverse-sqrt:0", UsageError, "has '0' steps"),
        ("warmup:5,cosine:x", UsageError, r"schedule 'warmup:5,cosine:x': 'cosine:x' has 'x'"),
    ],
)
def test_a_wrong_spec_is_refused(spec, error, message):
    with pytest.raises(error, match=message):
        parse(spec)
