import numpy as np
import pytest

from nndyn.numerics.separation import lengths, moved, moves, separate, separate_by_parameter


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("size", "width"), [(1, 1), (7, 7), (8, 8), (29, 29), (16, 40)])
def test_distances_and_gram_equal_numpy(size, width, dtype):
    rows = np.random.default_rng(0).normal(size=(4, width)).astype(dtype)
    l1, linf, gram = np.empty((2, 4)), np.empty((2, 4)), np.empty((2, 4, 4))
    separate(rows, size, 1, l1, linf, gram)
    l1, linf, gram = l1[1], linf[1], gram[1]
    delta = (rows.astype(np.float64) - rows[0])[:, :size]
    np.testing.assert_allclose(l1, np.abs(delta).sum(axis=1), rtol=1e-14)
    np.testing.assert_array_equal(linf, np.abs(delta).max(axis=1))
    np.testing.assert_allclose(gram, delta @ delta.T, atol=1e-13)


def test_distances_do_not_depend_on_place_or_on_other_rows():
    row, other = np.random.default_rng(0).normal(size=(2, 67))
    for offset in range(8):
        room = np.zeros(6 * 67 + 16)
        first = -room.ctypes.data % 64 // 8 + offset
        rows = room[first : first + 6 * 67].reshape(6, 67)
        rows[1:] = other
        rows[0] = row
        l1, linf, gram = np.empty((1, 6)), np.empty((1, 6)), np.empty((1, 6, 6))
        separate(rows, 67, 0, l1, linf, gram)
        alone = np.empty((1, 2)), np.empty((1, 2)), np.empty((1, 2, 2))
        separate(np.stack([row, other]), 67, 0, *alone)
        assert (l1[0, 1:] == alone[0][0, 1]).all()
        assert (linf[0, 1:] == alone[1][0, 1]).all()
        assert (gram[0, 1:, 1:] == alone[2][0, 1, 1]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_have_no_distance(bad):
    rows = np.zeros((3, 2))
    rows[1, 0] = bad
    l1, linf, gram = np.empty((1, 3)), np.empty((1, 3)), np.empty((1, 3, 3))
    separate(rows, 2, 0, l1, linf, gram)
    l1, linf, gram = l1[0], linf[0], gram[0]
    assert np.isnan(l1[1])
    assert np.isnan(linf[1])
    assert not np.isfinite(gram[1, 1])
    assert l1[2] == linf[2] == gram[2, 2] == 0.0


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 1024, 3001])
def test_lengths_of_steps_equal_numpy(size, dtype):
    before, new = np.random.default_rng(0).normal(size=(2, size)).astype(dtype)
    after = np.empty(size, dtype)
    square = moved(new, before, after)
    np.testing.assert_array_equal(after, new)
    step = new.astype(np.float64) - before
    np.testing.assert_allclose(square, (step**2).sum(), rtol=1e-13)
    if size:
        new[-1] = np.inf
        assert not np.isfinite(moved(new, before, after))


@pytest.mark.parametrize("size", [1023, 1024, 5000])
def test_distances_of_many_components_equal_numpy(size):
    rows = np.random.default_rng(0).normal(size=(5, size))
    rows[4] = rows[0]
    l1, linf, gram = np.empty((1, 5)), np.empty((1, 5)), np.empty((1, 5, 5))
    for bad in (None, np.nan, np.inf):
        if bad is not None:
            rows[2, size // 2] = bad
        separate(rows, size, 0, l1, linf, gram)
        good = [0, 1, 3, 4] if bad is not None else [0, 1, 2, 3, 4]
        delta = (rows - rows[0])[good]
        np.testing.assert_allclose(l1[0][good], np.abs(delta).sum(axis=1), rtol=1e-13)
        np.testing.assert_array_equal(linf[0][good], np.abs(delta).max(axis=1))
        np.testing.assert_allclose(gram[0][np.ix_(good, good)], delta @ delta.T, atol=1e-11)
        if bad is not None:
            assert np.isnan([l1[0, 2], linf[0, 2]]).all()
            assert not np.isfinite(gram[0, 2, 2])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("sizes", [[3, 4], [7, 1, 0, 30], [1020, 9, 2000, 3], [1, 1024], [5000]])
def test_squares_by_parameter_equal_numpy_and_leave_the_others_alone(sizes, dtype):
    ends = np.cumsum(sizes)
    rows = np.random.default_rng(0).normal(size=(4, ends[-1] + 5)).astype(dtype)
    rows[3] = rows[0]
    found = [np.empty((2, 4)), np.empty((2, 4)), np.empty((2, 4, 4))]
    squares = np.full((2, 4, len(sizes)), np.nan)
    separate_by_parameter(rows, ends, 1, *found, squares)
    delta = rows.astype(np.float64) - rows[0]
    parts = np.split(delta[:, : ends[-1]], ends[:-1], axis=1)
    np.testing.assert_allclose(squares[1].T, [(p**2).sum(axis=1) for p in parts], rtol=1e-13)
    np.testing.assert_allclose(squares[1].sum(axis=1), np.diag(found[2][1]), rtol=1e-12)
    alone = [np.empty((2, 4)), np.empty((2, 4)), np.empty((2, 4, 4))]
    separate(rows, ends[-1], 1, *alone)
    for one, other in zip(found, alone, strict=True):
        assert np.array_equal(one[1], other[1])


def test_squares_of_a_parameter_that_is_not_finite_are_not():
    rows = np.random.default_rng(0).normal(size=(3, 40))
    rows[1, 25] = np.inf
    squares = np.empty((1, 3, 2))
    ends = np.array([20, 40])
    separate_by_parameter(
        rows, ends, 0, np.empty((1, 3)), np.empty((1, 3)), np.empty((1, 3, 3)), squares
    )
    assert np.isfinite(squares[0]).tolist() == [[True, True], [True, False], [True, True]]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [1, 7, 8, 1023, 1024, 3001])
def test_lengths_and_moves_of_rows_are_those_of_numpy(size, dtype):
    new, before = np.random.default_rng(0).normal(size=(2, 3, size + 5)).astype(dtype)[..., 2:-3]
    found = np.empty(3)
    lengths(new, found)
    np.testing.assert_allclose(found, np.linalg.norm(new.astype(float), axis=1), rtol=1e-14)
    moves(new, before, found)
    expected = np.linalg.norm(new.astype(float) - before, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    moves(new, new, found)
    assert not found.any()
    new[1, -1] = np.nan
    lengths(new, found)
    assert np.isfinite(found).tolist() == [True, False, True]
