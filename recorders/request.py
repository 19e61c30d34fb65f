"""A request for a recording: every option checked, every derived size, before any work is done."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from nndyn.checks import choice, every, number, whole
from nndyn.errors import UnknownNameError, UsageError, is_one_of
from nndyn.numerics.arrays import Array
from nndyn.numerics.sketch import WORD
from nndyn.options import DEFAULTS
from nndyn.systems.protocol import (
    Begun,
    Sketched,
    System,
    WithGradient,
    first_step,
)
from nndyn.systems.recipe import is_system
from nndyn.words.names import did_you_mean
from recorders import perturbations as ensembles
from recorders.followers.barrier import Barrier
from recorders.followers.critical import CriticalSharpness
from recorders.followers.curvature import Curvature
from recorders.followers.expansion import Expansion
from recorders.followers.midpoint import Midpoint
from recorders.followers.tangents import Tangents
from recorders.plan import GRADIENT, NAMED, Followed, Plan, size_of_state

#: What may be followed beside the replicas.
FOLLOWED: tuple[type[Followed], ...] = (
    Tangents,
    Curvature,
    Midpoint,
    CriticalSharpness,
    Expansion,
    Barrier,
)

#: Size of perturbations in float64, unless given.
EPSILON = 1e-8
_BLOCK_BYTES = 32 * 2**20
_BLOCK_WORK = 2e11  # floating-point operations: some seconds of one core
#: Operations between two checkpoints for every byte of one, so that they take a twentieth of the
#: time at most: to write and to digest a byte takes 2 ns of a core where disk and memory are fast,
#: and 10 where they are not, as long as 500 operations at 50 a nanosecond.
_CHECKPOINT_WORK = 1e4
_BLOCK_STEPS = 262_144
#: Long blocks are multiples of it: then there are chunks of several states of which each is whole.
_EVEN = 16
#: However slow a step: rows that are read together share a chunk of a block's length.
_SHORTEST = 8


def make(
    system: System,
    *,
    steps: int,
    replicas: int = 5,
    epsilon: float | Literal["auto"] | None = None,
    perturb: str = "weights",
    perturb_at: int | None = None,
    perturbations: Any = None,
    pairs: bool = False,
    control: bool = True,
    rescale: int | None = None,
    store: str = "full",
    state: Literal["weights", "phase"] = "weights",
    evaluate: int | Literal["auto"] | None = None,
    seed: int = 0,
    **followed: Any,
) -> Plan:
    """Check the options of `recorders.ensemble.record`; see there.

    Returns
    -------
    Plan

    Raises
    ------
    UsageError
        With the first option that is wrong, what was got and what is allowed.
    """
    if not is_system(system):
        raise UsageError(
            f"system is {system!r}, expected nndyn.Training(…) or one of nndyn.systems"
        )
    steps = whole("steps", steps, 1)
    if isinstance(system, Begun):
        system.check_steps(steps)
    seed = whole("seed", seed, 0)
    replicas = whole("replicas", replicas, 0)
    beside = _followed(system, replicas, followed)
    if replicas == 0 and not any(each.alone for each in beside):
        raise UsageError(
            "replicas is 0: without a perturbed replica or tangents there is nothing to compare"
        )
    control = bool(control) and replicas > 0
    perturb = _perturb(system, perturb)
    begin = _perturb_at(system, perturb_at, steps, replicas, beside)
    choice("state", state, ("weights", "phase"))
    if pairs and replicas % 2:
        raise UsageError(f"pairs needs an even number of replicas, got {replicas}")
    if perturbations is not None:
        perturbations = _given(system, replicas, pairs, perturbations)
        epsilon = EPSILON
    auto, size = _epsilon(system, epsilon)
    rescaled = 0 if rescale is None else whole("rescale", rescale, 1)
    keep_every, sketch = _keeping(system, store, state)
    if evaluate is None:
        evaluate = system.evaluate_every
    elif is_one_of(evaluate, ("auto",)):
        evaluate = system.evaluate_auto
    evaluate = whole("evaluate", evaluate, 0, cure=" or 'auto'") if system.evaluations else 0
    rows = 1 + replicas + control
    # a short run gets short chunks, yet one that can be extended
    most = min(_BLOCK_STEPS, max(steps + 1, 64))
    plan = Plan(
        steps=steps,
        replicas=replicas,
        epsilon=size,
        auto=auto and replicas > 0 and perturbations is None,
        perturb=perturb,
        perturbations=perturbations,
        pairs=bool(pairs),
        control=control,
        rescale=rescaled,
        keep_every=keep_every,
        whole_phase=state == "phase",
        evaluate=evaluate,
        seed=seed,
        block=1,
        floor_steps=0 if system.reordered() is None else min(50, (steps - begin) // 10),
        followed=beside,
        perturb_at=begin,
        first_step=first_step(system),
        sketch=sketch,
    )
    bytes_a_step = rows * plan.width(system) / keep_every if keep_every else 0
    bytes_a_step += 8 * rows * (12 + rows)
    bytes_a_step += 8 * rows * plan.by_parameter(system)
    work = plan.work(system)
    of_work = max(_BLOCK_WORK / work, _SHORTEST)
    fitting = int(min(_BLOCK_BYTES / bytes_a_step, of_work))
    fitting -= fitting % _EVEN if fitting >= 4 * _EVEN else 0
    block = max(1, min(fitting, most))
    every = _checkpoint_every(system, plan, block * work)
    return replace(plan, block=block, checkpoint_every=every)


def _checkpoint_every(system: System, plan: Plan, work: float) -> int:
    """Return the blocks, each of so much work, to a checkpoint.

    What is followed keeps sums of its own, which are committed with its vectors.

    Returns
    -------
    int
    """
    if plan.followed:
        return 1
    return max(1, math.ceil(_CHECKPOINT_WORK * plan.checkpoints(system) / 2 / work))


def _perturb(system: System, perturb: Any) -> str:
    """Check what is perturbed; of several parameters each is named once, in their order."""
    if not (isinstance(perturb, str) and perturb.startswith(NAMED)):
        choice("perturb", perturb, ("weights", "all", GRADIENT), others=f"{NAMED}NAME,…")
        fault = _no_gradient(system) if perturb == GRADIENT else ""
        if fault:
            raise UsageError(f"perturb is {GRADIENT!r}, and {fault}; use 'all'")
        return str(perturb)
    known = [p.name for p in system.parameters]
    names = perturb.removeprefix(NAMED).split(",")
    for name in names:
        if name not in known:
            raise UnknownNameError(
                f"perturb names {name!r}, which is no parameter of {system.name}; known: "
                f"{', '.join(known)}{did_you_mean(name, known)}"
            )
    return NAMED + ",".join(name for name in known if name in names)


def _no_gradient(system: System) -> str:
    """Return why there is no gradient of a minibatch to perturb along, empty where there is."""
    if not isinstance(system, WithGradient):
        return f"{system.name} has no loss that nndyn takes the gradient of"
    return system.no_gradient


def _perturb_at(
    system: System, step: Any, steps: int, replicas: int, beside: Sequence[Followed]
) -> int:
    """Return the time at which replicas are perturbed, counted from the first one."""
    begin = first_step(system)
    if step is None:
        return 0
    last = begin + steps - 1
    time = whole("perturb_at", step, begin, last, cure=", a step of the run before its last")
    if time == begin:
        return 0
    if replicas == 0:
        raise UsageError(f"perturb_at is {time}, and there are no replicas to perturb")
    for each in beside:
        if what := each.needs_perturbations():
            raise UsageError(
                f"perturb_at is {time}, and {what} is about perturbations of the first step; "
                f"record from step {time} on instead (`start`)"
            )
    return time - begin


def _epsilon(system: System, epsilon: Any) -> tuple[bool, float]:
    """Return whether a trial is to choose it, and what it is else."""
    if epsilon is None:
        return ensembles.narrowest(system)[0] != "float64", EPSILON
    if is_one_of(epsilon, ("auto",)):
        return True, EPSILON
    return False, number("epsilon", epsilon, above=0, cure=" or 'auto'")


def _followed(system: System, replicas: int, options: dict[str, Any]) -> tuple[Followed, ...]:
    """Return what is asked for beside the replicas, in the order of the table."""
    known = {name for kind in FOLLOWED for name in kind.takes}
    for name in options.keys() - known:
        raise TypeError(f"record() got an unexpected keyword argument {name!r}")
    asked = (kind.asked(system, replicas, {**DEFAULTS, **options}) for kind in FOLLOWED)
    return tuple(each for each in asked if each is not None)


def _given(system: System, replicas: int, pairs: bool, perturbations: Sequence[Any]) -> Array:
    if pairs:
        raise UsageError(
            "`pairs` and `perturbations` exclude each other: give both signs as rows of the "
            "latter, they are recognized as pairs"
        )
    try:
        rows = np.array(perturbations, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError("perturbations is no array of numbers") from None
    shape = (replicas, size_of_state(system))
    if rows.shape != shape:
        raise UsageError(f"perturbations has shape {rows.shape}, expected {shape}")
    for flaw, good in (
        ("not finite", np.isfinite(rows).all(axis=1)),
        ("zero", rows.any(axis=1)),
    ):
        if not good.all():
            raise UsageError(f"perturbations row {int(np.argmin(good))} is {flaw}")
    return rows


def _keeping(system: System, store: Any, state: str) -> tuple[int, int]:
    """Check the option `store`: states are kept, all or every K-th, or sketches of them, or none.

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
