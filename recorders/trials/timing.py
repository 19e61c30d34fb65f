"""Speed of a loop over steps, from a few of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

#: A trial runs as long at least, or over all steps.
_SECONDS = 0.3


def seconds(run: Callable[[int], object], steps: int) -> float:
    """Estimate the seconds that `steps` steps take.

    Parameters
    ----------
    run : callable
        Takes a number of first steps.
    steps : int

    Returns
    -------
    float
    """
    run(1)  # compilation and first touches are not the rate
    n, spent = 1, 0.0
    while spent < _SECONDS and (n < steps or spent == 0.0):
        # from a short trial on to one that is long enough, not by way of all in between
        n = min(n * (math.ceil(_SECONDS / spent) if spent > 0.01 else 2), steps)
        began = time.perf_counter()
        run(n)
        spent = time.perf_counter() - began
    return spent / n * steps
