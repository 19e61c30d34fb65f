"""The hand-written pass against autograd, and the isolation of replicas."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nndyn.systems.training import Training
from nndyn.systems.training.data.order import Order
from nndyn.systems.training.data.samples import Samples
from nndyn.systems.training.models.spec import allocate, build, from_spec
from nndyn.systems.training.perceptron import inputs as inputs_module
from nndyn.systems.training.perceptron import task as task_module
from nndyn.systems.training.perceptron.activations import ACTIVATIONS
from nndyn.systems.training.perceptron.engine import Perceptrons
from nndyn.systems.training.perceptron.fused import threads as fused_threads
from nndyn.systems.training.perceptron.fused.engine import FusedPerceptrons
from nndyn.systems.training.perceptron.inputs import inputs
from nndyn.systems.training.perceptron.losses import LOSSES
from nndyn.systems.training.torch_state import threads as threads_module

#: What computes networks of few weights a layer, and what computes all others.
ENGINES = ("fused", "products")


@pytest.fixture
def engine(request, monkeypatch):
    """Have small networks computed by either engine."""
    if request.param == "products":
        monkeypatch.setattr(task_module, "is_small", lambda layer, dtype: False)
    return request.param


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60, deadline=None)
@given(
    widths=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    loss=st.sampled_from(sorted(LOSSES)),
    samples=st.integers(1, 40),
    replicas=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_gradient_loss_and_hits_equal_autograd(
    engine, widths, activation, loss, samples, replicas, seed
):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, widths[0]))
    y = rng.integers(0, widths[-1], samples)
    spec = "mlp:" + "-".join(map(str, widths))
    net = from_spec(spec, activation)
    network, _ = build(net, init="normal:1", seed=0, dtype=torch.float64)
    batch = inputs(
        Samples(x, y), outputs=widths[-1], bias=network.layers[0].bias, dtype=torch.float64
    )
    orders = [Order(samples, batch_size=None, seed=0)]
    given = network, LOSSES[loss](), batch, None, orders
    made = (
        FusedPerceptrons(*given, replicas=replicas)
        if engine == "fused"
        else Perceptrons(*given, replicas=replicas, dtype=torch.float64)
    )
    weights = torch.as_tensor(rng.standard_normal((replicas, network.size)))
    made.load(weights, made.statistics)
    gradient, losses, correct = made.gradient(0, correct=True)
    net = allocate(net).double()
    labels = torch.as_tensor(y)
    for r in range(replicas):
        torch.nn.utils.vector_to_parameters(weights[r], net.parameters())
        net.zero_grad()
        z = net(torch.as_tensor(x))
        if loss == "mse":
            value = torch.nn.functional.mse_loss(
                z, torch.nn.functional.one_hot(labels, widths[-1]).double()
            )
        else:
            value = torch.nn.functional.cross_entropy(z, labels)
        value.backward()
        expected = torch.cat([p.grad.reshape(-1) for p in net.parameters()])
        torch.testing.assert_close(gradient[r], expected, rtol=1e-10, atol=1e-12)
        assert losses[r] == pytest.approx(value.item(), rel=1e-11, abs=1e-14)
        assert correct[r] == (z.argmax(1) == labels).sum()


def test_the_first_of_equal_outputs_is_the_answer():
    # zero weights: every output is 0, and class 0 is the answer to everything
    x, y = np.ones((10, 2)), np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    for loss in LOSSES:
        system = Training("mlp:2-3-3", (x, y), lr=1.0, loss=loss)
        block = system.observe(np.zeros((2, system.dimension)), 0)
        np.testing.assert_array_equal(block.evaluations["accuracy"], [[0.4, 0.4]])


def test_loss_is_stable_for_huge_outputs():
    x, y = np.array([[1.0], [-1.0]]), np.array([0, 1])
    system = Training("mlp:1-2", (x, y), lr=1.0)
    phase = system.initial(0)[None]
    phase[0] = [1e4, -1e4, 0, 0]
    right = system.observe(phase, 0)
    wrong = system.observe(-phase, 0)
    assert right.evaluations["loss"][0, 0] == 0
    assert wrong.evaluations["loss"][0, 0] == 2e4


WIDTHS = [(5,), (8,), (13,), (16,), (30,), (37,), (13, 5), (37, 30)]
#: On one thread and on two, which wait for each other longer than they compute.
SHARED = [(widths, 1) for widths in WIDTHS] + [
    pytest.param(widths, 2, marks=() if widths in WIDTHS[::2] else pytest.mark.slow)
    for widths in WIDTHS
]


def threaded(monkeypatch):
    """Have all steps take more than one thread, however little their work."""
    for module in (threads_module, task_module, fused_threads):
        monkeypatch.setattr(module, "THREADED_WORK", 0.0)


def _copies_stay_equal(data, classes, features, widths, activation, batch_size, rows, steps=4):
    spec = "-".join(map(str, (features, *widths, classes)))
    system = Training(
        f"mlp:{spec}", data, lr=1.0, activation=activation, batch_size=batch_size, init="xavier"
    )
    for R in rows:
        copies = {R // 2, R - 1}
        phase = np.stack([system.initial(0)] * R)
        rng = np.random.default_rng(R)
        for r in set(range(1, R)) - copies:
            phase[r] += 1e-3 * rng.standard_normal(phase.shape[1])
        block = system.advance(phase, 0, steps, (0,), evaluate=range(steps))
        for r in copies:
            np.testing.assert_array_equal(block.phase[r], block.phase[0], err_msg=f"{R}, {r}")
            np.testing.assert_array_equal(block.distance_l1[:, r], 0)
            for name, values in {**block.evaluations, **block.series, **block.arrival}.items():
                expected = 0 if name == "distance_output" else values[:, 0]
                np.testing.assert_array_equal(values[:, r], expected, err_msg=name)


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize(("widths", "threads"), SHARED)
@pytest.mark.parametrize("data", [("iris", 3, 4), ("breast-cancer", 2, 30)], ids=["iris", "bc"])
def test_a_copy_of_the_reference_stays_bitwise_equal(engine, threads, widths, data, monkeypatch):
    threaded(monkeypatch)  # small nets on two threads too
    torch.set_num_threads(threads)
    rows = (2, 3, 6, 7, 12) if threads == 1 else (7,)
    for activation in ("relu", "tanh", "sigmoid") if threads == 1 else ("tanh",):
        for batch_size in (None, 33):
            _copies_stay_equal(*data, widths, activation, batch_size, rows)


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize(("widths", "threads"), SHARED)
def test_a_copy_of_the_reference_stays_bitwise_equal_on_digits(
    engine, threads, widths, monkeypatch
):
    threaded(monkeypatch)
    torch.set_num_threads(threads)
    _copies_stay_equal("digits", 10, 64, widths, "tanh", None, (2, 7), steps=2)
    _copies_stay_equal("digits", 10, 64, widths, "sigmoid", 99, (3,), steps=2)


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_an_evaluation_in_pieces_gives_what_it_gives_in_one(engine, loss, monkeypatch):
    found = []
    for columns in (8192, 48):  # of 120 samples and of 30
        monkeypatch.setattr(inputs_module, "TILE", columns)
        system = Training("mlp:4-9-3", "iris", lr=0.3, loss=loss, batch_size=20)
        phase = np.stack([system.initial(0)] * 3)
        phase[1:] += 0.1
        found.append(system.observe(phase, 0).evaluations)
        whole = system.task.inputs[0]
        assert len(whole.pieces) == -(-whole.targets.count // columns)
    for name, values in found[0].items():
        np.testing.assert_allclose(found[1][name], values, rtol=1e-13, err_msg=name)


def test_small_steps_leave_the_number_of_threads_as_it_was(monkeypatch):
    seen = []
    plain = FusedPerceptrons.gradient

    def spy(self, *arguments, **options):
        seen.append(torch.get_num_threads())
        return plain(self, *arguments, **options)

    monkeypatch.setattr(FusedPerceptrons, "gradient", spy)
    torch.set_num_threads(2)
    system = Training("mlp:4-8-3", "iris", lr=0.5)
    system.advance(system.initial(0)[None], 0, 1, ())
    threaded(monkeypatch)
    system.advance(system.initial(0)[None], 0, 1, ())
    assert seen == [1, 2]
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_a_replica_that_is_not_finite_touches_no_other(engine, loss):
    system = Training("mlp:4-13-5-3", "iris", lr=0.5, loss=loss)
    phase = np.stack([system.initial(0)] * 5)
    phase[1:] += 1e-6 * np.random.default_rng(0).standard_normal(phase[1:].shape)
    healthy = system.advance(phase, 0, 6, range(6), evaluate=range(6))
    phase[2, 3], phase[3, :] = np.nan, np.inf
    block = system.advance(phase, 0, 6, range(6), evaluate=range(6))
    well = [0, 1, 4]
    np.testing.assert_array_equal(block.states[:, well], healthy.states[:, well])
    np.testing.assert_array_equal(block.distance_l1[:, well], healthy.distance_l1[:, well])
    np.testing.assert_array_equal(
        block.gram[:, well][:, :, well], healthy.gram[:, well][:, :, well]
    )
    for name, values in block.evaluations.items():
        np.testing.assert_array_equal(values[:, well], healthy.evaluations[name][:, well])
    assert np.isnan(block.distance_l1[:, 2:4]).all()
    assert np.isnan(block.distance_linf[:, 2:4]).all()
