"""Search with few runs for the learning rate at the onset of growth, and for one to train at."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzers.studies.lyapunov import onset_study
from nndyn.checks import share, whole
from nndyn.finder.bracketing import lattice
from nndyn.finder.course import Course, Say
from nndyn.finder.factory import check, check_same
from nndyn.finder.labels import label
from nndyn.finder.request import (
    alone,
    anchor,
    asked_of,
    bounds_of,
    effort_of,
    same_start,
    seldom,
)
from nndyn.finder.runs import Adaptive
from nndyn.runtime.interrupts import shielded
from nndyn.runtime.progress import Progress, following
from nndyn.studies.folder import Folder
from nndyn.studies.workers import processes

if TYPE_CHECKING:
    from nndyn.finder.found import FoundOnset


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
        Called with a line before runs are made, from any thread, never twice at a time.
    progress : bool or callable, optional
        As of ``nndyn.record``; called with the training steps spent and those of the budget, which
        may not all be needed.
    **options
        Of ``nndyn.Training``, or of the function, and of ``nndyn.record``; states are not kept
        unless `store` says so. Trainings in full batch are evaluated as often as takes a twentieth
        of the work, but a hundred times a run or more, unless `evaluate` says how often.

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
    `precision`. Further seeds start at the median of those before. Where steps take long and there
    are several cores, seeds go on side by side, else in rounds whose runs form a batch: the runs
    are the same. A run ends after a third of its steps if it has grown by then, and where it
    diverges. At last all seeds are run at the onset, at half of it, between and above, until they
    have learned.

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
    share("threshold", threshold, closed=True)
    share("confidence", confidence)
    workers = None if workers is None else whole("workers", workers, 1)
    asked = asked_of(model, data, bounds, steps, seed, options)
    asked = replace(asked, mix=mix, take_over=take_over)
    makes = callable(asked.recipe.system)
    with ExitStack() as stack:
        stack.enter_context(asked.reading_once())
        asked = seldom(asked, seed, None if path is None else Folder(path))
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
        search = Course(runs, rates, steps, threshold, most, say or (lambda line: None))
        if workers is None and not makes:
            search.alone, search.room = alone(asked, seed)
        if bar := stack.enter_context(following(progress, "onset")):
            search.progress = bar
        why = search.narrow(range(seed, seed + seeds), precision, confidence)
        bracketed = search.bracketed(confidence).rate
        trained = search.train(rates.near(bracketed)) if np.isfinite(bracketed) else {}
        return label(
            onset_study(search.cells("lyapunov", last=True), confidence=confidence),
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
