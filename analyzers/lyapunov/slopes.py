"""Slopes of curves with autocorrelated residuals, and a test of linearity."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import numpy as np

from analyzers.common.blocks import parts
from nndyn.numerics.arrays import Array

#: Autoregression beyond which the slope is that between the end points.
NEARLY_ONE = 0.98


def slopes(curves: Array, phi: float) -> Array:
    """Return the generalised least-squares slope of each curve, per sample.

    Parameters
    ----------
    curves : (n, R) float64
        Finite; n ≥ 2.
    phi : float
        Lag-one autoregression of the residuals: 0 is ordinary least squares, 1 the growth from the
        first sample to the last over the time between.

    Returns
    -------
    (R,) float64
    """
    n = len(curves)

    def table(part: slice) -> Array:
        t = np.arange(part.start, part.stop, dtype=float)
        return np.column_stack([np.ones(t.size), t, curves[part]])

    upper = triangle(
        whiten(table(slice(max(part.start - 1, 0), part.stop)), phi, first=part.start == 0)
        for part in parts(n, 2 + curves.shape[1])
    )
    solution = _solve(upper[:, :2], upper[:, 2:], n)
    fitted: Array = solution[1]
    return fitted


def whiten(y: Array, phi: float, *, first: bool = True) -> Array:
    """Return ``y_t - φ y_{t-1}``, its first row scaled to the same variance (Prais and Winsten).

    Parameters
    ----------
    y : (n, k) float64
    phi : float
    first : bool, default True
        Whether row 0 is the first of all; otherwise it is only what row 1 follows.

    Returns
    -------
    (n, k) float64, or (n - 1, k) where row 0 is not the first
    """
    phi = min(phi, NEARLY_ONE)
    out: Array = y[1:] - phi * y[:-1]
    return np.concatenate([np.sqrt(1.0 - phi * phi) * y[:1], out]) if first else out


def triangle(blocks: Iterable[Array]) -> Array:
    """Return R of the QR decomposition of blocks of rows (n, k) on top of one another."""
    upper: Array | None = None
    for block in blocks:
        below = block if upper is None else np.concatenate([upper, block])
        upper = np.asarray(np.linalg.qr(below, mode="r"))
    assert upper is not None
    return upper


def _solve(x: Array, y: Array, n: int) -> Array:
    """Return the least-squares solution of a design (n, p) from its triangle."""
    smallest = np.finfo(np.float64).eps * max(n, x.shape[1])
    solution: Array = np.linalg.lstsq(x, y, rcond=smallest)[0]
    return solution


def autoregression(curve: Array) -> float:
    """Return the lag-one autoregression of a curve about its least-squares line.

    Parameters
    ----------
    curve : (n,) float64

    Returns
    -------
    float
        From 0 to 1. Corrected for the fit: the residuals of a line through n samples of
        correlation φ show about ``φ - (2 + 4φ) / n``.
    """
    n = len(curve)
    level, middle = float(curve.mean()), 0.5 * (n - 1)
    rise = spread = size = 0.0
    for part in parts(n):
        t = np.arange(part.start, part.stop) - middle
        rise += float(t @ curve[part])
        spread += float(t @ t)
        size += float(curve[part] @ curve[part])
    power = product = 0.0
    for part in parts(n):
        t = np.arange(part.start, min(part.stop + 1, n)) - middle  # with the first of the next part
        residual = curve[part.start : part.stop + 1] - level - t * rise / spread
        own = residual[: part.stop - part.start]
        power += float(own @ own)
        product += float(residual[1:] @ residual[:-1])
    if n < 4 or power <= 1e-24 * max(1.0, size):
        return 0.0
    raw = product / power
    return float(np.clip((n * raw + 2.0) / max(n - 4.0, 1.0), 0.0, 1.0))


def exponential_evidence(curve: Array, first: int, breaks: list[int]) -> float:
    """Return AIC(power law) - AIC(straight phases) of a log curve: positive favours exponentials.

    Parameters
    ----------
    curve : (n,) float64
        ``ln d`` at the steps ``first, first + 1, …`` since the perturbation.
    first : int
    breaks : list of int
        Indices into `curve` at which the slope changes; each change costs the straight phases one
        parameter, the places of the breaks none, as they are given to both models: the
        fluctuations have a variance of their own between them.

    Returns
    -------
    float
        ``ln d`` is fitted against ln(1 + t), and against t with a change of slope at each break;
        residuals are AR(1) with the φ of greatest likelihood in each.

    References
    ----------
    Akaike, IEEE Transactions on Automatic Control 19 (1974) 716, doi:10.1109/TAC.1974.1100705.
    """
    places = [first + b for b in breaks]

    def power(t: Array) -> list[Array]:
        return [np.log1p(t)]

    def straight(t: Array) -> list[Array]:
        return [t, *(np.maximum(t - b, 0.0) for b in places)]

    worse, better = (smallest_deviance(curve, first, shape, breaks) for shape in (power, straight))
    return worse - better - 2.0 * len(breaks)


def smallest_deviance(
    curve: Array, first: int, shape: Callable[[Array], list[Array]], breaks: list[int]
) -> float:
    """Return the least ``-2 ln L`` (up to a constant) of a linear model with AR(1) residuals.

    Parameters
    ----------
    curve : (n,) float64
        At the steps ``first, first + 1, …``.
    first : int
    shape : callable
        Columns of the model at given steps, beside a constant.
    breaks : list of int
        Indices into `curve`, ascending: up to and with each the variance of the innovations is
        another.

    Returns
    -------
    float
        Minimised over φ on a grid and over the variances by alternating with weighted fits.

    Notes
    -----
    One pass over the curve: for each stretch of one variance, rows and the rows before them are
    brought to a triangle, from which residuals follow for every φ, by rotations alone.
    """
    n = len(curve)
    edges = [0, *(b + 1 for b in breaks), n]
    count = np.diff(edges)

    def table(start: int, stop: int) -> Array:
        t = first + np.arange(start, stop, dtype=float)
        return np.column_stack([np.ones(t.size), *shape(t), curve[start:stop]])

    def followed(start: int, stop: int) -> Array:
        rows = table(max(start - 1, 0), stop)
        return np.column_stack([rows[1:], rows[:-1]])

    begin = table(0, 1)
    k = begin.shape[1]
    stretches = [
        triangle(followed(a + part.start, a + part.stop) for part in parts(b - a, 2 * k))
        for a, b in itertools.pairwise(edges)
    ]
    least = 1e-20 * max(1.0, float(np.ptp(curve)) ** 2)
    best = np.inf
    for phi in np.linspace(0.0, NEARLY_ONE, 25):
        white = [rows[:, :k] - phi * rows[:, k:] for rows in stretches]
        white[0] = np.concatenate([np.sqrt(1.0 - phi * phi) * begin, white[0]])
        variance = np.ones(len(count))
        for _ in range(6):
            scaled = np.concatenate([w / v**0.5 for w, v in zip(white, variance, strict=True)])
            solution = _solve(scaled[:, :-1], scaled[:, -1], n)
            square = [float(np.sum((w[:, -1] - w[:, :-1] @ solution) ** 2)) for w in white]
            variance = np.maximum(np.array(square) / count, least)
        deviance = float(count @ np.log(variance)) - np.log(1.0 - phi * phi)
        best = min(best, deviance)
    return float(best)
