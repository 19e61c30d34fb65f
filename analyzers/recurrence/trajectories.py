"""Trajectories of a recurrence plot: their ends, and the states that are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from analyzers.common.endings import ends, why
from analyzers.common.sketches import is_sketched, trajectories
from nndyn.errors import DataError, UsageError
from nndyn.results import Window

if TYPE_CHECKING:
    import xarray as xr

#: Operations beyond which a plot is only made of states that are thinned out on request: some tens
#: of minutes.
OPERATIONS = 4e12


@dataclass(frozen=True)
class Trajectory:
    """One trajectory of a recording.

    Attributes
    ----------
    recording : xarray.Dataset
    replica : int
    component : int or None
        This one alone.
    whose : str
        What messages call the recording, where it is another one than the analyzed one.
    fold : int or None
        Of sketches this part alone; see `analyzers.common.sketches.trajectories`.
    """

    recording: xr.Dataset
    replica: int
    component: int | None
    whose: str = ""
    fold: int | None = None

    @property
    def sketched(self) -> bool:
        """Whether sketches stand for states, which are not there."""
        return is_sketched(self.recording)

    def states(self) -> xr.DataArray:
        """Return the states (T, R, D) of the recording, checked.

        Returns
        -------
        xarray.DataArray

        Raises
        ------
        UsageError
            If there is no such replica.
        DataError
            If there are no states.
        """
        if "state" not in self.recording and not self.sketched:
            raise DataError(
                f"{self.whose or 'the recording'} keeps no states; record with `store='full'`, "
                "'every:K' or 'sketch:K'"
            )
        if self.sketched and self.component is not None:
            raise UsageError(
                f"{self.whose or 'the recording'} keeps sketches, which have no components; leave "
                "out `component`, or record with `store='full'`"
            )
        state = trajectories(self.recording, self.fold)
        if state.ndim != 3 or 0 in state.shape[1:]:
            raise DataError(
                f"state{f' of {self.whose}' * bool(self.whose)} has dimensions "
                f"{dict(state.sizes)}, expected (time, replica, component), none of them empty"
            )
        if self.replica >= state.shape[1]:
            raise UsageError(
                f"there is no replica {self.replica}{f' in {self.whose}' * bool(self.whose)}, "
                f"expected one of 0 … {state.shape[1] - 1}"
            )
        return state

    def width(self, state: xr.DataArray) -> int:
        """Return of how many components a state is taken."""
        return 1 if self.component is not None else int(state.shape[2])


def is_recording(other: Any) -> TypeGuard[xr.Dataset]:
    """Whether the other trajectory is one of another recording."""
    return hasattr(other, "data_vars")


def cut(
    which: list[Trajectory], kind: str, window: Window | None, stride: int | None
) -> tuple[list[xr.DataArray], str]:
    """Return what is taken of the states of one or two trajectories.

    Parameters
    ----------
    which : list of Trajectory
    kind : str
        Of the plot.
    window : Window or None
        Times between which states are taken.
    stride : int or None
        Every so-manieth state is taken.

    Returns
    -------
    states : list of xarray.DataArray, (n, R, D)
        Two trajectories of one recording, and those of a joint plot, are as long.
    end : str
        Why a trajectory ends before its recording, empty where none does.

    Raises
    ------
    UsageError
        If there is no such replica, or the window has no length.
    DataError
        If there are no states or fewer than two, or those of two trajectories do not go together.
    """
    states = [t.states() for t in which]
    if kind == "cross":
        _check_origins(which)
        _check_widths(which, states)
    last = [int(ends(t.recording, s)[t.replica]) for t, s in zip(which, states, strict=True)]
    reasons = [
        why(t.recording, s, t.replica, n, t.whose)
        for t, s, n in zip(which, states, last, strict=True)
    ]
    whole = [_kept(s, s.shape[0], window, stride).shape[0] for s in states]
    if kind == "joint" and whole[0] != whole[1]:
        raise DataError(
            f"a joint plot takes states of two trajectories at once: {whole[0]} are taken of the "
            f"recording and {whole[1]} of the other one; choose a window of both, or `kind='cross'`"
        )
    if which[0].recording is which[-1].recording:
        worst = last.index(min(last))
        last, reasons = [last[worst]] * len(last), [reasons[worst]]
    kept = [_kept(s, n, window, stride) for s, n in zip(states, last, strict=True)]
    if kind == "joint":
        shortest = min(k.shape[0] for k in kept)
        kept = [k[:shortest] for k in kept]
    end = "; ".join(reason for reason in reasons if reason)
    for t, k in zip(which, kept, strict=True):
        if k.shape[0] < 2:
            of = f" in {t.whose}" if t.whose else ""
            raise DataError(
                f"expected at least 2 states{of}, found {k.shape[0]}{f': {end}' * bool(end)}"
            )
    return kept, end


def _check_origins(which: list[Trajectory]) -> None:
    """Check that sketches are counted from one state."""
    if any(t.sketched for t in which) and which[0].recording is not which[1].recording:
        raise DataError(
            "a cross plot takes distances between states of two trajectories, and sketches are "
            "counted from the first state of their own recording; record both with `store='full'`, "
            "or ask for `kind='joint'`"
        )


def _check_widths(which: list[Trajectory], states: list[xr.DataArray]) -> None:
    """Check that states of two trajectories have a distance."""
    here, there = (t.width(s) for t, s in zip(which, states, strict=True))
    if here != there:
        raise DataError(
            f"a cross plot takes distances between states of two trajectories: the one has "
            f"{here} components, the other {there}; pick one of each with `component` "
            "and `other_component`, or ask for `kind='joint'`"
        )


def _kept(state: xr.DataArray, end: int, window: Window | None, stride: int | None) -> xr.DataArray:
    """Return the states before `end`, within a window, every so-manieth of them."""
    first, last = 0, end
    if window is not None:
        a, b = (float(t) for t in window)
        if not a < b:
            raise UsageError(f"window is {a:g}:{b:g}, expected two times in order")
        times = state[state.dims[0]].values[:end]
        first, last = int(np.searchsorted(times, a)), int(np.searchsorted(times, b, "right"))
    return state[first:last:stride]


def afford(
    which: list[Trajectory],
    kept: list[xr.DataArray],
    kind: str,
    dimension: int,
    stride: int | None,
) -> None:
    """Check that a plot is not made of more states than anyone would wait for, unasked.

    Raises
    ------
    DataError
        If it is.
    """
    sizes = [k.shape[0] for k in kept]
    columns = sizes[::-1] if kind == "cross" else sizes
    widths = [
        dimension if t.component is not None else k.shape[2]
        for t, k in zip(which, kept, strict=True)
    ]
    N, M, d = max(zip(sizes, columns, widths, strict=True), key=lambda one: one[2])
    operations = 0.5 * N * M * (d + 4)
    if operations > OPERATIONS and stride is None:
        enough = int(np.ceil(np.sqrt(operations / OPERATIONS)))
        both = f"{N}" if N == M else f"{N} and {M}"
        raise DataError(
            f"{both} states of {d} components take {operations:.1g} operations; thin them out with "
            f"stride={enough}, choose a window, or say stride=1"
        )
