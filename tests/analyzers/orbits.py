"""Orbits of conservative systems from random starts: twins and a tangent, by plain loops."""

from __future__ import annotations

import numba
import numpy as np

from tests.analyzers.synthetic import recording

STANDARD, HENON_HEILES = range(2)


@numba.njit(cache=True)
def force(v):
    return np.array(
        [v[2], v[3], -v[0] - 2.0 * v[0] * v[1], -v[1] - v[0] * v[0] + v[1] * v[1]],
    )


@numba.njit(cache=True)
def force_along(v, w):
    return np.array(
        [
            w[2],
            w[3],
            -w[0] - 2.0 * (w[0] * v[1] + v[0] * w[1]),
            -w[1] - 2.0 * v[0] * w[0] + 2.0 * v[1] * w[1],
        ]
    )


@numba.njit(cache=True)
def advance(kind, parameter, v):
    """Return the state one step on: an iteration, or a Runge-Kutta step of length `parameter`."""
    if kind == STANDARD:
        momentum = v[1] + parameter * np.sin(v[0])
        return np.array([v[0] + momentum, momentum])
    h = parameter
    a = force(v)
    b = force(v + 0.5 * h * a)
    c = force(v + 0.5 * h * b)
    d = force(v + h * c)
    return v + h / 6.0 * (a + 2.0 * b + 2.0 * c + d)


@numba.njit(cache=True)
def advance_along(kind, parameter, v, w):
    """Return a tangent vector one step on."""
    if kind == STANDARD:
        momentum = w[1] + parameter * np.cos(v[0]) * w[0]
        return np.array([w[0] + momentum, momentum])
    h = parameter
    a, da = force(v), force_along(v, w)
    at = v + 0.5 * h * a
    b, db = force(at), force_along(at, w + 0.5 * h * da)
    at = v + 0.5 * h * b
    c, dc = force(at), force_along(at, w + 0.5 * h * db)
    at = v + h * c
    dd = force_along(at, w + h * dc)
    return w + h / 6.0 * (da + 2.0 * db + 2.0 * dc + dd)


@numba.njit(cache=True)
def follow(kind, parameter, start, vectors, steps, every, epsilon, rescale):
    """Log separations of twins (steps + 1, R), taken-out logs, and the stretching of a tangent.

    Each of `steps` samples is `every` steps of the system; twins are rescaled at every
    `rescale`-th.
    """
    R = vectors.shape[0] - 1
    x, w, stretch = start.copy(), vectors[R].copy(), 0.0
    y = np.empty((R, x.size))
    taken, distance = np.zeros((steps + 1, R)), np.empty((steps + 1, R))
    tangent = np.zeros(steps + 1)
    for r in range(R):
        y[r] = x + epsilon * vectors[r]
    so_far = np.zeros(R)
    for t in range(steps + 1):
        for r in range(R):
            d = np.sqrt(np.sum((y[r] - x) ** 2))
            if t > 0 and t % rescale == 0:
                y[r] = x + (y[r] - x) * (epsilon / d)
                after = np.sqrt(np.sum((y[r] - x) ** 2))
                so_far[r] += np.log(d / after)
                d = after
            distance[t, r], taken[t, r] = d, so_far[r]
        tangent[t] = stretch
        for _ in range(every):
            for r in range(R):
                y[r] = advance(kind, parameter, y[r])
            w = advance_along(kind, parameter, x, w)
            x = advance(kind, parameter, x)
        if kind == STANDARD:  # by whole turns, all alike
            turn = 2.0 * np.pi * np.floor(x / (2.0 * np.pi))
            x = x - turn
            y = y - turn
        length = np.sqrt(np.sum(w * w))
        stretch += np.log(length)
        w = w / length
    return distance, taken, tangent


def orbit(kind, parameter, start, *, steps, seed, every=1, replicas=3, epsilon=1e-8, rescale=5):
    """Record an orbit as a recording with distances and `tangent_log_stretch`."""
    vectors = np.random.default_rng(seed).normal(size=(replicas + 1, len(start)))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    distance, taken, tangent = follow(
        kind, parameter, np.asarray(start, float), vectors, steps, every, epsilon, rescale
    )
    interval = parameter * every if kind == HENON_HEILES else 1.0
    ds = recording(
        distance,
        log_rescale=taken,
        stationary=True,
        rounding=None,
        step_length=1.0,
        interval=interval,
        units="time unit" if kind == HENON_HEILES else "step",
    )
    ds["tangent_log_stretch"] = (("time", "vector"), tangent[:, None])
    return ds


def of_energy(energy, rng):
    """Draw a start of Hénon and Heiles (doi:10.1086/109234) at an energy, on x = 0."""
    while True:
        y, py = rng.uniform(-0.6, 0.9), rng.uniform(-0.6, 0.6)
        left = 2.0 * energy - py * py - y * y + 2.0 / 3.0 * y**3
        if left > 0.0 and -0.5 < y < 1.0:
            return np.array([0.0, y, np.sqrt(left), py])
