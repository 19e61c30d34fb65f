"""Options of a comparison, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nndyn.checks import number, share, whole


@dataclass(frozen=True)
class Options:
    """What every analyzer is asked for, the same of all recordings.

    Attributes
    ----------
    rate : float
        Recurrence rate.
    theiler : float
        Theiler window, in autocorrelation times of each motion.
    points : int
        Most points of a recurrence plot.
    threshold : float or None
        Test accuracy of the training time; None for that of the analyzer.
    confidence : float
        Level of the intervals.
    """

    rate: float
    theiler: float
    points: int
    threshold: float | None
    confidence: float

    @property
    def as_parameters(self) -> dict[str, Any]:
        """The options as a result says them."""
        return dict(vars(self))


def checked(rate: Any, theiler: Any, points: Any, threshold: Any, confidence: Any) -> Options:
    """Return options that are in range.

    Returns
    -------
    Options

    Raises
    ------
    UsageError
        If one is not.
    """
    return Options(
        share("rate", rate),
        number("theiler", theiler, least=0.0, what="a number of autocorrelation times"),
        whole("points", points, 20),
        None if threshold is None else share("threshold", threshold, closed=True),
        share("confidence", confidence),
    )
