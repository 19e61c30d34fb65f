"""Checks of arguments: what they take, what they return, what they say."""

import math

import numpy as np
import pytest
import torch

from nndyn.checks import choice, every, flag, is_finite, number, share, whole
from nndyn.errors import UnknownNameError, UsageError

THREES = [3, 3.0, np.int8(3), np.array(3), torch.tensor(3)]


@pytest.mark.parametrize("value", THREES, ids=range(len(THREES)))
def test_a_whole_number_of_any_library_becomes_an_int(value):
    found = whole("steps", value, 1)
    assert found == 3
    assert type(found) is int


HALVES = [0.5, 1, np.float32(0.5), np.array(0.5), torch.tensor(0.5)]


@pytest.mark.parametrize("value", HALVES, ids=range(len(HALVES)))
def test_a_number_of_any_library_becomes_a_float(value):
    found = number("lr", value)
    assert found == float(value)
    assert type(found) is float
    assert is_finite(value)


NONE = [None, True, np.True_, torch.tensor(True), "1", b"1", 1j, [1], np.ones(1), torch.ones(2)]
HUGE = 10**400
NONE += [math.nan, math.inf, HUGE]


@pytest.mark.parametrize("value", NONE, ids=range(len(NONE)))
def test_what_is_no_finite_number_is_refused(value):
    assert not is_finite(value)
    for check in (number, share):
        with pytest.raises(UsageError, match=r"^x is .*, expected a (finite )?number"):
            check("x", value)
    if value is not HUGE:  # a whole number all the same
        with pytest.raises(UsageError, match=r"^x is .*, expected a whole number, 0 or more$"):
            whole("x", value, 0)


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (lambda: whole("n", 0, 1), "n is 0, expected a whole number, 1 or more"),
        (lambda: whole("n", 1.5, 1), "n is 1.5, expected a whole number, 1 or more"),
        (lambda: whole("n", 9, 1, 8, cure=", as many as there are"), "from 1 to 8, as many as"),
        (lambda: whole("n", -1, 0, what="a whole number of steps"), "number of steps, 0 or more"),
        (lambda: number("x", 0, above=0), "x is 0, expected a finite number above 0"),
        (lambda: number("x", -1, least=0, what="a time"), "x is -1, expected a time, 0 or more"),
        (lambda: number("x", 1, least=0, below=1), "x is 1, expected a number in [0, 1)"),
        (lambda: number("x", 0, above=0, below=2), "x is 0, expected a number in (0, 2)"),
        (lambda: number("x", 2, above=0, most=1), "x is 2, expected a number in (0, 1]"),
        (lambda: number("x", 5, least=20, most=40), "x is 5, expected a finite number from 20 to"),
        (lambda: share("x", 95), "x is 95, expected a number between 0 and 1; 95 % is 0.95"),
        (lambda: share("x", 1.0), "x is 1.0, expected a number between 0 and 1"),
        (lambda: flag("pairs", 1), "pairs is 1, expected True or False"),
        (lambda: choice("norm", "l3", ("l1", "l2")), "norm is 'l3', expected 'l1' or 'l2'"),
        (lambda: choice("on", "tests", ("test",)), "expected 'test'; did you mean 'test'?"),
        (lambda: choice("a", 1, ("b",), others="a function"), "a is 1, expected 'b' or a function"),
        (lambda: every("k", "every:0"), "k is 'every:0', expected 'every:K' with K above 0"),
        (lambda: every("k", 5, "full"), "k is 5, expected 'full' or 'every:K' with K above 0"),
    ],
)
def test_a_refusal_is_one_sentence(check, said):
    with pytest.raises(UsageError) as caught:
        check()
    assert said in str(caught.value)


def test_bounds_are_taken_where_they_are_allowed():
    assert whole("n", 8, 1, 8) == 8
    assert number("x", 0, least=0, below=1) == 0.0
    assert number("x", 1, above=0, most=1) == 1.0
    assert share("x", 1, closed=True) == 1.0


def test_a_choice_is_a_name_and_a_key():
    assert choice("norm", np.str_("l2"), {"l1": 0, "l2": 1}) == "l2"
    with pytest.raises(UnknownNameError):
        choice("norm", ["l2"], ("l1", "l2"))


def test_every_gives_the_number_behind_the_colon():
    assert every("store", "every:12") == 12


@pytest.mark.parametrize("value", [True, np.True_, np.array(True)], ids=range(3))
def test_a_flag_of_any_library_becomes_a_bool(value):
    assert flag("pairs", value) is True
