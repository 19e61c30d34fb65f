"""Progress of an analyzer, reported to a caller that asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

#: Called with what is being done, and the share of all that is done.
Told = Callable[[str, float], None]


@dataclass(frozen=True)
class _Asked:
    """Who is told, and which part of the whole, from `low` to `high`, is under way."""

    told: Told
    what: str = ""
    low: float = 0.0
    high: float = 1.0

    def at(self, share: float) -> float:
        return self.low + share * (self.high - self.low)


_ASKED: ContextVar[_Asked | None] = ContextVar("asked", default=None)


@contextmanager
def telling(told: Told) -> Iterator[None]:
    """Have it told how far the analyzers are that are called inside.

    Yields
    ------
    None
    """
    token = _ASKED.set(_Asked(told))
    try:
        yield
    finally:
        _ASKED.reset(token)


@contextmanager
def part(i: int, count: int, what: str) -> Iterator[None]:
    """Let what is told inside be of one part of several equal ones, the `i`-th from 0, `what`.

    Yields
    ------
    None
    """
    asked = _ASKED.get()
    if asked is None:
        yield
        return
    within = f"{asked.what}, {what}" if asked.what else what
    own = replace(asked, what=within, low=asked.at(i / count), high=asked.at((i + 1) / count))
    token = _ASKED.set(own)
    asked.told(within, own.low)
    try:
        yield
    finally:
        _ASKED.reset(token)


def tell(done: int, total: int) -> None:
    """Tell how much is done of the part under way."""
    asked = _ASKED.get()
    if asked is not None:
        asked.told(asked.what, asked.at(done / max(total, 1)))
