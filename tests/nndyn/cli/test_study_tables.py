"""Tables of studies at the widths that terminals have."""

import json

import numpy as np
import pytest
import xarray as xr

from nndyn.cli.study import print_study
from nndyn.results import Quantity, result

RATES = [0.25, 0.5, 1.0, 2.0]


@pytest.fixture(scope="module")
def study():
    """A hand-made study along lr, with names and intervals as long as those of real ones."""

    def along(values, low, high, unit="1"):
        ci = np.stack([np.full(4, low), np.full(4, high)], axis=1)
        return Quantity(values, unit, "x", ("lr",), ci=ci, interval_over="seeds")

    quantities = {
        "onset": Quantity(1.751, "1", "x", ci=(1.641, 2.035), interval_over="seeds"),
        "exponent": along([0.00209, 0.00101, 0.19, 0.441], -0.000823, 0.00294, "per step"),
        "growing_share": along([0.0, 0.2, 0.5, 1.0], 0.0252, 0.556),
        "median_growth": along([0.601, 0.514, 2.9, np.nan], 0.27, 1.08),
        "results": Quantity([10, 10, 10, 9], "1", "x", ("lr",)),
        "median_training_time": along([245.0, 146.0, 96.0, 67.0], 51.0, 147.0, "step"),
        "finite_time_exponent": along([0.001, 0.002, 0.1, 0.5], 0.00085, 0.468),
    }
    found = result(
        quantities,
        analyzer="lyapunov",
        recording=xr.Dataset(),
        parameters={},
        summary=["onset"],
        verdict="found",
        reason="half of 10 seeds turn over at lr = 1.751, interval [1.641, 2.035]",
        coords={"lr": ("lr", RATES, {"units": "1"})},
    )
    return found.assign_attrs(along="lr")


@pytest.mark.parametrize("columns", [50, 80, 120])
def test_intervals_stay_whole_at_every_width(study, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    print_study(study.copy())
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    rows = [line for line in lines if line.startswith(("0.25 ", "2 "))]
    for entry in (
        "0.00209 [-0.000823, 0.00294]",
        "0 [0.0252, 0.556]",
        "245 [51, 147]",
        "0.5 [0.00085, 0.468]",
        "null",
    ):
        assert any(entry in row for row in rows), entry
    headings = [line for line in lines if line.startswith("lr ")]
    assert len(headings) == {50: 4, 80: 2, 120: 2}[columns]


@pytest.mark.parametrize("columns", [50, 80])
def test_no_word_of_a_heading_is_cut(study, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    print_study(study.copy())
    words = capsys.readouterr().out.split()
    for name in json.loads(study.attrs["summary"]), ["training", "growing", "exponent", "finite"]:
        assert set(name) <= set(words)


def test_a_program_that_reads_it_gets_one_table(study, capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    print_study(study.copy())
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("0.25 ")]
    assert row.count("[") == 5
    assert "\x1b" not in row
