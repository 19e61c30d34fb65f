"""What a recording will be: its times and sizes, before any work is done."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nndyn.numerics.arrays import Array
from nndyn.recording import DISTANCES, Variable
from nndyn.runtime.provenance import digest
from nndyn.store import Writer
from nndyn.systems.protocol import ByParameter, System, WithRest
from recorders.followers.follower import Follower

if TYPE_CHECKING:
    from typing import Self


#: Begins a `perturb` that names parameters.
NAMED = "parameters:"
#: The `perturb` along the gradient of a minibatch.
GRADIENT = "gradient"


class Followed:
    """What a run follows beside its replicas, as it was asked for and checked: a frozen dataclass.

    Attributes
    ----------
    takes : tuple of str
        Its options.
    alone : bool
        Whether it tells something without replicas.
    """

    takes: ClassVar[tuple[str, ...]] = ()
    alone: ClassVar[bool] = False

    @classmethod
    def asked(cls, system: System, replicas: int, options: Mapping[str, Any]) -> Self | None:
        """Check the `options` it takes and make it; None where it is not asked for.

        Raises
        ------
        UsageError
        """
        raise NotImplementedError

    def options(self) -> dict[str, Any]:
        """Return what must agree for a run to be resumed, as JSON values."""
        raise NotImplementedError

    def as_begun(self, options: Mapping[str, Any]) -> Self:
        """Return it as a file with these recording options has it, where it was not told how."""
        return self

    def check_start(self, system: System, plan: Plan, start: Array) -> None:
        """Check that it can begin with an ensemble `start` ``(R, P)``, before there is a file."""

    def lacking(self, names: Collection[str]) -> str:
        """Return why a file with these variables cannot be gone on with, empty where it can."""
        return ""

    def sizes(self, system: System) -> dict[str, int]:
        """Return its dimensions in the file."""
        return {}

    def fixed(self) -> dict[str, Array]:
        """Return the values of its variables that do not grow."""
        return {}

    def variables(self, system: System) -> list[Variable]:
        """Return its variables in the file."""
        raise NotImplementedError

    def noted(self, system: System, plan: Plan, start: Array) -> dict[str, Any]:
        """Return what the manifest of a run that begins with `start` ``(R, P)`` says of it."""
        return {}

    def work(self, system: System, plan: Plan) -> float:
        """Return the rough floating-point operations that it takes a step."""
        raise NotImplementedError

    def needs_perturbations(self) -> str:
        """Return the option by which it begins with the perturbations, empty where it does not."""
        return ""

    def bytes(self, system: System, plan: Plan) -> int:
        """Return what it adds to the expected size of the file."""
        raise NotImplementedError

    def seconds(self, system: System, plan: Plan, start: Array) -> float:
        """Estimate, from a trial, what it takes of a whole run that begins with `start`."""
        raise NotImplementedError

    def begin(self, system: System, plan: Plan, writer: Writer, start: Array) -> Follower:
        """Return what follows the run of `writer`, from where that stands."""
        raise NotImplementedError


@dataclass(frozen=True)
class Plan:
    """A checked request; `recorders.request.make` is the way to one.

    Attributes
    ----------
    steps, replicas, rescale, seed : int
        `rescale` is 0 where deviations are left alone.
    epsilon : float
    auto : bool
        Whether `epsilon` is still to be chosen.
    perturb : str
        ``weights``, ``all``, ``gradient`` or ``parameters:NAME,…``.
    perturb_at : int
        Time at which the replicas part from the reference, counted from the first one.
    first_step : int
        The step that is the first time.
    perturbations : (replicas, D) or None
    pairs, control : bool
    keep_every : int
        States are kept every so many steps, and at the end; 0 keeps none, 1 keeps all.
    sketch : int
        Numbers of the sketch that is kept in place of a state; 0 where states are.
    checkpoint_every : int
        Blocks to a checkpoint.
    whole_phase : bool
        Whether ``state`` holds the whole phase.
    evaluate : int
        Steps between evaluations; 0 for none.
    block : int
        Times in a block of the file.
    floor_steps : int
        Steps over which the rounding floor is measured; 0 where it is not.
    followed : tuple of Followed
        What is followed beside the replicas.
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
    followed: tuple[Followed, ...] = ()
    auto: bool = False
    perturb_at: int = 0
    first_step: int = 0
    sketch: int = 0
    checkpoint_every: int = 1

    @property
    def rows(self) -> int:
        """Rows of the batch: reference, perturbed replicas, control."""
        return 1 + self.replicas + self.control

    def kept(self, start: int, stop: int) -> list[int]:
        """Return the times in [start, stop) whose state, or its sketch, is kept."""
        return multiples(self.keep_every, start, stop, self.steps)

    def evaluated(self, start: int, stop: int) -> list[int]:
        """Return the times in [start, stop) at which the system is evaluated."""
        return multiples(self.evaluate, start, stop, self.steps)

    def by_parameter(self, system: System) -> int:
        """Return how many parameters distances are stored by, 0 where they are of all alone."""
        told = isinstance(system, ByParameter) and system.by_parameter
        return len(system.parameters) if told and self.replicas else 0

    @property
    def _store(self) -> str:
        """Return what is kept as the option has it."""
        every = f"every:{self.keep_every}"
        if self.sketch:
            kept = f"sketch:{self.sketch}"
            return kept if self.keep_every == 1 else f"{every},{kept}"
        return {0: "distances", 1: "full"}.get(self.keep_every, every)

    @property
    def _epsilon(self) -> float | str:
        return "auto" if self.auto else self.epsilon

    def options(self) -> dict[str, Any]:
        """Return what must agree for a run to be resumed, as JSON values."""
        given = self.perturbations
        return {
            "replicas": self.replicas,
            "epsilon": self._epsilon if given is None else None,
            "perturb": self.perturb if given is None else None,
            "perturbations": None if given is None else digest(given),
            "pairs": self.pairs,
            "control": self.control,
            "rescale": self.rescale,
            "store": self._store,
            "state": "phase" if self.whole_phase else "weights",
            "evaluate": self.evaluate,
            "seed": self.seed,
            # what is not asked for is not there, as in older files
            **({"perturb_at": self.first_step + self.perturb_at} if self.perturb_at else {}),
            **{name: value for each in self.followed for name, value in each.options().items()},
        }

    def work(self, system: System) -> float:
        """Return the rough floating-point operations of a step, with all that follows it."""
        followed = sum(each.work(system, self) for each in self.followed)
        return system.work(self.rows) + followed

    def whole_work(self, system: System) -> float:
        """Return those of all steps, of which those before the perturbation are of one row."""
        spared = system.work(self.rows) - system.work(1)
        return self.work(system) * self.steps - spared * self.perturb_at

    def width(self, system: System) -> int:
        """Return the bytes of what is kept of a row at a time."""
        if self.sketch:
            return 8 * self.sketch
        components = system.dimension if self.whole_phase else size_of_state(system)
        return components * system.dtype.itemsize

    def whole_blocks(self) -> int:
        """Return the times that the blocks of the file have room for."""
        return -(-(self.steps + 1) // self.block) * self.block

    def checkpoints(self, system: System) -> int:
        """Return the bytes of both slots of a phase of all rows."""
        return 2 * self.rows * system.dimension * system.dtype.itemsize

    def bytes(self, system: System) -> int:
        """Return the expected size of the file."""
        state = count(self.keep_every, self.steps) * self.rows * self.width(system)
        columns = 3 + self.rows * (
            1
            + len(DISTANCES) * (self.rows > 1)
            + len(system.arrival + system.series)
            + self.by_parameter(system)
        )
        evaluations = count(self.evaluate, self.steps) * self.rows * len(system.evaluations)
        rows = 8 * (self.whole_blocks() * columns + evaluations)
        beside = sum(each.bytes(system, self) for each in self.followed)
        rest = 2 * self.rows * system.rest_size if isinstance(system, WithRest) else 0
        return state + self.checkpoints(system) + rest + rows + beside + 64 * 2**10


def multiples(every: int, start: int, stop: int, last: int) -> list[int]:
    """Return the multiples of `every` in [start, stop), with the time `last`; none of 0."""
    if every == 0:
        return []
    times = list(range(-(-start // every) * every, stop, every))
    if start <= last < stop and last % every:
        times.append(last)
    return times


def count(every: int, last: int) -> int:
    """Return how many times from 0 to `last` `multiples` gives, without listing them."""
    return last // every + 1 + (last % every > 0) if every else 0


def rest_at_start(system: System, rows: int) -> Any:
    """Return the rest of rows at time 0, None where a system has none."""
    return system.initial_rest(rows) if isinstance(system, WithRest) else None


def size_of_state(system: System) -> int:
    """Return the components of a phase that are its state."""
    start, stop, _ = system.components.indices(system.dimension)
    return stop - start
