"""Systems that advance as a team, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nndyn.numerics.arrays import Array
from nndyn.numerics.sketch import Sketches
from nndyn.systems.protocol import Block, System, beside


class OneByOne:
    """A Team whose systems advance one after the other: nothing is gained, nothing required.

    Parameters
    ----------
    systems : sequence of System
    """

    def __init__(self, systems: Sequence[System]) -> None:
        self._systems = systems

    def advance(
        self,
        phases: Array,
        start: int,
        steps: int,
        keep: Sequence[int],
        *,
        evaluate: Sequence[int] = (),
        part: slice | None = None,
        sketch: Sketches | None = None,
        rests: Sequence[Any] | None = None,
    ) -> list[Block]:
        """Advance the rows ``(M, R, P)`` of M systems; see `Team.advance`."""
        given = [None] * len(phases) if rests is None else rests
        asked: dict[str, Any] = {"evaluate": evaluate, "part": part}
        if sketch is not None:
            asked["sketch"] = sketch
        return [
            system.advance(phase, start, steps, keep, **asked, **beside(rest))
            for system, phase, rest in zip(self._systems, phases, given, strict=True)
        ]
