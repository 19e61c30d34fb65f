"""A request for a recording: every option checked, every derived size, before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from nndyn.checks import choice, number, whole
from nndyn.errors import UnknownNameError, UsageError, is_one_of
from nndyn.numerics.arrays import Array
from nndyn.options import DEFAULTS
from nndyn.systems.protocol import Begun, System
from nndyn.words.names import did_you_mean
from recorders import perturbations as ensembles
from recorders.followers.curvature import Curvature
from recorders.followers.expansion import Expansion
from recorders.followers.tangents import Tangents
from recorders.keeping import keeping
from recorders.plan import NAMED, Followed, Plan, size_of_state

#: What may be followed beside the replicas.
FOLLOWED: tuple[type[Followed], ...] = (Tangents, Curvature, Expansion)

#: Size of perturbations in float64, unless given.
EPSILON = 1e-8
_BLOCK_BYTES = 64 * 2**20
_BLOCK_WORK = 2e11  # floating-point operations: some seconds of one core
#: Operations for every byte of a checkpoint, which a block ends with: a twentieth of its time.
_CHECKPOINT_WORK = 1e4
_BLOCK_STEPS = 131_072
#: However slow a step: rows that are read together share a chunk of a block's length.
_SHORTEST = 8


def make(
    system: System,
    *,
    steps: int,
    replicas: int = 5,
    epsilon: float | Literal["auto"] | None = None,
    perturb: str = "weights",
    perturbations: Any = None,
    pairs: bool = False,
    control: bool = True,
    rescale: int | None = None,
    store: str = "full",
    state: Literal["weights", "phase"] = "weights",
    evaluate: int | None = None,
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
    if not isinstance(system, System):
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
    choice("state", state, ("weights", "phase"))
    if pairs and replicas % 2:
        raise UsageError(f"pairs needs an even number of replicas, got {replicas}")
    if perturbations is not None:
        perturbations = _given(system, replicas, pairs, perturbations)
        epsilon = EPSILON
    auto, size = _epsilon(system, epsilon)
    rescaled = 0 if rescale is None else whole("rescale", rescale, 1)
    keep_every, sketch = keeping(system, store, state)
    if evaluate is None:
        evaluate = system.evaluate_every
    evaluate = whole("evaluate", evaluate, 0) if system.evaluations else 0
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
        floor_steps=0 if system.reordered() is None else min(50, steps // 10),
        followed=beside,
        sketch=sketch,
    )
    bytes_a_step = rows * plan.width(system) / keep_every if keep_every else 0
    bytes_a_step += 8 * rows * (12 + rows)
    work = max(_BLOCK_WORK, _CHECKPOINT_WORK * plan.checkpoints(system) / 2)
    of_work = max(work / plan.work(system), _SHORTEST)
    block = min(_BLOCK_BYTES / bytes_a_step, of_work, most)
    return replace(plan, block=max(1, int(block)))


def _perturb(system: System, perturb: Any) -> str:
    """Check what is perturbed; of several parameters each is named once, in their order."""
    if not (isinstance(perturb, str) and perturb.startswith(NAMED)):
        choice("perturb", perturb, ("weights", "all"), others=f"{NAMED}NAME,…")
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
