"""``nndyn record series``: what it says of a table, and how it refuses one."""

import json
import re
from pathlib import Path

import pytest

import nndyn


def lines(*rows):
    Path("x.csv").write_text("\n".join(rows) + "\n")


def record(cli, *options):
    return cli("record", "series", "x.csv", *options, "-o", "x.nc")


def test_a_table_with_times_says_its_interval(cli):
    lines("date;wind;rain", "2020-01-01;1,5;0", "2020-01-02;0,5;2", "2020-01-03;2;1")
    code, out, err = record(cli, "--time", "date", "--column", "rain,wind")
    assert (code, err) == (0, "")
    assert out.startswith("x.nc: x.csv, 3 times every 1 day of 2 components, ")
    code, out, _ = cli("info", "x.nc", "--json")
    system = json.loads(out)["manifest"]["system"]
    assert system["columns"] == ["rain", "wind"]
    assert (system["time"], system["start"], system["name"]) == ("date", "2020-01-01", "x.csv")
    with nndyn.open("x.nc") as run:
        assert run["state"].values[:, 0].tolist() == [[0, 1.5], [2, 0.5], [1, 2]]


def test_columns_may_be_given_one_by_one(cli):
    lines("a,b,c", "1,2,3", "0,1,2")
    assert record(cli, "--column", "c", "--column", "a", "--interval", 0.5)[0] == 0
    with nndyn.open("x.nc") as run:
        assert run["parameter_name"].values.tolist() == ["c", "a"]
        assert run["time"].values.tolist() == [0, 0.5]


def test_resampling_is_said(cli):
    lines("t,x", "0,1", "1,5", "3,2", "4,1")
    assert record(cli, "--time", "t")[0] == 1
    code, out, err = record(cli, "--time", "t", "--resample")
    assert (code, err) == (
        0,
        "warning: times are uneven; linearly interpolated from 4 uneven rows\n",
    )
    assert "5 times every 1 step of 1 component" in out
    assert "resampled linearly interpolated" in cli("info", "x.nc")[1]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ((), 1, "'YEAR' has the name of times or row numbers, .* --time YEAR or --column a"),
        (("--column", "b"), 2, "no column 'b'; known: YEAR, a"),
        (("--decimal", "x"), 2, "decimal is 'x', expected . or ,"),
        (("--separator", "abc"), 2, "separator is 'abc'"),
        (("--group", "g"), 2, "group is of .nc files"),
        (("--column", "a"), 1, "line 4, column 'a' has a missing value"),
    ],
)
def test_a_refusal_is_one_line_and_writes_nothing(cli, options, code, message):
    lines("# made here", "YEAR,a", "1,2", "2,NA", "3,1")
    if not options:
        lines("# made here", "YEAR,a", "1,2", "2,5", "3,1")
    found, out, err = record(cli, *options)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert re.search(message, err)
    assert not Path("x.nc").exists()
