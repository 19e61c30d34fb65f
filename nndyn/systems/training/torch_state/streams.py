"""Random state of a whole process, of torch, numpy and Python: kept, seeded and put back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from nndyn.systems.training.torch_state.randomness import key


class Streams(NamedTuple):
    """State of the generators that code draws from unless it is given one."""

    torch: torch.Tensor
    cuda: tuple[torch.Tensor, ...]
    numpy: Any
    python: Any


def kept() -> Streams:
    """Return the state of all generators."""
    cuda = tuple(torch.cuda.get_rng_state_all()) if _cuda_used() else ()
    return Streams(torch.get_rng_state(), cuda, np.random.get_state(), random.getstate())  # noqa: NPY002


def put_back(streams: Streams) -> None:
    """Set all generators to a state that was kept."""
    torch.set_rng_state(streams.torch)
    if streams.cuda:
        torch.cuda.set_rng_state_all(list(streams.cuda))
    elif _cuda_used():  # since then: where they began, with the seed that all devices have
        torch.cuda.manual_seed_all(torch.initial_seed())
    np.random.set_state(streams.numpy)  # noqa: NPY002
    random.setstate(streams.python)


def seed_all(number: int) -> None:
    """Seed all generators; numpy's takes the lower 32 bits."""
    # not torch.manual_seed, which also seeds devices that nobody uses, and takes long over it
    torch.default_generator.manual_seed(number)
    if _cuda_used():
        torch.cuda.manual_seed_all(number)
    np.random.seed(number % 2**32)  # noqa: NPY002
    random.seed(number)


def _cuda_used() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


@contextmanager
def preserved() -> Iterator[None]:
    """Put all generators back at the end."""
    before = kept()
    try:
        yield
    finally:
        put_back(before)


def epoch_key(seed: int, epoch: int) -> int:
    """Return what seeds the drawing of an epoch's batches."""
    return key([seed, 4, epoch])
