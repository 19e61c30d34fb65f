"""Users' own files: what is a header, a label or a flaw in a csv, and the arrays of an npz."""

import gzip
import io
import zipfile

import numpy as np
import pytest
import torch

from nndyn.errors import DataError, UsageError
from nndyn.systems.training.data import tables
from nndyn.systems.training.data.loading import load
from nndyn.systems.training.modules import criterion


def csv(tmp_path, text, **options):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return tables.read(path, **options)[0]


def npz(tmp_path, **arrays):
    path = tmp_path / "t.npz"
    np.savez(path, **arrays)
    return tables.read(path)


@pytest.mark.parametrize(
    ("text", "x", "y", "classes"),
    [
        ("1,2,0\n3,4,1\n", [[1, 2], [3, 4]], [0, 1], None),
        ("a,b,c\n1,2,0\n3,4,1\n", [[1, 2], [3, 4]], [0, 1], None),
        ("Label,b,c\n1,2,0\n3,4,1\n", [[2, 0], [4, 1]], [1, 3], None),
        ("a, TARGET ,c\n1,2,0\n3,4,1\n", [[1, 0], [3, 1]], [2, 4], None),
        ("a,y,c\n1,2,0\n3,4,1\n", [[1, 0], [3, 1]], [2, 4], None),
        ("0,1,label\n1,2,0\n3,4,1\n", [[1, 2], [3, 4]], [0, 1], None),
        ("1,2,b\n3,4,a\n", [[1, 2], [3, 4]], [1, 0], ("a", "b")),
        ("p,q,r\n1,2,b\n3,4,a\n", [[1, 2], [3, 4]], [1, 0], ("a", "b")),
        ("0,1,class\n1,2,b\n3,4,a\n", [[1, 2], [3, 4]], [1, 0], ("a", "b")),
        ("1,2,y\n3,4,n\n5,6,y\n", [[1, 2], [3, 4], [5, 6]], [1, 0, 1], ("n", "y")),
        ('"x ""1""",l\r\n"1",b\r\n\r\n 2,a\r\n', [[1], [2]], [1, 0], ("a", "b")),
        (b"\xef\xbb\xbf1,0\n2,1", [[1], [2]], [0, 1], None),
        ("1,0\n2,1.0\n", [[1], [2]], [0.0, 1.0], None),
        ("1,-3e1\n2,+1\n", [[1], [2]], [-30.0, 1.0], None),
        ("1,1_0\n2,2_0\n", [[1], [2]], [0, 1], ("1_0", "2_0")),
        ("1;0\n2;1\n", [[1], [2]], [0, 1], None),
        ("p;y\n1,5;0\n2;1\n", [[1.5], [2]], [0, 1], None),
        ("p\ty\n1\tred one\n2\tb\n", [[1], [2]], [1, 0], ("b", "red one")),
        ("# made here\np  y\n1.5   0\n\n 2 1 \n# end\n", [[1.5], [2]], [0, 1], None),
        ("p,y,\n1,0,\n2,1,\n", [[1], [2]], [0, 1], None),
        ("p,y\r1,0\r2,1\r", [[1], [2]], [0, 1], None),
        ("p,y\n1,ü\n2,a\n".encode("latin-1"), [[1], [2]], [1, 0], ("a", "ü")),
        ("p,y\n1,0\n2,1\n".encode("utf-16"), [[1], [2]], [0, 1], None),
        ("x,y\n0,0.5\n1,0.25\n2,0.75\n", [[0], [1], [2]], [0.5, 0.25, 0.75], None),
        ("price_index,y\n7,0\n3,1\n", [[7], [3]], [0, 1], None),
    ],
)
def test_a_table_is_read_as_it_is_meant(tmp_path, text, x, y, classes):
    samples = csv(tmp_path, text)
    np.testing.assert_array_equal(samples.x, x)
    np.testing.assert_array_equal(samples.y, y)
    assert samples.x.dtype == np.float64
    assert samples.y.dtype == (np.float64 if isinstance(y[0], float) else np.int64)
    assert samples.classes == classes
    assert samples.x.flags.writeable


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", DataError, "is empty"),
        ("\n\n", DataError, "is empty"),
        ("a,y\n", DataError, "header and no rows"),
        ("1\n2\n", DataError, "line 1 has a single column"),
        ("a,b\n1,0\n\n2\n", DataError, "line 4 has 1 field and line 1 has 2"),
        ("a,b\n1,0\n2,1,3\n", DataError, "line 3 has 3 fields"),
        ("a,b\n1,0\n,1\n", DataError, "line 3, column 'a' has a missing value"),
        ("a,b\n1,0\n?,1\n", DataError, "line 3, column 'a' has a missing value"),
        ("a,b\n1,0\n2,\n", DataError, "line 3, column 'b' has a missing value"),
        ("a,b\n1,0\n2,NaN\n", DataError, "line 3, column 'b' has a missing value"),
        ("a,b\n1,0\nnan,1\n", DataError, "line 3, column 'a' has a missing value"),
        ("?,1\n1,0\n", DataError, "line 1, column '1' has a missing value"),
        ("nan,1\n1,0\n", DataError, "line 1, column '1' has a missing value"),
        ("1,2,0\n1,-inf,0\n", DataError, "line 2, column '2' has '-inf', which is not finite"),
        ("1,0.5\n2,inf\n", DataError, "line 2, column '2' has 'inf', which is not finite"),
        ("1,0\n2,-1\n", DataError, "line 2, column '2' has '-1', which is no class label"),
        ("1,0\n2,99999999999999999999\n", DataError, "which is no class label"),
        ("1,0\n2," + "9" * 5000 + "\n", DataError, "which is no class label"),
        ("y,a\n0,1\n1,1e999\n", DataError, "line 3, column 'a' has '1e999', which is not finite"),
        ("1,0\n2,1\n3,a\n", DataError, "line 3, column '2' has 'a', which stands among numbers"),
        ("1,a\n2,b\n3,c\n4,1\n", DataError, "line 4, .* '1', which stands among text"),
        ("1,2,0\n3,x,1\n", DataError, "line 2, column '2' has 'x', which is not a number"),
        ("y,2,0\n3,4,1\nx,1,2\n", DataError, "line 3, column '2' has 'x'|line 3, column 'y'"),
        ("abc,1,0\n2,1,1\n", DataError, "line 1 is neither a header nor a row: 'abc'"),
        ("y,Label\n1,0\n2,1\n", UsageError, "columns y and Label could all be the label"),
        (b"1,\xff\n2,1\n", DataError, "line 1 is neither a header nor a row: 'ÿ'"),
        ("0,1\n1,1\n2,0\n", DataError, "column '1' numbers the rows; remove it"),
        ("1,5.5,a\n2,5,b\n3,1,a\n4,1,a\n", DataError, "column '1' numbers the rows"),
        ("p,y\n1,2,0\n5,1,1\n", DataError, "line 2 has 3 fields and line 1 has 2"),
        (",p,y\n5,1,0\n4,2,1\n", DataError, "column '' numbers the rows; remove it, or give it"),
        ("Id,p,y\n7,1,0\n3,2,1\n", DataError, "column 'Id' numbers the rows"),
        ("p,Unnamed: 0,y\n7,1,0\n3,2,1\n", DataError, "'Unnamed: 0' numbers the rows"),
        ('"p" "y"\n"1" 0.5 a\n"2" 0.2 b\n', DataError, "column '' numbers the rows"),
        ("p;q;y\n1,5;2;0\n0,5;;1\n", DataError, "line 3, column 'q' has a missing value"),
        ("p;y\n1,500;0\n2,500;1\n", DataError, "line 2 has '1,500', with a decimal comma or"),
        ("p;y\n1.500,5;0\n0,5;1\n", DataError, "line 2, column 'p' has '1.500,5'.* without points"),
        ('# c\n\np,y\n"1,234.5",0\n2,1\n', DataError, "line 4, column 'p' .* separators of thous"),
        ('p,"y\nz"\n1,0\nx,1\n', DataError, "line 4, column 'p' has 'x'"),
        ("p,y\r\n1,0\r\n\r\n#N/A,1\r\n", DataError, "line 4, column 'p' has a missing value"),
        ('p,y\n1,0\n"2,1\n', DataError, "line 3 cannot be read: .*; mend its quotes"),
        ("p,y\n1,0\n--,1\n", DataError, "line 3, column 'p' has a missing value"),
        ("p,y\n1_0,0\n2,1\n", DataError, "line 2, column 'p' has '1_0', which is not a number"),
        ("1," + "9" * 200000 + "\n", DataError, "line 1 cannot be read"),
    ],
)
def test_a_flawed_table_is_refused_with_its_line(tmp_path, text, error, message):
    with pytest.raises(error, match=message) as caught:
        csv(tmp_path, text)
    assert "t.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_without_a_column_is_asked_about(tmp_path):
    with pytest.raises(DataError, match="line 2 has 2 fields and line 1 has 3"):
        csv(tmp_path, "a,b,label\n1,2\n3,0\n4,1\n5,2\n")


def test_a_separator_behind_the_last_name_is_no_column(tmp_path):
    samples = csv(tmp_path, "a,label,\n1,2\n3,0\n4,1\n")
    assert (samples.x.ravel().tolist(), samples.y.tolist()) == ([1, 3, 4], [2, 0, 1])


def test_labels_written_as_reals_are_classes_for_cross_entropy_alone(tmp_path):
    text = "p,y\n1,0.0\n2,1.0\n3,1\n"
    assert csv(tmp_path, text).y.dtype == np.float64
    samples = csv(tmp_path, text, classes=True)
    assert (samples.y.dtype, samples.y.tolist()) == (np.int64, [0, 1, 1])
    for label, message in (("0.5", "is no class, as loss"), ("-1.0", "is no class label, 0")):
        with pytest.raises(DataError, match=f"line 3, column 'y' has '{label}', which {message}"):
            csv(tmp_path, f"p,y\n1,0.0\n2,{label}\n", classes=True)


@pytest.mark.parametrize(
    ("loss", "labelled"),
    [
        ("cross-entropy", True),
        ("cross-entropy:label_smoothing=0.1", True),
        (torch.nn.CrossEntropyLoss(), True),
        ("mse", False),
        (lambda a, b: a.sum(), False),
    ],
)
def test_the_loss_of_a_training_says_what_labels_of_a_table_are(tmp_path, loss, labelled):
    rows = [f"{i % 7},{i % 5},{i % 2}.0" for i in range(30)]
    (tmp_path / "t.csv").write_text("p,q,y\n" + "\n".join(rows))
    classes = criterion.ignored(loss) is not None
    assert load(tmp_path / "t.csv", classes=classes).training.labelled == labelled


@pytest.mark.parametrize("name", ["t.tsv", "t.TXT", "t.dat", "t.csv.gz"])
def test_tables_have_several_endings(tmp_path, name):
    content = b"p\ty\n" + b"".join(b"%d\t%d\n" % (i * i % 11, i % 2) for i in range(20))
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    loaded = load(tmp_path / name)
    assert (loaded.name, len(loaded.training), len(loaded.test)) == (name, 16, 4)


def test_a_table_without_a_test_set_gives_a_stratified_fifth(tmp_path):
    rows = [f"{i},{i * i},{'abc'[i % 3 if i < 90 else 2]}" for i in range(100)]
    (tmp_path / "mine.csv").write_text("p,q,kind\n" + "\n".join(rows))
    loaded = load(tmp_path / "mine.csv")
    again = load(str(tmp_path / "mine.csv"))
    assert loaded.name == "mine.csv"
    assert loaded.training.classes == loaded.test.classes == ("a", "b", "c")
    assert np.bincount(loaded.test.y).tolist() == [6, 6, 8]
    assert np.bincount(loaded.training.y).tolist() == [24, 24, 32]
    both = np.r_[loaded.training.x[:, 0], loaded.test.x[:, 0]]
    assert sorted(both) == list(range(100))
    assert (np.diff(loaded.test.x[:, 0]) > 0).all()
    assert loaded.test.describe() == again.test.describe()


def test_arrays_of_a_file_enter_as_given(tmp_path):
    x = np.arange(24).reshape(6, 2, 2)
    y = np.arange(12.0).reshape(6, 1, 2)
    training, test = npz(tmp_path, x_train=x, y_train=y)
    assert test is None
    np.testing.assert_array_equal(training.x, x)
    np.testing.assert_array_equal(training.y, y)
    assert training.x.dtype == np.int64


def test_the_test_set_of_a_file_is_kept(tmp_path):
    x = np.arange(12.0).reshape(6, 2)
    y = np.array(["b", "a", "b", "a", "b", "a"])
    np.savez_compressed(tmp_path / "f.npz", x=x, y=y, x_test=-x[:2], y_test=np.array(["c", "a"]))
    loaded = load(tmp_path / "f.npz")
    assert loaded.training.y.tolist() == [1, 0, 1, 0, 1, 0]
    assert loaded.test.y.tolist() == [2, 0]
    assert loaded.training.classes == loaded.test.classes == ("a", "b", "c")
    np.testing.assert_array_equal(loaded.test.x, -x[:2])


X, Y = np.eye(3), np.array([0, 1, 2])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, r"has no y; it has x\."),
        ({"a": X, "b": Y}, r"has no x or y; it has a, b\."),
        ({}, "it has nothing"),
        ({"x": X, "y": Y, "y_test": Y}, "has no x_test"),
        ({"x": X, "y": Y, "x_train": X}, "has both x and x_train"),
        ({"x": X, "y": np.array([0, 1, None])}, "Python objects"),
        ({"x": X + np.nan, "y": Y}, "x is nan in row 0, column 0"),
        ({"x": X, "y": np.array(["a", " ", "b"])}, "y is empty in row 1"),
        ({"x": X, "y": Y, "x_test": X + np.inf, "y_test": Y}, r"\(test\): x is"),
    ],
)
def test_a_file_of_arrays_that_cannot_be_used_is_refused(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message) as caught:
        npz(tmp_path, **arrays)
    assert "t.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arrays",
    [{"x": X + 1j, "y": Y}, {"x": X[0], "y": Y}, {"x": X, "y": Y[:2]}, {"x": X[:0], "y": Y[:0]}],
)
def test_wrong_shapes_and_types_in_a_file_are_named(tmp_path, arrays):
    with pytest.raises(UsageError, match=r"t\.npz: . has"):
        npz(tmp_path, **arrays)


def test_a_damaged_archive_is_refused(tmp_path):
    path = tmp_path / "t.npz"
    npz(tmp_path, x=np.random.default_rng(0).random((50, 3)), y=np.arange(50))
    whole = path.read_bytes()
    for damaged in (b"", whole[:500], b"not a zip at all"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"not a \.npz file"):
            tables.read(path)
    path.write_bytes(whole[:300] + b"\xff" * 8 + whole[308:])
    with pytest.raises(DataError, match="cannot be read"):
        tables.read(path)
    buffer = io.BytesIO()
    np.save(buffer, X)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match=r"not a \.npz file"):
        tables.read(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", b"\x93NUMPY\x01\x00")
        file.writestr("y.npy", b"")
    with pytest.raises(DataError, match="cannot be read"):
        tables.read(path)


def test_a_path_that_is_no_file_is_a_wrong_argument(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageError, match=r"folder\.csv is a folder"):
        load(tmp_path / "folder.csv")
    with pytest.raises(UsageError, match=r"none\.npz does not exist"):
        load(f"{tmp_path}/none.npz")
