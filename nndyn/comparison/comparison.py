"""Comparison of recordings and studies: one table of numbers, verdicts and curves."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.common.progress import part
from nndyn.comparison.cautions import cautions
from nndyn.comparison.curves import CURVES
from nndyn.comparison.measured import Measured, measure
from nndyn.comparison.numbers import Number
from nndyn.comparison.options import Options, checked
from nndyn.comparison.quantities import ANALYZERS, FACTS, QUANTITIES
from nndyn.comparison.runs import medians
from nndyn.comparison.sources import Source, sources
from nndyn.runtime.progress import Progress, following

if TYPE_CHECKING:
    import xarray as xr

_RATIOS = "exponent_ratios"


def compare(
    recordings: Mapping[str, str | os.PathLike[str] | xr.Dataset]
    | Sequence[str | os.PathLike[str]],
    *,
    catalogue: bool = False,
    rate: float = 0.05,
    theiler: float = 1.0,
    points: int = 1000,
    threshold: float | None = None,
    confidence: float = 0.95,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Set trainings, maps, flows and series side by side.

    Every number is that of its analyzer, which is asked once with the options here, or a product
    or ratio of such numbers. Those of systems with other units of time are made comparable by the
    Lyapunov clock: times multiplied by the maximum exponent, rates divided by it.

    Parameters
    ----------
    recordings : mapping of str to path-like or xarray.Dataset, or sequence of path-like
        By the names they are to have: paths of recordings or of studies, what `nndyn.open`,
        `nndyn.open_study` or `nndyn.from_array` gave. Of a study each combination of its swept
        options is a column of its own, of medians over the seeds. Paths alone are called after
        their files.
    catalogue : bool, default False
        Set the logistic map, the Hénon map, Lorenz's flow, a limit cycle (Rössler's flow at c =
        2.5) and a random walk beside them, recorded now, from a fixed seed.
    rate : float, default 0.05
        Recurrence rate of all recurrence plots.
    theiler : float, default 1
        Theiler window of these, in autocorrelation times of each motion.
    points : int, default 1000
        Most points of a recurrence plot: states are thinned out to no fewer than eight an
        autocorrelation time, and the first so many taken.
    threshold : float, optional
        Test accuracy of the training time; that of `nndyn.learning` by default.
    confidence : float, default 0.95
        Level of the intervals.
    progress : bool or callable, optional
        True draws a bar where there is a terminal or a notebook.

    Returns
    -------
    xarray.Dataset
        Over ``recording``, the names. Texts: ``kind``, ``system``, ``time_unit``,
        ``exponent_kind``, ``exponent_from``, ``states``, ``path``; ``verdicts`` and ``reasons``
        (recording, analyzer). ``dimension``, ``stationary``, ``runs``. Numbers, with ``NAME_ci``:
        ``lyapunov_max``, ``exponent_per_autocorrelation_time``, ``exponent_per_epoch``,
        ``exponent_per_lr_time``, ``growth``, ``autocorrelation_lyapunov_times``,
        ``transient_lyapunov_times``, ``exponent_ratios`` (recording, exponent),
        ``entropy_bound_ratio``, ``positive_count``, ``kaplan_yorke_dimension``,
        ``autocorrelation_time``, ``msd_exponent``, ``participation_over_random_walk``,
        ``rate_obtained``, ``determinism``, ``laminarity``, ``diagonal_entropy``, how the recurrence
        plots were made (``recurrence_theiler``, ``_stride``, ``_points``, ``_sampling``),
        ``training_time``, ``gradient_flow_time``. NaN is a null; attribute ``notes``, a JSON list
        over the recordings, says why. Curves for the figure: ``log_separation`` and ``msd``
        (recording, point), ``picture`` (recording, row, column), each with its abscissa. What may
        not be compared, and what analyzers warn of, is in ``warnings``. ``.nndyn.plot()`` draws it.

    Raises
    ------
    UsageError
        If an option is out of range, or a recording is given twice or is none.
    DataError
        If a study has no run that is done.
    RecordingError
        If a file is damaged.

    Notes
    -----
    One recording at a time: peak memory is that of the analyzers. ``lyapunov_max`` is that of the
    replicas, of recordings without replicas the largest of the spectrum.

    What the clock gives is null where the interval of the exponent holds zero or less, or there is
    none. The interval of a product or ratio reaches from its smallest to its largest value at the
    ends of both intervals, which holds it however the two depend on each other. ``exponent_ratios``
    and ``entropy_bound_ratio`` are relative to the largest exponent of the same spectrum. The
    exponent of a transient belongs to its window, and so does all that is told with it.
    """
    asked = checked(rate, theiler, points, threshold, confidence)
    found = sources(recordings, with_catalogue=bool(catalogue))
    count = sum(len(source.runs) for source in found)
    columns: dict[str, Measured] = {}
    with following(progress, "compare", "runs") as told:
        done = 0
        for source in found:
            runs = []
            for opened in source.runs:
                with opened() as recording, part(done, count, source.name):
                    runs.append(measure(recording, asked))
                done += 1
                if told is not None:
                    told(done, count)
            column = medians(runs, asked.confidence)
            column.path = source.path
            columns[source.name] = column
    return _labelled(columns, found, asked)


def _labelled(
    columns: Mapping[str, Measured], found: Sequence[Source], options: Options
) -> xr.Dataset:
    """Return the columns as a result."""
    import xarray as xr

    from nndyn.results import Quantity, result

    every = list(columns.values())
    quantities: dict[str, Any] = {
        name: Quantity(
            np.array([c.facts[name] for c in every], dtype=str), "1", meaning, ("recording",)
        )
        for name, meaning in FACTS.items()
    }
    texts = {"path": [c.path for c in every], "recording_id": [c.identity for c in every]}
    for name, values in texts.items():
        meaning = {"path": "file or folder", "recording_id": "identity of the recording"}[name]
        quantities[name] = Quantity(np.array(values, dtype=str), "1", meaning, ("recording",))
    for name, meaning in (("verdicts", "verdict"), ("reasons", "reason of the verdict")):
        rows = [[getattr(c, name)[analyzer] for analyzer in ANALYZERS] for c in every]
        dims = ("recording", "analyzer")
        quantities[name] = Quantity(np.array(rows, dtype=str), "1", f"{meaning}, - for none", dims)
    dimension = [np.nan if c.dimension is None else float(c.dimension) for c in every]
    quantities["dimension"] = Quantity(
        np.array(dimension),
        "1",
        "numbers of a state",
        ("recording",),
        note="NaN where no state is kept" if np.isnan(dimension).any() else None,
    )
    stationary = np.array([c.stationary for c in every])
    quantities["stationary"] = Quantity(
        stationary, "1", "whether it is a motion on an attractor", ("recording",)
    )
    runs = np.array([c.runs for c in every])
    quantities["runs"] = Quantity(runs, "1", "runs of which it is the median", ("recording",))
    for name, row in QUANTITIES.items():
        numbers = [c.numbers[name] for c in every]
        quantities[name] = _quantity(numbers, columns, row.unit, row.meaning)
    most = max(len(c.ratios) for c in every)
    missing = Number(None)
    ratios = [[*c.ratios, *[missing] * (most - len(c.ratios))] for c in every]
    meaning = "Lyapunov exponents over the largest of them"
    flat = [number for row in ratios for number in row]
    quantities[_RATIOS] = _quantity(flat, columns, "1", meaning, most)
    quantities |= _curves(every)
    warnings = [*cautions(columns)]
    for source, (name, column) in zip(found, columns.items(), strict=True):
        warnings += [f"{name}: {line}" for line in (*source.warnings, *column.warnings)]
    attractors = int(stationary.sum())
    return result(
        quantities,
        analyzer="compare",
        recording=xr.Dataset(),
        parameters=options.as_parameters,
        summary=[*FACTS, "dimension", *QUANTITIES, _RATIOS],
        verdict="compared",
        reason=f"{len(every)} side by side, {attractors} on an attractor and "
        f"{len(every) - attractors} along a transient; times are in the time_unit of each",
        warnings=warnings,
        coords={
            "recording": ("recording", np.array(list(columns), dtype=str)),
            "analyzer": ("analyzer", np.array(ANALYZERS, dtype=str)),
            "exponent": ("exponent", np.arange(1, most + 1), {"long_name": "in the order of QR"}),
        },
    )


def _quantity(
    numbers: Sequence[Number],
    columns: Mapping[str, Measured],
    unit: str,
    meaning: str,
    exponents: int = 0,
) -> Any:
    """Label one number of every recording, or as many as there are exponents."""
    from nndyn.results import Quantity

    shape = (len(columns), exponents) if exponents else (len(columns),)
    dims = ("recording", "exponent") if exponents else ("recording",)
    values = np.array([np.nan if n.value is None else n.value for n in numbers]).reshape(shape)
    ci = np.array([(np.nan, np.nan) if n.ci is None else n.ci for n in numbers])
    own = [n.note for n in numbers]
    if exponents:
        rows = [own[i : i + exponents] for i in range(0, len(own), exponents)]
        own = ["; ".join(dict.fromkeys(filter(None, row))) for row in rows]
    said = [f"{name}: {why}" for name, why in zip(columns, own, strict=True) if why]
    note = "; ".join([*said, *["NaN beyond the last exponent"] * bool(exponents)])
    over = ", ".join(dict.fromkeys(n.over for n in numbers if n.ci is not None))
    return Quantity(
        values,
        unit,
        meaning,
        dims,
        ci=ci.reshape(*shape, 2) if over else None,
        interval_over=over or None,
        note=note or None,
        attrs={"notes": json.dumps(own, ensure_ascii=False)},
    )


def _curves(every: Sequence[Measured]) -> dict[str, Any]:
    """Label the curves, of which a recording has those that there are."""
    from nndyn.comparison.curves import CELLS, POINTS
    from nndyn.results import Quantity

    sizes = {"point": POINTS, "row": CELLS, "column": CELLS}
    quantities = {}
    for name, (meaning, dims) in CURVES.items():
        missing = np.full([sizes[d] for d in dims], np.nan)
        values = np.stack([np.asarray(c.curves.get(name, missing)) for c in every])
        note = "NaN where there is none, and beyond the end of a curve"
        quantities[name] = Quantity(values, "1", meaning, ("recording", *dims), note=note)
    return quantities
