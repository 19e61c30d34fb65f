"""Types in plans and notes are not trusted: what is of another kind is refused in one line."""

import json

import pytest

import nndyn
from nndyn.errors import NndynError, RecordingError, UsageError
from nndyn.store import sealed
from nndyn.studies.analysis import analyze_study
from nndyn.studies.request import request
from tests.nndyn.studies.small import MAP, logistic

DEEP = "[" * 10_000 + "]" * 10_000
LEVELS = "[" * 99 + "]" * 99


@pytest.fixture
def study(recorded_study, tmp_path):
    """A study without its recordings: nothing here needs them."""
    for part in ("cells", "batches", "results"):
        (tmp_path / "s" / part).mkdir(parents=True)
    for file in (recorded_study / "study.json", *recorded_study.glob("batches/*.json")):
        (tmp_path / "s" / file.relative_to(recorded_study)).write_bytes(file.read_bytes())
    return tmp_path / "s"


def edited(file, *path, value=None, name=None, drop=False):
    """Change a value, or a key, and make the checksum anew."""
    tree = sealed.read(file.read_text(), says="", cure="")
    at = {"tree": tree}
    for key in ("tree", *path)[:-1]:
        at = at[key]
    last = ("tree", *path)[-1]
    if name is not None:
        at[name] = at.pop(last)
    elif drop:
        del at[last]
    else:
        at[last] = value
    file.write_text(sealed.written(tree) if isinstance(tree, dict) else json.dumps(tree))


def assert_refused(folder, file, said):
    for read in (nndyn.open_study, lambda f: analyze_study(f, "lyapunov"), lambda f: logistic(f)):
        with pytest.raises(RecordingError, match=said) as caught:
            read(folder)
        assert str(caught.value).startswith(str(file))
        assert len(str(caught.value)) < 600
        assert str(caught.value).isprintable()


MANY = {"r": [3.5, 3.9, 4.0, *range(5, 1003)], "seed": list(range(1001))}
CELL = ("batches", 0, "cells", 0)
WRONG = [
    (("nndyn_study",), "1", r"nndyn_study is '1', expected a whole number"),
    (("nndyn_study",), float("1"), r"nndyn_study is 1\.0"),
    (("id",), 7, r"id is 7, expected a text"),
    (("id",), "a\x00b", r"id is 'a\\x00b', expected a text of one line"),
    (("system",), ["logistic"], r"system is \['logistic'\], expected a text"),
    (("options",), [], r"options is \[\], expected an object"),
    (("options", "steps"), "many", r"options\.steps is 'many', expected a whole number"),
    (("axes",), [], r"axes is \[\], expected an object, seed the last"),
    (("axes", "r"), 3.5, r"axes\.r is 3\.5, expected a list"),
    (("axes", "r"), [], r"axes\.r is \[\], expected a list"),
    (("axes", "r"), [None, 3.9, 4.0], r"axes\.r\[0\] is None, expected a finite number"),
    (("axes", "r"), [[], 3.9, 4.0], r"axes\.r\[0\] is \[\], expected a finite number"),
    (("axes", "r"), ["a\x00b", 3.9, 4.0], r"axes\.r\[0\] is 'a\\x00b', expected"),
    (("axes", "r"), [2**70, 3.9, 4.0], r"axes\.r\[0\] is \d+, expected"),
    (("axes", "r"), [3.5, 3.9, 4.0, 4.0], r"axes\.r has a value twice"),
    (("axes", "r"), [3.9, 4.0], r"which is not among axes\.r"),
    (("axes", "seed"), [0, -1], r"axes\.seed\[1\] is -1, expected a whole number"),
    (("axes",), MANY, r"its axes have 1002001 combinations, for 6 runs"),
    (("batches",), {}, r"batches is \{\}, expected a list"),
    (("batches",), [], r"it has no runs"),
    (("batches", 0), None, r"batches\[0\] is None, expected an object"),
    (("batches", 0, "steps"), 0, r"batches\[0\]\.steps is 0, expected a whole number, 1 or more"),
    (("batches", 0, "steps"), 2**70, r"batches\[0\]\.steps is \d+, expected"),
    (("batches", 0, "cells"), [], r"it has no runs, or none in a batch"),
    (("batches", 0, "cells"), [1], r"cells\[0\] is 1, expected an object"),
    ((*CELL, "at"), [3.5, 0], r"at is \[3\.5, 0\], expected an object"),
    ((*CELL, "file"), "../../x.nc", r"file is '\.\./\.\./x\.nc', expected the name of a file in"),
    ((*CELL, "file"), "a\x00.nc", r"expected the name of a file in cells/"),
    ((*CELL, "file"), "", r"expected the name of a file in cells/"),
    ((*CELL, "file"), "r=3.5_seed=1.nc", r"and so is another, or another has its file"),
]


@pytest.mark.parametrize("case", range(len(WRONG)))
def test_a_value_of_another_type_in_a_plan_is_refused(study, case):
    path, value, said = WRONG[case]
    edited(study / "study.json", *path, value=value)
    assert_refused(study, study / "study.json", f"is no plan of a study: .*{said}")


@pytest.mark.parametrize("name", ["path", "status", "bound", "a/b", "a\x00b", "", "../x", "lr "])
def test_an_axis_of_a_name_that_cannot_be_is_refused(study, name):
    file = study / "study.json"
    tree = sealed.read(file.read_text(), says="", cure="")
    tree["axes"] = {name: tree["axes"]["r"], "seed": tree["axes"]["seed"]}
    for cell in tree["batches"][0]["cells"]:
        cell["at"] = {name: cell["at"]["r"], "seed": cell["at"]["seed"]}
    file.write_text(sealed.written(tree))
    assert_refused(study, file, "expected the name of an option that can be swept")


@pytest.mark.parametrize("key", ["nndyn_study", "id", "system", "options", "axes", "batches"])
def test_a_missing_key_of_a_plan_is_named(study, key):
    edited(study / "study.json", key, drop=True)
    assert_refused(study, study / "study.json", f"{key} is missing, expected")


NOTES = [
    ("id", 1, "id is 1, expected a text"),
    ("status", None, "status is None, expected one of"),
    ("status", "done", "status is 'done', expected one of recording, complete"),
    ("committed", "many", "committed is 'many', expected a whole number"),
    ("committed", 1.5, r"committed is 1\.5, expected"),
    ("bytes", -1, "bytes is -1, expected"),
    ("mtime", [], r"mtime is \[\], expected"),
    ("reason", {}, r"reason is \{\}, expected a text"),
]


@pytest.mark.parametrize(("key", "value", "said"), NOTES)
def test_a_value_of_another_type_in_a_note_is_refused(study, key, value, said):
    (note,) = study.glob("batches/*.json")
    edited(note, "r=3.5_seed=0.nc", key, value=value)
    assert_refused(study, note, f"is no note on a batch: .*{said}.*remove it and sweep again")


@pytest.mark.parametrize("part", ["study.json", "batches/*.json"])
@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "null", DEEP, LEVELS, '{"steps": 1e999}', "NaN"]
)
def test_json_that_is_no_object_or_deep_or_not_finite_is_refused(study, part, text):
    (file,) = study.glob(part)
    file.write_text(text)
    assert_refused(study, file, "is no JSON|JSON of too many levels|expected an object")


def test_an_option_that_no_plan_can_hold_is_refused_before_there_is_one(tmp_path):
    for options, said in (
        ({"r": [3.9, float("inf")]}, "r has the value inf, expected a finite number"),
        ({"r": float("nan")}, "r is nan, expected finite numbers"),
        ({"r": ["a\x00b"]}, r"r has the value 'a\\x00b'"),
    ):
        with pytest.raises(UsageError, match=said):
            request("logistic", {**MAP, **options})
    with pytest.raises(UsageError, match="a b cannot be swept"):
        request(lambda **given: None, {**MAP, "a b": [1, 2]})


def test_a_folder_in_the_place_of_a_run_is_named(study):
    (study / "cells/r=3.5_seed=0.nc").mkdir()
    index = nndyn.open_study(study)
    assert str(index["status"].sel(r=3.5, seed=0).item()) == "damaged"


def test_every_refusal_is_of_a_file(study):
    """As exit code 4 says it."""
    edited(study / "study.json", "id", value=7)
    with pytest.raises(NndynError) as caught:
        nndyn.open_study(study)
    assert caught.value.exit_code == 4
