"""From a Dataset or DataLoader to the samples of a training and their order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from nndyn.checks import whole
from nndyn.errors import UsageError
from nndyn.systems.training.batches.drawn import update
from nndyn.systems.training.batches.orders import DrawnOrder, LoaderOrder
from nndyn.systems.training.torch_state.streams import kept, preserved, seed_all
from nndyn.words.text import raised

#: Bytes of items up to which they are collected.
LIMIT = 2 * 2**30
#: Items that are read twice, to see whether they are the same.
_TWICE = 64


@dataclass(frozen=True)
class Taken:
    """What is made of a Dataset or DataLoader.

    Attributes
    ----------
    arrays : tuple or dict
        All items, as `nndyn.systems.training.data.samples.from_arrays` takes them; a first batch
        where they are drawn anew.
    order : LoaderOrder or None
        Of a DataLoader; None where it is as of arrays.
    name : str
    """

    arrays: Any
    order: LoaderOrder | None
    name: str


def are(data: Any) -> bool:
    """Whether data are a Dataset or a DataLoader."""
    return isinstance(data, Dataset | DataLoader)


def taken(data: Any, *, batch_size: Any, seed: int) -> Taken:
    """Collect the items of a Dataset or DataLoader once, or let its batches be drawn.

    Parameters
    ----------
    data : Dataset or DataLoader
    batch_size : int or None
        As given beside a Dataset.
    seed : int

    Returns
    -------
    Taken

    Raises
    ------
    UsageError
        If a batch_size is given beside a DataLoader, or missing beside a Dataset whose items come
        in no number; if items fail or do not go together.

    Notes
    -----
    Collected are items of at most `LIMIT` bytes that draw nothing at random, and come in batches
    as ``default_collate`` makes them. Then every step takes rows of them: of a Dataset those of
    `Order`, of a DataLoader those that its samplers pick under `nndyn.replay`. All else is drawn
    a batch at a time by `nndyn.replay`'s own `Batches`.
    """
    name = type(data).__name__
    if isinstance(data, DataLoader):
        if batch_size is not None:
            raise UsageError(
                f"batch_size is {batch_size}, and data is a {name}, which has its own; leave it out"
            )
        return Taken(*_of_loader(data, seed), type(data.dataset).__name__)
    arrays = collected(data)
    if arrays is not None:
        return Taken(arrays, None, name)
    count = _length(data)
    if batch_size is not None:
        batch_size = whole("batch_size", batch_size, 1)
    size = count if batch_size is None else batch_size
    if size is None:
        raise UsageError(f"data is a {name} without a length; give a `batch_size`, or a DataLoader")
    shuffle = batch_size is not None and count is not None
    return Taken(*_drawn(DataLoader(data, batch_size=size, shuffle=shuffle), seed), name)


def collected(dataset: Any) -> Any:
    """Return all items of a Dataset as arrays, None where they have to be drawn.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    tuple, dict, or None
        None for items without number, of more than `LIMIT` bytes, or drawn at random.

    Raises
    ------
    UsageError
        If an item fails, or items do not go together.
    """
    count = _length(dataset)
    if count is None:
        return None
    if count == 0:
        raise UsageError("data is empty")
    items, size, first, again = [], 0, hashlib.sha256(), hashlib.sha256()
    with preserved():
        seed_all(0)
        before = _streams()
        for i in range(count):
            items.append(_item(dataset, i))
            size += update(first if i < _TWICE else hashlib.sha256(), items[-1])
            if size > LIMIT:
                return None
        if _streams() != before:
            return None
        for i in range(min(count, _TWICE)):
            update(again, _item(dataset, i))
    if first.digest() != again.digest():  # drawn from a generator of its own
        return None
    try:
        whole = default_collate(items)
    except Exception as error:
        raise UsageError(
            f"data: items of a {type(dataset).__name__} do not go together: {raised(error)}; give "
            "a DataLoader with a collate_fn"
        ) from error
    return _arrays(whole)


def _of_loader(loader: DataLoader[Any], seed: int) -> tuple[Any, LoaderOrder]:
    batched = loader.batch_sampler is not None and loader.collate_fn is default_collate
    arrays = collected(loader.dataset) if batched else None
    if arrays is None:
        return _drawn(loader, seed)
    indices = DataLoader(
        _Numbers(len(loader.dataset)),  # type: ignore[arg-type]
        batch_sampler=loader.batch_sampler,
        collate_fn=list,
        generator=loader.generator,
    )
    return arrays, LoaderOrder(indices, seed, len(loader.dataset))  # type: ignore[arg-type]


def _drawn(loader: DataLoader[Any], seed: int) -> tuple[Any, LoaderOrder]:
    order = DrawnOrder(loader, seed, _arrays)
    return order.first, order


class _Numbers(Dataset[int]):
    """The numbers of items, in place of these."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: int) -> int:
        return i


def _arrays(batch: Any) -> Any:
    """Return a batch as samples are made of it: a dict, or a tuple of inputs and targets."""
    if isinstance(batch, Mapping):
        return dict(batch)
    if isinstance(batch, tuple | list) and len(batch) > 1:
        return tuple(batch)
    what = f"{len(batch)} array" if isinstance(batch, tuple | list) else type(batch).__name__
    raise UsageError(
        f"data: a batch is {what}, expected inputs and targets (x, y), or a dict by the names of "
        "the model's arguments"
    )


def _item(dataset: Any, i: int) -> Any:
    try:
        return dataset[i]
    except Exception as error:
        raise UsageError(f"data: item {i} raises {raised(error)}") from error


def _length(dataset: Any) -> int | None:
    if isinstance(dataset, IterableDataset):
        return None
    try:
        return len(dataset)
    except (TypeError, NotImplementedError):
        return None


def _streams() -> str:
    """Return the state of all random generators, in a form that compares."""
    state = kept()
    return repr((state.torch.tolist(), state.numpy[1].tolist(), state.numpy[2:], state.python))
