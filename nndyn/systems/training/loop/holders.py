"""Holders of state: the user's objects, each read as a tree of live tensors, and set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import nn

from nndyn.errors import UsageError

Tensor = torch.Tensor


class UnfitError(Exception):
    """The state of a row no longer fits the phase: something appeared, vanished or changed."""


def in_phase(tensor: Tensor) -> bool:
    """Whether a tensor that is no weight is in the phase: floating, with a dimension."""
    floating = tensor.is_floating_point() or tensor.is_complex()
    return floating and tensor.ndim > 0 and tensor.numel() > 0


def _alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype


class Holder(Protocol):
    """One of the user's objects."""

    @property
    def name(self) -> str:
        """What its user calls it."""

    def tree(self) -> Any:
        """Return its state, with the tensors it has, not copies where it gives them."""

    def set(self, tree: Any) -> None:
        """Take a state; tensors that are its own have their values already."""


class Module:
    """Parameters and buffers of a module, those that are not saved with it too.

    Parameters
    ----------
    name : str
    module : torch.nn.Module
    prefix : str
        Before the names of its tensors.
    """

    def __init__(self, name: str, module: nn.Module, prefix: str) -> None:
        self.name, self.module, self.prefix = name, module, prefix
        self._parts = [
            (f"{prefix}{path}." if path else prefix, part) for path, part in module.named_modules()
        ]
        own = nn.Module.get_extra_state
        self._with_more = [p for p in self._parts if type(p[1]).get_extra_state is not own]

    def places(self) -> Iterator[tuple[str, dict[str, Any], str]]:
        """Give, of every tensor once, its name, the dict that holds it and its key there."""
        seen: set[int] = set()
        for path, module in self._parts:
            for held in (module._parameters, module._buffers):
                for key, tensor in held.items():
                    if tensor is not None and id(tensor) not in seen:
                        seen.add(id(tensor))
                        yield path + key, held, key

    def names(self) -> list[tuple[set[str], set[str]]]:
        """Return the names of parameters and buffers of every module in it."""
        return [(set(part._parameters), set(part._buffers)) for _, part in self._parts]

    def trim(self, names: list[tuple[set[str], set[str]]]) -> None:
        """Take out the parameters and buffers that have been added to the modules since."""
        for (_, part), known in zip(self._parts, names, strict=True):
            for held, there in zip((part._parameters, part._buffers), known, strict=True):
                for key in held.keys() - there:
                    del held[key]

    def tree(self) -> dict[str, Any]:
        """Return its tensors by name, and whatever else its modules save."""
        found = {name: held[key] for name, held, key in self.places()}
        return found | {f"{path}extra": m.get_extra_state() for path, m in self._with_more}

    def set(self, tree: Mapping[str, Any]) -> None:
        """Take a state: parameters stay who they are, and get the memory of what they are given."""
        with torch.no_grad():
            for name, held, key in self.places():
                value, own = tree.get(name), held[key]
                if value is None or value is own:
                    continue
                if isinstance(own, nn.Parameter):
                    own.data = value.detach()
                elif not in_phase(value) and _alike(value, own):
                    own.copy_(value)  # who else holds it still does
                else:
                    held[key] = value
        for path, module in self._with_more:
            module.set_extra_state(tree[f"{path}extra"])


class Optimizer:
    """State and groups of an optimizer, which stay those of the user's parameters.

    Parameters
    ----------
    name : str
    optimizer : torch.optim.Optimizer
    names : dict of int to str
        Names of parameters by their id.
    """

    def __init__(
        self, name: str, optimizer: torch.optim.Optimizer, names: Mapping[int, str]
    ) -> None:
        self.name, self.optimizer, self._names = name, optimizer, names
        self._groups = len(optimizer.param_groups)

    def check(self) -> None:
        """Check that every parameter is of a module that is listed.

        Raises
        ------
        UsageError
            If not: nobody would put it back.
        """
        for i, group in enumerate(self.optimizer.param_groups):
            for j, parameter in enumerate(group["params"]):
                if id(parameter) not in self._names:
                    raise UsageError(
                        f"{self.name} trains parameter {j} of its group {i}, of shape "
                        f"{tuple(parameter.shape)}, which is in neither `model` nor `stateful`; "
                        "put it into a module, such as nn.ParameterList, and list that"
                    )

    def _parameters(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for i, group in enumerate(self.optimizer.param_groups):
            for j, parameter in enumerate(group["params"]):
                found[self._names.get(id(parameter), f"parameter {j} of group {i}")] = parameter
        return found

    def tree(self) -> dict[str, Any]:
        """Return the state by the names of parameters, and the numbers of the groups."""
        if len(self.optimizer.param_groups) != self._groups:
            raise UnfitError(f"{self.name} has another number of parameter groups than before")
        state: dict[Any, Any] = self.optimizer.state
        parameters = self._parameters()
        own = {n: dict(state[p]) for n, p in parameters.items() if p in state}
        beside = {key: value for key, value in state.items() if not isinstance(key, Tensor)}
        groups = [
            {key: value for key, value in group.items() if key != "params"}
            for group in self.optimizer.param_groups
        ]
        sizes = [len(group["params"]) for group in self.optimizer.param_groups]
        return {"state": own, "beside": beside, "groups": groups, "sizes": sizes}

    def set(self, tree: Mapping[str, Any]) -> None:
        """Take a state: what it lacks is taken out."""
        state: dict[Any, Any] = self.optimizer.state
        for name, parameter in self._parameters().items():
            if name in tree["state"]:
                state[parameter] = tree["state"][name]
            elif parameter in state:
                del state[parameter]
        for key in [k for k in state if not isinstance(k, Tensor) and k not in tree["beside"]]:
            del state[key]
        state.update(tree["beside"])
        del self.optimizer.param_groups[self._groups :]
        for group, values in zip(self.optimizer.param_groups, tree["groups"], strict=True):
            for key in group.keys() - values.keys() - {"params"}:
                del group[key]
            for key, value in values.items():
                own = group.get(key)
                if isinstance(value, Tensor) and isinstance(own, Tensor) and _alike(value, own):
                    own.copy_(value)
                else:
                    group[key] = value


class Object:
    """Any object with ``state_dict`` and ``load_state_dict``.

    Parameters
    ----------
    name : str
    held : object
    """

    def __init__(self, name: str, held: Any) -> None:
        self.name, self.held = name, held

    def tree(self) -> Any:
        """Return its ``state_dict``."""
        return self.held.state_dict()

    def set(self, tree: Any) -> None:
        """Load a state."""
        self.held.load_state_dict(tree)


class Gradients:
    """Gradients that parameters have: their values where they outlive a step, else only which.

    Parameters
    ----------
    parameters : dict of str to torch.nn.Parameter
    """

    name = "gradient"

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self.parameters = parameters
        self.carried = False
        self._seen: dict[str, Tensor] = {}

    def lend(self) -> dict[str, Tensor | None]:
        """Put copies in the place of the gradients that there are, and return these."""
        given = {name: parameter.grad for name, parameter in self.parameters.items()}
        self.give({n: None if g is None else g.detach().clone() for n, g in given.items()})
        self._seen = {}
        return given

    def give(self, gradients: Mapping[str, Tensor | None]) -> None:
        """Give the parameters gradients, or none."""
        for name, parameter in self.parameters.items():
            parameter.grad = gradients.get(name)

    def tree(self) -> dict[str, Any]:
        """Return gradients, or whether there are, by the names of parameters."""
        found: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if parameter.grad is not None:
                self._seen[name] = parameter.grad
                found[name] = parameter.grad if self.carried else True
        return found

    def set(self, tree: Mapping[str, Any]) -> None:
        """Give parameters gradients, or take them away; where only which is known, of any value."""
        for name, parameter in self.parameters.items():
            value = tree.get(name)
            if value is True:
                value = parameter.grad if parameter.grad is not None else self._seen.get(name)
                value = torch.zeros_like(parameter) if value is None else value
            if value is not parameter.grad:
                parameter.grad = value


class Switches:
    """Which modules are in training mode, and which parameters require gradients.

    Parameters
    ----------
    modules : list of torch.nn.Module
    """

    name = "switches"

    def __init__(self, modules: list[nn.Module]) -> None:
        self._modules = [m for module in modules for m in module.modules()]
        self._parameters = [p for module in modules for p in module.parameters()]

    def tree(self) -> list[str]:
        """Return both as text of 0 and 1."""
        modes = "".join(["1" if m.training else "0" for m in self._modules])
        return [modes, "".join(["1" if p.requires_grad else "0" for p in self._parameters])]

    def set(self, tree: list[str]) -> None:
        """Switch what is not as it is there."""
        if tree == self.tree():
            return
        for module, mode in zip(self._modules, tree[0], strict=True):
            module.training = mode == "1"
        for parameter, required in zip(self._parameters, tree[1], strict=True):
            if parameter.requires_grad != (required == "1"):
                parameter.requires_grad_(required == "1")


def holder(name: str, one: Any, names: Mapping[int, str]) -> Holder:
    """Return what holds the state of one of the user's objects.

    Returns
    -------
    Holder

    Raises
    ------
    UsageError
        If it has none to be had.
    """
    if isinstance(one, torch.optim.LBFGS):
        raise UsageError(
            f"stateful {name!r} is LBFGS, whose step evaluates the loss as often as it likes and "
            "whose state grows: it is no map of one update; use another optimizer"
        )
    if isinstance(one, torch.optim.Optimizer):
        return Optimizer(name, one, names)
    if isinstance(one, nn.Module):
        return Module(name, one, f"{name}.")
    if callable(getattr(one, "state_dict", None)) and callable(
        getattr(one, "load_state_dict", None)
    ):
        return Object(name, one)
    raise UsageError(
        f"stateful {name!r} is {type(one).__name__}, expected an object with state_dict and "
        "load_state_dict"
    )
