"""Locks in processes that fork from one that writes, as the workers of a loader do: none."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Locked(Protocol):
    """What has a lock on an open file."""

    _fd: int


_LOCKED: weakref.WeakSet[Locked] = weakref.WeakSet()


def not_in_children(owner: Locked) -> None:
    """Let processes that fork from this one let go of a lock, which would outlive its writer.

    Parameters
    ----------
    owner : Locked
        A child closes its descriptor, and takes it for given back.
    """
    _LOCKED.add(owner)


def _let_go() -> None:
    for owner in list(_LOCKED):
        if owner._fd >= 0:
            os.close(owner._fd)  # the lock itself stays that of the parent
            owner._fd = -1


os.register_at_fork(after_in_child=_let_go)
