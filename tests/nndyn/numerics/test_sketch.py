"""Sketches against plain numpy, and what they promise of lengths."""

import numpy as np
import pytest
import torch

from nndyn.numerics.sketch import TOGETHER, Sketch
from nndyn.systems.training.execution import sketching
from nndyn.systems.training.execution.sketching import Sketching


def plain(sketch, rows):
    """Return what `Sketch.of` does, by the definition; sums in the order of its docstring."""
    x = rows[:, : sketch.components].astype(np.float64)
    x[1:] -= x[:1]
    N, K = sketch.rows, sketch.size
    whole = np.zeros((len(x), N * K))
    whole[:, : sketch.components] = x
    bits = np.unpackbits(sketch.signs.view(np.uint8), bitorder="little").reshape(N, K)
    parts = (whole.reshape(-1, N, K) * (1.0 - 2.0 * bits))[:, :, sketch.sources]
    parts = np.stack([np.roll(parts[:, n], sketch.turns[n], axis=1) for n in range(N)], axis=1)
    while parts.shape[1] > 1:
        groups = -(-parts.shape[1] // TOGETHER)
        padded = np.zeros((len(x), groups * TOGETHER, K))
        padded[:, : parts.shape[1]] = parts
        parts = np.zeros((len(x), groups, K))
        for i in range(TOGETHER):
            parts += padded[:, i::TOGETHER]
    return parts[:, 0]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("components", "size"),
    [(67, 64), (30, 64), (128, 64), (64 * 64, 64), (64 * 65 + 3, 64), (64**3 + 1, 64), (9999, 192)],
)
def test_equal_to_plain_numpy_and_to_torch_bit_for_bit(components, size, dtype, monkeypatch):
    sketch = Sketch(components, size, seed=3)
    rows = np.random.default_rng(0).normal(size=(3, components + 5)).astype(dtype)
    found = sketch.of(rows)
    np.testing.assert_array_equal(found, plain(sketch, rows))
    given = rows.copy()
    for on_host, room in ((True, 0), (False, 2**28), (False, 0)):  # all rows at once, and in turn
        monkeypatch.setattr(sketching, "ROWS_BYTES", room)
        device = Sketching(sketch, torch.device("cpu"), on_host=on_host)
        np.testing.assert_array_equal(device.of(torch.from_numpy(rows)).numpy(), found)
    np.testing.assert_array_equal(rows, given)


def test_every_number_goes_to_one_place_with_a_sign_and_those_of_a_row_to_different_ones():
    sketch = Sketch(200, 64, seed=0)
    S = sketch.of(np.eye(200, dtype=np.float32)[:1])
    matrix = np.concatenate([sketch.of(e[None]) for e in np.eye(200)])
    np.testing.assert_array_equal(matrix[:1], S)
    assert (np.abs(matrix).sum(axis=1) == 1).all()
    for first in range(0, 200, 64):
        assert np.abs(matrix[first : first + 64]).sum(axis=0).max() == 1


def test_linear_exactly():
    rng = np.random.default_rng(1)
    a, b = rng.integers(-1000, 1000, size=(2, 1, 5000)).astype(np.float64)
    sketch = Sketch(5000, 128, seed=0)
    np.testing.assert_array_equal(sketch.of(3 * a - b), 3 * sketch.of(a) - sketch.of(b))
    difference = sketch.of(np.concatenate([a, b]))[1:]
    np.testing.assert_array_equal(difference, sketch.of(b - a))


#: Where a vector of so many components is large: everywhere, or in the weights of one unit, which
#: follow one another or lie at even intervals.
LARGE = {
    "dense": slice(None),
    "into a unit": slice(4 * 784, 5 * 784),
    "out of a unit": slice(3, None, 64),
    "into four units": slice(1024, 1024 + 4 * 784),
}


@pytest.mark.parametrize("where", LARGE)
def test_the_spread_of_lengths_is_at_most_as_stated(where):
    rng = np.random.default_rng(2)
    x = np.zeros((1, 64 * 784))
    x[0, LARGE[where]] = rng.normal(size=x[0, LARGE[where]].size)
    logs = np.array(
        [
            np.log(np.linalg.norm(Sketch(x.size, 1024, seed).of(x)) / np.linalg.norm(x))
            for seed in range(200)
        ]
    )
    stated = 1 / np.sqrt(2 * 1024)  # a spread of 200 has an error of 5 %
    assert logs.std() < 1.2 * stated
    assert abs(logs.mean()) < 4 * stated / np.sqrt(200)
    if where == "dense":
        assert logs.std() > 0.8 * stated


def test_to_permute_blocks_would_be_ten_times_worse():
    """The map that was not taken: blocks of 64 weights with random places, every weight a sign."""
    logs = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        blocks = np.zeros((784, 64))
        blocks[:, 3] = rng.normal(size=784) * rng.choice([-1, 1], 784)  # out of a unit
        sketch = np.zeros((16, 64))
        np.add.at(sketch, rng.integers(0, 16, 784), blocks)
        logs.append(np.log(np.linalg.norm(sketch) / np.linalg.norm(blocks)))
    assert np.std(logs) == pytest.approx(0.18, rel=0.2)
