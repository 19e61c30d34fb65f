"""States beside the phase, as text."""

import enum
from collections import Counter, OrderedDict, defaultdict, deque

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nndyn.errors import UsageError
from nndyn.systems.training.loop.rest import Slot, copied, decode, encode, equal, filled, slots

NUMBERS = st.integers() | st.floats() | st.booleans() | st.none() | st.text() | st.binary()
NUMBERS |= st.complex_numbers() | st.builds(Slot, st.integers(0, 9))
NUMBERS |= st.floats(width=32).map(np.float32) | st.integers(-100, 100).map(np.int64)
KEYS = st.text() | st.integers() | st.tuples(st.integers(), st.text())
TREES = st.recursive(
    NUMBERS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3).map(OrderedDict)
        | st.lists(inner, max_size=3).map(deque)
    ),
    max_leaves=12,
)


@given(TREES)
def test_what_is_encoded_is_decoded(tree):
    found = decode(encode(tree))
    assert equal(found, tree)
    assert equal(copied(tree), tree)


TYPES = [
    Counter({5: 1, 11: 2}),
    defaultdict(int, {"a": 3}),
    deque([1, 2], maxlen=3),
    {1, 2, "x"},
    frozenset({1}),
    torch.Size([2, 3]),
    torch.device("cpu"),
    torch.bfloat16,
    torch.tensor(3.0),
    torch.tensor([[1, 2], [3, 4]]),
    torch.tensor([True, False]),
    torch.tensor([1.5, float("nan")], dtype=torch.bfloat16),
    torch.zeros(0, 3),
    np.arange(6.0).reshape(2, 3),
    np.array(3, np.int16),
    float("-inf"),
    -0.0,
    2**70,
]


@pytest.mark.parametrize("tree", TYPES, ids=range(len(TYPES)))
def test_types_are_kept(tree):
    found = decode(encode({"x": tree}))["x"]
    assert type(found) is type(tree)
    assert equal(found, tree)
    if isinstance(tree, deque):
        assert found.maxlen == tree.maxlen
    if isinstance(tree, float):
        assert np.copysign(1.0, found) == np.copysign(1.0, tree)


class Mode(enum.Enum):
    """A value of a type of the user's."""

    TRAIN = 1


@pytest.mark.parametrize(
    "value", [lambda: 3, Mode.TRAIN, object(), slice(3), range(3)], ids=range(5)
)
def test_other_types_are_refused_by_name(value):
    with pytest.raises(UsageError, match=r"scheduler\.a\[1\] is of type \w+"):
        encode({"a": [0, value]}, "scheduler")


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"[", b"[1]", b'["tensor"]', b'["tensor","load",[1],"AAAA"]', b'["what",1]'),
        *(b'["tensor","float32",[3],"AAAA"]', b'["array","O",[1],"AAAAAAAAAAA="]'),
        *(b'["defaultdict","eval",[1,2]]', b'["dict",null,[1]]', b"[" * 5000, b'["dtype","load"]'),
    ],
)
def test_a_text_of_strangers_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        decode(text)


def test_slots_are_filled_with_tensors():
    live = [torch.ones(2), torch.zeros(3)]
    tree = [{"a": Slot(1), "b": (Slot(0), 3)}, [Slot(0)]]
    assert slots(tree) == {0, 1}
    found = filled(tree, live)
    assert found[0]["a"] is live[1]
    assert found[0]["b"][0] is found[1][0] is live[0]


@given(TREES, TREES)
def test_equality_is_of_types_and_values(one, other):
    assert equal(one, one)
    assert equal(one, other) == equal(other, one)
    if equal(one, other):
        assert encode(one) == encode(other)
