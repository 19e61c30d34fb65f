"""Outputs of more than one tensor: taken apart, joined, put together again."""

import dataclasses
from collections import OrderedDict, namedtuple

import pytest
import torch

from nndyn.systems.training.modules.nested import filled, joined, leaves, numbers

Pair = namedtuple("Pair", "a b")


@dataclasses.dataclass(frozen=True)
class Held:
    a: torch.Tensor
    b: object
    note: str = "kept"


FORMS = {
    "tensor": lambda a, b: a,
    "tuple": lambda a, b: (a, (b, None)),
    "list": lambda a, b: [a, [b, 3]],
    "named tuple": Pair,
    "dict": lambda a, b: {"a": a, "b": {"c": b}},
    "ordered": lambda a, b: OrderedDict(a=a, b=b),
    "dataclass": lambda a, b: Held(a, [b]),
}


@pytest.mark.parametrize("form", FORMS)
def test_parts_are_joined_in_the_same_form(form):
    whole = torch.arange(12.0).view(6, 2), torch.arange(6)
    halves = [FORMS[form](*(v[rows] for v in whole)) for rows in (slice(0, 2), slice(2, 6))]
    found, expected = joined(halves), FORMS[form](*whole)
    assert type(found) is type(expected)
    assert len(leaves(found)) == len(leaves(expected)) == (1 if form == "tensor" else 2)
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        assert torch.equal(a, b)
    assert len(numbers(found)) == 1
    assert len(leaves(halves[0])[0]) == 2  # which is left as it was
    again = filled(expected, (2 * leaf for leaf in leaves(expected)))
    assert torch.equal(leaves(again)[0], 2 * whole[0])
    if form == "dataclass":
        assert again.note == "kept"


def test_complex_numbers_are_pairs_of_real_ones():
    (pair,) = numbers(torch.tensor([1 + 2j, 3 - 1j]))
    assert pair.tolist() == [[1.0, 2.0], [3.0, -1.0]]
