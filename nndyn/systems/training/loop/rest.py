"""The rest of a row's state, beside its phase: trees of small values, kept in memory and as text.

A tree is what ``state_dict`` gives: dicts, lists, tuples, numbers, text. Tensors of the phase stand
in it as `Slot`; all others are held by value.
"""

from __future__ import annotations

import base64
import copy
import json
import math
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nndyn.errors import UsageError

#: Values that are never changed in place.
_SCALARS = (type(None), bool, int, float, complex, str, bytes)
_OF_SCALARS = frozenset(_SCALARS)
#: Containers that keep their type, by the tag that stands for them.
_LISTS: dict[str, Any] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": deque,
    "Size": torch.Size,
}
_FACTORIES = {kind.__name__: kind for kind in (bool, int, float, str, list, dict, set)}
_DICTS: dict[str, Any] = {"dict": dict, "Counter": Counter, "OrderedDict": OrderedDict}


@dataclass(frozen=True)
class Slot:
    """A tensor that is part of the phase.

    Attributes
    ----------
    index : int
        Of its slot in the layout.
    """

    index: int


def copied(tree: Any) -> Any:
    """Return a copy of a tree that shares nothing that can be changed."""
    if isinstance(tree, (*_SCALARS, Slot)):
        return tree
    if isinstance(tree, torch.Tensor):
        return tree.detach().clone()
    if type(tree) is dict:
        return {name: copied(value) for name, value in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(copied(value) for value in tree)
    return copy.deepcopy(tree)


def equal(one: Any, other: Any) -> bool:
    """Whether two trees are of the same types and values; NaN equals itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        same = one.dtype == other.dtype and one.shape == other.shape
        return same and (
            torch.equal(one, other)
            or bool(((one == other) | ((one != one) & (other != other))).all())
        )
    if isinstance(one, np.ndarray):
        kind = one.dtype.kind in "fc"
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=kind)
    if isinstance(one, dict):
        keys = list(one) == list(other)
        return keys and all(equal(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple, deque)):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other or (one != one and other != other))


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors of one dtype and shape hold the same bits."""
    if one.device.type == "cpu" and one.is_contiguous() and other.is_contiguous():
        left, right = (t.reshape(-1).view(torch.uint8).numpy() for t in (one, other))
        wide = left.size - left.size % 8
        return np.array_equal(left[:wide].view(np.int64), right[:wide].view(np.int64)) and (
            np.array_equal(left[wide:], right[wide:])
        )
    return equal(one, other)


def walked(tree: Any, path: str, enter: Callable[[str, torch.Tensor], Any]) -> Any:
    """Return a copy of a tree in which `enter` replaces every tensor, given its path."""
    if type(tree) in _OF_SCALARS:  # most of it, and it is walked at every step
        return tree
    if isinstance(tree, torch.Tensor):
        return enter(path.rstrip("."), tree)
    if type(tree) is dict:
        return {key: walked(value, f"{path}{key}.", enter) for key, value in tree.items()}
    if isinstance(tree, dict) and any(_holds(value) for value in tree.values()):
        return {key: walked(value, f"{path}{key}.", enter) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)) and any(_holds(value) for value in tree):
        items = [walked(value, f"{path}{i}.", enter) for i, value in enumerate(tree)]
        return items if isinstance(tree, list) else tuple(items)
    return copied(tree)


def _holds(tree: Any) -> bool:
    """Whether there is a tensor in a tree."""
    if isinstance(tree, dict):
        return any(_holds(value) for value in tree.values())
    if isinstance(tree, (list, tuple)):
        return any(_holds(value) for value in tree)
    return isinstance(tree, torch.Tensor)


def filled(tree: Any, live: Mapping[int, torch.Tensor] | Sequence[torch.Tensor]) -> Any:
    """Return a copy of a rest in which every `Slot` is its live tensor."""
    if type(tree) in _OF_SCALARS:
        return tree
    if isinstance(tree, Slot):
        return live[tree.index]
    if type(tree) is dict:
        return {key: filled(value, live) for key, value in tree.items()}
    if type(tree) is list:
        return [filled(value, live) for value in tree]
    if type(tree) is tuple:
        return tuple(filled(value, live) for value in tree)
    return copied(tree)


def slots(rest: Any) -> set[int]:
    """Return the places that a rest has tensors at."""
    if isinstance(rest, Slot):
        return {rest.index}
    if isinstance(rest, dict):
        rest = list(rest.values())
    if isinstance(rest, (list, tuple)):
        return set().union(*map(slots, rest)) if rest else set()
    return set()


def encode(tree: Any, where: str = "") -> bytes:
    """Return a tree as text, from which `decode` makes an equal one.

    Parameters
    ----------
    tree : object
    where : str
        What messages call it.

    Returns
    -------
    bytes
        JSON; what JSON does not have stands as a list that begins with its type.

    Raises
    ------
    UsageError
        If there is a value of a type that text does not hold, with its place and type.
    """
    return json.dumps(_plain(tree, where), separators=(",", ":")).encode()


def decode(text: bytes) -> Any:
    """Return the tree that was encoded.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        If the text is not one that `encode` gives. Nothing in it is executed.
    """
    try:
        return _made(json.loads(text))
    except (ArithmeticError, LookupError, RecursionError, RuntimeError, TypeError) as error:
        raise ValueError(f"not a state: {error}") from error


def _plain(tree: Any, where: str) -> Any:
    """Return JSON values: text, true, false, null and lists as they are, all else tagged."""
    if tree is None or type(tree) in (bool, str):
        return tree
    if type(tree) is int:
        return tree
    if type(tree) is float:
        return tree if np.isfinite(tree) else ["float", str(tree)]
    if type(tree) is list:
        return ["list", *(_plain(v, f"{where}[{i}]") for i, v in enumerate(tree))]
    if isinstance(tree, Slot):
        return ["slot", tree.index]
    if type(tree) is complex:
        return ["complex", repr(tree)]
    if type(tree) is bytes:
        return ["bytes", base64.b64encode(tree).decode()]
    if isinstance(tree, torch.Tensor) and tree.layout == torch.strided:
        raw = tree.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        dtype = str(tree.dtype).removeprefix("torch.")
        return ["tensor", dtype, list(tree.shape), base64.b64encode(raw).decode()]
    if isinstance(tree, (np.ndarray, np.generic)) and tree.dtype.kind in "biufc":
        raw = np.ascontiguousarray(tree).tobytes()
        what = "scalar" if isinstance(tree, np.generic) else "array"
        return [what, tree.dtype.str, list(tree.shape), base64.b64encode(raw).decode()]
    if type(tree) is torch.dtype:
        return ["dtype", str(tree).removeprefix("torch.")]
    if type(tree) is torch.device:
        return ["device", str(tree)]
    for tag, kind in _LISTS.items():
        if type(tree) is kind:
            most = tree.maxlen if isinstance(tree, deque) else None
            items = [_plain(v, f"{where}[{i}]") for i, v in enumerate(tree)]
            return [tag, most, *items]
    dicts = {**_DICTS, **({"defaultdict": defaultdict} if _plain_default(tree) else {})}
    for tag, kind in dicts.items():
        if type(tree) is kind:
            of = [tree.default_factory.__name__] if tag == "defaultdict" else [None]
            pairs = ([_plain(k, where), _plain(v, f"{where}.{k}")] for k, v in tree.items())
            return [tag, *of, *pairs]
    raise UsageError(
        f"{where.removeprefix('.')} is of type {type(tree).__module__}.{type(tree).__qualname__}, "
        "which a recording does not hold; keep numbers, text, lists, dicts and tensors in its state"
    )


def _plain_default(tree: Any) -> bool:
    return type(tree) is defaultdict and tree.default_factory in _FACTORIES.values()


def _made(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    tag, *rest = value
    if tag == "list":
        return [_made(v) for v in rest]
    if tag in _LISTS:
        most, *items = rest
        found = (_made(v) for v in items)
        return deque(found, most) if tag == "deque" else _LISTS[tag](found)
    if tag in _DICTS or tag == "defaultdict":
        factory, *pairs = rest
        found = ((_made(k), _made(v)) for k, v in pairs)
        if tag == "defaultdict":
            return defaultdict(_FACTORIES[factory], found)
        return _DICTS[tag](dict(found) if tag == "Counter" else found)
    return _LEAVES[tag](*rest)


def _tensor(kind: str, shape: list[int], raw: str) -> torch.Tensor:
    data = bytearray(base64.b64decode(raw))
    dtype = _dtype(kind)
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"a tensor {shape} of {len(data)} bytes")
    if not data:
        return torch.zeros(shape, dtype=dtype)
    return torch.frombuffer(data, dtype=torch.uint8).view(dtype).reshape(shape).clone()


def _dtype(name: str) -> torch.dtype:
    found = getattr(torch, name)
    if not isinstance(found, torch.dtype):
        raise TypeError(f"{name} is no dtype")
    return found


def _array(kind: str, shape: list[int], raw: str) -> Any:
    return np.frombuffer(base64.b64decode(raw), kind).reshape(shape).copy()


_LEAVES: dict[str, Any] = {
    "slot": Slot,
    "float": float,
    "complex": complex,
    "bytes": base64.b64decode,
    "tensor": _tensor,
    "array": _array,
    "scalar": lambda kind, shape, raw: _array(kind, shape, raw)[()],
    "dtype": _dtype,
    "device": torch.device,
}
