"""What the recorders of all trainers share: a recording by `nndyn.watch`, and their making."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nndyn.errors import InstallationError, UsageError
from nndyn.integrations.logged import recorded
from nndyn.runtime.paths import located

if TYPE_CHECKING:
    from recorders.watch.handle import Logger, Watch


class TrainerRecorder:
    """Recorder of the trainings that a trainer runs, one at a time; `Recorder` in each library.

    Parameters
    ----------
    path, every, logger, resume
        As of `nndyn.watch`.

    Attributes
    ----------
    path : Path
    """

    def __init__(
        self,
        path: str | Path,
        *,
        every: int = 1,
        logger: Logger | None = None,
        resume: bool = False,
    ) -> None:
        super().__init__()
        self.path = located(path)
        self._every, self._logger, self._resume = every, logger, resume
        self._watching: Watch | None = None

    def _begin(self, model: Any, optimizers: Any, step: int, standing: Mapping[str, Any]) -> None:
        """Begin the file, or go on with it.

        Parameters
        ----------
        model, optimizers
            As of `nndyn.watch`.
        step : int
            At which the trainer begins, by its own count.
        standing : mapping
            What `_standing` returned for the checkpoint from which the training goes on; empty
            where it begins, or the checkpoint does not say.

        Raises
        ------
        UsageError
            If a file to go on with is not there; else as `nndyn.watch` and
            `Watch.load_state_dict` do.
        """
        from recorders.watch.opening import watch

        self._end(complete=False)  # of a training that an exception ended
        if standing and not self.path.exists():
            raise UsageError(
                f"{self.path} is not there, and the trainer's checkpoint goes on with it; put it "
                "back, or record to another name"
            )
        if self._resume and not standing and self.path.exists():
            standing = self._there(model, step)
        watching = watch(
            model,
            optimizers,
            self.path,
            every=self._every,
            logger=self._logger,
            resume=bool(standing) or self._resume,
        )
        if standing:
            try:
                watching.load_state_dict(standing)
            except BaseException:
                watching.remove(complete=False)
                raise
        self._watching = watching

    def _there(self, model: Any, step: int) -> dict[str, Any]:
        """Return where the recording stands, if at a step it has the weights of the model.

        Returns
        -------
        dict
            As of `_standing`.

        Notes
        -----
        By weights alone `nndyn.watch` takes the last of equal states, and a schedule that begins
        at a learning rate of 0 makes two.
        """
        from nndyn.store import open_recording
        from recorders.watch.weights import Weights

        weights = Weights(model)
        row = np.empty(weights.size, weights.dtype)
        weights.read(row)
        with open_recording(self.path) as run:
            at = np.flatnonzero(run["time"].values == step)
            if not at.size or "state" not in run:
                return {}
            if not np.array_equal(run["state"][at[0], 0].values, row):
                return {}
            identity = run.attrs["recording_id"]
        return {"recording_id": identity, "step": step, "numbers": {}}

    @property
    def _step(self) -> int | None:
        """Steps made; None before it is known."""
        return None if self._watching is None else self._watching.step

    def _log(self, numbers: Mapping[str, Any]) -> None:
        """Record numbers, of a batch unless their names say that they are of the model."""
        if self._watching is not None and numbers:
            self._watching.log(**{recorded(name): value for name, value in numbers.items()})

    def _standing(self) -> dict[str, Any]:
        """Return where the recording is, for a checkpoint; empty before there is one."""
        return {} if self._watching is None else self._watching.state_dict()

    def _end(self, *, complete: bool) -> None:
        """Commit what there is and close the file, if one is open."""
        if self._watching is not None:
            self._watching.remove(complete=complete)


def made(hooks: type[TrainerRecorder], modules: Sequence[str], *bases: str) -> type:
    """Return the ``Recorder`` of a library, which is imported now.

    Parameters
    ----------
    hooks : type
        What it does in the events of a trainer.
    modules : sequence of str
        Where its bases may be; the first that is installed is taken.
    *bases : str
        Their names.

    Returns
    -------
    type
        With the name and in the module by which pickle finds it.

    Raises
    ------
    InstallationError
        If no such module is installed.
    ModuleNotFoundError
        If one is, and what it needs is not.
    """
    for name in modules:
        try:
            module = import_module(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):  # it is there, and lacks something
                raise
            continue
        above = [getattr(module, base) for base in bases]
        found = {"__doc__": hooks.__doc__, "__module__": hooks.__module__}
        return type("Recorder", (hooks, *above), found)
    raise InstallationError(
        f"{hooks.__module__} needs {' or '.join(n.partition('.')[0] for n in modules)}, which is "
        "not installed: pip install 'nndyn[integrations]'"
    )
