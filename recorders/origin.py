"""Where replicas part from the reference: its phase, the time, and what belongs to the phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.systems.protocol import System, WithRest
from recorders.plan import rest_at_start


@dataclass(frozen=True)
class Origin:
    """A state of the reference.

    Attributes
    ----------
    phase : (P,)
    t : int
        Counted from the first time of the recording.
    rest : object
        Of this one row, beside its phase; None where a system has none.
    """

    phase: Array
    t: int
    rest: Any = None

    def rests(self, system: System, rows: int) -> Any:
        """Return the rest of so many rows that all stand here."""
        if not isinstance(system, WithRest):
            return None
        if self.t == 0:
            return rest_at_start(system, rows)
        one = system.encode_rest(self.rest, self.t)
        return system.decode_rest(np.repeat(one, rows, axis=0), self.t)


def first(system: System, seed: int) -> Origin:
    """Return the first state of a system."""
    return Origin(system.initial(seed), 0, rest_at_start(system, 1))
