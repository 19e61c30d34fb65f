"""Batches as a function of time: drawn an epoch at a time from random streams of their own."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset

from nndyn.checks import whole
from nndyn.errors import DataError, UsageError
from nndyn.systems.training.torch_state.randomness import step_key
from nndyn.systems.training.torch_state.streams import epoch_key, kept, put_back, seed_all

#: Batches that are kept for who goes back in time, in bytes.
_KEPT_BYTES = 256 * 2**20
#: What an epoch gives after its last batch.
_END = object()


class Batches:
    """Batches by time.

    Parameters
    ----------
    source : DataLoader, Dataset or iterable
        Gone through once an epoch. A Dataset with a length gives its items in order, each as one
        batch.
    seed : int
    steps_per_epoch : int, optional
        Batches of an epoch; those that `source` says it has, unless given. Without a number an
        epoch ends where `source` does.

    Raises
    ------
    UsageError
        If `source` cannot be gone through more than once.
    """

    def __init__(self, source: Any, seed: int, steps_per_epoch: int | None = None) -> None:
        if isinstance(source, Iterator):
            raise UsageError(
                f"batches is {type(source).__name__}, which can be gone through once; give what "
                "makes one, such as a DataLoader, a list, or an object with __iter__"
            )
        if not isinstance(source, Iterable) and not hasattr(source, "__getitem__"):
            raise UsageError(
                f"batches is {source!r}, expected a DataLoader, a Dataset, or an iterable"
            )
        self._source, self._seed = source, seed
        length = _length(source)
        if length is not None and steps_per_epoch is not None and length < steps_per_epoch:
            raise UsageError(f"steps_per_epoch is {steps_per_epoch}, batches has {length}")
        self.steps_per_epoch = length if steps_per_epoch is None else steps_per_epoch
        self._drawn: Iterator[Any] | None = None
        self._epoch, self._index, self._next = 0, 0, 0
        self._streams = kept()
        self._states = [generator.get_state() for generator in _generators(source)]
        self._hash = hashlib.sha256()
        #: Batch, digest and bytes by time, ascending; and their bytes in all.
        self._kept: dict[int, tuple[Any, str, int]] = {}
        self._bytes = 0

    def at(self, t: int) -> Any:
        """Return the batch of the step from time `t`; not to be changed."""
        if t not in self._kept:
            if t < self._next:
                self._clear()
            length = self.steps_per_epoch
            epoch = t // length if length else 0
            if self._drawn is None or t < self._next or epoch > self._epoch:
                self._begin(epoch, at=epoch * (length or 0))
            while self._next <= t:
                self._draw()
        return self._kept[t][0]

    def epoch(self, number: int) -> list[Any]:
        """Draw all batches of an epoch at once; they are not kept."""
        self._clear()
        self._begin(number, at=number * (self.steps_per_epoch or 0))
        assert self._drawn is not None
        with self._own_streams():
            found = list(itertools.islice(self._drawn, self.steps_per_epoch))
        self._drawn = None
        return found

    @property
    def label(self) -> str:
        """What they are, for people."""
        return type(self._source).__name__

    def first(self, count: int) -> list[str]:
        """Draw the first epoch's first batches anew, up to so many, and return their digests."""
        count = min(count, self.steps_per_epoch or count)
        self._clear()
        self._begin(0, at=0)
        for _ in range(count):
            self._draw()
        return [self._kept[t][1] for t in sorted(self._kept)]

    def digest(self, t: int) -> str:
        """Return the digest of the batches of the epoch of time `t` before that time."""
        if t == 0 or (self.steps_per_epoch and t % self.steps_per_epoch == 0):
            return ""
        self.at(t - 1)
        return self._kept[t - 1][1]

    def forget(self, before: int) -> None:
        """Let go of the batches before a time, but for some that are small."""
        while self._bytes > _KEPT_BYTES and (t := next(iter(self._kept))) < before - 1:
            self._bytes -= self._kept.pop(t)[2]

    def _clear(self) -> None:
        self._kept.clear()
        self._bytes = 0

    @contextmanager
    def _own_streams(self) -> Iterator[list[torch.Generator]]:
        """Draw from streams of these batches' own, and give the source its generators."""
        generators = _generators(self._source)
        before, given = kept(), [generator.get_state() for generator in generators]
        try:
            put_back(self._streams)
            for generator, state in zip(generators, self._states, strict=True):
                generator.set_state(state)
            yield generators
            self._streams = kept()
            self._states = [generator.get_state() for generator in generators]
        finally:
            put_back(before)
            for generator, state in zip(generators, given, strict=True):
                generator.set_state(state)

    def _begin(self, epoch: int, at: int) -> None:
        """Begin an epoch, the first batch of which is that of the time `at`."""
        with self._own_streams() as generators:
            number = epoch_key(self._seed, epoch)
            for generator in generators:
                generator.manual_seed(number)
            for sampler in _samplers(self._source):
                if callable(set_epoch := getattr(sampler, "set_epoch", None)):
                    set_epoch(epoch)
            seed_all(number)
            self._drawn = _gone_through(self._source)
        self._epoch, self._index, self._next = epoch, 0, at
        self._hash = hashlib.sha256()

    def _draw(self) -> None:
        """Draw the next batch, of the next epoch where the source is at the end of this one."""
        assert self._drawn is not None
        with self._own_streams():
            batch = next(self._drawn, _END)
        if batch is _END:
            self._end()
            return
        size = update(self._hash, batch)
        self._kept[self._next] = (batch, self._hash.hexdigest()[:16], size)
        self._bytes += size
        self._next += 1
        self._index += 1

    def _end(self) -> None:
        """Go on with the next epoch, where the source has come to the end of this one."""
        if self._index == 0:
            raise DataError(f"batches has none in epoch {self._epoch}: nothing to go through")
        if self.steps_per_epoch:
            raise DataError(
                f"batches ended after {self._index} in epoch {self._epoch}, expected "
                f"{self.steps_per_epoch}; give `steps_per_epoch`"
            )
        self._begin(self._epoch + 1, at=self._next)


def replay(
    batches: Any = None, *, seed: int = 0, start: int = 0, steps_per_epoch: int | None = None
) -> Iterator[tuple[int, Any]]:
    """Go through batches for ever as `nndyn.Loop` does, its random numbers included.

    ``for t, batch in nndyn.replay(batches): step(batch)`` is the plain loop that a `nndyn.Loop`
    of the same `step`, `batches` and `seed` iterates, bit for bit.

    Parameters
    ----------
    batches : DataLoader, Dataset or iterable, optional
        Gone through once an epoch; see `nndyn.Loop`. Without any the batch is None.
    seed : int, default 0
    start : int, default 0
        The time to begin at.
    steps_per_epoch : int, optional
        As of `nndyn.Loop`.

    Returns
    -------
    iterator of (int, batch)
        Times and batches of the steps from there. Before one is handed over, torch, numpy and
        Python are seeded by (`seed`, `t`); batches are drawn from streams of their own, seeded by
        (`seed`, epoch).

    Raises
    ------
    UsageError
        If `batches` cannot be gone through more than once, or a number is none.
    DataError
        If an epoch has fewer batches than its length says.
    """
    seed, start = whole("seed", seed, 0), whole("start", start, 0)
    if steps_per_epoch is not None:
        steps_per_epoch = whole("steps_per_epoch", steps_per_epoch, 1)
    source = None if batches is None else Batches(batches, seed, steps_per_epoch)
    return _replayed(source, seed, start)


def _replayed(source: Batches | None, seed: int, t: int) -> Iterator[tuple[int, Any]]:
    while True:
        batch = None
        if source is not None:
            batch = own(source.at(t))
            source.forget(t)
        seed_all(step_key(seed, t))
        yield t, batch
        t += 1


def own(batch: Any) -> Any:
    """Return a copy of a batch: tensors and arrays copied, what holds them rebuilt."""
    if isinstance(batch, torch.Tensor):
        return batch.clone()
    if isinstance(batch, np.ndarray):
        return batch.copy()
    if isinstance(batch, tuple):
        items = [own(item) for item in batch]
        return type(batch)(*items) if hasattr(batch, "_fields") else type(batch)(items)
    if type(batch) in (list, dict):
        return (
            [own(item) for item in batch]
            if isinstance(batch, list)
            else {name: own(item) for name, item in batch.items()}
        )
    return copy.deepcopy(batch)


def update(hasher: Any, batch: Any) -> int:
    """Add a batch to a digest, and return its bytes."""
    if isinstance(batch, torch.Tensor):
        flat = batch.detach().cpu().contiguous().reshape(-1)
        hasher.update(f"{batch.dtype}{tuple(batch.shape)}".encode())
        hasher.update(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
        return flat.numel() * flat.element_size()
    if isinstance(batch, np.ndarray) and batch.dtype != object:
        hasher.update(f"{batch.dtype}{batch.shape}".encode())
        hasher.update(np.ascontiguousarray(batch).tobytes())
        return batch.nbytes
    if isinstance(batch, Mapping):
        return sum(update(hasher, str(name)) + update(hasher, v) for name, v in batch.items())
    if isinstance(batch, (list, tuple)):
        hasher.update(f"{len(batch)}".encode())
        return sum(update(hasher, item) for item in batch)
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        return update(hasher, {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)})
    if batch is None or isinstance(batch, (str, bytes, bool, int, float, complex, np.generic)):
        hasher.update(repr(batch).encode())
    elif hasattr(batch, "__dict__"):
        return update(hasher, vars(batch))
    return 64


def _length(source: Any) -> int | None:
    """Return how many batches an epoch has, where the source says so."""
    try:
        length = len(source)
    except (TypeError, NotImplementedError):
        return None
    if length == 0:
        raise UsageError("batches is empty")
    return int(length)


def _gone_through(source: Any) -> Iterator[Any]:
    if getattr(source, "persistent_workers", False):
        # new workers, which the source does not know: those it has would go on with their own
        # random numbers, and whoever goes through it meanwhile would begin these anew
        drawn: Iterator[Any] = source._get_iterator()
        return drawn
    if isinstance(source, Dataset) and not isinstance(source, IterableDataset):
        return (source[i] for i in range(len(source)))  # type: ignore[arg-type]
    return iter(source)


def _samplers(source: Any) -> list[Any]:
    """Return what orders the samples of a DataLoader, and itself."""
    batch_sampler = getattr(source, "batch_sampler", None)
    found = (
        source,
        getattr(source, "dataset", None),
        getattr(source, "sampler", None),
        batch_sampler,
        getattr(batch_sampler, "sampler", None),
    )
    each = {id(one): one for one in found if one is not None}
    return list(each.values())


def _generators(source: Any) -> list[torch.Generator]:
    found = [getattr(one, "generator", None) for one in _samplers(source)]
    return [one for one in found if isinstance(one, torch.Generator)]
