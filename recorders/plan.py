"""What a recording will be: every option checked, every derived size, before any work is done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from nndyn.errors import UsageError, is_number, is_one_of
from nndyn.recording import own_tangent_start
from nndyn.runtime.provenance import digest
from nndyn.systems.protocol import Array, System, WithCompanion, WithLoss

#: Where tangent vectors begin.
TangentStart: TypeAlias = Literal["weights", "random", "replicas"]

_BLOCK_BYTES = 64 * 2**20
_BLOCK_WORK = 2e11  # floating-point operations: some seconds of one core
_BLOCK_STEPS = 131_072
#: However slow a step: rows that are read together share a chunk of a block's length.
_SHORTEST = 8
#: Products with a Hessian that its extreme eigenvalues take, roughly.
_PRODUCTS = 200


@dataclass(frozen=True)
class Plan:
    """A checked request; `make` is the way to one.

    Attributes
    ----------
    steps, replicas, rescale, seed : int
        `rescale` is 0 where deviations are left alone.
    epsilon : float
    perturb : str
        ``weights`` or ``all``.
    perturbations : (replicas, D) or None
    pairs, control : bool
    keep_every : int
        States are kept every so many steps, and at the end; 0 keeps none, 1 keeps all.
    whole_phase : bool
        Whether ``state`` holds the whole phase.
    evaluate : int
        Steps between evaluations; 0 for none.
    block : int
        Times in a block of the file.
    floor_steps : int
        Steps over which the rounding floor is measured; 0 where it is not.
    tangents : int
        Tangent vectors.
    tangent_every : int
        Steps between their orthonormalizations; there is one at the end.
    tangent_start : str
        ``weights``, ``random`` or ``replicas``.
    tangent_start_asked : bool
        Whether that was asked for, and is not the system's own.
    companion : bool
        Whether one more vector tells when the first one has forgotten its start.
    sharpness : int
        Steps between looks at the Hessian, with one at the end; 0 for none.
    quadratic_model : bool
        Whether deviations are followed on the expansion of the loss as well.
    """

    steps: int
    replicas: int
    epsilon: float
    perturb: str
    perturbations: Array | None
    pairs: bool
    control: bool
    rescale: int
    keep_every: int
    whole_phase: bool
    evaluate: int
    seed: int
    block: int
    floor_steps: int
    tangents: int
    tangent_every: int
    tangent_start: str
    tangent_start_asked: bool
    companion: bool
    sharpness: int
    quadratic_model: bool

    @property
    def rows(self) -> int:
        """Rows of the batch: reference, perturbed replicas, control."""
        return 1 + self.replicas + self.control

    def kept(self, start: int, stop: int) -> list[int]:
        """Return the times in [start, stop) whose state is kept."""
        return _multiples(self.keep_every, start, stop, self.steps)

    def evaluated(self, start: int, stop: int) -> list[int]:
        """Return the times in [start, stop) at which the system is evaluated."""
        return _multiples(self.evaluate, start, stop, self.steps)

    def sharpened(self, start: int, stop: int) -> list[int]:
        """Return the times in [start, stop) at which the Hessian is looked at."""
        return _multiples(self.sharpness, start, stop, self.steps)

    def orthonormalized(self, start: int, stop: int) -> Array:
        """Return the times in (start, stop] at which tangent vectors are orthonormalized."""
        every = self.tangent_every
        times = np.arange((start // every + 1) * every, stop + 1, every)
        return np.append(times, self.steps) if stop == self.steps and stop % every else times

    def options(self) -> dict[str, Any]:
        """Return what must agree for a run to be resumed, as JSON values."""
        given = self.perturbations
        beside: dict[str, Any] = {}  # what is not asked for is not there, as in older files
        if self.tangents:
            beside |= {"tangents": self.tangents, "tangent_every": self.tangent_every}
        if self.tangents and self.tangent_start != "random":
            beside["tangent_start"] = self.tangent_start
        if self.sharpness:
            beside["sharpness"] = f"every:{self.sharpness}"
        if self.quadratic_model:
            beside["quadratic_model"] = True
        return {
            "replicas": self.replicas,
            "epsilon": self.epsilon if given is None else None,
            "perturb": self.perturb if given is None else None,
            "perturbations": None if given is None else digest(given),
            "pairs": self.pairs,
            "control": self.control,
            "rescale": self.rescale,
            "store": {0: "distances", 1: "full"}.get(self.keep_every, f"every:{self.keep_every}"),
            "state": "phase" if self.whole_phase else "weights",
            "evaluate": self.evaluate,
            "seed": self.seed,
            **beside,
        }

    def work(self, system: System) -> float:
        """Return the rough floating-point operations of a step, with all that follows it."""
        followed: float = self.tangents + self.companion
        followed += self.quadratic_model * (1 + self.replicas)
        if self.sharpness:
            followed += _PRODUCTS / self.sharpness
        return system.work(self.rows) + 2 * system.work(1) * followed

    def bytes(self, system: System) -> int:
        """Return the expected size of the file."""
        kept = _number(self.keep_every, self.steps)
        width = system.dimension if self.whole_phase else _size(system)
        state = kept * self.rows * width * system.dtype.itemsize
        checkpoints = 2 * self.rows * system.dimension * system.dtype.itemsize
        whole_blocks = -(-(self.steps + 1) // self.block) * self.block
        per_step = 8 * whole_blocks * (3 + self.rows * (4 + len(system.arrival + system.series)))
        evaluations = 8 * _number(self.evaluate, self.steps) * self.rows
        stretches = whole_blocks // self.tangent_every + 2 * system.dimension
        beside = 8 * (self.tangents + self.companion) * stretches
        if isinstance(system, WithLoss):
            beside += 8 * _number(self.sharpness, self.steps) * (1 + len(system.curvatures))
        if self.quadratic_model:
            beside += checkpoints + 8 * whole_blocks * self.rows
        evaluations *= len(system.evaluations)
        return state + checkpoints + per_step + beside + evaluations + 64 * 2**10


def make(
    system: System,
    *,
    steps: int,
    replicas: int = 5,
    epsilon: float = 1e-8,
    perturb: Literal["weights", "all"] = "weights",
    perturbations: Any = None,
    pairs: bool = False,
    control: bool = True,
    rescale: int | None = None,
    store: str = "full",
    state: Literal["weights", "phase"] = "weights",
    evaluate: int | None = None,
    seed: int = 0,
    tangents: int | Literal["all"] = 0,
    tangent_every: int = 1,
    tangent_start: TangentStart | None = None,
    sharpness: str | None = None,
    quadratic_model: bool = False,
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
    steps = _whole("steps", steps, 1)
    seed = _whole("seed", seed, 0)
    replicas = _whole("replicas", replicas, 0)
    vectors = _vectors(system, tangents)
    if replicas == 0 and vectors == 0:
        raise UsageError(
            "replicas is 0: without a perturbed replica or tangents there is nothing to compare"
        )
    begin = _begin(system, tangent_start, vectors)
    curvature_every = _every("sharpness", sharpness) if sharpness is not None else 0
    for what, asked in (("sharpness", curvature_every), ("quadratic_model", quadratic_model)):
        if asked:
            _has_loss(system, what)
    if quadratic_model and replicas == 0:
        raise UsageError("quadratic_model follows the deviations of replicas, and there are none")
    control = bool(control) and replicas > 0
    if not is_one_of(perturb, ("weights", "all")):
        raise UsageError(f"perturb is {perturb!r}, expected 'weights' or 'all'")
    if not is_one_of(state, ("weights", "phase")):
        raise UsageError(f"state is {state!r}, expected 'weights' or 'phase'")
    if pairs and replicas % 2:
        raise UsageError(f"pairs needs an even number of replicas, got {replicas}")
    if perturbations is not None:
        perturbations = _given(system, replicas, pairs, perturbations)
    elif not (is_number(epsilon) and math.isfinite(epsilon) and epsilon > 0):
        raise UsageError(f"epsilon is {epsilon!r}, expected a finite number above 0")
    every = 0 if rescale is None else _whole("rescale", rescale, 1)
    keep_every = _keep(store)
    if evaluate is None:
        evaluate = system.evaluate_every
    evaluate = _whole("evaluate", evaluate, 0) if system.evaluations else 0
    rows = 1 + replicas + control
    width = system.dimension if state == "phase" else _size(system)
    bytes_a_step = rows * width * system.dtype.itemsize / max(keep_every, 1) if keep_every else 0
    bytes_a_step += 8 * rows * (12 + rows)
    # a short run gets short chunks, yet one that can be extended
    most = min(_BLOCK_STEPS, max(steps + 1, 64))
    plan = Plan(
        steps=steps,
        replicas=replicas,
        epsilon=float(epsilon),
        perturb=perturb,
        perturbations=perturbations,
        pairs=bool(pairs),
        control=control,
        rescale=every,
        keep_every=keep_every,
        whole_phase=state == "phase",
        evaluate=evaluate,
        seed=seed,
        block=1,
        floor_steps=0 if system.reordered() is None else min(50, steps // 10),
        tangents=vectors,
        tangent_every=_whole("tangent_every", tangent_every, 1),
        tangent_start=begin,
        tangent_start_asked=tangent_start is not None,
        companion=vectors > 0 and isinstance(system, WithCompanion),
        sharpness=curvature_every,
        quadratic_model=bool(quadratic_model),
    )
    of_work = max(_BLOCK_WORK / plan.work(system), _SHORTEST)
    block = min(_BLOCK_BYTES / bytes_a_step, of_work, most)
    return replace(plan, block=max(1, int(block)))


def _has_loss(system: System, what: str) -> None:
    if not isinstance(system, WithLoss):
        raise UsageError(f"{what} is of trainings: {system.name} has no loss")
    if system.no_tangents:
        raise UsageError(f"{what}: {system.no_tangents}")


def _multiples(every: int, start: int, stop: int, last: int) -> list[int]:
    if every == 0:
        return []
    times = list(range(-(-start // every) * every, stop, every))
    if start <= last < stop and last % every:
        times.append(last)
    return times


def _number(every: int, last: int) -> int:
    """Return how many times from 0 to `last` `_multiples` gives, without listing them."""
    return last // every + 1 + (last % every > 0) if every else 0


def _size(system: System) -> int:
    start, stop, _ = system.components.indices(system.dimension)
    return stop - start


def _whole(name: str, value: Any, least: int) -> int:
    if not is_number(value) or value % 1 or value < least:
        raise UsageError(f"{name} is {value!r}, expected a whole number, {least} or more")
    return int(value)


def _vectors(system: System, tangents: Any) -> int:
    most = system.tangent_size
    k = most if is_one_of(tangents, ("all",)) else _whole("tangents", tangents, 0)
    if k and system.no_tangents:
        raise UsageError(f"tangents is {tangents}: {system.no_tangents}")
    if k > most:
        raise UsageError(f"tangents is {k}, expected at most {most}, the dimension of the phase")
    return k


def _begin(system: System, asked: str | None, vectors: int) -> str:
    """Return where the tangent vectors begin."""
    if asked is None:
        return own_tangent_start(system.kind)
    if not is_one_of(asked, get_args(TangentStart)):
        raise UsageError(f"tangent_start is {asked!r}, expected 'weights', 'random' or 'replicas'")
    if asked == "weights" and system.kind != "training":
        raise UsageError(
            f"tangent_start is 'weights', which {system.name} does not have apart; use 'random'"
        )
    if asked == "replicas" and not vectors:
        raise UsageError("tangent_start is 'replicas', and there are no tangents; ask for some")
    return asked


def _keep(store: str) -> int:
    if is_one_of(store, ("full", "distances")):
        return int(store == "full")
    return _every("store", store, "'full', ", ", or 'distances'")


def _every(name: str, value: Any, before: str = "", after: str = "") -> int:
    """Return K of ``every:K``."""
    kind, _, number = str(value).partition(":")
    if kind == "every" and number.isdigit() and int(number) > 0:
        return int(number)
    raise UsageError(f"{name} is {value!r}, expected {before}'every:K' with K above 0{after}")


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
    shape = (replicas, _size(system))
    if rows.shape != shape:
        raise UsageError(f"perturbations has shape {rows.shape}, expected {shape}")
    for flaw, good in (
        ("not finite", np.isfinite(rows).all(axis=1)),
        ("zero", rows.any(axis=1)),
    ):
        if not good.all():
            raise UsageError(f"perturbations row {int(np.argmin(good))} is {flaw}")
    return rows
