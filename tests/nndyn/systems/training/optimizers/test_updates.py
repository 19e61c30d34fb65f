"""Every update rule against its counterpart in torch.optim, alone and stacked."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from nndyn.errors import UsageError
from nndyn.systems.training.optimizers import formula, schedules
from nndyn.systems.training.optimizers.formula import clipped
from nndyn.systems.training.optimizers.formulas.adagrad import Adagrad
from nndyn.systems.training.optimizers.formulas.adam import Adam, AdamW
from nndyn.systems.training.optimizers.formulas.lion import Lion
from nndyn.systems.training.optimizers.formulas.nadam import NAdam
from nndyn.systems.training.optimizers.formulas.rmsprop import RMSprop
from nndyn.systems.training.optimizers.formulas.sgd import SGD
from nndyn.systems.training.optimizers.stacked import BLOCK, stack
from tests.recorders import plain_loops

ROWS, SIZE = 3, 11
AMSGRAD = {"amsgrad": True}
RULES = [
    (SGD(0.1), torch.optim.SGD, {}),
    (SGD(0.02, 0.9), torch.optim.SGD, {"momentum": 0.9}),
    (SGD(0.02, 0.9, nesterov=True), torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    (Adam(0.01), torch.optim.Adam, {}),
    (Adam(0.01, (0.5, 0.8)), torch.optim.Adam, {"betas": (0.5, 0.8)}),
    (Adam(0.01, (0.0, 0.0)), torch.optim.Adam, {"betas": (0.0, 0.0)}),
    (AdamW(0.01), torch.optim.AdamW, {"weight_decay": 0.0}),
    (NAdam(0.01), plain_loops.NAdam, {}),
    (NAdam(0.01, (0.5, 0.8)), plain_loops.NAdam, {"betas": (0.5, 0.8)}),
    (NAdam(0.01, (0.999, 0.9)), plain_loops.NAdam, {"betas": (0.999, 0.9)}),
    (SGD(0.02, 0.9, dampening=0.3), torch.optim.SGD, {"momentum": 0.9, "dampening": 0.3}),
    (Adam(0.01, eps=1e-3), torch.optim.Adam, {"eps": 1e-3}),
    (Adam(0.01, (0.5, 0.3), amsgrad=True), torch.optim.Adam, {"betas": (0.5, 0.3), **AMSGRAD}),
    (AdamW(0.01, amsgrad=True), torch.optim.AdamW, {"weight_decay": 0.0, **AMSGRAD}),
    (NAdam(0.01, eps=1e-2), plain_loops.NAdam, {"eps": 1e-2}),
    (RMSprop(0.01), torch.optim.RMSprop, {}),
    (RMSprop(0.01, eps=1e-2), torch.optim.RMSprop, {"eps": 1e-2}),
    (RMSprop(0.01, 0.9, 0.5), torch.optim.RMSprop, {"momentum": 0.9, "alpha": 0.5}),
    (Adagrad(0.1), torch.optim.Adagrad, {}),
    (
        Adagrad(0.1, 0.05, 0.5, 1e-3),
        torch.optim.Adagrad,
        {"lr_decay": 0.05, "initial_accumulator_value": 0.5, "eps": 1e-3},
    ),
    (Lion(0.01), plain_loops.Lion, {}),
    (Lion(0.01, (0.5, 0.8)), plain_loops.Lion, {"betas": (0.5, 0.8)}),
]
CASES = [
    ({}, "constant"),
    ({"weight_decay": 0.01}, "cosine:250"),
    ({"clip_norm": 1.5}, "step:60:0.5"),
    ({"clip_value": 0.7}, "constant"),
    ({"weight_decay": 0.01, "clip_norm": 1.5}, "warmup:20,cosine:200"),
]
SCHEDULES = {
    "constant": lambda o: lr_scheduler.ConstantLR(o, 1.0),
    "cosine:250": lambda o: lr_scheduler.CosineAnnealingLR(o, 250),
    "step:60:0.5": lambda o: lr_scheduler.StepLR(o, 60, 0.5),
    "warmup:20,cosine:200": lambda o: lr_scheduler.ChainedScheduler(
        [
            lr_scheduler.LinearLR(o, 1 / 20, total_iters=19),
            lr_scheduler.CosineAnnealingLR(o, 200),
        ]
    ),
}


CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, CUDA])]


def gradient_of(weights, t, batches):
    """Return a gradient that is nowhere near 0, where Adam would magnify its rounding.

    The last row is short enough not to be clipped.
    """
    j = torch.arange(SIZE, dtype=weights.dtype)
    slope = torch.where(j % 2 == 0, 1.0, -1.0) * (1 + j / SIZE)
    wave = 0.3 * torch.sin(j + 2.0 * t) if batches else 0.0
    scale = torch.tensor([[1.0], [2.0], [0.2]], dtype=weights.dtype)
    return scale * (slope + 0.4 * torch.tanh(weights) + wave)


def start_of(rule, dtype=torch.float64, seed=3, rows=ROWS):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(rows, SIZE, dtype=dtype, generator=generator)
    buffers = torch.from_numpy(rule.fresh(weights[0].numpy())).to(dtype).reshape(1, -1)
    return torch.cat([weights, buffers.expand(rows, -1)], 1)


@pytest.mark.parametrize("batches", [False, True], ids=["full", "batches"])
@pytest.mark.parametrize(("options", "schedule"), CASES)
@pytest.mark.parametrize(("rule", "kind", "arguments"), RULES)
def test_rule_equals_torch_over_200_steps(rule, kind, arguments, options, schedule, batches):
    rule = dataclasses.replace(rule, schedule=schedules.parse(schedule), **options)
    if decay := options.get("weight_decay"):
        arguments = {**arguments, "weight_decay": decay}
    phase = start_of(rule)
    out = torch.full_like(phase, torch.nan)
    expected = torch.nn.Parameter(phase[:, :SIZE].clone())
    # every row is a run: elementwise but for the clipping, which is done row by row
    optimizer = kind([expected], lr=rule.lr, **arguments)
    scheduler = SCHEDULES[schedule](optimizer)
    for t in range(200):
        gradient = gradient_of(phase[:, :SIZE], t, batches)
        inputs = phase.clone(), gradient.clone()
        rule(phase, gradient, t, out)
        assert torch.equal(phase, inputs[0])
        assert torch.equal(gradient, inputs[1])
        phase, out = out, phase
        expected.grad = gradient_of(expected.detach(), t, batches)
        if rule.clip_value is not None:
            torch.nn.utils.clip_grad_value_([expected], rule.clip_value)
        if rule.clip_norm is not None:
            for row in expected.grad:
                one = torch.nn.Parameter(row.clone())
                one.grad = row
                torch.nn.utils.clip_grad_norm_([one], rule.clip_norm)
        optimizer.step()
        scheduler.step()
        error = torch.linalg.vector_norm(phase[:, :SIZE] - expected.detach(), dim=1)
        assert (error <= 1e-12 * torch.linalg.vector_norm(expected.detach(), dim=1)).all()


FAMILIES = ["sgd", "nesterov", "dampening", "adam", "amsgrad", "adamw", "nadam", "rmsprop"]
FAMILIES += ["adagrad", "lion", "clip_value"]


def family(kind):
    """Return three runs of one structure, no two equal in any hyperparameter."""
    plan = [schedules.parse(spec) for spec in ("constant", "cosine:70", "warmup:80,step:3")]
    common = [
        {"lr": lr, "schedule": s, "weight_decay": d, "clip_norm": c}
        for lr, s, d, c in zip(
            (0.1, 0.03, 0.7), plan, (0.1, 0.3, 0.01), (1.5, 0.1, 3.0), strict=True
        )
    ]
    if kind == "clip_value":
        return [SGD(one["lr"], clip_value=one["clip_norm"]) for one in common]
    own = {
        "sgd": (SGD, [{"momentum": m} for m in (0.9, 0.3, 0.99)]),
        "nesterov": (SGD, [{"momentum": m, "nesterov": True} for m in (0.9, 0.3, 0.99)]),
        "adam": (Adam, [{"betas": b} for b in ((0.9, 0.999), (0.5, 0.9), (0.0, 0.3))]),
        "adamw": (AdamW, [{"betas": b} for b in ((0.9, 0.999), (0.5, 0.9), (0.0, 0.3))]),
        "nadam": (NAdam, [{"betas": b} for b in ((0.9, 0.999), (0.5, 0.9), (0.0, 0.3))]),
        "dampening": (SGD, [{"momentum": m, "dampening": m / 2} for m in (0.9, 0.3, 0.99)]),
        "amsgrad": (
            Adam,
            [
                {"betas": b, "eps": b[0] / 10, "amsgrad": True}
                for b in ((0.9, 0.9), (0.5, 0.3), (0.1, 0.3))
            ],
        ),
        "adagrad": (
            Adagrad,
            [
                {"lr_decay": d, "initial_accumulator_value": i, "eps": e}
                for d, i, e in ((0.0, 1.0, 0.1), (0.1, 0.0, 1e-10), (0.5, 0.5, 1e-3))
            ],
        ),
        "lion": (Lion, [{"betas": b} for b in ((0.9, 0.99), (0.5, 0.9), (0.0, 0.3))]),
        "rmsprop": (
            RMSprop,
            [{"momentum": m, "alpha": a} for m, a in ((0.9, 0.99), (0.3, 0.5), (0.1, 0.9))],
        ),
    }
    rule, arguments = own[kind]
    return [rule(**c, **a) for c, a in zip(common, arguments, strict=True)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", FAMILIES)
def test_stacked_runs_have_the_bits_of_the_runs_alone(kind, dtype, device):
    rules, replicas = family(kind), 2
    together = stack(rules, replicas, dtype, device)
    assert together.buffers == rules[0].buffers
    alone = [start_of(rule, dtype, seed, replicas).to(device) for seed, rule in enumerate(rules)]
    stacked = torch.cat(alone)
    out = torch.empty_like(stacked)
    generator = torch.Generator().manual_seed(1)
    for t in (*range(BLOCK - 5, BLOCK + 5), 3):  # into the next block, and back
        gradient = torch.randn(len(rules) * replicas, SIZE, dtype=dtype, generator=generator)
        gradient = gradient.to(device)
        together(stacked, gradient, t, out)
        stacked, out = out, stacked
        alone = [
            rule(phase, gradient[i * replicas : (i + 1) * replicas], t)
            for i, (rule, phase) in enumerate(zip(rules, alone, strict=True))
        ]
        assert torch.equal(stacked, torch.cat(alone))
    assert stacked.isfinite().all()


def test_what_is_equal_in_all_runs_stays_a_float():
    together = stack([SGD(0.1, 0.9), SGD(0.2, 0.9)], 2, torch.float64, "cpu")
    table = together._columns(range(3))
    assert table["momentum"] == [0.9] * 3
    assert table["rate"].tolist() == [[[0.1], [0.1], [0.2], [0.2]]] * 3


def test_stack_of_equal_runs_is_the_rule_itself():
    assert stack([Adam(0.1), Adam(0.1)], 5, torch.float64, "cpu") == Adam(0.1)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([SGD(0.1), SGD(0.2), Adam(0.1)], "run 0 has SGD, run 2 has Adam"),
        ([Adam(0.1), AdamW(0.1)], "run 0 has Adam, run 1 has AdamW"),
        ([SGD(0.1, 0.9), SGD(0.1)], "run 0 has momentum, run 1 has none"),
        ([SGD(0.1, 0.9), SGD(0.1, 0.9, nesterov=True)], "run 1 has nesterov, run 0 has none"),
        ([RMSprop(0.1), RMSprop(0.1, 0.9)], "run 1 has momentum, run 0 has none"),
        ([SGD(0.1), SGD(0.1, weight_decay=0.1)], "run 1 has weight_decay, run 0 has none"),
        ([SGD(0.1, clip_norm=1.0), SGD(0.1)], "run 0 has clip_norm, run 1 has none"),
        ([SGD(0.1, clip_value=1.0), SGD(0.1)], "run 0 has clip_value, run 1 has none"),
        ([Adam(0.1, amsgrad=True), Adam(0.1)], "run 0 has amsgrad, run 1 has none"),
    ],
)
def test_runs_of_different_structure_are_refused(rules, message):
    with pytest.raises(UsageError, match=message):
        stack(rules, 2, torch.float64, "cpu")


fractions = st.floats(0, 0.999)
common = {
    "schedule": st.sampled_from(["constant", "cosine:9", "warmup:4,step:3:0.5"]).map(
        schedules.parse
    ),
    "weight_decay": st.sampled_from([0.0, 1e-4, 0.5]),
    "clip_norm": st.none() | st.floats(1e-3, 1e3),
}
rates = st.floats(1e-6, 10)
rules = st.one_of(
    st.builds(SGD, rates, fractions, **common),
    st.builds(SGD, rates, st.floats(1e-3, 0.999), st.booleans(), **common),
    st.builds(Adam, rates, st.tuples(fractions, fractions), **common),
    st.builds(AdamW, rates, st.tuples(fractions, fractions), **common),
    st.builds(RMSprop, rates, fractions, fractions, **common),
    st.builds(Adagrad, rates, fractions, fractions, **common),
    st.builds(Lion, rates, st.tuples(fractions, fractions), **common),
)


@given(rules, st.integers(0, 20), st.integers(0, 1000), st.permutations(range(5)))
def test_a_row_depends_on_itself_alone(rule, t, seed, order):
    generator = torch.Generator().manual_seed(seed)
    phase = torch.rand(5, SIZE * (1 + rule.buffers), dtype=torch.float64, generator=generator)
    gradient = torch.randn(5, SIZE, dtype=torch.float64, generator=generator)
    inputs = phase.clone(), gradient.clone()
    after = rule(phase, gradient, t)
    assert torch.equal(phase, inputs[0])
    assert torch.equal(gradient, inputs[1])
    out = torch.full_like(phase, torch.nan)
    assert rule(phase, gradient, t, out) is out
    assert torch.equal(out, after)
    assert torch.equal(rule(phase[order], gradient[order], t), after[order])
    assert torch.equal(rule(phase[2:3], gradient[2:3], t), after[2:3])


@pytest.mark.parametrize("options", [options for options, _ in CASES])
@pytest.mark.parametrize("rule", [rule for rule, _, _ in RULES])
def test_a_step_in_blocks_over_its_own_gradient_has_the_same_bits(rule, options, monkeypatch):
    monkeypatch.setattr(formula, "BLOCK", 4 * ROWS)  # so that the last one is not full
    rule = dataclasses.replace(rule, **options)
    phase = start_of(rule)
    gradient = gradient_of(phase[:, :SIZE], 2, batches=True)
    after = rule(phase, gradient, 3)
    out = torch.full_like(phase, torch.nan)
    out[:, :SIZE] = gradient
    assert torch.equal(rule(phase, out[:, :SIZE], 3, out), after)


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1, "clip_norm": 1.5}])
@pytest.mark.parametrize("rule", [rule for rule, _, _ in RULES])
def test_a_rule_can_be_differentiated_in_phase_and_gradient(rule, options):
    rule = dataclasses.replace(rule, **options)
    generator = torch.Generator().manual_seed(0)
    shapes = (2, 3 * (1 + rule.buffers)), (2, 3)
    point = [1 + torch.rand(s, dtype=torch.float64, generator=generator) for s in shapes]
    inputs = [p.requires_grad_() for p in point]
    assert torch.autograd.gradcheck(lambda phase, gradient: rule(phase, gradient, 3), inputs)


@pytest.mark.parametrize("size", [1, 2, 3, 64, 2410])
def test_clipping_equals_that_of_torch(size):
    generator = torch.Generator().manual_seed(size)
    gradient = torch.randn(4, size, dtype=torch.float64, generator=generator)
    gradient *= torch.tensor([[0.0], [1e-3], [1.0], [1e6]], dtype=torch.float64)
    expected = gradient.clone()
    for row in expected:
        one = torch.nn.Parameter(row.clone())
        one.grad = row
        torch.nn.utils.clip_grad_norm_([one], 0.5)
    found = clipped(gradient, 0.5)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=0)
    assert torch.equal(found[0], gradient[0])
    assert not torch.equal(found[3], gradient[3])


def test_clipping_leaves_a_gradient_that_is_not_a_number_visible():
    gradient = torch.tensor([[1.0, torch.nan], [3.0, 4.0]], dtype=torch.float64)
    found = clipped(gradient, 5.0)
    assert found[0].isnan().all()
    torch.testing.assert_close(found[1], gradient[1], rtol=1e-6, atol=0)
