"""Critical sharpness: the curvature of a loss along the next update, from its values alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from nndyn.recording import CRITICAL
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
#: Largest factor by which the search goes on from a step that lowers the loss.
_LEAP = 64.0
#: Of two steps as far apart the search is to halve the logarithm of their ratio in two tries.
_WIDE = 1.5
#: Share of the tolerance that two estimates in a row may differ by, to be taken for the step.
_AGREE = 0.2
#: Smallest power of the step that a bend is taken for further on; largest logarithm of a factor.
_FLATTEST, _RANGE = 0.2, 30.0
#: Roundings of the loss below which a difference of two says nothing.
_ROUNDINGS = 16.0

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
    By how much the mean slope ``(L(w - s u) - L(w)) / s`` is above that at 0 is proportional to s
    on a quadratic, and taken for a power of s: so the search finds the critical step, first
    forward, then between two steps of which one lowers the loss and the other does not. Of several
    crossings it may miss the first where the loss rises and falls again between two of its steps.

    References
    ----------
    doi:10.48550/arXiv.2601.16979.
    """
    D, double = curvature.size, phase.to(torch.float64)
    moved = D * (1 + rule.buffers)
    weights, statistics = phase[:D], phase[moved:]
    point = curvature.at(weights, statistics, t)
    gradient = point.gradient().to(torch.float64)
    # in double precision: it is the difference of two rows of weights
    after = rule(double[None, :moved], gradient[None], t)[0]
    update, taken = double[:D] - after[:D], 1
    if order.batch_size is not None or random:
        point = curvature.at(weights, statistics, None)
        gradient, taken = point.gradient().to(double), 2
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
            point.loss(),
            slope,
            float(torch.finfo(phase.dtype).eps),
            tolerance=tolerance,
            evaluations=passes - taken,
        )
        taken += trials
    values = (2 / (step * rate), 1 / step) if reason == FOUND else (math.nan, math.nan)
    return dict(zip(CRITICAL, (*values, float(reason), float(taken)), strict=True))


def nothing() -> dict[str, float]:
    """Return what `measure` gives where no update follows."""
    return dict(zip(CRITICAL, (math.nan, math.nan, float(STILL), 0.0), strict=True))


def critical_step(
    loss: Callable[[float], float],
    start: float,
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
        Takes a step above 0, 1 being that of the optimizer.
    start : float
        The loss at 0.
    slope : float
        How fast it falls at 0, a number above 0.
    unit : float
        Relative rounding of the loss.
    tolerance : float, default 0.05
    evaluations : int, default 10
        Of the loss, at most.

    Returns
    -------
    step : float
        NaN unless `FOUND`.
    reason : int
        A flag.
    evaluations : int
        As many as were made.
    """
    if not math.isfinite(start):
        return math.nan, NOT_FINITE, 0
    count = 0
    noise = _ROUNDINGS * unit * abs(start)
    search = _Search(slope, tolerance)
    step = min(max(1.0, 64 * noise / slope), FARTHEST)
    while count < evaluations:
        rise, count = loss(step) - start, count + 1
        search.note(step, rise, noise)
        if search.low >= FARTHEST:
            return math.nan, BEYOND, count
        if search.narrow:
            found = search.root()
            resolved = noise <= tolerance * slope * found
            return (found, FOUND, count) if resolved else (math.nan, UNRESOLVED, count)
        step = search.next()
    return math.nan, UNRESOLVED, count


class _Search:
    """Two steps, of which the shorter lowers the loss, and how the loss bends up to each.

    The bend is the mean slope to a step less the slope at 0: proportional to the step on a
    quadratic, and about a power of it elsewhere. At the critical step it is what the slope was.

    Parameters
    ----------
    slope : float
    tolerance : float
    """

    def __init__(self, slope: float, tolerance: float) -> None:
        self._slope, self._tolerance = slope, tolerance
        self.low, self.high = 0.0, math.inf
        #: The bend by step, where it is above the rounding of the loss.
        self._bends: dict[float, float] = {}
        self._widths: list[float] = []
        self._roots: list[float] = []
        self._tried = 0.0

    @property
    def narrow(self) -> bool:
        """Whether the two are as near as asked for, or what lies between is known so well."""
        if self.high <= self.low * (1 + self._tolerance):
            return True
        last = self._roots[-2:]
        agree = len(last) == 2 and abs(last[1] - last[0]) <= _AGREE * self._tolerance * last[1]
        near = agree and abs(self._tried - last[1]) <= self._tolerance * last[1]
        return near and self.high in self._bends and self.low in self._bends

    def note(self, step: float, rise: float, noise: float) -> None:
        """Note how much the loss at a step is above the start, and the rounding of that."""
        self._tried = step
        bend = rise + self._slope * step
        if math.isfinite(bend) and bend > noise:
            self._bends[step] = bend / step
        if rise <= 0:
            self.low = step
        else:
            self.high = step
        self._widths.append(self.high / self.low if self.low else math.inf)
        if math.isfinite(self.high):
            self._roots.append(self.root())

    def root(self) -> float:
        """Return where the bend is as large as the slope, between the two."""
        found = self.high
        if self.high in self._bends:
            found = self._where(self.high, self._power(self.low, self.high))
        return found if self.low < found < self.high else self._middle()

    def _power(self, one: float, other: float) -> float:
        """Return the power of the step that the bend is between two; 1 where that is not known."""
        f, g = self._bends.get(one, 0.0), self._bends.get(other, 0.0)
        return math.log(g / f) / math.log(other / one) if 0 < f < g else 1.0

    def _where(self, step: float, power: float) -> float:
        """Return where a power law through the bend at a step is as large as the slope."""
        exponent = math.log(self._slope / self._bends[step]) / power
        return step * math.exp(min(max(exponent, -_RANGE), _RANGE))

    def _middle(self) -> float:
        return math.sqrt(self.low * self.high) if self.low else self.high / _LEAP

    def next(self) -> float:
        """Return the next step to try."""
        margin = self._tolerance / 3
        if math.isinf(self.high):
            return self._forward() * (1 + margin)
        widths = self._widths
        if len(widths) > 3 and widths[-1] > _WIDE and widths[-1] > math.sqrt(widths[-3]):
            return self._middle()
        root = self._beyond() or self.root()
        nearer = root * (1 - margin) if root > self.low * (1 + 2 * margin) else root * (1 + margin)
        return nearer if self.low < nearer < self.high else self._middle()

    def _beyond(self) -> float:
        """Return the root that the last two tell of, where both were too long; 0 where not."""
        last = list(self._bends)[-2:]
        if len(last) < 2 or last[1] != self.high or not self.high < last[0] < math.inf:
            return 0.0
        found = self._where(self.high, self._power(self.high, last[0]))
        return found if self.low < found < self.high else 0.0

    def _forward(self) -> float:
        """Return a step beyond the one that lowers the loss: where the bend may be large enough."""
        here, known = self.low, list(self._bends)
        ahead, least = math.inf, 1 + self._tolerance
        if known and known[-1] == here:
            several = len(known) > 1  # the power law has failed once
            power = self._power(known[-2], here) if several else 1.0
            ahead = self._where(here, max(power, _FLATTEST))
            least = 2.0 if several else least
        return min(max(ahead, here * least), here * _LEAP, FARTHEST)
