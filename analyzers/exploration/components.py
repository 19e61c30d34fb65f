"""Principal components of a path through the state space, beside those of a random walk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from analyzers.common.endings import called, ends
from analyzers.common.progress import part, tell
from analyzers.common.sketches import is_sketched, trajectories
from analyzers.exploration.analyzer import require_states
from analyzers.exploration.principal import Plane, plane, read_rows
from analyzers.exploration.random_walk import (
    drift_share,
    random_walk_scores,
    random_walk_shares,
)
from analyzers.growth.separation import require_dataset
from nndyn.checks import share, whole
from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.results import Quantity, result

if TYPE_CHECKING:
    import xarray as xr

#: Components that are told.
COMPONENTS = 6
#: States that are taken, of states of many components and of at most so many.
STATES, STATES_OF_FEW, FEW = 1000, 20_000, 1000
_UNIT = "1"


class Drift(NamedTuple):
    """How much of a first component lies along the slowest cosines over time.

    Attributes
    ----------
    own : float
    of_walks : float
        The median over random walks.
    limits : (2,) float64
        That hold those of walks.
    """

    own: float
    of_walks: float
    limits: Array


def components(
    recording: xr.Dataset,
    *,
    replica: int = 0,
    walks: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Principal components of a path through the state space, beside those of a random walk.

    Parameters
    ----------
    recording : xarray.Dataset
        With ``state``, or ``sketch`` alone.
    replica : int, default 0
        The replica whose components they are; the others are projected onto them.
    walks : int, default 200
        Number of random walks, of as many states and components, that shares are compared with.
    confidence : float, default 0.95
        Level of the intervals of these.
    seed : int, default 0
        Seed of the random walks.

    Returns
    -------
    xarray.Dataset
        ``score`` (time, replica, principal_component), the place of every state along the first
        six components, from the mean state of `replica`, in units of the state; NaN from where a
        replica diverged. ``explained_share`` (principal_component) of the variance. The same of a
        random walk of as many states: ``random_walk_score`` of one, with the variance of the path
        along these, and ``random_walk_share``, the median over `walks`, with the interval that
        holds those of such walks. ``drift_share``, how much of the first component lies along
        the five slowest cosines over time, and ``random_walk_drift_share``, the same of such walks.
        ``path_loss`` (time), where there is one: at the last evaluation. The verdict says whether
        the share of the first component, or how slowly it drifts, tells it from random walks.

    Raises
    ------
    UsageError
        If an option is out of range, or there is no such replica.
    DataError
        If the recording keeps no states, fewer than three of that replica are finite, they do not
        move, or have one component.

    Notes
    -----
    Of T states of D components 1000 are taken, evenly spaced, or 20,000 where D is at most 1000.
    The eigenvectors are those of the smaller one of the D x D covariance and the T x T matrix of
    products, in O(T D min(T, D)) operations and one pass over the states of `replica`; another one
    over all replicas projects these. Peak memory: 512 MiB of states (of longer ones components are
    taken in pieces, and states are read once for each), 32 MiB of passing ones, and the matrix.
    Components agree with those of a singular value decomposition to rounding of the largest.

    A random walk in many dimensions moves along cosines over time: its first components draw
    arcs, and hold 6/π² = 61 %, 15 %, 7 % … of the variance. Arcs alone tell nothing of a network.
    In few dimensions shares differ from walk to walk, so that they tell little; yet its first
    component drifts over the whole time, and that of a motion on an attractor comes back. Walks are
    alike in all directions: one that is not may be told from them. Intervals of walks hold the
    share of the first component and its drift together: each at the level (1 + confidence) / 2.

    References
    ----------
    Antognini and Sohl-Dickstein, NeurIPS 31 (2018), doi:10.48550/arXiv.1806.08805.
    """
    require_dataset(recording)
    given: dict[str, Any] = {
        "replica": whole("replica", replica, 0),
        "walks": whole("walks", walks, 40),
        "confidence": confidence,
        "seed": whole("seed", seed, 0),
    }
    share("confidence", confidence)
    require_states(recording)
    replica, seed = given["replica"], given["seed"]
    state = trajectories(recording)
    R, D = state.shape[1:]
    if replica >= R:
        raise UsageError(f"replica is {replica}, expected 0 to {R - 1}: the recording has {R}")
    if D < 2:
        raise DataError(
            "the state is one number, and a path is drawn of two or more; draw its values, or "
            "embed it (nndyn.recurrence with `dimension`)"
        )
    last = ends(recording, state)
    T, name = int(last[replica]), called(replica)
    if T < 3:
        raise DataError(f"{name} has {T} finite states, expected at least 3; record more steps")
    most = STATES if D > FEW else STATES_OF_FEW
    rows = np.unique(np.linspace(0, T - 1, min(T, most)).round().astype(np.int64))
    count = min(COMPONENTS, len(rows) - 1, D)
    with part(0, 2, "components"):
        found = plane(state, replica, rows, count)
    if not found.variance > 0.0:
        raise DataError(f"the state of {name} does not move; there is no path to draw")
    scores = np.full((len(rows), R, count), np.nan)
    scores[:, replica] = found.scores
    with part(1, 2, "replicas"):
        _project(state, found, rows, last, replica, scores)
    walk, shares = random_walk_scores(len(rows), D, count, seed=seed), found.shares
    drawn, drifts = random_walk_shares(len(rows), D, count, walks=given["walks"], seed=seed)
    tail = 0.25 * (1.0 - confidence)  # of two numbers, on two sides each
    limits, of_drifts = (np.quantile(x, [tail, 1.0 - tail], axis=0) for x in (drawn, drifts))
    axis = state[state.dims[0]]
    of_drifts += [-1e-9, 1e-9]  # all of few states drifts, up to rounding
    drift = Drift(drift_share(found.scores[:, 0]), float(np.median(drifts)), of_drifts)
    verdict, reason = _verdict(shares, limits, np.median(drawn, axis=0), drift)
    if is_sketched(recording):
        reason += f"; of sketches of {D} numbers, in place of states"
    quantities = {
        "explained_share": Quantity(
            shares, _UNIT, "share of the variance along a component", ("principal_component",)
        ),
        "random_walk_share": Quantity(
            np.median(drawn, axis=0),
            _UNIT,
            "median share of random walks of as many states and components",
            ("principal_component",),
            ci=limits.T + np.array([-1e-9, 1e-9]),
            interval_over="random walks",
        ),
        "drift_share": Quantity(
            drift.own,
            _UNIT,
            "share of the first component along the five slowest cosines over time",
        ),
        "random_walk_drift_share": Quantity(
            drift.of_walks,
            _UNIT,
            "median of the same over random walks",
            ci=(drift.limits[0], drift.limits[1]),
            interval_over="random walks",
        ),
        "score": Quantity(
            scores,
            _UNIT,
            "place of the state along a component, from the mean state",
            ("time", "replica", "principal_component"),
            note=None if np.isfinite(scores).all() else "NaN from where a replica diverged",
        ),
        "random_walk_score": Quantity(
            walk * np.sqrt(found.variance / (walk**2).sum(axis=1).mean() * shares.sum()),
            _UNIT,
            "the same of a random walk, as wide as the path",
            ("time", "principal_component"),
        ),
    } | _loss(recording, replica, axis.values[rows])
    return result(
        quantities,
        analyzer="path",
        recording=recording,
        parameters=given,
        summary=(
            "explained_share",
            "random_walk_share",
            "drift_share",
            "random_walk_drift_share",
        ),
        verdict=verdict,
        reason=reason,
        coords={
            "time": (
                "time",
                np.asarray(axis.values[rows], np.float64),
                {"units": str(axis.attrs.get("units", "step")), "long_name": "time of the state"},
            ),
            "replica": ("replica", np.arange(R), {"long_name": "index in the recording"}),
            "principal_component": (
                "principal_component",
                np.arange(1, count + 1),
                {"long_name": "number of the component, by its share"},
            ),
        },
    )


def _project(
    state: xr.DataArray, found: Plane, rows: Array, last: Array, replica: int, scores: Array
) -> None:
    """Write the scores of the other replicas, as far as they are finite."""
    others = [r for r in range(state.shape[1]) if r != replica]
    pieces = list(found.directions(state, replica, rows)) if others else []
    for i, (piece, mean, directions) in enumerate(pieces):
        for j, r in enumerate(others):
            alive = rows[rows < last[r]]
            if i == 0:
                scores[: len(alive), r] = 0.0
            for at, block in read_rows(state, r, alive, piece):
                scores[at, r] += (block - mean) @ directions
            tell(i * len(others) + j + 1, len(pieces) * len(others))


def _verdict(shares: Array, limits: Array, walk: Array, drift: Drift) -> tuple[str, str]:
    """Return whether the first component is as of random walks, and the numbers."""
    inside = limits[0, 0] <= shares[0] <= limits[1, 0]
    slow, fast = drift.limits
    drifts = slow <= drift.own <= fast
    own = " and ".join(f"{round(100 * one, 3):.3g} %" for one in shares[:2])
    low, high = 100 * limits[:, 0]
    of_walks = f"{100 * walk[0]:.3g} % [{low:.3g}, {high:.3g}] and {100 * walk[1]:.3g} %"
    return (
        "not told from a random walk" if inside and drifts else "unlike a random walk",
        f"PC1 and PC2 hold {own} of the variance, of random walks of as many states {of_walks}; "
        f"{round(100 * drift.own, 3):.4g} % of PC1 is a slow drift, of walks "
        f"{100 * drift.of_walks:.4g} % [{100 * slow:.4g}, {100 * fast:.4g}]",
    )


def _loss(recording: xr.Dataset, replica: int, times: Array) -> dict[str, Quantity]:
    """Return the loss at the last evaluation before each time, where there is one."""
    if "loss" not in recording:
        return {}
    loss = recording["loss"]
    values = np.asarray(loss.values[:, replica], np.float64)
    known = np.isfinite(values)
    at = np.searchsorted(loss[loss.dims[0]].values[known], times, side="right") - 1
    if not len(at) or at[0] < 0:
        return {}
    name = str(loss.attrs.get("long_name", "loss"))
    unit = str(loss.attrs.get("units", _UNIT))
    return {"path_loss": Quantity(values[known][at], unit, name, ("time",))}
