"""What a recording will take: bytes exactly enough, time from a few steps."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from nndyn.systems.protocol import System, WithCompanion, WithLoss
from recorders.perturbations import companion, ensemble, tangents
from recorders.plan import make

_TRIAL_SECONDS = 0.3
#: What a look at the Hessian takes, in those of the start: its lower end gets ever closer to 0.
_LATER = 3


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
        Run a few steps, a third of a second at least, to extrapolate from.
    **options
        As for `recorders.ensemble.record`.

    Returns
    -------
    Estimate
    """
    plan = make(system, **options)
    seconds = float("nan")
    if timed:
        phase, n, spent = ensemble(system, plan), 1, 0.0
        vectors = tangents(system, plan, phase)
        if plan.companion:
            vectors = np.column_stack([vectors, companion(system, plan)])
        system.advance(phase, 0, 1, ())  # compilation and first touches are not the rate
        while spent < _TRIAL_SECONDS and n < plan.steps:
            n = min(2 * n, plan.steps)
            began = time.perf_counter()
            system.advance(phase, 0, n, plan.kept(0, n), evaluate=plan.evaluated(0, n))
            at = plan.orthonormalized(0, n)
            if plan.companion and isinstance(system, WithCompanion):
                orbit = system.advance(phase[:1], 0, n, range(n), part=slice(None)).states[:, 0]
                system.push_with_companion(orbit, vectors, 0, at)
            elif plan.tangents:
                system.push(phase[0], vectors, 0, n, at)
            if plan.quadratic_model and isinstance(system, WithLoss):
                deviations = phase[: 1 + plan.replicas] - phase[0]
                system.expansion(phase[0]).push(deviations, 0, n)
            spent = time.perf_counter() - began
        seconds = spent / n * plan.steps
        if plan.sharpness and isinstance(system, WithLoss):
            began = time.perf_counter()
            system.curvature(phase[0], 0)
            looks = len(plan.sharpened(0, plan.steps + 1))
            seconds += _LATER * looks * (time.perf_counter() - began)
    return Estimate(
        rows=plan.rows,
        components=sum(p.size for p in system.parameters),
        block=plan.block,
        bytes=plan.bytes(system),
        work=plan.work(system) * plan.steps,
        seconds=seconds,
    )
