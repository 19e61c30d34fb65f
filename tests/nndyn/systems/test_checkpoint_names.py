"""Names of checkpoints: their order, and the steps they say."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nndyn.errors import UsageError
from nndyn.systems.checkpoints.names import natural, of_names

steps = st.lists(st.integers(0, 10**9), min_size=2, max_size=12, unique=True)
text = st.text("abcxyz-_.=", max_size=6)


@given(steps, text, text, st.booleans())
def test_names_are_ordered_as_their_numbers_are(numbers, before, behind, padded):
    names = [f"{before}{n:012d}{behind}" if padded else f"{before}{n}{behind}" for n in numbers]
    random.Random(0).shuffle(names)
    expected = sorted(names, key=lambda name: int(name[len(before) :].removesuffix(behind)))
    assert sorted(names, key=natural) == expected


@given(st.lists(st.text("ab01", max_size=5), max_size=8, unique=True))
def test_the_order_is_one_whatever_names_are_in(names):
    once = sorted(names, key=natural)
    assert sorted(reversed(names), key=natural) == once
    assert len(set(map(natural, names))) == len(names)


@given(steps, st.integers(0, 99))
def test_the_number_in_which_names_differ_is_the_step(numbers, run):
    assert of_names([f"run{run}-{n}.pt" for n in numbers], "x") == numbers
    assert of_names([f"epoch={n // 7}-step={n}.ckpt" for n in numbers], "x") == numbers


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["first.pt", "2.pt"], r"first\.pt has no number, expected its step; give `steps`"),
        (["1-1.pt", "2-2.pt"], "differ in several numbers, expected one that is the step"),
        (["1.pt", "2-2.pt"], "have different numbers of numbers"),
        (["a1.pt", "b1.pt"], "differ in no number"),
    ],
)
def test_names_that_do_not_say_a_step_are_refused(names, message):
    with pytest.raises(UsageError, match=message):
        of_names(names, "x")
