"""Labels of a study of learning: its numbers, and what lies along the sweep."""

from __future__ import annotations

from typing import Any

import numpy as np

from analyzers.studies.cells import Cells
from analyzers.studies.curves import medians, share
from analyzers.studies.fastest import Coincidence, Fastest
from analyzers.studies.rate_times_time import FlowTime
from nndyn.numerics.arrays import Array
from nndyn.results import Quantity


def fastest_rate(cells: Cells, quickest: Fastest, why_not: str, unit: str) -> Quantity:
    """Label the rate of the shortest median; `why_not` says why there is none."""
    long_name = f"{cells.name} of the shortest median training time"
    if why_not:
        return Quantity(None, unit, long_name, note=why_not)
    notes = []
    tied = cells.rates[quickest.tied]
    if tied.size > 1:
        rates = ", ".join(f"{rate:.4g}" for rate in tied)
        notes.append(f"{rates} share the shortest median; the lower one in the middle is given")
    apart = quickest.coarse and quickest.lowest < quickest.highest
    cure = "evaluate more often" if apart else "sweep further"
    for end, where in ((quickest.low, "lowest"), (quickest.high, "highest")):
        if np.isinf(end):
            notes.append(f"the {where} sampled is not told from the fastest; {cure}")
    return Quantity(
        quickest.rate,
        unit,
        long_name,
        ci=(quickest.low, quickest.high),
        interval_over="seeds",
        note="; ".join(notes) or None,
    )


def ratio(compared: Coincidence, why_not: str) -> Quantity:
    """Label the ratio of fastest and onset; `why_not` says why there is none."""
    long_name = "fastest over onset"
    if why_not:
        return Quantity(None, "1", long_name, note=why_not)
    note = None
    if compared.low == 0.0 or np.isinf(compared.high):
        note = "an end is open: the fastest may be at an edge of the sweep, or seeds turn beyond it"
    return Quantity(
        compared.ratio,
        "1",
        long_name,
        ci=(compared.low, compared.high),
        interval_over="seeds",
        note=note,
    )


def flow_times(
    flow: FlowTime | None, cells: Cells, quickest: Fastest, why_not: str, margin: float
) -> dict[str, Quantity]:
    """Label training time times learning rate; `flow` is None where something else is swept."""
    long_name = "whether training time times learning rate falls below its value at small rates"
    if flow is None:
        note = f"the gradient-flow time is of a swept lr; here {cells.name} is swept"
        return {"flow_time_falls": Quantity("undecided", "1", long_name, note=note)}
    dims = (cells.name,)
    missing = "NaN where fewer than half of the seeds arrive"
    product, ends = quickest.medians * cells.rates, quickest.interval * cells.rates[:, None]
    base = f"{cells.rates[flow.first]:.4g}" if flow.first >= 0 else "none"
    return {
        "flow_time_falls": Quantity(
            "undecided" if why_not else flow.falls, "1", long_name, note=why_not or None
        ),
        "flow_time": Quantity(
            np.where(np.isfinite(product), product, np.nan),
            "1",
            "median training time times learning rate",
            dims,
            ci=ends,
            interval_over="seeds",
            note=missing,
        ),
        "flow_time_ratio": Quantity(
            flow.ratio,
            "1",
            f"flow time over that at the lowest rate with one ({base})",
            dims,
            ci=flow.interval,
            interval_over="seeds",
            note=f"{missing}; intervals hold for all rates together; a fall by less than "
            f"{margin:.0%} counts as none",
        ),
    }


def along(
    cells: Cells, times: Array, quickest: Fastest, alike: Array, options: dict[str, Any]
) -> dict[str, Quantity]:
    """Return training times and accuracies along the swept parameter."""
    dims = (cells.name,)
    unit = cells.unit("training_time", "step")
    arrived, arrived_ci = share(np.isfinite(times), ~np.isnan(times), options["confidence"])
    quantities = {
        "indistinguishable": Quantity(
            alike, "1", "whether the median is not told from the shortest", dims
        ),
        "median_training_time": Quantity(
            np.where(np.isfinite(quickest.medians), quickest.medians, np.nan),
            unit,
            "training time, Kaplan-Meier median over seeds",
            dims,
            ci=quickest.interval,
            interval_over="seeds",
            note="NaN where fewer than half of the seeds arrive; intervals of two seeds or more, "
            "back to the evaluation before",
        ),
        "arrived_share": Quantity(
            arrived,
            "1",
            "share of seeds that learn",
            dims,
            ci=arrived_ci,
            interval_over="seeds",
            note="NaN where no seed has a result",
        ),
    }
    for name, what in (
        ("best_accuracy", "largest accuracy"),
        ("final_accuracy", "last accuracy"),
        ("sharpness_ratio", "largest sharpness over its limit"),
    ):
        values = cells.number(name)
        if np.isnan(values).all() and name == "sharpness_ratio":
            continue  # not recorded
        median, ci = medians(values, **options)
        quantities[name] = Quantity(
            median,
            "1",
            f"{what}, median over seeds",
            dims,
            ci=ci,
            interval_over="seeds",
            note="NaN where no seed has one; intervals of two seeds or more",
        )
    return quantities
