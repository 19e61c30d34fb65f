"""Record a reference, its perturbed replicas and its control as one batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nndyn.runtime.progress import Progress
from nndyn.store import Left, open_recording
from nndyn.systems.protocol import System
from nndyn.systems.recipe import made
from recorders.batch import record_batch
from recorders.followers.tangents import TangentStart

if TYPE_CHECKING:
    import xarray as xr


def record(
    system: System | str | Callable[..., System],
    path: str | Path,
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
    tangents: int | Literal["all"] = 0,
    tangent_every: int = 1,
    tangent_start: TangentStart | None = None,
    sharpness: str | None = None,
    critical_sharpness: str | None = None,
    barrier: int | None = None,
    quadratic_model: bool = False,
    resume: bool = False,
    mix: bool = False,
    overwrite: bool = False,
    take_over: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> xr.Dataset:
    """Run a reference and perturbed replicas together and store what happens.

    Parameters
    ----------
    system : System, str or callable
        ``nndyn.Training(…)``, ``nndyn.systems.henon()``, …; or what makes it from `options`:
        ``"training"``, the name of a map, flow or gradient-descent map, or a function (`seed` is
        given to trainings, and to functions that have such a parameter).
    path : path-like
        The netCDF file to write; its folder must exist.
    steps : int
        Steps of the system: T steps give T + 1 times.
    replicas : int, default 5
        Perturbed replicas; without any there is no control either, and no distances are stored.
    epsilon : float or "auto", optional
        Perturbations are uniform in (-epsilon, epsilon); 1e-8 in float64, ``auto`` in what is
        coarser. ``auto`` finds from a trial of 50 steps a length that is ten times what rounding
        adds up to in them, or more where steps are many and there is room; where less than four
        e-foldings lie between that and 2 % of a step, or less than deviations grow by in the trial,
        they are rescaled every 5 steps unless `rescale` is given. What it found is in the manifest,
        and goes for a resumed file as well.
    perturb : str, default "weights"
        ``weights``, ``all`` (biases too), or ``parameters:NAME,…``: what is perturbed; or
        ``gradient``: each replica along the gradient, where it is perturbed, of a minibatch of its
        own, as long as a perturbation of ``all`` is on average (trainings that nndyn steps).
        The minibatch of replica r is drawn by (seed, 6, r) from the training set, as many samples
        as a step has, at most 32 of a full batch; of a DataLoader whose batches are drawn it is
        that of the step r - 1 steps later.
    perturb_at : int, optional
        The step at which the replicas are perturbed; the first unless given. Before it the
        reference alone is computed, and in the file the replicas equal it. From it on all is as
        in a recording that begins there: rescaling counts from it, ``auto`` chooses `epsilon`
        there, and the analyzers begin there.
    perturbations : array_like, (replicas, D), optional
        Deviations added to the initial state as given, instead of drawn ones. Rows that are each
        other's negative are recognized as pairs.
    pairs : bool, default False
        Perturb in both directions: every second replica mirrors the one before it.
    control : bool, default True
        Add a replica without perturbation, whose distance has to stay zero.
    rescale : int, optional
        Every so many steps, divide the whole deviation of each replica back to its initial length.
    store : str, default "full"
        ``full`` keeps every state, ``every:K`` each K-th and the last, ``distances`` none;
        distances and diagnostics are always kept. ``sketch:K`` and ``every:J,sketch:K`` keep K
        numbers in place of a state (trainings with more weights than that; K is a multiple of 64):
        a random projection of the way of the reference from its first state, and of the deviation
        of the others, whose l2 lengths are known to a standard deviation of 1 / √(2 K). Analyzers
        of states take it in their place; see `nndyn.numerics.sketch`.
    state : {"weights", "phase"}, default "weights"
        Whether ``state`` holds optimizer buffers too.
    evaluate : int or "auto", optional
        Steps between evaluations of loss and accuracy, 0 for none; by default each step in full
        batch, each epoch in minibatches. ``auto`` is as often as takes a twentieth of the work of
        the steps, in operations that are counted and not timed; the number is in the manifest, and
        the interval of a training time says between which steps nothing was evaluated.
    seed : int, default 0
        Draws perturbations, tangents and, for maps and flows, the initial state.
    tangents : int or "all", default 0
        Tangent vectors that are pushed along the reference by the derivative of the system; their
        stretching is stored. With them `replicas` may be 0.
    tangent_every : int, default 1
        Steps between the orthonormalizations of the vectors; there is one at the last step.
    tangent_start : {"weights", "random", "replicas"}, optional
        Where the vectors begin: in random directions of weights and biases, the optimizer's buffers
        being 0, and only what vectors there are beyond these in the buffers; in random directions
        of the whole phase; or in those of the first replicas' perturbations, orthonormalized one
        after the other. Unless given, ``weights`` of trainings and ``random`` of maps and flows; a
        file of a training that older versions began goes on as it began, at random.
    sharpness : str, optional
        ``every:K``: at each K-th step and the last, the extreme eigenvalues of the Hessian of the
        reference's loss over the whole training set, with residuals; trainings only.
        ``every:K,top:N``: the N largest, and the smallest, which takes most of the time, only with
        ``,lowest`` behind it. ``,midpoint`` adds the largest at (w(t-1) + 2 w(t) + w(t+1)) / 4.
    critical_sharpness : str, optional
        ``every:K``: at each K-th step, 2 over the smallest s > 0 at which the loss of the reference
        over the whole training set is higher at w - s u than at w, u being the next update without
        its learning rate; and that rate over s, above 1 where the update raises this loss. Ten
        passes forward at most, and no second derivatives; trainings that nndyn steps.
    barrier : int, optional
        At the end of the run, loss and accuracy on the training and the test set at so many points,
        both ends among them, of the segment between the weights of any two replicas, the reference
        one of them, and at the points halfway between; see ``nndyn.endings``. Running statistics,
        as of batch normalisation, are computed anew at every point, by one pass over the training
        set. With R replicas these are R (R + 1) / 2 segments. Trainings whose samples nndyn has.
    quadratic_model : bool, default False
        Follow the same perturbations on the quadratic expansion of the loss at the start as well,
        and store how they grow there; trainings only.
    resume : bool, default False
        Go on with an unfinished file, or a finished one with more steps, which keeps the evaluation
        and the rounding floor of its first part; a missing file is started.
    mix : bool, default False
        With `resume`, go on with a file that was begun where results differ in their last bits, by
        another version of nndyn or on another machine; the manifest says from which step on.
    overwrite : bool, default False
        Replace an existing file.
    take_over : bool, default False
        With `resume` or `overwrite`, take a file over that a process of another host has, as it
        seems: one known to have ended. Without, it is free ten minutes after that process was heard
        of last, or after as long as three blocks took.
    progress : bool or callable, optional
        True draws a bar on a terminal and in a notebook, and writes a line every ten seconds
        elsewhere; None draws one in notebooks and at Python's prompt. Called with (steps done,
        steps asked for), a few times a second; some of them may not be committed yet.
    **options
        Of a system given by name or by a function, as of ``nndyn.sweep``.

    Returns
    -------
    xarray.Dataset
        The recording, opened lazily. Where the reference diverged it ends there, with status
        ``stopped`` and a reason.

    Raises
    ------
    UsageError
        If an option is wrong, `path` exists and neither `resume` nor `overwrite` is given, or a
        file to resume was made with other options.
    DataError
        If the initial state is not finite.
    StoreError
        If the file cannot be written, or another process writes it.
    RecordingError
        If a file to resume is damaged.
    KeyboardInterrupt
        On Ctrl-C, after what is done was committed, or 2 s later without the last block, or at once
        if it is pressed again: the file resumes.

    Notes
    -----
    One pass; memory beside what the system needs is three blocks of states, 96 MiB at most (or two
    states, where one is larger), as much again for what joins and stores them, and the tangent
    vectors. Where a core is left, a block is written in a thread while the next one is computed. A
    kill loses at most a block and what was computed while it was being written: some seconds. While
    the file is being recorded ``nndyn.open`` shows what counts of it, and plain
    ``xarray.open_dataset`` may show other values; its attribute ``comment`` says so.

    Beside the tangent vectors of a training one more is followed, which begins elsewhere and is
    never made orthogonal to them: ``tangent_alignment`` is the absolute cosine between it and the
    first, and tells from when on that one no longer knows its start.
    """
    left: dict[Path, Left] = {}
    (file,) = record_batch(
        [made(system, options, seed)],
        [path],
        steps=steps,
        seed=seed,
        tangents=tangents,
        tangent_every=tangent_every,
        tangent_start=tangent_start,
        sharpness=sharpness,
        critical_sharpness=critical_sharpness,
        barrier=barrier,
        quadratic_model=quadratic_model,
        resume=resume,
        mix=mix,
        overwrite=overwrite,
        take_over=take_over,
        progress=progress,
        replicas=replicas,
        epsilon=epsilon,
        perturb=perturb,
        perturb_at=perturb_at,
        perturbations=perturbations,
        pairs=pairs,
        control=control,
        rescale=rescale,
        store=store,
        state=state,
        evaluate=evaluate,
        left=left,
    )
    return open_recording(file, identity=left[file].id)
