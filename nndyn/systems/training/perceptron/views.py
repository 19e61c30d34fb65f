"""Views of the layers of a perceptron, which are made once: each takes as long as a small layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from nndyn.numerics.arrays import Array

Tensor = torch.Tensor


@dataclass
class Up:
    """One layer of a forward pass over some columns: views, by run where they are lists.

    Making a view takes as long as computing a small layer, so they are made once.

    Attributes
    ----------
    operands, products : list of tensors
        The weights, and where their product with what is below goes.
    below : list of tensors
        The values of the layer below; empty for the first layer, which takes the samples.
    small : list of tuples
        What each call of `matrices.forward` takes behind the rows of weights; none where a library
        does the products.
    preactivation, value : (M, replicas, outputs, columns)
        See `Activation.forward`, which leaves the derivative in the first where it is kept.
    arrays : list of tuples of arrays
        Of each call of the activation: preactivations, bias, values; none where it changes nothing.
    outputs : list of (replicas, outputs, columns) arrays
        The values.
    together : (M·replicas, outputs, columns) or None
        Those of all runs, where there are no gaps between them.
    """

    activation: str
    operands: list[Tensor]
    products: list[Tensor]
    below: list[Tensor]
    small: list[tuple[Any, ...]]
    preactivation: Tensor
    value: Tensor
    arrays: list[tuple[Array, ...]]
    outputs: list[Array]
    together: Array | None


@dataclass
class Down:
    """One layer of the pass back: views, by run where they are lists.

    Attributes
    ----------
    delta : (M, R, outputs, columns)
        Gradient of the loss at the preactivations.
    deltas : list of tensors
        Its runs.
    below : list of tensors
        Transposes of the values below; empty for the first layer.
    products : list of tensors
        Where the gradient of the weights goes: the product of the two.
    gradient : (M, R, outputs, inputs) or None
        The same; None where it is written where it belongs.
    bias : tensor or None
        Likewise; where it is None the delta is summed.
    lowers : list of tensors
        Where the gradient at the values below goes; empty for the first layer.
    small : list of tuples
        Of each call of `matrices.gradient` and `matrices.backward`: the place of the first row and
        of the layer in it, whether there are biases, deltas, values below and lowers; none where a
        library does the products.
    arrays : list of tuples of arrays
        Of each call of the derivative of the activation below: gradients, values, preactivations.
    """

    delta: Tensor
    deltas: list[Tensor] = field(default_factory=list)
    below: list[Tensor] = field(default_factory=list)
    products: list[Tensor] = field(default_factory=list)
    gradient: Tensor | None = None
    bias: Tensor | None = None
    weights: list[Tensor] = field(default_factory=list)
    lowers: list[Tensor] = field(default_factory=list)
    small: list[tuple[Any, ...]] = field(default_factory=list)
    arrays: list[tuple[Array, ...]] = field(default_factory=list)


#: Where the gradients of the weights of a layer and of its biases go.
Target = tuple[Tensor, Tensor | None]
