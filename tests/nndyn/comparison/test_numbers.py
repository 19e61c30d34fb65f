"""Products, ratios and the Lyapunov clock, with the intervals they carry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nndyn
from nndyn.comparison.clock import WINDOW, Clock, ratios
from nndyn.comparison.measured import Measured
from nndyn.comparison.numbers import Number, null, product, ratio
from nndyn.comparison.quantities import ANALYZERS, QUANTITIES
from nndyn.comparison.runs import medians
from nndyn.comparison.sources import named
from nndyn.errors import UsageError

sides = st.floats(-100.0, 100.0)
shares = st.floats(0.0, 1.0)


@given(sides, sides, st.floats(0.01, 9.0), st.floats(0.01, 9.0), shares, shares)
def test_the_interval_holds_every_product_and_ratio(a, b, c, d, s, t):
    (a, b), (c, d) = sorted((a, b)), sorted((c, d))
    one, other = Number(a, (a, b), "time"), Number(c, (c, d), "seeds")
    x, y = a + s * (b - a), c + t * (d - c)
    for found, value in ((product(one, other), x * y), (ratio(one, other), x / y)):
        if (one.value, one.ci) != (other.value, other.ci):
            low, high = found.ci
            assert low - 1e-9 * abs(low) <= value <= high + 1e-9 * abs(high)
            assert found.over == "time and seeds"


def test_a_null_stays_null_and_says_why():
    assert product(null("no states"), Number(2.0)) == null("no states")
    assert ratio(null("no states"), null("no states")) == null("no states")
    assert product(null("no states"), null("no rate")).note == "no states; no rate"


def test_a_number_over_itself_is_one():
    exponent = Number(0.9, (0.8, 1.0), "time")
    assert ratio(exponent, exponent) == Number(1.0)


@pytest.mark.parametrize("ci", [(-0.1, 0.3), (0.0, 0.3), (-0.3, -0.1), None])
def test_there_is_no_clock_where_the_exponent_may_be_zero_or_less(ci):
    clock = Clock(Number(0.1, ci), stationary=True)
    found = clock.times(Number(3.0))
    assert found.value is None
    assert ("holds zero or less" if ci else "has no interval") in found.note


def test_the_clock_carries_the_interval_and_says_that_it_is_of_a_window():
    found = Clock(Number(0.5, (0.4, 0.6), "perturbations"), stationary=False).times(Number(10.0))
    assert (found.value, found.ci, found.note) == (5.0, (4.0, 6.0), WINDOW)


def test_a_spectrum_out_of_order_is_relative_to_its_largest():
    states = np.random.default_rng(0).standard_normal((20, 1))
    spectrum = nndyn.spectrum(_stretched(states, [-1.0, 0.5]))
    found = ratios(spectrum, stationary=True)
    assert found[1].value == 1.0
    assert found[0].value == pytest.approx(-2.0, rel=1e-3)


def _stretched(states, rates):
    recording = nndyn.from_array(np.tile(states, (50, 1)))
    time = np.arange(recording.sizes["time"])
    stretch = np.outer(time, rates) + 0.01 * np.random.default_rng(1).standard_normal((1000, 2))
    recording["tangent_log_stretch"] = (("time", "vector"), stretch - stretch[0])
    return recording


def column(exponent, verdict="learned", steps=None):
    numbers = dict.fromkeys(QUANTITIES, null("nothing"))
    numbers |= {"lyapunov_max": Number(exponent), "training_time": steps or Number(7.0)}
    facts = {"kind": "training", "exponent_kind": f"of the window 1:{exponent:g}"}
    verdicts = dict.fromkeys(ANALYZERS, verdict)
    return Measured(numbers, [null("nothing")], verdicts, verdicts, facts, 3, False)


def test_runs_of_a_study_become_medians_over_seeds():
    late = null("not reached by step 10")
    runs = [column(1.0, steps=Number(7.0)), column(3.0, "not learned", late)]
    runs.append(column(2.0, steps=Number(9.0)))
    found = medians(runs, 0.95)
    assert found.numbers["lyapunov_max"] == Number(2.0, (1.0, 3.0), "seeds")
    assert found.numbers["training_time"].value == 9.0  # the third comes later, if ever
    assert found.numbers["growth"] == null("nothing")
    assert found.verdicts["learning"] == "learned 2, not learned 1"
    assert found.facts["exponent_kind"] == "of the window"
    assert found.runs == 3


def test_a_time_that_few_runs_reach_is_null():
    late = null("not reached by step 10")
    runs = [column(1.0, "not learned", late), column(2.0, "not learned", late)]
    assert "fewer than half" in medians([*runs, column(3.0)], 0.95).numbers["training_time"].note


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    paths = [tmp_path / "a" / "x.nc", tmp_path / "b" / "x.nc", tmp_path / "y.nc"]
    assert list(named(paths)) == ["a/x.nc", "b/x.nc", "y.nc"]
    with pytest.raises(UsageError, match=r"x\.nc is given twice"):
        named([paths[0], tmp_path / "b" / ".." / "a" / "x.nc"])
