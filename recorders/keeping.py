"""What is kept of the states of a run: all, every K-th, sketches of them, or none."""

from __future__ import annotations

import re
from typing import Any

from nndyn.checks import every
from nndyn.errors import UsageError, is_one_of
from nndyn.numerics.sketch import WORD
from nndyn.systems.protocol import Sketched, System
from recorders.plan import size_of_state


def keeping(system: System, store: Any, state: str) -> tuple[int, int]:
    """Check the option `store`.

    Parameters
    ----------
    system : System
    store : str
    state : str
        The option of that name.

    Returns
    -------
    int
        States are kept every so many steps; 0 for none.
    int
        Numbers of their sketches; 0 where they are kept themselves.

    Raises
    ------
    UsageError
        If it is none, or sketches are no use.
    """
    if is_one_of(store, ("full", "distances")):
        return int(store == "full"), 0
    found = re.fullmatch("(?:(.*),)?sketch:(.*)", store) if isinstance(store, str) else None
    others = "full", "distances", "sketch:K", "every:J,sketch:K"
    if not found:
        return every("store", store, *others), 0
    steps = every("store", found[1], *others) if found[1] is not None else 1
    size = int(found[2]) if found[2].isdecimal() else 0
    if size == 0 or size % WORD:
        raise UsageError(
            f"store is {store!r}, expected a sketch of K numbers, K a multiple of {WORD}"
        )
    if state == "phase":
        raise UsageError("store is a sketch, which is of the weights; leave out `state`")
    width = size_of_state(system)
    if not isinstance(system, Sketched) or width <= size:
        raise UsageError(
            f"store is {store!r}, and a state of {system.name} has {width} numbers; use 'full'"
        )
    return steps, size
