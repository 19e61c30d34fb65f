"""Exploration of the state space by a trajectory: steps, turns, diffusion, dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.common.begins import from_perturbation
from analyzers.common.endings import called, ends, why
from analyzers.common.progress import part
from analyzers.common.sketches import FOLDS, components, is_sketched, trajectories
from analyzers.exploration.diffusion import kind
from analyzers.exploration.displacements import panel_rows
from analyzers.exploration.labels import Rows, companion, numbers, per_replica, series
from analyzers.exploration.path import Explored, explore
from analyzers.exploration.sketched import Errors, of_sketch
from analyzers.growth.separation import require_dataset
from nndyn.checks import share, whole
from nndyn.errors import DataError, UsageError
from nndyn.recording import CONTROL, PERTURBED, REFERENCE
from nndyn.results import Quantity, result

if TYPE_CHECKING:
    import xarray as xr

_SUMMARY = (
    "path_length",
    "displacement",
    "tortuosity",
    "mean_turning_angle",
    "msd_exponent",
    "msd_exponent_first",
    "radius_of_gyration",
    "participation_ratio",
    "random_walk_participation_ratio",
    "loss_rise_fraction",
)


def exploration(
    recording: xr.Dataset,
    *,
    max_lag: int | None = None,
    confidence: float = 0.95,
    walks: int = 1000,
    seed: int = 0,
) -> xr.Dataset:
    """Exploration of the state space by a trajectory: path, turns, diffusion and dimension.

    Numbers are those of the reference; each has a twin over (replica,), called ``replica_NAME``.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``state``. Of a recording that keeps every K-th state, steps lead from one kept state
        to the next; the path length is that of the steps recorded, where they were. With ``sketch``
        alone, numbers are estimates from that: see the notes.
    max_lag : int, optional
        Longest lag of the mean-squared displacement, in kept states; a tenth of them by default,
        and a quarter at most.
    confidence : float, default 0.95
        Level of the intervals.
    walks : int, default 1000
        Number of random walks, of the same length and dimension, that the participation ratio is
        compared with.
    seed : int, default 0
        Seed of the random walks.

    Returns
    -------
    xarray.Dataset
        Numbers: ``path_length``; ``displacement`` of the last state from the first; ``tortuosity``,
        their ratio; ``mean_turning_angle`` in radians; ``msd_exponent`` of the last decade of lags
        and ``msd_exponent_first`` of the first; ``radius_of_gyration``; ``participation_ratio`` of
        the covariance of the states beside ``random_walk_participation_ratio``;
        ``loss_rise_fraction`` of the evaluations. Series over (time, replica): ``step_length``,
        ``turning_angle`` at the state between two steps, ``progress``, the cosine between the step
        that led to a state and the way that was left to the end; ``replica_spread`` (time), the
        root mean square of the l2 distances of perturbed replicas to the reference. And
        ``mean_squared_displacement`` (lag, replica). The verdict is that of the last decade of
        lags: ``ballistic``, ``superdiffusive``, ``diffusive``, ``subdiffusive``, ``confined``
        (a plateau), ``withheld`` where steps shrink, ``unresolved``, ``diverged``.

    Raises
    ------
    UsageError
        If an option is out of range.
    DataError
        If the recording keeps no states or fewer than two, or a state is not finite.

    Notes
    -----
    One pass over ``state``, replica by replica; of replicas whose states take more than 600 MiB,
    those beyond are read once or more again (see
    `analyzers.exploration.displacements.displacements`, also for the number of operations). Peak
    memory: 600 MiB, 64 MiB of passing states, 16 MiB of products of states, and a few (time,
    replica) arrays; a block is read while the one before is worked on.

    The interval of ``msd_exponent`` is over time, from blocks that do not overlap; that of
    ``random_walk_participation_ratio`` holds the ratios of such walks. The others, where there are
    two perturbed replicas or more, are over perturbations: Student's t prediction of where one
    more perturbed run would come to lie.

    From sketches of K numbers lengths have a relative standard deviation of 1 / √(2 K), constant in
    time along one direction, and cosines one of 1 / √K. The participation ratio is corrected for
    directions that a sketch mixes, and null above K / 4. Intervals, those of mean-squared
    displacements too, hold Student's over the eight parts, of K / 8 numbers, scaled down by √8.
    Memory is as for states of K numbers.

    An exponent near 2 is faked by a run that converges, since few large steps dominate the mean; a
    trajectory whose steps shrink to less than half gets none.

    References
    ----------
    Random walks in many dimensions: Antognini and Sohl-Dickstein, NeurIPS 31 (2018),
    doi:10.48550/arXiv.1806.08805.
    """
    parameters: dict[str, Any] = {
        "max_lag": max_lag,
        "confidence": confidence,
        "walks": walks,
        "seed": seed,
    }
    _check(recording, parameters)
    recording = from_perturbation(recording)
    max_lag, walks, seed = parameters["max_lag"], parameters["walks"], parameters["seed"]
    state, sketched = trajectories(recording), is_sketched(recording)
    role = per_replica(recording, "role", np.r_[REFERENCE, [PERTURBED] * (state.shape[1] - 1)])
    last = ends(recording, state)
    T, D = int(last[0]), state.shape[2]
    axis = state.dims[0]
    if state.shape[0] < 2:
        raise DataError(f"expected at least 2 states, the recording has {state.shape[0]}")
    if T < 2:
        return _diverged(recording, parameters, why(recording, state, 0, T))
    longest = _longest(max_lag, T)
    found: dict[int, Explored] = {}
    errors: dict[int, Errors] = {}
    held = np.empty((panel_rows(T, D), D))  # once: new memory costs as much as filling it
    held_fold = np.empty((panel_rows(T, D // FOLDS), D // FOLDS)) if sketched else held
    for r in range(state.shape[1]):
        if last[r] < T:
            continue
        if role[r] == CONTROL and _coincides(recording, r):
            found[r] = found[0]
            errors |= {r: errors[0]} if sketched else {}
            continue
        options: dict[str, Any] = {"longest": longest, "confidence": confidence}
        with part(r, state.shape[1], called(r)):
            found[r] = explore(state[:T, r], called(r), held, **options)
            if sketched:
                folds = [trajectories(recording, fold)[:T, r] for fold in range(FOLDS)]
                parts = [explore(fold, called(r), held_fold, **options) for fold in folds]
                found[r], errors[r] = of_sketch(found[r], parts, D, confidence)
    lost = [r for r in range(state.shape[1]) if r not in found]
    warnings = [
        f"replica {r} diverged: it has no exploration metrics" for r in lost if role[r] == PERTURBED
    ]
    unit = str(state[axis].attrs.get("units", "step"))
    times = np.asarray(state[axis].values[:T], np.float64)
    rows = Rows(found, state.shape[1], errors)
    quantities = numbers(recording, rows, times, role, confidence)
    quantities |= companion(T, components(recording, state), walks, seed, confidence)
    quantities |= series(recording, rows, times, role)
    spacing = (times[-1] - times[0]) / (T - 1)
    verdict, reason = _verdict(found[0], spacing, unit)
    if end := why(recording, state, 0, T):
        verdict, reason = "diverged", f"{end}; before that: {verdict}: {reason}"
    return result(
        quantities,
        analyzer="exploration",
        recording=recording,
        parameters=parameters,
        summary=_SUMMARY,
        verdict=verdict,
        reason=reason,
        warnings=warnings,
        coords={
            "time": ("time", times, {"units": unit, "long_name": "time of the state"}),
            "replica": (
                "replica",
                np.arange(state.shape[1]),
                {"long_name": "index in the recording"},
            ),
            "lag": (
                "lag",
                spacing * np.arange(longest + 1),
                {"units": unit, "long_name": "time between two states"},
            ),
        },
    )


def _check(recording: Any, given: dict[str, Any]) -> None:
    """Check all options; whole numbers in `given` become ints."""
    require_dataset(recording)
    for name, least in (("max_lag", 1), ("walks", 40), ("seed", 0)):
        if name != "max_lag" or given[name] is not None:
            given[name] = whole(name, given[name], least)
    share("confidence", given["confidence"])
    require_states(recording)


def require_states(recording: xr.Dataset) -> None:
    """Check that a recording keeps states, or sketches of them.

    Raises
    ------
    DataError
        If it does not, or they have other dimensions.
    """
    if "state" not in recording and "sketch" not in recording:
        raise DataError(
            "the recording keeps no states; record with `store='full'`, 'every:K' or 'sketch:K'"
        )
    name = "sketch" if is_sketched(recording) else "state"
    if recording[name].ndim != 3 or 0 in recording[name].shape[1:]:
        raise DataError(
            f"{name} has dimensions {dict(recording[name].sizes)}, expected (time, replica, "
            "component), none of them empty"
        )


def _longest(max_lag: int | None, times: int) -> int:
    """Return the longest lag."""
    if max_lag is None:
        return max(1, (times - 1) // 10)
    most = max(1, (times - 1) // 4)
    if max_lag > most:
        raise UsageError(
            f"max_lag is {max_lag}, expected at most {most}, a quarter of the {times - 1} steps"
        )
    return int(max_lag)


def _coincides(recording: xr.Dataset, r: int) -> bool:
    """Whether a control never leaves the reference: what holds for one holds for the other."""
    return "distance_l2" in recording and not np.any(recording["distance_l2"][:, r].values)


def _verdict(reference: Explored, spacing: float, unit: str) -> tuple[str, str]:
    if reference.shrinks:
        return "withheld", (
            f"displacements shrink: {reference.shrinks}, so that an exponent would be that of the "
            "first steps alone"
        )
    return kind(reference.last, spacing, unit)


def _diverged(recording: xr.Dataset, parameters: dict[str, Any], end: str) -> xr.Dataset:
    """Label a recording that ended before there was a step."""
    note = "the reference diverged at its first step"
    return result(
        {name: Quantity(None, "1", name.replace("_", " "), note=note) for name in _SUMMARY},
        analyzer="exploration",
        recording=recording,
        parameters=parameters,
        summary=_SUMMARY,
        verdict="diverged",
        reason=end,
    )
