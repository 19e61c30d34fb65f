"""What a watched training loop leaves: its states, in a recording that every analyzer reads."""

import copy
import gc
import os
import subprocess
import sys
import warnings
import weakref

import numpy as np
import pytest
import torch
from torch import nn

import nndyn
from nndyn.errors import DataError, StoreError, UsageError
from nndyn.store import Writer, verify
from tests.recorders.watched import Trained, X, Y


@pytest.mark.parametrize("every", [1, 3])
def test_states_and_step_lengths_are_those_of_the_loop(tmp_path, every):
    path, loop = tmp_path / "run.nc", Trained()
    with nndyn.watch(loop.model, loop.optimizer, path, every=every):
        loop.run(31)
    states = np.array(loop.states)
    with nndyn.open(path) as run:
        assert run.attrs["status"] == "complete"
        times = run["time"].values.astype(int)
        np.testing.assert_array_equal(times, np.arange(0, 32, every))
        np.testing.assert_array_equal(run["state"][:, 0], states[times])
        lengths = np.linalg.norm(np.diff(states.astype(float), axis=0), axis=1)
        expected = np.r_[0.0, lengths[times[1:] - 1]]
        np.testing.assert_allclose(run["step_length"][:, 0], expected, rtol=1e-6)
        assert run["parameter_name"].values.tolist() == list(dict(loop.model.named_parameters()))
        assert run.nndyn.layer("3.weight").sizes["component"] == 24
    assert verify(path).problems == ()


@pytest.mark.parametrize("every", [1, 4])
def test_a_watched_training_has_the_bits_of_an_unwatched_one(tmp_path, every):
    plain = Trained().run(25)
    left = torch.get_rng_state()
    loop, seen = Trained(), []
    logger = lambda numbers, step: seen.append((step, numbers))  # noqa: E731
    with nndyn.watch(loop.model, loop.optimizer, tmp_path / "run.nc", every=every, logger=logger):
        loop.run(25)
    np.testing.assert_array_equal(np.array(loop.states), np.array(plain.states))
    assert torch.equal(torch.get_rng_state(), left)
    states = np.array(plain.states, dtype=float)
    assert [step for step, _ in seen] == list(range(0, 26, every))
    for step, numbers in seen:
        expected = {
            "weight_norm": np.linalg.norm(states[step]),
            "step_length": np.linalg.norm(states[step] - states[max(step - 1, 0)]),
            "distance": np.linalg.norm(states[step] - states[0]),
        }
        assert numbers.keys() == expected.keys()
        for name, value in expected.items():
            assert type(numbers[name]) is float
            assert numbers[name] == pytest.approx(value, rel=1e-6)


def test_numbers_stand_at_the_steps_they_are_of(tmp_path):
    path, loop = tmp_path / "run.nc", Trained()
    losses, accuracies = [], {}
    with nndyn.watch(loop.model, loop.optimizer, path, every=5) as watching:
        watching.log(test_accuracy=0.125)
        for t in range(1, 24):
            losses.append(float(loop.step().detach()))
            watching.log(loss=losses[-1])
            if t % 4 == 0:
                accuracies[t] = float(loop.accuracy())
                watching.log(test_accuracy=accuracies[t], val_f1=t, training_loss=2.0 * t)
            if t == 8:
                watching.log(test_loss=8.0, metric_auc=torch.tensor([0.25]))
    with nndyn.open(path) as run:
        assert run["batch_time"].values.tolist() == list(range(21))  # up to the last state
        np.testing.assert_array_equal(run["batch_loss"][:, 0], losses[:21])
        assert run["evaluation_time"].values.tolist() == [0, 4, 8, 12, 16, 20]
        np.testing.assert_array_equal(run["test_accuracy"][:, 0], [0.125, *accuracies.values()])
        np.testing.assert_array_equal(run["loss"][:, 0], [np.nan, 8, 16, 24, 32, 40])
        np.testing.assert_array_equal(run["metric_val_f1"][:, 0], [np.nan, 4, 8, 12, 16, 20])
        for name, value in (("test_loss", 8.0), ("metric_auc", 0.25)):
            np.testing.assert_array_equal(run[name][:, 0], [np.nan, np.nan, value] + [np.nan] * 3)
            assert run[name].attrs["comment"] == "NaN where it was not logged"
    assert verify(path).problems == ()
    assert os.listdir(tmp_path) == ["run.nc"]


def test_the_state_of_the_last_evaluation_is_kept_off_the_grid(tmp_path):
    path, loop = tmp_path / "run.nc", Trained()
    with nndyn.watch(loop.model, loop.optimizer, path, every=10) as watching:
        loop.run(23, watching)
        watching.log(test_accuracy=0.75)
    with nndyn.open(path) as run:
        assert run["time"].values.tolist() == [0, 10, 20, 23]
        assert run["evaluation_time"].values.tolist() == [7, 14, 21, 23]
        np.testing.assert_array_equal(run["state"][-1, 0], loop.states[23])
        apart = np.linalg.norm(np.subtract(loop.states[23], loop.states[20], dtype=float))
        assert float(run["step_length"][-1, 0]) == pytest.approx(apart / 3)
        assert "lower bound" in run["step_length"].attrs["comment"]


def test_every_analyzer_reads_it_or_says_what_it_lacks(tmp_path):
    path, loop = tmp_path / "run.nc", Trained(lr=0.05)
    with nndyn.watch(loop.model, loop.optimizer, path, every=2) as watching:
        loop.run(120, watching)
        watching.log(training_loss=1.0)
    with nndyn.open(path) as run:
        times = run["evaluation_time"].values[np.isfinite(run["test_accuracy"].values[:, 0])]
        assert len(times) < run.sizes["evaluation_time"]
        found = nndyn.learning(run, threshold=0.4)
        assert found.attrs["verdict"] == "learned"
        assert found["time"].values.tolist() == times.tolist()
        assert float(found["training_time_held"]) >= float(found["training_time"])
        assert nndyn.exploration(run).attrs["verdict"] != "unresolved"
        assert nndyn.recurrence(run).attrs["verdict"]
        for analyzer in (nndyn.lyapunov, nndyn.spectrum):
            with pytest.raises(DataError, match="no perturbed replica"):
                analyzer(run)


class Inheriting(torch.optim.SGD):
    """Steps with the step of its parent, which has hooks as well."""

    def step(self, closure=None):
        if self.fails:
            raise ValueError("no step")
        return super().step(closure)


def test_a_step_that_calls_the_step_of_its_class_is_one(tmp_path):
    path, loop = tmp_path / "run.nc", Trained()
    torch.optim.SGD(loop.model.parameters(), lr=0.1)  # its class has hooks from here on
    optimizer = Inheriting(loop.model.parameters(), lr=0.1)
    with nndyn.watch(loop.model, optimizer, path):
        for t in range(7):
            optimizer.zero_grad()
            nn.functional.cross_entropy(loop.model(X), Y).backward()
            optimizer.fails = t in (0, 3)
            if optimizer.fails:
                with pytest.raises(ValueError, match="no step"):
                    optimizer.step()
                continue
            optimizer.step()
            loop.states.append(loop.row())
    with nndyn.open(path) as run:
        assert run["time"].values.tolist() == [0, 1, 2, 3, 4, 5]
        np.testing.assert_array_equal(run["state"][:, 0], loop.states)


def test_a_step_of_several_optimizers_ends_with_the_last(tmp_path):
    path, loop = tmp_path / "run.nc", Trained()
    first = torch.optim.SGD(loop.model[0].parameters(), lr=0.1)
    last = torch.optim.Adam(loop.model[3].parameters(), lr=0.1)
    kept = [loop.row()]
    with nndyn.watch(loop.model, [first, last], path):
        for _ in range(4):
            loop.model(torch.ones(2, 4)).square().sum().backward()
            for one in (first, first, last):
                one.step()
            kept.append(loop.row())
    with nndyn.open(path) as run:
        np.testing.assert_array_equal(run["state"][:, 0], kept)
        lengths = np.linalg.norm(np.diff(np.array(kept, float), axis=0), axis=1)
        np.testing.assert_allclose(run["step_length"][1:, 0], lengths, rtol=1e-6)


class Wrapped(torch.optim.Optimizer):
    """As accelerate wraps an optimizer: without what the class would set up."""

    def __init__(self, optimizer):
        self.optimizer = optimizer

    def step(self, closure=None):
        return self.optimizer.step(closure)


def test_of_a_wrapper_the_optimizer_inside_is_watched(tmp_path):
    loop = Trained()
    with nndyn.watch(loop.model, Wrapped(loop.optimizer), tmp_path / "run.nc"):
        loop.run(5)
    with nndyn.open(tmp_path / "run.nc") as run:
        np.testing.assert_array_equal(run["state"][:, 0], loop.states)


class Mixed(nn.Module):
    """A weight twice, one that is frozen, and three types."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 3, bias=False)
        self.b = nn.Linear(3, 3, bias=False)
        self.b.weight = self.a.weight
        self.frozen = nn.Linear(3, 3).requires_grad_(False)
        self.narrow = nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
        self.turned = nn.Parameter(torch.ones(2, dtype=torch.complex64))


@pytest.mark.parametrize("wide", [False, True])
def test_weights_are_taken_once_in_the_widest_type(tmp_path, wide):
    model = Mixed()
    if wide:
        model.extra = nn.Parameter(torch.zeros(2, dtype=torch.float64))
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.SGD(named.values(), lr=0.1)
    with nndyn.watch(model, optimizer, tmp_path / "run.nc"):
        for _ in range(3):
            sum(p.abs().square().sum().double() for p in named.values()).backward()
            optimizer.step()
    with nndyn.open(tmp_path / "run.nc") as run:
        assert run["state"].dtype == (np.float64 if wide else np.float32)
        assert run["parameter_name"].values.tolist() == list(named)
        assert "a.weight" in named
        assert "b.weight" not in named
        parts = [torch.view_as_real(p) if p.is_complex() else p for p in named.values()]
        row = np.concatenate([p.detach().double().numpy().ravel() for p in parts])
        np.testing.assert_array_equal(run["state"][-1, 0], row)


def failing(loop, path, error):
    with nndyn.watch(loop.model, loop.optimizer, path):
        loop.run(7)
        raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_loop_that_fails_leaves_what_there_is(tmp_path, error):
    path, loop = tmp_path / "run.nc", Trained()
    with pytest.raises(error):
        failing(loop, path, error)
    loop.run(1)
    with nndyn.open(path) as run:
        assert run.attrs["status"] == "recording"
        np.testing.assert_array_equal(run["state"][:, 0], loop.states[:8])


def test_what_nobody_ended_is_committed_when_the_program_ends(tmp_path):
    code = (
        "import nndyn, os, sys\nfrom tests.recorders.watched import Trained, X, Y\n"
        "loop = Trained()\nnndyn.watch(loop.model, loop.optimizer, sys.argv[1])\nloop.run(9)\n"
        "if not os.fork():\n    loop.run(3)\n    os._exit(0)\nos.wait()\nloop.run(2)\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "run.nc"], check=True)
    with nndyn.open(tmp_path / "run.nc") as run:
        np.testing.assert_array_equal(run["state"][:, 0], Trained().run(9).run(2).states)


def test_nothing_is_held_once_it_is_removed(tmp_path):
    loop = Trained()
    watching = nndyn.watch(loop.model, loop.optimizer, tmp_path / "run.nc", every=2)
    copied = copy.deepcopy(loop.model)
    loop.run(5)
    watching.remove()
    watching.remove()
    assert not loop.optimizer._optimizer_step_post_hooks
    assert not loop.optimizer._optimizer_step_pre_hooks
    model = weakref.ref(loop.model)
    loop.run(3, watching)
    del loop, copied
    gc.collect()
    assert model() is None
    with nndyn.open(tmp_path / "run.nc") as run:
        assert run["time"].values.tolist() == [0, 2, 4]


def test_a_recording_that_fails_is_no_training_that_fails(tmp_path, monkeypatch):
    loop = Trained()
    with nndyn.watch(loop.model, loop.optimizer, tmp_path / "run.nc") as watching:
        loop.run(5, watching)
        watching.state_dict()

        def full(*arguments):
            raise StoreError("the disk is full")

        loop.run(1)
        monkeypatch.setattr(Writer, "append", full)
        with pytest.warns(RuntimeWarning, match="recorded no further, the training .*disk is full"):
            assert watching.state_dict()["step"] == 6
        monkeypatch.undo()
        loop.run(3, watching)
        assert watching.state_dict()["step"] == 6
    np.testing.assert_array_equal(loop.states, Trained().run(9).states)
    with nndyn.open(tmp_path / "run.nc") as run:
        assert run.sizes["time"] == 6


def test_a_new_name_that_cannot_be_written_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path, loop = tmp_path / "run.nc", Trained()

    def full(*arguments):
        raise OSError("no space")

    with nndyn.watch(loop.model, loop.optimizer, path) as watching:
        loop.run(8, watching)
        watching.state_dict()
        watching.log(test_loss=1.0)
        loop.run(1)
        monkeypatch.setattr(os, "replace", full)
        with pytest.warns(RuntimeWarning, match="recorded no further"):
            watching.state_dict()
    with nndyn.open(path) as run:
        np.testing.assert_array_equal(run["state"][:, 0], loop.states[:9])
        assert "test_accuracy" in run
        assert "test_loss" not in run
    assert verify(path).problems == ()
    assert os.listdir(tmp_path) == ["run.nc"]


def test_what_a_kill_left_of_a_file_with_a_new_name_is_removed(tmp_path):
    path, loop = tmp_path / "run.nc", Trained()
    with nndyn.watch(loop.model, loop.optimizer, path):
        loop.run(3)
    (tmp_path / ".run.nc.wider").write_bytes(path.read_bytes())
    nndyn.watch(loop.model, loop.optimizer, path, resume=True).remove()
    assert os.listdir(tmp_path) == ["run.nc"]


def test_an_error_of_the_logger_is_the_users(tmp_path):
    loop = Trained()

    def logger(numbers, step):
        if step == 3:
            raise StoreError("of the user")

    with (
        pytest.raises(StoreError, match="of the user"),
        nndyn.watch(loop.model, loop.optimizer, tmp_path / "run.nc", logger=logger),
    ):
        loop.run(5)


def test_a_training_that_diverges_ends_its_recording_and_goes_on(tmp_path):
    path, loop = tmp_path / "run.nc", Trained()
    with nndyn.watch(loop.model, loop.optimizer, path, every=2) as watching:
        loop.run(5, watching)
        with torch.no_grad():
            loop.model[0].weight[0, 0] = np.inf
        loop.run(6, watching)
    with nndyn.open(path) as run:
        assert run["time"].values.tolist() == [0, 2, 4]
        assert run["diverged_at"].values.tolist() == [6]
        assert run.attrs["status"] == "stopped"
        assert run.attrs["stop_reason"].startswith("the reference is not finite at step 6")
        assert nndyn.exploration(run).attrs["verdict"]
    assert verify(path).problems == ()


class TestBadInput:
    @pytest.fixture
    def loop(self):
        return Trained()

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"model": "mlp"}, "model is str, expected a torch.nn.Module"),
            ({"model": nn.ReLU()}, "model, a ReLU, has no parameter that requires gradients"),
            ({"model": nn.LazyLinear(2)}, "weight has no values yet; run the model once"),
            ({"model": nn.Linear(2, 2)}, "optimizer, AdamW, holds none of the model's parameters"),
            ({"optimizer": []}, "optimizer is an empty list"),
            ({"optimizer": 3}, "optimizer is int, expected a torch.optim.Optimizer"),
            ({"every": 0}, "every is 0, expected a whole number, 1 or more"),
            ({"logger": 3}, "logger is 3, expected a function"),
            ({"resume": "yes"}, "resume is 'yes', expected True or False"),
            ({"path": 3}, "path is 3, expected the name of a file"),
            ({"path": "no/run.nc"}, "folder no does not exist"),
        ],
    )
    def test_what_is_wrong_is_named(self, loop, tmp_path, changes, message):
        given = {"model": loop.model, "optimizer": loop.optimizer, "path": tmp_path / "run.nc"}
        given |= changes
        with pytest.raises(UsageError, match=message):
            nndyn.watch(given.pop("model"), given.pop("optimizer"), given.pop("path"), **given)
        assert os.listdir(tmp_path) == []
        assert not loop.optimizer._optimizer_step_post_hooks

    def test_of_several_optimizers_the_one_that_trains_nothing_is_named(self, loop, tmp_path):
        other = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1)
        with pytest.raises(UsageError, match=r"optimizer\[1\], SGD, holds none"):
            nndyn.watch(loop.model, [loop.optimizer, other], tmp_path / "run.nc")

    def test_a_file_that_is_there_is_kept(self, loop, tmp_path):
        (tmp_path / "run.nc").write_text("mine")
        with pytest.raises(UsageError, match=r"run.nc exists; .*resume=True"):
            nndyn.watch(loop.model, loop.optimizer, tmp_path / "run.nc")
        assert (tmp_path / "run.nc").read_text() == "mine"

    def test_weights_that_are_not_finite_are_refused(self, loop, tmp_path):
        with torch.no_grad():
            loop.model[0].bias[0] = np.nan
        with pytest.raises(DataError, match="is not finite"):
            nndyn.watch(loop.model, loop.optimizer, tmp_path / "run.nc")

    @pytest.mark.parametrize(
        ("numbers", "message"),
        [
            ({"loss/train": 1.0}, "cannot be called 'loss/train'"),
            ({"time": 1.0}, "cannot be called 'time'"),
            ({"loss": "low"}, "loss is 'low', expected a number"),
            ({"loss": torch.ones(2)}, r"loss is tensor.*expected a number"),
        ],
    )
    def test_what_is_no_number_is_not_logged(self, loop, tmp_path, numbers, message):
        with (
            nndyn.watch(loop.model, loop.optimizer, tmp_path / "run.nc") as watching,
            pytest.raises(UsageError, match=message),
        ):
            watching.log(**numbers)


def test_no_warning_is_given_on_the_way(tmp_path):
    loop = Trained()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with nndyn.watch(loop.model, loop.optimizer, tmp_path / "run.nc") as watching:
            loop.run(20, watching)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("every", [1, 3])
def test_weights_on_a_gpu_are_those_that_are_recorded(tmp_path, every):
    model, kept, seen = nn.Linear(300, 300).cuda(), [], []
    optimizer = torch.optim.AdamW(model.parameters())
    path = tmp_path / "run.nc"
    logger = lambda numbers, step: seen.append(numbers["distance"])  # noqa: E731
    with nndyn.watch(model, optimizer, path, every=every, logger=logger) as watching:
        for _ in range(13):
            kept.append(torch.cat([p.detach().cpu().ravel() for p in model.parameters()]).numpy())
            loss = model(torch.ones(2, 300, device="cuda")).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watching.log(loss=loss)
        kept.append(torch.cat([p.detach().cpu().ravel() for p in model.parameters()]).numpy())
    states = np.array(kept)
    with nndyn.open(path) as run:
        times = run["time"].values.astype(int)
        np.testing.assert_array_equal(run["state"][:, 0], states[times])
        lengths = np.linalg.norm(np.diff(states.astype(float), axis=0), axis=1)
        np.testing.assert_allclose(run["step_length"][1:, 0], lengths[times[1:] - 1], rtol=1e-6)
        apart = np.linalg.norm((states[times] - states[0]).astype(float), axis=1)
        np.testing.assert_allclose(seen, apart, rtol=1e-6)
        assert np.isfinite(run["batch_loss"].values).all()
