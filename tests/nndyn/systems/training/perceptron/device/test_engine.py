"""The pass for a GPU, on the CPU, against the one for the CPU."""

import json

import numpy as np
import pytest
import torch

import nndyn
from nndyn.systems.training import Training
from nndyn.systems.training.perceptron import activations
from nndyn.systems.training.perceptron.device import sizes
from nndyn.systems.training.perceptron.device.activations import ACTIVATIONS
from nndyn.systems.training.perceptron.device.losses import LOSSES
from nndyn.systems.training.perceptron.losses import LOSSES as NAMED
from tests.nndyn.systems.training.perceptron.device.on_cpu import as_on_a_gpu


def test_all_activations_and_losses_are_there():
    assert ACTIVATIONS.keys() == activations.ACTIVATIONS.keys()
    assert LOSSES.keys() == NAMED.keys()


def assert_alike(ours, theirs):
    """Compare two Blocks to rounding."""
    np.testing.assert_allclose(ours.phase, theirs.phase, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(ours.states, theirs.states, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(ours.distance_l1, theirs.distance_l1, rtol=1e-9, atol=1e-11)
    for kind in ("arrival", "series", "evaluations"):
        one, two = getattr(ours, kind), getattr(theirs, kind)
        assert one.keys() == two.keys()
        for name in one:
            np.testing.assert_allclose(one[name], two[name], rtol=1e-9, atol=1e-11, err_msg=name)


def phases(system, rows):
    phase = np.stack([system.initial(0)] * rows)
    phase[1:-1] += 1e-2 * np.random.default_rng(0).standard_normal(phase[1:-1].shape)
    return phase


CASES = [
    ("mlp:4-6-3", {}),
    ("mlp:4-3", {}),
    ("mlp:4-7-5-3", {"optimizer": "adam", "lr": 1e-2}),
    ("mlp:4-6-3", {"batch_size": 32, "momentum": 0.9}),
    ("mlp:4-6-5-3", {"batch_size": 50, "loss": "mse"}),
    *(("mlp:4-6-5-3", {"activation": name}) for name in sorted(ACTIVATIONS)),
    ("mlp:4-6-3", {"loss": "mse", "activation": "gelu"}),
]


@pytest.mark.parametrize(("model", "options"), CASES)
@pytest.mark.parametrize("tiles", [1, 4])
def test_a_run_is_that_of_the_pass_for_the_cpu(model, options, tiles, monkeypatch):
    theirs = Training(model, "iris", **{"lr": 0.1, **options})
    ours = as_on_a_gpu(model, "iris", **options)
    if tiles > 1:
        network = ours.task.network
        monkeypatch.setattr(sizes, "RUN_BYTES", 4 * sizes.states(network) * 8 * 32)
        assert sizes.tiles(network, 4, ours.order.size, 8) == -(-ours.order.size // 32)
    phase = phases(theirs, 4)
    asked = {"keep": (0, 3), "evaluate": (0, 2)}
    one, two = (s.advance(phase, 0, 5, **asked) for s in (ours, theirs))
    assert_alike(one, two)
    # a copy of the reference, whose place counts on the CPU: this pass is not laid out for it
    assert one.distance_l1[:, -1].max() < 1e-13


@pytest.mark.parametrize("batch_size", [None, 32])
def test_runs_of_a_batch_are_what_they_are_alone(batch_size):
    systems = [
        as_on_a_gpu("mlp:4-6-3", "iris", seed=seed, lr=lr, batch_size=batch_size)
        for seed, lr in ((0, 0.1), (1, 0.1), (2, 0.5))
    ]
    starts = np.stack([phases(system, 3) for system in systems])
    blocks = systems[0].together(systems[1:]).advance(starts, 0, 6, (0, 5), evaluate=(0, 5))
    for system, start, block in zip(systems, starts, blocks, strict=True):
        assert_alike(block, system.advance(start, 0, 6, (0, 5), evaluate=(0, 5)))


def test_the_last_layer_may_have_an_activation_and_layers_no_bias():
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 5, bias=False),
        torch.nn.SiLU(),
        torch.nn.Linear(5, 3, bias=False),
        torch.nn.Sigmoid(),
    )
    theirs, ours = Training(net, "iris", lr=0.1), as_on_a_gpu(net, "iris")
    phase = phases(theirs, 3)
    asked = {"keep": (0, 3), "evaluate": (0, 2)}
    assert_alike(ours.advance(phase, 0, 5, **asked), theirs.advance(phase, 0, 5, **asked))


def test_samples_in_reversed_order_give_the_same_to_rounding():
    system = as_on_a_gpu("mlp:4-6-3", "iris")
    phase = phases(system, 1)
    one, two = (s.advance(phase, 0, 9, (0,)).phase for s in (system, system.reordered()))
    assert 0 < np.abs(one - two).max() < 1e-12


def test_a_recording_is_that_of_the_cpu_and_says_how_large_tiles_are(tmp_path, monkeypatch):
    monkeypatch.setattr(sizes, "RUN_BYTES", 5 * sizes.MULTIPLE * 8 * 28)
    options = {"steps": 12, "replicas": 3, "epsilon": 1e-3}
    whole = []
    for i, make in enumerate((as_on_a_gpu, lambda *given: Training(*given, lr=0.1))):
        with nndyn.record(make("mlp:4-6-3", "iris"), tmp_path / f"{i}.nc", **options) as run:
            whole.append(run.load())
    ours, theirs = whole
    told = [json.loads(run.attrs["manifest"])["system"].get("tile_bytes") for run in whole]
    assert told == [sizes.RUN_BYTES, None]
    for name in ("state", "distance_l2", "distance_l2_parameter", "loss", "test_accuracy"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9, atol=1e-11, err_msg=name)
    assert ours["distance_linf"][:, -1].max() < 1e-14


@pytest.mark.parametrize("options", [{}, {"batch_size": 32, "loss": "mse"}])
def test_second_derivatives_are_those_of_the_cpu(options):
    theirs = Training("mlp:4-6-3", "iris", lr=0.1, **options)
    ours = as_on_a_gpu("mlp:4-6-3", "iris", **options)
    phase = theirs.initial(0)
    vectors = np.linalg.qr(np.random.default_rng(0).standard_normal((len(phase), 2)))[0]
    for one, two in zip(
        *(s.push(phase, vectors, 0, 4, (2, 4)) for s in (ours, theirs)), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-8, atol=1e-11)
    one, two = (s.curvature(phase, 1) for s in (ours, theirs))
    for name in ("sharpness", "curvature_min"):
        np.testing.assert_allclose(one[name], two[name], rtol=1e-8, atol=1e-10, err_msg=name)


class TestSizes:
    def test_tiles_cover_all_samples_and_depend_on_the_run_alone(self):
        network = as_on_a_gpu("mlp:4-6-3", "iris").task.network
        for count in (1, 16, 17, 1000, 10**7):
            for replicas in (1, 7, 300):
                size = sizes.tile(network, replicas, count, 8)
                assert size % sizes.MULTIPLE == 0
                assert (sizes.tiles(network, replicas, count, 8) - 1) * size < count
                room = max(sizes.RUN_BYTES, sizes.MULTIPLE * replicas * sizes.states(network) * 8)
                assert (size - sizes.MULTIPLE) * replicas * sizes.states(network) * 8 <= room

    def test_a_call_takes_as_many_runs_as_memory_holds(self):
        network = as_on_a_gpu("mlp:4-6-3", "iris").task.network
        each = 7 * sizes.states(network) * 8 * sizes.tile(network, 7, 10**7, 8)
        runs = sizes.together(network, 7, 10**7, 8)
        assert runs * each <= sizes.CALL_BYTES < (runs + 1) * each
