"""Datasets and DataLoaders against plain loops under `nndyn.replay`, bit for bit."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
)

import nndyn
from nndyn.errors import DataError, UsageError
from nndyn.systems.training import Training
from nndyn.systems.training.batches import loaders

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(50, 4, generator=GENERATOR)
Y = (X[:, 0] > X[:, 1]).long() + (X[:, 2] > 1)
ITEMS = TensorDataset(X, Y)


class Augmented(Dataset):
    """Items with noise, drawn from torch and from a generator of its own."""

    def __init__(self, own=False):
        self.generator = np.random.default_rng(0) if own else None

    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        if self.generator is not None:
            return X[i] * float(1 + 0.1 * self.generator.random()), Y[i]
        return X[i] + 0.1 * torch.randn(4), Y[i]


def test_batches_that_are_drawn_anew_have_a_rounding_floor(tmp_path):
    loader = DataLoader(Augmented(), batch_size=10, shuffle=True)
    system = Training(nn.Linear(4, 3), loader, lr=0.1, seed=1)
    with nndyn.record(system, tmp_path / "r.nc", steps=25, replicas=1) as run:
        floor = run["rounding_distance"].values
    assert (floor[1:] > 0).all()
    assert (floor < 1e-13).all()


class Stream(IterableDataset):
    """Items in no number."""

    def __iter__(self):
        for i in torch.randperm(len(X)).tolist():
            yield X[i], Y[i]


class Named(Dataset):
    """Items by name."""

    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        return {"input": X[i], "extra": float(i), "labels": int(Y[i])}


class Own(nn.Module):
    """Takes what `Named` has."""

    def __init__(self):
        super().__init__()
        self.normal = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, input, extra, labels):
        logits = self.head(self.normal(input)) + 0.01 * extra[:, None]
        return {"loss": functional.cross_entropy(logits, labels), "logits": logits}


class Net(nn.Module):
    """With a normalisation, so that its rows are computed as by a plain loop."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, 6, bias=False),
            nn.BatchNorm1d(6),
            nn.Tanh(),
            nn.Dropout(0.1),
            nn.Linear(6, 3),
        )

    def forward(self, x):
        return self.layers(x)


def made(kind=Net):
    torch.manual_seed(1)
    return kind().double()


def cross_entropy(net, batch):
    x, y = batch
    return functional.cross_entropy(net(x.double()), y, reduction="sum") / len(y)


def returned(net, batch):
    batch["input"] = batch["input"].double()
    return net(**batch)["loss"]


def replayed(loader, loss, net, steps, seed=0):
    """The plain loop, its update in products and sums that torch's optimizers fuse."""
    weights = list(net.parameters())
    velocities = [torch.zeros_like(w) for w in weights]
    for t, batch in nndyn.replay(loader, seed=seed):
        if t == steps:
            break
        gradients = torch.autograd.grad(loss(net, batch), weights)
        with torch.no_grad():
            velocities = [0.9 * v + g for v, g in zip(velocities, gradients, strict=True)]
            for w, v in zip(weights, velocities, strict=True):
                w -= 0.1 * v
    return nn.utils.parameters_to_vector(net.parameters()).detach().numpy()


def generator(seed=9):
    return torch.Generator().manual_seed(seed)


WEIGHTS = torch.linspace(0.1, 1.0, 50)
COLLECTED = {
    "in order": lambda: DataLoader(ITEMS, batch_size=8),
    "shuffled": lambda: DataLoader(ITEMS, batch_size=8, shuffle=True),
    "a last one dropped": lambda: DataLoader(ITEMS, batch_size=8, shuffle=True, drop_last=True),
    "of a generator": lambda: DataLoader(ITEMS, batch_size=9, shuffle=True, generator=generator()),
    "by weights": lambda: DataLoader(
        ITEMS, batch_size=7, sampler=WeightedRandomSampler(WEIGHTS, 33)
    ),
    "in batches of one's own": lambda: DataLoader(
        ITEMS, batch_sampler=BatchSampler(RandomSampler(ITEMS, generator=generator()), 6, False)
    ),
    "backwards": lambda: DataLoader(ITEMS, batch_size=8, sampler=list(range(49, -1, -1))),
    "a subset": lambda: DataLoader(Subset(ITEMS, range(5, 33)), batch_size=8, shuffle=True),
    "by name": lambda: DataLoader(Named(), batch_size=8, shuffle=True),
}
DRAWN = {
    "augmented": lambda: DataLoader(Augmented(), batch_size=8, shuffle=True),
    "a stream": lambda: DataLoader(Stream(), batch_size=8),
    "collated": lambda: DataLoader(
        ITEMS,
        batch_size=8,
        shuffle=True,
        collate_fn=lambda some: default_collate(some),
    ),
    "whole batches": lambda: DataLoader(
        TensorDataset(X.reshape(10, 5, 4), Y.reshape(10, 5)), batch_size=None, shuffle=True
    ),
}


@pytest.mark.filterwarnings("ignore:model .* is not batched")
@pytest.mark.parametrize("case", [*COLLECTED, *DRAWN])
def test_a_training_is_the_plain_loop_under_replay(case):
    make = {**COLLECTED, **DRAWN}[case]
    kind, loss = (Own, returned) if case == "by name" else (Net, cross_entropy)
    system = Training(made(kind), make(), lr=0.1, momentum=0.9, seed=2)
    random = torch.get_rng_state()
    block = system.advance(system.initial()[None], 0, 20, range(20), part=slice(None))
    assert torch.equal(torch.get_rng_state(), random)
    size = system.components.stop
    expected = replayed(make(), loss, made(kind), 20, seed=2)
    np.testing.assert_array_equal(block.phase[0, :size], expected)
    # a run that goes on from any step, by another object
    again = Training(made(kind), make(), lr=0.1, momentum=0.9, seed=2)
    later = again.advance(block.states[13], 13, 7, ()).phase
    np.testing.assert_array_equal(later, block.phase)
    assert ("loss" in system.evaluations) == (case in COLLECTED)


@pytest.mark.filterwarnings("ignore:model .* is not batched")
@pytest.mark.parametrize("workers", [0, 2])
def test_workers_do_not_matter(workers):
    def make():
        return DataLoader(ITEMS, batch_size=8, shuffle=True, num_workers=workers)

    system = Training(made(), make(), lr=0.1, momentum=0.9)
    block = system.advance(system.initial()[None], 0, 9, ())
    expected = replayed(make(), cross_entropy, made(), 9)
    np.testing.assert_array_equal(block.phase[0, : len(expected)], expected)


@pytest.mark.filterwarnings("ignore:model .* is not batched")
def test_a_dataset_is_what_its_arrays_are():
    of_items = Training(made(), ITEMS, test=ITEMS, lr=0.1, batch_size=16)
    of_arrays = Training(made(), (X, Y), test=(X, Y), lr=0.1, batch_size=16)
    one, other = (
        s.advance(s.initial()[None], 0, 5, (), evaluate=[4]) for s in (of_items, of_arrays)
    )
    np.testing.assert_array_equal(one.phase, other.phase)
    assert one.evaluations.keys() == other.evaluations.keys()
    np.testing.assert_array_equal(one.evaluations["test_loss"], other.evaluations["test_loss"])
    perceptron = Training("mlp:4-5-3", DataLoader(ITEMS, batch_size=16, shuffle=True), lr=0.1)
    assert perceptron.task.concurrent  # in the pass of our own
    assert np.isfinite(perceptron.advance(perceptron.initial()[None], 0, 5, ()).phase).all()


@pytest.mark.filterwarnings("ignore:model .* is not batched")
def test_batches_that_are_drawn_are_the_same_for_all_replicas_and_recorded(tmp_path):
    def training():
        loader = DataLoader(Augmented(), batch_size=8, shuffle=True)
        return Training(made(), loader, test=(X, Y), lr=0.05, momentum=0.9)

    asked = {"replicas": 2, "tangents": 1}
    whole = nndyn.record(training(), tmp_path / "whole.nc", steps=20, **asked)
    assert (whole["distance_l2"][:, 3] == 0).all()
    assert 0 < float(whole["distance_l2"][-1, 1]) < 1e-3
    assert "loss" not in whole
    assert whole["batch_loss"].shape == (20, 4)
    assert float(whole["batch_loss"][-5:, 0].mean()) < float(whole["batch_loss"][:5, 0].mean())
    assert whole["test_accuracy"].dims[0] == "evaluation_time"
    nndyn.record(training(), tmp_path / "parts.nc", steps=9, **asked).close()
    parts = nndyn.record(training(), tmp_path / "parts.nc", steps=20, resume=True, **asked)
    for name in ("state", "tangent_log_stretch", "batch_loss", "batch_time"):
        np.testing.assert_array_equal(parts[name], whole[name])
    nndyn.record(training(), tmp_path / "half.nc", steps=10, **asked).close()
    loader = DataLoader(Augmented(), batch_size=8, shuffle=True)
    more = {"lr": 0.05, "momentum": 0.9, "start": tmp_path / "half.nc"}
    later = nndyn.record(
        Training(made(), loader, test=(X, Y), **more), tmp_path / "b.nc", steps=10, replicas=2
    )
    np.testing.assert_array_equal(later["state"][:, 0], whole["state"][10:, 0])
    with pytest.raises(UsageError, match="sharpness is of the loss over a training set"):
        nndyn.record(training(), tmp_path / "c.nc", steps=20, sharpness="every:5")


def test_other_batches_are_noticed_when_a_recording_is_resumed(tmp_path):
    def training(size):
        return Training("mlp:4-3", DataLoader(ITEMS, batch_size=size, shuffle=True), lr=0.1)

    nndyn.record(training(8), tmp_path / "a.nc", steps=5, replicas=1).close()
    with pytest.raises(UsageError, match="batch_size is 8 in the file, 9 asked"):
        nndyn.record(training(9), tmp_path / "a.nc", steps=8, replicas=1, resume=True)


def test_what_is_collected_and_what_is_drawn(monkeypatch):
    assert loaders.collected(ITEMS) is not None
    assert loaders.collected(Named()) is not None
    assert loaders.collected(Augmented()) is None
    assert loaders.collected(Augmented(own=True)) is None
    assert loaders.collected(Stream()) is None
    monkeypatch.setattr(loaders, "LIMIT", 100)
    assert loaders.collected(ITEMS) is None


def test_models_of_all_kinds_take_batches_that_are_drawn():
    for data in (Augmented(), Stream()):
        system = Training("mlp:4-5-3", data, lr=0.1, batch_size=8)
        assert system.order.size == 8
        rows = system.initial()[None].repeat(4, 0)
        rows[1:3] += 1e-9
        block = system.advance(rows, 0, 9, range(9), evaluate=[])
        np.testing.assert_array_equal(block.states[:, 0], block.states[:, 3])
        np.testing.assert_array_equal(block.states[:, 1], block.states[:, 2])
        assert block.distance_l1[-1, 1] > 0


class Failing(Dataset):
    """Fails where it is drawn later."""

    def __init__(self):
        self.taken = 0

    def __len__(self):
        return 50

    def __getitem__(self, i):
        self.taken += 1
        if self.taken > 40:
            raise OSError("gone")
        return X[i] + torch.randn(4), Y[i]


def test_a_batch_that_fails_on_the_way_is_said_with_its_step(tmp_path):
    loader = DataLoader(Failing(), batch_size=8, collate_fn=lambda some: default_collate(some))
    system = Training("mlp:4-5-3", loader, lr=0.1)
    with pytest.raises(DataError, match=r"data: the batch of step \d raises OSError: gone"):
        nndyn.record(system, tmp_path / "a.nc", steps=20, replicas=1)


class Broken(Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, i):
        raise OSError("no such image")


@pytest.mark.parametrize(
    ("data", "more", "message"),
    [
        (DataLoader(ITEMS, 8), {"batch_size": 8}, "batch_size is 8, and data is a DataLoader"),
        (DataLoader(ITEMS, 8), {"samples": 8}, "samples applies to arrays and names"),
        (Stream(), {}, "is a Stream without a length; give a `batch_size`, or a DataLoader"),
        (Broken(), {}, "data: item 0 raises OSError: no such image"),
        (Subset(ITEMS, []), {}, "data is empty"),
        (TensorDataset(X), {}, r"a batch is 1 array, expected inputs and targets"),
        (ITEMS, {"test": Augmented()}, "test draws its samples anew"),
        (Augmented(), {"batch_size": 0}, "batch_size is 0, expected a whole number, 1 or more"),
        (DataLoader(ITEMS, 8, collate_fn=len), {}, "a batch is int, expected inputs and targets"),
        (DataLoader(ITEMS, 8, collate_fn=float), {}, "the batch of step 0 raises TypeError: float"),
        (DataLoader(Augmented(), 8), {"model": "mlp:5-3"}, "4"),
    ],
)
def test_what_cannot_be_taken_is_refused(data, more, message):
    with pytest.raises((UsageError, DataError), match=message):
        Training(**{"model": "mlp:4-3", "data": data, "lr": 0.1, **more})
