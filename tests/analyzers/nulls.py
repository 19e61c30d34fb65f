"""Separation curves without a trend, and bursts over fluctuations: what a test of growth faces."""

from __future__ import annotations

import numpy as np

from tests.analyzers.synthetic import recording

REPLICAS, STEPS = 5, 200


def common(steps, rng, own=0.0):
    """Return the same increments for all replicas, with fluctuations of their own beside."""
    return steps[:, None] + own * rng.normal(size=(len(steps), REPLICAS))


def power(rng, p):
    t = np.arange(STEPS + 1)
    level = p * np.log1p(t)[:, None] + 0.1 * rng.normal(size=(STEPS + 1, REPLICAS))
    return np.diff(level, axis=0)


#: Increments (STEPS, REPLICAS) of each family from a generator.
NULLS = {
    "independent walks, 0.2 a step": lambda rng: 0.2 * rng.normal(size=(STEPS, REPLICAS)),
    "independent walks, 0.5 a step": lambda rng: 0.5 * rng.normal(size=(STEPS, REPLICAS)),
    "common walks, 0.2 a step": lambda rng: common(0.2 * rng.normal(size=STEPS), rng),
    "common walks, 0.5 a step": lambda rng: common(0.5 * rng.normal(size=STEPS), rng),
    "common walks, 0.2 a step, and 0.05 of their own": lambda rng: common(
        0.2 * rng.normal(size=STEPS), rng, 0.05
    ),
    "dying fluctuations, 0.5 exp(-t/30)": lambda rng: common(
        0.5 * np.exp(-np.arange(STEPS) / 30.0) * rng.normal(size=STEPS), rng
    ),
    "heavy tails, 0.2 of Student's t3": lambda rng: common(
        0.2 * rng.standard_t(3, size=STEPS), rng
    ),
    "skewed, 0.3 (1 - Exp(1))": lambda rng: common(0.3 * (1.0 - rng.exponential(size=STEPS)), rng),
    "± ln 3 with equal chance": lambda rng: common(
        np.log(3.0) * rng.choice([-1.0, 1.0], size=STEPS), rng
    ),
    "d linear in t": lambda rng: power(rng, 1.0),
    "d as t²": lambda rng: power(rng, 2.0),
    "relaxation": lambda rng: common(
        -0.05 * np.exp(-np.arange(STEPS) / 50.0) + 0.1 * rng.normal(size=STEPS), rng, 0.05
    ),
    "noise": lambda rng: np.diff(0.3 * rng.normal(size=(STEPS + 1, REPLICAS)), axis=0),
}


def family(name, draw):
    """Return draw number `draw` of a family."""
    return NULLS[name](np.random.default_rng([sorted(NULLS).index(name), draw]))


def burst(length, slope, rng, spread=0.2):
    """Return increments with a burst of growth over fluctuations of each replica's own."""
    steps = spread * rng.normal(size=(STEPS, REPLICAS))
    start = int(rng.integers(10, STEPS - length - 10))
    steps[start : start + length] += slope
    return steps


def drawn(steps):
    """Record increments as distances that stay infinitesimal."""
    level = np.cumsum(np.concatenate([np.zeros((1, REPLICAS)), steps]), axis=0)
    return recording(np.exp(np.log(1e-8) + level), step_length=1e9, rounding=1e-30)


GROWTH = ("chaotic", "transient", "saturated")
