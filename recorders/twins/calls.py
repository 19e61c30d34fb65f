"""The calls of a training function that an ensemble takes, one after the other."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from torch import nn

from nndyn.errors import UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.training.torch_state.streams import Streams, put_back
from recorders.twins import causes
from recorders.twins.comparing import check_steps, difference
from recorders.twins.parts import CONTROL, REFERENCE, Made, Parts
from recorders.twins.request import Asked, copied, perturbed
from recorders.twins.run import Recorded

#: Steps of the reference that are made again before others go on with its ensemble.
_PROVEN = 10


class Calls:
    """The calls of a training function, each recorded."""

    def __init__(self, asked: Asked, parts: Parts, random: Streams) -> None:
        self._asked, self._parts, self._random = asked, parts, random
        self._before = causes.values(asked.train, asked.model)

    def make(self, *, going_on: bool) -> None:
        """Make the runs that are missing, and check those that ought to be equal.

        Parameters
        ----------
        going_on : bool
            Whether runs were made by an earlier call.

        Raises
        ------
        UsageError
            If they are not equal, or `train` cannot be followed.
        BaseException
            What `train` raises, Ctrl-C too; runs that are finished stay.
        """
        runs = {CONTROL: 0, REFERENCE: 0}
        runs |= {run: r for r, run in enumerate(self._asked.copies, start=1)}
        proven = not going_on
        for run, r in runs.items():
            if r == 1:
                self._check_control()
            if self._parts.made(run) is not None:
                continue
            if r and not proven:
                self._prove()
            proven = proven or bool(r) or run == REFERENCE  # which the control is compared with
            try:
                self._make(run, r)
            except BaseException as error:
                self._tell(error)
                raise

    def _make(self, run: str, r: int) -> None:
        """Make a run, and note that it is finished."""
        asked, reference = self._asked, self._parts.made(REFERENCE)
        self._parts.discard(run)
        made = self._called(
            r,
            self._parts.file(run),
            asked.steps if not r or reference is None else reference.steps,
            self._parts.first_state(REFERENCE) if r else None,
        )
        if r and reference is not None:
            check_steps(run, made, reference)
        self._parts.finish(run, made)

    def _called(self, r: int, file: Path, most: int | None, start: Array | None = None) -> Made:
        """Call the training function for a replica, and return what is known of that."""
        asked = self._asked
        model = perturbed(copied(asked.model), asked, r)
        call = Recorded(
            model,
            asked.model,
            asked.boundary,
            most,
            path=file,
            every=asked.every,
            reference=start,
        )
        put_back(self._random)
        call.call(asked.train)
        optimizers, left = call.optimizers, weakref.ref(model)
        made = Made(call.steps, call.work, optimizers.names, optimizers.groups)
        del call, model
        if left() is not None:  # a trainer and its model hold each other: let go before the next
            gc.collect()
        return made

    def _check_control(self) -> None:
        """Check that the control is the reference, and say why it may not be."""
        control, reference = (self._parts.file(run) for run in (CONTROL, REFERENCE))
        found = difference(reference, control)
        if found is None:
            first, other = self._parts.made(REFERENCE), self._parts.made(CONTROL)
            if first is not None and other is not None:
                check_steps(CONTROL, other, first)
            return
        asked = self._asked
        of = asked.train, self._fresh, asked.model, asked.boundary
        why = causes.found(*of, found.step, self._before)
        self._parts.remove()
        raise UsageError(
            "train does not do the same when it is called again: the control departs from the "
            f"reference {found}; {why}"
        )

    def _fresh(self) -> nn.Module:
        model = copied(self._asked.model)
        put_back(self._random)
        return model

    def _prove(self) -> None:
        """Make the first steps of the reference again, before others are compared with it."""
        asked, file = self._asked, self._parts.file("proof")
        reference = self._parts.made(REFERENCE)
        assert reference is not None
        most = min(-(-_PROVEN // asked.every) * asked.every, reference.steps)
        self._parts.discard("proof")
        try:
            self._called(0, file, most)
            found = difference(self._parts.file(REFERENCE), file)
        finally:
            self._parts.discard("proof")
        if found is not None:
            raise UsageError(
                f"the runs in {self._parts.folder} cannot be gone on with: train departs from the "
                f"reference there {found}; what it does has changed, its data, the versions of "
                "libraries or the machine; begin anew with `overwrite=True`"
            )

    def _tell(self, error: BaseException) -> None:
        """Say with an error which runs there are to go on with."""
        if self._parts.has_runs:
            error.add_note(
                f"nndyn.twins: finished runs are kept in {self._parts.folder}; `resume=True` makes "
                "those that are missing"
            )
