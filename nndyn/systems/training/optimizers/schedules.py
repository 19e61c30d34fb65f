"""Learning-rate schedules: factors on the learning rate as pure functions of the step.

The factor at ``t`` applies to the step from ``t`` to ``t + 1``, as when a scheduler of torch is
stepped after each step of its optimizer. Nothing is carried along, so that a run resumes anywhere.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from nndyn.errors import UnknownNameError, UsageError
from nndyn.options import CHOICES
from nndyn.words.names import did_you_mean

#: What a spec is made of.
KNOWN = CHOICES["schedule"]


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from 1 down to 0 at `steps`, and 0 from there on.

    Up to `steps` as in ``CosineAnnealingLR`` with ``eta_min=0``, which would rise again.
    """

    steps: int

    def __call__(self, t: int) -> float:
        """Return the factor at `t`."""
        # the square of a sine keeps its digits near 0, where 1 + cos cancels
        return math.sin(math.pi * max(self.steps - t, 0) / (2 * self.steps)) ** 2

    def __str__(self) -> str:
        """Return the spec."""
        return f"cosine:{self.steps}"


@dataclass(frozen=True)
class Warmup:
    """A line from ``1 / steps`` at the first step up to 1 at step number `steps`.

    As in ``LinearLR`` with ``start_factor=1/steps`` and ``total_iters=steps-1``.
    """

    steps: int

    def __call__(self, t: int) -> float:
        """Return the factor at `t`."""
        return min((t + 1) / self.steps, 1.0)

    def __str__(self) -> str:
        """Return the spec."""
        return f"warmup:{self.steps}"


@dataclass(frozen=True)
class Step:
    """A factor `gamma` after every `steps` steps, as in ``StepLR``."""

    steps: int
    gamma: float = 0.1

    def __call__(self, t: int) -> float:
        """Return the factor at `t`."""
        return float(self.gamma ** (t // self.steps))

    def __str__(self) -> str:
        """Return the spec, without the default `gamma`."""
        return f"step:{self.steps}" + ("" if self.gamma == 0.1 else f":{self.gamma!r}")


@dataclass(frozen=True)
class Schedule:
    """The product of its terms, as in ``ChainedScheduler``; constant without any."""

    terms: tuple[Cosine | Warmup | Step, ...] = ()

    def __call__(self, t: int) -> float:
        """Return the factor at `t`."""
        return math.prod((term(t) for term in self.terms), start=1.0)

    def __str__(self) -> str:
        """Return the normalized spec."""
        return ",".join(map(str, self.terms)) or "constant"


def parse(spec: str) -> Schedule:
    """Return the schedule a spec stands for.

    Parameters
    ----------
    spec : str
        ``constant``; ``cosine:T``, from 1 to 0 at step T and 0 from there on; ``warmup:K``,
        ``(t + 1)/K`` up to 1; ``step:K`` or ``step:K:G``, a factor G (0.1) after every K steps; or
        several joined by commas, which are multiplied.

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
    if not isinstance(spec, str):
        raise UsageError(f"schedule is {spec!r}, expected a text such as 'warmup:20,cosine:300'")
    terms = (_term(term.strip(), spec) for term in spec.split(","))
    return Schedule(tuple(term for term in terms if term is not None))


def _term(term: str, spec: str) -> Cosine | Warmup | Step | None:
    """Return one term, None for ``constant``."""
    name, *numbers = term.split(":")
    where = f"schedule {spec!r}: {term!r}"
    if name not in {"constant", "cosine", "warmup", "step"}:
        raise UnknownNameError(
            f"{where} is not known; known: {', '.join(KNOWN)}{did_you_mean(name, KNOWN)}"
        )
    if name == "constant":
        if numbers:
            raise UsageError(f"{where} has a number; constant takes none")
        return None
    most = 2 if name == "step" else 1
    if not 1 <= len(numbers) <= most:
        known = " or ".join(form for form in KNOWN if form.startswith(name))
        raise UsageError(f"{where} has {len(numbers)} numbers, expected {known}")
    if not re.fullmatch(r"0*[1-9][0-9]{0,14}", numbers[0]):
        raise UsageError(
            f"{where} has {numbers[0]!r} steps, expected a whole number from 1 to 10^15 - 1"
        )
    steps = int(numbers[0])
    if name == "cosine":
        return Cosine(steps)
    if name == "warmup":
        return Warmup(steps)
    if len(numbers) == 1:
        return Step(steps)
    try:
        gamma = float(numbers[1])
    except ValueError:
        gamma = math.nan
    if not 0 < gamma <= 1:
        raise UsageError(f"{where} has the factor {numbers[1]!r}, expected a number in (0, 1]")
    return Step(steps, gamma)
