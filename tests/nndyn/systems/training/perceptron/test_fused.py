"""One kernel a step: nothing depends on rows, threads and runs, and tiles give what others give."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from nndyn.systems.training import Training
from nndyn.systems.training.perceptron import task as task_module
from nndyn.systems.training.perceptron.activations import ACTIVATIONS
from nndyn.systems.training.perceptron.fused import kernels, threads
from nndyn.systems.training.perceptron.fused.engine import FusedPerceptrons
from nndyn.systems.training.perceptron.kernels import dispatch
from nndyn.systems.training.perceptron.network import Layer
from nndyn.systems.training.perceptron.panels import Panels
from nndyn.systems.training.torch_state.threads import allowed, one_each

#: Numbers of a tile that cut the samples of iris into many: 8, 24 and 56 at a time.
TILES = (130, 500, 1000)


def made(**options):
    return Training("mlp:4-16-9-3", "iris", **({"lr": 0.3, "init": "xavier"} | options))


def engine_of(system, replicas, runs=1):
    found = system.task.engine([system.order] * runs, replicas)
    assert isinstance(found, FusedPerceptrons)
    return found


def weights_of(system, rows, seed=0):
    drawn = np.random.default_rng(seed).standard_normal((rows, system.dimension))
    return torch.from_numpy(system.initial() + 0.1 * drawn)


def computed(engine, weights):
    """Return gradients, losses and correct samples of a step, and what the test set says."""
    engine.load(weights, engine.statistics)
    gradient, loss, correct = engine.gradient(0, correct=True)
    said = [np.array(part[0]) for part in engine.test(engine.replicas, correct=True)]
    return [gradient.numpy().copy(), loss, correct, *said]


def test_activations_have_the_numbers_of_their_kernels():
    assert set(dispatch.KINDS) == set(ACTIVATIONS)
    keep = {dispatch.KINDS[name] for name, one in ACTIVATIONS.items() if one.keeps_slope}
    assert set(dispatch.KEEP) == keep
    x = np.linspace(-2, 2, 24).reshape(3, 8)
    for name, kind in dispatch.KINDS.items():
        one, nothing = ACTIVATIONS[name], np.zeros(3)
        values = [np.zeros((3, 8)), np.zeros((3, 8))]
        kept = [value if not one.keeps_slope else np.empty((3, 8)) for value in values]
        for there in kept:
            there[:] = x
        one.forward(kept[0], nothing, values[0])
        dispatch.forward(kind, kept[1], nothing, values[1])
        np.testing.assert_array_equal(values[1], values[0])
        deltas = np.ones((2, 3, 8))
        if one.backward is not None:
            one.backward(deltas[0], values[0], kept[0])
        dispatch.backward(kind, deltas[1], values[1], kept[1])
        np.testing.assert_array_equal(deltas[1], deltas[0], err_msg=name)


@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("tile", TILES)
def test_tiles_give_what_products_of_a_library_give(activation, loss, tile, monkeypatch):
    monkeypatch.setattr(kernels, "TILE", tile)
    system = made(activation=activation, loss=loss)
    weights = weights_of(system, 3)
    found = computed(engine_of(system, 3), weights)
    monkeypatch.setattr(task_module, "is_small", lambda layer, dtype: False)
    expected = computed(system.task.engine([system.order], 3), weights)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


def test_an_activation_of_the_outputs_is_differentiated():
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.GELU(), torch.nn.Linear(5, 3))
    model.append(torch.nn.Sigmoid())
    system = Training(model.double(), "iris", lr=0.1, loss="mse")
    engine = engine_of(system, 1)
    weights = weights_of(system, 1)
    gradient = computed(engine, weights)[0][0]
    torch.nn.utils.vector_to_parameters(weights[0], model.parameters())
    x, y = (
        torch.from_numpy(np.asarray(v)) for v in (system.task.training.x, system.task.training.y)
    )
    torch.nn.functional.mse_loss(model(x), torch.nn.functional.one_hot(y, 3).double()).backward()
    plain = torch.cat([p.grad.reshape(-1) for p in model.parameters()])
    np.testing.assert_allclose(gradient, plain, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("tile", [130, kernels.TILE])
def test_a_row_gives_the_same_bits_beside_others_in_every_place_and_thread(tile, monkeypatch):
    monkeypatch.setattr(kernels, "TILE", tile)
    monkeypatch.setattr(threads, "THREADED_WORK", 0.0)
    system = made(activation="silu")
    weights = weights_of(system, 7)
    torch.set_num_threads(1)
    together = computed(engine_of(system, 7), weights)
    for r in (0, 3, 6):
        row = weights[r : r + 1].clone()
        for one, all_rows in zip(computed(engine_of(system, 1), row)[:4], together, strict=False):
            np.testing.assert_array_equal(one[0], all_rows[r])
    wide = torch.full((7, 3 * system.dimension), torch.nan, dtype=torch.float64)
    wide[:, : system.dimension] = weights  # a phase, with buffers behind the weights
    torch.set_num_threads(3)
    for given in (weights, wide[:, : system.dimension]):
        for one, other in zip(computed(engine_of(system, 7), given), together, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_goes_wrong_in_a_thread_is_told_when_all_have_ended():
    ended = []

    def part(k):
        if k == 1:
            raise ValueError("no")
        time.sleep(0.3 if k == 2 else 0.05)
        ended.append(k)

    with pytest.raises(ValueError, match="no"):
        threads.each(part, [(0,), (1,), (2,)])
    assert sorted(ended) == [0, 2]
    threads.each(part, [(3,), (4,)])
    assert sorted(ended) == [0, 2, 3, 4]


def test_parts_are_done_in_this_thread_once_the_interpreter_ends(monkeypatch):
    pool, done = ThreadPoolExecutor(1), []
    pool.shutdown()
    monkeypatch.setattr(threads, "_pool", pool)
    threads.each(done.append, [(0,), (1,), (2,)])
    assert sorted(done) == [0, 1, 2]


def test_a_step_has_the_threads_that_no_other_run_takes(monkeypatch):
    """Also while the other one stores what it has, and all of them once it has ended."""
    monkeypatch.setattr(threads, "_ends", {})

    def shares(*counts):
        found = []
        for count in counts:
            with threads.share(count) as mine:
                found.append(mine)
        return found

    with ThreadPoolExecutor(1) as pool:
        assert shares(1, 2, 7) == [1, 2, 7]
        with threads.share(2):
            assert pool.submit(shares, 1, 2, 7).result() == [1, 1, 3]
            assert shares(2) == [1]
        monkeypatch.setattr(threads, "_STORES", 0.0)
        assert shares(2) == pool.submit(shares, 2).result() == [2]
        with pytest.raises(ValueError, match="no"), threads.share(2):
            raise ValueError("no")
        assert pool.submit(shares, 2).result() == [2]


def test_runs_of_a_pool_take_as_many_threads_as_torch_had(monkeypatch):
    taken = []
    monkeypatch.setattr(threads, "THREADED_WORK", 0.0)
    monkeypatch.setattr(threads, "_ends", {})
    monkeypatch.setattr(threads, "each", lambda kernel, parts: taken.append(len(parts)))
    system = made()
    engine = engine_of(system, 7)
    engine.load(weights_of(system, 7), engine.statistics)
    torch.set_num_threads(3)
    with ThreadPoolExecutor(1) as pool, system.one_thread():
        assert torch.get_num_threads() == 1
        pool.submit(engine.gradient, 0).result()
        with system.one_thread():
            pool.submit(engine.gradient, 0).result()
    assert torch.get_num_threads() == 3
    torch.set_num_threads(1)
    with system.one_thread():
        engine.gradient(0)
    assert taken == [3, 3, 1]


def test_steps_of_little_work_take_one_thread_in_a_pool_too(monkeypatch):
    taken = []
    monkeypatch.setattr(threads, "_ends", {})
    monkeypatch.setattr(threads, "each", lambda kernel, parts: taken.append(len(parts)))
    torch.set_num_threads(4)
    system = made()
    work = 3 * system.order.size * 2 * system.dimension * 7
    for least, expected in ((work + 1, 1), (work, 4)):
        monkeypatch.setattr(threads, "THREADED_WORK", least)
        engine = engine_of(system, 7)
        engine.load(weights_of(system, 7), engine.statistics)
        with system.one_thread():
            engine.gradient(0)
        assert taken.pop() == expected


def test_pools_that_overlap_leave_torch_as_it_was():
    torch.set_num_threads(3)
    one, other = one_each(), one_each()
    for enter in (one, other):
        enter.__enter__()
        assert (torch.get_num_threads(), allowed()) == (1, 3)
    one.__exit__(None, None, None)
    assert (torch.get_num_threads(), allowed()) == (1, 3)
    other.__exit__(None, None, None)
    torch.set_num_threads(2)
    assert allowed() == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes by fork")
def test_a_process_that_was_forked_has_threads_of_its_own():
    threads.each(lambda k: None, [(0,), (1,)])
    child = os.fork()
    if child == 0:
        threads.each(lambda k: None, [(0,), (1,)])
        os._exit(0)
    deadline = time.monotonic() + 30
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.02)
    if done == (0, 0):
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert done == (child, 0)


def test_a_gradient_is_written_where_it_is_asked_for_and_nowhere_else():
    system = made()
    engine, weights = engine_of(system, 2), weights_of(system, 2)
    plain = computed(engine, weights)[0]
    there = torch.full((2, system.dimension + 5), torch.nan, dtype=torch.float64)
    out = there[:, : system.dimension]
    found, _, _ = engine.gradient(0, out=out)
    assert found is out
    np.testing.assert_array_equal(found.numpy(), plain)
    assert torch.isnan(there[:, system.dimension :]).all()


def test_runs_of_other_batches_give_what_they_give_alone():
    systems = [made(batch_size=24, seed=seed) for seed in (0, 1, 1)]
    engine = systems[0].task.engine([s.order for s in systems], 2)
    weights = weights_of(systems[0], 6)
    for t in range(8):  # beyond an epoch: the last batch of one has other columns
        engine.load(weights, engine.statistics)
        found = engine.gradient(t, correct=True)
        for m, system in enumerate(systems):
            alone, rows = engine_of(system, 2), slice(2 * m, 2 * m + 2)
            alone.load(weights[rows].clone(), alone.statistics)
            expected = alone.gradient(t, correct=True)
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one[rows], other)


def test_samples_lie_as_they_are_read():
    x = torch.arange(7 * 16, dtype=torch.float64).reshape(7, 16)
    for given in (x, x.t().contiguous().t()):
        panels = Panels(given, 6)  # the seventh row is that of the biases
        taken = x[:6].numpy()
        np.testing.assert_array_equal(
            panels.forward.reshape(2, 6, 8), taken.reshape(6, 2, 8).transpose(1, 0, 2)
        )
        np.testing.assert_array_equal(panels.back.reshape(16, 8)[:, :6], taken.T)
        assert not panels.back.reshape(16, 8)[:, 6:].any()


@pytest.mark.parametrize("widths", [(1, 1), (4, 16), (64, 32), (64, 128), (2, 4096), (8192, 1)])
def test_rows_of_a_tile_never_lie_a_power_of_two_apart(widths):
    layers = [Layer(*widths, True, "tanh")]
    columns = kernels.columns(layers)
    assert columns % 16 == 8
    assert columns * max(widths) <= max(kernels.TILE, 8 * max(widths))


def test_only_networks_of_few_weights_a_layer_in_float64_are_fused():
    assert isinstance(made().task.engine([made().order], 1), FusedPerceptrons)
    for other in (
        made(dtype="float32"),
        Training("mlp:64-129-10", "digits", lr=0.1),
        Training("mlp:64-8-1025-10", "digits", lr=0.1),
    ):
        assert not isinstance(other.task.engine([other.order], 1), FusedPerceptrons)
