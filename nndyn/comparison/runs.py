"""Runs of a study that differ in their seed, as one column: medians over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from analyzers.studies.bootstrap import median_interval
from nndyn.comparison.measured import Measured
from nndyn.comparison.numbers import Number, null

#: Draws of the bootstrap.
RESAMPLES = 2000
#: Times that are longer than the recording where they are null.
_TIMES = ("training_time", "gradient_flow_time")


def medians(runs: Sequence[Measured], confidence: float) -> Measured:
    """Return the medians over runs, with intervals over seeds; verdicts are counted.

    Parameters
    ----------
    runs : sequence of Measured
        At least one.
    confidence : float

    Returns
    -------
    Measured
        Curves are those of the first run. The same where there is one run.
    """
    if len(runs) == 1:
        return runs[0]
    first = runs[0]
    most = max(len(run.ratios) for run in runs)
    nothing = null("no such exponent")
    ratios = [[*run.ratios, *[nothing] * (most - len(run.ratios))] for run in runs]
    facts = {
        key: _counted([run.facts[key] for run in runs])
        if key != "exponent_kind"
        else _windows(runs)
        for key in first.facts
    }
    return Measured(
        numbers={
            name: _median([_late(run, name) for run in runs], confidence) for name in first.numbers
        },
        ratios=[_median(list(column), confidence) for column in zip(*ratios, strict=True)],
        verdicts={n: _counted([run.verdicts[n] for run in runs]) for n in first.verdicts},
        reasons={n: f"of the first run: {why}" for n, why in first.reasons.items()},
        facts=facts,
        dimension=first.dimension,
        stationary=first.stationary,
        curves=first.curves,
        warnings=list(dict.fromkeys(line for run in runs for line in run.warnings)),
        runs=len(runs),
    )


def _late(run: Measured, name: str) -> Number:
    """Return a number of a run; an infinite time where it did not learn within its steps."""
    late = run.numbers["training_time"].value is None and run.verdicts["learning"] != "-"
    number = run.numbers[name]
    return Number(np.inf, note=number.note) if late and name in _TIMES else number


def _median(values: Sequence[Number], confidence: float) -> Number:
    known = [one.value for one in values if one.value is not None]
    notes = [note for one in values for note in one.note.split("; ")]
    said = Counter(note for note in notes if note)
    if not known:
        return null(said.most_common(1)[0][0])
    found = np.array(known, np.float64)
    median, ci = median_interval(found, confidence, RESAMPLES)
    if not np.isfinite(median):
        return null(f"reached by fewer than half of {len(known)} runs")
    note = f"median of {len(known)} of {len(values)} runs" if len(known) < len(values) else ""
    low, high = (float(end) for end in ci)
    if len(known) < 2 or not np.isfinite([low, high]).all():
        return Number(float(median), note=note)
    return Number(float(median), (low, high), "seeds", note)


def _counted(texts: Sequence[str]) -> str:
    """Return texts with how often each is there; one that all have as it is."""
    counts = Counter(texts)
    if len(counts) == 1:
        return texts[0]
    return ", ".join(f"{text or 'none'} {count}" for text, count in counts.most_common())


def _windows(runs: Sequence[Measured]) -> str:
    """Say what exponents are of, whose windows differ from run to run."""
    kinds = [" ".join(run.facts["exponent_kind"].split()[:3]) for run in runs]
    return _counted(kinds)
