"""States in files of torch and of safetensors, read without running anything that they hold."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from nndyn.errors import DataError, InstallationError, NndynError
from nndyn.numerics.arrays import Array
from nndyn.systems.checkpoints.names import natural
from nndyn.systems.checkpoints.tensors import Entry, check_any, chosen, listed
from nndyn.words.text import escaped

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"


class _Tensors:
    """Tensors by name, of which parts are read."""

    #: Tensors lie in a file that is mapped, and its pages stay in memory until it is closed.
    held = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tensors: dict[str, torch.Tensor] = {}
        self.entries: dict[str, Entry] = {}
        self.left_out: list[str] = []

    def _take(self, name: str, tensor: torch.Tensor) -> None:
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
            raise DataError(
                f"{self._path}: {escaped(name)} is no plain tensor of real numbers; save it as one"
            )
        if tensor.is_floating_point():
            self.entries[name] = Entry(
                tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")
            )
            self._tensors[name] = tensor
        else:
            self.left_out.append(name)

    def _values(self, name: str) -> torch.Tensor:
        return self._tensors[name]

    def read(self, name: str, first: int, last: int) -> Array:
        """Return numbers of a tensor in C order, (last - first,) float64 or float32."""
        part = self._values(name).reshape(-1)[first:last]
        kind = torch.float64 if part.dtype == torch.float64 else torch.float32
        values: Array = part.to(kind).numpy(force=True)
        return values

    def close(self) -> None:
        """Let go of the tensors."""
        self._tensors.clear()


class Pickled(_Tensors):
    """What `torch.save` wrote; a `nndyn.systems.checkpoints.tensors.Stored`.

    Parameters
    ----------
    path : Path
    key : str, optional
        Where in it the state is, levels separated by points.

    Raises
    ------
    DataError
        If it is no such file, needs more than tensors and containers, or which part of it is the
        state is not clear.
    """

    def __init__(self, path: Path, key: str | None = None) -> None:
        super().__init__(path)
        found = loaded(path)
        if key is not None:
            found = _at(found, key.split("."), path, key)
        if not isinstance(found, Mapping):
            what = "an object" if isinstance(found, torch.Tensor | list | tuple) else "a value"
            raise DataError(
                f"{path} holds {what} of type {type(found).__name__}, expected a state by name; "
                "save model.state_dict()"
            )
        inner = [str(name) for name, value in found.items() if _has_tensors(value)]
        if key is None and inner:
            here = any(isinstance(value, torch.Tensor) for value in found.values())
            which = (
                f"tensors of its own, and more in {', '.join(inner)}" if here else ", ".join(inner)
            )
            raise DataError(
                f"{path} has {escaped(which)}; say which one is the state with `key`, such as "
                f"`key={inner[0]!r}`"
            )
        seen: set[Any] = set()
        for name, value in _flat(found):
            if not isinstance(value, torch.Tensor):
                self.left_out.append(name)
                continue
            place = (value.data_ptr(), tuple(value.shape), value.stride(), value.dtype)
            if value.numel() and place in seen:  # weights that are tied are one
                self.left_out.append(name)
                continue
            seen.add(place)
            self._take(name, value)
        check_any(self.entries, path, [str(name) for name in found])


def loaded(path: Path) -> Any:
    """Return what a file holds, its tensors mapped."""
    try:
        with path.open("rb") as file:
            begins = file.read(4)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if begins != _ZIP and begins[:1] != _PICKLE:
        raise DataError(f"{path} is no file that torch.save wrote")
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=begins == _ZIP)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path} is a pickle that holds more than tensors, and loading it would run what it "
            "says; where you trust it, load it with torch and save the state alone: "
            "torch.save(model.state_dict(), path)"
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # of torch, zip and pickle, whatever a damaged file makes them raise
        raise DataError(f"{path} is damaged, or no file that torch.save wrote") from error


def _at(found: Any, parts: list[str], path: Path, key: str) -> Any:
    """Return what is at a key; of names with points in them the longest are tried first."""
    if not parts:
        return found
    if isinstance(found, Mapping):
        for n in range(len(parts), 0, -1):
            name = ".".join(parts[:n])
            if name in found:
                return _at(found[name], parts[n:], path, key)
        prefix = ".".join(parts) + "."
        below = {n[len(prefix) :]: v for n, v in found.items() if str(n).startswith(prefix)}
        if below:
            return below
    known = (
        listed([str(name) for name in found]) if isinstance(found, Mapping) else "it ends before"
    )
    raise DataError(f"{path} has no key {key!r}; {known}")


def _has_tensors(value: Any) -> bool:
    """Whether a value is a container with tensors anywhere in it."""
    if isinstance(value, Mapping):
        return any(isinstance(v, torch.Tensor) or _has_tensors(v) for v in value.values())
    if isinstance(value, list | tuple):
        return any(isinstance(v, torch.Tensor) or _has_tensors(v) for v in value)
    return False


def _flat(found: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        if isinstance(value, Mapping) and _has_tensors(value):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


class Safetensors(_Tensors):
    """A ``.safetensors`` file; a `nndyn.systems.checkpoints.tensors.Stored`.

    Parameters
    ----------
    path : Path
    key : str, optional
        What the names begin with, a point after it.

    Raises
    ------
    InstallationError
        If the package `safetensors` is not installed.
    DataError
        If it is no such file, or has no tensor of floating-point numbers.
    """

    def __init__(self, path: Path, key: str | None = None) -> None:
        super().__init__(path)
        with _safely_opened(path) as file:
            names = sorted(file.keys(), key=natural)
            for name, stored in chosen(names, key, path).items():
                self._take(name, file.get_tensor(stored))
        check_any(self.entries, path, names)


def all_of(path: Path) -> dict[str, torch.Tensor]:
    """Return all tensors of a ``.safetensors`` file; raises as `Safetensors` does."""
    with _safely_opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@contextmanager
def _safely_opened(path: Path) -> Iterator[Any]:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise InstallationError(
            f"{path} is read by the package safetensors: pip install 'nndyn[safetensors]'"
        ) from None
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except NndynError:
        raise
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path} is damaged, or no .safetensors file") from error
