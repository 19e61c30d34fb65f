"""A training function of the user's, called for every replica: what `nndyn.twins` is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from nndyn import header
from nndyn.checks import flag
from nndyn.errors import NndynError, UsageError
from nndyn.runtime.paths import located
from nndyn.store import open_recording, vacant
from nndyn.systems.training.torch_state.streams import Streams, kept, preserved
from recorders.join import joined
from recorders.twins.calls import Calls
from recorders.twins.parts import CONTROL, REFERENCE, Made, Parts, check_same, folder
from recorders.twins.request import Asked, checked
from recorders.twins.run import Boundary

if TYPE_CHECKING:
    import xarray as xr

#: Where the manifest has the settings.
_SETTINGS = "twins"


def twins(
    train: Callable[[nn.Module], Any],
    model: nn.Module,
    path: str | Path,
    *,
    replicas: int = 5,
    epsilon: float = 1e-8,
    steps: int | None = None,
    every: int = 1,
    seed: int = 0,
    boundary: Boundary = None,
    resume: bool = False,
    overwrite: bool = False,
) -> xr.Dataset:
    """Call a training function of your own for a reference, perturbed copies and a control.

    Parameters
    ----------
    train : callable
        Called as ``train(copy)`` with a deep copy of `model`, which it trains with optimizers of
        torch that it makes itself; what it returns is let go. Random numbers of torch, numpy and
        Python are before every call what they are now; generators, loaders that have one, and
        iterators have to be made in it.
    model : torch.nn.Module
        As it is to begin. It is not changed.
    path : path-like
        The netCDF file to write; its folder must exist.
    replicas : int, default 5
        Perturbed copies.
    epsilon : float, default 1e-8
        Perturbations of the weights, not of biases, are uniform in (-epsilon, epsilon), as drawn by
        `nndyn.record`. Weights in float32 need more, some 1e-6.
    steps : int, optional
        Steps after which a call is ended, where it would make one more.
    every : int, default 1
        Steps between two states that are recorded.
    seed : int, default 0
        Draws the perturbations.
    boundary : optimizer class, or callable, optional
        Which optimizer ends a step, where several hold parameters of the model: its class, or
        whether a function of it is true.
    resume : bool, default False
        Make only the runs that are missing after a kill or an error.
    overwrite : bool, default False
        Begin anew, and replace an existing file once the new one is whole.

    Returns
    -------
    xarray.Dataset
        The recording, opened lazily: as of `nndyn.join`, with ``step_length`` of single steps.

    Raises
    ------
    UsageError
        If an argument is wrong; `path` or runs exist, and neither `resume` nor `overwrite` is
        given, or they were made otherwise; the perturbation vanishes in rounding; `train` makes no
        step, trains another model, or has several optimizers without `boundary`; the control
        departs from the reference; a step was left out in one run and not in another.
    DataError
        If a weight is not finite at the beginning.
    StoreError
        If a file cannot be written, or another process makes these runs.
    RecordingError
        If a run to go on with is damaged.
    Exception
        What `train` raises; finished runs are kept.

    Warns
    -----
    UserWarning
        Where runs are of unequal length: all are cut to the shortest.

    Notes
    -----
    Steps are counted by a hook of all optimizers of torch, which is removed in the end; no weight
    is changed by it. Runs are made one after the other, control and reference first, each recorded
    in ``.NAME.parts/`` beside `path`; there they stay until all are joined. Where runs are gone on
    with, the first steps of the reference are made again, to see that nothing else has changed.
    Where the control departs from the reference, `train` is called twice more up to there, for a
    hundred steps at most, to say where it does.

    Deviations are never rescaled, as no run knows of another: where copies saturate, perturb less,
    or give the update to `nndyn.Loop`.

    What `train` leaves undone at the end of a call that `steps` cuts short is left undone by an
    exception that is no ``Exception``. Memory is that of a training, and twice the model; the disk
    holds all states twice while they are joined.

    Examples
    --------
    >>> def train(model):
    ...     optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    ...     loader = DataLoader(data, batch_size=32, shuffle=True)
    ...     for x, y in itertools.chain.from_iterable(itertools.repeat(loader, 10)):
    ...         optimizer.zero_grad()
    ...         nn.functional.cross_entropy(model(x), y).backward()
    ...         optimizer.step()
    >>> run = nndyn.twins(train, model, "run.nc", epsilon=1e-6)
    """
    path = located(path)
    asked = checked(train, model, replicas, epsilon, steps, every, seed, boundary)
    resume, overwrite = flag("resume", resume), flag("overwrite", overwrite)
    if resume and overwrite:
        raise UsageError("`resume` and `overwrite` exclude each other")
    settings = asked.settings
    if not (resume and path.exists()):
        vacant(path, overwrite=overwrite, resumable=True)
    elif not folder(path).exists():
        return _complete(path, settings)
    with preserved(), closing(Parts(path)) as parts:
        begun = parts.begun(settings) if resume else None
        if begun is None:
            if parts.has_runs and not (resume or overwrite):
                raise UsageError(
                    f"{parts.folder} has runs that were begun for {path}; go on with them "
                    "(`resume=True`), or begin anew (`overwrite=True`)"
                )
            if path.exists() and not overwrite:
                return _complete(path, settings)
            random, replaces = kept(), path.exists()
            parts.begin(settings, list(random), replaces=replaces)
        else:
            random, replaces = Streams(*begun[0]), begun[1]
            if path.exists() and not replaces:  # all was done but the last of it
                found = _complete(path, settings)
                parts.remove()
                return found
        Calls(asked, parts, random).make(going_on=begun is not None)
        members = [REFERENCE, *asked.copies, CONTROL]
        first = parts.made(REFERENCE)
        assert first is not None
        reference, *copies, control = (parts.file(run) for run in members)
        found = joined(
            reference,
            copies,
            path,
            control=control,
            overwrite=replaces,
            cut=True,
            names=members,
            said=_said(asked, parts.file(REFERENCE), first),
        )
        parts.remove()
        return found


def _complete(path: Path, settings: dict[str, Any]) -> xr.Dataset:
    """Return a recording that is there, if it is the one that was asked for."""
    found = open_recording(path)
    try:
        made = header.manifest(found.attrs, str(path)).get(_SETTINGS)
        if not isinstance(made, dict):
            raise UsageError(
                f"{path} exists and was not made by twins; choose another name, or overwrite it "
                "(`overwrite=True`)"
            )
        check_same(str(path), made, settings)
    except NndynError:
        found.close()
        raise
    return found


def _said(asked: Asked, reference: Path, made: Made) -> dict[str, Any]:
    """Return what the manifest says of how the runs were made."""
    with open_recording(reference) as found:
        system = header.manifest(found.attrs, str(reference))["system"]
    train = getattr(asked.train, "__qualname__", type(asked.train).__qualname__)
    boundary = asked.boundary
    return {
        "system": {
            **system,
            "optimizer": " and ".join(made.optimizers),
            "groups": made.groups,
            "train": train,
            "boundary": None if boundary is None else getattr(boundary, "__name__", str(boundary)),
        },
        "recording": {
            "replicas": asked.replicas,
            "epsilon": asked.epsilon,
            "perturb": "weights",
            "pairs": False,
            "control": True,
            "rescale": 0,
            "store": "full",
            "every": asked.every,
            "seed": asked.seed,
        },
        _SETTINGS: asked.settings,
    }
