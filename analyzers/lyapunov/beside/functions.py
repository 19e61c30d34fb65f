"""Whether the function that a network computes parts as its weights do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from analyzers.common.blocks import filled
from analyzers.common.predictions import SAME, last
from analyzers.growth.separation import Separation, separation
from analyzers.lyapunov.words import by
from nndyn.recording import PERTURBED
from nndyn.results import Quantity

if TYPE_CHECKING:
    import xarray as xr

#: Growth of the function over that of the weights up to which it does not part with them.
APART = 1.0 / 3.0


@dataclass(frozen=True)
class Beside:
    """What stands beside the growth of the outputs: that of the weights, and predictions."""

    quantities: dict[str, Quantity] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Names of the quantities."""
        return list(self.quantities)


def functions(
    recording: xr.Dataset, sep: Separation, start: int, stop: int, min_growth: float
) -> Beside:
    """Return the growth of the weights over the time of that of the outputs, and what it means.

    Parameters
    ----------
    recording : xarray.Dataset
    sep : Separation
        Of the outputs.
    start, stop : int
        Time indices between which deviations of the weights are infinitesimal.
    min_growth : float
        Least growth of the weights that is called one, e-foldings.

    Returns
    -------
    Beside
        ``weights_growth`` and ``outputs_growth`` over the same time, and
        ``prediction_disagreement``, mean over replicas at the last evaluation.
    """
    whole = separation(recording, "l2")
    low, high = (int(np.searchsorted(whole.time, sep.time[i])) for i in (start, max(start, stop)))
    grown = float(filled(whole.increments()[low:high]).sum())
    outputs = float(filled(sep.increments()[start : max(start, stop)]).sum())
    over = f"{sep.unit} {sep.time[start]:g} to {sep.time[max(start, stop)]:g}"
    differing, note = _disagreement(recording, rescaled=sep.rescaled)
    quantities = {
        "weights_growth": Quantity(grown, "1", f"e-foldings of the weights' deviation over {over}"),
        "outputs_growth": Quantity(
            outputs, "1", f"e-foldings of the outputs' deviation over {over}"
        ),
        "prediction_disagreement": Quantity(
            differing,
            "1",
            "share of test samples in another class than by the reference, mean over replicas at "
            "the end",
            note=note or None,
        ),
    }
    said = f"over {over} the weights {by(grown)}, the outputs {by(outputs)}"
    differs = (
        "" if differing is None else f"; at the end {100 * differing:.3g} % of predictions differ"
    )
    if grown >= min_growth:
        if outputs <= APART * grown and (differing is None or differing <= SAME):
            said += ": the weights part, the functions do not"
        elif outputs > APART * grown:
            said += ": the functions part with the weights"
    return Beside(quantities, [said + differs])


def _disagreement(recording: xr.Dataset, *, rescaled: bool) -> tuple[float | None, str]:
    """Return the share of predictions that differ at the last evaluation, or why there is none."""
    if "prediction_disagreement" not in recording:
        return None, "not recorded: of trainings on classes with a test set"
    if rescaled:
        return None, "replicas are rescaled, which keeps them near the reference"
    perturbed = np.flatnonzero(np.asarray(recording["role"].values) == PERTURBED)
    found = last(recording, "prediction_disagreement")
    if found is None:
        return None, "there is no evaluation"
    there = found[perturbed][np.isfinite(found[perturbed])]
    return (float(there.mean()), "") if there.size else (None, "no replica has lasted to the end")
