"""What a study needs of each run: exponents of its replicas, and growth that was cut short."""

import numpy as np
import pytest

from analyzers import ANALYZERS
from analyzers.lyapunov.analyzer import lyapunov
from nndyn.results import to_dict
from tests.analyzers.synthetic import piecewise, recording, twins


def drawn(slopes, breaks, steps, **options):
    return recording(np.exp(piecewise(slopes, breaks, steps, **options)), step_length=1.0)


def test_each_replica_has_its_mean_growth_over_the_window():
    found = lyapunov(drawn([0.3, 0.0], [40], 200, slope_spread=0.1))
    first, last = (int(t) for t in found["window"].values)
    curves = found["log_separation"].values
    expected = (curves[last] - curves[first]) / (last - first)
    np.testing.assert_allclose(found["replica_exponent"], expected)
    assert found["replica_exponent"].attrs["units"] == "per step"
    assert float(found["replica_exponent"].mean()) == pytest.approx(
        float(found["lyapunov_max"]), abs=0.02
    )


def test_a_mirrored_pair_counts_once():
    found = lyapunov(twins(lambda x: x - 0.5 * (x**3 - x), 1e-9, 200, replicas=4, pairs=True))
    values = found["replica_exponent"].values
    assert np.isfinite(values).tolist() == [True, False, True, False]
    assert "NaN at its second replica" in found["replica_exponent"].attrs["note"]
    np.testing.assert_allclose(values[[0, 2]], np.log(1.5), atol=0.02)


def test_stationary_recordings_have_them_per_time_unit():
    ds = twins(
        lambda x: 4.0 * x * (1.0 - x),
        0.3,
        2000,
        rescale=10,
        stationary=True,
        rounding=None,
        interval=0.5,
        units="time unit",
    )
    found = lyapunov(ds)
    np.testing.assert_allclose(found["replica_exponent"], 2.0 * np.log(2.0), atol=0.02)


@pytest.mark.parametrize(
    ("slopes", "steps", "cut"),
    [([0.3], 300, True), ([0.3, 0.0], 200, False), ([0.001], 200, False)],
)
def test_growth_that_ends_at_saturation_is_a_lower_bound(slopes, steps, cut):
    found = lyapunov(drawn(slopes, [40][: len(slopes) - 1], steps))
    assert bool(found["growth_lower_bound"]) is cut
    assert ("lower bound" in found["growth"].attrs.get("note", "")) is cut


def test_deviations_that_saturate_within_a_few_steps_still_have_grown():
    found = lyapunov(drawn([6.0], [], 60))
    assert found.attrs["verdict"] == "unresolved"
    assert float(found["growth"]) > 5.0
    assert bool(found["growth_lower_bound"])
    assert to_dict(found)["results"]["lyapunov_max"]["value"] is None
    assert np.isnan(found["replica_exponent"]).all()
    assert "can be used for" in found["replica_exponent"].attrs["note"]


def test_a_perturbation_too_large_from_the_start_shows_no_growth():
    found = lyapunov(drawn([0.3], [], 100, epsilon=0.1))
    assert to_dict(found)["results"]["growth"]["value"] is None


def test_a_window_of_one_tangent_vector_has_no_replicas():
    s = piecewise([0.02, 0.3], [60], 300, epsilon=8e-3, noise=0.01, offset=0.0)
    ds = recording(np.exp(s), step_length=1.0)
    growth = np.concatenate([0.02 * np.arange(60.0), 1.2 + 0.3 * np.arange(241.0)])
    ds["tangent_log_stretch"] = (("tangent_time", "vector"), growth[1:, None])
    ds = ds.assign_coords(tangent_time=ds["time"].values[1:])
    found = lyapunov(ds)
    assert np.isnan(found["replica_exponent"]).all()
    assert "one tangent vector" in found["replica_exponent"].attrs["note"]


def test_what_a_study_keeps_is_there():
    found = lyapunov(drawn([0.3, 0.0], [40], 200))
    assert set(ANALYZERS["lyapunov"].keep) <= set(found.data_vars)
