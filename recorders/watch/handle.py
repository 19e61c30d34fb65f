"""Handle of a training that is watched: it counts steps, and records what is due."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch

from nndyn.checks import whole
from nndyn.errors import NndynError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.runtime.interrupts import shielded
from recorders.watch.file import File
from recorders.watch.steps import Steps
from recorders.watch.weights import Weights, distance, length

Logger = Callable[[dict[str, float], int], Any]


class Watch:
    """A recording under way, of a training loop that is not nndyn's; `nndyn.watch` makes it.

    Leaving it as a context manager, or `remove`, commits what there is, takes the hooks off the
    optimizers and lets go of the model. Left by an exception, the file says that it is not at its
    end, and can be gone on with. Where neither happens, what there is is committed when the
    program ends.
    """

    def __init__(
        self,
        weights: Weights,
        steps: Steps,
        file: File,
        every: int,
        logger: Logger | None,
    ) -> None:
        self._weights, self._steps, self._file = weights, steps, file
        self._every, self._logger = every, logger
        self._over = False  # the weights are no longer finite
        self._before: torch.Tensor | None = None  # weights before the step that is recorded next
        self._start: torch.Tensor | None = None  # for the logger
        self._evaluated: tuple[int, Array] | None = None  # weights off the grid, and their step
        self._ended: dict[str, Any] | None = None
        if file.is_new:
            try:
                here = weights.read(file.row)
                file.begin()
                if logger is not None:
                    logger(self._numbers(here, 0.0), 0)
            except BaseException:
                file.abandon()
                raise
        self._looks = True  # at the weights before the next step: nobody has seen them after one
        steps.follow(self._before_step, self._after_step)
        self._finalizer = weakref.finalize(self, _left, file)

    def __repr__(self) -> str:
        """Return what is recorded and how far it is."""
        return f"<Watch {self.path}, step {self._file.step}>"

    def __enter__(self) -> Self:
        """Return the handle itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the recording; one that an exception ended can be gone on with."""
        self._end(complete=kind is None)

    @property
    def path(self) -> Path:
        """Where the recording is."""
        return self._file.path

    @property
    def step(self) -> int | None:
        """Steps made so far; None where it is resumed and no step was made since."""
        return self._file.step

    @property
    def diverged(self) -> bool:
        """Whether the weights were seen not to be finite, where the recording ends."""
        return self._over

    def log(self, **numbers: Any) -> None:
        """Record numbers beside the weights.

        Call it after the step. ``training_loss``, ``training_accuracy``, ``test_loss`` and
        ``test_accuracy`` are those of the whole sets, with the weights as they are now; the
        training ones are stored as ``loss`` and ``accuracy``. Other names that begin with
        ``training_``, ``test_``, ``val_``, ``validation_`` or ``metric_`` are of the weights too,
        and stored as ``metric_NAME``. Any other, ``loss`` and ``accuracy`` among them, is of the
        batch that the last step was made with, and stored as ``batch_NAME``.

        Parameters
        ----------
        **numbers : float, or tensor with one number
            Of two of one name at one step the later one holds; a name that is not logged every
            time is NaN in between.

        Raises
        ------
        UsageError
            If a name cannot be one, or a value is no number.

        Notes
        -----
        The first time that a name comes up the file is written anew with it: log all names early.
        What is of the batch of a step after the last state recorded is not kept.
        """
        if self._ended is not None or self._over or not self._file.is_mine:
            return
        step = self._located()
        of_the_model = self._file.numbers.note(numbers, step)
        if of_the_model and step % self._every:
            row = np.empty(self._weights.size, self._weights.dtype)
            self._weights.read(row)
            self._evaluated = (step, row)

    def remove(self, *, complete: bool = True) -> None:
        """End the recording: commit what there is, take off the hooks, let go of the model.

        Parameters
        ----------
        complete : bool, default True
            Whether the training is at its end; otherwise the file says that it is not, as where an
            exception leaves the context.
        """
        self._end(complete=complete)

    def state_dict(self) -> dict[str, Any]:
        """Return where the recording is, for your own checkpoint; all up to here is committed.

        Returns
        -------
        dict
            Of plain numbers and texts.

        Raises
        ------
        UsageError
            If it is resumed, and it is not known where.
        """
        if self._ended is not None:
            return self._ended
        self._located()
        if not self._over:
            self._guarded(self._file.flush)
        return self._standing() if self._ended is None else self._ended

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the recording back to a checkpoint of your own, from which the training goes on.

        Load model and optimizer from the same checkpoint, before or after, and before the next
        step. What was recorded beyond is cut, and recorded anew.

        Parameters
        ----------
        state : mapping
            Of `state_dict`.

        Raises
        ------
        UsageError
            If it is of another recording, of a step that this one does not reach, or the recording
            has ended.
        RecordingError
            If the recording is damaged.
        StoreError
            If it cannot be written.
        """
        if self._ended is not None:
            raise UsageError(f"{self.path} has ended; watch it anew with `resume=True`")
        wanted = {"recording_id", "step", "numbers"}
        if not isinstance(state, Mapping) or not wanted <= state.keys():
            raise UsageError(
                f"state has to be a dict of {sorted(wanted)}, as state_dict returns it"
            )
        step = whole("state['step']", state["step"], 0)
        if state["recording_id"] != self._file.identity:
            raise UsageError(
                f"state is of the recording {state['recording_id']}, {self.path} is "
                f"{self._file.identity}; give the path that was recorded to then"
            )
        self._go_back(step, dict(state["numbers"]))

    @shielded()
    def _go_back(self, step: int, numbers: dict[str, Any]) -> None:
        if not self._over:
            self._file.flush()
        state = self._file.go_back(step, numbers)
        self._over, self._before = False, None
        self._evaluated = None if state is None else (step, state)
        self._looks = True

    def _located(self) -> int:
        """Return the steps made; of a resumed training, as its weights say."""
        if self._file.step is None:
            row = np.empty(self._weights.size, self._weights.dtype)
            self._weights.read(row)
            found, last = self._file.find(row), self._file.last
            if found is None:
                raise UsageError(
                    f"{self.path} cannot be gone on with: the weights of the model are no state of "
                    "it; load your checkpoint, with the `state_dict()` of watch in it, before the "
                    "first step, or record to another name"
                )
            self._go_back(found, {})
            if found < last:
                warnings.warn(
                    f"{self.path} goes on from step {found}, whose weights the model has; what was "
                    f"recorded beyond, to step {last}, is recorded anew",
                    stacklevel=4,
                )
            return found
        return self._file.step

    def _before_step(self) -> None:
        if self._looks and self._ended is None and self._file.is_mine:
            step = self._located()
            if self._before is None and (step + 1) % self._every == 0:
                self._before = self._weights.kept(None)

    def _after_step(self) -> None:
        """Count a step, and record what is due."""
        file = self._file
        if file.step is None or self._ended is not None or not file.is_mine:
            return
        self._looks = False
        file.step += 1
        if self._over:
            return
        if file.step % self._every == 0:
            self._due(file.step)
        elif (file.step + 1) % self._every == 0:
            self._guarded(self._keep)
        file.keep_alive()

    def _keep(self) -> None:
        self._before = self._weights.kept(self._before)

    def _due(self, step: int) -> None:
        """Record a step, and tell the logger, whose failures are its own."""
        told: dict[str, float] = {}

        @shielded()
        def act() -> None:
            told.update(self._record(step))

        self._guarded(act)
        if told and self._logger is not None:
            self._logger(told, step)

    def _record(self, step: int) -> dict[str, float]:
        """Record the weights after a step, and return what is told of them."""
        here, before = self._weights.read(self._file.row), self._before
        assert before is not None  # they were looked at before every step that is recorded
        before = before.to(here.device)
        stepped = distance(here, before)
        if not np.isfinite(stepped):
            self._over, self._before = True, None
            self._file.diverge(step)
            return {}
        told = self._numbers(here, stepped) if self._logger is not None else {}
        self._before = before.copy_(here) if self._every == 1 else before
        self._file.add(step, stepped)
        return told

    def _numbers(self, here: torch.Tensor, stepped: float) -> dict[str, float]:
        """Return what a logger is told of a state."""
        if self._start is None or self._start.device != here.device:
            self._start = torch.from_numpy(self._file.first_state.copy()).to(here.device)
        return {
            "weight_norm": length(here),
            "step_length": stepped,
            "distance": distance(here, self._start),
        }

    def _guarded(self, act: Callable[[], None]) -> None:
        """Let a recording that fails not be a training that fails."""
        try:
            act()
        except (NndynError, OSError) as error:
            warnings.warn(
                f"{self.path} is recorded no further, the training goes on: {error}",
                RuntimeWarning,
                stacklevel=5,
            )
            self._file.abandon()
            self._release(self._standing())

    def _standing(self) -> dict[str, Any]:
        return {
            "recording_id": self._file.identity,
            "step": self._file.step or 0,
            "numbers": self._file.numbers.waiting(),
        }

    @shielded()
    def _end(self, *, complete: bool) -> None:
        if self._ended is not None:
            return
        standing = self._standing()
        if self._file.is_mine:
            self._guarded(lambda: self._finish(complete=complete))
        if self._ended is None:
            self._release(standing)

    def _finish(self, *, complete: bool) -> None:
        """Close the file, with the state of the last evaluation if that is off the grid."""
        file = self._file
        if self._evaluated is not None and complete and not self._over:
            at, row = self._evaluated
            steps = at - file.last
            if steps > 0:
                apart = float(np.linalg.norm(row.astype(np.float64) - file.last_state))
                file.row[:] = row
                file.add(at, apart / steps)
        file.end(complete=complete)

    def _release(self, standing: dict[str, Any]) -> None:
        self._ended = standing
        self._finalizer.detach()
        self._steps.let_go()
        self._weights.forget()
        self._before = self._start = self._evaluated = self._logger = None


def _left(file: File) -> None:
    """Commit what there is of a recording that nobody ended."""
    with suppress(NndynError, OSError):
        file.end(complete=False)
