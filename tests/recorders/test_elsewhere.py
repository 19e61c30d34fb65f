"""The same run, recorded and put together in every way there is: one verdict, one exponent."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from nndyn.systems.training.data.loading import load
from tests.recorders.apart import same_exponent, single, singles


@pytest.mark.slow
@pytest.mark.parametrize("lr", [0.5, 2.0, 3.5])
def test_digits_have_one_exponent_however_they_come(tmp_path, lr):
    system = nndyn.Training("mlp:64-32-10", "digits", lr=lr)
    with nndyn.record(system, tmp_path / "run.nc", steps=150, replicas=3) as run:
        role = run["role"].values
        reference, copies, control = singles(run)
        with nndyn.join(reference, copies, tmp_path / "j.nc", control=control) as found:
            same_exponent(found, run)
        bare = [single(run, r).drop_vars(["step_length", "rounding_distance"]) for r in range(5)]
        options = {"control": bare[4], "overwrite": True}
        with nndyn.join(bare[0], bare[1:4], tmp_path / "j.nc", **options) as found:
            same_exponent(found, run)
        same_exponent(nndyn.from_array(run["state"].values, roles=role), run)
        for r in range(5):
            for kind in ("pt", "npz"):
                (tmp_path / f"{kind}{r}").mkdir()
            for t in range(151):
                state = {"w": run["state"].values[t, r].copy()}
                np.savez(tmp_path / f"npz{r}" / f"{t}.npz", **state)
                torch.save({"w": torch.from_numpy(state["w"])}, tmp_path / f"pt{r}" / f"{t}.pt")
        for kind in ("pt", "npz"):
            first, *others, last = (tmp_path / f"{kind}{r}" for r in range(5))
            path = tmp_path / f"{kind}.nc"
            with nndyn.from_checkpoints(first, others, path, control=last) as found:
                same_exponent(found, run)


@pytest.mark.slow
@pytest.mark.parametrize("lr", [0.5, 2.0])
def test_a_loop_has_the_exponent_of_the_training_that_it_is(tmp_path, lr):
    data = load("digits").training
    x, y = torch.as_tensor(data.x), torch.as_tensor(data.y)
    # of perturbations that rounding, which differs, changes by less than what is compared
    options = {"replicas": 3, "epsilon": 1e-6}
    system = nndyn.Training("mlp:64-32-10", "digits", lr=lr)

    def model(weights):
        made = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10)).double()
        nn.utils.vector_to_parameters(torch.from_numpy(weights), made.parameters())
        return made

    def train(trained, watched=None):
        optimizer = torch.optim.SGD(trained.parameters(), lr=lr)
        with nndyn.watch(trained, optimizer, watched) if watched else nullcontext():
            for _ in range(150):
                optimizer.zero_grad()
                nn.functional.cross_entropy(trained(x), y).backward()
                optimizer.step()

    with nndyn.record(system, tmp_path / "run.nc", steps=150, **options) as run:
        starts = run["state"].values[0]
        with nndyn.twins(train, model(starts[0]), tmp_path / "t.nc", **options) as twins:
            same_exponent(twins, run)
            states = twins["state"].values
        apart = [tmp_path / f"{r}.nc" for r in range(5)]
        for start, path in zip(starts, apart, strict=True):
            train(model(start), path)
        first, *copies, last = apart
        with nndyn.join(first, copies, tmp_path / "j.nc", control=last) as joined:
            np.testing.assert_array_equal(joined["state"], states)
            same_exponent(joined, run)
        same_exponent(nndyn.from_array(states, roles=run["role"].values), run)
