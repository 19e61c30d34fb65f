"""Protocol of every system: a phase is a row of numbers, and a system advances many rows.

Phases cross this boundary as numpy arrays, wherever a system computes. The map from ``t`` to
``t + 1`` may depend on ``t`` but on nothing else: every replica sees the same randomness, and a run
resumes from its phase and ``t`` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from nndyn.numerics.arrays import Array


@dataclass(frozen=True)
class Parameter:
    """One named part of the state: `shape` numbers from component `start` on."""

    name: str
    start: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of components."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def is_bias(self) -> bool:
        """Whether it is a bias, which ``perturb="weights"`` leaves alone."""
        return "bias" in self.name.rsplit(".", 1)[-1]


@dataclass
class Block:
    """What happened over the times ``start … start + n - 1`` of a batch of R rows.

    Attributes
    ----------
    phase : (R, P)
        Phase at ``start + steps``, from which the next call starts. `observe` returns it unchanged.
    states : (len(keep), R, D)
        The stored part of the phase at the times in `keep`.
    distance_l1, distance_linf : (n, R) float64
        Distances to row 0 over `components`; row 0's own is 0, NaN where it is not finite.
    gram : (n, R, R) float64
        Inner products of the deviations ``x_r - x_0`` over `components`, by direct differences:
        its diagonal is the squared l2 distance.
    squares : (n, R, parameters) float64, or None
        Squared l2 distances by parameter, of systems that tell them: see `ByParameter`.
    arrival : dict of (steps, R) float64
        Quantities of the step that *leads to* the times ``start + 1 … start + steps``:
        ``step_length``. Empty from `observe`.
    series : dict of (n, R) float64
        Quantities of the state at every time: ``gradient_norm``.
    evaluations : dict of (len(evaluate), R) float64
        Quantities at the times in `evaluate`: ``loss``, ``test_accuracy``, ``distance_output``, ….
    batch : dict of (steps, R) float64
        Quantities of the batches of the steps from the times: ``batch_loss``. Empty from `observe`.
    sketches : (times, R, K) float64, or None
        At the times asked for, of row 0 and of the others' deviations from it; see `Sketched`.
    rest : object
        Of the system's own, what belongs to `phase` beside it; None of most. See `WithRest`.
    ended : str
        Why no further step can be taken, where the block has fewer times than were asked for.
    """

    phase: Array
    states: Array
    distance_l1: Array
    distance_linf: Array
    gram: Array
    squares: Array | None = None
    arrival: dict[str, Array] = field(default_factory=dict)
    series: dict[str, Array] = field(default_factory=dict)
    evaluations: dict[str, Array] = field(default_factory=dict)
    batch: dict[str, Array] = field(default_factory=dict)
    sketches: Array | None = None
    rest: Any = None
    ended: str = ""


@runtime_checkable
class System(Protocol):
    """What a recorder needs of a system."""

    @property
    def name(self) -> str:
        """Name of the system."""

    @property
    def kind(self) -> str:
        """``training``, ``map``, ``flow`` or ``gd``."""

    @property
    def dimension(self) -> int:
        """P, the length of a phase."""

    @property
    def components(self) -> slice:
        """The D components of the phase that are stored and compared."""

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The layout of those components."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of phases."""

    @property
    def stationary(self) -> bool:
        """True on an attractor, False for transients such as training."""

    @property
    def interval(self) -> float:
        """Time between two steps: 1 where time counts steps."""

    @property
    def time_unit(self) -> str:
        """``step`` or ``time unit``."""

    @property
    def steps_per_epoch(self) -> int | None:
        """None where there are no epochs."""

    @property
    def series(self) -> tuple[str, ...]:
        """Names of the quantities in `Block.series`."""

    @property
    def arrival(self) -> tuple[str, ...]:
        """Names of the quantities in `Block.arrival`."""

    @property
    def evaluations(self) -> tuple[str, ...]:
        """Names of the quantities in `Block.evaluations`."""

    @property
    def evaluate_every(self) -> int:
        """Default number of steps between evaluations."""

    @property
    def evaluate_auto(self) -> int:
        """Steps between evaluations that are a twentieth of the work, in counted operations."""

    @property
    def exponent_sum(self) -> float | None:
        """Sum of all Lyapunov exponents per unit of time, where it is known exactly."""

    @property
    def no_tangents(self) -> str:
        """Why `push` cannot be called, empty where it can."""

    @property
    def needs_orbit(self) -> bool:
        """Whether `push` has to be given phases for its result not to depend on how it is cut."""

    @property
    def tangent_size(self) -> int:
        """Components of the phase in which tangents live, the first ones; 0 in the others."""

    @property
    def concurrent(self) -> bool:
        """Whether several systems of this kind may advance at once, each in a thread of its own."""

    def describe(self) -> dict[str, Any]:
        """Everything that defines the system, as JSON values; equal only for equal systems."""

    def work(self, replicas: int) -> float:
        """Rough floating-point operations of one step of `replicas` rows, for planning."""

    def initial(self, seed: int) -> Array:
        """Phase ``(P,)`` of the reference at time 0."""

    def advance(
        self,
        phase: Array,
        start: int,
        steps: int,
        keep: Sequence[int],
        *,
        evaluate: Sequence[int] = (),
        part: slice | None = None,
    ) -> Block:
        """Advance the rows ``(R, P)`` by `steps` ≥ 1 from time `start`; `phase` is not changed.

        `keep` and `evaluate` are ascending times in ``[start, start + steps)``; `part` is the
        slice of the phase that ``states`` holds, `components` unless given. The result does not
        depend on how a run is cut into calls.
        """

    def observe(
        self, phase: Array, t: int, *, evaluate: bool = True, part: slice | None = None
    ) -> Block:
        """Block of the single time `t` without a step: closes a run."""

    def push(
        self,
        phase: Array,
        vectors: Array,
        start: int,
        steps: int,
        at: Array | Sequence[int],
        orbit: Array | None = None,
    ) -> tuple[Array, Array]:
        """Push tangent vectors ``(P, k)`` along the orbit of one `phase` ``(P,)``.

        They are orthonormalized at the ascending times `at` in ``(start, start + steps]``. Returns
        the vectors at ``start + steps``, to be handed to the next call as they are, and the natural
        logarithms of the diagonal of R at those times ``(len(at), k)``; -inf where the derivative
        is singular. Nothing given is changed, and the result does not depend on how a run is cut
        into calls: where `needs_orbit`, if `orbit` gives the phases ``(steps, P)`` of the times
        ``start … start + steps - 1``, which are otherwise computed anew.
        """

    def reordered(self) -> System | None:
        """Return the same system in another summation order, None where that is pointless."""

    def together(self, others: Sequence[Any]) -> Team:
        """Let this system and `others`, which have its shape, advance as one batch.

        Both are for one thread. UsageError says in what the systems differ that has to be equal.
        """

    def one_thread(self) -> AbstractContextManager[object]:
        """Return a context for systems in threads, whose calls leave cores to each other."""


@runtime_checkable
class WithLoss(Protocol):
    """What a recorder needs of a system that descends on a loss, for the derivatives of that."""

    @property
    def curvatures(self) -> tuple[str, ...]:
        """Names of what `curvature` gives."""

    def curvature(self, phase: Array, t: int) -> dict[str, float]:
        """Return the `curvatures` of the loss at a `phase` ``(P,)``."""

    def expansion(self, origin: Array) -> Expansion:
        """Return the system on the quadratic expansion of its loss around a phase ``(P,)``."""


@runtime_checkable
class WithGradient(Protocol):
    """What a recorder needs of a system that descends on a loss, to perturb along its gradient."""

    @property
    def no_gradient(self) -> str:
        """Why `batch_gradient` cannot be called, empty where it can."""

    def batch_gradient(self, phase: Array, t: int, key: Sequence[int]) -> Array:
        """Return the gradient ``(D,)`` at a `phase` ``(P,)`` of a minibatch that `key` draws."""


@runtime_checkable
class WithUpdate(Protocol):
    """What a recorder needs of a system that descends on a loss, to look along its next update."""

    @property
    def no_critical(self) -> str:
        """Why `critical` cannot be called, empty where it can."""

    def critical(self, phase: Array, t: int) -> dict[str, float]:
        """Return the variables ``critical_…`` of a recording at a `phase` ``(P,)``."""


@runtime_checkable
class WithRest(Protocol):
    """What a recorder needs of a system whose state is not all in the phase.

    The rest of the rows goes beside the phase: into `System.advance` and `System.observe` as a
    further keyword ``rest``, out of them in `Block.rest`. It is the system's own, and is never
    changed. Such systems advance one after the other.
    """

    @property
    def rest_size(self) -> int:
        """Bytes that a row's rest takes in a file."""

    def initial_rest(self, replicas: int) -> Any:
        """Return the rest of all rows at time 0."""

    def encode_rest(self, rest: Any, t: int) -> Array:
        """Return it at time `t` as bytes ``(R, rest_size)``."""

    @property
    def not_resumable(self) -> str:
        """Why a recording cannot be gone on with, empty where it can."""

    def decode_rest(self, rows: Array, t: int) -> Any:
        """Return what was encoded; ValueError if it was not, UsageError if it is of no use."""

    @property
    def coarsest(self) -> tuple[str, float]:
        """The narrowest dtype that holds weights, and its rounding over that of the phase."""

    def representable(self, phase: Array) -> Array:
        """Return rows ``(R, P)`` as the system holds them, which may round them."""

    def computed(self, phase: Array) -> tuple[str, Array] | None:
        """Return the dtype that steps round weights to, if any, and rows ``(R, P)`` so rounded."""


@runtime_checkable
class ByParameter(Protocol):
    """What a recorder needs of a system that may tell distances by parameter."""

    @property
    def by_parameter(self) -> bool:
        """Whether its Blocks have `Block.squares`."""


@runtime_checkable
class Sketched(Protocol):
    """What a recorder needs of a system whose states may be too large to keep.

    `System.advance`, `System.observe` and `Team.advance` take a further keyword ``sketch``,
    `nndyn.numerics.sketch.Sketches`, which they give as `Block.sketches`.
    """

    @property
    def sketched(self) -> bool:
        """Always true."""


@runtime_checkable
class InTurn(Protocol):
    """What a recorder needs of a system whose rows may have to be computed in turn."""

    def one_by_one(self, replicas: int) -> str | None:
        """Return why `replicas` rows are computed one after the other, None where they are not."""


@runtime_checkable
class WithBatches(Protocol):
    """What a recorder needs of a system that says something of the batch of a step."""

    @property
    def batch_values(self) -> tuple[str, ...]:
        """Names of the quantities in `Block.batch`."""


@runtime_checkable
class Begun(Protocol):
    """A system that may begin at another step than 0, from which its times count, and may end."""

    @property
    def first_step(self) -> int:
        """The step at which it begins."""

    def check_steps(self, steps: int) -> None:
        """Check that so many steps from the first time on can be taken; UsageError if not."""


class Expansion(Protocol):
    """A system on the quadratic expansion of its loss."""

    def push(self, rows: Array, start: int, steps: int) -> tuple[Array, Array]:
        """Push a reference and deviations from it ``(1 + k, P)``.

        Returns the rows after `steps`, deviations scaled to weights of length 1, and the natural
        logarithms of their growth in every step ``(steps, k)``.
        """


class Team(Protocol):
    """Systems of equal shape that advance as one batch; each row as it would in its own system."""

    def advance(
        self,
        phases: Array,
        start: int,
        steps: int,
        keep: Sequence[int],
        *,
        evaluate: Sequence[int] = (),
        part: slice | None = None,
    ) -> list[Block]:
        """Advance the rows ``(M, R, P)`` of M systems; see `System.advance`.

        Returns the Block of every system, bit for bit that of the system alone, in fresh arrays.
        """


def first_step(system: System) -> int:
    """Return the step at which a system begins: 0 of most."""
    return system.first_step if isinstance(system, Begun) else 0


def beside(rest: Any) -> dict[str, Any]:
    """Return what a system is called with for the rest that belongs to a phase: most have none."""
    return {} if rest is None else {"rest": rest}
