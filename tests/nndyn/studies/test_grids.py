"""Grids as they are written on the command line."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nndyn.errors import UsageError
from nndyn.studies.grid import numbers, texts

finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2", 2.0),
        ("-1e-8", -1e-8),
        ("0.5,1,2", [0.5, 1.0, 2.0]),
        ("2,1", [2.0, 1.0]),
        (" 1 , 2 ", [1.0, 2.0]),
        ("1:4:7", [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]),
        ("-1:1:3", [-1.0, 0.0, 1.0]),
        ("1:100:3log", [1.0, 10.0, 100.0]),
        ("0.25:8:6log", [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]),
    ],
)
def test_a_number_is_a_value_and_every_other_form_a_list(text, expected):
    assert numbers("lr", text) == pytest.approx(expected, rel=1e-15)
    assert isinstance(numbers("lr", text), list) == isinstance(expected, list)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"lr is '', expected a number, A,B,C, LO:HI:N or LO:HI:Nlog"),
        ("fast", "lr is 'fast', expected a number"),
        ("1,,2", "lr is '1,,2', expected a number"),
        ("nan", "lr is 'nan', expected a number"),
        ("1,inf", "lr is '1,inf', expected a number"),
        ("1:2", "lr is '1:2', expected a number"),
        ("1:2:3:4", "lr is '1:2:3:4', expected a number"),
        ("1:2:x", "lr is '1:2:x', expected a number"),
        ("1:2:-3", "lr is '1:2:-3', expected a number"),
        ("1:2:log", "lr is '1:2:log', expected a number"),
        ("x:2:3", "lr is 'x:2:3', expected a number"),
        ("1:2:1", "at least 2 values from a smaller number to a larger one"),
        ("2:1:3", "at least 2 values from a smaller number to a larger one"),
        ("1:1:3", "at least 2 values from a smaller number to a larger one"),
        ("0:1:3log", "equal ratios begin above 0"),
        ("-1:1:3log", "equal ratios begin above 0"),
    ],
)
def test_what_is_no_grid_is_refused_with_the_text_and_the_forms(text, message):
    with pytest.raises(UsageError, match=message):
        numbers("lr", text)


def test_whole_numbers_are_int_and_others_refused():
    assert numbers("rescale", "5,10", whole=True) == [5, 10]
    assert numbers("rescale", "1:100:3log", whole=True) == [1, 10, 100]
    assert isinstance(numbers("rescale", "1e3", whole=True), int)
    with pytest.raises(UsageError, match=r"rescale is '1:2:3': 1\.5 is no whole number"):
        numbers("rescale", "1:2:3", whole=True)


def test_texts_are_split_at_their_separator_and_none_is_empty():
    assert texts("model", "mlp:4-3") == "mlp:4-3"
    assert texts("model", "mlp:4-3, mlp:4-8-3") == ["mlp:4-3", "mlp:4-8-3"]
    assert texts("schedule", "step:10,0.5;constant", ";") == ["step:10,0.5", "constant"]
    with pytest.raises(UsageError, match="model is 'a,,b': a value is empty"):
        texts("model", "a,,b")


@given(st.lists(finite, min_size=2, max_size=6))
def test_written_numbers_come_back(values):
    assert numbers("x", ",".join(map(repr, values))) == values


@given(
    st.floats(1e-9, 1e9), st.floats(1.001, 1e6), st.integers(2, 40), st.sampled_from(["", "log"])
)
def test_spaced_grids_have_their_ends_and_equal_steps_or_ratios(low, factor, count, spacing):
    high = low * factor
    found = numbers("x", f"{low!r}:{high!r}:{count}{spacing}")
    assert len(found) == count
    assert math.isclose(found[0], low, rel_tol=1e-12)
    assert math.isclose(found[-1], high, rel_tol=1e-12)
    steps = np.diff(np.log(found) if spacing else found)
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-4)
