"""Tables as people have them: what is state, what is time, and what is asked instead of guessed."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nndyn
from nndyn.errors import DataError, UnknownNameError, UsageError
from nndyn.systems.series.files import load
from recorders.series import record_series

SUNSPOTS = Path(__file__).parent / "sunspots.csv"  # yearly, 1700 to 2008; in the public domain


def table(folder, text, name="t.csv", **options):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path, **options)


TIMES = "YEAR,S\n1700,5\n1701,11\n1702,6\n"
INDEX = ",x\n0,5.5\n1,1.5\n2,16\n"
DATES = "date,x\n{},1\n{},5\n{},2\n"
XY = [[1, 2], [5, 6], [0, 3]]


@pytest.mark.parametrize(
    ("text", "options", "rows", "names"),
    [
        # named columns
        (TIMES, {"column": "S"}, [[5], [11], [6]], ("S",)),
        (TIMES, {"column": "YEAR"}, [[1700], [1701], [1702]], ("YEAR",)),
        (INDEX, {"column": "x"}, [[5.5], [1.5], [16]], ("x",)),
        ("a,b,c\n1,2,3\n0,1,2\n", {"column": "c,a"}, [[3, 1], [2, 0]], ("c", "a")),
        ("a,b,c\n1,2,3\n0,1,2\n", {"column": ["c", "a"]}, [[3, 1], [2, 0]], ("c", "a")),
        ('"a,b",c\n1,2\n', {"column": "a,b"}, [[1]], ("a,b",)),
        ("A,1.5\nB,2.5\n", {"column": "x1"}, [[1.5], [2.5]], ("x1",)),
        # separators
        ("x;y\n1;2\n5;6\n0;3\n", {}, XY, ("x", "y")),
        ("x\ty\n1\t2\n5\t6\n0\t3", {}, XY, ("x", "y")),
        ("x|y\n1|2\n5|6\n0|3", {}, XY, ("x", "y")),
        (" x  y\n1 2\n  5     6 \n0\t3\n", {}, XY, ("x", "y")),
        ("x, y\n1, 2\n5, 6\n0, 3\n", {}, XY, ("x", "y")),
        ("x:y\n1:2\n5:6\n0:3\n", {"separator": ":"}, XY, ("x", "y")),
        ("x y\n1 2\n5 6\n0 3\n", {"separator": "space"}, XY, ("x", "y")),
        ("x\ty\n1\t2\n5\t6\n0\t3\n", {"separator": "tab"}, XY, ("x", "y")),
        # decimal commas
        ("x;y\n1,5;2\n0;3\n", {}, [[1.5, 2], [0, 3]], ("x", "y")),
        ("1,5 2,5\n0,5 3\n", {}, [[1.5, 2.5], [0.5, 3]], ("x0", "x1")),
        ("1,5\t2\n0,5\t3,25\n", {}, [[1.5, 2], [0.5, 3.25]], ("x0", "x1")),
        ('"x","y"\n"1,5","2,5"\n"0,5","3"\n', {}, [[1.5, 2.5], [0.5, 3]], ("x", "y")),
        ("x\n0,5\n0,7\n", {}, [[0.5], [0.7]], ("x",)),
        ("0,05\n0,7\n", {}, [[0.05], [0.7]], ("x",)),
        ("0,5\n1\n0,7\n", {}, [[0.5], [1], [0.7]], ("x",)),
        ("0,5\n0,7\n", {"decimal": ","}, [[0.5], [0.7]], ("x",)),
        ("0,5\n0,7\n", {"separator": ","}, [[0, 5], [0, 7]], ("x0", "x1")),
        ("0,5\n0,7\n", {"decimal": "."}, [[0, 5], [0, 7]], ("x0", "x1")),
        ("a,b\n0,5\n0,7\n", {}, [[0, 5], [0, 7]], ("a", "b")),
        ("x;y\n1,500;1,2\n", {}, [[1.5, 1.2]], ("x", "y")),
        ("x;y\n1,500;1,200\n", {"decimal": ","}, [[1.5, 1.2]], ("x", "y")),
        # what is no row
        ("# made\n\n1,2.0\n# more\n5,6\n\n0,3\n# end\n", {}, XY, ("x0", "x1")),
        ("x,y,\n1,2,\n5,6,\n0,3,\n", {}, XY, ("x", "y")),
        ("x,y\n1,2,\n5,6,\n0,3,\n", {}, XY, ("x", "y")),
        ("sep=;\nx;y\n1;2\n5;6\n0;3\n", {}, XY, ("x", "y")),
        # encodings and ends of lines
        (b"\xef\xbb\xbfx,y\r\n1,2\r\n5,6\r\n0,3\r\n", {}, XY, ("x", "y")),
        ("x,y\r1,2\r5,6\r0,3\r", {}, XY, ("x", "y")),
        ("größe;y\n1,0;2\n5;6\n0;3\n".encode("latin-1"), {}, XY, ("größe", "y")),
        ("x\ty\n1\t2\n5\t6\n0\t3\n".encode("utf-16"), {}, XY, ("x", "y")),
        ('"x\n(m)",y\n1,2\n5,6\n0,3\n', {}, XY, ("x\n(m)", "y")),
        # a single column that rises is all there is; T is a temperature
        ("x\n1\n2\n3\n", {}, [[1], [2], [3]], ("x",)),
        ("T,y\n1,2\n5,6\n0,3\n", {}, XY, ("T", "y")),
        ("price_index,y\n1,2\n5,6\n0,3\n", {}, XY, ("price_index", "y")),
    ],
)
def test_a_table_is_read_as_it_is_meant(tmp_path, text, options, rows, names):
    found = table(tmp_path, text, **options)
    np.testing.assert_array_equal(found.rows, rows)
    assert found.names == names
    assert (found.interval, found.time_unit, dict(found.facts)) == (1.0, "step", {})


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        # what would be taken for state
        (TIMES, {}, "'YEAR' has the name of times .*; give `time='YEAR'` or `column='S'`$"),
        (INDEX, {}, "'Unnamed: 0' has the name .*; give `time='Unnamed: 0'` or `column='x'`$"),
        (",0\n0,5.5\n1,1.5\n2,6\n", {}, "give `time='Unnamed: 0'` or `column='0'`$"),
        ("Unnamed: 0,x\n3,5\n1,1\n", {}, "'Unnamed: 0' has the name"),
        (
            "1.5,1\n2,5\n4,2\n",
            {},
            "'x0' only rises from line 1 to line 3, .* `time='x0'` or `column='x1'`",
        ),
        ("#\nq,p\n9,1\n\n8,5\n1,2\n", {}, "'q' only falls from line 3 to line 6"),
        ("x,customerId\n1,5\n2,1\n1,1\n", {}, "'customerId' has the name of times or row numbers"),
        ("x,Time (s)\n1,5\n2,1\n1,1\n", {}, r"give `time='Time \(s\)'` or `column='x'`$"),
        ("time\n1\n5\n", {}, "'time' has the name .*; give `column='time'`$"),
        ('"x" "y"\n"1" 0.5 2\n"2" 0.2 1\n"3" 1 4\n', {}, "'Unnamed: 0' has the name"),
        (
            "date,x\n2020-01-01,1\n",
            {},
            "line 2, column 'date' has dates, .* `time='date'`, or `column='x'`",
        ),
        (
            "kind,x\nA,1\n",
            {},
            "line 2, column 'kind' has text, 'A', and no number; give `column='x'`$",
        ),
        # what is missing or no number
        ("NA,1\n2,3\n1,4\n", {}, "line 1, column 'x0' has a missing value; remove or mend"),
        ("x\nNaN\n2\n1\n", {}, "line 2, column 'x' has a missing value"),
        ("x,y\n1,\n2,3\n", {}, "line 2, column 'y' has a missing value"),
        ("# c\n\nx,y\n1,2\n-,3\n", {}, "line 5, column 'x' has a missing value"),
        ("x;y\n1;2\n#N/A;3\n", {}, "line 3, column 'x' has a missing value"),
        ('"x\n(m)",y\n1,2\n5,q\n', {}, "line 4, column 'y' has 'q', which is not a number"),
        ("x\n1e5\ninf\n", {}, "line 3, column 'x' has 'inf', which is not finite"),
        ("x\n1\n" + "9" * 500 + "\n", {}, r"has '9{57}\.\.\.', which is not finite"),
        ("x\n1\n1_0\n", {}, "line 3, column 'x' has '1_0', which is not a number"),
        ("1,2\n5,abc\n", {}, "line 2, column 'x1' has 'abc'"),
        ("x0,2\n5,1\n", {}, "line 1 is neither a header nor a row: 'x0'"),
        # numbers in two ways
        (
            "0,5\n0,7\n",
            {},
            "line 1 has '0,5', one .* `decimal=','` for one, `separator=','` for two",
        ),
        ("x;y\n1,500;1,200\n", {}, "line 2 has '1,500', with a decimal comma or one between thous"),
        (
            "x;y\n1.500,25;1,2\n",
            {},
            "'1.500,25', .* commas are decimal here: write it without points",
        ),
        ('x,y\n"1,234.5",2\n3,1\n', {}, "'1,234.5', .* without separators of thousands"),
        (
            "x;y\n0.5;1\n0,5;1\n0.5;1\n",
            {},
            "line 3, column 'x' has '0,5', .* write it with a point",
        ),
        ("0,1\n5.5,2\n1,1.5\n", {}, "line 1 counts the columns from 0, .* write numbers as 0.0"),
        # lines
        ("x,y\n1,2\n0,3,4\n", {}, "line 3 has 3 fields and line 1 has 2; mend the line, or begin"),
        ("x,y\n1,2,3\n4,5,6\n0,1,2\n", {}, "line 2 has 3 fields and line 1 has 2"),
        ("x,y\n1,2\n3\n", {}, "line 3 has 1 field and line 1 has 2"),
        ("made by me\nx,y,z\n1,2,3\n0,3,3\n", {}, "lines that are no rows with #"),
        ('x,y\n1,"2\n', {}, "line 2 cannot be read: .*; mend its quotes"),
        ("1,2,3,4\n", {}, "has 1 row and 4 columns, .*; transpose it, or name its columns"),
        ("x,y\n1,2\n", {"separator": ";"}, "no line has the separator ';'; leave it out"),
        ("x,x\n1,2\n", {}, "two columns are called 'x'; rename one"),
        ("x,x\n1,2\n", {"column": "x"}, "2 columns are called 'x'"),
        ("x,y\n", {}, "a header and no rows"),
        ("", {}, "is empty; give rows"),
        ("\n# x\n", {}, "is empty"),
        (b"PK\x03\x04\0\0", {}, "is not text: line 1 has a zero byte; save it as .csv"),
    ],
)
def test_what_is_not_clear_is_asked_with_line_and_cure(tmp_path, text, options, message):
    with pytest.raises(DataError, match=message) as caught:
        table(tmp_path, text, **options)
    assert str(caught.value).startswith(str(tmp_path / "t.csv"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"column": "Z"}, UnknownNameError, "no column 'Z'; known: YEAR, S"),
        ({"time": "Z"}, UnknownNameError, "no column 'Z'; known: YEAR, S"),
        ({"column": "S,S"}, UsageError, "expected each once"),
        ({"column": "YEAR", "time": "YEAR"}, UsageError, "not that of time"),
        ({"separator": "ab"}, UsageError, "separator is 'ab', expected a character"),
        ({"separator": ",", "decimal": ","}, UsageError, "are both ','"),
        ({"decimal": "x"}, UsageError, "decimal is 'x', expected . or ,"),
        ({"resample": True, "column": "S"}, UsageError, "resample needs times"),
        ({"time": "YEAR", "interval": 2.0}, UsageError, "interval is 2 and 'YEAR' has steps of 1"),
        ({"variable": "S"}, UsageError, "variable is of .nc files"),
    ],
)
def test_wrong_options_of_a_table_are_refused(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        table(tmp_path, TIMES, **options)


@pytest.mark.parametrize(
    ("text", "time", "interval", "unit", "start"),
    [
        (TIMES, "YEAR", 1.0, "year", 1700.0),
        ("t (ms),x\n0,1\n0.333,5\n0.667,2\n1,0\n", "t (ms)", 1 / 3, "ms", 0.0),
        ("x,at\n1,0.1\n5,0.2\n2,0.30000000000000004\n", "at", 0.1, "time unit", 0.1),
        (INDEX, "Unnamed: 0", 1.0, "step", 0.0),
        ("5,1\n6,5\n7,2\n", "x0", 1.0, "step", 5.0),
        (
            DATES.format("2020-01-31", "2020-02-29", "2020-03-31"),
            "date",
            1.0,
            "month",
            "2020-01-31",
        ),
        (DATES.format("2020-01", "2020-04", "2020-07"), "date", 3.0, "month", "2020-01-01"),
        (DATES.format("2019-05-01", "2020-05-01", "2021-05-01"), "date", 1.0, "year", "2019-05-01"),
        (DATES.format("1/2/2020", "2/2/2020", "13/2/2020"), "date", None, "", ""),
        (DATES.format("30/1/2020", "31/1/2020", "1/2/2020"), "date", 1.0, "day", "2020-01-30"),
        (DATES.format("1/31/2020", "2/1/2020", "2/2/2020"), "date", 1.0, "day", "2020-01-31"),
        (DATES.format("31.1.2020", "1.2.2020", "2.2.2020"), "date", 1.0, "day", "2020-01-31"),
        (DATES.format("2020/01/31", "2020/02/01", "2020/02/02"), "date", 1.0, "day", "2020-01-31"),
        (
            DATES.format("2020-01-31 23:30", "2020-02-01 00:00", "2020-02-01 00:30"),
            "date",
            1800.0,
            "second",
            "2020-01-31T23:30:00",
        ),
    ],
)
def test_times_give_the_interval(tmp_path, text, time, interval, unit, start):
    if interval is None:
        with pytest.raises(DataError, match="uneven"):
            table(tmp_path, text, time=time)
        return
    found = table(tmp_path, text, time=time)
    assert found.interval == pytest.approx(interval, rel=1e-11)
    assert (found.time_unit, found.rows.shape[1]) == (unit, 1)
    assert dict(found.facts) == {"time": time, "start": start}


@pytest.mark.parametrize(
    ("text", "time", "message"),
    [
        (
            "t,x\n0,1\n1,5\n3,2\n4,1\n",
            "t",
            "'t' is uneven: from 1.0 to 3.0 in line 4 it steps by 2",
        ),
        (
            "t,x\n0,1\n1,5\n3,2\n4,1\n",
            "t",
            "with `resample=True`, or leave times out with `column='x'`",
        ),
        ("t,x\n0,1\n2,5\n1,2\n", "t", "from 2.0 to 1.0 in line 4; sort the rows by it"),
        ("t,x\n0,1\n\n0,5\n1,2\n", "t", "from 0.0 to 0.0 in line 4; .* keep one for each time"),
        ("t,x\n0,1\n,5\n1,2\n", "t", "line 3, column 't' has a missing value"),
        ("t,x\n0,1\nabc,5\n1,2\n", "t", "line 3, column 't' has 'abc'"),
        (DATES.format("2020-01-03", "2020-01-06", "2020-01-07"), "date", "uneven"),
        (
            DATES.format("01/02/2020", "02/02/2020", "03/02/2020"),
            "date",
            "tells its day from its m",
        ),
        (
            DATES.format("20200130", "20200131", "20200201"),
            "date",
            "20200130 .* a number or a date",
        ),
        (
            DATES.format("2020-01-30", "5 Jan", "2020-02-01"),
            "date",
            "line 3 has '5 Jan' for 'date'",
        ),
        (
            DATES.format("2020-01-30", "2020-02-31", "x"),
            "date",
            "line 3 has '2020-02-31' for 'date'",
        ),
        ("t\n0\n1\n2\n", "t", "has times and no other column"),
    ],
)
def test_times_that_are_none_or_uneven_are_refused(tmp_path, text, time, message):
    with pytest.raises(DataError, match=message):
        table(tmp_path, text, time=time)


def test_uneven_times_are_interpolated_if_asked_for(tmp_path):
    text = "t,x,y\n0,0,1\n1,2,1\n3,6,5\n4,8,5\n"
    found = table(tmp_path, text, time="t", resample=True)
    np.testing.assert_array_equal(found.rows, [[0, 1], [2, 1], [4, 3], [6, 5], [8, 5]])
    assert found.facts["resampled"] == "linearly interpolated from 4 uneven rows"
    even = table(tmp_path, TIMES, time="YEAR", resample=True)
    assert "resampled" not in even.facts


@pytest.mark.parametrize("name", ["t.txt", "t.DAT", "t.tsv", "t.csv.gz", "t.txt.gz"])
def test_tables_have_several_endings(tmp_path, name):
    content = b"# x y\n1 2\n5 6\n0 3\n"
    content = gzip.compress(content) if name.endswith("gz") else content
    np.testing.assert_array_equal(table(tmp_path, content, name).rows, XY)


def test_a_damaged_archive_is_refused(tmp_path):
    for content in (b"1\n2\n", gzip.compress(b"1\n2\n" * 99)[:-9]):
        with pytest.raises(DataError, match="no gzip file, or is cut off"):
            table(tmp_path, content, "t.csv.gz")


def test_numbers_are_read_to_the_last_bit(tmp_path):
    rows = np.random.default_rng(0).standard_normal((2000, 3))
    np.savetxt(tmp_path / "t.txt", rows, fmt="%.17g")
    np.testing.assert_array_equal(load(tmp_path / "t.txt").rows, rows)


@pytest.mark.parametrize("options", [{"time": "YEAR"}, {"column": "SUNACTIVITY"}])
def test_sunspots_have_the_determinism_of_their_numbers(tmp_path, options):
    with record_series(SUNSPOTS, tmp_path / "s.nc", **options) as run:
        found = nndyn.recurrence(run, radius="rate:0.05")
        assert float(found["determinism"]) == pytest.approx(0.219471, abs=5e-7)
        assert int(found["max_diagonal_length"]) == 5
        assert run["time"].attrs["units"] == ("year" if "time" in options else "step")
    with pytest.raises(DataError, match="give `time='YEAR'` or `column='SUNACTIVITY'`"):
        load(SUNSPOTS)
    shutil.copy(SUNSPOTS, tmp_path / "same.txt")
    assert load(tmp_path / "same.txt", time="YEAR").names == ("SUNACTIVITY",)


def test_row_numbers_do_not_make_a_sine_superdiffusive(tmp_path):
    sine = np.sin(0.3 * np.arange(2000))
    pd.DataFrame({"x": sine}).to_csv(tmp_path / "s.csv")
    with pytest.raises(DataError, match="'Unnamed: 0' has the name of times or row numbers"):
        load(tmp_path / "s.csv")
    for options in ({"time": "Unnamed: 0"}, {"column": "x"}):
        with record_series(tmp_path / "s.csv", tmp_path / "s.nc", overwrite=True, **options) as run:
            np.testing.assert_array_equal(run["state"].values[:, 0, 0], sine)
            assert abs(float(nndyn.exploration(run)["msd_exponent"])) < 0.3
