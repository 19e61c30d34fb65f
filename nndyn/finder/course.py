"""Course of a search: which runs tell most, made until the onset is bracketed, then trained at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.studies.growth import told
from analyzers.studies.onset import THRESHOLD, Onset, onset, turning_rates
from nndyn.errors import NndynError, UsageError
from nndyn.finder.bracketing import Lattice
from nndyn.finder.bracketing import following as next_rate
from nndyn.finder.request import EARLY, SCOUTS
from nndyn.finder.runs import Adaptive
from nndyn.runtime.progress import Called
from nndyn.runtime.tasks import Stop, side_by_side
from nndyn.studies.analysis import row_of
from nndyn.studies.request import Point
from nndyn.studies.run_results import cells_of
from nndyn.studies.stack import Found
from recorders.batch import cores, threads

if TYPE_CHECKING:
    import xarray as xr

    from nndyn.systems.protocol import System

#: Further seeds, at first and later.
_FIRST, _MORE = 5, 4
#: The share of the budget that is for finding the onset; the rest is for training there.
_SEARCH = 0.7

#: Called with a line on what is done next, and on what was spent.
Say = Callable[[str], None]


@dataclass
class Course:
    """Runs, what they say, and which to make next.

    Attributes
    ----------
    runs : Adaptive
    rates : Lattice
    steps : int
        Of a run, at most.
    threshold : float
        Test accuracy that counts as learned.
    budget : int
        Training steps of all runs, at most.
    say : callable
        Called with a line on what is done next, and on what was spent.
    grows : dict of int to dict of int to bool
        Of every seed, whether it grows at the rates looked at.
    progress : callable
    alone : System or None
        A system like those of the runs, where each is best recorded in a thread of its own.
    room : int
        Runs that may be under way at once then.
    """

    runs: Adaptive
    rates: Lattice
    steps: int
    threshold: float
    budget: int
    say: Say
    grows: dict[int, dict[int, bool]] = field(default_factory=dict)
    progress: Called = lambda done, total: None
    alone: System | None = None
    room: int = 1
    _told: int = 0
    _found: dict[str, dict[str, Found]] = field(default_factory=dict)
    _one: AbstractContextManager[Any] = field(default_factory=Lock)
    _telling: AbstractContextManager[Any] = field(default_factory=Lock)

    def narrow(self, seeds: range, precision: float, confidence: float) -> str:
        """Bracket the onset of ever more seeds; return why that ended early, empty if it did not.

        Returns
        -------
        str

        Raises
        ------
        UsageError
            If the budget allows no look at all, since other runs in the folder have spent it.
        """
        used, start, stride = min(SCOUTS, len(seeds)), 0, self.rates.octave
        first = 0
        while True:
            if not self._bracket(seeds[first:used], start, stride):
                if not any(self.grows.values()):
                    raise UsageError(
                        f"budget is {self.budget} steps, and the runs that are there have "
                        f"{self.runs.spent}: none is left to look at others; give a larger one"
                    )
                return "the part of the budget for the search is spent"
            found = self.bracketed(confidence)
            if used > SCOUTS and 0.0 < found.high <= precision * found.low:
                return ""
            if used > SCOUTS and not np.isfinite(found.rate):
                return "half of the seeds begin to grow at no rate looked at"
            if used == len(seeds):
                return f"all {used} seeds are used"
            if np.isfinite(found.rate):
                start, stride = self.rates.near(found.rate), 1
            first, used = used, min(used + (_FIRST if used == SCOUTS else _MORE), len(seeds))

    def train(self, at: int) -> dict[str, float]:
        """Run all seeds at a rate, at half of it, between and above, until they have learned.

        Returns
        -------
        dict of str to float
            The rates at which all were, ``onset``, ``half``, ``between`` and ``above``; none where
            there are no accuracies.
        """
        if not self._measures_learning(at):
            return {}
        octave = self.rates.octave
        wanted: dict[str, int] = {}
        for name, away in (
            ("onset", 0),
            ("half", -octave),
            ("between", -(octave // 2)),
            ("above", octave // 2),
        ):
            if self.rates.low <= at + away <= self.rates.high:
                wanted[name] = at + away
        done: dict[str, float] = {}
        sure = self._affords(self._points(wanted.values(), self.grows))
        for names in [[*wanted]] if sure else [[name] for name in wanted]:
            rates = [wanted[name] for name in names]
            if sure or self._affords(self._points(rates, self.grows)):
                self._deal([*self.grows], partial(self._learn, rates), runs=len(rates))
            elif not self._learn(rates, self.grows):
                return done
            done |= {name: self.rates.rate(wanted[name]) for name in names}
        return done

    def _affords(self, points: list[Point], steps: int | None = None) -> bool:
        """Whether the budget has what is missing for runs to have so many steps, or all."""
        lacking = self.runs.lacking(points, self.steps if steps is None else steps)
        return self.runs.spent + lacking <= self.budget

    def _learn(self, rates: Iterable[int], seeds: Iterable[int], **how: Any) -> bool:
        """Record runs until they have learned; false where the budget does not allow it."""
        left = points = self._points(rates, seeds)
        third = max(1, int(self.steps * EARLY))
        for steps in (third, 2 * third, self.steps):
            if not self._affords(left, steps):
                return False
            self._record(left, steps, **how)
            left = self._unlearned(points)
        self.cells("lyapunov", points)  # now, while other runs go on
        return True

    def bracketed(self, confidence: float) -> Onset:
        """Return the onset from brackets alone, which does not change as runs go on."""
        looked = sorted({k for grows in self.grows.values() for k in grows})
        growth = np.full((len(looked), len(self.grows)), np.nan)
        for j, grows in enumerate(self.grows.values()):
            for k, grown in grows.items():
                growth[looked.index(k), j] = np.inf if grown else 0.0
        rates = np.array([self.rates.rate(k) for k in looked])
        turning = turning_rates(rates, growth, np.isinf(growth))
        return onset(turning, confidence=confidence)

    def cells(
        self, name: str, points: Sequence[Point] | None = None, *, last: bool = False
    ) -> xr.Dataset:
        """Return what an analyzer finds on runs, over (lr, seed); on all unless some are named.

        Where it is asked for the last time, results are kept in the folder.

        Returns
        -------
        xarray.Dataset
        """
        how: dict[str, Any] = {"points": points, "workers": 1, "write": last}
        options = {"threshold": self.threshold} if name == "learning" else {}
        memory = self._found.setdefault(name, {})
        with self._one:
            planned = self.runs.design
            assert planned is not None  # there are runs
            found = cells_of(self.runs.folder, planned, name, options, memory=memory, **how)
        return row_of(found, planned, "lr", {})

    def learning(self, trained: Collection[float]) -> xr.Dataset:
        """Return what there is on learning at the rates trained at; at all if there are none."""
        points: list[Point] = [{"lr": rate, "seed": s} for rate in trained for s in self.grows]
        return self.cells("learning", points or None, last=True)

    def _measures_learning(self, at: int) -> bool:
        """Whether runs have test accuracies; those nearest to a rate are looked at first."""
        from nndyn.store import open_recording, reading

        looked = {k for grows in self.grows.values() for k in grows}
        for k in sorted(looked, key=lambda k: abs(k - at)):
            points = [self._point(k, s) for s, grows in self.grows.items() if k in grows]
            for file in self.runs.files(points):
                with suppress(NndynError), reading(file), open_recording(file) as run:
                    if "test_accuracy" in run and run["test_accuracy"].size:
                        return True
        return False

    def _bracket(self, seeds: Sequence[int], start: int, stride: int) -> bool:
        """Bracket where seeds begin to grow; false where the budget does not allow it."""
        for s in seeds:
            self.grows.setdefault(s, {})
        most = max(_SEARCH * self.budget, SCOUTS * self.steps)  # the first round in any case
        while at := self._next(seeds, start, stride):
            spare = most - self.runs.spent
            lacking = self.runs.lacking([self._point(k, s) for k, s in at], self.steps)
            if lacking > max(spare, 0):
                return False
            # so many rounds the budget has in any case: no seed waits for the others in them
            rounds = max(1, int(spare // (len(at) * self.steps)))
            self._deal([s for _, s in at], partial(self._look_around, start, stride, rounds))
        return True

    def _look_around(
        self, start: int, stride: int, rounds: int, seeds: Sequence[int], **how: Any
    ) -> None:
        """Look so many times where seeds begin to grow, unless it is known before."""
        for _ in range(rounds):
            if at := self._next(seeds, start, stride):
                self._look_on(at, **how)

    def _next(self, seeds: Sequence[int], start: int, stride: int) -> list[tuple[int, int]]:
        """Return where to look next for where seeds begin to grow, (rate, seed)."""
        found = {s: next_rate(self.grows[s], start, stride, self.rates) for s in seeds}
        return [(k, s) for s, k in found.items() if k is not None]

    def _look_on(self, at: Sequence[tuple[int, int]], **how: Any) -> None:
        """Record a run at each rate and seed, at first a part of it, until it tells."""
        self._record([self._point(k, s) for k, s in at], max(30, int(self.steps * EARLY)), **how)
        self._look(at, last=False)
        left = [(k, s) for k, s in at if k not in self.grows[s]]
        self._record([self._point(k, s) for k, s in left], self.steps, **how)
        self._look(left, last=True)

    def _deal(self, seeds: Sequence[int], task: Callable[..., object], *, runs: int = 1) -> None:
        """Do a task of so many runs for every seed in a thread of its own, or for all at once."""
        most = min(len(seeds), self.room // runs)
        if self.alone is None or most < 2:
            task(seeds)
            return
        with threads(self.alone, cores()) as pool:
            side_by_side([partial(_of_one, task, s, pool) for s in seeds], most)

    def _look(self, at: Sequence[tuple[int, int]], *, last: bool) -> None:
        """Note which runs have grown; those that have not, where these were their last steps."""
        if not at:
            return
        cells = self.cells("lyapunov", [self._point(k, s) for k, s in at])
        for k, s in at:
            one = cells.sel(lr=self.rates.rate(k), seed=s)
            growth = float(one.get("growth", np.nan))  # none of a run that was cut and waits
            cut = float(one.get("growth_lower_bound", 0.0)) > 0.0
            diverged = str(one["verdict"].item()) == "diverged"
            # cut short below the threshold: it grew until it could no longer be followed
            grown = growth >= THRESHOLD or cut
            if diverged or (grown and told(float(one.get("growth_p", np.nan)))):
                self.grows[s][k] = True
            elif last:
                self.grows[s][k] = False

    def _unlearned(self, points: Sequence[Point]) -> list[Point]:
        """Return the runs that have not learned, as far as they were run."""
        times = self.cells("learning", points).get("training_time")
        if times is None:  # none learns
            return list(points)
        return [
            at for at in points if not np.isfinite(float(times.sel(lr=at["lr"], seed=at["seed"])))
        ]

    def _record(self, points: list[Point], steps: int, **how: Any) -> None:
        """Record runs, or let them go on, up to so many steps, and say so."""
        points = self.runs.short(points, steps)
        if not points:
            return
        shown = sorted({float(at["lr"]) for at in points})
        span = f"{shown[0]:g}" + (f" to {shown[-1]:g}" if len(shown) > 1 else "")
        which = f"{len(points)} runs" if len(points) > 1 else f"seed {points[0]['seed']}"
        with self._telling:
            spent = f"{self.runs.spent:,} of {self.budget:,} steps spent"
            self.say(f"{which} to step {steps} at lr {span}; {spent}")
        self.runs.record(points, steps, self._tell, **how)

    def _tell(self, spent: int) -> None:
        """Tell of the steps spent; of those of other threads one may know fewer."""
        with self._telling:
            self._told = max(self._told, spent)
            self.progress(self._told, self.budget)

    def _points(self, rates: Iterable[int], seeds: Iterable[int]) -> list[Point]:
        return [self._point(k, s) for k in rates for s in seeds]

    def _point(self, k: int, seed: int) -> Point:
        return {"lr": self.rates.rate(k), "seed": seed}


def _of_one(task: Callable[..., object], seed: int, pool: Executor, stop: Stop) -> None:
    task([seed], pool=pool, stop=stop)
