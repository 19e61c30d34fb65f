"""Critical sharpness: the curvature of a loss along the next update, from its values alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from nndyn.systems.training.data.order import Order
from nndyn.systems.training.optimizers.base import Optimizer
from nndyn.systems.training.protocol import Curvature

Tensor = torch.Tensor
#: Passes forward that a look takes at most, those of gradients included.
PASSES = 10
#: Relative width of the interval in which the critical step lies in the end.
TOLERANCE = 0.05
#: Steps, of those the optimizer takes, up to which the critical one is looked for.
FARTHEST = 1e6
#: Largest factor by which the search goes on from a step that lowers the loss: where the bend of
#: the loss is seen above its rounding, and where it is not.
_LEAP, _BLIND = 1024.0, 16.0
#: Tries in which the search is to halve, on a scale of logarithms, what it has left.
_PATIENCE = 5
#: Factor between the places at which a parabola is looked at.
_STRIDE = 1.02
#: Halvings in which the place where a parabola is 0 is found.
_HALVINGS = 60
#: Roundings of the loss below which a difference of two says nothing.
_ROUNDINGS = 16.0

NAMES = ("critical_sharpness", "critical_ratio", "critical_reason", "critical_passes")
#: Why there is no number, in the order of their flags: 0 means that there is one.
FOUND, ASCENDS, BEYOND, STILL, UNRESOLVED, NOT_FINITE = range(6)


def measure(
    curvature: Curvature,
    rule: Optimizer,
    order: Order,
    phase: Tensor,
    t: int,
    *,
    random: bool = False,
    tolerance: float = TOLERANCE,
    passes: int = PASSES,
) -> dict[str, float]:
    """Return the critical sharpness of the loss over the whole training set.

    Parameters
    ----------
    curvature : Curvature
    rule : Optimizer
    order : Order
    phase : (P,)
        At time `t`.
    t : int
    random : bool, default False
        Whether a step draws random numbers.
    tolerance : float, default 0.05
        Relative width of the interval that the critical step is found in.
    passes : int, default 10
        Passes forward at most.

    Returns
    -------
    dict of str to float
        ``critical_sharpness``, 2 over the smallest s > 0 with ``L(w - s u) > L(w)``; u is the
        update that the optimizer makes from `t`, over its learning rate. On a quadratic loss with
        gradient g and Hessian H it is ``uᵀ H u / (g · u)``. ``critical_ratio``, the learning rate
        over that s: above 1 the update raises the loss. ``critical_reason``, why both are NaN: of
        the flags `FOUND` … `NOT_FINITE`. ``critical_passes``, how often the network was computed.

    Notes
    -----
    L is the loss that `nndyn.systems.training.second_order.sharpness.measure` takes the Hessian of.
    The mean slope ``(L(w - s u) - L(w)) / s`` is linear in s on a quadratic: by its secant the
    search finds the critical step, first forward, and then between two
    steps of which one lowers the loss and the other does not. Of several crossings it may miss
    the first where the loss rises and falls again between two of its steps.

    References
    ----------
    doi:10.48550/arXiv.2601.16979.
    """
    D, double = curvature.size, phase.to(torch.float64)
    moved = D * (1 + rule.buffers)
    weights, statistics = phase[:D], phase[moved:]
    gradient = curvature.at(weights, statistics, t).gradient().to(torch.float64)
    # in double precision: it is the difference of two rows of weights
    after = rule(double[None, :moved], gradient[None], t)[0]
    update, taken = double[:D] - after[:D], 1
    if order.batch_size is not None or random:
        gradient, taken = curvature.at(weights, statistics, None).gradient().to(double), 2
    slope, rate = float(gradient @ update), rule.rate(t)
    step, reason = math.nan, ASCENDS
    if not (bool(torch.isfinite(update).all()) and math.isfinite(slope)):
        reason = NOT_FINITE
    elif rate == 0 or not bool(update.any()):
        reason = STILL
    elif slope > 0:

        def loss(s: float) -> float:
            return curvature.loss((double[:D] - s * update).to(phase), statistics, None)

        step, reason, trials = critical_step(
            loss,
            slope,
            float(torch.finfo(phase.dtype).eps),
            tolerance=tolerance,
            evaluations=passes - taken,
        )
        taken += trials
    values = (2 / (step * rate), 1 / step) if reason == FOUND else (math.nan, math.nan)
    return dict(zip(NAMES, (*values, float(reason), float(taken)), strict=True))


def nothing() -> dict[str, float]:
    """Return what `measure` gives where no update follows."""
    return dict(zip(NAMES, (math.nan, math.nan, float(STILL), 0.0), strict=True))


def critical_step(
    loss: Callable[[float], float],
    slope: float,
    unit: float,
    *,
    tolerance: float = TOLERANCE,
    evaluations: int = PASSES,
) -> tuple[float, int, int]:
    """Return the smallest step at which a loss is above that of the start.

    Parameters
    ----------
    loss : callable
        Takes a step from 0 on, 1 being that of the optimizer.
    slope : float
        How fast it falls at 0, a number above 0.
    unit : float
        Relative rounding of the loss.
    tolerance : float, default 0.05
    evaluations : int, default 10
        Of the loss, at most, that at 0 included.

    Returns
    -------
    step : float
        NaN unless `FOUND`.
    reason : int
        A flag.
    evaluations : int
        As many as were made.
    """
    start, count = loss(0.0), 1
    if not math.isfinite(start):
        return math.nan, NOT_FINITE, count
    noise = _ROUNDINGS * unit * abs(start)
    search = _Search(slope, tolerance)
    step = min(max(1.0, 64 * noise / slope), FARTHEST)
    while count < evaluations:
        rise, count = loss(step) - start, count + 1
        search.note(step, rise, seen=rise + slope * step > noise)
        if search.low >= FARTHEST:
            return math.nan, BEYOND, count
        if search.narrow:
            found = search.root()
            resolved = noise <= tolerance * slope * found
            return (found, FOUND, count) if resolved else (math.nan, UNRESOLVED, count)
        step = search.next()
    return math.nan, UNRESOLVED, count


class _Search:
    """Two steps, of which the shorter lowers the loss, and the mean slope to each.

    Parameters
    ----------
    slope : float
    tolerance : float
    """

    def __init__(self, slope: float, tolerance: float) -> None:
        self._tolerance = tolerance
        self.low, self.high = 0.0, math.inf
        #: The mean slope by step, the latest last.
        self._known = {0.0: -slope}
        self._widths: list[float] = []
        self._seen = False

    @property
    def narrow(self) -> bool:
        """Whether the two are as near as asked for."""
        return self.high <= self.low * (1 + self._tolerance)

    def note(self, step: float, rise: float, *, seen: bool) -> None:
        """Note how much the loss at a step is above the start, and whether it is seen to bend."""
        self._seen = seen
        if math.isfinite(rise):
            self._known[step] = rise / step
        if rise <= 0:
            self.low = step
        else:
            self.high = step
        self._widths.append(self.high / self.low if self.low else math.inf)

    def root(self) -> float:
        """Return where the mean slope crosses 0 between the two, by a parabola through three."""
        low, high = self.low, self.high
        if high not in self._known:
            return self._middle()
        parabola = self._parabola(low, high)
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            if parabola(middle) > 0:
                high = middle
            else:
                low = middle
        return 0.5 * (low + high)

    def _parabola(self, one: float, other: float) -> Callable[[float], float]:
        """Return the parabola through the mean slopes of two steps and of the one nearest to them.

        A line, where there is no third.
        """
        known = self._known
        first = (known[other] - known[one]) / (other - one)
        second = 0.0
        others = [step for step in known if step not in (one, other)]
        if others:
            third = min(others, key=lambda step: min(abs(step - one), abs(step - other)))
            further = (known[third] - known[other]) / (third - other)
            second = (further - first) / (third - one)
        return lambda s: known[one] + (s - one) * (first + second * (s - other))

    def _middle(self) -> float:
        return math.sqrt(self.low * self.high) if self.low else self.high / _BLIND

    def next(self) -> float:
        """Return the next step to try."""
        margin = self._tolerance / 3
        if math.isinf(self.high):
            return self._forward(margin)
        slow = len(self._widths) > _PATIENCE and self._widths[-1] > math.sqrt(
            self._widths[-_PATIENCE]
        )
        if slow or self.high not in self._known:
            return self._middle()
        root = self.root()
        nearer = root * (1 - margin) if root > self.low * (1 + 2 * margin) else root * (1 + margin)
        return nearer if self.low < nearer < self.high else self._middle()

    def _forward(self, margin: float) -> float:
        """Return a step beyond those that lower the loss: where the mean slope may be 0."""
        before, here = list(self._known)[-2:]
        bend = (self._known[here] - self._known[before]) / (here - before)
        if before == 0:
            ahead = math.inf if bend <= 0 else -self._known[0.0] / bend * (1 + margin)
            ahead = min(ahead, here * (_LEAP if self._seen else _BLIND))
        else:
            parabola = self._parabola(before, here)
            ahead = here * (1 + self._tolerance)
            while parabola(ahead) <= 0 and ahead < 2 * here:
                ahead *= _STRIDE
        return min(max(ahead, here * (1 + self._tolerance)), FARTHEST)
