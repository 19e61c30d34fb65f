"""A training function of the user's, called for every replica, and what that leaves."""

import json
import os
import random
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import optimizer as hooks

import nndyn
from nndyn.errors import UsageError
from nndyn.store import verify
from nndyn.validity import validate
from tests.recorders.twinned import Plain, X, Y, network, row, simple


@pytest.fixture(autouse=True)
def _no_hook_is_left():
    yield
    assert not hooks._global_optimizer_pre_hooks
    assert not hooks._global_optimizer_post_hooks


def test_a_plain_loop_has_a_control_of_zero_and_the_bits_of_the_untouched_loop(tmp_path):
    path, model, train, plain = tmp_path / "run.nc", network(), Plain(200), Plain(200)
    torch.manual_seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    weights = row(model)
    with nndyn.twins(train, model, path, replicas=2) as run:
        np.testing.assert_array_equal(row(model), weights)
        assert torch.equal(torch.get_rng_state(), before[0])
        np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
        assert random.getstate() == before[2]
        plain(model)
        states = run["state"].values
        assert run["time"].values.tolist() == list(range(201))
        assert run["role"].values.tolist() == [0, 1, 1, 2]
        np.testing.assert_array_equal(states[:, 0], plain.calls[0])
        np.testing.assert_array_equal(run["distance_l2"].values[:, 3], np.zeros(201))
        made = np.array(train.calls)[[1, 2, 3, 0]].swapaxes(0, 1)
        np.testing.assert_array_equal(states, made)
        apart = np.linalg.norm(made - made[:, :1], axis=2)
        np.testing.assert_allclose(run["distance_l2"], apart, rtol=1e-12)
        steps = np.linalg.norm(np.diff(made, axis=0), axis=2)
        np.testing.assert_allclose(run["step_length"][1:], steps, rtol=1e-12)
        assert nndyn.lyapunov(run).attrs["verdict"]
        manifest = json.loads(run.attrs["manifest"])
        assert manifest["system"]["optimizer"] == "AdamW"
        assert [one["name"] for one in manifest["joined"]] == [
            "reference",
            "copy 1",
            "copy 2",
            "control",
        ]
        assert manifest["notes"] == []
        validate(run)
    assert verify(path).problems == ()
    assert os.listdir(tmp_path) == ["run.nc"]


def test_perturbations_are_those_of_record(tmp_path):
    system = nndyn.Training(network(), (X, Y), lr=0.1)
    options = {"replicas": 2, "epsilon": 1e-6, "seed": 4}
    with (
        nndyn.record(system, tmp_path / "r.nc", steps=3, **options) as recorded,
        nndyn.twins(simple(3), network(), tmp_path / "t.nc", **options) as run,
    ):
        np.testing.assert_array_equal(run["state"][0], recorded["state"][0])
        np.testing.assert_array_equal(run["perturbation"], recorded["perturbation"])
        names = run["parameter"].values.astype(str)
        biased = np.char.find(names, "bias") >= 0
        assert not np.any(run["state"].values[0, 1, biased] - run["state"].values[0, 0, biased])


@pytest.mark.parametrize("every", [1, 4])
def test_a_call_is_ended_after_so_many_steps(tmp_path, every):
    ends = []

    def train(model):
        try:
            Plain(10**9)(model)
        except Exception:
            ends.append("caught")
        finally:
            ends.append("left")

    with nndyn.twins(train, network(), tmp_path / "r.nc", replicas=1, steps=12, every=every) as run:
        assert run["time"].values.tolist() == list(range(0, 13, every))
        assert float(run["distance_l2"][-1, -1]) == 0.0
        whole = Plain(12)
        torch.manual_seed(0)
        whole(network())
        np.testing.assert_array_equal(run["state"][:, 0], whole.calls[0][::every])
        lengths = np.linalg.norm(np.diff(whole.calls[0], axis=0), axis=1)[every - 1 :: every]
        np.testing.assert_allclose(run["step_length"][1:, 0], lengths, rtol=1e-12)
    assert ends == ["left"] * 3


def test_what_makes_another_error_of_the_end_does_not_fail(tmp_path):
    def train(model):
        try:
            simple(9)(model)
        except BaseException as error:
            raise RuntimeError("training was interrupted") from error

    with nndyn.twins(train, network(), tmp_path / "r.nc", replicas=1, steps=5) as run:
        assert run.sizes["time"] == 6


def two(model, order):
    """Train the layers with an optimizer each."""
    made = [torch.optim.SGD(model[0].parameters(), lr=0.1)]
    made.append(torch.optim.AdamW(model[3].parameters(), lr=0.01))
    for t in range(6):
        for i in order:
            if i == 1 and t % 2 == 0:
                continue
            model.zero_grad()
            nn.functional.cross_entropy(model(X), Y).backward()
            made[i].step()


@pytest.mark.parametrize(
    ("boundary", "times"),
    [
        (torch.optim.SGD, 7),
        (torch.optim.AdamW, 4),
        (lambda optimizer: True, 10),
        (lambda optimizer: isinstance(optimizer, torch.optim.SGD), 7),
    ],
)
def test_of_several_optimizers_the_boundary_ends_a_step(tmp_path, boundary, times):
    def train(model):
        two(model, (0, 1))

    path = tmp_path / "r.nc"
    with nndyn.twins(train, network(), path, replicas=1, boundary=boundary) as run:
        assert run.sizes["time"] == times
        assert json.loads(run.attrs["manifest"])["system"]["optimizer"] == "SGD and AdamW"
        last = network()
        train(last)
        if times != 4:
            np.testing.assert_array_equal(run["state"][0, 0], row(network()))
        if times == 10:
            np.testing.assert_array_equal(run["state"][-1, 0], row(last))


def test_optimizers_of_other_models_do_not_count(tmp_path):
    other = network(7)

    def train(model):
        beside = torch.optim.SGD(other.parameters(), lr=0.1)
        simple(3)(model)
        for _ in range(5):
            beside.step()
        simple(3)(nn.Sequential(nn.Linear(4, 3)).double())

    with nndyn.twins(train, network(), tmp_path / "r.nc", replicas=1) as run:
        assert run.sizes["time"] == 4


def test_weights_are_those_that_the_first_step_finds(tmp_path):
    def train(model):
        model[0].requires_grad_(False)
        model.append(nn.Linear(3, 3).double())
        simple(4)(model)

    with nndyn.twins(train, network(), tmp_path / "r.nc", replicas=1, every=2) as run:
        names = ["3.weight", "3.bias", "4.weight", "4.bias"]
        assert run["parameter_name"].values.tolist() == names
        apart = np.abs(run["state"].values[0, 1] - run["state"].values[0, 0])
        assert apart[:24].all() and not apart[24:].any()  # noqa: PT018


def test_runs_of_unequal_length_are_cut_to_the_shortest_and_said(tmp_path):
    calls = []

    def train(model):
        calls.append(1)
        simple(12 if len(calls) == 3 else 20)(model)

    with pytest.warns(UserWarning, match="21 times were cut to the 13 of the shortest, copy 1"):
        run = nndyn.twins(train, network(), tmp_path / "r.nc", replicas=2)
    assert run.sizes["time"] == 13
    assert "were cut" in json.loads(run.attrs["manifest"])["notes"][0]
    run.close()


def test_no_copy_trains_longer_than_the_reference(tmp_path):
    made = []

    def train(model):
        made.append(0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(5 + 5 * (len(made) > 2)):
            nn.functional.cross_entropy(model(X), Y).backward()
            optimizer.step()
            made[-1] += 1

    nndyn.twins(train, network(), tmp_path / "r.nc", replicas=2).close()
    assert made == [5, 5, 5, 5]


def test_where_the_reference_diverges_the_recording_ends(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        run = nndyn.twins(cubic(0), lone(3.0), tmp_path / "r.nc", replicas=2, epsilon=1e-3)
    assert run.attrs["status"] == "stopped"
    assert "the reference, reference, is not finite from step" in run.attrs["stop_reason"]
    assert np.isfinite(run["state"].values[:, 0]).all()
    assert np.isfinite(run["step_length"].values[:, 0]).all()
    run.close()


def test_a_copy_that_diverges_goes_on_as_nan_and_ends_no_other(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        run = nndyn.twins(cubic(1), lone(1.0), tmp_path / "r.nc", replicas=3, epsilon=1e-3)
    assert run.attrs["status"] == "complete"
    assert run.sizes["time"] == 41
    gone = run["diverged_at"].values
    assert (gone[[0, 4]] == -1).all()
    assert (gone[1:4] > 0).any() and (gone[1:4] == -1).any()  # noqa: PT018
    for r in range(5):
        end = 41 if gone[r] < 0 else gone[r]
        for name in ("state", "distance_l2", "step_length"):
            values = run[name].values[:, r].reshape(41, -1)
            assert np.isfinite(values[:end]).all(), name
            assert np.isnan(values[end:]).all(), name
    run.close()


def lone(value):
    model = nn.Module()
    model.register_parameter("w", nn.Parameter(torch.tensor([value], dtype=torch.float64)))
    return model


def cubic(unstable_at_one):
    """Return a descent on -w^4, or one that is unstable at 1: up it diverges, down it ends at 0."""

    def train(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        for _ in range(40):
            optimizer.zero_grad()
            w = model.w
            (unstable_at_one * w**2 - w**4 / (1 + unstable_at_one)).sum().backward()
            optimizer.step()

    return train


def test_networks_in_float32_need_a_perturbation_that_rounding_keeps(tmp_path):
    path, model = tmp_path / "r.nc", network().float()
    with pytest.raises(UsageError, match=r"epsilon 1e-08 is below the rounding of float32 .* use"):
        nndyn.twins(simple(3), model, path)
    assert os.listdir(tmp_path) == []

    def train(copy):
        optimizer = torch.optim.SGD(copy.parameters(), lr=0.1)
        for _ in range(3):
            nn.functional.cross_entropy(copy(X.float()), Y).backward()
            optimizer.step()

    with nndyn.twins(train, model, path, replicas=1, epsilon=1e-5) as run:
        assert run["state"].dtype == np.float32
        assert 0.5e-5 < float(run["perturbation"][1]) < 1.2e-5


def test_a_closure_that_an_optimizer_calls_as_often_as_it_likes_is_one_step(tmp_path):
    def train(model):
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)

        def closure():
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model.eval()(X), Y)
            loss.backward()
            return loss

        for _ in range(3):
            optimizer.step(closure)

    with nndyn.twins(train, network(), tmp_path / "r.nc", replicas=2) as run:
        assert run.sizes["time"] == 4
