"""What may not be compared, although the numbers stand side by side."""

from __future__ import annotations

from collections.abc import Mapping

from nndyn.comparison.measured import Measured

#: Points an autocorrelation time whose ratio lets measures of lines differ.
APART = 2.0
#: Names in a sentence.
MOST = 4


def cautions(columns: Mapping[str, Measured]) -> list[str]:
    """Return a sentence on each kind of number that is not the same of all columns.

    Parameters
    ----------
    columns : mapping of str to Measured
        By name.

    Returns
    -------
    list of str
    """
    found = []
    measured = {n: c for n, c in columns.items() if c.numbers["lyapunov_max"].value is not None}
    windows = [n for n, c in measured.items() if not c.stationary]
    attractors = [n for n, c in measured.items() if c.stationary]
    if windows and attractors:
        found.append(
            f"exponents of {_listed(windows)} are of a window of a transient, those of "
            f"{_listed(attractors)} asymptotic: a transient shows how fast deviations grew then, "
            "not that they go on to"
        )
    slow = [
        n
        for n, c in measured.items()
        if c.verdicts["lyapunov"] == "regular" and c.numbers["lyapunov_max"].ends[0] > 0.0
    ]
    if slow:
        found.append(
            f"{_listed(slow)} {_verb(slow, 'is', 'are')} regular: the exponent is of slow growth, "
            "and no clock of chaos"
        )
    sketches = [n for n, c in columns.items() if c.facts["states"] == "sketch"]
    full = [n for n, c in columns.items() if c.facts["states"] == "full"]
    if sketches and full:
        found.append(
            f"recurrence and motion of {_listed(sketches)} are estimates from sketches, those of "
            f"{_listed(full)} are of whole states: compare them within their intervals"
        )
    fine = {
        n: c.numbers["recurrence_sampling"].value
        for n, c in columns.items()
        if c.numbers["recurrence_sampling"].value is not None
        and c.numbers["determinism"].value is not None
    }
    values = [value for value in fine.values() if value is not None]
    if values and max(values) > APART * min(values):
        most, least = (pick(fine, key=lambda n: fine[n] or 0.0) for pick in (max, min))
        found.append(
            f"an autocorrelation time is {fine[least]:.3g} points of {least} and {fine[most]:.3g} "
            f"of {most}: lines, which are counted in points, are longer where sampling is finer, "
            "so that determinism, laminarity and entropy differ for that alone"
        )
    return found


def _listed(names: list[str]) -> str:
    """Return names in a sentence, the first few of many."""
    shown = names if len(names) <= MOST else [*names[: MOST - 1], f"{len(names) - MOST + 1} others"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _verb(names: list[str], one: str, several: str) -> str:
    return one if len(names) == 1 else several
