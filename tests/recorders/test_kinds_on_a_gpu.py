"""Recordings of every kind on a GPU: near those of the CPU, and the same when they are resumed."""

import warnings

import numpy as np
import pytest
import torch

import nndyn
from nndyn.systems.training.torch_state import graphs
from recorders import drive
from tests.recorders.on_a_gpu import GPU, NEEDED
from tests.recorders.pressing import Press

pytestmark = NEEDED  # mark.gpu
STEPS = 24


class Residual(torch.nn.Module):
    """No perceptron."""

    def __init__(self):
        super().__init__()
        self.enter, self.leave = torch.nn.Linear(4, 6), torch.nn.Linear(6, 3)

    def forward(self, x):
        hidden = self.enter(x)
        return self.leave(hidden + torch.tanh(hidden))


def training(device, model="mlp:4-8-3", **options):
    return nndyn.Training(model, "iris", device=device, **{"lr": 0.1, "init": "xavier", **options})


def residual(device, **options):
    torch.manual_seed(0)
    return training(device, Residual(), init=None, **options)


def loop(device):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3))
    model = model.double().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    rng = np.random.default_rng(0)
    x = torch.as_tensor(rng.standard_normal((STEPS, 16, 4))).to(device)
    y = torch.as_tensor(rng.integers(0, 3, (STEPS, 16))).to(device)
    data = list(zip(x, y, strict=True))

    def step(batch):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss

    return nndyn.Loop(step, data, model=model, stateful={"optimizer": optimizer})


#: How a system is made on a device, and what is asked of its recording.
KINDS = {
    "adam": (lambda d: training(d, optimizer="adam", lr=1e-2, clip_norm=1.0), {}),
    "minibatches": (lambda d: training(d, batch_size=32, momentum=0.9), {"evaluate": 1}),
    "groups": (lambda d: training(d, groups=[{"params": "*.bias", "lr": 0.02}]), {}),
    "deep": (lambda d: training(d, "mlp:4-9-7-5-3", activation="gelu", loss="mse"), {}),
    "sketches": (training, {"store": "sketch:64"}),
    "distances": (training, {"store": "distances"}),
    "rescaled": (training, {"rescale": 5}),
    "tangents": (training, {"tangents": 3}),
    "sharpness": (training, {"sharpness": "every:6"}),
    "module": (residual, {"tangents": 2}),
    "module in minibatches": (lambda d: residual(d, batch_size=32), {}),
    "loop": (loop, {}),
}


def recorded(path, make, device, **options):
    given = {"steps": STEPS, "replicas": 3, "epsilon": 1e-3, **options}
    with nndyn.record(make(device), path, **given) as run:
        return {str(name): run[name].values for name in run.variables}


@pytest.mark.parametrize("kind", KINDS)
def test_a_recording_is_near_that_of_the_cpu(tmp_path, kind):
    make, options = KINDS[kind]
    ours = recorded(tmp_path / "gpu.nc", make, GPU, **options)
    theirs = recorded(tmp_path / "cpu.nc", make, "cpu", **options)
    assert ours.keys() == theirs.keys()
    for name in (
        "state",
        "sketch",
        "distance_l1",
        "distance_l2",
        "distance_linf",
        "distance_l2_parameter",
        "loss",
        "test_loss",
        "gradient_norm",
        "tangent_log_stretch",
        "sharpness",
        "log_rescale",
    ):
        if name in ours and name in theirs:
            scale = np.abs(theirs[name]).max()
            np.testing.assert_allclose(
                ours[name], theirs[name], rtol=1e-6, atol=1e-9 * scale, err_msg=name
            )


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_in_two_parts_is_that_in_one(tmp_path, kind, monkeypatch):
    make, options = KINDS[kind]
    whole = recorded(tmp_path / "whole.nc", make, GPU, **options)
    monkeypatch.setattr(drive, "_SEGMENT_SECONDS", 1e-9)
    monkeypatch.setattr(drive, "_LONGER_SECONDS", 1e-9)
    monkeypatch.setattr(drive, "_SEGMENT_WORK", 1.0)
    with pytest.raises(KeyboardInterrupt):
        recorded(tmp_path / "cut.nc", lambda d: Press(make(d), STEPS // 2), GPU, **options)
    cut = recorded(tmp_path / "cut.nc", make, GPU, **options, resume=True)
    assert whole.keys() == cut.keys()
    for name in whole:
        np.testing.assert_array_equal(whole[name], cut[name], err_msg=name)


@pytest.mark.parametrize("kind", ["adam", "minibatches", "deep", "distances"])
def test_the_control_of_a_perceptron_is_the_reference(tmp_path, kind):
    make, options = KINDS[kind]
    ours = recorded(tmp_path / "gpu.nc", make, GPU, **options)
    np.testing.assert_array_equal(ours["distance_linf"][:, -1], 0)


def test_steps_by_a_cuda_graph_are_those_without(tmp_path, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as where a capture fails
        ours = recorded(tmp_path / "graph.nc", training, GPU)
    monkeypatch.setattr(graphs, "WARM", 10**6)
    theirs = recorded(tmp_path / "plain.nc", training, GPU)
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_runs_of_a_batch_are_near_what_they_are_alone(tmp_path):
    systems = [training(GPU, seed=seed, lr=lr) for seed, lr in ((0, 0.1), (1, 0.1), (2, 0.5))]
    paths = [tmp_path / f"{i}.nc" for i in range(3)]
    options = {"steps": STEPS, "replicas": 2}
    nndyn.record_batch(systems, paths, **options)
    for system, path in zip(systems, paths, strict=True):
        with nndyn.open(path) as run, nndyn.record(system, tmp_path / "one.nc", **options) as one:
            np.testing.assert_allclose(run["state"], one["state"], rtol=1e-9, atol=1e-12)
        (tmp_path / "one.nc").unlink()


@pytest.mark.filterwarnings("ignore:Please use the new API settings")
def test_float32_is_not_computed_in_tf32(tmp_path):
    products = torch.backends.cuda.matmul
    before, products.allow_tf32 = products.allow_tf32, True
    try:
        ours, theirs = (
            recorded(tmp_path / f"{i}.nc", lambda d: training(d, dtype="float32"), d, epsilon=0.01)[
                "state"
            ]
            for i, d in enumerate((GPU, "cpu"))
        )
    finally:
        products.allow_tf32 = before
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
