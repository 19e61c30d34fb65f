"""What a recording will take: bytes exactly enough, time from a few steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nndyn.numerics.arrays import Array
from nndyn.systems.protocol import System
from recorders.perturbations import ensemble
from recorders.plan import Plan
from recorders.request import make
from recorders.trials import timing
from recorders.trials.calibration import settled


@dataclass(frozen=True)
class Estimate:
    """Size, time and shape of a recording.

    Attributes
    ----------
    rows, components, block : int
        Replicas with reference and control; components of the stored state; times a block.
    bytes : int
    work : float
        Floating-point operations, roughly.
    seconds : float
        Extrapolated from a trial; NaN where none was made.
    """

    rows: int
    components: int
    block: int
    bytes: int
    work: float
    seconds: float


def estimate(system: System, *, timed: bool = True, **options: Any) -> Estimate:
    """Estimate what ``record(system, …, **options)`` takes; nothing is written.

    Parameters
    ----------
    system : System
    timed : bool, default True
        Run a few steps, of the system and of what follows it, to extrapolate from: about a third
        of a second each.
    **options
        As for `recorders.ensemble.record`.

    Returns
    -------
    Estimate
    """
    plan = make(system, **options)
    seconds = _seconds(system, plan) if timed else float("nan")
    return Estimate(
        rows=plan.rows,
        components=sum(p.size for p in system.parameters),
        block=plan.block,
        bytes=plan.bytes(system),
        work=plan.whole_work(system),
        seconds=seconds,
    )


def _seconds(system: System, plan: Plan) -> float:
    plan, _ = settled(system, plan)
    start = ensemble(system, plan)

    def spent(rows: Array, steps: int) -> float:
        def advance(n: int) -> None:
            system.advance(rows, 0, n, plan.kept(0, n), evaluate=plan.evaluated(0, n))

        return timing.seconds(advance, steps) if steps else 0.0

    followed = sum(each.seconds(system, plan, start) for each in plan.followed)
    alone = spent(start[:1], plan.perturb_at)
    return alone + spent(start, plan.steps - plan.perturb_at) + followed
