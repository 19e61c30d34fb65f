"""From a spec or an ``nn.Sequential`` to the description of a multilayer perceptron."""

from __future__ import annotations

import copy
import itertools
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from nndyn.errors import DataError, UnknownNameError, UsageError
from nndyn.names import did_you_mean, meant
from nndyn.systems.protocol import Array, Parameter
from nndyn.systems.spelling import CHOICES
from nndyn.systems.training.randomness import initial_key


class Sin(nn.Module):
    """The sine as an activation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``sin(x)``."""
        return torch.sin(x)


#: Activations by name, and the torch module of each.
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "sin": Sin,
    "identity": nn.Identity,
}

INITS = CHOICES["init"]


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
    """

    layers: tuple[Layer, ...]
    parameters: tuple[Parameter, ...]
    flattens: bool
    initial: Array = field(default_factory=lambda: np.empty(0), compare=False, repr=False)

    engine = "perceptron"

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

    @property
    def label(self) -> str:
        """The widths as a spec: ``mlp:64-32-10``."""
        widths = [self.inputs, *(layer.outputs for layer in self.layers)]
        return "mlp:" + "-".join(map(str, widths))

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


def check_activation(activation: str) -> None:
    """Refuse an activation that is not known.

    Raises
    ------
    UnknownNameError
        If `activation` is not one of `ACTIVATIONS`.
    """
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise UnknownNameError(
            f"unknown activation {activation!r}; known are {', '.join(ACTIVATIONS)}"
            f"{did_you_mean(activation, ACTIVATIONS)}"
        )


def from_spec(spec: str, activation: str) -> nn.Sequential:
    """Return the network a spec such as ``mlp:64-32-10`` stands for, without storage yet.

    Parameters
    ----------
    spec : str
    activation : str
        Between the layers.

    Returns
    -------
    torch.nn.Sequential

    Raises
    ------
    UsageError
        If `spec` is not ``mlp:`` and at least two positive widths.
    UnknownNameError
        If `activation` is not one of `ACTIVATIONS`.
    """
    check_activation(activation)
    match = re.fullmatch(r"mlp:([1-9]\d{0,17}(?:-[1-9]\d{0,17})+)", spec)
    if match is None:
        raise UsageError(
            f"model {spec!r} is not a spec; give mlp: and the widths from input to output, "
            "such as 'mlp:64-32-10', or 'cnn:8-16', 'package.module:factory', a torch.nn.Module"
            f"{_spec_meant(spec)}"
        )
    widths = [int(width) for width in match[1].split("-")]
    modules: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        modules += [_linear(spec, inputs, outputs), ACTIVATIONS[activation]()]
    return nn.Sequential(*modules[:-1])


def _spec_meant(spec: str) -> str:
    """Return the spec that is perhaps meant: ``64-32-10``, ``MLP 64x32x10``, ``mpl:64-32-10``."""
    word, widths = re.match(r"[^\W\d]*", spec)[0], re.findall(r"\d+", spec)  # type: ignore[index]
    kind = meant(word or "mlp", ("mlp", "cnn"))
    if not kind or len(widths) < 2:
        return ""
    return f"; did you mean '{kind[0]}:{'-'.join(widths)}'?"


def _linear(spec: str, inputs: int, outputs: int) -> nn.Linear:
    try:
        return nn.Linear(inputs, outputs, device="meta")  # draws nothing from the global state
    except (RuntimeError, TypeError) as error:  # a number that no size can have
        raise UsageError(f"model {spec!r} has a layer of {inputs} x {outputs} weights") from error


def allocate(module: nn.Module) -> nn.Module:
    """Give a module without storage memory on the CPU, its numbers not yet drawn.

    Parameters
    ----------
    module : torch.nn.Module
        Of a spec; changed in place.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    UsageError
        If it does not fit into memory.
    """
    count = sum(weight.numel() for weight in module.parameters())
    try:
        return module.to_empty(device="cpu")
    except RuntimeError as error:
        raise UsageError(f"model has {count:,} weights, which do not fit into memory") from error


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
    known = ", ".join(kind.__name__ for kind in ACTIVATIONS.values() if kind is not Sin)
    allowed = f"an nn.Sequential of nn.Linear and {known}, with nn.Flatten in front, is supported"
    if type(module) is not nn.Sequential:
        raise UsageError(f"model is {_kind(module)}; {allowed}")
    parts = list(_parts(module))
    flattens = False
    if parts and isinstance(parts[0], nn.Flatten):
        if parts[0].start_dim != 1 or parts[0].end_dim != -1:
            raise UsageError("model: nn.Flatten must flatten all but the first dimension (1, -1)")
        flattens = True
        parts = parts[1:]
    names = {kind: name for name, kind in ACTIVATIONS.items()}
    layers: list[Layer] = []
    open_for_activation = False
    for part in parts:
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


def _parts(module: nn.Module) -> list[nn.Module]:
    if type(module) is not nn.Sequential:
        return [module]
    return [part for child in module for part in _parts(child)]


def _kind(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def check_init(init: str | None) -> None:
    """Refuse an initialisation that is not known.

    Raises
    ------
    UnknownNameError
        If `init` is not None, ``normal:S`` with S > 0, ``xavier``, ``kaiming`` or ``default``.
    """
    if init is None or init in INITS[1:]:
        return
    if isinstance(init, str) and init.startswith("normal:"):
        try:
            scale = float(init[len("normal:") :])
        except ValueError:
            scale = 0.0
        if 0 < scale < float("inf"):
            return
    raise UnknownNameError(
        f"unknown init {init!r}; known are {', '.join(INITS)} with a number S > 0, such as normal:1"
        f"{did_you_mean(init, ('normal:1', *INITS[1:]))}"
    )


def initialise(module: nn.Module, init: str, seed: int) -> None:
    """Draw the weights of `module` in place, in the order of its parameters.

    Parameters
    ----------
    module : torch.nn.Sequential
    init : str
        ``normal:S``: weights N(0, S²); ``xavier``: uniform with variance 2/(inputs + outputs);
        ``kaiming``: N(0, 2/inputs); all three with zero biases. ``default``: torch's own, weights
        and biases uniform with bound 1/sqrt(inputs).
    seed : int
        Keys the generator; no global random state is read or changed.
    """
    generator = torch.Generator().manual_seed(initial_key(seed))
    for layer in _parts(module):
        if not isinstance(layer, nn.Linear):
            continue
        bound = layer.in_features**-0.5
        with torch.no_grad():
            if init == "xavier":
                nn.init.xavier_uniform_(layer.weight, generator=generator)
            elif init == "kaiming":
                nn.init.kaiming_normal_(layer.weight, generator=generator)
            elif init == "default":
                layer.weight.uniform_(-bound, bound, generator=generator)
            else:
                layer.weight.normal_(0.0, float(init.split(":")[1]), generator=generator)
            if layer.bias is not None:
                if init == "default":
                    layer.bias.uniform_(-bound, bound, generator=generator)
                else:
                    layer.bias.zero_()


def build(
    model: nn.Module, *, init: str | None, seed: int, dtype: torch.dtype
) -> tuple[Network, Array]:
    """Return the network and its initial weights ``(D,)``; `model` itself is not changed.

    Parameters
    ----------
    model : torch.nn.Module
        A perceptron, without storage where it is of a spec.
    init : str or None
    seed : int
    dtype : torch.dtype

    Returns
    -------
    network : Network
    weights : (D,)

    Raises
    ------
    UsageError
        If `model` is no perceptron, or does not fit into memory.
    UnknownNameError
        If `init` is not known.
    DataError
        If a weight of `model` is not finite.
    """
    check_init(init)
    network = parse(model)
    module = copy.deepcopy(model)
    if any(weight.is_meta for weight in module.parameters()):
        module = allocate(module)
    module = module.to(device="cpu", dtype=torch.float64)
    if init is not None:
        initialise(module, init, seed)  # in float64, so that a seed is the same network in both
    with torch.no_grad():
        vector = nn.utils.parameters_to_vector(module.parameters())
        weights: Array = vector.to(dtype, copy=True).numpy()
    bad = np.flatnonzero(~np.isfinite(weights))
    if bad.size:
        raise DataError(
            f"model: weight {bad[0]} of {weights.size} is {weights[bad[0]]}, not finite"
        )
    return network, weights
