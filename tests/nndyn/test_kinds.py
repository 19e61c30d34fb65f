"""Values from files are of the kinds they should be, or refused in one short line."""

import numpy as np
import pytest

from nndyn import kinds
from nndyn.errors import RecordingError

KIND = kinds.table(
    {"steps": kinds.whole(1), "system": kinds.table({}, {"lr": kinds.null_or(kinds.number(0.0))})},
    {"runs": kinds.items(kinds.items(kinds.whole(), 2)), "sizes": kinds.by_name(kinds.whole())},
)


def checked(value, kind=KIND):
    kinds.check(value, kind, says="f.nc is damaged", cure="restore it")


def test_what_fits_passes_whatever_stands_beside_it():
    checked({"steps": np.int64(3), "system": {"lr": 0.5, "more": [None]}, "further": object()})
    checked({"steps": 2**62, "system": {"lr": None}, "runs": [[1, 2]], "sizes": {"a": 1}})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": 0}, "steps is 0, expected a whole number, 1 or more"),
        ({"steps": "many"}, "steps is 'many', expected a whole number"),
        ({"steps": 3.0}, "steps is 3.0, expected"),
        ({"steps": True}, "steps is True, expected"),
        ({"steps": 2**63}, "steps is 9223372036854775808, expected"),
        ({"steps": np.array([1, 2])}, r"steps is array\(\[1, 2\]\), expected"),
        ({"system": []}, r"system is \[\], expected an object"),
        ({"system": {"lr": -1}}, r"system\.lr is -1, expected a finite number, 0 or more, or null"),
        ({"system": {"lr": float("inf")}}, r"system\.lr is inf, expected"),
        ({"system": {"lr": 10**400}}, r"system\.lr is 10{10,}\.\.\.0+, expected"),
        ({"runs": [[1, 2], [1]]}, r"runs\[1\] is \[1\], expected a list of 2"),
        ({"runs": [[1, "x"]]}, r"runs\[0\]\[1\] is 'x', expected a whole number"),
        ({"sizes": {"a": None}}, r"sizes\.a is None, expected"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place_and_what_was_expected(change, said):
    with pytest.raises(RecordingError, match=rf"^f\.nc is damaged: {said}.*; restore it$"):
        checked({"steps": 1, "system": {}} | change)


def test_a_missing_key_is_named():
    with pytest.raises(
        RecordingError, match=r"f\.nc is damaged: steps is missing, expected a whole"
    ):
        checked({"system": {}})
    with pytest.raises(RecordingError, match=r"f\.nc is damaged: it is None, expected an object"):
        checked(None)


def test_what_was_found_is_shown_short_on_one_line_and_harmless():
    deep = []
    for _ in range(10_000):
        deep = [deep]
    for value in ("x" * 10**6, "\x1b[2J\n\u202e", deep, {"a" * 10**5: deep}, np.zeros(10**5)):
        shown = kinds.shown(value)
        assert len(shown) < 200
        assert shown.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "",
        "\x00",
        "NaN",
        "[Infinity]",
        '{"a": 1e999}',
        "1" * 5000,
        "[" * 10**5,
        "[" * 99 + "]" * 99,
    ],
)
def test_what_is_no_json_of_finite_numbers_is_refused(text):
    with pytest.raises(
        RecordingError, match=r"^f\.nc: manifest is (no JSON \(|JSON of too many).*; c$"
    ):
        kinds.parsed(text, says="f.nc: manifest", cure="c")


def test_json_reads_as_it_is():
    assert kinds.parsed('{"a": [1, 2.5, null, true]}', says="", cure="") == {
        "a": [1, 2.5, None, True]
    }
