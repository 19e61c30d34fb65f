"""Recordings of ends whose barriers are known."""

from itertools import combinations

import numpy as np
import xarray as xr

POSITIONS = np.linspace(0.0, 1.0, 5)


def recording(heights, *, peaks=None, disagreement=None, error=0.1, rest=()):
    """Return a recording whose test error rises by `heights` on the segments.

    Parameters
    ----------
    heights : sequence of float
        Of every segment, in the order of `barrier_from` and `barrier_to`; one may stand for all.
    peaks : sequence of int, optional
        Point at which it rises; the middle one unless given.
    disagreement : sequence of float, optional
        Of every segment; 0 unless given.
    error : float
        Elsewhere.
    rest : mapping
        Variables that replace others.
    """
    replicas = {1: 1, 3: 2, 6: 3}[len(heights)]
    pairs = np.array(list(combinations(range(1 + replicas), 2)))
    curves = np.full((1, len(pairs), 5), error)
    for s, height in enumerate(heights):
        curves[0, s, 2 if peaks is None else peaks[s]] += height
    along = ("barrier_time", "barrier_segment", "barrier_position")
    role = np.array([0, *[1] * replicas, 2], np.int8)
    apart = np.zeros(len(pairs)) if disagreement is None else np.asarray(disagreement, float)
    variables = {
        "role": ("replica", role),
        "diverged_at": ("replica", np.full(len(role), -1)),
        "log_rescale": (("time", "replica"), np.zeros((3, len(role)))),
        "distance_l2": (("time", "replica"), np.ones((3, len(role)))),
        "barrier_from": ("barrier_segment", pairs[:, 0].astype(np.int32)),
        "barrier_to": ("barrier_segment", pairs[:, 1].astype(np.int32)),
        "barrier_loss": (along, 2.0 * curves),
        "barrier_test_loss": (along, curves),
        "barrier_accuracy": (along, 1.0 - curves / 2.0),
        "barrier_test_accuracy": (along, 1.0 - curves),
        "barrier_distance_l2": (along[:2], np.ones((1, len(pairs)))),
        "barrier_distance_output": (along[:2], np.ones((1, len(pairs)))),
        "barrier_disagreement": (along[:2], apart[None]),
        "barrier_norm": (("barrier_time", "replica"), np.full((1, len(role)), 4.0)),
    }
    coords = {
        "time": ("time", [0.0, 1.0, 2.0], {"units": "step"}),
        "barrier_time": ("barrier_time", [2.0]),
        "barrier_position": ("barrier_position", POSITIONS),
    }
    return xr.Dataset(variables, coords).assign(dict(rest))
