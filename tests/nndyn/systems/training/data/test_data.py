"""What `load` takes, checks and draws."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from nndyn.errors import DataError, UnknownNameError, UsageError
from nndyn.systems.training.data import scikit_learn
from nndyn.systems.training.data.loading import NAMES, load, read_once
from nndyn.systems.training.data.samples import Samples
from nndyn.systems.training.data.subsets import fewer, fifth

X = np.random.default_rng(0).standard_normal((30, 4))
Y = np.arange(30) % 3


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        # hashes of the sets as first released: recordings made then can be resumed
        ("digits", "446a5578bd155a07", "4e238a130488f866"),
        ("iris", "790543e7d1c3e225", "2d8afd2830479780"),
        ("wine", "d1f2fca9a084b59b", "736c270d9e15430d"),
        ("breast_cancer", "ef27e1b4cabfa5ab", "33c65afc01ac7cd1"),
    ],
)
def test_named_sets_never_change(name, train, test):
    loaded = load(name)
    assert loaded.name == name.replace("_", "-")
    assert loaded.training.describe()["sha256"][:16] == train
    assert loaded.test.describe()["sha256"][:16] == test
    assert loaded.training.image == ((1, 8, 8) if name == "digits" else None)


def test_tables_are_those_of_scikit_learn_also_of_a_version_that_keeps_them_elsewhere(monkeypatch):
    rows, classes = scikit_learn._table("wine")
    monkeypatch.setitem(scikit_learn._FILES, "wine", ("moved.csv", 0))
    there, numbers = scikit_learn._table("wine")
    np.testing.assert_array_equal(rows, there)
    np.testing.assert_array_equal(classes, numbers)


@given(st.integers(2, 9), st.integers(0, 2**16))
def test_classes_are_split_as_by_scikit_learn(count, seed):
    drawn = np.random.default_rng(seed)
    classes = drawn.permutation(
        [*range(count), *range(count), *drawn.integers(0, count, 5 * count)]
    )
    train, test = train_test_split(
        np.arange(len(classes)), test_size=0.2, stratify=classes, random_state=0
    )
    ours, held_out = scikit_learn.split(classes)
    np.testing.assert_array_equal(ours, np.sort(train))
    np.testing.assert_array_equal(held_out, np.sort(test))


def test_a_set_is_read_once_where_that_is_asked_for(tmp_path):
    with read_once():
        first = load("iris")
        assert load("iris") is first
        assert load("iris", samples=30) is not first
        with pytest.raises(UsageError, match="data_dir applies"):
            load("iris", data_dir=tmp_path)
        assert load((X, Y)) is not load((X, Y))
    assert load("iris") is not load("iris")


def test_arrays_enter_as_given_in_their_shape_and_kind():
    x = X.reshape(30, 2, 2).astype(np.float32)
    loaded = load((torch.as_tensor(x), X.reshape(30, 2, 2)), test=(x[:2], X[:2].reshape(2, 2, 2)))
    assert loaded.name == "arrays"
    np.testing.assert_array_equal(loaded.training.x, x)
    np.testing.assert_array_equal(loaded.training.y, X.reshape(30, 2, 2))
    assert loaded.training.flat.shape == (30, 4)
    assert loaded.test.x.shape == (2, 2, 2)
    tokens = load((np.arange(12, dtype=np.uint8).reshape(4, 3), [True, False, True, True]))
    assert tokens.training.x.dtype == tokens.training.y.dtype == np.int64
    assert tokens.training.y.tolist() == [1, 0, 1, 1]
    assert tokens.test is None
    for shape in ((30, 1), (10, 3), (5, 3, 2)):
        y = Y.reshape(shape) - 1
        column = load((X[: len(y)], y)).training
        assert (column.y.dtype, column.labelled) == (np.int64, True)
        np.testing.assert_array_equal(column.y, y)


def test_what_the_caller_does_to_arrays_later_changes_nothing():
    x, y = X.copy(), Y.copy()
    before = (loaded := load((x, y))).training.describe()
    x += 1
    y += 1
    assert loaded.training.describe() == before


def test_samples_keep_what_they_know_when_rows_are_taken():
    samples = Samples(X, Y, image=(1, 2, 2), classes=("a", "b", "c"))
    back = samples.reversed()
    np.testing.assert_array_equal(back.x, X[::-1])
    assert (back.image, back.classes, len(back)) == ((1, 2, 2), ("a", "b", "c"), 30)
    assert samples.take(np.array([3, 1])).y.tolist() == [0, 1]
    assert back.describe() != samples.describe() == Samples(X.copy(), Y.copy()).describe()
    assert back.reversed().describe() == samples.describe()


def with_nan(*position):
    x = X.reshape(30, 2, 2).copy()
    x[position] = np.nan
    return x


class Odd:
    def __array__(self, dtype=None, copy=None):
        raise TypeError("no array")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(data="iriss"), UnknownNameError, "digits, iris, .*mnist, or give the path"),
        (dict(data="table.doc"), UnknownNameError, "table.doc"),
        (dict(data=X), UsageError, "data is ndarray, expected a pair"),
        (dict(data=(X,)), UsageError, "data is 1 items, expected a pair"),
        (dict(data=None), UsageError, "data is NoneType.* or one of digits, iris"),
        (dict(data=(X[:, 0], Y)), UsageError, r"shape \(30,\)"),
        (dict(data=(X[:, :0], Y)), UsageError, r"shape \(30, 0\)"),
        (dict(data=(X[:0], Y[:0])), UsageError, "no rows"),
        (dict(data=(X, Y[:29])), UsageError, "x has 30 rows"),
        (dict(data=(X, 3)), UsageError, r"y has shape \(\)"),
        (dict(data=(X + 1j, Y)), UsageError, "x has dtype complex128"),
        (dict(data=(X.astype(object), Y)), UsageError, "x has dtype object"),
        (dict(data=(X, Y.astype(str))), UsageError, "y has dtype <U"),
        (dict(data=(X, Odd())), UsageError, "data: y is not an array: no array"),
        (dict(data=(torch.eye(3).to_sparse(), [0, 1, 1])), UsageError, "x is not an array"),
        (dict(data=(with_nan(7, 1, 0), Y)), DataError, r"x is nan in row 7, position \(1, 0\)"),
        (dict(data=(X, X[:, 0] + np.inf)), DataError, "y is inf in row 0"),
        (dict(data=(np.ma.masked_less(X, 0), Y)), DataError, "masked"),
        (dict(data=(X, Y[:, None]), test=(X, Y)), UsageError, r"test: y has shape \(30,\)"),
        (dict(data=(X, Y), test=(X, Y * 1.0)), UsageError, "both"),
        (dict(data=(X, Y), test=(X[:, :3], Y)), UsageError, r"test: x has shape \(30, 3\)"),
        (dict(data=(X, X), test=(X, X[:, :2])), UsageError, r"test: y has shape \(30, 2\)"),
        (dict(data=(X, Y), test=(X.astype(int), Y)), UsageError, "int64 .* float64"),
        (dict(data=(X, Y), test=X), UsageError, "test is ndarray"),
        (dict(data="iris", test=(X, Y)), UsageError, "leave test out"),
        (dict(data="a.csv", test=(X, Y)), UsageError, "leave test out"),
        (dict(data="iris", data_dir="."), UsageError, "data_dir applies to fashion-mnist and"),
        (dict(data="mnist", data_dir=3), UsageError, "data_dir is 3"),
        (dict(data="mnist", data_dir="~nosuch/x"), UsageError, "data_dir '~nosuch/x': .*home"),
        (dict(data="mnist", data_dir="x" * 300), UsageError, "File name too long"),
        (dict(data="x" * 300 + ".csv"), DataError, "cannot read x*.csv: File name too long"),
        (
            dict(data=(np.full((2, 1), 2**63, np.uint64), [0, 1])),
            DataError,
            "holds 9223372036854775808, beyond 64-bit integers",
        ),
        (dict(samples=0), UsageError, "samples is 0, expected a whole number, 1 or more"),
        (dict(samples=True), UsageError, "samples is True"),
        (dict(samples=2.5), UsageError, "samples is 2.5"),
        (dict(samples=31), UsageError, "samples is 31 and data has 30 training samples"),
        (dict(samples=2), UsageError, "samples is 2 and data has 3 classes; give at least 3"),
        (dict(data="iris", samples=121), UsageError, "iris has 120 training samples"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(arguments, error, message):
    arguments = {"data": (X, Y)} | arguments
    with pytest.raises(error, match=message) as caught:
        load(arguments.pop("data"), **arguments)
    assert "\n" not in str(caught.value)


def test_a_label_that_only_the_test_set_has_is_allowed():
    assert load((X, Y), test=(X, Y + 5)).test.y.max() == 7


def test_every_name_is_listed_with_dashes():
    assert NAMES == ("digits", "iris", "wine", "breast-cancer", "fashion-mnist", "mnist")


LABELS = st.lists(st.integers(0, 6), min_size=2, max_size=120)


@given(LABELS, LABELS, st.data())
def test_fewer_samples_keep_proportions_and_order(labels, test_labels, data):
    y, test_y = np.array(labels), np.array(test_labels)
    training = Samples(np.arange(len(y))[:, None] * 1.0, y)
    test = Samples(np.arange(len(test_y))[:, None] * 1.0, test_y)
    present = np.bincount(y) > 0
    count = data.draw(st.integers(int(present.sum()), len(y)))
    few, few_test = fewer(training, test, count, "data")
    assert len(few) == count
    for part, whole in ((few, training), (few_test, test)):
        rows = part.x[:, 0].astype(int)
        assert (np.diff(rows) > 0).all()
        np.testing.assert_array_equal(part.y, whole.y[rows])
        sizes = np.bincount(whole.y)
        taken = np.bincount(part.y, minlength=len(sizes))
        assert (taken[sizes > 0] >= 1).all()
        share = sizes * len(part) / len(whole)
        if (share[sizes > 0] >= 1).all():
            assert np.abs(taken - share).max() < 1
        else:  # what small classes are given, others lack
            assert (taken < share + 1).all() or (taken[taken >= share + 1] == 1).all()
    expected = max(round(len(test) * count / len(training)), len(set(test_labels)))
    assert len(few_test) == expected


@given(LABELS)
def test_a_fifth_leaves_some_of_every_class_to_train_on(labels):
    samples = Samples(np.arange(len(labels))[:, None] * 1.0, np.array(labels))
    sizes = np.bincount(labels)
    if sizes.max() == 1:
        with pytest.raises(DataError, match="leave none for a test set"):
            fifth(samples, "data")
        return
    rows, test_rows = fifth(samples, "data")
    np.testing.assert_array_equal(np.sort(np.r_[rows, test_rows]), np.arange(len(labels)))
    assert (np.bincount(samples.y[rows], minlength=len(sizes))[sizes > 0] >= 1).all()
    assert 1 <= len(test_rows) <= -(-len(labels) // 5)
    if sizes[sizes > 0].min() >= 5:
        assert np.abs(np.bincount(samples.y[test_rows]) - sizes / 5).max() <= 1


def test_the_largest_remainders_are_rounded_up():
    y = np.repeat([5, 0, 2], [12, 18, 10])  # shares of 13 are 3.9, 5.85 and 3.25
    few, _ = fewer(Samples(y[:, None] * 1.0, y), None, 13, "data")
    assert [int((few.y == label).sum()) for label in (5, 0, 2)] == [4, 6, 3]


def test_draws_depend_on_nothing_but_the_labels():
    state = np.random.get_state()[1].copy()  # noqa: NPY002, the state that must not change
    first = load((X, Y), test=(X, Y), samples=12)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    second = load((X + 0, Y), test=(X, Y), samples=12)
    assert first.training.describe() == second.training.describe()
    assert len(first.test) == 12
    assert set(map(tuple, first.test.x)) != set(map(tuple, first.training.x))
    larger = load((X, Y), samples=21).training.x
    assert set(map(tuple, first.training.x)) < set(map(tuple, larger))


def test_all_samples_are_the_whole_set_and_plain_targets_are_drawn_plainly():
    whole, same = load("iris"), load("iris", samples=120)
    assert same.training.describe() == whole.training.describe()
    assert same.test.describe() == whole.test.describe()
    few = load((X, X), test=(X, X), samples=10)
    assert (len(few.training), len(few.test)) == (10, 10)
    np.testing.assert_array_equal(few.training.x, few.training.y)


def test_a_row_has_the_same_numbers_however_many_are_taken():
    whole, few = load("wine").training, load("wine", samples=30).training
    assert set(map(tuple, few.x)) < set(map(tuple, whole.x))


def test_fields_of_samples_cannot_be_set():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Samples(X, Y).x = Y
