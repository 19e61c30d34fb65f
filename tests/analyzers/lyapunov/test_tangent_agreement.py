"""What a spectrum leaves out at the start of a transient: the time until its vectors agree."""

import json

import numpy as np
import pytest
import xarray as xr

import nndyn
from nndyn.results import to_dict

T, AGREED = 400, 60


def transient(alignment=None, *, start="weights", k=2, weights=3, phase=9, axis="time", every=1):
    """A training whose vectors grow by 1 a step until they agree, and by 0.01 from there on."""
    steps = np.full((T, k), 0.01) + 1e-4 * np.sin(np.arange(T))[:, None]
    steps[:AGREED] = 1.0
    total = np.vstack([np.zeros(k), np.cumsum(steps, axis=0)])[::every]
    time = (axis, np.arange(T + 1.0)[::every], {"units": "step"})
    found = xr.Dataset(
        {
            "tangent_log_stretch": ((axis, "vector"), total),
            "checkpoint": (("phase",), np.zeros(phase)),
            "parameter_size": (("parameter",), np.array([weights])),
        },
        {axis: time},
    )
    if alignment is not None:
        found["tangent_alignment"] = ((axis,), alignment[::every])
    options = {"tangents": k} | ({"tangent_start": start} if start else {})
    found.attrs |= {"stationary": 0, "manifest": json.dumps({"recording": options})}
    return found


def agreeing(since=AGREED):
    return np.where(np.arange(T + 1) >= since, 0.95, 0.3)


def test_what_is_before_the_agreement_is_left_out():
    found = nndyn.spectrum(transient(agreeing()))
    np.testing.assert_allclose(found["exponents"], 0.01, atol=1e-4)
    np.testing.assert_array_equal(found["window"], [AGREED, T])
    assert f"from step {AGREED} to {T}" in found.attrs["reason"]
    assert f"agreed at step {AGREED}, what is before is left out" in found.attrs["reason"]


def test_five_samples_have_to_agree():
    alignment = agreeing()
    alignment[10:14] = 0.99
    found = nndyn.spectrum(transient(alignment))
    np.testing.assert_array_equal(found["window"], [AGREED, T])
    alignment[10:15] = 0.99
    found = nndyn.spectrum(transient(alignment))
    np.testing.assert_array_equal(found["window"], [10, T])


def test_samples_of_seldom_orthonormalized_vectors_count_as_they_are():
    found = nndyn.spectrum(transient(agreeing(), axis="tangent_time", every=5))
    np.testing.assert_array_equal(found["window"], [AGREED, T])


@pytest.mark.parametrize(
    ("alignment", "said"),
    [
        (None, "whether vectors forgot their start was not recorded: nothing is left out"),
        (
            np.full(T + 1, 0.3),
            "never agreed (|cos| >= 0.9 over 5 samples, at the end 0.3): not",
        ),
        (np.full(T + 1, np.nan), "never agreed"),
        (agreeing(T - 20), "agreed at step 380 only, 20 samples before the end: nothing is left"),
    ],
)
def test_without_an_agreement_nothing_is_left_out_and_that_is_said(alignment, said):
    found = nndyn.spectrum(transient(alignment))
    np.testing.assert_array_equal(found["window"], [0, T])
    assert said in found.attrs["reason"]


@pytest.mark.parametrize(
    ("options", "window"),
    [({"burn_in": 0.0}, [0, T]), ({"burn_in": 20.0}, [20, T]), ({"window": (5, 300)}, [5, 300])],
)
def test_a_burn_in_or_a_window_that_is_asked_for_overrides_the_rule(options, window):
    found = nndyn.spectrum(transient(agreeing()), **options)
    np.testing.assert_array_equal(found["window"], window)
    assert "agreed" not in found.attrs["reason"]


def test_stationary_recordings_have_their_usual_burn_in():
    run = transient(agreeing())
    run.attrs["stationary"] = 1
    found = nndyn.spectrum(run)
    assert "agreed" not in found.attrs["reason"]
    assert float(found["exponents"][0]) > 0.1


@pytest.mark.parametrize(("start", "said"), [("weights", True), ("random", False), (None, False)])
def test_exponents_of_vectors_that_began_in_buffers_are_named(start, said):
    run = transient(agreeing(), k=5, weights=3, start=start)
    note = to_dict(nndyn.spectrum(run))["results"]["exponents"].get("note", "")
    assert ("vectors 4 to 5 started in the buffers of the optimizer" in note) == said
    few = to_dict(nndyn.spectrum(transient(agreeing(), k=3)))["results"]["exponents"]
    assert "note" not in few


@pytest.mark.parametrize(
    ("start", "phase", "said"),
    [(None, 9, True), ("random", 9, True), ("weights", 9, False), ("random", 3, False)],
)
def test_random_starts_among_buffers_are_no_growth_without_a_word(start, phase, said):
    found = nndyn.spectrum(transient(None, start=start, phase=phase))
    assert ("began in the optimizer's buffers too" in found.attrs["reason"]) == said
