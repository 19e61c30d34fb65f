"""Search with few runs for the learning rate at the onset of growth, and for one to train at."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.studies.growth import told
from analyzers.studies.lyapunov import onset_study
from analyzers.studies.onset import THRESHOLD, Onset, onset, turning_rates
from nndyn.checks import whole
from nndyn.finder.bracketing import Lattice, lattice
from nndyn.finder.bracketing import following as next_rate
from nndyn.finder.factory import check, check_same
from nndyn.finder.labels import label
from nndyn.finder.request import (
    EARLY,
    SCOUTS,
    anchor,
    asked_of,
    bounds_of,
    effort_of,
    same_start,
)
from nndyn.finder.runs import Adaptive
from nndyn.runtime.interrupts import shielded
from nndyn.runtime.progress import Called, Progress, following
from nndyn.studies.analysis import row_of
from nndyn.studies.folder import Folder
from nndyn.studies.request import Point
from nndyn.studies.run_results import cells_of
from nndyn.studies.workers import processes

if TYPE_CHECKING:
    import xarray as xr

    from nndyn.finder.found import FoundOnset

#: Further seeds, at first and later.
_FIRST, _MORE = 5, 4
#: The share of the budget that is for finding the onset; the rest is for training there.
_SEARCH = 0.7

#: Called with a line on what is done next, and on what was spent.
Say = Callable[[str], None]


def find_onset(
    model: Any = None,
    data: Any = None,
    *,
    lr: tuple[float, float] | None = None,
    steps: int = 300,
    seeds: int = 40,
    seed: int = 0,
    precision: float = 1.5,
    budget: int | None = None,
    threshold: float = 0.93,
    confidence: float = 0.95,
    path: str | Path | None = None,
    mix: bool = False,
    take_over: bool = False,
    workers: int | None = None,
    say: Say | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> FoundOnset:
    """Find the learning rate at which deviations begin to grow, and one to train at.

    Parameters
    ----------
    model, data
        As of ``nndyn.Training``; or, as `model` alone, a function ``make(lr, seed)`` that makes
        the system of a run, such as a ``nndyn.Loop``: the same one whenever it is called with the
        same numbers, with weights drawn from `seed`.
    lr : (float, float), optional
        Smallest and largest rate to look at; unless given, the search begins at twice the rate at
        which the sharpness at the start makes a step unstable, and may go far from there. With a
        function it has to be given.
    steps : int, default 300
        Of a run, at most.
    seeds : int, default 40
        At most.
    seed : int, default 0
        The first of them.
    precision : float, default 1.5
        Stop where the ends of the interval differ by no more than this factor.
    budget : int, optional
        Training steps to spend, summed over runs; those of 60 full runs by default.
    threshold : float, default 0.93
        Test accuracy that counts as learned.
    confidence : float, default 0.95
        Of the intervals.
    path : path-like, optional
        Keep the runs, a study, in this folder; the same call goes on there.
    mix : bool, default False
        Go on there with runs that another version began, as of ``nndyn.record``.
    take_over : bool, default False
        Go on there with what processes of another host had that are known to have ended.
    workers : int, optional
        Record in so many processes of this machine (dask.distributed), which every round of runs
        is dealt out to; the arrays are the same.
    say : callable, optional
        Called with a line before every round of runs.
    progress : bool or callable, optional
        As of ``nndyn.record``; called with the training steps spent and those of the budget, which
        may not all be needed.
    **options
        Of ``nndyn.Training``, or of the function, and of ``nndyn.record``; states are not kept
        unless `store` says so.

    Returns
    -------
    FoundOnset
        An xarray.Dataset with two methods more, ``suggestion()``, the rate to train at, and
        ``plot()``. Numbers: ``onset``, the median over seeds of the rate at which a run's growth
        first passes three e-foldings, with an interval over seeds; ``recommended``, a rate to train
        at, with the reason in its ``note``; ``training_time_at_onset`` and ``training_time_below``,
        medians at the rate nearest to the onset and to half of it; ``seeds_used``, ``runs``,
        ``steps_spent``. Over (lr,): ``growing_share``, ``median_growth``, ``median_training_time``,
        ``arrived_share`` and ``results``, the number of runs. The verdict is ``found``,
        ``imprecise`` where the interval is wider than asked or over too few seeds to be one, or
        that of the study of growth. Of runs without ``test_accuracy`` there are no training times
        and no recommended rate; ``note`` says so.

    Raises
    ------
    UsageError
        If an option is wrong, or the folder holds another study; if a function fails, returns no
        system, another one each time, or the same one at every rate.
    StoreError
        If the folder cannot be written.
    RecordingError
        If a run could not be recorded.
    InstallationError
        If workers are asked for and dask.distributed is not installed.
    KeyboardInterrupt
        On Ctrl-C; with a `path` the same call goes on.

    Notes
    -----
    Three seeds look for the range in factors of two, each for itself; every seed's own rate is then
    bracketed by halving, on rates in equal ratios, more than two of which make the root of
    `precision`. Further seeds start at the median of those before. All runs of a round form a
    batch. A run ends after a third of its steps if it has grown by then, and where it diverges. At
    last all seeds are run at the onset, at half of it, between and above, until they have learned.

    A function is called for every run, and again whenever a run goes on, with `workers` in their
    processes, into which it is copied. As with all processes of Python, a script that asks for
    `workers` does so below ``if __name__ == "__main__":``.

    Examples
    --------
    >>> def make(lr, seed):
    ...     torch.manual_seed(seed)
    ...     model = nn.Linear(64, 10).double()
    ...     optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    ...     def step(batch): ...
    ...     return nndyn.Loop(step, loader, model=model, stateful={"optimizer": optimizer})
    >>> found = nndyn.find_onset(make, lr=(0.01, 10))
    >>> found.suggestion()
    """
    steps, seeds, most = effort_of(steps, seeds, budget)
    bounds, seed = bounds_of(lr, precision), whole("seed", seed, 0)
    workers = None if workers is None else whole("workers", workers, 1)
    asked = asked_of(model, data, bounds, steps, seed, options)
    asked = replace(asked, mix=mix, take_over=take_over)
    makes = callable(asked.recipe.system)
    with ExitStack() as stack:
        stack.enter_context(asked.reading_once())
        warned = check(asked, seed, bounds, steps) if makes and bounds else same_start(asked, seed)
        if path is None:
            with shielded():
                made = tempfile.TemporaryDirectory(prefix="nndyn-onset-")
                stack.callback(shielded()(made.cleanup))
            path = made.name
        scheduler = None if workers is None else stack.enter_context(processes(workers))
        runs = Adaptive(Folder(path), asked, workers=workers or 1, scheduler=scheduler)
        if runs.makes and runs.design is not None:
            check_same(runs.folder, asked)
        rates = lattice(anchor(asked, seed, bounds), precision, bounds)
        search = _Search(runs, rates, steps, threshold, most, say or (lambda line: None))
        if bar := stack.enter_context(following(progress, "onset")):
            search.progress = bar
        why = search.narrow(range(seed, seed + seeds), precision, confidence)
        bracketed = search.bracketed(confidence).rate
        trained = search.train(rates.near(bracketed)) if np.isfinite(bracketed) else {}
        return label(
            onset_study(search.cells("lyapunov"), confidence=confidence),
            search.learning(trained.values()),
            trained,
            why,
            options={
                "lr": None if lr is None else list(lr),
                "steps": steps,
                "precision": precision,
                "threshold": threshold,
                "confidence": confidence,
                "budget": most,
            },
            runs=runs,
            warnings=warned,
        )


@dataclass
class _Search:
    """Runs, what they say, and which to make next."""

    runs: Adaptive
    rates: Lattice
    steps: int
    threshold: float
    budget: int
    say: Say
    #: Of every seed, whether it grows at the rates looked at.
    grows: dict[int, dict[int, bool]] = field(default_factory=dict)
    progress: Called = lambda done, total: None

    def narrow(self, seeds: range, precision: float, confidence: float) -> str:
        """Bracket the onset of ever more seeds; return why that ended early, empty if it did not.

        Returns
        -------
        str
        """
        used, start, stride = min(SCOUTS, len(seeds)), 0, self.rates.octave
        first = 0
        while True:
            if not self._bracket(seeds[first:used], start, stride):
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
        octave, third = self.rates.octave, max(1, int(self.steps * EARLY))
        done: dict[str, float] = {}
        for name, away in (
            ("onset", 0),
            ("half", -octave),
            ("between", -(octave // 2)),
            ("above", octave // 2),
        ):
            k = at + away
            if not self.rates.low <= k <= self.rates.high:
                continue
            points = [self._point(k, s) for s in self.grows]
            for steps in (third, 2 * third, self.steps):
                left = self._unlearned(points)
                if self.runs.spent + self.runs.lacking(left, steps) > self.budget:
                    return done
                self._record(left, steps)
            done[name] = self.rates.rate(k)
        return done

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

    def cells(self, name: str, points: Sequence[Point] | None = None) -> xr.Dataset:
        """Return what an analyzer finds on runs, over (lr, seed); on all unless some are named."""
        options = {"threshold": self.threshold} if name == "learning" else {}
        planned = self.runs.folder.design()
        found = cells_of(self.runs.folder, planned, name, options, points=points, workers=1)
        return row_of(found, planned, "lr", {})

    def learning(self, trained: Collection[float]) -> xr.Dataset:
        """Return what there is on learning at the rates trained at; at all if there are none."""
        points: list[Point] = [{"lr": rate, "seed": s} for rate in trained for s in self.grows]
        return self.cells("learning", points or None)

    def _measures_learning(self, at: int) -> bool:
        """Whether runs have test accuracies; those nearest to a rate are looked at first."""
        looked = {k for grows in self.grows.values() for k in grows}
        for k in sorted(looked, key=lambda k: abs(k - at)):
            points = [self._point(k, s) for s, grows in self.grows.items() if k in grows]
            if (self.cells("learning", points)["verdict"] != "").any():
                return True
        return False

    def _bracket(self, seeds: Sequence[int], start: int, stride: int) -> bool:
        """Bracket where seeds begin to grow; false where the budget does not allow it."""
        for s in seeds:
            self.grows.setdefault(s, {})
        while True:
            found = {s: next_rate(self.grows[s], start, stride, self.rates) for s in seeds}
            at = [(k, s) for s, k in found.items() if k is not None]
            if not at:
                return True
            points = [self._point(k, s) for k, s in at]
            most = max(_SEARCH * self.budget, SCOUTS * self.steps)  # the first round in any case
            if self.runs.spent + self.runs.lacking(points, self.steps) > most:
                return False
            early = max(30, int(self.steps * EARLY))
            self._record(points, early)
            self._look(at, last=False)
            left = [(k, s) for k, s in at if k not in self.grows[s]]
            self._record([self._point(k, s) for k, s in left], self.steps)
            self._look(left, last=True)

    def _look(self, at: Sequence[tuple[int, int]], *, last: bool) -> None:
        """Note which runs have grown; those that have not, where these were their last steps."""
        if not at:
            return
        cells = self.cells("lyapunov")
        for k, s in at:
            one = cells.sel(lr=self.rates.rate(k), seed=s)
            growth, cut = float(one["growth"]), float(one.get("growth_lower_bound", 0.0)) > 0.0
            diverged = str(one["verdict"].item()) == "diverged"
            # cut short below the threshold: it grew until it could no longer be followed
            grown = growth >= THRESHOLD or cut
            if diverged or (grown and told(float(one.get("growth_p", np.nan)))):
                self.grows[s][k] = True
            elif last:
                self.grows[s][k] = False

    def _unlearned(self, points: Sequence[Point]) -> list[Point]:
        """Return the runs that have not learned, as far as they were run."""
        cells = self.cells("learning", points)
        times = cells.get("training_time")
        if times is None:  # none of them was run yet, or none learns
            return list(points)
        known = set(map(float, cells["lr"].values))
        return [
            at
            for at in points
            if at["lr"] not in known
            or at["seed"] not in cells["seed"].values
            or not np.isfinite(float(times.sel(lr=at["lr"], seed=at["seed"])))
        ]

    def _record(self, points: list[Point], steps: int) -> None:
        """Record runs, or let them go on, up to so many steps, and say so."""
        if not self.runs.lacking(points, steps):
            return
        shown = sorted({float(at["lr"]) for at in points})
        span = f"{shown[0]:g}" + (f" to {shown[-1]:g}" if len(shown) > 1 else "")
        self.say(
            f"{len(points)} run{'s' if len(points) > 1 else ''} to step {steps} at lr {span}; "
            f"{self.runs.spent:,} of {self.budget:,} steps spent"
        )
        self.runs.record(points, steps, lambda spent: self.progress(spent, self.budget))

    def _point(self, k: int, seed: int) -> Point:
        return {"lr": self.rates.rate(k), "seed": seed}
