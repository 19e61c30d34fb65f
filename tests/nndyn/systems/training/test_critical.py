"""Critical sharpness against quadratics, a fine scan of the loss, and what it may cost."""

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from nndyn.errors import UsageError
from nndyn.recording import CRITICAL
from nndyn.systems.training.second_order import critical

#: A linear model with mean squares: a quadratic loss of its weights.
X = np.random.default_rng(0).standard_normal((24, 5)) * np.array([3.0, 1, 1, 0.3, 0.1])
Y = np.random.default_rng(1).standard_normal((24, 2))


def quadratic(**options):
    torch.manual_seed(0)
    model = nn.Linear(5, 2).double()
    return nndyn.Training(model, (X, Y), loss="mse", **options), model


def of_quadratic(model, weights):
    """Return gradient and Hessian there, by torch alone."""
    x, y = torch.from_numpy(X), torch.from_numpy(Y)

    def loss(row):
        weight, bias = row[:10].view(2, 5), row[10:]
        return nn.functional.mse_loss(x @ weight.T + bias, y)

    here = torch.from_numpy(weights).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(here), here)
    return gradient.numpy(), torch.autograd.functional.hessian(loss, here.detach()).numpy()


RULES = {
    "sgd": {"lr": 0.05},
    "weight decay": {"lr": 0.05, "weight_decay": 0.1},
    "momentum": {"lr": 0.02, "momentum": 0.9},
    "nesterov": {"lr": 0.02, "momentum": 0.9, "nesterov": True},
    "adam": {"optimizer": "adam", "lr": 0.02},
    "adamw": {"optimizer": "adamw", "lr": 0.02, "weight_decay": 0.3},
    "lion": {"optimizer": "lion", "lr": 1e-3},
    "schedule": {"lr": 0.05, "schedule": "cosine:20"},
    "clipped, averaged": {"lr": 0.05, "clip_norm": 0.1, "ema": 0.9},
    "groups": {"lr": 0.05, "groups": [{"params": ["bias"], "lr": 0.01}]},
    "minibatches": {"lr": 0.02, "batch_size": 7},
    "small": {"lr": 1e-5},
}


@pytest.mark.parametrize("name", RULES)
def test_on_a_quadratic_it_is_the_curvature_along_the_update(tmp_path, name):
    system, model = quadratic(**RULES[name])
    found = nndyn.record(
        system, tmp_path / "r.nc", steps=19, replicas=1, critical_sharpness="every:3"
    )
    states = found.state.values[:, 0]
    known = 0
    for i, t in enumerate(found.critical_time.values.astype(int)):
        gradient, hessian = of_quadratic(model, states[t])
        update = (states[t] - states[t + 1]) / system.rule.rate(t)
        slope, value = float(gradient @ update), float(found.critical_sharpness[i])
        if slope <= 0:
            assert np.isnan(value)
            assert int(found.critical_reason[i]) == critical.ASCENDS
            continue
        known += 1
        expected = update @ hessian @ update / slope
        assert value == pytest.approx(expected, rel=1e-6)
        assert float(found.critical_ratio[i]) == pytest.approx(
            system.rule.rate(t) * expected / 2, rel=1e-6
        )
        assert int(found.critical_passes[i]) <= critical.PASSES
    assert known > 2
    assert "long_name" in found.critical_sharpness.attrs


def test_where_momentum_goes_up_the_loss_there_is_none(tmp_path):
    system, model = quadratic(lr=0.05, momentum=0.95)
    found = nndyn.record(
        system, tmp_path / "r.nc", steps=60, replicas=1, critical_sharpness="every:1"
    )
    states = found.state.values[:, 0]
    slopes = np.array(
        [of_quadratic(model, states[t])[0] @ (states[t] - states[t + 1]) for t in range(60)]
    )
    assert (slopes < 0).any()
    reasons = found.critical_reason.values[:60]
    np.testing.assert_array_equal(reasons == critical.ASCENDS, slopes <= 0)
    assert np.isnan(found.critical_sharpness.values[:60][slopes <= 0]).all()
    # above 1 the update raises the loss
    rises = np.diff(found.loss.values[:, 0]) > 0
    np.testing.assert_array_equal(found.critical_ratio.values[:60] > 1, rises & (slopes > 0))


def test_along_the_first_eigenvector_it_is_the_largest_eigenvalue():
    system, model = quadratic(lr=0.01)
    gradient, hessian = of_quadratic(model, system.initial())
    eigenvalues, vectors = np.linalg.eigh(hessian)
    least = system.initial() - np.linalg.solve(hessian, gradient)
    found = system.critical(least + 0.3 * vectors[:, -1], 0)
    assert found["critical_sharpness"] == pytest.approx(eigenvalues[-1], rel=1e-9)


def test_where_nothing_is_found_the_reason_says_why():
    far, _ = quadratic(lr=1e-12)
    assert far.critical(far.initial(), 0)["critical_reason"] == critical.BEYOND
    summed, _ = quadratic(lr=0.1, accumulate=3)
    assert summed.critical(summed.initial(), 0)["critical_reason"] == critical.STILL
    assert summed.critical(summed.initial(), 2)["critical_reason"] == critical.FOUND
    ended, _ = quadratic(lr=0.1, schedule="linear:4")  # at a rate of 0
    assert ended.critical(ended.initial(), 4)["critical_reason"] == critical.STILL
    wild = far.initial()
    wild[:] = 1e200
    assert far.critical(wild, 0)["critical_reason"] == critical.NOT_FINITE


def digits(**options):
    return nndyn.Training("mlp:64-12-10", "digits", samples=300, **options)


@pytest.mark.parametrize("options", [{"lr": 1.0}, {"optimizer": "adam", "lr": 0.01}])
def test_a_fine_scan_of_the_loss_on_digits_agrees(tmp_path, options):
    system = digits(**options)
    found = nndyn.record(
        system,
        tmp_path / "r.nc",
        steps=51,
        replicas=1,
        state="phase",
        evaluate=0,
        critical_sharpness="every:10",
    )
    values_of = system.task.curvature(system.order)
    for i, t in enumerate((10, 20, 30, 40, 50), 1):
        phase, after = (torch.from_numpy(found.state.values[at, 0]) for at in (t, t + 1))
        D, rest = values_of.size, torch.zeros(0)
        move = (phase - after)[:D]

        def loss(s, here=phase[:D], move=move, rest=rest):
            return values_of.loss(here - s * move, rest, None)

        start, step = loss(0.0), 1 / float(found.critical_ratio[i])
        grid = np.linspace(0, 1.2 * step, 601)[1:]
        first = next(s for s in grid if loss(s) > start)
        assert step == pytest.approx(first, rel=0.05)
        low, high = first - grid[0], first
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if loss(middle) > start else (middle, high)
        exact = critical.measure(
            values_of, system.rule, system.order, phase, t, tolerance=1e-6, passes=100
        )
        assert 1 / exact["critical_ratio"] == pytest.approx(high, rel=1e-6)


def test_single_precision_says_nearly_the_same():
    one, other = digits(lr=0.3), digits(lr=0.3, dtype="float32")
    phase = one.advance(one.initial()[None], 0, 10, ()).phase[0]
    exact, found = (
        s.critical(phase.astype(s.dtype), 10)["critical_sharpness"] for s in (one, other)
    )
    assert found == pytest.approx(exact, rel=0.05)


class Counted(nn.Module):
    """A network that counts how often it is computed, on whole sets."""

    calls = 0

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(
            nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.2), nn.ReLU(), nn.Linear(6, 2)
        )

    def forward(self, x):
        Counted.calls += 1
        return self.inner(x)


@pytest.mark.parametrize("batch_size", [None, 8])
def test_any_module_at_most_ten_passes_and_no_second_derivatives(batch_size):
    torch.manual_seed(0)
    system = nndyn.Training(
        Counted(), (X, (Y[:, 0] > 0).astype(np.int64)), lr=0.1, batch_size=batch_size
    )
    phase = system.initial()
    for t in range(6):
        Counted.calls = 0
        found = system.critical(phase, t)
        assert Counted.calls == found["critical_passes"] <= critical.PASSES
        assert found["critical_reason"] in (critical.FOUND, critical.ASCENDS)
        phase = system.advance(phase[None], t, 1, ()).phase[0]


def test_a_run_in_parts_has_the_same_looks(tmp_path):
    options = {"replicas": 1, "critical_sharpness": "every:5", "store": "distances"}
    whole = nndyn.record(digits(lr=1.0, batch_size=64), tmp_path / "w.nc", steps=40, **options)
    for steps in (13, 20, 40):
        part = nndyn.record(
            digits(lr=1.0, batch_size=64), tmp_path / "p.nc", steps=steps, resume=True, **options
        )
        part.close()
    assert whole.critical_time.values.tolist() == list(range(0, 41, 5))
    found = nndyn.open(tmp_path / "p.nc")
    for name in ("critical_time", *CRITICAL):
        np.testing.assert_array_equal(found[name].values, whole[name].values)


@pytest.mark.filterwarnings("ignore:optimizer Adadelta")
def test_it_is_refused_where_there_is_no_update_to_look_along(tmp_path):
    with pytest.raises(UsageError, match="critical_sharpness is of trainings"):
        nndyn.record("henon", tmp_path / "r.nc", steps=5, critical_sharpness="every:1")
    other = nndyn.Training("mlp:64-12-10", "digits", samples=100, optimizer=torch.optim.Adadelta)
    with pytest.raises(UsageError, match="critical_sharpness"):
        nndyn.record(other, tmp_path / "r.nc", steps=5, critical_sharpness="every:1")
    with pytest.raises(UsageError, match="every:K"):
        nndyn.record(digits(lr=1.0), tmp_path / "r.nc", steps=5, critical_sharpness="often")


@pytest.mark.parametrize(
    ("rise", "expected"),
    [
        (lambda s: -s + s**2 / 7, 7.0),
        (lambda s: -s + s**3 / 49, 7.0),
        (lambda s: -s + s**2 / 0.2, 0.2),
        (lambda s: -1e-3 * s if s < 3 else np.inf, 3.0),
        (lambda s: -s + 0.4 * s**1.5 + 0.1 * s**3, None),
    ],
    ids=["square", "cube", "short", "wall", "bent"],
)
def test_the_search_finds_the_step_of_a_made_up_loss(rise, expected):
    found, reason, count = critical.critical_step(
        lambda s: 1.0 + rise(s), 1.0, -(rise(1e-9) / 1e-9), 1e-16, tolerance=1e-6, evaluations=80
    )
    assert reason == critical.FOUND
    assert count <= 80
    if expected is None:
        assert abs(rise(found)) < 1e-5
    else:
        assert found == pytest.approx(expected, rel=1e-6)
