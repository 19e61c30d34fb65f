"""Learning-rate schedules: factors on the learning rate as pure functions of the step.

The factor at ``t`` applies to the step from ``t`` to ``t + 1``, as when a scheduler of torch is
stepped after each step of its optimizer. Nothing is carried along, so that a run resumes anywhere.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from nndyn.errors import UnknownNameError, UsageError
from nndyn.options import CHOICES
from nndyn.words.names import did_you_mean

#: What a spec is made of.
KNOWN = CHOICES["schedule"]
#: Takes the text of a number and what messages call its term.
_Reader = Callable[[str, str], Any]


def _steps(text: str, where: str) -> int:
    if not re.fullmatch(r"0*[1-9][0-9]{0,14}", text):
        raise UsageError(f"{where} has {text!r} steps, expected a whole number from 1 to 10^15 - 1")
    return int(text)


def _share(what: str, interval: str, good: Callable[[float], bool]) -> _Reader:
    """Return what reads a number of an interval between 0 and 1."""

    def read(text: str, where: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not good(found):
            raise UsageError(f"{where} has {what} {text!r}, expected a number in {interval}")
        return found

    return read


_factor = _share("the factor", "(0, 1]", lambda x: 0 < x <= 1)
_last = _share("the last factor", "[0, 1]", lambda x: 0 <= x <= 1)
_part = _share("the part", "(0, 1)", lambda x: 0 < x < 1)


class Term(Protocol):
    """A factor as a function of t: a frozen dataclass, whose fields are the numbers of its spec.

    Attributes
    ----------
    name : str
        What a spec calls it.
    reads : tuple of callable
        What reads each of its numbers; those with a default may be left out of a spec.
    """

    name: ClassVar[str]
    reads: ClassVar[tuple[_Reader, ...]]

    def __call__(self, t: int) -> float:
        """Return the factor at `t`."""


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from 1 down to 0 at `steps`, and 0 from there on.

    Up to `steps` as in ``CosineAnnealingLR`` with ``eta_min=0``, which would rise again.
    """

    steps: int

    name: ClassVar[str] = "cosine"
    reads: ClassVar[tuple[_Reader, ...]] = (_steps,)

    def __call__(self, t: int) -> float:
        """Return the factor at `t`."""
        # the square of a sine keeps its digits near 0, where 1 + cos cancels
        return math.sin(math.pi * max(self.steps - t, 0) / (2 * self.steps)) ** 2


@dataclass(frozen=True)
class Warmup:
    """A line from ``1 / steps`` at the first step up to 1 at step number `steps`.

    As in ``LinearLR`` with ``start_factor=1/steps`` and ``total_iters=steps-1``.
    """

    steps: int

    name: ClassVar[str] = "warmup"
    reads: ClassVar[tuple[_Reader, ...]] = (_steps,)

    def __call__(self, t: int) -> float:
        """Return the factor at `t`."""
        return min((t + 1) / self.steps, 1.0)


@dataclass(frozen=True)
class Step:
    """A factor `gamma` after every `steps` steps, as in ``StepLR``."""

    steps: int
    gamma: float = 0.1

    name: ClassVar[str] = "step"
    reads: ClassVar[tuple[_Reader, ...]] = (_steps, _factor)

    def __call__(self, t: int) -> float:
        """Return the factor at `t`."""
        return float(self.gamma ** (t // self.steps))


@dataclass(frozen=True)
class Exponential:
    """A factor `gamma` after every step, as in ``ExponentialLR``."""

    gamma: float

    name: ClassVar[str] = "exponential"
    reads: ClassVar[tuple[_Reader, ...]] = (_factor,)

    def __call__(self, t: int) -> float:
        """Return the factor at `t`."""
        return float(self.gamma**t)


@dataclass(frozen=True)
class Linear:
    """A line from 1 to `last` at `steps`, and `last` from there on.

    As in ``LinearLR`` with ``start_factor=1``, ``end_factor=last`` and ``total_iters=steps``.
    """

    steps: int
    last: float = 0.0

    name: ClassVar[str] = "linear"
    reads: ClassVar[tuple[_Reader, ...]] = (_steps, _last)

    def __call__(self, t: int) -> float:
        """Return the factor at `t`."""
        return self.last + (1 - self.last) * max(self.steps - t, 0) / self.steps


@dataclass(frozen=True)
class OneCycle:
    """A cycle of `steps`: half a cosine up from 1/25 to 1, and another down to 1/250 000.

    Up to its last step as in ``OneCycleLR`` with ``max_lr=lr``, ``total_steps=steps``,
    ``pct_start=rise`` and ``cycle_momentum=False``; from there on it stays where it is.
    """

    steps: int
    rise: float = 0.3

    name: ClassVar[str] = "one-cycle"
    reads: ClassVar[tuple[_Reader, ...]] = (_steps, _part)

    def __call__(self, t: int) -> float:
        """Return the factor at `t`."""
        first, last = 1 / 25, 1 / 250_000
        top, end = self.rise * self.steps - 1, self.steps - 1
        if t < top:
            return first + (1 - first) * math.sin(math.pi * t / (2 * top)) ** 2
        left = max(end - t, 0) / (end - top)
        return last + (1 - last) * math.sin(math.pi * left / 2) ** 2


@dataclass(frozen=True)
class InverseSqrt:
    """1 up to step number `steps`, and from there on falling as one over the root of the number."""

    steps: int = 1

    name: ClassVar[str] = "inverse-sqrt"
    reads: ClassVar[tuple[_Reader, ...]] = (_steps,)

    def __call__(self, t: int) -> float:
        """Return the factor at `t`."""
        return math.sqrt(self.steps / max(t + 1, self.steps))


#: Every term, by name.
TERMS: dict[str, type[Term]] = {
    kind.name: kind for kind in (Cosine, Warmup, Step, Exponential, Linear, OneCycle, InverseSqrt)
}


@dataclass(frozen=True)
class Schedule:
    """The product of its terms, as in ``ChainedScheduler``; constant without any."""

    terms: tuple[Term, ...] = ()

    def __call__(self, t: int) -> float:
        """Return the factor at `t`."""
        return math.prod((term(t) for term in self.terms), start=1.0)

    def rates(self, t: int, lrs: Sequence[float]) -> list[float]:
        """Return the learning rates at `t` of groups that have `lrs` before the schedule."""
        factor = self(t)
        return [lr * factor for lr in lrs]

    def is_common(self, lrs: Sequence[float]) -> bool:
        """Whether groups with the learning rates `lrs` have the same factors: they do."""
        return True

    def check(self, stop: int) -> None:
        """Check that there is a factor for all steps before the time `stop`: there always is."""

    def __str__(self) -> str:
        """Return the normalized spec."""
        return ",".join(map(_spec, self.terms)) or "constant"


def _spec(term: Term) -> str:
    """Return the spec of a term, without numbers at their defaults."""
    numbers = [
        getattr(term, field.name)
        for field in dataclasses.fields(term)  # type: ignore[arg-type]
        if getattr(term, field.name) != field.default
    ]
    return ":".join([term.name, *map(repr, numbers)])


def parse(spec: str | Schedule) -> Schedule:
    """Return the schedule a spec stands for.

    Parameters
    ----------
    spec : str
        ``constant``; ``cosine:T``, from 1 to 0 at step T and 0 from there on; ``warmup:K``,
        ``(t + 1)/K`` up to 1; ``step:K`` or ``step:K:G``, a factor G (0.1) after every K steps;
        ``exponential:G``, a factor G after every step; ``linear:T`` or ``linear:T:E``, a line from
        1 to E (0) at step T; ``one-cycle:T`` or ``one-cycle:T:P``, from 1/25 up to 1 over a part P
        (0.3) of T steps and down to 1/250 000; ``inverse-sqrt`` or ``inverse-sqrt:K``, the root
        of ``K/(t + 1)`` from step number K (1) on; or several joined by commas, which are
        multiplied. A Schedule is returned as it is.

    Returns
    -------
    Schedule

    Raises
    ------
    UsageError
        If `spec` is not a string, or a term has a wrong number.
    UnknownNameError
        If a term is not known.
    """
    if isinstance(spec, Schedule):
        return spec
    if not isinstance(spec, str):
        raise UsageError(
            f"schedule is {spec!r}, expected a text such as 'warmup:20,cosine:300', a function of "
            "t, or what makes a scheduler of an optimizer"
        )
    terms = (_term(term.strip(), spec) for term in spec.split(","))
    return Schedule(tuple(term for term in terms if term is not None))


def _term(term: str, spec: str) -> Term | None:
    """Return one term, None for ``constant``."""
    name, *numbers = term.split(":")
    where = f"schedule {spec!r}: {term!r}"
    if name == "constant":
        if numbers:
            raise UsageError(f"{where} has a number; constant takes none")
        return None
    if name not in TERMS:
        raise UnknownNameError(
            f"{where} is not known; known: {', '.join(KNOWN)}{did_you_mean(name, KNOWN)}"
        )
    kind: Any = TERMS[name]
    fields = dataclasses.fields(kind)
    least = sum(field.default is dataclasses.MISSING for field in fields)
    if not least <= len(numbers) <= len(fields):
        known = " or ".join(form for form in KNOWN if form.partition(":")[0] == name)
        raise UsageError(f"{where} has {len(numbers)} numbers, expected {known}")
    reads = zip(kind.reads, numbers, strict=False)
    made: Term = kind(*(read(text, where) for read, text in reads))
    return made
