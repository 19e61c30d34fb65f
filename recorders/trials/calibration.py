"""Length of the first deviations that the rounding of a system leaves room for, from a trial."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.numerics.series import rounding_of_a_step
from nndyn.recording import FLOOR_MARGIN, STEP_SHARE
from nndyn.systems.protocol import System, beside
from recorders import perturbations as ensembles
from recorders.origin import Origin, first
from recorders.plan import Plan

#: Steps of the trial, at most.
STEPS = 50
#: E-foldings of room below which deviations are rescaled, below which nothing can be seen, and
#: steps between two rescalings.
_ROOM, _LEAST_ROOM, _RESCALE = 4.0, 1.0, 5
#: Share of a rounding error's length from which a parameter is said to carry it, and how many are.
_CARRIED, _NAMED = 0.1, 3


@dataclass(frozen=True)
class Trial:
    """What the first steps of a system do to a deviation, and to rounding errors.

    Attributes
    ----------
    start : (P,)
        Phase of the reference where the trial begins.
    growth : (n + 1,) float64
        Natural logarithm of the growth of a small deviation since then.
    steps : (n,) float64
        l2 lengths of the steps of the reference.
    rounding : float
        l2 rounding error of a step: the largest that explains how far the reference and its twin
        in another summation order are apart; 0 where they never are.
    carriers : dict of str to float
        Parameters that make up the squared distance to the twin where that explains the largest
        error, with their shares, the largest first.
    """

    start: Array
    growth: Array
    steps: Array
    rounding: float
    carriers: dict[str, float]


@dataclass(frozen=True)
class Calibration:
    """A length for the first deviations.

    Attributes
    ----------
    epsilon : float
    rescale : int
        Steps between rescalings; 0 where deviations are left alone.
    length, limit : float
        l2 length of a deviation at the start; length below which it is infinitesimal, infinite
        where the reference never moves.
    trial : Trial
    """

    epsilon: float
    rescale: int
    length: float
    limit: float
    trial: Trial

    def noted(self) -> dict[str, Any]:
        """Return what a manifest says of it."""
        return {
            "steps": len(self.trial.steps),
            "rounding": self.trial.rounding,
            "length": self.length,
            "limit": self.limit if np.isfinite(self.limit) else None,
            "growth": float(self.trial.growth[-1]),
        }


def settled(
    system: System, plan: Plan, origin: Origin | None = None
) -> tuple[Plan, Calibration | None]:
    """Return a plan whose `epsilon` is a number, and what that rests on where a trial chose it.

    Parameters
    ----------
    system : System
    plan : Plan
    origin : Origin, optional
        Where the perturbations are due. A plan of perturbations after the first time stays as it
        is without: the trial is made there.

    Returns
    -------
    plan : Plan
    calibration : Calibration or None

    Raises
    ------
    UsageError
        If rounding leaves no room for deviations that are small.
    DataError
        If the initial state is not finite.
    """
    if not plan.auto or (origin is None and plan.perturb_at):
        return plan, None
    found = calibrate(system, plan, origin)
    if found.rescale and not plan.rescale:
        warnings.warn(
            f"rounding to {system.dtype.name} leaves deviations little room to grow: they are "
            f"rescaled every {found.rescale} steps (give `rescale` for another interval, or record "
            "in float64)",
            stacklevel=5,
        )
    return replace(plan, auto=False, epsilon=found.epsilon, rescale=found.rescale), found


def calibrate(system: System, plan: Plan, origin: Origin | None = None) -> Calibration:
    """Choose the length of the first deviations, and whether they have to be rescaled.

    They are to stay ten times above the rounding errors that pile up over the steps of a trial, or
    over all steps where that is possible, and below 2 % of the median step of the reference. Where
    that leaves less than four e-foldings, or less than deviations grow by in the trial, they are
    rescaled every five steps.

    Parameters
    ----------
    system : System
    plan : Plan
    origin : Origin, optional
        Where the perturbations are due; the first state unless given.

    Returns
    -------
    Calibration

    Raises
    ------
    UsageError
        If not one e-folding lies between the two, and nothing is followed that needs no replicas.

    Notes
    -----
    At most `STEPS` steps of three rows are taken, and nothing of them is kept.
    """
    tried = trial(system, plan, origin or first(system, plan.seed))
    n = len(tried.steps)
    parts = ensembles.perturbed(system.parameters, plan.perturb)
    spread = float(np.sqrt(sum(part.size for part in parts) / 3.0))  # of an epsilon of 1
    fewest = ensembles.FEWEST_UNITS * ensembles.resolution(system, tried.start)
    unit = fewest * spread  # the least length
    moved = tried.steps[tried.steps > 0.0]
    limit = float(np.log(STEP_SHARE * np.median(moved))) if moved.size else np.inf
    error = tried.rounding or unit / ensembles.FEWEST_UNITS
    for rescale in [plan.rescale] if plan.rescale else [0, _RESCALE]:
        piled, most = _piled(tried.growth, rescale or n)
        least = float(np.log(max(FLOOR_MARGIN * error * piled, unit)))
        if limit - least >= max(_ROOM, most):
            break
    if limit - least < _LEAST_ROOM:
        if not any(each.alone for each in plan.followed):
            raise UsageError(_refusal(system, tried, float(np.exp(least)), float(np.exp(limit))))
        least = max(limit - _LEAST_ROOM, float(np.log(unit)))
    wanted = least + np.log(
        max(1.0, (plan.steps - plan.perturb_at) / n)
    )  # above what piles up over all steps
    length = float(np.exp(max(least, min(wanted, limit - most))))
    epsilon = max(length / spread, fewest)
    return Calibration(epsilon, rescale, length, float(np.exp(limit)), tried)


def trial(system: System, plan: Plan, origin: Origin) -> Trial:
    """Take the next steps of the reference, a small deviation, and a twin in another order.

    Returns
    -------
    Trial
        The deviation was put back to its length after every step.

    Raises
    ------
    UsageError
        If the first step is not finite.
    """
    one = replace(
        plan,
        auto=False,
        epsilon=_guess(system, origin),
        replicas=1,
        perturbations=None,
        pairs=False,
        control=False,
        followed=(),
    )
    phase = ensembles.ensemble(system, one, origin)
    start, rest = phase[0], origin.rests(system, 2)
    targets = ensembles.lengths(phase)
    twin = system.reordered()
    other, other_rest = phase[:1], origin.rests(system, 1)
    growth, floor, steps, apart = [0.0], [0.0], [], []
    for t in range(origin.t, min(origin.t + STEPS, plan.steps)):
        block = system.advance(phase, t, 1, (), **beside(rest))
        if block.ended or not np.isfinite(block.phase[0]).all():
            break
        steps.append(float(block.arrival["step_length"][0, 0]))
        if twin is not None:
            moved = twin.advance(other, t, 1, (), **beside(other_rest))
            other, other_rest = moved.phase, moved.rest
            shares = _by_parameter(system, other[0], block.phase[0])
            apart.append(shares)
            floor.append(float(np.sqrt(shares.sum())))
        phase, factors, _ = ensembles.rescale(system, one, block.phase, targets, t + 1)
        growth.append(growth[-1] + float(factors[1]))
        rest = block.rest
    if not steps:
        raise UsageError(f"the first step of {system.name} is not finite: nothing can be recorded")
    return _tried(system, start, growth, floor, steps, apart)


def _tried(
    system: System,
    start: Array,
    growth: list[float],
    floor: list[float],
    steps: list[float],
    apart: list[Array],
) -> Trial:
    grown, distance = np.array(growth), np.array(floor)
    index = np.flatnonzero(np.isfinite(distance) & (distance > 0.0))
    rounding, at = rounding_of_a_step(grown, index, distance[index])
    carriers = {}
    if index.size:
        shares = apart[index[at] - 1] / distance[index[at]] ** 2
        order = np.argsort(-shares, kind="stable")[:_NAMED]
        carriers = {system.parameters[i].name: float(shares[i]) for i in order}
    return Trial(start, grown, np.array(steps), rounding, carriers)


def _guess(system: System, origin: Origin) -> float:
    """Return an epsilon for the trial: between rounding and what is infinitesimal, halfway."""
    start = origin.phase
    block = system.advance(start[None], origin.t, 1, (), **beside(origin.rests(system, 1)))
    unit = ensembles.resolution(system, start)
    step = float(np.abs(block.phase[0] - start)[system.components].max(initial=0.0))
    halfway = np.sqrt(unit * STEP_SHARE * step) if np.isfinite(step) else 0.0
    return float(max(2.0 * ensembles.FEWEST_UNITS * unit, halfway))


def _piled(growth: Array, every: int) -> tuple[float, float]:
    """Return what rounding errors of steps add up to, and the growth of deviations, in a trial.

    Parameters
    ----------
    growth : (n + 1,) float64
    every : int
        Steps between rescalings.

    Returns
    -------
    piled : float
        In errors of a step, over deviations of the first length; what shrinks counts as constant.
    most : float
        Largest natural logarithm of growth since a rescaling.
    """
    rescaled = np.arange(len(growth) - 1) // every * every
    grown = np.maximum(growth[1:] - growth[rescaled], 0.0)
    return float(np.exp(-grown).sum()), float(grown.max())


def _by_parameter(system: System, phase: Array, reference: Array) -> Array:
    """Return the squared l2 distances ``(parameters,)`` of two phases ``(P,)``."""
    apart = (phase[system.components] - reference[system.components]).astype(np.float64)
    parts = [apart[p.start : p.start + p.size] for p in system.parameters]
    return np.array([float(part @ part) for part in parts])


def _refusal(system: System, tried: Trial, least: float, limit: float) -> str:
    named = [f"{name} ({share:.0%})" for name, share in tried.carriers.items() if share >= _CARRIED]
    where = f", most of it in {' and '.join(named)}" if named else ""
    narrow = system.dtype.itemsize < 8
    return (
        f"rounding to {system.dtype.name} leaves no room for a perturbation: a step adds "
        f"{tried.rounding:.2g}{where}, so that deviations have to be longer than {least:.2g}, and "
        f"what is longer than 2 % of a step, {limit:.2g}, is not small; follow tangent vectors "
        "(`tangents=1`)"
        + (", record in float64 (`dtype='float64'`; a loop of your own: `model.double()`)" * narrow)
        + (
            f", or leave {'these parameters' if len(named) > 1 else 'this parameter'} out of the "
            "training (`requires_grad_(False)`) if its gradient is rounding and nothing else"
            if named and len(tried.carriers) > len(named)
            else ""
        )
    )
