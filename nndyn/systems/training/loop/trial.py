"""The trial of a loop at set-up: what its state is, what its steps say, what it cannot do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nndyn.errors import NndynError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.training.loop import reach
from nndyn.systems.training.loop.description import FIRST, describe
from nndyn.systems.training.loop.evaluation import Evaluation
from nndyn.systems.training.loop.holders import UnfitError, holder
from nndyn.systems.training.loop.rest import decode, encode, equal
from nndyn.systems.training.loop.seat import Seat, State
from nndyn.systems.training.loop.steps import Steps

Tensor = torch.Tensor
#: Gradients after the first and after the second step, by parameter.
Left = tuple[dict[str, Tensor], dict[str, Tensor]]

#: Steps that are tried at most where an optimizer makes no step in the first two.
_MOST_STEPS = 64


@dataclass
class Trial:
    """What the trial found.

    Attributes
    ----------
    begin : State
        The objects at time 0.
    phase : (P,) array
        The same without its rest.
    longest : list
        The longest rest seen.
    description : dict
    work, evaluation_work : float
        Rough floating-point operations of a step, and of an evaluation.
    not_resumable : str
        Why a recording cannot be gone on with, empty where it can.
    computed : torch.dtype or None
        To which autocast rounds weights.
    """

    begin: State
    phase: Array
    longest: list[Any]
    description: dict[str, Any]
    work: float
    evaluation_work: float
    not_resumable: str
    computed: torch.dtype | None


def checked(
    model: Any, stateful: Any, step: Callable[..., Any]
) -> tuple[dict[str, nn.Module], dict[str, Any]]:
    """Check models and other objects with state, and that a step uses no others.

    Returns
    -------
    models : dict of str to torch.nn.Module
        The only one that is given without a name has none.
    stateful : dict of str to object

    Raises
    ------
    UsageError
    """
    models = dict(model) if isinstance(model, Mapping) else {"": model}
    if not models or not all(isinstance(m, nn.Module) for m in models.values()):
        raise UsageError(f"model is {model!r}, expected a torch module, or a dict of them by name")
    if stateful is not None and not isinstance(stateful, Mapping):
        raise UsageError(
            f"stateful is {type(stateful).__name__}, expected a dict such as "
            "{'optimizer': optimizer}"
        )
    if any(nn.parameter.is_lazy(p) for m in models.values() for p in m.parameters()):
        raise UsageError(
            "model has parameters without a shape as yet; give its lazy modules a sample first"
        )
    objects = dict(stateful or {})
    for name, one in objects.items():
        holder(str(name), one, {})
    names = [*models, *objects]
    for name in names:
        if not isinstance(name, str) or "/" in name:
            raise UsageError(f"{name!r} is no name: give text without a slash")
    if both := models.keys() & objects.keys():
        raise UsageError(f"{min(both)!r} is in both `model` and `stateful`")
    reach.check_listed(step, [*models.values(), *objects.values()])
    return models, objects


def run(
    seat: Seat,
    steps: Steps,
    evaluation: Evaluation,
    models: Mapping[str, nn.Module],
    stateful: Mapping[str, Any],
) -> Trial:
    """Take two steps and evaluate once, and put the objects back as they were.

    Returns
    -------
    Trial

    Raises
    ------
    UsageError
        If a step or the evaluation fails, or leaves a state that cannot be recorded.
    """
    if not seat.weights:
        raise UsageError("model has no parameter that requires a gradient: nothing is trained")
    listed = [*models.values(), *stateful.values()]
    constant = [m for _, m in reach.check_listed(steps.function, listed)]
    buffers = [buffer.clone() for buffer in _buffers(constant)]
    not_resumable = _drawn_twice(steps)
    try:
        with seat.lent(grow=True):
            begin, given = seat.kept(), _gradients(seat)
            with _counted(stateful) as counts, _autocast() as computed:
                said, states, left = _two_steps(seat, steps)
                if _gradients_outlive(seat, steps, states, left):
                    seat.put(begin)
                    _give(seat, given)
                    seat.gradients.carried = True
                    begin = seat.kept(grow=True)
                    said, states, left = _two_steps(seat, steps)
                seat.put(states[1])
                states += _until_all_have_stepped(seat, steps, counts)
            seat.put(states[1])
            evaluation.names = tuple(_evaluated(seat, evaluation, states[1]))
            seat.put(begin)
            work = _work(seat, lambda: steps.take(0), 6)
            seat.put(begin)
            evaluation_work = _work(seat, evaluation, 2) if evaluation.names else 0.0
            seat.put(begin)
            rebinds = _can_rebind(seat, steps, begin, states)
            if not rebinds:
                _check_settled(seat, steps, begin, states)
        seat.rebinds = rebinds
    except UnfitError as error:
        raise UsageError(f"the state of the loop cannot be recorded: {error}") from None
    steps.names = tuple(said[0])
    if said[0].keys() != said[1].keys():
        odd = min(said[0].keys() ^ said[1].keys()).removeprefix("batch_")
        raise UsageError(f"step does not always return {odd!r}; return the same numbers every time")
    if any(not torch.equal(a, b) for a, b in zip(buffers, _buffers(constant), strict=True)):
        raise UsageError(
            "the step uses a module whose buffers it changes and that is not listed; add it to "
            "`model` or `stateful`"
        )
    rests = [begin.rest, *(state.rest for state in states)]
    for rest in rests:
        for name, tree in seat.names(rest).items():
            if not equal(decode(encode(tree, name)), tree):
                raise UsageError(f"the state of {name!r} is not the same after it was written")
    row = torch.zeros(seat.size, dtype=seat.dtype)
    seat.store(begin, row)
    phase = row.numpy()
    return Trial(
        begin=begin,
        phase=phase,
        longest=max(rests, key=lambda rest: len(encode(rest))),
        description=describe(seat, steps, models, stateful, phase, begin.rest),
        work=work,
        evaluation_work=evaluation_work,
        not_resumable=not_resumable,
        computed=max(computed, key=lambda dtype: torch.finfo(dtype).eps, default=None),
    )


@contextmanager
def _autocast() -> Iterator[set[torch.dtype]]:
    """Note to which dtypes autocast rounds the weights of modules that are called."""
    found: set[torch.dtype] = set()

    def note(module: nn.Module, arguments: Any) -> None:
        kinds = {p.device.type for p in module.parameters(recurse=False)}
        found.update(torch.get_autocast_dtype(k) for k in kinds if torch.is_autocast_enabled(k))

    handle = nn.modules.module.register_module_forward_pre_hook(note)
    try:
        yield found
    finally:
        handle.remove()


def _two_steps(seat: Seat, steps: Steps) -> tuple[list[dict[str, float]], list[State], Left]:
    """Take the first two steps; return what they say, where they lead, and what gradients."""
    said = [_taken(steps, 0)]
    states, first = [seat.kept(grow=True)], _gradients(seat)
    said.append(_taken(steps, 1))
    states.append(seat.kept(grow=True))
    return said, states, (first, _gradients(seat))


@contextmanager
def _counted(stateful: Mapping[str, Any]) -> Iterator[dict[str, int]]:
    """Count the steps that optimizers take, by name."""
    counts: dict[str, int] = {}

    def counting(name: str) -> Callable[..., None]:
        def count(*arguments: Any) -> None:
            counts[name] += 1

        return count

    handles = []
    for name, one in stateful.items():
        if isinstance(one, torch.optim.Optimizer):
            counts[name] = 0
            handles.append(one.register_step_post_hook(counting(name)))
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()


def _until_all_have_stepped(seat: Seat, steps: Steps, counts: Mapping[str, int]) -> list[State]:
    """Go on from the third step until every optimizer has made its state, and return where."""
    t = 2
    while not all(counts.values()) and t < _MOST_STEPS:
        _taken(steps, t)
        t += 1
    return [] if t == 2 else [seat.kept(grow=True)]


def _can_rebind(seat: Seat, steps: Steps, begin: State, states: Sequence[State]) -> bool:
    """Whether the first two steps are the same on tensors that are not the objects' own.

    And do not reach these, as a step does that holds on to the data of a parameter.

    Returns
    -------
    bool
    """
    row, good = begin.copy(), True
    seat.rebinds = True
    try:
        with seat.lent():
            for t in (0, 1):
                seat.take(row)
                steps.take(t)
                seat.leave(row)
                good = good and row.equals(states[t])
        return good and seat.kept().equals(begin)
    except Exception:
        return False
    finally:
        seat.rebinds = False


def _check_settled(seat: Seat, steps: Steps, begin: State, states: Sequence[State]) -> None:
    """Check that the first step was not another one than it is from then on.

    One that differs every time is for the control to find; one that is the same the second and the
    third time has set something up for good, and no row would find it as the first one did.

    Raises
    ------
    UsageError
    """
    again = []
    for _ in range(2):
        seat.put(begin)
        _taken(steps, 0)
        again.append(seat.kept())
    if again[0].equals(again[1]) and not again[0].equals(states[0]):
        raise UsageError(
            "the first step is another one when it is taken again: something in it is set up by "
            f"the first call, as {seat.difference(states[0], again[0])} shows; take a step before "
            "you make the loop, or keep in `model` or `stateful` what is set up"
        )


def _give(seat: Seat, gradients: Mapping[str, Tensor]) -> None:
    for name, parameter in seat.weights.items():
        parameter.grad = gradients.get(name)


def _taken(steps: Steps, t: int) -> dict[str, float]:
    try:
        return steps.take(t)
    except NndynError:
        raise
    except Exception as error:
        raise UsageError(f"step failed at time {t}: {type(error).__name__}: {error}") from error


def _gradients_outlive(seat: Seat, steps: Steps, states: Sequence[State], left: Left) -> bool:
    """Whether the second step depends on the gradients that the first one left.

    It is taken again from where it began, with those gradients and with NaN in their place.

    Returns
    -------
    bool
    """
    first, second = left
    if not first:
        return False

    def again(value: float | None) -> bool:
        seat.put(states[0])
        for name, gradient in first.items():
            # a sparse gradient cannot be filled
            filled = gradient.clone() if value is None else gradient * value
            seat.weights[name].grad = filled
        try:
            _taken(steps, 1)
        except UsageError:  # of a step that looks at them
            return False
        return seat.kept().equals(states[1]) and _same(_gradients(seat), second)

    return not again(float("nan")) and again(None)


def _gradients(seat: Seat) -> dict[str, Tensor]:
    there = {name: p.grad for name, p in seat.weights.items()}
    return {name: grad.detach().clone() for name, grad in there.items() if grad is not None}


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        equal(one[name].to_dense(), other[name].to_dense()) for name in one
    )


def _evaluated(seat: Seat, evaluation: Evaluation, before: State) -> list[str]:
    """Evaluate once, and check that nothing is changed by it."""
    names = list(evaluation())
    after = seat.kept()
    if changed := seat.difference(before, after):
        raise UsageError(f"evaluate changes {changed}; it must leave the state as it is")
    return names


def _drawn_twice(steps: Steps) -> str:
    """Return why the batches cannot be drawn again, empty where they can."""
    if steps.batches is None:
        return ""
    one, other = (steps.batches.first(FIRST) for _ in range(2))
    if one == other:
        return ""
    return (
        "its batches come out otherwise each time they are drawn; let them depend on torch's, "
        "numpy's or Python's random numbers alone, or on a generator of the loader"
    )


def _buffers(modules: Sequence[nn.Module]) -> list[Tensor]:
    return [buffer for module in modules for buffer in module.buffers()]


def _work(seat: Seat, call: Callable[[], Any], least: int) -> float:
    """Return the floating-point operations of a call as torch counts them, or `least` a weight."""
    # where nothing is counted every weight is used once, forward or backward too
    fewest = float(least * sum(p.size for p in seat.parameters))
    try:
        with FlopCounterMode(display=False) as counter:
            call()
    except Exception:  # of the counter, as in steps that take gradients of gradients
        return fewest
    return max(fewest, float(counter.get_total_flops()))
