"""Evaluation by a function of the user's."""

import numpy as np
import pytest
import torch

import nndyn
from nndyn.errors import UsageError
from tests.nndyn.systems.training.loop import loops


def evaluated(loop):
    x, y = loops.data()

    def evaluate():
        loop.model.eval()  # and not back
        with torch.no_grad():
            output = loop.model(x)
        return {
            "entropy": float(output.softmax(dim=1).mean()) + float(torch.rand(())),
            "loss": loops.cross_entropy(output, y),
            "accuracy": (output.argmax(dim=1) == y).float().mean(),
            "output": output,
        }

    return evaluate


def test_what_it_returns_is_recorded_under_the_names_of_the_schema(tmp_path):
    loop = loops.batch_norm()
    system = loop.system(evaluate=evaluated(loop))
    names = ("loss", "accuracy", "prediction_disagreement", "distance_output", "metric_entropy")
    assert system.evaluations == names
    torch.manual_seed(5)
    before = torch.get_rng_state()
    run = nndyn.record(system, tmp_path / "r.nc", steps=20, replicas=2, epsilon=1e-3, state="phase")
    assert loop.model.training
    assert torch.equal(before, torch.get_rng_state())
    assert run["evaluation_time"].values.tolist() == [0, 4, 8, 12, 16, 20]  # every epoch
    assert run["metric_entropy"].attrs["long_name"].startswith("entropy, as")
    assert (run["distance_output"].values[:, 0] == 0.0).all()
    assert (run["distance_output"].values[:, 3] == 0.0).all()
    assert (run["distance_output"].values[:, 1] > 0.0).all()
    # as the plain network says at the same weights and statistics
    for i, t in enumerate((0, 8, 20)):
        phase = run["state"].values[t, 1]
        rest = system.initial_rest(1)
        seat = system._seat
        state = type(seat.kept())(rest[0], {})
        with seat.lent():
            seat.load(state, torch.from_numpy(phase.copy()), rest[0])
            seat.take(state)
            said = evaluated(loop)()
        at = [0, 2, 5][i]
        np.testing.assert_allclose(run["loss"].values[at, 1], float(said["loss"]), rtol=1e-6)
        assert run["accuracy"].values[at, 1] == float(said["accuracy"])


def test_it_does_not_disturb_the_run(tmp_path):
    loop = loops.dropout()
    with_it = nndyn.record(
        loop.system(evaluate=evaluated(loop)),
        tmp_path / "a.nc",
        steps=15,
        replicas=1,
        epsilon=1e-3,
        evaluate=1,
    )
    without = nndyn.record(
        loops.dropout().system(), tmp_path / "b.nc", steps=15, replicas=1, epsilon=1e-3
    )
    np.testing.assert_array_equal(with_it["state"].values, without["state"].values)
    assert "loss" not in without


def test_other_names_later_are_refused(tmp_path):
    loop = loops.sgd()
    count = [0]

    def evaluate():
        count[0] += 1
        return {"loss": 1.0} if count[0] < 3 else {"losses": 1.0}

    with pytest.raises(UsageError, match=r"evaluate does not always return 'loss|metric_losses'"):
        nndyn.record(
            loop.system(evaluate=evaluate), tmp_path / "r.nc", steps=9, replicas=1, epsilon=1e-3
        )


def test_without_epochs_it_is_asked_at_every_step(tmp_path):
    loop = loops.sgd()
    x, y = loops.data()
    loop.batches = None
    inner = loop.step
    system = nndyn.Loop(
        lambda: inner((x, y)),
        model=loop.model,
        stateful=loop.stateful,
        evaluate=lambda: {"test_accuracy": 0.5},
    )
    run = nndyn.record(system, tmp_path / "r.nc", steps=6, replicas=1, epsilon=1e-3)
    assert run["test_accuracy"].dims == ("time", "replica")
    assert "epoch" not in run
    assert nndyn.learning(run).attrs["verdict"]
