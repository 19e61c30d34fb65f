"""Recurrence of a trajectory with itself, or with another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from analyzers.common.begins import from_perturbation
from analyzers.common.progress import part
from analyzers.growth.separation import require_dataset
from analyzers.recurrence.counting import Lines, count
from analyzers.recurrence.folds import check_norm, with_intervals
from analyzers.recurrence.kernels.pairs import L1, L2, MAX
from analyzers.recurrence.measures import MEASURES, by_length, measure, numbers
from analyzers.recurrence.narrow import Narrow
from analyzers.recurrence.plane import Pairs, Team
from analyzers.recurrence.points import Points, take
from analyzers.recurrence.radius import Threshold, find, parse
from analyzers.recurrence.trajectories import Trajectory, afford, cut, is_recording
from analyzers.recurrence.wide import Wide
from nndyn.checks import choice, whole
from nndyn.errors import UsageError, is_whole
from nndyn.results import Quantity, Radius, Recording, Window, result

if TYPE_CHECKING:
    import xarray as xr

Kind = Literal["auto", "cross", "joint"]
Norm = Literal["l1", "l2", "max"]

NORMS = {"l1": L1, "l2": L2, "max": MAX}


def recurrence(
    recording: xr.Dataset,
    *,
    radius: Radius = "rate:0.05",
    norm: Norm = "l2",
    theiler: int | None = None,
    min_diagonal: int = 2,
    min_vertical: int = 2,
    dimension: int = 1,
    delay: int = 1,
    kind: Kind = "auto",
    replica: int = 0,
    component: int | None = None,
    other: Recording | None = None,
    other_replica: int | None = None,
    other_component: int | None = None,
    window: Window | None = None,
    stride: int | None = None,
    sliding_width: int | None = None,
    sliding_step: int | None = None,
) -> xr.Dataset:
    """Recurrence plot of a trajectory, and its quantification.

    Points i and j recur where ``‖x_i - x_j‖ ≤ radius``.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``state``, or ``sketch`` alone.
    radius : float or str, default "rate:0.05"
        Largest distance of points that recur: a number; ``rate:R``, the smallest one for which a
        share R of the pairs at least `theiler` apart recurs; ``scale:S``, of the largest distance
        between any two points.
    norm : {"l1", "l2", "max"}, default "l2"
        Norm of the difference of two points.
    theiler : int, optional
        Theiler window: diagonals nearer to the main one than this are left out of `radius` and of
        the measures of diagonals; 1 by default, which leaves out the main one. Cross recurrence has
        none.
    min_diagonal : int, default 2
        Length from which a diagonal line counts.
    min_vertical : int, default 2
        Length from which a vertical line counts.
    dimension : int, default 1
        Dimension of the embedding of a scalar series.
    delay : int, default 1
        Delay between the values of an embedding, in kept states.
    kind : {"auto", "cross", "joint"}, default "auto"
        Recurrence of the trajectory with itself, with another one, or of both at the same times.
    replica : int, default 0
        Replica whose trajectory is taken; 0 is the reference.
    component : int, optional
        Component of the states to take as a scalar series.
    other : Recording, optional
        Other trajectory of a cross or joint plot: a replica, or another recording; in Python its
        path, a Dataset, or an array (times,) or (times, components). For a joint plot both must
        have the same number of states, for a cross plot states of the same number of components.
    other_replica : int, optional
        Replica of the other recording; 0, its reference, by default.
    other_component : int, optional
        Component of the other trajectory, `component` by default.
    window : Window, optional
        Times between which states are taken, of both trajectories.
    stride : int, optional
        Step from one state that is taken to the next; required beyond 4e12 operations.
    sliding_width : int, optional
        Length in points of windows in which all measures are repeated, with the radius of the
        whole; in a cross plot along its diagonal.
    sliding_step : int, optional
        Points from the start of one such window to that of the next; their width by default.

    Returns
    -------
    xarray.Dataset
        Numbers: ``recurrence_rate`` over all pairs; ``radius`` and ``rate_obtained`` with it; of
        diagonal lines in both triangles ``determinism``, ``mean_diagonal_length``,
        ``max_diagonal_length``, ``divergence`` (its inverse) and ``diagonal_entropy`` (natural
        logarithm); of vertical lines over whole columns ``laminarity``, ``trapping_time``,
        ``max_vertical_length``, ``vertical_entropy``; of white vertical lines
        ``mean_recurrence_time``, ``max_recurrence_time``, ``recurrence_time_entropy``. Lines that
        touch the border count with the length that is seen; lengths are in points. A joint plot
        has ``other_radius``. ``diagonal_lines``, ``vertical_lines`` and ``white_vertical_lines``
        (length,) are their numbers. ``picture`` (row_time, column_time) is the share of recurrences
        in cells of the plot, at most 512 a side. With `sliding_width`, ``sliding_NAME`` over
        ``sliding_time``, the middle of a window. The verdict is ``recurrent``; ``none`` where no
        two points recur; ``full`` where all do; ``diverged``.

    Raises
    ------
    UsageError
        If an option is out of range, or does not go with the others.
    DataError
        If there are no states or fewer than two, one is not finite, they are too many, those of the
        two trajectories do not go together, or no pair is so far apart that a rate could be taken.

    Notes
    -----
    For N points of d components: one pass over the states, and of many components more of them (see
    `analyzers.recurrence.wide`); a rate or scale of more than one component takes four passes over
    all pairs, kept in memory where they take 64 MiB. There is never an array of N by N: blocks of
    64 by 64 bits pass by. Peak memory for d ≤ 64: 16 N d bytes, and 32 MB for 50,000 points; else
    600 MiB. Results are the same for every number of threads.

    Squared l2 distances of more than 64 components are taken from products of states where rounding
    cannot decide whether two points recur, and from their difference where it might.

    From sketches of K numbers distances have a relative standard deviation of 1 / √(2 K). Numbers
    then have intervals, at a level of 0.95, over plots of eight parts of each sketch. Those of
    diagonal lines may be too narrow where steps are a random walk's: errors near the radius break
    lines, in the whole sketch as in its parts.

    White noise recurs at random: at a rate p its determinism is 2 p - p². That of the logistic map
    at r = 4 is 0.66 at a rate of 5 %, with diagonal lines of 3 points in the mean; that of a
    periodic orbit is 1.

    A training that settles takes ever shorter steps, and the radius of sliding windows is that of
    the whole: recurrence rate, laminarity and trapping time rise from early windows to late ones.
    States near in time are what recurs, so that determinism is close to 1 throughout and tells
    little. Of 400 steps of ``mlp:64-32-10`` on digits, in four windows, the rate rises from 0.06 to
    0.3 at a learning rate of 0.5 and from 0.03 to 0.36 at 3; in the first window laminarity is 0.98
    at 0.5, and at 3, where deviations grow, 0.3 to 0.8; it is 1 in all later ones.

    References
    ----------
    Marwan et al., Physics Reports 438 (2007), doi:10.1016/j.physrep.2006.11.001; Theiler, Phys.
    Rev. A 34 (1986), doi:10.1103/PhysRevA.34.2427.
    """
    parameters: dict[str, Any] = dict(
        radius=radius,
        norm=norm,
        theiler=theiler,
        min_diagonal=min_diagonal,
        min_vertical=min_vertical,
        dimension=dimension,
        delay=delay,
        kind=kind,
        replica=replica,
        component=component,
        other=other,
        other_replica=other_replica,
        other_component=other_component,
        window=window,
        stride=stride,
        sliding_width=sliding_width,
        sliding_step=sliding_step,
    )
    threshold = parse(radius)
    theiler = _check(recording, parameters)
    if window is None:
        recording = from_perturbation(recording)
        other = from_perturbation(other) if is_recording(other) else other
    dimension, delay, stride = (parameters[name] for name in ("dimension", "delay", "stride"))
    min_diagonal, min_vertical = parameters["min_diagonal"], parameters["min_vertical"]
    sliding_width, sliding_step = parameters["sliding_width"], parameters["sliding_step"]
    replica, other_replica = parameters["replica"], parameters["other_replica"]
    component, other_component = parameters["component"], parameters["other_component"]
    which = [Trajectory(recording, replica, component)]
    if kind != "auto":
        second = component if other_component is None else other_component
        if is_recording(other):
            which.append(Trajectory(other, other_replica or 0, second, "the other recording"))
        else:
            mine = replica if other is None else cast("int", other)
            which.append(Trajectory(recording, mine, second))
    check_norm(which, norm)
    kept, end = cut(which, kind, window, stride)
    afford(which, kept, kind, dimension, stride)

    def taken(which: list[Trajectory], kept: list[xr.DataArray]) -> list[Points]:
        return [
            take(states, t.replica, t.component, dimension, delay, t.whose)
            for t, states in zip(which, kept, strict=True)
        ]

    with part(0, 4, "states"):
        points = taken(which, kept)
    with Team() as team:
        pairs = _pairs(kind, points, norm)
        with part(1, 4, "radius"):
            radii, limits = zip(*(find(p, threshold, theiler, team) for p in pairs), strict=True)
        with part(2, 4, "lines"):
            lines = count(pairs, limits, theiler, team, picture=True)
        del pairs  # and with them the states they hold

        def plot(which: list[Trajectory]) -> dict[str, Any]:
            pairs = _pairs(kind, taken(which, cut(which, kind, window, stride)[0]), norm)
            radii, limits = zip(*(find(p, threshold, theiler, team) for p in pairs), strict=True)
            found = count(pairs, limits, theiler, team, picture=False)
            numbers = measure(found, min_diagonal, min_vertical)
            if threshold.kind == "value":
                return numbers
            return {"radius": radii[0], "other_radius": radii[-1], **numbers}

        def measured(first: int, last: int) -> dict[str, float | int | None]:
            part = _pairs(kind, [p.part(first, last) for p in points], norm)
            for p, limit in zip(part, limits, strict=True):
                p.focus(limit, limit, team)
            found = count(part, limits, theiler, team, picture=False)
            return measure(found, min_diagonal, min_vertical)

        shortest = min(len(p.times) for p in points)
        starts = _starts(shortest, sliding_width, sliding_step)
        sliding = []
        for i, first in enumerate(starts):
            with part(3 * len(starts) + i, 4 * len(starts), "windows"):
                sliding.append(measured(first, first + (sliding_width or 0)))
        quantities = {"radius": _radius("radius", radii[0])}
        if kind == "joint":
            quantities["other_radius"] = _radius("radius of the other trajectory", radii[1])
        quantities |= numbers(lines, min_diagonal, min_vertical)
        quantities = with_intervals(quantities, which, plot)
    summary = list(quantities)
    quantities |= by_length(lines)
    quantities["picture"] = Quantity(
        lines.picture, "1", "share of the pairs that recur", ("row_time", "column_time")
    )
    for name, (unit, meaning) in MEASURES.items() if sliding else ():
        values = np.array([found[name] for found in sliding], np.float64)  # NaN for None
        quantities[f"sliding_{name}"] = Quantity(values, unit, meaning, ("sliding_time",))
    verdict, reason = _verdict(lines, quantities, min_diagonal)
    if end:
        verdict, reason = "diverged", f"{end}; before that: {reason}"
    return result(
        quantities,
        analyzer="recurrence",
        recording=recording,
        parameters=parameters,
        summary=summary,
        verdict=verdict,
        reason=reason,
        warnings=_warnings(threshold, kind, quantities),
        coords=_coordinates(kept, points, lines, quantities, starts, sliding_width or 0),
    )


def _pairs(kind: str, points: list[Points], norm: Norm) -> list[Pairs]:
    """Return the pairs of a trajectory, of two joint ones, or of one with another."""
    number, first = NORMS[norm], points[0]
    if kind == "cross":
        return [_pairs_of(first, points[1], number, 1)]
    pairs = [_pairs_of(p, None, number, len(points)) for p in points]
    for p in pairs:  # of a joint plot side by side, whatever the components of each
        p.panel, p.width = min(q.panel for q in pairs), min(q.width for q in pairs)
    return pairs


def _pairs_of(x: Points, y: Points | None, norm: int, share: int) -> Pairs:
    """Return the pairs of the points of x with those of y, or with one another."""
    if x.held is not None:
        return Narrow(x.held, None if y is None else y.held, norm)
    rows, columns = len(x.times), len(x.times if y is None else y.times)
    return Wide(x.read, None if y is None else y.read, rows, columns, x.dimension, norm, share)


def _check(recording: Any, given: dict[str, Any]) -> int:
    """Check all options but those that depend on the states; return the Theiler window."""
    require_dataset(recording)
    least = dict.fromkeys(
        ("min_diagonal", "min_vertical", "dimension", "delay", "stride", "sliding_step"), 1
    )
    least |= dict.fromkeys(("theiler", "replica", "component"), 0)
    least |= dict.fromkeys(("other_replica", "other_component"), 0)
    for name, smallest in {**least, "sliding_width": 2}.items():
        value = given[name]
        if value is None and name not in ("min_diagonal", "min_vertical", "dimension", "delay"):
            continue
        given[name] = whole(name, value, smallest)  # an int from here on
    choice("norm", given["norm"], NORMS)
    choice("kind", given["kind"], ("auto", "cross", "joint"))
    kind: str = given["kind"]
    theiler: int | None = given["theiler"]
    other = given["other"]
    if not (other is None or is_recording(other) or (is_whole(other) and other >= 0)):
        raise UsageError(f"other is {other!r}, expected the number of a replica or a recording")
    if given["other_replica"] is not None and not is_recording(other):
        raise UsageError(
            f"other_replica={given['other_replica']} is of another recording, and other is "
            f"{other}; give one, or the replica of this one as other"
        )
    alone = other is None and given["other_component"] is None
    if (kind == "auto") != alone:
        raise UsageError(
            f"kind={kind!r} takes no other trajectory; ask for cross or joint"
            if kind == "auto"
            else f"kind={kind!r} takes another trajectory: give other or other_component"
        )
    if kind == "cross" and theiler:
        raise UsageError(f"theiler is {theiler}, cross recurrence has no main diagonal")
    if given["sliding_step"] is not None and given["sliding_width"] is None:
        raise UsageError("sliding_step is given without sliding_width")
    if theiler is None:
        return 0 if kind == "cross" else 1
    return theiler


def _starts(points: int, width: int | None, step: int | None) -> range:
    """Return where the sliding windows start."""
    if width is None:
        return range(0)
    if width > points:
        raise UsageError(f"sliding_width is {width}, there are {points} points")
    return range(0, points - width + 1, step or width)


def _radius(meaning: str, value: float) -> Quantity:
    return Quantity(value, "1", f"{meaning}: largest distance of two points that recur")


def _coordinates(
    kept: list[xr.DataArray],
    points: list[Points],
    lines: Lines,
    quantities: dict[str, Quantity],
    starts: range,
    width: int,
) -> dict[str, Any]:
    """Return the coordinates of all series, histograms and the picture."""
    units = [str(k[k.dims[0]].attrs.get("units", "step")) for k in kept]
    longest = len(quantities["diagonal_lines"].value)
    coords: dict[str, Any] = {
        "length": ("length", np.arange(1, longest + 1), {"units": "points"}),
    }
    for name, p, unit in (
        ("row_time", points[0], units[0]),
        ("column_time", points[-1], units[-1]),
    ):
        attrs = {"units": unit, "long_name": "time of the first point of a cell"}
        coords[name] = (name, p.times[:: lines.cell], attrs)
    if starts:
        times = points[0].times
        for name, at, what in (
            ("sliding_first", 0, "time of the first point of a window"),
            ("sliding_last", width - 1, "time of the last point of a window"),
        ):
            attrs = {"units": units[0], "long_name": what}
            coords[name] = ("sliding_time", times[np.array(starts) + at], attrs)
        middle = 0.5 * (coords["sliding_first"][1] + coords["sliding_last"][1])
        attrs = {"units": units[0], "long_name": "middle of a window"}
        coords["sliding_time"] = ("sliding_time", middle, attrs)
    return coords


def _verdict(lines: Lines, quantities: dict[str, Quantity], min_diagonal: int) -> tuple[str, str]:
    outside = f" at least {lines.theiler} apart" if lines.theiler > 1 else ""
    rate, determinism = quantities["rate_obtained"].value, quantities["determinism"].value
    if rate is None or rate == 0.0:
        return "none", f"no two points{outside} recur within {quantities['radius'].value:.6g}"
    if rate == 1.0:
        return "full", f"all points{outside} recur within {quantities['radius'].value:.6g}"
    shorter = np.arange(1, min_diagonal)
    chance = 1.0 - np.sum(shorter * rate ** (shorter - 1.0)) * (1.0 - rate) ** 2
    return "recurrent", (
        f"{100 * rate:.3g} % of the pairs{outside} recur, {100 * determinism:.3g} % of them on "
        f"diagonal lines, where independent points give {100 * chance:.3g} %"
    )


def _warnings(threshold: Threshold, kind: Kind, quantities: dict[str, Quantity]) -> list[str]:
    """Return what a reader of a rate has to know."""
    rate = quantities["rate_obtained"].value
    if threshold.kind == "rate" and kind != "joint" and rate > 1.1 * threshold.number:
        return [
            f"the rate is {rate:.3g} instead of {threshold.number:g}: many distances are equal to "
            "the radius"
        ]
    return []
