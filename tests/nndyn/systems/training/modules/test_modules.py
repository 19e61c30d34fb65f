"""Modules of every kind against plain torch loops, batched and one row after the other."""

import copy
import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from nndyn.systems.training.data.order import Order
from nndyn.systems.training.models.build import build
from nndyn.systems.training.modules import engine as engines
from nndyn.systems.training.modules.engine import Modules
from nndyn.systems.training.torch_state.randomness import evaluation_key, step_key
from tests.nndyn.systems.training.networks import KINDS, network, plain_gradient, smooth

SEED = 3
BATCHED = [kind for kind in KINDS if kind not in ("dropout and attention", "recurrent")]
WAYS = [(kind, True) for kind in BATCHED] + [(kind, False) for kind in KINDS]


def made(kind, **options):
    """Return the module of `kind`, what `build` says it is, and its samples."""
    module, x, y = network(kind)
    return build(module, x, y, **options), x, y


def engine(found, x, y, *, replicas=4, batched=None, batch_size=None, seeds=(SEED,), reverse=False):
    orders = [Order(len(x), batch_size=batch_size, seed=seed, reverse=reverse) for seed in seeds]
    batch = found.batch(x, y)
    return Modules(found, batch, orders, replicas=replicas, test=batch, batched=batched)


def rows_of(found, replicas, scale=0.05):
    """Return different weights, the last equal to the first, and statistics."""
    rng = np.random.default_rng(1)
    weights = torch.as_tensor(found.initial).repeat(replicas, 1)
    noise = rng.standard_normal(weights.shape)
    noise[0] = noise[-1] = 0
    weights += torch.as_tensor(scale * noise, dtype=weights.dtype)
    return weights, torch.as_tensor(found.initial_statistics).repeat(replicas, 1)


def close(a, b, tolerance):
    b = b.detach()
    return float((a - b).abs().max()) <= tolerance * float(b.abs().max())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("kind", "batched"), WAYS)
def test_gradient_loss_and_hits_equal_autograd(kind, batched, dtype):
    found, x, y = made(kind, dtype=dtype, seed=SEED)
    run = engine(found, x, y, batched=batched)
    weights, statistics = rows_of(found, 4)
    run.load(weights, statistics)
    with torch.inference_mode():  # as the trajectory calls it
        gradient, loss, correct = run.gradient(5, correct=True)
    batch = found.batch(x, y)
    tolerance = 1e-12 if dtype == torch.float64 else 2e-5
    for r in range(4):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(step_key(SEED, 5))
            expected, value = plain_gradient(found.module, weights[r], batch.x, batch.target)
            torch.manual_seed(step_key(SEED, 5))
            own = copy.deepcopy(found.module)
            nn.utils.vector_to_parameters(weights[r].clone(), own.parameters())
            output = own(batch.x)
        assert close(gradient[r], expected, tolerance)
        assert close(loss[r], value, tolerance)
        assert correct[r] == (output.argmax(1) == batch.labels).sum()
    assert not torch.equal(gradient[0], gradient[1])


@pytest.mark.parametrize(("kind", "batched"), [w for w in WAYS if w != ("batch norm", True)])
def test_rows_with_equal_weights_stay_bitwise_equal(kind, batched):
    for dtype in (torch.float64, torch.float32):
        found, x, y = made(kind, dtype=dtype, seed=SEED)
        run = engine(found, x, y, replicas=5, batched=batched)
        run.load(*rows_of(found, 5))
        gradient, loss, _ = run.gradient(0)
        assert torch.equal(gradient[0], gradient[4])
        assert loss[0] == loss[4]
        _, _, distance, _ = run.test(5)
        assert distance[0, 0] == distance[0, 4] == 0 < distance[0, 1]
    # where that holds by chance only, rows are not batched
    assert found.batched or kind not in ("layer norm", "transformer", "embedding", "dropout")


def test_batch_norm_is_not_batched_on_a_cpu_for_exact_copies():
    with pytest.warns(UserWarning, match="not batched: the sums over samples of .* '1' would"):
        found, x, y = made("batch norm")
    assert not found.batched
    run = engine(found, x, y, replicas=3)
    weights, statistics = rows_of(found, 3)
    run.load(weights, statistics)
    gradient, _, _ = run.gradient(0)
    assert torch.equal(gradient[0], gradient[2])
    assert torch.equal(run.statistics[0], run.statistics[2])


@pytest.mark.parametrize("batch_size", [None, 17])
@pytest.mark.parametrize(("kind", "batched"), WAYS)
def test_training_equals_a_plain_torch_loop(kind, batched, batch_size):
    found, x, y = made(kind, seed=SEED)
    run = engine(found, x, y, replicas=3, batched=batched, batch_size=batch_size)
    weights, statistics = rows_of(found, 3)
    batch = found.batch(x, y)
    nets = [copy.deepcopy(found.module) for _ in range(3)]
    for net, row in zip(nets, weights, strict=True):
        nn.utils.vector_to_parameters(row.clone(), net.parameters())
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.02) for net in nets]
    order = Order(len(x), batch_size=batch_size, seed=SEED)
    for t in range(6):
        run.load(weights, statistics)
        gradient, _, _ = run.gradient(t)
        weights, statistics = weights - 0.02 * gradient, run.statistics.clone()
        rows = torch.from_numpy(order.rows(t))
        for net, optimizer in zip(nets, optimizers, strict=True):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(step_key(SEED, t))
                loss = nn.functional.cross_entropy(net(batch.x[rows]), batch.target[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for r, net in enumerate(nets):
        assert close(weights[r], nn.utils.parameters_to_vector(net.parameters()), 1e-11)
        if kind == "batch norm":
            running = torch.cat([net[1].running_mean, net[1].running_var])
            assert close(statistics[r], running, 1e-11)
            assert not close(statistics[r], torch.as_tensor(found.initial_statistics), 1e-3)
    # evaluations: in eval mode, whatever the mode of steps
    run.load(weights, statistics)
    loss, correct = run.evaluate(correct=True)
    tested, right, distance, _ = run.test(3, correct=True)
    outputs = [net.eval()(batch.x).detach() for net in nets]
    for r, output in enumerate(outputs):
        assert close(loss[r], nn.functional.cross_entropy(output, batch.target), 1e-11)
        assert correct[r] == right[0, r] == (output.argmax(1) == batch.target).sum()
        assert tested[0, r] == loss[r]
        assert distance[0, r] == pytest.approx(float((output - outputs[0]).norm()), rel=1e-9)


def test_cumulative_batch_norm_counts_batches_from_t():
    module = nn.Sequential(nn.Linear(64, 6), nn.BatchNorm1d(6, momentum=None), nn.Linear(6, 10))
    _, x, y = network("batch norm")
    for batched in (True, False):
        found = build(module, x, y)
        run = engine(found, x, y, replicas=2, batched=batched)
        net = copy.deepcopy(found.module)
        weights, statistics = rows_of(found, 2, scale=0)
        for t in range(3):
            run.load(weights * (1 + t), statistics)
            run.gradient(t)
            statistics = run.statistics.clone()
            nn.utils.vector_to_parameters(weights[0] * (1 + t), net.parameters())
            net(found.batch(x, y).x)
        running = torch.cat([net[1].running_mean, net[1].running_var])
        assert close(statistics[1], running, 1e-13)


def test_a_batch_norm_in_eval_mode_keeps_its_statistics():
    module = nn.Sequential(nn.Linear(64, 6), nn.BatchNorm1d(6), nn.Linear(6, 10))
    module[1].eval()
    _, x, y = network("batch norm")
    found = build(module, x, y)
    assert not found.differs
    assert found.independent
    for batched in (True, False):
        run = engine(found, x, y, replicas=2, batched=batched)
        weights, statistics = rows_of(found, 2)
        statistics[:] = torch.linspace(0.5, 2, statistics.shape[1])
        run.load(weights, statistics)
        gradient, _, _ = run.gradient(0)
        assert torch.equal(run.statistics, statistics)
        net = copy.deepcopy(found.module)
        with torch.no_grad():
            net[1].running_mean.copy_(statistics[0, :6])
            net[1].running_var.copy_(statistics[0, 6:])
        batch = found.batch(x, y)
        expected, _ = plain_gradient(net, weights[1], batch.x, batch.target)
        assert close(gradient[1], expected, 1e-12)


def test_a_part_of_the_samples_keeps_as_much_as_there_are_weights(monkeypatch):
    found, x, y = made("cnn")  # 15,184 bytes
    found = dataclasses.replace(found, saved_bytes=1000)
    monkeypatch.setitem(engines.BUDGET, "cpu", 1)
    parts = engine(found, x, y, batched=False)._parts(60, slice(0, 4), True)
    assert [len(range(*part.indices(60))) for part in parts] == [15, 15, 15, 15]


@pytest.mark.parametrize(("kind", "batched"), [("cnn", True), ("cnn", False), ("recurrent", False)])
def test_parts_of_the_samples_add_up(kind, batched, monkeypatch):
    found, x, y = made(kind)
    whole = engine(found, x, y, batched=batched)
    rows = rows_of(found, 4)
    whole.load(*rows)
    expected = [part.clone() for part in whole.gradient(0, correct=True)]
    outputs = whole.test(4, correct=True)
    monkeypatch.setitem(engines.BUDGET, "cpu", 23 * found.saved_bytes * (4 if batched else 1))
    parts = engine(found, x, y, batched=batched)
    assert [len(range(*part.indices(60))) for part in parts._parts(60, slice(0, 4), True)] == [
        20,
        20,
        20,
    ]
    parts.load(*rows)
    gradient, loss, correct = parts.gradient(0, correct=True)
    assert not torch.equal(gradient, expected[0])
    assert close(gradient, expected[0], 1e-12)
    assert close(loss, expected[1], 1e-14)
    assert torch.equal(correct, expected[2])
    for a, b in zip(parts.test(4, correct=True), outputs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", ["layer norm", "cnn", "dropout", "batch norm", "recurrent"])
@pytest.mark.parametrize("batch_size", [None, 16])
def test_runs_together_equal_runs_alone_bit_for_bit(kind, batch_size):
    found, x, y = made(kind)
    both = engine(found, x, y, replicas=3, batch_size=batch_size, seeds=(1, 2))
    first, statistics = rows_of(found, 3)
    second = first.flip(1)
    both.load(torch.cat([first, second]), statistics.repeat(2, 1))
    gradient, loss, correct = both.gradient(4, correct=True)
    _, _, distance, _ = both.test(2)
    moved = both.statistics.clone()
    for m, (seed, weights) in enumerate(((1, first), (2, second))):
        rows = slice(3 * m, 3 * m + 3)
        alone = engine(found, x, y, replicas=3, batch_size=batch_size, seeds=(seed,))
        alone.load(weights, statistics)
        for a, b in zip((gradient, loss, correct), alone.gradient(4, correct=True), strict=True):
            assert torch.equal(a[rows], b)
        assert torch.equal(moved[rows], alone.statistics)
        assert torch.equal(distance[m], alone.test(2)[2][0])


def test_reversed_samples_change_only_rounding():
    found, x, y = made("layer norm")
    rows = rows_of(found, 2)
    gradients = []
    for reverse in (False, True):
        run = engine(found, x, y, replicas=2, reverse=reverse)
        run.load(*rows)
        gradients.append(run.gradient(0)[0].clone())
    assert not torch.equal(*gradients)
    assert close(*gradients, 1e-13)


def test_whole_says_when_a_step_gives_the_loss_of_an_evaluation():
    whole = {kind: engine(*made(kind)).whole for kind in KINDS}
    assert {kind for kind, is_whole in whole.items() if not is_whole} == {
        "batch norm",
        "dropout",
        "dropout and attention",
    }
    assert not engine(*made("layer norm"), batch_size=10).whole
    found, x, y = made("transformer")
    run = engine(found, x, y)
    run.load(*rows_of(found, 4))
    _, loss, correct = run.gradient(0, correct=True)
    again, right = run.evaluate(correct=True)
    torch.testing.assert_close(loss, again, rtol=1e-13, atol=0)
    assert torch.equal(correct, right)


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("loss", ["mse", smooth, nn.CrossEntropyLoss(reduction="sum")])
def test_losses_by_name_and_by_function(loss, batched):
    found, x, y = made("layer norm", loss=loss)
    run = engine(found, x, y, batched=batched)
    weights, statistics = rows_of(found, 4)
    run.load(weights, statistics)
    gradient, value, correct = run.gradient(0, correct=True)
    batch = found.batch(x, y)
    plain, target = loss, torch.as_tensor(y)
    if loss == "mse":
        plain, target = nn.functional.mse_loss, nn.functional.one_hot(target, 10).double()
    for r in range(4):
        expected, wanted = plain_gradient(found.module, weights[r], batch.x, target, plain)
        assert close(gradient[r], expected, 1e-12)
        assert close(value[r], wanted, 1e-13)
    assert correct.shape == (4,)
    again, _ = run.evaluate()
    torch.testing.assert_close(again, value, rtol=1e-13, atol=0)


def test_real_targets_have_the_shape_of_the_output_and_no_hits():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 6)), rng.standard_normal((20, 2, 3))
    module = nn.Sequential(nn.Linear(6, 6), nn.Softplus(), nn.Unflatten(1, (2, 3)))
    found = build(module, x, y, loss="mse")
    assert found.output == (2, 3)
    run = engine(found, x, y, replicas=2)
    weights, statistics = rows_of(found, 2)
    run.load(weights, statistics)
    gradient, loss, correct = run.gradient(0, correct=True)
    assert correct is None
    assert run.test(2, correct=True)[1] is None
    expected, value = plain_gradient(
        found.module, weights[1], torch.as_tensor(x), torch.as_tensor(y), nn.functional.mse_loss
    )
    assert close(gradient[1], expected, 1e-12)
    assert close(loss[1], value, 1e-13)


def test_random_numbers_depend_on_seed_and_time_alone_and_leave_the_global_state():
    found, x, y = made("dropout")
    rows = rows_of(found, 2)
    state = torch.get_rng_state()
    seen = {}
    for seed, t in ((1, 0), (1, 1), (2, 0), (1, 0)):
        run = engine(found, x, y, replicas=2, seeds=(seed,))
        run.load(*rows)
        gradient = run.gradient(t)[0].clone()
        assert torch.equal(seen.setdefault((seed, t), gradient), gradient)
    values = list(seen.values())
    assert not any(torch.equal(a, b) for a, b in itertools.pairwise(values))
    run.evaluate()
    run.test(2)
    assert torch.equal(torch.get_rng_state(), state)
    assert len({step_key(1, t) for t in range(100)} | {evaluation_key(1)}) == 101


def test_building_and_running_leave_module_and_random_state_alone():
    for kind in ("batch norm", "dropout and attention"):
        module, x, y = network(kind)
        before = copy.deepcopy(module.state_dict())
        state = torch.get_rng_state()
        fast = torch.backends.mha.get_fastpath_enabled()
        found, _, _ = made(kind, init="default")
        run = engine(found, x, y)
        run.load(*rows_of(found, 4))
        run.gradient(0)
        run.test(2)
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.backends.mha.get_fastpath_enabled() == fast
        assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
        assert module.training


def test_tied_and_unused_parameters_are_laid_out_as_torch_does():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(64, 64)
            self.second = nn.Linear(64, 64)
            self.second.weight = self.first.weight
            self.idle = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return self.second(torch.tanh(self.first(x)))

    _, x, y = network("layer norm")
    found = build(Tied(), x, y)
    assert [place.name for place in found.parameters] == [
        "idle",
        "first.weight",
        "first.bias",
        "second.bias",
    ]
    assert found.size == 3 + 64 * 64 + 128
    for batched in (True, False):
        run = engine(found, x, y, replicas=2, batched=batched)
        weights, statistics = rows_of(found, 2)
        run.load(weights, statistics)
        gradient, _, _ = run.gradient(0)
        assert not gradient[:, :3].any()
        own = copy.deepcopy(found.module)
        batch = found.batch(x, y)
        nn.functional.cross_entropy(own(batch.x), batch.target).backward()
        assert close(gradient[0, 3 : 3 + 64 * 64], own.first.weight.grad.reshape(-1), 1e-12)
