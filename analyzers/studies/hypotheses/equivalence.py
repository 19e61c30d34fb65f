"""Equivalence of a ratio with 1: two one-sided tests, of one study or of several at once."""

from __future__ import annotations

import numpy as np

from nndyn.checks import number, share, whole
from nndyn.errors import UsageError

#: A ratio within this factor of 1 either way is equivalent to 1.
FACTOR = 1.5


def equivalence(low: float, high: float, factor: float = FACTOR) -> str:
    """Say whether a ratio is equivalent to 1, from its interval.

    Parameters
    ----------
    low, high : float
        Ends of the interval; 0 or infinite where open, NaN where there is none.
    factor : float, default 1.5
        Ratios in [1 / factor, factor] are equivalent to 1.

    Returns
    -------
    str
        ``equivalent`` where the whole interval lies in that range, ``different`` where all of it
        lies outside, else ``undecided``; so too without an interval.

    Raises
    ------
    UsageError
        If `factor` is not above 1, or the interval is upside down.

    Notes
    -----
    With an interval of confidence 1 - 2a this is the pair of one-sided tests at level a: both that
    the ratio is above 1 / factor, and that it is below factor, have to be shown. A ratio that is
    not told from 1 is not equivalent for that.

    References
    ----------
    Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987) 657,
    doi:10.1007/BF01068419.
    """
    number("factor", factor, above=1.0)
    if low > high:
        raise UsageError(f"the interval is [{low}, {high}], expected its lower end first")
    if np.isnan(low) or np.isnan(high):
        return "undecided"
    if 1.0 / factor <= low and high <= factor:
        return "equivalent"
    return "different" if high < 1.0 / factor or low > factor else "undecided"


def each(confidence: float, comparisons: int) -> float:
    """Return the confidence of each of several intervals that hold together.

    Parameters
    ----------
    confidence : float
        With which all of them shall hold at once.
    comparisons : int
        How many there are.

    Returns
    -------
    float
        Bonferroni's: what may go wrong is dealt out in equal parts, however they depend on each
        other.

    Raises
    ------
    UsageError
        If an argument is out of range.

    References
    ----------
    Dunn, Journal of the American Statistical Association 56 (1961) 52,
    doi:10.1080/01621459.1961.10482090.
    """
    share("confidence", confidence)
    return 1.0 - (1.0 - confidence) / whole("comparisons", comparisons, 1)
