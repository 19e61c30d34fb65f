"""The same run, recorded and put together in every way there is: one verdict, one exponent."""

import numpy as np
import pytest
import torch

import nndyn
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
