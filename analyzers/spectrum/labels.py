"""Quantities that several exponents of a spectrum decide, and remarks on their order."""

from __future__ import annotations

import numpy as np

from analyzers.growth.doubling import POWER, growth_per_doubling
from analyzers.growth.stretching import Rates
from analyzers.lyapunov.transient import cumulative
from analyzers.spectrum.resolution import Resolution
from nndyn.numerics.arrays import Array
from nndyn.results import Quantity

_SINGULAR = "-inf: the derivative is singular"


def exponents(used: Rates, resolved: Resolution, unit: str, starts: str) -> Quantity:
    """Label the exponents, with their `starts`, which are lost, and why they are out of order."""
    singular = _SINGULAR if np.isneginf(used.values).any() else ""
    notes = [resolved.note, singular, _order(used), starts]
    bounds = [
        f"exponent {i + 1} lies below {resolved.below[i]:.3g}"
        for i in np.flatnonzero(np.isfinite(resolved.below))
    ]
    return Quantity(
        used.values,
        unit,
        "Lyapunov exponents",
        ("exponent",),
        ci=used.values[:, None] + np.array([-1.0, 1.0]) * used.half_widths[:, None],
        interval_over="time",
        note="; ".join(filter(None, [*notes[:1], *bounds[:1], *notes[1:]])) or None,
    )


def group(used: Rates) -> Quantity:
    """Give exponents numbers from 1 on, the largest first, the same where intervals overlap."""
    values = np.where(np.isnan(used.values), -np.inf, used.values)
    down = np.argsort(-values, kind="stable")
    halves = used.half_widths[down]
    with np.errstate(invalid="ignore"):  # -inf less -inf, of singular derivatives
        apart = np.abs(np.diff(values[down])) > halves[1:] + halves[:-1]
    groups = np.zeros(len(down), np.int64)
    groups[down] = 1 + np.concatenate([[0], np.cumsum(apart)])
    lost = np.isnan(used.values)
    groups[lost] = 0
    long_name = "equal where exponents cannot be told apart"
    note = "0 where an exponent is lost in rounding" if lost.any() else None
    return Quantity(groups, "1", long_name, ("exponent",), note=note)


def total(used: Rates, confidence: float, unit: str) -> Quantity:
    """Return the sum of all exponents; null where one is lost."""
    lost = np.isnan(used.values)
    long_name = "sum of the exponents"
    if not lost.any():
        return _sum(used, ~lost, confidence, unit, long_name)
    value, _ = used.of(~lost, confidence)
    count = int((~lost).sum())
    known = f"the {count} others add up to" if count > 1 else "the other one is"
    return Quantity(
        None,
        unit,
        long_name,
        note=f"{int(lost.sum())} of them lost in rounding; {known} {value:.6g}",
    )


def doublings(used: Rates) -> Array:
    """Return the growth per doubling of the time of every vector (k,), NaN where not known."""
    grown = used.steps * np.diff(used.time)[:, None]
    known = np.isfinite(grown).all(axis=0)
    out = np.full(len(known), np.nan)
    for i in np.flatnonzero(known):
        out[i] = growth_per_doubling(cumulative(grown[:, i]))
    return out


def signs(
    used: Rates, resolved: Resolution, doubling: Array | None, confidence: float, unit: str
) -> dict[str, Quantity]:
    """Count the exponents above zero and at zero, and add up the former.

    Parameters
    ----------
    used : Rates
    resolved : Resolution
    doubling : (k,) float64 or None
        Growth per doubling of the time, of a stationary recording: what grows or shrinks as a power
        of time is at zero.
    confidence : float
    unit : str

    Returns
    -------
    dict of str to Quantity
        Whatever the order in which QR gives them. Lost exponents do not count where they lie below
        zero for certain; otherwise the numbers are null, with what is known.
    """
    positive = used.values - used.half_widths > 0.0
    zero = np.abs(used.values) <= used.half_widths
    if doubling is not None:
        zero |= np.abs(doubling) < POWER
        positive &= ~zero
    out = {}
    for name, chosen, long_name in (
        ("positive_count", positive, "exponents above zero"),
        ("zero_count", zero, "exponents not told from zero"),
    ):
        count = int(chosen.sum())
        note = f"at least {count}: exponents lost in rounding may be of them"
        known = Quantity(count, "1", long_name)
        out[name] = known if resolved.negative else Quantity(None, "1", long_name, note=note)
    long_name = "sum of the positive exponents, a bound of the entropy"
    if resolved.negative:
        return out | {"positive_sum": _sum(used, positive, confidence, unit, long_name)}
    value = used.of(positive, confidence)[0] if positive.any() else 0.0
    note = f"at least {value:.6g}: exponents lost in rounding may be positive"
    return out | {"positive_sum": Quantity(None, unit, long_name, note=note)}


def _sum(used: Rates, chosen: Array, confidence: float, unit: str, long_name: str) -> Quantity:
    """Return the sum of some exponents; its interval is its own, since they fluctuate together."""
    if not chosen.any():
        return Quantity(0.0, unit, long_name)
    value, half_width = used.of(chosen, confidence)
    if not np.isfinite(value):
        return Quantity(None, unit, long_name, note=_SINGULAR)
    ci = (value - half_width, value + half_width)
    return Quantity(value, unit, long_name, ci=ci, interval_over="time")


def _order(used: Rates) -> str:
    """Say why exponents are not in falling order, where they are not."""
    known = np.isfinite(used.values)
    return order(used.values[known], used.half_widths[known])


def order(values: Array, half_widths: Array) -> str:
    """Say why exponents are not in falling order, empty where they are.

    Parameters
    ----------
    values, half_widths : (k,) float64
        In the order of QR, finite.

    Returns
    -------
    str
    """
    rise = np.diff(values)
    if not (rise > 0.0).any():
        return ""
    if (rise > half_widths[1:] + half_widths[:-1]).any():
        return (
            "not in falling order: they stand in the order of QR, and over so short a time vectors "
            "have not turned to the directions that grow most"
        )
    return "not in falling order: in the order of QR, within intervals that overlap"
