"""Batches as a function of time, and `nndyn.replay`."""

import random
from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import nndyn
from nndyn.errors import DataError, UsageError
from nndyn.systems.training.batches.drawn import Batches
from tests.nndyn.systems.training.loop import loops


class Stream(IterableDataset):
    """Without a length, of another one in every epoch."""

    def __iter__(self):
        for _ in range(int(torch.randint(2, 6, ()))):
            yield torch.randn(3)


class Epochs(torch.utils.data.RandomSampler):
    """Ordered by the epoch that it is told."""

    epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.epoch)
        return iter(torch.randperm(len(self.data_source), generator=generator).tolist())


def numbered():
    return TensorDataset(torch.arange(20.0))


SOURCES = {
    "shuffled": lambda: DataLoader(numbered(), 3, shuffle=True),
    "a generator of its own": lambda: DataLoader(
        numbered(), 3, shuffle=True, generator=torch.Generator().manual_seed(5)
    ),
    "dropped": lambda: DataLoader(numbered(), 3, shuffle=True, drop_last=True),
    "a sampler": lambda: DataLoader(numbered(), 4, sampler=Epochs(numbered())),
    "augmented": lambda: DataLoader(loops.Augmented(), 12, shuffle=True),
    "workers": lambda: DataLoader(loops.Augmented(), 12, shuffle=True, num_workers=2),
    "lasting workers": lambda: DataLoader(
        loops.Augmented(), 12, shuffle=True, num_workers=2, persistent_workers=True
    ),
    "a list": lambda: [torch.ones(2), torch.zeros(3)],
    "a dataset": loops.Labelled,
    "a stream": Stream,
    "dicts": lambda: DataLoader(loops.Labelled(), 12, shuffle=True),
}


def flat(batch):
    if isinstance(batch, dict):
        batch = list(batch.values())
    if isinstance(batch, (list, tuple)):
        return np.concatenate([flat(one) for one in batch])
    return np.asarray(batch, np.float64).ravel()


@pytest.mark.parametrize("kind", SOURCES)
def test_a_batch_depends_on_time_alone(kind):
    source = Batches(SOURCES[kind](), 3)
    first = [flat(source.at(t)) for t in range(14)]
    again = Batches(SOURCES[kind](), 3)
    for t in (0, 9, 2, 13, 12, 5):  # in any order
        np.testing.assert_array_equal(flat(again.at(t)), first[t])
    assert [source.digest(t) for t in range(14)] == [again.digest(t) for t in range(14)]
    if kind not in ("a list", "a dataset", "a sampler"):
        other = Batches(SOURCES[kind](), 4)
        assert any(
            flat(other.at(t)).shape != one.shape or (flat(other.at(t)) != one).any()
            for t, one in enumerate(first)
        )


def test_epochs_differ_and_hold_everything():
    source = Batches(DataLoader(numbered(), 5, shuffle=True), 0)
    epochs = [np.concatenate([flat(source.at(t)) for t in range(s, s + 4)]) for s in (0, 4)]
    assert (epochs[0] != epochs[1]).any()
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(20.0))


def test_an_epoch_of_the_users_length_is_cut_there():
    source = Batches(DataLoader(numbered(), 5, shuffle=True), 0, 3)
    whole = Batches(DataLoader(numbered(), 5, shuffle=True), 0)
    np.testing.assert_array_equal(flat(source.at(3)), flat(whole.at(4)))
    with pytest.raises(UsageError, match="steps_per_epoch is 6, batches has 4"):
        Batches(DataLoader(numbered(), 5), 0, 6)
    with pytest.raises(DataError, match=r"batches ended after . in epoch 0, expected 9"):
        Batches(Stream(), 0, 9).at(8)


def test_batches_with_none_in_an_epoch_are_refused():
    class Nothing(IterableDataset):
        def __iter__(self):
            return iter(())

    with pytest.raises(DataError, match="batches has none in epoch 0"):
        Batches(Nothing(), 0).at(0)


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr("nndyn.systems.training.batches.drawn._KEPT_BYTES", 100)
    source = Batches([torch.ones(20)] * 50, 0)
    for t in range(40):
        source.at(t)
        source.forget(t)
    assert len(source._kept) < 5
    assert source.digest(40) == Batches([torch.ones(20)] * 50, 0).digest(40)


def test_replay_goes_on_from_any_time():
    made = SOURCES["augmented"]()
    whole = list(islice(nndyn.replay(made, seed=2), 12))
    part = list(islice(nndyn.replay(made, seed=2, start=7), 5))
    assert [t for t, _ in part] == [7, 8, 9, 10, 11]
    for (_, one), (_, other) in zip(whole[7:], part, strict=True):
        np.testing.assert_array_equal(flat(one), flat(other))


def test_replay_seeds_a_step_by_its_time_alone():
    def drawn(loop):
        return [
            (float(torch.rand(())), np.random.rand(), random.random())  # noqa: NPY002
            for _, _ in loop
        ]

    one = drawn(islice(nndyn.replay([1, 2, 3], seed=4), 6))
    torch.manual_seed(99)
    assert drawn(islice(nndyn.replay([1, 2, 3], seed=4, start=2), 4)) == one[2:]
    assert len(set(one)) == 6
    assert drawn(islice(nndyn.replay([1, 2, 3], seed=5), 6)) != one


def test_a_replayed_batch_is_the_users_own():
    tensors = [torch.zeros(3)]
    for t, batch in nndyn.replay(tensors):
        batch += 1.0
        if t == 3:
            break
    assert (tensors[0] == 0.0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed is -1"),
        ({"start": 1.5}, "start is 1.5, expected a whole number"),
        ({"batches": iter([])}, "can be gone through once"),
        ({"batches": 3}, "batches is 3, expected a DataLoader"),
    ],
)
def test_wrong_arguments_of_replay(arguments, message):
    with pytest.raises(UsageError, match=message):
        nndyn.replay(**{"batches": [1], **arguments})


def test_a_map_style_dataset_gives_its_items_in_order():
    class Items(Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return torch.tensor(float(i))

    found = [float(batch) for _, batch in islice(nndyn.replay(Items()), 7)]
    assert found == [0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0]
