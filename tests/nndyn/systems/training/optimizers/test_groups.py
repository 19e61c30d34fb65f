"""Groups of weights: against torch's parameter groups, alone and stacked, and their volumes."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import nndyn
from nndyn.errors import UsageError
from nndyn.systems.protocol import Parameter
from nndyn.systems.training.optimizers import formula
from nndyn.systems.training.optimizers.arguments import make
from nndyn.systems.training.optimizers.groups import Group
from nndyn.systems.training.optimizers.stacked import stack
from tests.nndyn.systems.training.networks import digits
from tests.recorders import plain_loops

STEPS = 200


class Tied(nn.Module):
    """Two blocks of width 8, whose head has the weights of the embedding."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(12, 8)
        self.blocks = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(8, 2, 10, dropout=0.0, batch_first=True, bias=False)
                for _ in range(2)
            )
        )
        self.head = nn.Linear(8, 12, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x):
        return self.head(self.blocks(self.embed(x))).transpose(1, 2)


def made(name):
    """Return a module, x, y, and the patterns of its second group."""
    if name == "transformer":
        rng = np.random.default_rng(0)
        return plain_loops.made(Tied), rng.integers(0, 12, (2, 6, 5)), ["embed.weight", "*norm*"]
    x, y = digits(20)
    module = plain_loops.made(lambda: nn.Sequential(nn.Linear(64, 7), nn.Tanh(), nn.Linear(7, 10)))
    return module, (x, y), ["2.*", "0.bias"]


#: Common options, those of the group, torch's class; eps is large, or rounding of gradients near 0
#: would be magnified.
RULES = {
    "sgd": ({"lr": 0.05, "weight_decay": 0.1}, {"lr": 0.01, "weight_decay": 0}, torch.optim.SGD),
    "no decay": ({"lr": 0.05}, {"weight_decay": 0.1}, torch.optim.SGD),
    "momentum": ({"lr": 0.01, "momentum": 0.9}, {"lr": 0.02, "momentum": 0}, torch.optim.SGD),
    "no momentum": (
        {"lr": 0.02, "dampening": 0.5},
        {"momentum": 0.8, "weight_decay": 0.1},
        torch.optim.SGD,
    ),
    "dampening": (
        {"lr": 0.02, "momentum": 0.9, "dampening": 0.5},
        {"momentum": 0.5, "dampening": 0},
        torch.optim.SGD,
    ),
    "nesterov": (
        {"lr": 0.01, "momentum": 0.9, "nesterov": True},
        {"lr": 0.005, "momentum": 0.5, "weight_decay": 0.1},
        torch.optim.SGD,
    ),
    "adam": (
        {"lr": 1e-3, "eps": 1e-2},
        {"lr": 3e-3, "betas": (0.5, 0.9), "weight_decay": 0.1},
        torch.optim.Adam,
    ),
    "amsgrad": (
        {"lr": 1e-3, "eps": 1e-2, "amsgrad": True},
        {"lr": 3e-3, "betas": (0.5, 0.9)},
        torch.optim.Adam,
    ),
    "adamw": (
        {"lr": 1e-3, "eps": 1e-2, "weight_decay": 0.1},
        {"lr": 3e-3, "betas": (0.5, 0.9), "weight_decay": 0, "eps": 0.1},
        torch.optim.AdamW,
    ),
    "nadam": ({"lr": 1e-3, "eps": 1e-2}, {"betas": (0.5, 0.9), "lr": 2e-3}, plain_loops.NAdam),
    "rmsprop": (
        {"lr": 1e-3, "eps": 0.1, "momentum": 0.5},
        {"momentum": 0, "alpha": 0.9, "weight_decay": 0.1},
        torch.optim.RMSprop,
    ),
    "adagrad": (
        {"lr": 1e-2, "eps": 0.1, "lr_decay": 0.01, "initial_accumulator_value": 0.5},
        {"lr": 2e-2, "lr_decay": 0.1, "eps": 0.2},
        torch.optim.Adagrad,
    ),
    "lion": (
        {"lr": 2e-5, "weight_decay": 0.1},
        {"lr": 1e-5, "betas": (0.8, 0.9), "weight_decay": 0},
        plain_loops.Lion,
    ),
}
NAMES = {"no decay": "sgd", "no momentum": "sgd", "amsgrad": "adam"} | dict.fromkeys(
    ("momentum", "dampening", "nesterov"), "sgd"
)


def options(rule):
    common, group, _ = RULES[rule]
    return {"optimizer": NAMES.get(rule, rule), **common}, group


def training(rule, model, **more):
    module, data, patterns = made(model)
    common, group = options(rule)
    return nndyn.Training(
        module, tuple(data), **common, groups=[{"params": patterns, **group}], **more
    )


def plain(system, rule, model, steps):
    """Return the weights after `steps` steps of torch with two groups."""
    module, data, _ = made(model)
    x, y = (torch.as_tensor(one) for one in data)
    common, group, kind = RULES[rule]
    [described] = system.describe()["groups"]
    own = [w for n, w in module.named_parameters() if n in described["names"]]
    others = [w for n, w in module.named_parameters() if n not in described["names"]]
    assert own
    assert others
    decay = {"weight_decay": 0.0} if kind is torch.optim.AdamW else {}
    optimizer = kind([{"params": own, **group}, {"params": others}], **{**decay, **common})
    for t in range(steps):
        rows = system.order.rows(t)
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(x[rows]), y[rows]).backward()
        optimizer.step()
    return nn.utils.parameters_to_vector(module.parameters()).detach().numpy()


TRAINED = [
    pytest.param(
        rule, model, marks=[pytest.mark.slow] if model != "digits" and rule != "adamw" else []
    )
    for model in ("digits", "transformer")
    for rule in RULES
]


@pytest.mark.parametrize(("rule", "model"), TRAINED)
def test_two_groups_equal_those_of_torch(rule, model):
    system = training(rule, model, batch_size=7 if model == "digits" else None)
    found = system.advance(system.initial()[None], 0, STEPS, ()).phase[0, system.components]
    expected = plain(system, rule, model, STEPS)
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert error <= 1e-12, error


def parameters():
    sizes = {"a": (2, 3), "a.bias": (3,), "b": (4,)}
    starts = np.cumsum([0, 6, 3])
    return [Parameter(n, int(s), sizes[n]) for n, s in zip(sizes, starts, strict=True)]


def rows_of(rule, replicas, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(replicas, 13, dtype=dtype, generator=generator)
    buffers = torch.rand(replicas, 13 * rule.buffers, dtype=dtype, generator=generator)
    return torch.cat([weights, buffers], 1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rule", RULES)
def test_stacked_runs_with_groups_have_the_bits_of_the_runs_alone(rule, dtype, monkeypatch):
    monkeypatch.setattr(formula, "BLOCK", 5)  # so that what is written is so in blocks
    common, group = options(rule)
    rules = [
        make(
            **{**common, "lr": lr, "ema": ema, "accumulate": 2, "clip_norm": 0.5},
            groups=[Group(("a",), {**group, "lr": other})],
            parameters=parameters(),
        )[0]
        for lr, other, ema in ((0.1, 0.2, 0.5), (0.3, 0.2, 0.9), (0.1, 0.05, 0.9))
    ]
    for some in (rules, rules[:1]):  # with values of groups in runs, and of groups alone
        together = stack(some, 2, dtype, "cpu")
        alone = [rows_of(one, 2, dtype, seed) for seed, one in enumerate(some)]
        stacked = torch.cat(alone)
        out = torch.empty_like(stacked)
        generator = torch.Generator().manual_seed(1)
        for t in range(60, 70):
            gradient = torch.randn(len(stacked), 13, dtype=dtype, generator=generator)
            out[:, :13] = gradient
            together(stacked, out[:, :13], t, out)
            stacked, out = out, stacked
            each = gradient.split(2)
            alone = [r(p, g, t) for r, p, g in zip(some, alone, each, strict=True)]
            assert torch.equal(stacked, torch.cat(alone))
        assert stacked.isfinite().all()


def test_trainings_with_groups_advance_together_to_the_same_bits():
    differing = [
        {"seed": 0, "ema": 0.9, "eps": 1e-3, "groups": [{"params": "*.bias", "lr": 0.1}]},
        {"seed": 1, "ema": 0.5, "groups": [{"params": "*.bias", "lr": 0.2, "betas": (0.5, 0.9)}]},
        {"seed": 2, "ema": 0.5, "groups": [{"params": "*.bias", "lr": 0.3}], "lr": 0.5},
    ]
    common = {"optimizer": "adam", "lr": 0.01, "accumulate": 2, "batch_size": 40}
    each = [nndyn.Training("mlp:4-5-3", "iris", **{**common, **one}) for one in differing]
    starts = np.stack([np.stack([one.initial()] * 2) for one in each])
    together = each[0].together(each[1:]).advance(starts, 0, 20, ())
    for system, start, block in zip(each, starts, together, strict=True):
        np.testing.assert_array_equal(block.phase, system.advance(start, 0, 20, ()).phase)


def test_runs_with_groups_of_other_weights_are_refused():
    one, two = (
        make(lr=0.1, groups=[Group((name,), {"lr": 1.0})], parameters=parameters())[0]
        for name in ("a", "b")
    )
    with pytest.raises(UsageError, match="groups of run 0 and run 1 are of other parameters"):
        stack([one, two], 1, torch.float64, "cpu")
    with pytest.raises(UsageError, match="run 0 has groups, run 1 has none"):
        stack([one, make(lr=0.1)[0]], 1, torch.float64, "cpu")


@given(st.sampled_from(sorted(RULES)), st.sets(st.sampled_from(["a", "b", "*.bias"])))
def test_a_group_with_the_common_values_is_no_group(rule, names):
    common, _ = options(rule)
    own = {k: v for k, v in common.items() if k != "optimizer"}
    groups = [Group((name,), own) for name in sorted(names)]
    alone, described = make(**common)
    found, same = make(**common, groups=groups, parameters=parameters())
    assert found == alone
    assert same == described


@given(st.integers(0, 100), st.sampled_from(sorted(RULES)))
def test_a_row_with_groups_is_that_of_each_group_alone(seed, rule):
    common, group = options(rule)
    both, _ = make(**common, groups=[Group(("a*",), group)], parameters=parameters())
    phase = rows_of(both, 3, torch.float64, seed)
    gradient = torch.randn(3, 13, dtype=torch.float64)
    after = both(phase, gradient, 5).chunk(1 + both.buffers, 1)
    names = (slice(9, 13), common), (slice(0, 9), {**common, **group})
    for part, given_options in names:
        one, _ = make(**{"nesterov": False, **given_options})
        before = [piece[:, part] for piece in phase.chunk(1 + both.buffers, 1)]
        alone = one(torch.cat(before[: 1 + one.buffers], 1), gradient[:, part], 5)
        for found, expected in zip(after, alone.chunk(1 + one.buffers, 1), strict=False):
            assert torch.equal(found[:, part], expected)


def test_a_manifest_says_what_differs_and_nothing_else():
    system = nndyn.Training(
        "mlp:4-5-3",
        "iris",
        optimizer="adamw",
        lr=0.01,
        weight_decay=0.1,
        groups=[
            {"params": "*.bias", "weight_decay": 0, "lr": 0.01},
            {"params": ["2.weight"], "betas": [0.5, 0.9]},
        ],
    )
    found = system.describe()["groups"]
    assert json.loads(json.dumps(found)) == found
    assert found == [
        {"names": ["0.bias", "2.bias"], "options": {"weight_decay": 0.0}},
        {"names": ["2.weight"], "options": {"betas": [0.5, 0.9]}},
    ]
    assert "groups" not in nndyn.Training("mlp:4-5-3", "iris", lr=0.01).describe()


@pytest.mark.parametrize("momentum", [0, 0.9])
def test_the_sharpness_of_several_rates_says_when_a_step_is_unstable(momentum):
    groups = [{"params": "0.*", "lr": 0.02, "weight_decay": 0.1}, {"params": "2.bias", "lr": 0.7}]
    system = nndyn.Training("mlp:4-5-3", "iris", lr=0.1, momentum=momentum, groups=groups)
    size, rates = system.task.network.size, np.full(43, 0.1)
    rates[:25], rates[40:] = 0.02, 0.7
    decay = np.where(np.arange(size) < 25, 0.1, 0.0)
    weights = torch.from_numpy(system.initial()[:size])
    point = system.task.curvature(system.order).at(weights, torch.zeros(0), None)
    hessian = point.hvp(torch.eye(size).double()).numpy() + np.diag(decay)
    found = system.curvature(system.initial(), 0)
    largest = np.linalg.eigvals(rates[:, None] * hessian).real.max()
    assert 0.1 * found["preconditioned_sharpness"] == pytest.approx(largest, rel=1e-10)
    assert found["preconditioned_sharpness_residual"] < 1e-6
    alone = nndyn.Training("mlp:4-5-3", "iris", lr=0.1).curvature(weights.numpy(), 0)
    assert set(alone) == {n for n in found if "preconditioned" not in n}
    assert alone["sharpness"] == found["sharpness"]


def test_the_sharpness_of_adam_has_the_rates_of_its_groups():
    common = {"optimizer": "adam", "lr": 0.1, "eps": 1e-3}
    system = nndyn.Training("mlp:4-5-3", "iris", **common, groups=[{"params": "*", "lr": 0.3}])
    phase = system.advance(system.initial()[None], 0, 5, ()).phase[0]
    other = nndyn.Training("mlp:4-5-3", "iris", **common).curvature(phase, 5)
    found = system.curvature(phase, 5)["preconditioned_sharpness"]
    assert found == pytest.approx(3 * other["preconditioned_sharpness"])


def test_lion_has_no_preconditioned_sharpness():
    groups = [{"params": "*.bias", "lr": 0.3}]
    system = nndyn.Training("mlp:4-5-3", "iris", optimizer="lion", lr=0.1, groups=groups)
    assert set(system.curvatures) == set(system.curvature(system.initial(), 0))
    assert "preconditioned_sharpness" not in system.curvatures


WRONG = [
    ({"params": "c", "lr": 1}, "group 0 has c, which no parameter is called that trains"),
    ({"lr": 1}, "expected a dict with the names of its parameters"),
    ({"params": 3}, "group 0 has params 3, expected names of parameters"),
    ({"params": "*", "lr": -1}, "lr of group 0 is -1, expected a finite number above 0"),
    ({"params": "*", "schedule": "cosine:3"}, "group 0 has schedule, which is of all weights"),
    ({"params": "*", "accumulate": 2}, "group 0 has accumulate, which is of all weights"),
    ({"params": "*", "betas": (0.5, 0.5)}, "group 0: betas apply to adam"),
    ({"params": "*", "momentun": 0.5}, "group 0 has 'momentun', expected some of lr.*momentum"),
    ({"params": "*", "momentum": 0.5, "nesterov": True}, "nesterov is the same for all"),
    (
        {"params": "*", "initial_accumulator_value": 1},
        "group 0: initial_accumulator_value applies to adagrad; the optimizer is sgd",
    ),
]


@pytest.mark.parametrize(("group", "message"), WRONG)
def test_wrong_groups_are_refused(group, message):
    with pytest.raises(UsageError, match=message):
        nndyn.Training("mlp:4-5-3", "iris", lr=0.1, groups=[group])


def test_a_parameter_in_two_groups_is_refused():
    groups = [{"params": "*.bias", "lr": 1}, {"params": "*", "lr": 2}]
    with pytest.raises(UsageError, match="is in group 0 and in group 1"):
        nndyn.Training("mlp:4-5-3", "iris", lr=0.1, groups=groups)
    with pytest.raises(UsageError, match="expected a list, of dicts"):
        nndyn.Training("mlp:4-5-3", "iris", lr=0.1, groups=groups[0])
