"""Parts of rows of weights that belong to one parameter, and what becomes of their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from nndyn.systems.protocol import Parameter

Tensor = torch.Tensor


def place_in(rows: Tensor, place: Parameter) -> Tensor:
    """Return the numbers of a parameter in rows ``(…, D)``."""
    return rows[..., place.start : place.start + place.size]


def split(rows: Tensor, places: Sequence[Parameter]) -> dict[str, Tensor]:
    """Return the parts of `rows` by name, each in memory of its own, which autograd may fill.

    On a CPU the first row comes once more at the end. Elementwise kernels compute the last numbers
    of an array, those that fill no vector register, by other approximations: so they belong to a
    row that counts for nothing.

    Returns
    -------
    dict of str to (G, ...) or (G + 1, ...)
    """
    padded = not rows.is_cuda and len(rows) > 1
    found = {}
    for place in places:
        part = place_in(rows, place)
        whole = torch.contiguous_format
        own = torch.cat([part, part[:1]]) if padded else part.clone(memory_format=whole)
        found[place.name] = own.view(len(own), *place.shape)
    return found


def descend(
    loss: Tensor, leaves: Sequence[Tensor], places: Sequence[Parameter], out: Tensor, *, add: bool
) -> None:
    """Write the gradients of a loss into `out`, or add them, each as soon as it is there.

    So there is no time at which all of them are held beside `out`.

    Parameters
    ----------
    loss : ()
    leaves : sequence of (...) or of (G + 1, ...)
    places : sequence of Parameter
        Of the leaves.
    out : (D,) or (G, D)
    add : bool
    """
    reached = set()

    def take(leaf: Tensor, place: Parameter) -> None:
        target, gradient = place_in(out, place), leaf.grad
        leaf.grad = None
        assert gradient is not None
        dense = gradient.to_dense()
        dense = (dense if out.dim() == 1 else dense[: len(out)]).reshape(target.shape)
        if add:
            target += dense
        else:
            target.copy_(dense)
        reached.add(place.start)

    pairs = list(zip(leaves, places, strict=True))
    handles = []
    try:
        for leaf, place in pairs:
            leaf.grad = None
            hook = partial(take, place=place)
            handles.append(leaf.register_post_accumulate_grad_hook(hook))  # type: ignore[no-untyped-call]
        torch.autograd.backward(loss, inputs=list(leaves))
    finally:
        for handle in handles:
            handle.remove()
    for place in places if not add else ():
        if place.start not in reached:
            place_in(out, place).zero_()
