"""Multilayer perceptron: its layers, its activations, and the layout of its weights."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.protocol import Parameter
from nndyn.systems.training.perceptron.activations import ACTIVATIONS
from nndyn.systems.training.torch_state.storage import allocated


@dataclass(frozen=True)
class Layer:
    """One affine map ``W x + b`` followed by an activation."""

    inputs: int
    outputs: int
    bias: bool
    activation: str

    @property
    def size(self) -> int:
        """Number of weights and biases."""
        return self.outputs * (self.inputs + self.bias)


@dataclass(frozen=True)
class Network:
    """A multilayer perceptron and the layout of its weights in a row of numbers.

    Attributes
    ----------
    layers : tuple of Layer
    parameters : tuple of Parameter
    flattens : bool
        Whether it flattens its samples.
    initial : (D,)
        Initial weights; empty where they are not drawn.
    module : torch.nn.Module or None
        Of which it is the network, without storage perhaps, or with other weights.
    """

    layers: tuple[Layer, ...]
    parameters: tuple[Parameter, ...]
    flattens: bool
    initial: Array = field(default_factory=lambda: np.empty(0), compare=False, repr=False)
    module: nn.Module | None = field(default=None, compare=False, repr=False)

    engine = "perceptron"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def statistics(self) -> tuple[Parameter, ...]:
        """Layout of the running statistics: a perceptron has none."""
        return ()

    @property
    def initial_statistics(self) -> Array:
        """Initial running statistics ``(0,)``."""
        return np.empty(0, self.initial.dtype)

    @property
    def inputs(self) -> int:
        """Number of input features."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return self.layers[-1].outputs

    @property
    def size(self) -> int:
        """D, the number of weights and biases."""
        return sum(layer.size for layer in self.layers)

    @property
    def work(self) -> float:
        """Floating-point operations of a forward pass of a sample: 2 a weight."""
        return 2.0 * self.size

    def tells_loss(self, batch_size: int | None) -> bool:
        """Whether the loss of a step is that of an evaluation: in full batch."""
        return batch_size is None

    @property
    def label(self) -> str:
        """The widths as a spec: ``mlp:64-32-10``."""
        widths = [self.inputs, *(layer.outputs for layer in self.layers)]
        return "mlp:" + "-".join(map(str, widths))

    def copied(self) -> nn.Module:
        """Return a module with its initial weights, which is the caller's own."""
        assert self.module is not None
        module = allocated(copy.deepcopy(self.module))
        weights = torch.from_numpy(self.initial)
        module = module.to(weights.dtype)
        with torch.no_grad():
            nn.utils.vector_to_parameters(weights, module.parameters())
        return module

    def describe(self) -> list[dict[str, Any]]:
        """Return one JSON object a layer."""
        return [
            {
                "inputs": layer.inputs,
                "outputs": layer.outputs,
                "bias": layer.bias,
                "activation": layer.activation,
            }
            for layer in self.layers
        ]


def parse(module: nn.Module) -> Network:
    """Return the perceptron that `module` is.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    Network

    Raises
    ------
    UsageError
        If `module` is anything but an ``nn.Sequential`` of ``nn.Linear`` layers, each followed by
        at most one known activation, with ``nn.Flatten`` allowed in front; if a layer is used
        twice, is frozen, or does not fit the one before.
    """
    kinds = [one.module for one in ACTIVATIONS.values()]
    known = ", ".join(kind.__name__ for kind in kinds if kind.__module__.startswith("torch"))
    allowed = f"an nn.Sequential of nn.Linear and {known}, with nn.Flatten in front, is supported"
    if type(module) is not nn.Sequential:
        raise UsageError(f"model is {_kind(module)}; {allowed}")
    children = list(parts(module))
    flattens = False
    if children and isinstance(children[0], nn.Flatten):
        if children[0].start_dim != 1 or children[0].end_dim != -1:
            raise UsageError("model: nn.Flatten must flatten all but the first dimension (1, -1)")
        flattens = True
        children = children[1:]
    names = {one.module: name for name, one in ACTIVATIONS.items()}
    layers: list[Layer] = []
    open_for_activation = False
    for part in children:
        if type(part) is nn.Linear:
            if layers and layers[-1].outputs != part.in_features:
                raise UsageError(
                    f"model: a layer of {part.in_features} inputs follows one of "
                    f"{layers[-1].outputs} outputs"
                )
            layers.append(
                Layer(part.in_features, part.out_features, part.bias is not None, "identity")
            )
            open_for_activation = True
        elif type(part) in names and open_for_activation:
            if isinstance(part, nn.GELU) and part.approximate != "none":
                raise UsageError("model: nn.GELU is supported with approximate='none' only")
            last = layers[-1]
            layers[-1] = Layer(last.inputs, last.outputs, last.bias, names[type(part)])
            open_for_activation = False
        elif type(part) in names:
            raise UsageError(
                f"model: {_kind(part)} does not follow an nn.Linear directly; {allowed}"
            )
        else:
            raise UsageError(f"model holds {_kind(part)}; {allowed}")
    if not layers:
        raise UsageError("model has no nn.Linear layer; give at least one")
    parameters: list[Parameter] = []
    start = 0
    for name, value in module.named_parameters():
        if not value.requires_grad:
            raise UsageError(f"model: parameter {name!r} is frozen; every parameter must train")
        parameters.append(Parameter(name, start, tuple(value.shape)))
        start += value.numel()
    network = Network(tuple(layers), tuple(parameters), flattens)
    if start != network.size:
        raise UsageError("model uses one layer or parameter twice; each must be its own")
    return network


def parts(module: nn.Module) -> list[nn.Module]:
    """Return the modules that a Sequential holds, those of Sequentials in it too."""
    if type(module) is not nn.Sequential:
        return [module]
    return [part for child in module for part in parts(child)]


def _kind(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"
