"""Results of a search with a known answer: seeds that turn over around a rate of 2."""

from types import SimpleNamespace

import numpy as np

from analyzers.studies.lyapunov import onset_study
from nndyn.finder.labels import label
from tests.analyzers.made_up_studies import grew, grown, learned, turning

RATES = 0.5 * 2.0 ** (np.arange(13) / 3)
OPTIONS = {"steps": 400, "precision": 1.5, "threshold": 0.9, "confidence": 0.95, "budget": 9000}


def found(rates=RATES, seeds=8, *, accuracies=True, limit=15.0, why="", makes=True):
    """Label growth that sets in at 2, and training times that are shortest at 1."""
    rng = np.random.default_rng(0)
    growth = onset_study(grew(grown(rng, rates, turning(rng, seeds, 0.1), limit=limit), rates))
    times = 100.0 * np.maximum(rates, 1.0 / rates)[:, None] + 3.0 * rng.random((1, seeds))
    learning = learned(times, rates)
    trained = {}
    if not accuracies:
        learning = learning.assign(verdict=learning["verdict"].where(False, ""))
    elif np.isfinite(growth["onset"]):
        at = int(np.argmin(np.abs(rates - float(growth["onset"]))))
        near = {"onset": at, "half": at - 3, "between": at - 1, "above": at + 1}
        trained = {name: float(rates[k]) for name, k in near.items()}
    design = SimpleNamespace(id="0" * 32)
    runs = SimpleNamespace(folder=SimpleNamespace(design=lambda: design), makes=makes)
    runs.runs, runs.spent = 60, 8000
    return label(growth, learning, trained, why, options=OPTIONS, runs=runs, warnings=[])
