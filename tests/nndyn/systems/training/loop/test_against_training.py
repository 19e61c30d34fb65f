"""A loop of digits is `nndyn.Training` of the same, which computes its replicas as one batch."""

import numpy as np
import pytest
import torch
from torch import nn

import nndyn

RULES = {
    "sgd": (0.5, lambda parameters: torch.optim.SGD(parameters, lr=0.5)),
    "adam": (0.01, lambda parameters: torch.optim.Adam(parameters, lr=0.01)),
}


def both(name):
    """The same training, stated by its parts and as a loop."""
    lr, make = RULES[name]
    training = nndyn.Training("mlp:64-32-10", "digits", optimizer=name, lr=lr)
    samples = training.task.training
    x, y = torch.as_tensor(np.asarray(samples.x)), torch.as_tensor(np.asarray(samples.y))
    model = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10)).double()
    start = torch.as_tensor(training.initial()[training.components])
    nn.utils.vector_to_parameters(start, model.parameters())
    optimizer = make(model.parameters())

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return training, nndyn.Loop(step, model=model, stateful={"optimizer": optimizer})


@pytest.mark.parametrize("rescale", [None, 10])
@pytest.mark.parametrize("name", RULES)
def test_a_loop_is_the_training_that_it_states(tmp_path, name, rescale):
    options = {"steps": 60, "replicas": 3, "rescale": rescale, "progress": False}
    runs = [
        nndyn.record(system, tmp_path / f"{i}.nc", **options) for i, system in enumerate(both(name))
    ]
    of_training, of_loop = runs
    np.testing.assert_allclose(of_loop["state"].values, of_training["state"].values, atol=1e-12)
    length = of_training["step_length"].values[1:, :1]
    np.testing.assert_allclose(of_loop["step_length"].values[1:, :1], length, rtol=1e-9)
    d, other = (run["distance_l2"].values[1:, 1:4] for run in runs)
    calm = (d < 0.01 * length).all(axis=1)
    calm = np.logical_and.accumulate(calm)
    assert calm.sum() > 20
    np.testing.assert_allclose(np.log(other[calm]), np.log(d[calm]), atol=1e-6)
    found, twin = (nndyn.lyapunov(run) for run in runs)
    for value in ("lyapunov_max", "growth"):
        np.testing.assert_allclose(float(twin[value]), float(found[value]), rtol=1e-4)
    assert twin.attrs["verdict"] == found.attrs["verdict"]
