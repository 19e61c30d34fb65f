"""Quantities of a comparison: name, unit, meaning, and the part of the table they stand in."""

from __future__ import annotations

from typing import NamedTuple

#: Analyzers, each of which is asked once, in this order: a recurrence plot leaves out pairs nearer
#: than the autocorrelation time.
ANALYZERS = ("lyapunov", "spectrum", "autocorrelation", "exploration", "learning", "recurrence")
#: Units that are each recording's own, which ``time_unit`` names.
TIME, RATE = "time_unit", "per time_unit"


class Row(NamedTuple):
    """One number of every recording.

    Attributes
    ----------
    unit : str
        `TIME` and `RATE` are of each recording's own unit.
    meaning : str
    part : str
        Of the table.
    """

    unit: str
    meaning: str
    part: str


QUANTITIES: dict[str, Row] = {
    "lyapunov_max": Row(RATE, "maximum Lyapunov exponent", "exponent"),
    "exponent_per_autocorrelation_time": Row(
        "1", "exponent times the autocorrelation time of the motion", "exponent"
    ),
    "exponent_per_epoch": Row("per epoch", "exponent per epoch of a training", "exponent"),
    "exponent_per_lr_time": Row(
        "1", "exponent of a training per unit of learning rate * steps", "exponent"
    ),
    "growth": Row("1", "e-foldings of the deviations", "exponent"),
    "autocorrelation_lyapunov_times": Row(
        "1", "autocorrelation time of the motion times the exponent", "Lyapunov clock"
    ),
    "transient_lyapunov_times": Row(
        "1", "length of the transient times the exponent", "Lyapunov clock"
    ),
    "entropy_bound_ratio": Row(
        "1", "sum of the positive exponents over the largest of them", "Lyapunov clock"
    ),
    "positive_count": Row("1", "exponents above zero", "spectrum"),
    "kaplan_yorke_dimension": Row("1", "Kaplan-Yorke dimension", "spectrum"),
    "autocorrelation_time": Row(
        TIME, "time over which the autocorrelation falls below 1/e", "motion"
    ),
    "msd_exponent": Row(
        "1", "exponent of the mean-squared displacement over the last decade of lags", "motion"
    ),
    "participation_over_random_walk": Row(
        "1",
        "participation ratio over that of random walks as long, in as many dimensions",
        "motion",
    ),
    "rate_obtained": Row(
        "1", "share of the pairs outside the Theiler window that recur", "recurrence"
    ),
    "recurrence_theiler": Row("points", "pairs nearer than this are left out", "recurrence"),
    "recurrence_stride": Row("1", "every so-manieth kept state is a point", "recurrence"),
    "recurrence_points": Row("points", "points of the plot", "recurrence"),
    "recurrence_sampling": Row("points", "points an autocorrelation time", "recurrence"),
    "determinism": Row("1", "share of the recurrences on diagonal lines", "recurrence"),
    "laminarity": Row("1", "share of the recurrences on vertical lines", "recurrence"),
    "diagonal_entropy": Row("nat", "entropy of the lengths of diagonal lines", "recurrence"),
    "training_time": Row(TIME, "time until the test accuracy was reached", "training"),
    "gradient_flow_time": Row("1", "training time times the learning rate", "training"),
}
#: What is said of a recording, beside its numbers: meaning of each text.
FACTS: dict[str, str] = {
    "kind": "kind of the system",
    "system": "name of the system",
    "time_unit": "unit of time",
    "exponent_kind": "what the exponent is of",
    "exponent_from": "analyzer that gave the exponent",
    "states": "what stands for the states",
}
