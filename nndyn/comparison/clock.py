"""Clock of Lyapunov times, which systems have in common that have nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nndyn.comparison.numbers import Number, null, of, product, ratio

if TYPE_CHECKING:
    import xarray as xr

#: What is said of numbers that belong to a stretch of time.
WINDOW = "of the window of a transient"


@dataclass(frozen=True)
class Clock:
    """A maximum Lyapunov exponent as the unit of time of its recording.

    Attributes
    ----------
    exponent : Number
    stationary : bool
        Whether it is that of an attractor; else it is that of a window of a transient.
    """

    exponent: Number
    stationary: bool

    @property
    def missing(self) -> str:
        """Why there is no such clock; empty where there is one."""
        if self.exponent.value is None:
            return self.exponent.note
        if self.exponent.ci is None:
            return "the exponent has no interval: whether it is above zero is not known"
        low, high = self.exponent.ci
        if low <= 0.0:
            return f"the interval of the exponent, [{low:.3g}, {high:.3g}], holds zero or less"
        return ""

    def times(self, time: Number) -> Number:
        """Return a time in Lyapunov times: times the exponent."""
        return self._marked(time, product(time, self.exponent))

    def over(self, rate: Number) -> Number:
        """Return a rate relative to the exponent."""
        return self._marked(rate, ratio(rate, self.exponent) if not self.missing else rate)

    def _marked(self, given: Number, found: Number) -> Number:
        if given.value is None:
            return given
        if self.missing:
            return null(self.missing)
        return found if self.stationary else found.noted(WINDOW)


def ratios(spectrum: xr.Dataset | str, stationary: bool) -> list[Number]:
    """Return the exponents of a spectrum over the largest of them, in its order.

    Parameters
    ----------
    spectrum : xarray.Dataset or str
        What the analyzer gave, or why it does not apply.
    stationary : bool

    Returns
    -------
    list of Number
        One null where there is no spectrum.
    """
    if isinstance(spectrum, str) or "exponents" not in spectrum:
        return [of(spectrum, "exponents")]
    values = spectrum["exponents"].values
    if values.ndim != 1 or not np.isfinite(values).any():
        return [null(f"no exponent is known: {spectrum.attrs['reason']}")]
    first = int(np.nanargmax(np.where(np.isfinite(values), values, -np.inf)))
    clock = Clock(of(spectrum, "exponents", first), stationary)
    return [clock.over(of(spectrum, "exponents", i)) for i in range(values.size)]
