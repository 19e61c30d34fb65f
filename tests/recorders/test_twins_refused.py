"""Training functions that twins cannot follow, or that do not do the same when called again."""

import itertools
import os
import re
import shutil

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import optimizer as hooks
from torch.utils.data import DataLoader, TensorDataset

import nndyn
from nndyn.errors import DataError, UsageError
from tests.recorders.twinned import Plain, X, Y, network, row, simple


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path):
    yield
    assert not hooks._global_optimizer_pre_hooks
    assert not hooks._global_optimizer_post_hooks
    assert os.listdir(tmp_path) == []


def refused(tmp_path, train, message, model=None, **options):
    """Check that twins refuse a training, in one line, and leave the model as it was."""
    model = network() if model is None else model
    before = row(model)
    with pytest.raises(UsageError, match=message) as caught:
        nndyn.twins(train, model, tmp_path / "r.nc", **{"replicas": 1, **options})
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(row(model), before)
    return str(caught.value)


def test_a_shuffle_by_a_generator_made_outside_is_named(tmp_path):
    loader = DataLoader(TensorDataset(X, Y), 16, shuffle=True, generator=torch.Generator())
    said = refused(tmp_path, Plain(9, loader), "control departs from the reference at step 1, fir")
    assert "first in 0.weight (by up to" in said
    assert "the model is given other samples" in said
    assert "loader.generator (a random generator)" in said


def test_a_shuffle_that_draws_its_seed_itself_is_seen_by_what_the_model_is_given(tmp_path):
    def train(model):
        order = np.random.default_rng()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(5):
            batch = order.permutation(64)[:16]
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X[batch]), Y[batch]).backward()
            optimizer.step()

    said = refused(tmp_path, train, "at step 1, first in 0.weight")
    assert "the model is given other samples" in said
    assert "a shuffle that is not seeded in `train`" in said


def test_an_iterator_that_goes_on_is_named(tmp_path):
    batches = itertools.cycle(torch.arange(64).split(24))

    def train(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(5):
            batch = next(batches)
            nn.functional.cross_entropy(model(X[batch]), Y[batch]).backward()
            optimizer.step()

    assert "batches (an iterator, which goes on)" in refused(tmp_path, train, "departs")


class Counting(nn.Module):
    """Counts its calls, where nobody who copies it puts them back."""

    calls = 0

    def forward(self, x):
        Counting.calls += 1
        return x * (1 + 1e-3 * Counting.calls)


class CountingItself(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x * (1 + 1e-3 * self.calls)


def test_a_counter_in_a_module_is_named_and_so_is_the_module(tmp_path):
    Counting.calls = 0
    model = network()
    model.insert(1, Counting())
    said = refused(tmp_path, simple(9), "at step 1, ", model)
    assert "it begins with the output of 1 (Counting), all before being equal" in said
    assert "Counting.calls (a value)" in said


def test_a_counter_that_is_copied_with_the_module_is_no_matter(tmp_path):
    model = network()
    model.insert(1, CountingItself())
    nndyn.twins(simple(3), model, tmp_path / "r.nc", replicas=1).close()
    (tmp_path / "r.nc").unlink()


def test_a_counter_around_the_training_is_named(tmp_path):
    count = [0, 0.0]

    def train(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for t in range(25):
            count[0] += t > 20
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + count[0])
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X), Y).backward()
            optimizer.step()

    said = refused(tmp_path, train, "at step 1, first in 0.weight")
    assert "count[0] (a value)" in said
    assert "it is the loss, the gradient or the optimizer" in said


def test_weights_that_are_drawn_elsewhere_differ_before_the_first_step(tmp_path):
    def train(model):
        with torch.no_grad():
            model[0].weight.copy_(torch.from_numpy(np.random.default_rng().random((8, 4))))
        simple(3)(model)

    said = refused(tmp_path, train, "control departs from the reference at step 0")
    assert "the weights differ before the first step" in said


def test_two_optimizers_without_a_boundary_are_named(tmp_path):
    def train(model):
        one = torch.optim.SGD(model[0].parameters(), lr=0.1)
        other = torch.optim.AdamW(model[3].parameters(), lr=0.1)
        for _ in range(3):
            nn.functional.cross_entropy(model(X), Y).backward()
            one.step()
            other.step()

    said = refused(tmp_path, train, r"two optimizers of the model, SGD \(of 2 param")
    assert "AdamW (of 2 parameters)" in said
    assert "`boundary=torch.optim.SGD`" in said
    refused(
        tmp_path, train, "boundary Adagrad is none of .*: SGD, AdamW", boundary=torch.optim.Adagrad
    )


def test_a_boundary_that_two_classes_are_is_refused(tmp_path):
    class Own(torch.optim.SGD):
        pass

    def train(model):
        for kind in (torch.optim.SGD, Own):
            nn.functional.cross_entropy(model(X), Y).backward()
            kind(model.parameters(), lr=0.1).step()

    refused(tmp_path, train, "boundary is SGD, and so are Own and SGD", boundary=torch.optim.SGD)


@pytest.mark.parametrize("copies", [0, 1])
def test_a_training_without_steps(tmp_path, copies):
    calls = []

    def train(model):
        calls.append(0)
        nn.functional.cross_entropy(model(X), Y).backward()
        if len(calls) <= 2 * copies:
            simple(2)(model)

    if not copies:
        refused(tmp_path, train, "train went backward 1 times, but made no step")
        refused(tmp_path, lambda model: None, "train made no step of an optimizer of torch.optim")
        return
    with pytest.raises(UsageError, match="made no step") as caught:
        nndyn.twins(train, network(), tmp_path / "r.nc", replicas=1)
    assert "finished runs are kept" in caught.value.__notes__[0]
    with pytest.raises(UsageError, match="go on with them"):
        nndyn.twins(train, network(), tmp_path / "r.nc", replicas=1)
    refused(tmp_path, lambda model: None, "made no step", overwrite=True)


def test_a_training_of_another_model(tmp_path):
    model = network()
    refused(tmp_path, lambda copy: simple(3)(model), "not on the copy that it is called", model)
    refused(tmp_path, lambda copy: simple(3)(network()), "steps of SGD, which holds no parameter")


def test_a_training_that_begins_with_weights_of_its_own(tmp_path):
    def train(model):
        model.load_state_dict(network(3).state_dict())
        simple(3)(model)

    refused(tmp_path, train, "nothing is left of the perturbation")
    shutil.rmtree(tmp_path / ".r.nc.parts")


def test_a_training_that_uses_the_optimizer_of_the_first_call(tmp_path):
    made = []

    def train(model):
        made.append(torch.optim.SGD(model.parameters(), lr=0.1))
        for _ in range(3):
            nn.functional.cross_entropy(model(X), Y).backward()
            made[0].step()

    refused(tmp_path, train, "steps of SGD, which holds no parameter")
    shutil.rmtree(tmp_path / ".r.nc.parts")


def test_fewer_steps_than_are_recorded(tmp_path):
    refused(tmp_path, simple(3), "train made 3 steps, every is 5", every=5)


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_step_that_a_scaler_leaves_out_of_one_run_is_refused_with_it(tmp_path, by_hand):
    calls = []

    def train(model):
        calls.append(0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        for t in range(8):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(X), Y)
            if len(calls) == 4 and t == 5:
                loss = loss * float("inf")
            if by_hand:
                loss.backward()
                if all(p.grad.isfinite().all() for p in model.parameters()):
                    optimizer.step()
            else:
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()

    model, path = network(), tmp_path / "r.nc"
    with pytest.raises(UsageError, match="step 6 of the copy 2 came after 2 backward passes, tha"):
        nndyn.twins(train, model, path, replicas=2)
    calls.clear()
    nndyn.twins(simple(2), model, path, replicas=1, overwrite=True).close()
    path.unlink()


def test_steps_left_out_alike_do_not_matter(tmp_path):
    def train(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**100)
        for t in range(9):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(X), Y)
            scaler.scale(loss * (1e300 if t in (0, 4) else 1.0)).backward()
            scaler.step(optimizer)
            scaler.update()

    with nndyn.twins(train, network(), tmp_path / "r.nc", replicas=1) as run:
        assert run.sizes["time"] == 8
    (tmp_path / "r.nc").unlink()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 3}, "train is 3, expected a function"),
        ({"train": lambda: 0}, r"train cannot be called as train\(model\): too many pos"),
        ({"model": 3}, "model is int, expected a torch.nn.Module"),
        ({"model": nn.Tanh()}, "no parameter that requires gradients"),
        ({"replicas": 0}, "replicas is 0, expected a whole number, 1 or more"),
        ({"epsilon": 0.0}, "epsilon is 0.0, expected"),
        ({"epsilon": float("nan")}, "epsilon is nan, expected"),
        ({"epsilon": 1e-17}, "epsilon 1e-17 is below the rounding of float64"),
        ({"steps": 0}, "steps is 0, expected a whole number, 1 or more"),
        ({"steps": 4, "every": 5}, "steps is 4, expected a whole number, 5 or more"),
        ({"every": 1.5}, "every is 1.5"),
        ({"seed": -1}, "seed is -1"),
        ({"boundary": 3}, "boundary is 3, expected the class of an optimizer"),
        ({"boundary": nn.Linear}, "boundary is .*Linear.*, expected the class of an optimizer"),
        ({"resume": 1}, "resume is 1, expected True or False"),
        ({"resume": True, "overwrite": True}, "exclude each other"),
        ({"path": "missing/r.nc"}, "folder .*missing does not exist"),
        ({"path": 3}, "path is 3"),
    ],
)
def test_wrong_arguments(tmp_path, options, message):
    given = {"train": simple(3), "model": network(), "path": "r.nc", **options}
    if isinstance(given["path"], str):
        given["path"] = tmp_path / given["path"]
    with pytest.raises(UsageError, match=re.compile(message)):
        nndyn.twins(**given)


def test_weights_that_are_not_finite(tmp_path):
    model = network()
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    with pytest.raises(DataError, match="not finite"):
        nndyn.twins(simple(3), model, tmp_path / "r.nc")


def test_a_model_that_cannot_be_copied(tmp_path):
    model = network()
    model.file = open(__file__)  # noqa: SIM115
    with model.file:
        refused(tmp_path, simple(3), "model, a Sequential, cannot be copied: TypeError", model)
