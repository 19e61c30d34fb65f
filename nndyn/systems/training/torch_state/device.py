"""Device of a run, and the transfer of its results to the host."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils import deterministic

from nndyn.checks import choice
from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.options import CHOICES
from nndyn.systems.spelling import canonical
from nndyn.words.names import did_you_mean

Tensor = torch.Tensor

DTYPES = {"float64": torch.float64, "float32": torch.float32}


def precision(dtype: Any) -> tuple[np.dtype[Any], torch.dtype]:
    """Return a dtype as numpy and as torch know it.

    Returns
    -------
    numpy.dtype, torch.dtype

    Raises
    ------
    UnknownNameError
        If it is neither float64 nor float32.
    """
    name = canonical(dtype)
    choice("dtype", name, DTYPES)
    return np.dtype(name), DTYPES[name]


def check(device: str | torch.device) -> torch.device:
    """Return `device` as torch knows it.

    Parameters
    ----------
    device : str or torch.device
        ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    torch.device

    Raises
    ------
    UsageError
        If there is no such device on this machine.
    """
    try:
        found = torch.device(canonical(device))
    except (RuntimeError, TypeError):
        found = None
    if found is None or found.type not in ("cpu", "cuda"):
        meant = did_you_mean(device, CHOICES["device"])
        raise UsageError(f"device is {str(device)!r}, expected 'cpu', 'cuda' or 'cuda:N'{meant}")
    if found.type == "cpu":
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise UsageError(
            f"device is {str(device)!r} and torch {torch.__version__} sees no GPU here; use 'cpu'"
        )
    index = torch.cuda.current_device() if found.index is None else found.index
    if index >= count:
        raise UsageError(f"device is {str(device)!r}; there are {count}, counted from cuda:0")
    # read when the library of matrix products starts; without it its sums are not repeatable
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda", index)


def describe(device: torch.device) -> str:
    """Return the name that goes into a recording: cpu, or the model of the GPU."""
    return "cpu" if device.type == "cpu" else f"cuda ({torch.cuda.get_device_name(device)})"


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Ask torch for deterministic algorithms and full precision on a GPU; no change on the CPU.

    Where an operation has no deterministic algorithm torch warns, with its name.
    """
    if device.type == "cpu":
        yield
        return
    asked = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = deterministic
    filled = memory.fill_uninitialized_memory
    benchmark = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=True)
    # else every new tensor is filled with NaN: a pass over memory that nobody reads
    memory.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    try:
        with _full_precision():
            yield
    finally:
        torch.use_deterministic_algorithms(asked, warn_only=only_warns)
        memory.fill_uninitialized_memory = filled
        torch.backends.cudnn.benchmark = benchmark


@contextmanager
def _full_precision() -> Iterator[None]:
    """Have products and convolutions of float32 computed in float32, not in TF32.

    torch has two sets of switches since version 2.9. The old ones set both and warn, once; they
    cannot be read where the user has set a new one.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    old: tuple[Any, ...] = (matmul, cudnn)
    new = [p for p in (matmul, getattr(cudnn, "conv", None), getattr(cudnn, "rnn", None)) if p]
    new = [part for part in new if hasattr(part, "fp32_precision")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = [part.fp32_precision for part in new]
        allowed = [_allowed(part) for part in old]
        for part in old:
            part.allow_tf32 = False
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for part, was in zip(old, allowed, strict=True):
                if was is not None:
                    part.allow_tf32 = was
            for part, precision in zip(new, before, strict=True):
                part.fp32_precision = precision


def _allowed(part: Any) -> bool | None:
    """Return whether TF32 is allowed, None where torch does not tell by its old switch."""
    try:
        return bool(part.allow_tf32)
    except RuntimeError:
        return None


def on_host(*tensors: Tensor) -> list[Array]:
    """Return tensors as arrays: by one copy from a GPU, with the same memory on the CPU.

    Parameters
    ----------
    *tensors : torch.Tensor

    Returns
    -------
    list of numpy.ndarray
    """
    if not any(tensor.is_cuda for tensor in tensors):
        return [tensor.numpy() for tensor in tensors]
    return unpacked(packed(tensors).cpu(), tensors)


def packed(tensors: Sequence[Tensor]) -> Tensor:
    """Return the bytes of tensors, one after the other, each beginning at a multiple of 8."""
    flat = [tensor.contiguous().flatten().view(torch.uint8) for tensor in tensors]
    return torch.cat([torch.nn.functional.pad(part, (0, -len(part) % 8)) for part in flat])


def unpacked(whole: Tensor, like: Sequence[Tensor]) -> list[Array]:
    """Return the arrays whose bytes `packed` has put together, in the shapes of `like`."""
    found, start, memory = [], 0, whole.numpy()
    for tensor in like:
        size = tensor.numel() * tensor.itemsize
        values = torch.from_numpy(memory[start : start + size]).view(tensor.dtype)
        found.append(values.view(tensor.shape).numpy())
        start += size + -size % 8
    return found


class Snapshots:
    """States on their way to the host.

    From a GPU they go into pinned memory on a stream of their own, while the next steps compute.

    Parameters
    ----------
    runs, count, replicas, width : int
        M, states to keep, R, numbers a state.
    like : torch.Tensor
        Gives dtype and device.
    """

    def __init__(self, runs: int, count: int, replicas: int, width: int, like: Tensor) -> None:
        self._cuda = like.is_cuda
        shape = (runs, count, replicas, width)
        self._host = torch.empty(shape, dtype=like.dtype, pin_memory=self._cuda and count > 0)
        self._count = 0
        if self._cuda:
            self._stream = torch.cuda.Stream(like.device)  # type: ignore[no-untyped-call]
            self._staged: list[Tensor] = []
            self._done: list[torch.cuda.Event] = []

    def keep(self, rows: Tensor) -> None:
        """Copy the next state ``(M·R, width)``; the caller may overwrite it at once."""
        runs, _, replicas, width = self._host.shape
        target = self._host[:, self._count]
        rows = rows.reshape(runs, replicas, width)
        slot = self._count % 2
        self._count += 1
        if not self._cuda:
            target.copy_(rows)
            return
        if len(self._staged) < 2:
            self._staged.append(torch.empty_like(rows, memory_format=torch.contiguous_format))
            self._done.append(torch.cuda.Event())  # type: ignore[no-untyped-call]
        else:
            torch.cuda.current_stream(rows.device).wait_event(self._done[slot])
        self._staged[slot].copy_(rows)
        self._stream.wait_stream(torch.cuda.current_stream(rows.device))
        with torch.cuda.stream(self._stream):
            for m in range(runs):  # a run's part is one piece of host memory: a plain copy
                target[m].copy_(self._staged[slot][m], non_blocking=True)
            self._done[slot].record(self._stream)

    def host(self) -> Tensor:
        """Return ``(M, count, R, width)`` on the host, once all copies are done."""
        if self._cuda:
            self._stream.synchronize()
        return self._host
