"""Tangents with a known answer: stretching made up, labelled as a recording."""

import json

import numpy as np
import xarray as xr


def stretched(
    steps,
    *,
    interval=1.0,
    unit="step",
    phase=None,
    exact=None,
    axis="time",
    dtype="float64",
    **manifest,
):
    """Label increments (T, k) as the tangents of a stationary recording with this manifest."""
    steps = np.asarray(steps, float)
    total = np.vstack([np.zeros(steps.shape[1]), np.cumsum(steps, axis=0)])
    time = interval * np.arange(len(total))
    found = xr.Dataset(
        {
            "tangent_log_stretch": ((axis, "vector"), total),
            "checkpoint": (("phase",), np.zeros(phase or steps.shape[1], dtype)),
        },
        {axis: (axis, time, {"units": unit})},
    )
    found.attrs |= {"manifest": json.dumps({"exponent_sum": exact, **manifest}), "stationary": 1}
    return found


def noise(means, T=4000, size=0.3, seed=0):
    rng = np.random.default_rng(seed)
    return np.array(means) + size * rng.standard_normal((T, len(means)))
