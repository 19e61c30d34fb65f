"""Evaluations of many rows of one perceptron, whatever computes their outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from nndyn.numerics.arrays import Array
from nndyn.systems.training.perceptron.inputs import Inputs
from nndyn.systems.training.perceptron.kernels.outputs import compare
from nndyn.systems.training.perceptron.losses import Loss


class Evaluations(ABC):
    """What evaluates M runs of R rows; see `Engine`.

    Parameters
    ----------
    loss : Loss
    training : Inputs
    test : Inputs or None
    runs, replicas : int
        M and R.
    """

    def __init__(
        self, loss: Loss, training: Inputs, test: Inputs | None, *, runs: int, replicas: int
    ) -> None:
        self.loss = loss
        self.runs, self.replicas = runs, replicas
        self._training = training.pieces
        self._tested = [] if test is None else test.pieces

    @abstractmethod
    def outputs(self, piece: Inputs, replicas: int) -> tuple[Sequence[Array], Array | None]:
        """Return outputs ``(replicas, outputs, columns)`` of the first `replicas` of every run.

        And those of all runs ``(M·replicas, outputs, columns)``, where there are no gaps between.
        They may be overwritten.
        """

    def evaluate(self, *, correct: bool = False) -> tuple[Array, Array | None]:
        """Return loss and correct samples over the training set."""
        loss, right, *_ = self._over(self._training, self.replicas, distance=False, correct=correct)
        return loss.ravel(), None if right is None else right.ravel()

    def test(
        self, replicas: int, *, correct: bool = False
    ) -> tuple[Array, Array | None, Array, Array | None]:
        """Return what the test set says of the first `replicas` rows; see `Engine.test`."""
        return self._over(self._tested, replicas, distance=True, correct=correct)

    def _over(
        self, pieces: list[Inputs], replicas: int, *, distance: bool, correct: bool
    ) -> tuple[Array, Array | None, Array, Array | None]:
        count = sum(piece.targets.count for piece in pieces)
        found = np.zeros((4, self.runs, replicas))
        loss, right, squares, other = found
        for piece in pieces:
            n = piece.targets.count
            outputs, together = self.outputs(piece, replicas)
            for m, of_run in enumerate(outputs if distance else ()):
                compare(of_run, n, correct, squares[m], other[m])
            one, hits = losses(
                self.loss, outputs, together, [piece] * self.runs, gradient=False, correct=correct
            )
            one = one.reshape(loss.shape)
            loss += one if len(pieces) == 1 else one * (n / count)
            if hits is not None:
                right += hits.reshape(right.shape)
        asked = (right, other) if correct else (None, None)
        return loss, asked[0], np.sqrt(squares), asked[1]


def losses(
    loss: Loss,
    outputs: Sequence[Array],
    together: Array | None,
    batches: Sequence[Inputs],
    *,
    gradient: bool,
    correct: bool,
) -> tuple[Array, Array | None]:
    """Evaluate the outputs of runs, which are overwritten.

    Parameters
    ----------
    loss : Loss
    outputs : sequence of (R, outputs, columns)
    together : (M·R, outputs, columns) or None
        Those of all runs, where there are no gaps between them.
    batches : sequence of Inputs
        The samples of each run.
    gradient, correct : bool
        See `Loss`.

    Returns
    -------
    loss : (M·R,)
    correct : (M·R,) or None
    """
    calls = list(zip(outputs, batches, strict=True))
    if together is not None and all(batch is batches[0] for batch in batches):
        calls = [(together, batches[0])]
    found = [loss(one, batch.targets, gradient=gradient, correct=correct) for one, batch in calls]
    if len(found) == 1:
        return found[0]
    hits = [right for _, right in found if right is not None]
    return np.concatenate([value for value, _ in found]), np.concatenate(hits) if hits else None
