"""Trajectories that were made apart, and what is read of them to write them into one file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.recording import CONTROL, PERTURBED, REFERENCE, Variable
from nndyn.systems.protocol import Parameter

#: Said where nothing tells how far rounding alone takes two equal runs apart.
NO_CONTROL = (
    "there is no control, an equal run of its own: how far apart two equal runs come is unknown, "
    "and what rounding grows to counts as growth of the perturbation; make one, and give it as "
    "`control`"
)


@dataclass(frozen=True)
class Quantity:
    """Numbers along a trajectory beside its states.

    Attributes
    ----------
    variable : Variable
        On the dimensions that it has in a recording.
    at : (n,) float64
        Its times.
    read : callable
        Returns the numbers of a slice of them, (k,).
    """

    variable: Variable
    at: Array
    read: Callable[[slice], Array]


class Trajectory(Protocol):
    """States over time, from a file or several."""

    @property
    def label(self) -> str:
        """What messages call it."""

    @property
    def times(self) -> Array:
        """Its times, (T,) float64."""

    @property
    def layout(self) -> Sequence[Parameter]:
        """The parameters, one after the other."""

    @property
    def width(self) -> int:
        """D, the components of a state."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the states: float64 or float32."""

    @property
    def quantities(self) -> Mapping[str, Quantity]:
        """What else is known along it, by the name of a variable."""

    def read(self, start: int, stop: int, first: int, last: int) -> Array:
        """Return components ``first … last - 1`` of the states ``start … stop - 1``."""


@dataclass(frozen=True)
class Ensemble:
    """Trajectories that are to be the replicas of one recording.

    Attributes
    ----------
    members : sequence of Trajectory
        Of equal layout; the reference first.
    role : (R,) int8
    times : (T,) float64
        The first T times of every member.
    unit : str
        Of time.
    stationary : bool
    manifest : dict
        What is said of how they were made, as JSON values.
    alone : dict of str to Quantity
        Of the reference, along a dimension of times and no other.
    notes : list of str
        What a reader has to know; more may be found while it is written.
    """

    members: Sequence[Trajectory]
    role: Array
    times: Array
    unit: str
    stationary: bool
    manifest: dict[str, Any]
    alone: Mapping[str, Quantity] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def shared(self) -> dict[str, list[Quantity]]:
        """Return the quantities that all members have at the same times; others are noted.

        Returns
        -------
        dict of str to list of Quantity
            By name, of every member.
        """
        found: dict[str, list[Quantity]] = {}
        for name in dict.fromkeys(n for m in self.members for n in m.quantities):
            each = [m.quantities.get(name) for m in self.members]
            there = [q for q in each if q is not None]
            alike = all(
                q.variable.dims == there[0].variable.dims
                and np.array_equal(_within(q, self.times), _within(there[0], self.times))
                for q in there
            )
            if len(there) == len(each) and alike:
                found[name] = there
            else:
                lacking = next(
                    (m.label for m, q in zip(self.members, each, strict=True) if not q), ""
                )
                why = f"{lacking} has none" if lacking else "it is known at different times"
                self.notes.append(f"{name} was left out: {why}")
        return found


def _within(quantity: Quantity, times: Array) -> Array:
    found: Array = quantity.at[quantity.at <= times[-1]]
    return found


def lines(quantities: Mapping[str, Sequence[Quantity]], times: Array) -> dict[str, Array]:
    """Return the times of each growing dimension that quantities lie on, ``time`` apart.

    Parameters
    ----------
    quantities : mapping of str to sequence of Quantity
    times : (T,) float64
        None beyond the last of them counts.

    Returns
    -------
    dict of str to array
    """
    found = {each[0].variable.dims[0]: _within(each[0], times) for each in quantities.values()}
    return {dim: at for dim, at in found.items() if dim != "time"}


def roles(count: int, *, control: bool) -> Array:
    """Return the roles of a reference, copies, and a control if there is one, (R,) int8."""
    found = np.full(count, PERTURBED, dtype=np.int8)
    found[0] = REFERENCE
    if control:
        found[-1] = CONTROL
    return found


def several(given: Any, name: str, what: str) -> list[Any]:
    """Return one or several sources as a list.

    Parameters
    ----------
    given
        A path or a Dataset, or a sequence of these.
    name, what : str
        What messages call them.

    Returns
    -------
    list

    Raises
    ------
    UsageError
        If there is none.
    """
    if isinstance(given, str | os.PathLike) or hasattr(given, "data_vars"):
        return [given]
    if given is None or not hasattr(given, "__iter__"):
        raise UsageError(f"{name} is {given!r}, expected a list of {what}")
    found = list(given)
    if not found:
        raise UsageError(
            f"{name} is empty, expected a list of {what}: without a copy nothing is compared"
        )
    return found
