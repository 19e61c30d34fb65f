"""Recordings of trainings with tangents, curvature and the quadratic expansion beside them."""

import os

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import nndyn
from nndyn.errors import UsageError
from nndyn.store import digests

ALL = {"tangents": 3, "sharpness": "every:7", "quadratic_model": True, "replicas": 2}


def iris(**options):
    return nndyn.Training("mlp:4-5-3", "iris", **({"lr": 0.3} | options))


def same(one, other):
    """Compare all that two files hold, but for when and how they were made."""
    with xr.open_dataset(one) as left, xr.open_dataset(other) as right:
        assert set(left.variables) == set(right.variables)
        for name in left.variables:
            if "checkpoint" not in name and name != digests.NAME:  # which are of this recording
                np.testing.assert_array_equal(left[name].values, right[name].values, err_msg=name)
        slots = [int(np.argmax(run["checkpoint_step"].values)) for run in (left, right)]
        for name in [n for n in left.variables if n.startswith("checkpoint")]:
            np.testing.assert_array_equal(left[name][slots[0]], right[name][slots[1]], err_msg=name)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_resumed_run_has_the_bits_of_an_unbroken_one(tmp_path, monkeypatch, optimizer):
    from recorders import request

    monkeypatch.setattr(request, "_BLOCK_STEPS", 16)
    system = iris(optimizer=optimizer)
    whole, cut, short = (tmp_path / f"{name}.nc" for name in ("whole", "cut", "short"))
    nndyn.record(system, whole, steps=60, **ALL)
    calls = []

    def interrupt(done, asked):
        if done > 16 and not calls:  # within the second block
            calls.append(done)
            os.kill(os.getpid(), 2)

    with pytest.raises(KeyboardInterrupt):
        nndyn.record(system, cut, steps=60, **ALL, progress=interrupt)
    with nndyn.open(cut) as part:
        assert 16 <= part.sizes["time"] < 61
    nndyn.record(system, cut, steps=60, **ALL, resume=True)
    same(whole, cut)
    options = ALL | {"sharpness": "every:10"}  # 60 and 30 are among its times
    nndyn.record(system, whole, steps=60, **options, overwrite=True)
    nndyn.record(system, short, steps=30, **options)
    nndyn.record(system, short, steps=60, **options, resume=True)
    with xr.open_dataset(whole) as left, xr.open_dataset(short) as right:
        for name in ("tangent_log_stretch", "sharpness", "quadratic_log_growth", "state"):
            np.testing.assert_array_equal(left[name].values, right[name].values, err_msg=name)


def test_the_stretching_is_that_of_one_long_push(tmp_path):
    system = iris(momentum=0.9, lr=0.05)
    path = tmp_path / "r.nc"
    options = {"tangents": 4, "tangent_start": "replicas"}
    run = nndyn.record(system, path, steps=40, replicas=4, state="phase", **options)
    states = run["state"].values
    vectors = np.linalg.qr((states[0, 1:5] - states[0, 0]).T)[0]
    times = range(1, 41)
    _, logs = system.push(states[0, 0], vectors, 0, 40, times, states[:40, 0].copy())
    found = np.diff(run["tangent_log_stretch"].values, axis=0)
    np.testing.assert_allclose(found, logs, rtol=1e-9, atol=1e-10)


CASES = {
    "plain": ({"lr": 2.0}, 12),
    "momentum": ({"lr": 0.3, "momentum": 0.9}, 40),
    "adam": ({"lr": 0.01, "optimizer": "adam"}, 40),
}


@pytest.mark.parametrize("case", CASES)
def test_replicas_follow_tangents_started_on_them(tmp_path, case):
    options, steps = CASES[case]
    system = nndyn.Training("mlp:64-32-10", "digits", **options)
    tangents = {"tangents": 3, "tangent_start": "replicas", "replicas": 3, "epsilon": 1e-9}
    run = nndyn.record(system, tmp_path / "r.nc", steps=steps, state="phase", **tangents)
    states = run["state"].values
    deviations = states[:, 1:4] - states[:, :1]
    logs = np.linalg.qr(deviations.transpose(0, 2, 1), mode="r").diagonal(axis1=1, axis2=2)
    volumes = np.cumsum(np.log(np.abs(logs)), axis=1)
    expected = np.cumsum(run["tangent_log_stretch"].values, axis=1)
    found = volumes - volumes[0]
    assert np.linalg.norm(deviations, axis=2).max() < 1e-4
    np.testing.assert_allclose(found[:, 0], expected[:, 0], atol=1e-3)
    np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_growth_on_the_quadratic_expansion_is_a_power_of_one_matrix(tmp_path, momentum):
    system = iris(lr=0.2, momentum=momentum)
    run = nndyn.record(system, tmp_path / "r.nc", steps=30, replicas=2, quadratic_model=True)
    D = system.task.network.size
    weights = torch.from_numpy(system.initial()[:D])
    point = system.task.curvature(system.order).at(weights, torch.zeros(0), None)
    matrix = point.hvp(torch.eye(D).double()).numpy()
    growth = run["quadratic_log_growth"].values
    assert (growth[:, [0, 3]] == 0.0).all()
    for r in (1, 2):
        deviation = (run["state"][0, r] - run["state"][0, 0]).values
        start, velocity = np.linalg.norm(deviation), np.zeros(D)
        for t in range(1, 31):
            velocity = momentum * velocity + matrix @ deviation
            deviation = deviation - 0.2 * velocity
            expected = np.log(np.linalg.norm(deviation) / start)
            assert growth[t, r] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_the_expansion_of_adam_follows_its_own_reference(tmp_path):
    """Its derivative depends on the gradient, which is that of the expansion."""
    system = iris(optimizer="adam", lr=0.05)
    run = nndyn.record(system, tmp_path / "r.nc", steps=25, replicas=1, quadratic_model=True)
    D = system.task.network.size
    origin = torch.from_numpy(system.initial()[:D])
    point = system.task.curvature(system.order).at(origin, torch.zeros(0), None)
    slope, matrix = point.gradient(), point.hvp(torch.eye(D).double()).clone()
    phases = torch.zeros((2, system.dimension)).double()
    phases[:, :D] = torch.from_numpy(run["state"].values[0, :2])
    length = torch.linalg.vector_norm(phases[1, :D] - phases[0, :D])
    for t in range(25):
        gradient = slope + (phases[:, :D] - origin) @ matrix
        phases = system.rule(phases, gradient, t)
        apart = torch.linalg.vector_norm(phases[1, :D] - phases[0, :D])
        found = float(run["quadratic_log_growth"][t + 1, 1])
        assert found == pytest.approx(float(torch.log(apart / length)), abs=2e-3)


def test_what_diverges_keeps_what_was_before(tmp_path):
    system = nndyn.Training("mlp:4-5-3", "iris", lr=1e6, loss="mse")
    run = nndyn.record(system, tmp_path / "r.nc", steps=200, **ALL | {"sharpness": "every:2"})
    assert run.attrs["status"] == "stopped"
    assert run.sizes["time"] == int(run["diverged_at"][0])
    assert np.isfinite(run["tangent_log_stretch"].values[:-2]).all()
    assert np.isfinite(run["sharpness"].values[:-1]).all()
    assert run["sharpness_time"].values.tolist() == [*range(0, run.sizes["time"], 2)]


def test_running_statistics_have_no_tangents(tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3))
    system = nndyn.Training(net, "iris", lr=0.1, momentum=0.5)
    run = nndyn.record(system, tmp_path / "r.nc", steps=12, replicas=2, tangents="all")
    D = system.task.network.size
    assert run.sizes["vector"] == 2 * D
    assert system.dimension == 2 * D + 10
    assert (run["checkpoint_tangents"].values[:, 2 * D :] == 0.0).all()
    sums = np.diff(run["tangent_log_stretch"].values.sum(axis=1))
    np.testing.assert_allclose(sums, D * np.log(0.5), atol=1e-8)


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, slope):
        return 2 * slope


class Once(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x):
        return _Once.apply(self.layer(x).tanh())


def test_a_module_that_is_differentiable_once_is_refused(tmp_path):
    system = nndyn.Training(Once(), "iris", lr=0.1)
    path = tmp_path / "r.nc"
    for options in ({"tangents": 1}, {"sharpness": "every:5"}, {"quadratic_model": True}):
        with pytest.raises(UsageError, match="Once has wrong second derivatives"):
            nndyn.record(system, path, steps=5, **options)
    assert not path.exists()
    nndyn.record(system, path, steps=5)


def test_single_precision_has_tangents_to_its_own(tmp_path):
    runs = [
        nndyn.record(
            iris(dtype=dtype), tmp_path / f"{dtype}.nc", steps=20, tangents=2, epsilon=1e-3
        )["tangent_log_stretch"].values
        for dtype in ("float64", "float32")
    ]
    np.testing.assert_allclose(runs[1], runs[0], atol=1e-4)


def test_another_choice_of_what_is_beside_is_no_continuation(tmp_path):
    path = tmp_path / "r.nc"
    nndyn.record(iris(), path, steps=20, **ALL)
    for change, message in (
        ({"sharpness": "every:5"}, "sharpness is every:7 in the file, every:5 asked"),
        ({"quadratic_model": False}, "quadratic_model is True in the file, not there asked"),
        ({"tangent_start": "replicas", "tangents": 2}, "tangent_start is weights in the file"),
    ):
        with pytest.raises(UsageError, match=message):
            nndyn.record(iris(), path, steps=30, **ALL | change, resume=True)


class Separable(nn.Module):
    """A loss that is a sum of functions of one rotated coordinate each: its spectrum is known."""

    def __init__(self, curvatures, cubic=0, wells=0):
        super().__init__()
        self.quadratic, self.cubic = len(curvatures), cubic
        n = len(curvatures) + cubic + wells
        draw = torch.Generator().manual_seed(1)
        rotation = torch.linalg.qr(torch.randn(n, n, generator=draw, dtype=torch.float64))[0]
        self.register_buffer("rotation", rotation)
        self.register_buffer("curvatures", torch.as_tensor(curvatures))
        start = 0.1 + 0.2 * torch.rand(n, generator=draw, dtype=torch.float64)
        self.weights = nn.Parameter(rotation.T @ start)

    def forward(self, x):
        y = self.rotation @ self.weights
        a, b = self.quadratic, self.quadratic + self.cubic
        loss = 0.5 * (self.curvatures * y[:a] ** 2).sum()
        loss = loss + (y[a:b] ** 2 / 2 - y[a:b] ** 3 / 3).sum() + ((y[b:] ** 2 - 1) ** 2 / 4).sum()
        return loss.expand(len(x), 1)


def mean(output, target):
    return output.mean()


def separable(path, lr, curvatures, steps, **modes):
    system = nndyn.Training(
        Separable(curvatures, **modes), (np.zeros((2, 1)), np.zeros((2, 1))), lr=lr, loss=mean
    )
    options = {"replicas": 0, "tangents": "all", "store": "distances"}
    return nndyn.record(system, path, steps=steps, **options)


@pytest.mark.slow
def test_two_hundred_exponents_of_a_rotated_loss_are_found(tmp_path):
    factors = 0.99 * 0.98 ** np.arange(200)
    run = separable(tmp_path / "r.nc", 0.5, (1 - factors) / 0.5, 3500)
    found = nndyn.spectrum(run, burn_in=2500.0)
    np.testing.assert_allclose(found["exponents"].values, np.log(factors), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("lr", "mode", "exact"), [(3.0, "cubic", 2.0), (2.0, "wells", 3.0)])
def test_chaotic_modes_of_a_rotated_loss_lie_inside_their_intervals(tmp_path, lr, mode, exact):
    curvatures = np.linspace(0.05, 0.3, 6)
    run = separable(tmp_path / "r.nc", lr, curvatures, 4000, **{mode: 2})
    found = nndyn.spectrum(run, burn_in=500.0)
    for i in (0, 1):
        low, high = found["exponents_ci"].values[i]
        assert low <= np.log(exact) <= high
        assert high - low < 0.02
    calm = np.sort(np.log(np.abs(1 - lr * curvatures)))[::-1]
    np.testing.assert_allclose(found["exponents"].values[2:], calm, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"momentum": 0.9}, {"optimizer": "adam"}])
@pytest.mark.parametrize("lr", [0.5, 1.0, 2.0, 3.0])
def test_ten_seeds_of_digits_agree_with_their_tangents(tmp_path, lr, options):
    scale = {"sgd": 0.1 if options else 1.0, "adam": 0.005}[options.get("optimizer", "sgd")]
    systems = [
        nndyn.Training("mlp:64-32-10", "digits", lr=scale * lr, seed=seed, **options)
        for seed in range(10)
    ]
    paths = [tmp_path / f"{seed}.nc" for seed in range(10)]
    beside = {"replicas": 1, "tangents": 1, "tangent_start": "replicas", "state": "phase"}
    nndyn.record_batch(systems, paths, steps=60, seeds=range(10), **beside)
    for path in paths:
        with nndyn.open(path) as run:
            states = run["state"].values
            lengths = np.linalg.norm(states[:, 1] - states[:, 0], axis=1)
            expected = np.log(lengths[0]) + run["tangent_log_stretch"].values[:, 0]
            infinitesimal = np.cumsum(lengths > 1e-3 * run["step_length"].values[1:, 0].min()) == 0
            assert infinitesimal[:4].all()
            difference = np.abs(np.log(lengths) - expected)[infinitesimal]
            assert difference.max() < 0.01
