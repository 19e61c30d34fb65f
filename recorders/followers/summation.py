"""Rounding of a run: its reference beside itself, summed in another order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.store import Writer
from nndyn.systems.protocol import Block, System, beside
from recorders import perturbations as ensembles
from recorders.blocks import checkpoint
from recorders.blocks.rows import Piece
from recorders.plan import Plan


class Twin:
    """The reference in another summation order, over the first steps from the perturbation.

    Parameters
    ----------
    system, reordered : System
        As it is, and in the other order.
    plan : Plan
    last : int
        Last time at which its distance is wanted.
    phase : (1, P)
        At the first time.
    rest : object
        Beside it.

    Attributes
    ----------
    ended : bool
        Whether it is wanted, or can go, no further.
    """

    def __init__(
        self, system: System, reordered: System, plan: Plan, last: int, phase: Array, rest: Any
    ) -> None:
        self._system, self._reordered, self._plan, self._last = system, reordered, plan, last
        self._phase, self._rest = phase, rest
        self.ended = False

    def begin(self, phase: Array, rest: Any) -> None:
        """Begin at a phase ``(1, P)``: where the perturbation is."""
        self._phase, self._rest = phase.copy(), rest

    def again(self, phase: Array, t: int, writer: Writer) -> None:
        """Come to the time `t` of a run that goes on from ``(1, P)`` in the file of `writer`."""
        at = self._plan.perturb_at
        if t == at:
            self.begin(phase, checkpoint.rest(self._system, writer, t, 1))
            return
        if at:
            block = self._system.advance(self._phase, 0, at, (), **beside(self._rest))
            self._phase, self._rest = block.phase, block.rest
        self._advance(at, t - at, ())

    def distance(self, piece: Piece, kept: list[int], reference: Array) -> Array:
        """Go through a piece, and return how far the reference is from it.

        Parameters
        ----------
        piece : Piece
            Its `floor` are the times, the first its start.
        kept : list of int
            Times of the states of the piece.
        reference : (P,)
            At its start.

        Returns
        -------
        (n,) float64
            l2 distances; NaN where its own step failed.
        """
        part, states = self._system.components, piece.block.states
        if self._plan.whole_phase:
            states = states[..., part]
        found = np.full(len(piece.floor), np.nan)
        found[0] = _apart(reference[part], self._phase[0, part])
        block = self._advance(piece.start, len(piece.floor), piece.floor[1:])
        self.ended = piece.stop > self._last or bool(block.ended)
        for i, twin in enumerate(block.states[:, 0]):
            found[1 + i] = _apart(states[kept.index(piece.floor[1 + i]), 0], twin)
        return found

    def _advance(self, start: int, steps: int, keep: Sequence[int]) -> Block:
        block = self._reordered.advance(self._phase, start, steps, keep, **beside(self._rest))
        self._phase, self._rest = block.phase, block.rest
        return block


def _apart(reference: Array, twin: Array) -> float:
    """Return the l2 distance of two states ``(D,)``; rows past a divergence are cut later."""
    with np.errstate(invalid="ignore", over="ignore"):
        return float(ensembles.norms((reference - twin).astype(np.float64)[None], of=2)[0])
