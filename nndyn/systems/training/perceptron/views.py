"""Views of the layers of a perceptron, which are made once: each takes as long as a small layer."""

from __future__ import annotations

from dataclasses import dataclass
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
        Of each call of `nndyn.systems.training.perceptron.kernels.matrices`: what it takes, biases
        too; none where a library does the products.
    preactivation, value : (M, replicas, outputs, columns)
        See `Activation.forward`, which leaves the derivative in the first where it is kept.
    arrays : list of tuples of arrays
        Of each call of the activation: preactivations, bias, values; none where it changes nothing.
    """

    activation: str
    operands: list[Tensor]
    products: list[Tensor]
    below: list[Tensor]
    small: list[tuple[Any, ...]]
    preactivation: Tensor
    value: Tensor
    arrays: list[tuple[Array, ...]]


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
    gradient : (M, R, outputs, inputs)
        The same.
    bias : tensor or None
        Likewise; where it is None the delta is summed.
    lowers : list of tensors
        Where the gradient at the values below goes; empty for the first layer.
    small : list of pairs of tuples
        What products of our own take for `lowers` and for `products`; none where a library does
        them.
    arrays : list of tuples of arrays
        Of each call of the derivative of the activation below: gradients, values, preactivations.
    """

    delta: Tensor
    deltas: list[Tensor]
    below: list[Tensor]
    products: list[Tensor]
    gradient: Tensor
    bias: Tensor | None
    weights: list[Tensor]
    lowers: list[Tensor]
    small: list[tuple[tuple[Any, ...], tuple[Any, ...]]]
    arrays: list[tuple[Array, ...]]


#: Where the gradients of the weights of a layer and of its biases go.
Target = tuple[Tensor, Tensor | None]
