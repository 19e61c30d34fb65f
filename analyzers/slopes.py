"""Slopes of curves whose residuals are autocorrelated, and whether a curve is a line at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

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
    x = whiten(np.column_stack([np.ones(len(curves)), np.arange(len(curves), dtype=float)]), phi)
    solution, *_ = np.linalg.lstsq(x, whiten(curves, phi), rcond=None)
    fitted: Array = solution[1]
    return fitted


def whiten(y: Array, phi: float) -> Array:
    """Return ``y_t - φ y_{t-1}``, its first row scaled to the same variance (Prais and Winsten)."""
    phi = min(phi, NEARLY_ONE)
    out: Array = np.concatenate([np.sqrt(1.0 - phi * phi) * y[:1], y[1:] - phi * y[:-1]])
    return out


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
    t = np.arange(n) - 0.5 * (n - 1)
    residual = curve - curve.mean() - t * float(t @ curve) / float(t @ t)
    power = float(residual @ residual)
    if n < 4 or power <= 1e-24 * max(1.0, float(curve @ curve)):
        return 0.0
    raw = float(residual[1:] @ residual[:-1]) / power
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
    t = first + np.arange(len(curve), dtype=float)
    one = np.ones(len(curve))
    hinges = [np.maximum(t - t[b], 0.0) for b in breaks]
    group = np.searchsorted(breaks, np.arange(len(curve)), side="left")
    power = smallest_deviance(curve, np.column_stack([one, np.log1p(t)]), group)
    straight = smallest_deviance(curve, np.column_stack([one, t, *hinges]), group)
    return power - straight - 2.0 * len(breaks)


def smallest_deviance(y: Array, design: Array, group: Array) -> float:
    """Return the least ``-2 ln L`` (up to a constant) of a linear model with AR(1) residuals.

    Parameters
    ----------
    y : (n,) float64
    design : (n, p) float64
    group : (n,) int64
        Samples of one group, numbered from 0, share the variance of their innovations.

    Returns
    -------
    float
        Minimised over φ on a grid and over the variances by alternating with weighted fits.
    """
    count = np.bincount(group)
    least = 1e-20 * max(1.0, float(np.ptp(y)) ** 2)
    best = np.inf
    for phi in np.linspace(0.0, NEARLY_ONE, 25):
        wx, wy = whiten(design, phi), whiten(y, phi)
        variance = np.ones(len(count))
        for _ in range(6):
            scale = 1.0 / np.sqrt(variance[group])
            solution, *_rest = np.linalg.lstsq(wx * scale[:, None], wy * scale, rcond=None)
            square = (wy - wx @ solution) ** 2
            variance = np.maximum(np.bincount(group, square) / count, least)
        deviance = float(count @ np.log(variance)) - np.log(1.0 - phi * phi)
        best = min(best, deviance)
    return float(best)
