"""Starts that are none, each refused with what was found."""

import json
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from nndyn.errors import DataError, UsageError
from nndyn.systems.training import Training


def network():
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


def training(start, **options):
    options = {"lr": 0.1, "momentum": 0.9, **options}
    return Training("mlp:4-5-3", "iris", start=start, **options)


def kept(kind=torch.optim.SGD, steps=2, **options):
    """What torch has after some steps."""
    net = network()
    optimizer = kind(net.parameters(), lr=0.1, **options)
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.ones(2, 4)).sum().backward()
        optimizer.step()
    return {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "step": steps}


MOMENTUM = {"momentum": 0.9}


def test_every_name_that_checkpoints_have_is_known():
    found = kept(**MOMENTUM)
    expected = training(found).initial()
    for names in (
        ("model_state_dict", "optimizer_state_dict", "step"),
        ("state_dict", "optimizer_states", "global_step"),
        ("model", "optimizer_state_dict", "t"),
    ):
        system = training(dict(zip(names, found.values(), strict=True)))
        assert system.first_step == 2
        np.testing.assert_array_equal(system.initial(), expected)
    wrapped = {f"module.{k}": v for k, v in found["model"].items()}
    np.testing.assert_array_equal(training({**found, "model": wrapped}).initial(), expected)
    without_step = {"model": found["model"], "optimizer": found["optimizer"]}
    assert training((without_step, 7)).first_step == 7


def test_weights_alone_are_of_step_0_and_the_optimizer_begins_afresh(tmp_path):
    weights = network().state_dict()
    torch.save(weights, tmp_path / "a.pt")
    for start in (weights, {"model": weights}, tmp_path / "a.pt", {"state_dict": network()}):
        with pytest.warns(UserWarning, match="sgd begins afresh at step 0, with fresh buffers"):
            assert training(start).first_step == 0
    assert training((weights, 30), momentum=0).first_step == 30


def test_weights_of_safetensors(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    weights = network().state_dict()
    safetensors.save_file(weights, tmp_path / "a.safetensors")
    system = training((tmp_path / "a.safetensors", 5), momentum=0)
    assert (system.first_step, system.files) == (5, (tmp_path / "a.safetensors",))
    np.testing.assert_array_equal(system.initial(), training(weights, momentum=0).initial())


def test_parameters_of_groups_go_by_their_names():
    net = network()
    groups = [{"params": [p for p in net.named_parameters() if p[0].endswith(end)]} for end in "ts"]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    net(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    start = {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "step": 1}
    phase = training(start).initial()
    buffers = [optimizer.state[p]["momentum_buffer"].reshape(-1) for p in net.parameters()]
    np.testing.assert_array_equal(phase[43:], torch.cat(buffers).double().numpy())
    for group in start["optimizer"]["param_groups"]:
        del group["param_names"]
    with pytest.raises(UsageError, match="has 2 groups, and does not say of which parameters"):
        training(start)


def shaped(start):
    start["model"]["0.weight"] = torch.zeros(5, 3)
    return start


def without(start, key):
    return {k: v for k, v in start.items() if k != key}


def of_other_steps(start):
    start["optimizer"]["state"][1]["step"] = torch.tensor(5.0)
    return start


def with_nan(start):
    start["optimizer"]["state"][0]["momentum_buffer"][0, 0] = float("nan")
    return start


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (3, "start is an object of type int, expected the path of a checkpoint"),
        ({}, "has no state of a model; expected one of model, model_state_dict"),
        ({"weights": 1, "epoch": 3}, r"has no state of a model.*; it has weights, epoch"),
        ({"model": 3, "step": 1}, r"model is an object of type int, expected a state_dict"),
        ({"model": {"a": 1}}, "start: model has no tensors; it has a"),
        (lambda: without(kept(**MOMENTUM), "step"), "does not say its step; expected one of step"),
        (lambda: {**kept(**MOMENTUM), "step": -1}, "start: step is -1, expected a whole number"),
        (lambda: {**kept(**MOMENTUM), "step": 1.5}, "start: step is 1.5, expected a whole number"),
        (lambda: ({**kept(**MOMENTUM)}, 5), "start is of step 2, and start says 5"),
        (lambda: (kept(**MOMENTUM), -5), "start: the step is -5, expected a whole number"),
        (lambda: (1, 2, 3), r"start is \(1, 2, 3\), expected"),
        (lambda: shaped(kept(**MOMENTUM)), r"0.weight has shape \(5, 3\), \(5, 4\) in the model"),
        (lambda: {"model": nn.Linear(4, 3).state_dict()}, "start lacks 0.weight, 0.bias, 2.weight"),
        (
            lambda: {"model": {**network().state_dict(), "extra": torch.zeros(1)}},
            "has, and the model has not, extra",
        ),
        (lambda: kept(torch.optim.Adam), "has step, exp_avg, exp_avg_sq; sgd as it is given here"),
        (lambda: with_nan(kept(**MOMENTUM)), "momentum_buffer of 0.weight has numbers that are"),
        (lambda: {**kept(**MOMENTUM), "optimizer": {"lr": 1}}, "no state of one optimizer"),
        ("nowhere.pt", "nowhere.pt is not there, expected the path of a checkpoint"),
        (".", "is a folder"),
    ],
)
@pytest.mark.filterwarnings("ignore:start has no state of the optimizer")
def test_what_is_no_start_is_refused(start, message):
    start = start() if callable(start) else start
    with pytest.raises((UsageError, DataError), match=message):
        training(start)


def test_states_after_different_steps_are_refused():
    with pytest.raises(UsageError, match=r"after different numbers of steps \(2, 5\)"):
        training(of_other_steps(kept(torch.optim.Adam)), optimizer="adam", momentum=0)
    with pytest.raises(UsageError, match="is of 4 parameters, the model has 2"):
        Training(
            "mlp:4-3",
            "iris",
            lr=0.1,
            momentum=0.9,
            start={**kept(**MOMENTUM), "model": nn.Sequential(nn.Linear(4, 3)).state_dict()},
        )


class Evil:
    def __reduce__(self):
        return print, ("run",)


def test_files_that_would_run_something_or_are_none(tmp_path, capsys):
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"model": Evil(), "step": 1}))
    with pytest.raises(DataError, match=r"plain\.pt is damaged, or no file"):
        training(tmp_path / "plain.pt")
    torch.save({"model": Evil()}, tmp_path / "zip.pt")
    with pytest.raises(DataError, match="holds more than tensors, and loading it would run"):
        training(tmp_path / "zip.pt")
    assert capsys.readouterr().out == ""
    (tmp_path / "text.pt").write_text("no")
    with pytest.raises(DataError, match=r"is no file that torch\.save wrote"):
        training(tmp_path / "text.pt")
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(UsageError, match=r"no file that is known; known: .pt, .*\.nc"):
        training(tmp_path / "a.csv")
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    with pytest.raises(UsageError, match="holds an object of type Tensor, expected a dict"):
        training(tmp_path / "tensor.pt")
    (tmp_path / "a.nc").write_text("no")
    with pytest.raises(nndyn.NndynError, match=r"a\.nc"):
        training(tmp_path / "a.nc")


def test_recordings_that_do_not_do(tmp_path):
    first = Training("mlp:4-5-3", "iris", lr=0.1, momentum=0.9)
    nndyn.record(first, tmp_path / "a.nc", steps=8, replicas=1).close()
    with pytest.raises(UsageError, match=r"has the weights at step 5 and not .* it has at 8;"):
        training((tmp_path / "a.nc", 5))
    with pytest.raises(UsageError, match="recorded with sgd and 1 buffers, adam here has 2"):
        training(tmp_path / "a.nc", optimizer="adam", momentum=0)
    with pytest.raises(UsageError, match="init is 'xavier', and start brings weights"):
        training(tmp_path / "a.nc", init="xavier")
    with pytest.raises(UsageError, match=r"a\.nc lacks 4\.weight"):
        Training("mlp:4-5-3-3", "iris", lr=0.1, momentum=0.9, start=tmp_path / "a.nc")
    nndyn.record(first, tmp_path / "b.nc", steps=8, replicas=1, state="phase").close()
    with pytest.raises(UsageError, match="has no state at step 9; it has 9 from 0 to 8"):
        training((tmp_path / "b.nc", 9))
    with nndyn.open(tmp_path / "a.nc") as other:
        other.attrs["manifest"] = json.dumps({"system": {"kind": "map"}, "recording": {}})
        with pytest.raises(UsageError, match=r"is no recording of a nndyn\.Training"):
            training(other)
    with pytest.raises(UsageError, match=r"a\.nc"):
        nndyn.record(training(tmp_path / "a.nc"), tmp_path / "a.nc", steps=3, overwrite=True)
