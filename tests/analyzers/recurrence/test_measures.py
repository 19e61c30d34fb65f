"""Every measure against brute force, and hand-drawn plots for the rules at the border."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import nndyn
from analyzers.recurrence import counting, narrow, points, wide
from tests.analyzers.recurrence.plain import distances, embedded, lines, measures


def recording(states):
    """Wrap states (T,), (T, D) or (T, R, D)."""
    states = np.asarray(states, np.float64)
    states = states.reshape(len(states), 1, -1) if states.ndim < 3 else states
    time = ("time", np.arange(len(states)) * 1.0, {"units": "step"})
    return xr.Dataset({"state": (("time", "replica", "component"), states)}, {"time": time})


def agree(result, R, theiler, symmetric, min_diagonal=2, min_vertical=2, prefix="", at=()):
    """Check every measure of a result."""
    expected = measures(R, theiler, symmetric, min_diagonal, min_vertical)
    for name, value in expected.items():
        got = result[prefix + name].values[at]
        np.testing.assert_allclose(got, value, rtol=1e-12, atol=0, err_msg=name)
    if prefix:
        return
    for name, lengths in zip(
        ("diagonal_lines", "vertical_lines", "white_vertical_lines"),
        lines(R, theiler, symmetric),
        strict=True,
    ):
        numbers = np.bincount(lengths, minlength=result.sizes["length"] + 1)[1:]
        np.testing.assert_array_equal(result[name].values, numbers, err_msg=name)


@st.composite
def trajectories(draw, most=200):
    """Two trajectories, some on a grid so that distances tie; long enough for several blocks."""
    N = draw(st.integers(2, most))
    d = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x, y = rng.standard_normal((2, N, d))
    if draw(st.booleans()):
        x, y = np.cumsum(x, 0) * 0.3, np.cumsum(y, 0) * 0.3
    return (np.round(x), np.round(y)) if draw(st.booleans()) else (x, y)


def within(D, share, states):
    """Return a radius: a distance where sums are exact, else one between two distances."""
    u = np.unique(D)
    k = int(share * (len(u) - 1))
    return float(u[k] if np.all(states == np.round(states)) else u[k : k + 2].mean() + 1e-12)


NORMS = st.sampled_from(["l1", "l2", "max"])
LENGTHS = st.integers(1, 5)


@pytest.mark.parametrize("pairs", ["narrow", "wide", "wide, not kept"])
def test_recurrence_with_itself(pairs, monkeypatch):
    held(pairs, monkeypatch)

    @settings(deadline=None, max_examples=20)
    @given(trajectories(), NORMS, LENGTHS, LENGTHS, st.integers(0, 9), st.integers(1, 4))
    def check(both, norm, min_diagonal, min_vertical, theiler, width):
        monkeypatch.setattr(narrow, "WIDTH", width)
        monkeypatch.setattr(wide, "WIDTH", width)
        x, _ = both
        D = distances(x, x, norm)
        radius = within(D, 0.2, x)
        result = nndyn.recurrence(
            recording(x),
            radius=radius,
            norm=norm,
            theiler=theiler,
            min_diagonal=min_diagonal,
            min_vertical=min_vertical,
        )
        agree(result, radius >= D, theiler, True, min_diagonal, min_vertical)

    check()


@pytest.mark.parametrize("pairs", ["narrow", "wide", "wide, not kept"])
@pytest.mark.parametrize("kind", ["cross", "joint"])
def test_recurrence_with_another(kind, pairs, monkeypatch):
    held(pairs, monkeypatch)

    @settings(deadline=None, max_examples=25)
    @given(trajectories(), NORMS, st.integers(1, 5))
    def check(both, norm, theiler):
        x, y = both
        cross = kind == "cross"
        D = [distances(x, y, norm)] if cross else [distances(z, z, norm) for z in both]
        radius = within(D[0], 0.4, x)
        R = np.all([d <= radius for d in D], axis=0)
        options = {} if cross else {"theiler": theiler}
        states = np.stack(both, axis=1)
        result = nndyn.recurrence(
            recording(states), radius=radius, norm=norm, kind=kind, other=1, **options
        )
        agree(result, R, 0 if cross else theiler, not cross)

    check()


def held(pairs, monkeypatch):
    """Take few components as though they were many, in panels of a block or two."""
    if pairs != "narrow":
        monkeypatch.setattr(points, "HELD", 0)
        monkeypatch.setattr(wide, "PANEL_BYTES", 2 * 64 * 8 * 3)
        monkeypatch.setattr(wide, "PASSING_BYTES", 64 * 8 * 3)
    if pairs == "wide, not kept":
        monkeypatch.setattr(wide, "KEPT_BYTES", 0)


@settings(deadline=None, max_examples=40)
@given(
    arrays(np.float64, st.integers(30, 150), elements=st.floats(-2, 2, width=16)),
    NORMS,
    st.integers(2, 4),
    st.integers(1, 6),
)
def test_recurrence_of_an_embedded_scalar(x, norm, dimension, delay):
    z = embedded(x, dimension, delay)
    D = distances(z, z, norm)
    result = nndyn.recurrence(
        nndyn.from_array(x), dimension=dimension, delay=delay, radius=0.5, norm=norm
    )
    agree(result, D <= 0.5, 1, True)
    assert result.sizes["row_time"] == len(z)


@settings(deadline=None, max_examples=40)
@given(trajectories(), NORMS, st.floats(0.01, 1.0), st.integers(0, 5))
def test_a_rate_is_reached_by_the_smallest_distance_that_reaches_it(both, norm, rate, theiler):
    x, _ = both
    if theiler >= len(x):
        return
    D = distances(x, x, norm)
    i, j = np.indices(D.shape)
    pairs = np.sort(D[np.abs(i - j) >= theiler])
    result = nndyn.recurrence(recording(x), radius=f"rate:{rate}", norm=norm, theiler=theiler)
    radius = float(result["radius"])
    smallest = pairs[np.flatnonzero(np.arange(1, pairs.size + 1) / pairs.size >= rate)[0]]
    np.testing.assert_allclose(radius, smallest, rtol=1e-12)
    assert float(result["rate_obtained"]) >= rate


@pytest.mark.parametrize("pairs", ["narrow", "wide", "wide, not kept"])
@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_a_scale_is_that_of_the_largest_distance(norm, pairs, monkeypatch):
    held(pairs, monkeypatch)
    x = np.random.default_rng(1).standard_normal((170, 3))
    result = nndyn.recurrence(recording(x), radius="scale:0.25", norm=norm)
    D = distances(x, x, norm)
    np.testing.assert_allclose(float(result["radius"]), 0.25 * D.max(), rtol=1e-12)
    agree(result, 0.25 * D.max() >= D, 1, True)


@pytest.mark.parametrize("kind", ["auto", "cross"])
@pytest.mark.parametrize("cells", [512, 40, 4, 2])
def test_a_picture_is_the_share_of_recurrences_in_its_cells(kind, cells, monkeypatch):
    monkeypatch.setattr(counting, "CELLS", cells)
    states = np.cumsum(np.random.default_rng(12).standard_normal((300, 2, 1)), axis=0)
    options = {"kind": "cross", "other": 1} if kind == "cross" else {}
    result = nndyn.recurrence(recording(states), radius=4.0, **options)
    R = distances(states[:, 0], states[:, int(kind == "cross")], "l2") <= 4.0
    cell = {512: 1, 40: 8, 4: 128, 2: 256}[cells]
    starts = np.arange(0, 300, cell)
    expected = [[R[i : i + cell, j : j + cell].mean() for j in starts] for i in starts]
    np.testing.assert_allclose(result["picture"], expected, rtol=1e-12)
    np.testing.assert_array_equal(result["column_time"], starts)


def test_windows_slide_with_the_radius_of_the_whole():
    x = np.cumsum(np.random.default_rng(2).standard_normal((300, 2)), axis=0)
    result = nndyn.recurrence(recording(x), sliding_width=100, sliding_step=50, norm="max")
    D, radius = distances(x, x, "max"), float(result["radius"])
    assert list(result["sliding_time"].values) == [49.5, 99.5, 149.5, 199.5, 249.5]
    for k, first in enumerate(result["sliding_first"].values.astype(int)):
        part = slice(first, first + 100)
        agree(result, D[part, part] <= radius, 1, True, prefix="sliding_", at=(k,))


def test_a_window_and_a_stride_select_states_by_time():
    x = np.random.default_rng(3).standard_normal((200, 2))
    selected = nndyn.recurrence(recording(x), window=(20, 150), stride=3, radius=0.5)
    by_hand = nndyn.recurrence(recording(x[20:151:3]), radius=0.5)
    for name in by_hand.data_vars:
        np.testing.assert_array_equal(selected[name].values, by_hand[name].values, err_msg=name)
    assert list(selected["row_time"].values[:2]) == [20.0, 23.0]


def drawn(text, theiler=1, min_diagonal=2):
    """Return the lengths of the lines of a symmetric plot drawn by hand."""
    R = np.array([[c == "#" for c in row] for row in text.split()])
    bits = np.zeros((1, 2, 64), np.uint64)
    for i, row in enumerate(R):
        bits[0, 1, i] = sum(1 << int(j) for j in np.flatnonzero(row))

    class Drawn:
        plane = counting.Plane(len(R), len(R), True)
        panel = width = 1

        def mark(self, stripe, limit, words, team):
            words[:] = bits

    with counting.Team(1) as team:
        found = counting.count([Drawn()], [0.0], theiler, team, picture=False)
    return [
        {n: int(k) for n, k in enumerate(numbers) if k}
        for numbers in (found.diagonal, found.vertical, found.white)
    ]


CROSSED = """
    ##..#
    ##..#
    ..#..
    ...##
    ##.##
"""


def test_lines_that_touch_the_border_count_at_their_visible_length():
    diagonal, vertical, white = drawn(CROSSED)
    # Above the main diagonal: (0,1); (3,4); (0,4); (1,4). The same below it.
    assert diagonal == {1: 8}
    # Columns 0 and 1: two and one; column 2: one; 3: two; 4: two and two.
    assert vertical == {1: 3, 2: 5}
    assert white == {1: 1, 2: 4, 3: 1}


def test_the_theiler_window_drops_diagonals_nearer_than_it():
    assert drawn(CROSSED, theiler=0)[0] == {1: 8, 5: 1}
    assert drawn(CROSSED, theiler=2)[0] == {1: 4}
    assert drawn(CROSSED, theiler=4)[0] == {1: 2}
    assert drawn(CROSSED, theiler=5)[0] == {}


def test_columns_are_whole_whatever_the_theiler_window():
    assert drawn(CROSSED, theiler=4)[1:] == drawn(CROSSED, theiler=0)[1:]


def test_a_diagonal_line_from_border_to_border():
    striped = """
        #.#.
        .#.#
        #.#.
        .#.#
    """
    assert drawn(striped)[0] == {2: 2}
    assert drawn(striped)[2] == {1: 8}
