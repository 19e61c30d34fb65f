"""Recurrence from the command line: what is printed, and input that has no answer."""

import json
from pathlib import Path

import numpy as np
import pytest

import nndyn as package


@pytest.fixture
def series(cli):
    """Record a series, given as numbers; returns the name of the file."""

    def record(numbers):
        Path("x.csv").write_text("\n".join(["x", *(repr(float(x)) for x in numbers)]))
        assert cli("record", "series", "x.csv", "--interval", 0.1, "-o", "x.nc")[0] == 0
        return "x.nc"

    return record


def test_an_embedded_series_has_the_numbers_of_the_function(cli, series):
    path = series(np.sin(0.1 * np.arange(400)))
    options = ("--dimension", 3, "--delay", 5, "--radius", "scale:0.1", "--norm", "max")
    code, out, err = cli("analyze", "recurrence", path, *options, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)["results"]
    with package.open(path) as run:
        result = run.nndyn.recurrence(dimension=3, delay=5, radius="scale:0.1", norm="max")
    for name, entry in found.items():
        assert entry["value"] == float(result[name]), name


@pytest.mark.parametrize("kind", ["cross", "joint"])
def test_two_orbits_of_a_map_have_a_plot(cli, kind):
    assert cli("record", "map", "logistic", "--steps", 300, "--replicas", 1, "-o", "m.nc")[0] == 0
    options = ("--kind", kind, "--other", 1)
    code, out, _ = cli("analyze", "recurrence", "m.nc", *options)
    assert code == 0
    assert out.startswith("recurrent: ")
    assert ("other_radius" in out) == (kind == "joint")
    assert cli("plot", "recurrence", "m.nc", *options, "-o", "f.png")[0] == 0


@pytest.mark.parametrize("kind", ["cross", "joint"])
def test_another_recording_is_opened_and_named(cli, kind):
    rows, columns = np.random.default_rng(0).uniform(size=(2, 300, 1))
    columns = columns if kind == "joint" else columns[:200]
    for name, values in (("a", rows), ("b", columns)):
        np.save(f"{name}.npy", values)
        assert cli("record", "series", f"{name}.npy", "-o", f"{name}.nc")[0] == 0
    options = ("--kind", kind, "--other", "b.nc", "--radius", 0.1)
    code, out, err = cli("analyze", "recurrence", "a.nc", *options, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    near = [np.abs(rows - columns.T) <= 0.1]
    if kind == "joint":
        near = [np.abs(x - x.T) <= 0.1 for x in (rows, columns)]
    rate = np.all(near, axis=0).mean()
    assert found["results"]["recurrence_rate"]["value"] == pytest.approx(rate, rel=1e-12)
    with package.open("b.nc") as other:
        said = {"id": other.attrs["recording_id"], "path": "b.nc"}
    assert found["parameters"]["other"] == said
    assert cli("plot", "recurrence", "a.nc", *options, "-o", "f.png")[0] == 0


@pytest.mark.parametrize("columns", [50, 120])
def test_a_plot_without_recurrences_has_nulls_and_reasons_at_any_width(
    cli, series, monkeypatch, columns
):
    monkeypatch.setenv("COLUMNS", str(columns))
    path = series(np.arange(50.0))
    code, out, err = cli("analyze", "recurrence", path, "--radius", 0)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "none: no two points recur within 0"
    assert all(len(line) <= columns for line in lines)
    assert ["determinism", "null"] in [line.split()[:2] for line in lines]
    assert "determinism: no two points recur" in out


def test_a_constant_series_is_told_that_its_rate_is_another(cli, series):
    code, out, err = cli("analyze", "recurrence", series(np.full(30, 2.0)))
    assert code == 0
    assert out.startswith("full: all points recur within 0\n")
    assert "the rate is 1 instead of 0.05: many distances are equal to the radius" in " ".join(
        err.split()
    )


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--radius", "inf"), 2, "radius is inf, expected a finite number: all points recur"),
        (("--radius", "often"), 2, "radius is 'often', expected a number, rate:R or scale:S"),
        (("--dimension", 0), 2, "dimension is 0, expected a whole number, 1 or more"),
        (("--window", "5:2"), 2, "window is 5:2, expected two times in order"),
        (("--window", "0:0.05"), 1, "expected at least 2 states, found 1"),
        (("--other", 1), 2, "kind='auto' takes no other trajectory; ask for cross or joint"),
        (("--kind", "cross", "--other", "no.nc"), 2, "no.nc does not exist; check the name"),
    ],
)
def test_what_makes_no_sense_is_one_line(cli, series, options, code, message):
    got, out, err = cli("analyze", "recurrence", series(np.arange(50.0)), *options)
    assert (got, out) == (code, "")
    assert message in " ".join(err.split())
    assert err.count("\n") == 1


def test_a_study_is_not_set_against_another_recording(cli, series):
    sweep = ("sweep", "map", "logistic", "--steps", 40, "--replicas", 1, "-o", "study")
    sweep += ("--seeds", 1)
    assert cli(*sweep)[0] == 0
    path = series(np.arange(50.0))
    code, out, err = cli("analyze", "recurrence", "study", "--kind", "cross", "--other", path)
    assert (code, out) == (2, "")
    assert "other is another recording, and study holds many to set against it; give" in err
    assert cli("analyze", "recurrence", "study", "--kind", "cross", "--other", 1)[0] == 0


def test_damage_names_the_file_it_is_in(cli):
    for name in ("a", "b"):
        made = cli("record", "map", "logistic", "--steps", 200, "--seed", 1, "-o", f"{name}.nc")
        assert made[0] == 0
    with package.open("b.nc") as run:
        where = Path("b.nc").read_bytes().index(run["state"].values[:20, 0].tobytes())
    with Path("b.nc").open("r+b") as file:
        file.seek(where + 9)
        file.write(b"!")
    code, out, err = cli("analyze", "recurrence", "a.nc", "--kind", "cross", "--other", "b.nc")
    assert (code, out) == (4, "")
    assert err.startswith("nndyn: b.nc is damaged")


def test_files_that_are_no_recordings_are_one_line(cli):
    Path("text.nc").write_text("hello\n")
    for path, message in (("none.nc", "does not exist"), ("text.nc", "not an nndyn recording")):
        code, out, err = cli("analyze", "recurrence", path)
        assert code > 0
        assert out == ""
        assert message in err
        assert err.count("\n") == 1
