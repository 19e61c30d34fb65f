"""Schedules of the user's own: a function of the step, or a scheduler of torch.

Both become a table. A scheduler is made once, of an optimizer that trains nothing and has the
groups of the training's, and stepped along; its learning rates over those of the training are the
factors.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from nndyn.checks import number
from nndyn.errors import UsageError
from nndyn.systems.training.optimizers.schedules import Schedule, parse
from nndyn.words.text import raised

#: Factors that count in the digest of a schedule.
_COMPARED = 1000
_PLATEAU = (
    "schedule: ReduceLROnPlateau follows a measured loss, which is no function of t; take "
    "nndyn.Loop, whose step calls it"
)
#: What schedulers of torch cycle beside the rate.
_CYCLED = ("momentum", "betas")
_FORMS = "expected a name, a function of t that returns a factor, or a function of an optimizer"
_FORMS += " that returns a scheduler, such as lambda optimizer: StepLR(optimizer, 30)"


@dataclass(frozen=True, eq=False)
class Tabulated(Schedule):
    """Factors, or learning rates, that a source gives one after the other, each computed once.

    Attributes
    ----------
    source : callable
        The user's.
    lr : float
        The learning rate that the factors are of.
    draw : callable
        Returns an iterator from t = 0 on over tuples, of a factor or of the learning rate of every
        group, which raises UsageError where it ends.
    of_rates : bool
        Whether they are learning rates.
    alike : bool
        Whether all groups have the same factor.
    """

    source: Any = None
    lr: float = 1.0
    draw: Callable[[], Iterator[tuple[float, ...]]] = field(default=lambda: iter(()))
    of_rates: bool = False
    alike: bool = True
    _known: list[tuple[float, ...]] = field(default_factory=list)
    _left: list[Iterator[tuple[float, ...]]] = field(default_factory=list)

    def __call__(self, t: int) -> float:
        """Return the factor at `t`; NaN beyond the end of the source."""
        try:
            self.check(t + 1)
        except UsageError:
            return math.nan
        return self._known[t][0] / self.lr if self.of_rates else self._known[t][0]

    def rates(self, t: int, lrs: Sequence[float]) -> list[float]:
        """Return the learning rates of groups at `t`; see `Schedule.rates`."""
        if not self.of_rates:
            return super().rates(t, lrs)
        self.check(t + 1)
        return list(self._known[t])

    def is_common(self, lrs: Sequence[float]) -> bool:
        """Whether the first factors of groups with the learning rates `lrs` are the same."""
        if not self.of_rates or len(lrs) == 1:
            return True
        with suppress(UsageError):  # at its end
            for t in range(_COMPARED):
                if not _alike(self.rates(t, lrs), lrs):
                    return False
        return True

    def check(self, stop: int) -> None:
        """Check that there is a factor for all steps before the time `stop`.

        Raises
        ------
        UsageError
            If there is none, or it is no number from 0 on.
        """
        if not self._left:
            self._left.append(self.draw())
        while len(self._known) < stop:
            try:
                self._known.append(next(self._left[0]))
            except BaseException:
                self._known.clear()  # an iterator that raised is at its end: it is drawn anew
                self._left.clear()
                raise

    def __eq__(self, other: object) -> bool:
        """Whether it is the same source with the same learning rate."""
        if not isinstance(other, Tabulated):
            return NotImplemented
        return self.source is other.source and self.lr == other.lr

    def __hash__(self) -> int:
        """Return a number that is equal for equal schedules."""
        return hash((id(self.source), self.lr))

    def __str__(self) -> str:
        """Return the name of the source, with a digest of its first factors."""
        found: list[str] = []
        try:
            for t in range(_COMPARED):
                self.check(t + 1)
                others = () if self.alike else self._known[t][1:]
                found += [f"{value:.12g}" for value in (self(t), *others)]
        except UsageError:
            found.append("end")
        whole = hashlib.sha256(" ".join(found).encode()).hexdigest()
        return f"{_name(self.source)} (sha256 {whole[:16]})"


def chosen(
    schedule: Any,
    lr: float,
    groups: Sequence[Mapping[str, Any]] = (),
    *,
    alike: bool = True,
) -> Schedule:
    """Return the schedule that is meant.

    Parameters
    ----------
    schedule : str, callable, or tuple (class, dict)
        A spec, see `parse`; a function of t that returns a factor on `lr`, as ``LambdaLR`` takes
        it; a function of an optimizer that returns a scheduler of torch; or the class of one and
        its arguments.
    lr : float
        Learning rate of the training.
    groups : sequence of mapping
        Hyperparameters of the groups that a scheduler finds; one with `lr` unless given.
    alike : bool
        Whether all groups must have the same factor.

    Returns
    -------
    Schedule

    Raises
    ------
    UsageError
        If it is none of these, raises, gives no number from 0 on, changes the momentum, or is the
        scheduler of another optimizer or one that follows a measured loss; if groups have factors
        of their own that must be `alike`.
    UnknownNameError
        If a term of a spec is not known.
    """
    if isinstance(schedule, str | Schedule):
        return parse(schedule)
    if isinstance(schedule, LRScheduler | ReduceLROnPlateau):
        if isinstance(schedule, ReduceLROnPlateau):
            raise UsageError(_PLATEAU)
        kind = type(schedule).__name__
        raise UsageError(
            f"schedule is a {kind} of an optimizer of yours; give what makes one of an optimizer: "
            f"lambda optimizer: {kind}(optimizer, …)"
        )
    source = schedule
    if isinstance(source, tuple | list) and len(source) == 2 and isinstance(source[0], type):
        kind, arguments = source
        if not isinstance(arguments, dict):
            raise UsageError(
                f"schedule is ({kind.__name__}, {arguments!r}), expected the arguments as a dict"
            )
        source = partial(kind, **arguments)
    if not callable(source):
        raise UsageError(f"schedule is {schedule!r}, {_FORMS}")
    lr = number("lr", lr, above=0)
    own = groups or ({"lr": lr},)
    of_rates = not _is_function(source, own)
    draw = partial(_of_function, source)
    if of_rates:
        draw = partial(_of_scheduler, source, own, alike=alike)
    found = Tabulated(source=source, lr=lr, draw=draw, of_rates=of_rates, alike=alike)
    found.check(1)
    return found


def _is_function(source: Callable[..., Any], groups: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether it is a function of t, else one of an optimizer."""
    made = source.func if isinstance(source, partial) else source
    if isinstance(made, type) and issubclass(made, LRScheduler | ReduceLROnPlateau):
        return False
    try:
        source(0)
    except Exception as first:  # of the user's function, or of torch, which wants an optimizer
        try:
            source(_optimizer(groups))
        except Exception as error:
            raise UsageError(
                f"schedule {_name(source)} raises {raised(first)} for t = 0, and {raised(error)} "
                f"for an optimizer; {_FORMS}"
            ) from error
        return False
    return True


def _of_function(source: Callable[[int], Any]) -> Iterator[tuple[float, ...]]:
    """Yield the factors of a function of t."""
    t = 0
    while True:
        try:
            found = source(t)
        except Exception as error:
            raise UsageError(
                f"schedule {_name(source)} raises {raised(error)} for t = {t}"
            ) from error
        yield (number(f"schedule {_name(source)} at t = {t}", found, least=0),)
        t += 1


def _of_scheduler(
    source: Callable[[Any], Any], groups: Sequence[Mapping[str, Any]], *, alike: bool
) -> Iterator[tuple[float, ...]]:
    """Yield the learning rates of a scheduler, one a group."""
    optimizer, name = _optimizer(groups), _name(source)
    lrs = [group["lr"] for group in optimizer.param_groups]
    others = [
        {key: value for key, value in group.items() if key not in ("params", "lr")}
        for group in optimizer.param_groups
    ]
    try:
        scheduler = source(optimizer)
    except Exception as error:
        raise UsageError(f"schedule {name} raises {raised(error)} for an optimizer") from error
    if isinstance(scheduler, ReduceLROnPlateau):
        raise UsageError(_PLATEAU)
    if not isinstance(scheduler, LRScheduler):
        raise UsageError(f"schedule {name} returns {_kind(scheduler)}; {_FORMS}")
    if getattr(scheduler, "optimizer", optimizer) is not optimizer:
        raise UsageError(
            f"schedule {name} returns a {type(scheduler).__name__} of another optimizer; make it "
            "of the one that it is given"
        )
    t = 0
    while True:
        for group, before in zip(optimizer.param_groups, others, strict=True):
            changed = [key for key, value in before.items() if group[key] != value]
            if changed:
                cure = "give cycle_momentum=False, or " if changed[0] in _CYCLED else ""
                raise UsageError(
                    f"schedule {name} changes the {changed[0]} as well, to {group[changed[0]]} "
                    f"at t = {t}, and here that is constant; {cure}take nndyn.Loop"
                )
        what = f"schedule {name}: the learning rate at t = {t}"
        rates = tuple(number(what, group["lr"], least=0) for group in optimizer.param_groups)
        if alike and not _alike(rates, lrs):
            raise UsageError(
                f"schedule {name} gives groups factors of their own at t = {t}, and here all have "
                "the same; take nndyn.Loop"
            )
        yield rates
        try:
            optimizer.step()  # nothing has a gradient; without, torch warns of the order of steps
            scheduler.step()
        except Exception as error:
            raise UsageError(
                f"schedule {name} ends after {t + 1} steps: {raised(error)}; give it as many steps "
                "as are recorded"
            ) from error
        t += 1


def _alike(rates: Sequence[float], lrs: Sequence[float]) -> bool:
    """Whether learning rates are the same multiples of those before, to rounding."""
    pairs = zip(rates, lrs, strict=True)
    return all(math.isclose(rate * lrs[0], rates[0] * lr, rel_tol=1e-12) for rate, lr in pairs)


def _optimizer(groups: Sequence[Mapping[str, Any]]) -> torch.optim.Optimizer:
    """Return an optimizer with such groups that trains nothing."""
    own = copy.deepcopy(list(groups))  # a scheduler sets a rate that is a tensor in its place
    made = [{**group, "params": [torch.nn.Parameter(torch.zeros(()))]} for group in own]
    return torch.optim.SGD(made, lr=1.0, momentum=0.9)


def _name(source: Any) -> str:
    if isinstance(source, partial):
        return _name(source.func)
    return str(getattr(source, "__qualname__", type(source).__qualname__))


def _kind(value: Any) -> str:
    return f"an object of type {type(value).__name__}"
