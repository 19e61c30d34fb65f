"""A recorded loop is the plain loop under `nndyn.replay`, bit for bit."""

import inspect

import numpy as np
import pytest
import torch

import nndyn
from nndyn.store import verify
from tests.nndyn.systems.training.loop import loops

STEPS = 50


def plain(made, steps):
    timed = len(inspect.signature(made.step).parameters) > 1
    states, said = [made.weights()], []
    for t, batch in nndyn.replay(made.batches):
        if t == steps:
            return np.array(states), said
        said.append(made.step(batch, t) if timed else made.step(batch))
        states.append(made.weights())
    raise AssertionError


@pytest.mark.parametrize("kind", loops.ALL)
def test_a_recorded_loop_is_the_plain_loop(tmp_path, kind):
    states, said = plain(loops.ALL[kind](), STEPS)
    made = loops.ALL[kind]()
    before = made.weights()
    epsilon = 0.05 if kind == "bf16" else 1e-3
    run = nndyn.record(made.system(), tmp_path / "r.nc", steps=STEPS, replicas=2, epsilon=epsilon)
    assert run.attrs["status"] == "complete", run.attrs["stop_reason"]
    np.testing.assert_array_equal(run["state"].values[:, 0].astype(np.float64), states)
    assert (run["distance_l2"].values[:, -1] == 0.0).all()
    assert (run["distance_l2"].values[:, 1] > 0.0).all()
    np.testing.assert_array_equal(made.weights(), before)  # all is put back
    numbers = (
        {"batch_loss": said}
        if not isinstance(said[0], dict)
        else {f"batch_{name}": [one[name] for one in said] for name in said[0]}
    )
    for name, values in numbers.items():
        if values[0] is not None:
            assert run[name].dims == ("batch_time", "replica")
            np.testing.assert_array_equal(
                run[name].values[:, 0], [np.float64(torch.as_tensor(v).detach()) for v in values]
            )
    run.close()
    assert verify(tmp_path / "r.nc").problems == ()
