"""Seeds of torch's random state, as functions of (seed, t)."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def initial_key(seed: int) -> int:
    """Return the key that draws initial weights: what ``torch.manual_seed`` takes."""
    return key([seed, 0])


@functools.lru_cache(maxsize=1)  # rows that take turns ask for the same one
def step_key(seed: int, t: int) -> int:
    """Return the key of the random numbers, such as dropout masks, of the step from time `t`.

    ``torch.manual_seed(step_key(seed, t))`` before a step of a plain training loop gives every
    replica's masks.

    Parameters
    ----------
    seed : int
        Of the system.
    t : int
        Time before the step, 0 for the first.

    Returns
    -------
    int
    """
    return key([seed, 2, t])


def evaluation_key(seed: int) -> int:
    """Return the key of the random numbers of every evaluation."""
    return key([seed, 3])


def key(stream: list[int]) -> int:
    """Return a seed for torch that belongs to a stream."""
    return int(np.random.default_rng(stream).integers(2**63 - 1))


@contextmanager
def seeded(key: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed torch's generators, and give back what they were."""
    on_gpu = device is not None and device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        reseed(key, device)
        yield


def state(device: torch.device) -> torch.Tensor:
    """Return the state of the generators that `seeded` seeds."""
    found = torch.get_rng_state()
    return torch.cat([found, torch.cuda.get_rng_state(device)]) if device.type == "cuda" else found


def reseed(key: int, device: torch.device | None = None) -> None:
    """Seed the generator of the CPU and, where given, that of the GPU `device`."""
    # not torch.manual_seed, which seeds every device and forks none of them
    torch.default_generator.manual_seed(key)
    if device is not None and device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(key)
