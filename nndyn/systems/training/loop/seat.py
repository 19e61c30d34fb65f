"""The user's objects as a seat that rows take in turn: a row's phase and rest go in and come out.

The phase is first the weights, parameters that require gradients, each once; then every other
floating tensor with a dimension at least: buffers, moments, averages. All else is the rest.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.numerics.separation import moved
from nndyn.systems.protocol import Parameter
from nndyn.systems.training.loop.holders import (
    Gradients,
    Holder,
    Module,
    Optimizer,
    Switches,
    UnfitError,
    holder,
    in_phase,
)
from nndyn.systems.training.loop.rest import Slot, copied, equal, filled, same_bits, slots, walked

Tensor = torch.Tensor


@dataclass(frozen=True)
class Place:
    """Where a tensor stands in the phase.

    Attributes
    ----------
    name : str
    shape : tuple of int
        As real numbers.
    dtype : torch.dtype
    start : int
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    start: int

    @functools.cached_property
    def size(self) -> int:
        """Number of components."""
        return math.prod(self.shape)


@dataclass
class State:
    """All that the objects hold at some time: a row, in tensors of its own.

    Attributes
    ----------
    rest : list
        A tree a holder, with a `Slot` for every tensor of the phase. Never changed in place.
    values : dict of int to torch.Tensor
        Tensors of the phase by place; those that `rest` does not name are spare.
    there : set of int
        The places that `rest` names.
    """

    rest: list[Any]
    values: dict[int, Tensor]
    there: Set[int] = field(init=False)

    def __post_init__(self) -> None:
        """Note the places."""
        self.there = slots(self.rest)

    def copy(self) -> State:
        """Return the same in tensors of its own."""
        return State(self.rest, {at: self.values[at].clone() for at in self.there})

    def equals(self, other: State) -> bool:
        """Whether two states are of the same bits."""
        return equal(self.rest, other.rest) and all(
            same_bits(self.values[at], other.values[at]) for at in self.there
        )


class Seat:
    """The user's objects.

    Parameters
    ----------
    models : dict of str to torch.nn.Module
        By name; the only one of a name that is empty goes without a prefix.
    stateful : dict of str to object

    Attributes
    ----------
    weights : dict of str to torch.nn.Parameter
        Those that require gradients, by name.
    places : list of Place
        The layout of the phase, weights first.
    rebinds : bool
        Whether the objects are given a row's own tensors; else values are copied into theirs.
    """

    def __init__(self, models: Mapping[str, nn.Module], stateful: Mapping[str, Any]) -> None:
        modules = [
            Module(name or "model", module, f"{name}." if name else "")
            for name, module in models.items()
        ]
        named = [(name, held[key]) for module in modules for name, held, key in module.places()]
        unique = {id(tensor): (name, tensor) for name, tensor in reversed(named)}
        self.weights = {
            name: tensor
            for name, tensor in named
            if isinstance(tensor, nn.Parameter)
            and tensor.requires_grad
            and unique[id(tensor)][0] == name
        }
        beside = [Module(n, m, f"{n}.") for n, m in stateful.items() if isinstance(m, nn.Module)]
        named += [(n, held[key]) for one in beside for n, held, key in one.places()]
        names = {id(tensor): name for name, tensor in named[::-1]}
        self._modules = modules
        self.gradients = Gradients(self.weights)
        self._holders: list[Holder] = [
            *modules,
            *(holder(name, one, names) for name, one in stateful.items()),
            self.gradients,
            Switches(list(models.values())),
        ]
        for one in self._holders:
            if isinstance(one, Optimizer):
                one.check()
        self.places: list[Place] = []
        self._index: dict[str, int] = {}
        self._live: list[Tensor] = []
        self.rebinds = False
        for name, tensor in self.weights.items():
            self._place(name, tensor)

    @property
    def dtype(self) -> torch.dtype:
        """The widest of its floating dtypes: float64, or else float32."""
        wide = any(place.dtype in (torch.float64, torch.complex128) for place in self.places)
        return torch.float64 if wide else torch.float32

    @property
    def size(self) -> int:
        """P, the length of a phase."""
        return self.places[-1].start + self.places[-1].size if self.places else 0

    @property
    def parameters(self) -> list[Parameter]:
        """The weights."""
        count = len(self.weights)
        return [Parameter(p.name, p.start, p.shape) for p in self.places[:count]]

    def modules(self) -> list[tuple[str, nn.Module]]:
        """Return the modules of the models by path, inner ones first."""
        found = [
            (f"{prefix}{path}".rstrip("."), module)
            for prefix, one in ((m.prefix, m.module) for m in self._modules)
            for path, module in one.named_modules()
        ]
        return found[::-1]

    def _place(self, name: str, tensor: Tensor) -> int:
        at = len(self.places)
        self.places.append(Place(name, tuple(real(tensor).shape), tensor.dtype, self.size))
        self._index[name] = at
        self._live.append(tensor)
        return at

    def read(self, *, grow: bool = False) -> tuple[list[Any], dict[int, Tensor]]:
        """Return the state of the objects: the rest of it, and its tensors by place.

        Parameters
        ----------
        grow : bool
            Whether tensors that are not in the layout enter it.

        Returns
        -------
        list
            A tree a holder, with a `Slot` for every tensor of the phase.
        dict of int to torch.Tensor
            The live ones.

        Raises
        ------
        UnfitError
            If there is another tensor than in the layout, or one of another shape or dtype.
        """
        found: dict[int, Tensor] = {}
        seen: dict[Any, int] = {}

        def enter(name: str, tensor: Tensor) -> Any:
            weight = name in self.weights
            if tensor.layout != torch.strided:
                raise UnfitError(f"{name} is {tensor.layout}, expected a dense tensor")
            if not weight and not in_phase(tensor):
                return copied(tensor)
            if not tensor.is_contiguous() and any(
                n > 1 and step == 0 for n, step in zip(tensor.shape, tensor.stride(), strict=True)
            ):
                raise UnfitError(f"{name} is expanded: several of its numbers are one in memory")
            identity = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
            if tensor.numel() and identity in seen:
                if weight and self._index[name] != seen[identity]:
                    other = self.places[seen[identity]].name
                    raise UnfitError(f"{name} shares its memory with {other}; tie the parameters")
                return Slot(seen[identity])
            at = self._index.get(name)
            if at is None:
                if not grow:
                    raise UnfitError(f"{name} appeared, which was not there at the start")
                at = self._place(name, tensor)
            place = self.places[at]
            shape = real(tensor).shape if tensor.is_complex() else tensor.shape
            if shape != place.shape or tensor.dtype != place.dtype:
                raise UnfitError(
                    f"{name} is now {tensor.dtype} {tuple(tensor.shape)}, it was {place.dtype} "
                    f"{place.shape}"
                )
            self._live[at] = tensor
            seen[identity] = at
            found[at] = tensor
            return Slot(at)

        tree = [
            walked(h.tree(), "" if isinstance(h, Module) else f"{h.name}.", enter)
            for h in self._holders
        ]
        if missing := [name for at, name in enumerate(self.weights) if at not in found]:
            raise UnfitError(f"{missing[0]} vanished")
        return tree, found

    def kept(self, *, grow: bool = False) -> State:
        """Return a copy of all that the objects hold; see `read`."""
        tree, found = self.read(grow=grow)
        return State(tree, {at: tensor.detach().clone() for at, tensor in found.items()})

    def put(self, state: State) -> None:
        """Copy all that a state holds into the tensors of the objects."""
        with torch.no_grad():
            live = [self._live[at].detach() for at in state.there]
            torch._foreach_copy_(live, [state.values[at] for at in state.there])
        self._set(state.rest, self._live)

    def take(self, state: State) -> None:
        """Let a row take the seat: its tensors, or their values, become those of the objects."""
        if self.rebinds:
            self._set(state.rest, state.values)
        else:
            self.put(state)

    def leave(self, state: State) -> None:
        """Let the row that has the seat leave it with what the objects hold now.

        Raises
        ------
        UnfitError
            If that no longer fits the layout, or something of it vanished.
        """
        tree, found = self.read()
        gone = sorted(state.there - found.keys())
        if lost := [n for n in (self.places[at].name for at in gone) if not self._is_gradient(n)]:
            raise UnfitError(f"{lost[0]} vanished")
        own, others = [], []
        taken = {tensor.data_ptr() for tensor in state.values.values()}
        for at, tensor in found.items():
            kept = state.values.get(at)
            if kept is None:
                state.values[at] = tensor.detach().clone()
            elif kept.data_ptr() != tensor.data_ptr():
                own.append(kept)  # of another place perhaps, as where averages were swapped
                others.append(tensor.detach().clone() if tensor.data_ptr() in taken else tensor)
        if own:
            torch._foreach_copy_(own, others)
        state.rest, state.there = tree, found.keys()

    @contextmanager
    def lent(self, *, grow: bool = False) -> Iterator[None]:
        """Give the objects back as they are now: what they hold, in the tensors that hold it.

        Parameters
        ----------
        grow : bool
            Whether what they hold enters the layout.

        Raises
        ------
        UsageError
            If they are not those of the layout any more.
        """
        gradients = self.gradients.lend()
        modules = [(one, one.names()) for one in self._holders if isinstance(one, Module)]
        try:
            tree, own = self.read(grow=grow)
        except UnfitError as error:
            raise UsageError(
                f"the objects have changed since this loop was made: {error}; make it anew"
            ) from None
        # where rows have tensors of their own nobody writes into these
        values = {} if self.rebinds else {at: t.detach().clone() for at, t in own.items()}
        held = {at: t.detach() if isinstance(t, nn.Parameter) else t for at, t in own.items()}
        try:
            yield
        finally:
            with torch.no_grad():
                for at, value in values.items():
                    held[at].copy_(value)
            for module, names in modules:
                module.trim(names)
            self._set(tree, held)
            self._live = [held.get(at, tensor) for at, tensor in enumerate(self._live)]
            self.gradients.give(gradients)

    def _set(self, rest: Sequence[Any], live: Mapping[int, Tensor] | Sequence[Tensor]) -> None:
        for one, tree in zip(self._holders, rest, strict=True):
            one.set(filled(tree, live))

    def _is_gradient(self, name: str) -> bool:
        return name.startswith(f"{self.gradients.name}.")

    def load(self, state: State, phase: Tensor, rest: list[Any]) -> None:
        """Give a row the values of a phase ``(P,)`` and its rest."""
        views, there = self.views(phase), slots(rest)
        for at in there:
            if at not in state.values:
                state.values[at] = torch.empty_like(self._live[at].detach())
        torch._foreach_copy_([real(state.values[at]) for at in there], [views[at] for at in there])
        state.rest, state.there = rest, there

    def store(self, state: State, phase: Tensor, first: int = 0) -> None:
        """Copy a row from a place on into a phase ``(P,)``; what is absent is zero there."""
        views = self.views(phase)
        for at in range(first, len(views)):
            if at in state.there:
                views[at].copy_(real(state.values[at]))
            else:
                views[at].zero_()

    def store_weights(self, state: State, before: Array, after: Array) -> float:
        """Copy the weights of a row into an array ``(D,)``; return the length of its step.

        Parameters
        ----------
        state : State
        before, after : (D,) array
            Of which the latter is written.

        Returns
        -------
        float
        """
        square, dtype = 0.0, self.dtype
        for at, place in enumerate(self.places[: len(self.weights)]):
            part = slice(place.start, place.start + place.size)
            new = real(state.values[at]).to("cpu", dtype).reshape(-1).numpy()
            square += moved(new, before[part], after[part])
        return math.sqrt(square)

    def difference(self, one: State, other: State) -> str:
        """Return the name of the first thing that differs in two states, empty if nothing does."""
        for at in sorted(one.there | other.there):
            both = at in one.there and at in other.there
            if not both or not same_bits(one.values[at], other.values[at]):
                return self.places[at].name
        pairs = zip(self._holders, one.rest, other.rest, strict=True)
        return next((holder.name for holder, a, b in pairs if not equal(a, b)), "")

    def views(self, phase: Tensor) -> list[Tensor]:
        """Return the parts of a phase ``(P,)``, by place."""
        return [phase[p.start : p.start + p.size].view(p.shape) for p in self.places]

    def fits(self, rest: Any) -> bool:
        """Whether a rest from a file is one of these objects', as far as its outside tells."""
        whole = isinstance(rest, list) and len(rest) == len(self._holders)
        return whole and set(range(len(self.weights))) <= slots(rest) <= set(
            range(len(self.places))
        )

    def names(self, rest: Sequence[Any]) -> dict[str, Any]:
        """Return a rest by the names of its objects."""
        return {one.name: tree for one, tree in zip(self._holders, rest, strict=True)}


def real(tensor: Tensor) -> Tensor:
    """Return a tensor as real numbers, on the same memory."""
    tensor = tensor.detach()
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor
