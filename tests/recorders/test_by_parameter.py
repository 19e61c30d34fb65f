"""Distances by parameter, and predictions that differ, equal what the states say of them."""

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from nndyn.store import verify
from nndyn.systems.training.system import Training
from recorders import drive

NAME, PREDICTIONS = "distance_l2_parameter", "prediction_disagreement"


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def loop():
    model = network()
    found = nndyn.Training(network(), "iris", lr=1.0).task
    x, y = (torch.as_tensor(v) for v in (found.test.x, found.test.y))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    def evaluate():
        with torch.no_grad():
            output = model(x)
        return {"test_accuracy": (output.argmax(1) == y).double().mean(), "output": output}

    return nndyn.Loop(step, model=model, stateful={"optimizer": optimizer}, evaluate=evaluate)


SYSTEMS = {
    "perceptron": lambda: nndyn.Training("mlp:4-5-3", "iris", lr=1.0),
    "float32": lambda: nndyn.Training("mlp:4-5-3", "iris", lr=1.0, dtype="float32"),
    "module": lambda: nndyn.Training(network(), "iris", lr=1.0, batch_size=40),
    "in turn": lambda: nndyn.Training(network(), "iris", optimizer=torch.optim.Adadelta, lr=1.0),
    "loop": loop,
}


def by_parameter(run):
    """Return distances by parameter (T, R, k) of the states."""
    state = run["state"].values.astype(np.float64)
    delta = np.split(state - state[:, :1], run["parameter_start"].values[1:], axis=2)
    return np.stack([np.linalg.norm(part, axis=2) for part in delta], axis=2)


def disagreement(run, test):
    """Return the share of predictions that differ (R,) at the last time."""
    model, x = network(), torch.as_tensor(test.x).double()
    said = []
    for weights in run["state"].values[-1].astype(np.float64):
        nn.utils.vector_to_parameters(torch.from_numpy(weights.copy()), model.parameters())
        said.append(model(x).argmax(1).numpy())
    return [(one != said[0]).mean() for one in said]


@pytest.mark.filterwarnings("ignore:optimizer Adadelta")
@pytest.mark.parametrize("name", SYSTEMS)
def test_what_is_recorded_equals_what_the_states_say(tmp_path, name):
    path = tmp_path / "r.nc"
    options = {"steps": 30, "replicas": 2, "perturb": "all", "epsilon": 1.0}
    with nndyn.record(SYSTEMS[name](), path, **options) as run:
        found = run[NAME]
        assert found.dims == ("time", "replica", "parameter")
        np.testing.assert_allclose(found.values, by_parameter(run), rtol=1e-12)
        whole = (found.values**2).sum(axis=2)
        np.testing.assert_allclose(whole, run["distance_l2"].values ** 2, rtol=1e-12)
        test = nndyn.Training("mlp:4-5-3", "iris", lr=1.0).task.test
        last = run[PREDICTIONS].values[-1]
        assert last.tolist() == pytest.approx(disagreement(run, test), abs=1e-15)
        assert (run[PREDICTIONS].values[:, 1:3] > 0).any()
        assert not run[PREDICTIONS].values[:, [0, -1]].any()
    assert verify(path).problems == ()


def test_distances_alone_have_them_and_a_resume_gives_the_same_bits(tmp_path, monkeypatch):
    options = {"replicas": 2, "store": "distances", "rescale": 7}
    whole = nndyn.record(SYSTEMS["perceptron"](), tmp_path / "a.nc", steps=90, **options)
    assert whole[NAME].shape == (91, 4, 4)
    monkeypatch.setattr(drive, "_SEGMENT_SECONDS", 1e-9)
    path = tmp_path / "b.nc"
    for steps in (40, 90):
        run = nndyn.record(SYSTEMS["perceptron"](), path, steps=steps, resume=True, **options)
    for name in (NAME, PREDICTIONS, "distance_l2"):
        np.testing.assert_array_equal(whole[name], run[name])


def test_one_parameter_and_no_replica_have_none(tmp_path):
    single = nn.Linear(4, 3, bias=False).double()
    run = nndyn.record(nndyn.Training(single, "iris", lr=1.0), tmp_path / "a.nc", steps=5)
    assert NAME not in run
    alone = {"replicas": 0, "tangents": 1}
    run = nndyn.record(SYSTEMS["perceptron"](), tmp_path / "b.nc", steps=5, **alone)
    assert NAME not in run
    run = nndyn.record(nndyn.systems.henon(), tmp_path / "c.nc", steps=5)
    assert NAME not in run


def test_a_file_of_before_there_were_any_goes_on_without(tmp_path, monkeypatch):
    path = tmp_path / "r.nc"
    with monkeypatch.context() as before:
        before.setattr(Training, "by_parameter", False)
        names = SYSTEMS["perceptron"]().evaluations
        before.setattr(Training, "evaluations", [n for n in names if n != PREDICTIONS])
        nndyn.record(SYSTEMS["perceptron"](), path, steps=20, replicas=2)
    run = nndyn.record(SYSTEMS["perceptron"](), path, steps=30, replicas=2, resume=True)
    assert run.sizes["time"] == 31
    assert NAME not in run
    assert PREDICTIONS not in run
    new = nndyn.record(SYSTEMS["perceptron"](), tmp_path / "new.nc", steps=30, replicas=2)
    for name in ("state", "distance_l2", "test_accuracy"):
        np.testing.assert_array_equal(run[name], new[name])
    np.testing.assert_allclose(
        nndyn.lyapunov(run, parameter="all")["parameter_share"],
        nndyn.lyapunov(new, parameter="all")["parameter_share"],
        rtol=1e-9,
    )


def test_a_replica_that_diverged_has_none_from_there_on(tmp_path):
    system = nndyn.Training("mlp:4-5-3", "iris", lr=1.0, activation="identity", loss="mse")
    given = np.full((1, system.components.stop), 1e100)
    with np.errstate(all="ignore"):
        run = nndyn.record(system, tmp_path / "r.nc", steps=20, replicas=1, perturbations=given)
    at = int(run["diverged_at"].values[1])
    assert 0 < at < 20
    assert np.isnan(run[NAME].values[at:, 1]).all()
    assert np.isfinite(run[NAME].values[:at, 1]).all()


def test_an_output_without_classes_has_no_predictions():
    output = torch.zeros(6, 1)
    model = nn.Linear(2, 1)

    def step():
        with torch.no_grad():
            model.weight.mul_(1.5)

    for said, there in (
        ({"output": torch.zeros(6, 3)}, False),
        ({"accuracy": 1.0, "output": output}, False),
        ({"accuracy": 1.0, "output": torch.zeros(6, 3)}, True),
        ({"predicted": torch.zeros(6, dtype=torch.int64)}, True),
    ):
        found = nndyn.Loop(step, model=model, evaluate=lambda said=said: said).evaluations
        assert (PREDICTIONS in found) == there


def test_arrays_with_parameters_have_them():
    rng = np.random.default_rng(0)
    states = rng.normal(size=(20, 3, 12)).astype(np.float32)
    run = nndyn.from_array(states, names={"w": 8, "b": 4})
    np.testing.assert_allclose(run[NAME].values, by_parameter(run), rtol=1e-12)
    assert NAME not in nndyn.from_array(states)
    assert NAME not in nndyn.from_array(states, names={"w": 12})
