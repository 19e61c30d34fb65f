"""Recordings with a known answer: separation curves drawn by hand, and twins of small maps."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

REFERENCE, PERTURBED, CONTROL = 0, 1, 2


def recording(
    distance,
    *,
    stationary=False,
    log_rescale=None,
    step_length=None,
    rounding=1e-15,
    alignment=None,
    pair=None,
    state=None,
    loss=None,
    diverged_at=None,
    redrawn=(),
    interval=1.0,
    units="step",
    distances=("l1", "l2", "linf"),
):
    """Label distances (T, R) of R perturbed replicas as a recording with a control."""
    T, R = distance.shape
    time = interval * np.arange(T)
    rows = R + 2
    full = np.zeros((T, rows))
    full[:, 1 : R + 1] = distance
    rescale = np.zeros((T, rows))
    if log_rescale is not None:
        rescale[:, 1 : R + 1] = log_rescale
    data = {
        "role": ("replica", np.array([REFERENCE, *[PERTURBED] * R, CONTROL], dtype=np.int8)),
        "perturbation": ("replica", np.array([0.0, *distance[0], 0.0])),
        "pair": ("replica", np.full(rows, -1) if pair is None else np.asarray(pair)),
        "diverged_at": ("replica", np.full(rows, -1) if diverged_at is None else diverged_at),
        "log_rescale": (("time", "replica"), rescale),
    }
    for name in distances:
        data[f"distance_{name}"] = (("time", "replica"), full)
    if step_length is not None:
        steps = np.broadcast_to(np.asarray(step_length, dtype=float), (T,)).copy()
        steps[0] = 0.0
        data["step_length"] = (("time", "replica"), np.repeat(steps[:, None], rows, axis=1))
    if alignment is not None:
        data["deviation_alignment"] = ("time", alignment)
    if loss is not None:
        data["loss"] = (("time", "replica"), np.repeat(loss[:, None], rows, axis=1))
    if state is not None:
        data["state"] = (("time", "replica", "component"), state)
    ds = xr.Dataset(data, coords={"time": ("time", time, {"units": units})})
    if rounding is not None:
        n = min(50, T // 10) + 1
        ds["floor_time"] = ("floor_time", time[:n])
        ds["rounding_distance"] = ("floor_time", rounding * np.arange(n))
    ds.attrs = {
        "Conventions": "CF-1.11",
        "nndyn_schema": 1,
        "recording_id": "drawn",
        "status": "complete",
        "stop_reason": "",
        "stationary": int(stationary),
        "n_committed": T,
        "manifest": "{}",
        "redrawn": json.dumps([list(r) for r in redrawn]),
    }
    return ds


def autoregressive(rng, shape, phi, spread):
    """Draw AR(1) noise along the first axis with a stationary standard deviation `spread`."""
    noise = rng.normal(size=shape) * spread
    for t in range(1, shape[0]):
        noise[t] = phi * noise[t - 1] + np.sqrt(1.0 - phi**2) * noise[t]
    return noise


def piecewise(
    slopes,
    breaks,
    steps,
    *,
    seed=0,
    replicas=5,
    slope_spread=0.05,
    offset=0.3,
    phi=0.7,
    noise=0.1,
    epsilon=1e-8,
):
    """Draw log separations (steps + 1, replicas): slopes between breaks, replicas of their own.

    Each replica has an offset, a common factor on its slopes of relative spread `slope_spread`,
    and AR(1) noise.
    """
    rng = np.random.default_rng(seed)
    edges = [0, *breaks, steps]
    rate = np.concatenate(
        [np.full(b - a, s) for s, a, b in zip(slopes, edges[:-1], edges[1:], strict=True)]
    )
    curve = np.concatenate([[0.0], np.cumsum(rate)])
    factor = 1.0 + slope_spread * rng.normal(size=replicas)
    start = np.log(epsilon) + offset * rng.normal(size=replicas)
    return start + curve[:, None] * factor + autoregressive(rng, (steps + 1, replicas), phi, noise)


def twins(
    step,
    start,
    steps,
    *,
    replicas=5,
    epsilon=1e-8,
    rescale=0,
    seed=0,
    discard=0,
    pairs=False,
    keep=True,
    with_steps=True,
    **labels,
):
    """Record a map from ``start`` with perturbed twins, by plain numpy loops."""
    rng = np.random.default_rng(seed)
    x = np.atleast_1d(np.asarray(start, dtype=float))
    for _ in range(discard):
        x = step(x)
    deviation = rng.uniform(-epsilon, epsilon, (replicas, x.size))
    if pairs:
        deviation[1::2] = -deviation[::2]
        ahead = np.arange(1, replicas + 1)
        labels["pair"] = [-1, *np.where(ahead % 2, ahead + 1, ahead - 1), -1]
    y = np.concatenate([x[None], x + deviation, x[None]])
    first = np.linalg.norm(y - y[0], axis=1)
    taken = np.zeros(len(y))
    states, factors = [], []
    for t in range(steps + 1):
        if rescale and t and t % rescale == 0:
            length = np.linalg.norm(y - y[0], axis=1)
            for r in np.flatnonzero(length > 0.0):
                y[r] = y[0] + (y[r] - y[0]) * (first[r] / length[r])
                taken[r] += np.log(length[r] / np.linalg.norm(y[r] - y[0]))
        states.append(y.copy())
        factors.append(taken.copy())
        y = np.array([step(row) for row in y])
    states, factors = np.array(states), np.array(factors)
    inside = slice(1, replicas + 1)
    lengths = np.linalg.norm(np.diff(states[:, 0], axis=0), axis=1)
    return recording(
        np.linalg.norm(states - states[:, :1], axis=2)[:, inside],
        log_rescale=factors[:, inside],
        step_length=np.concatenate([[0.0], lengths]) if with_steps else None,
        state=states if keep else None,
        **labels,
    )
