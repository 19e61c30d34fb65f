"""IDX files: where they are looked for, what is read, what is refused, and downloads."""

import functools
import gzip
import hashlib
import http.server
import threading
from dataclasses import replace

import numpy as np
import pytest

from nndyn.errors import DataError, UsageError
from nndyn.systems.training import Training
from nndyn.systems.training.data import images
from nndyn.systems.training.data.loading import load

SIZES = {"train": 30, "t10k": 20}
INSTALLED = images.SYSTEM / "fashion-mnist"


def idx_bytes(array):
    header = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


def arrays(part):
    generator = np.random.default_rng(list(part.encode()))
    n = SIZES[part]
    return generator.integers(0, 256, (n, 3, 4)), np.arange(n) % 10


def write(folder, *, gz=True, dot=False, **changed):
    folder.mkdir(parents=True, exist_ok=True)
    for part in SIZES:
        for kind, array in zip(("images-idx3", "labels-idx1"), arrays(part), strict=True):
            name = f"{part}-{kind}-ubyte"
            content = changed.get(name.replace("-", "_"), idx_bytes(array))
            if dot:
                name = name.replace("-idx", ".idx")
            path = folder / (name + ".gz" * gz)
            path.write_bytes(gzip.compress(content) if gz else content)
    return folder


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(images, "SYSTEM", tmp_path / "none")
    monkeypatch.setenv("XDG_DATA_DIRS", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("gz", [True, False])
@pytest.mark.parametrize("dot", [True, False])
def test_pixels_come_in_rows_between_zero_and_one(tmp_path, gz, dot):
    loaded = load("fashion_mnist", data_dir=write(tmp_path / "d", gz=gz, dot=dot))
    assert loaded.name == "fashion-mnist"
    for samples, part in ((loaded.training, "train"), (loaded.test, "t10k")):
        x, y = arrays(part)
        np.testing.assert_array_equal(samples.x, x.reshape(len(x), 12) / 255)
        np.testing.assert_array_equal(samples.y, y)
        assert samples.image == (1, 3, 4)
        assert (samples.x.dtype, samples.y.dtype) == (np.float64, np.int64)
        assert samples.x.flags.writeable


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("fashion-mnist", "."),
        ("fashion-mnist", "fashion-mnist"),
        ("fashion-mnist", "FashionMNIST/raw"),
        ("mnist", "mnist"),
        ("mnist", "MNIST/raw"),
    ],
)
def test_files_are_found_in_the_folder_given_and_below_it(tmp_path, name, below):
    write(tmp_path / below)
    assert len(load(name, data_dir=str(tmp_path)).training) == 30


def test_folders_of_the_system_are_searched_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "share/datasets/mnist")
    write(tmp_path / "relative/datasets/mnist")
    monkeypatch.setenv("XDG_DATA_DIRS", f"relative:{tmp_path / 'empty'}:{tmp_path / 'share'}")
    paths = images.locate("mnist")
    assert {path.parent for path in paths} == {tmp_path / "share/datasets/mnist"}
    assert [path.name.split("-idx")[0] for path in paths] == [
        "train-images",
        "train-labels",
        "t10k-images",
        "t10k-labels",
    ]
    monkeypatch.setattr(images, "SYSTEM", tmp_path / "first")
    write(tmp_path / "first/mnist")
    assert images.locate("mnist")[0].parent == tmp_path / "first/mnist"


def test_a_missing_file_is_named_with_its_folder_and_nothing_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "_download", lambda *_: pytest.fail("downloads"))
    with pytest.raises(UsageError, match=r"no train-images-idx3-ubyte, .* in .*nowhere"):
        load("mnist", data_dir=tmp_path / "nowhere")
    (write(tmp_path / "mnist") / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UsageError, match=r"no t10k-labels-idx1-ubyte \(or .gz\) in .*/mnist, "):
        load("mnist", data_dir=tmp_path)


def header(*shape):
    return bytes((0, 0, 8, len(shape))) + np.array(shape, ">u4").tobytes()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("train_images_idx3_ubyte", b"", "begins with nothing"),
        ("train_images_idx3_ubyte", b"\x00\x00\x0d\x03" + b"\0" * 99, "begins with 00000d03"),
        ("train_images_idx3_ubyte", header(30) + b"\0" * 30, "begins with 00000801; .* 00000803"),
        ("train_images_idx3_ubyte", header(30, 3, 4)[:9], "within its header, after 9 bytes"),
        ("train_images_idx3_ubyte", header(30, 3, 4) + b"\0" * 359, "has 375 bytes.* 376"),
        ("train_images_idx3_ubyte", header(30, 3, 4) + b"\0" * 361, "has 377 bytes.* 376"),
        ("train_images_idx3_ubyte", header(2**32 - 1, 2**32 - 1, 9), "has 16 bytes"),
        ("train_images_idx3_ubyte", header(0, 3, 4), "is empty"),
        ("train_images_idx3_ubyte", header(30, 0, 4), "is empty"),
        ("train_labels_idx1_ubyte", header(29) + b"\0" * 29, "has 30 images and .* has 29 labels"),
        ("train_labels_idx1_ubyte", header(0), "is empty"),
        ("t10k_labels_idx1_ubyte", header(20) + b"\0" * 7 + b"\x0a" * 13, "label 7 is 10"),
        ("t10k_images_idx3_ubyte", header(20, 4, 4) + b"\0" * 320, r"\(1, 4, 4\).*\(1, 3, 4\)"),
    ],
)
@pytest.mark.parametrize("gz", [True, False])
def test_damaged_files_are_refused_by_name(tmp_path, file, content, message, gz):
    write(tmp_path, gz=gz, **{file: content})
    with pytest.raises(DataError, match=message) as caught:
        load("mnist", data_dir=tmp_path)
    assert file.replace("_", "-") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_of_one_class_alone_are_refused_by_a_training(tmp_path):
    write(tmp_path, train_labels_idx1_ubyte=header(30) + b"\x03" * 30)
    with pytest.raises(
        DataError, match=r"^mnist: all 30 labels are 3; training needs at least two"
    ):
        Training("cnn:2", "mnist", data_dir=tmp_path, lr=0.1)


def test_gzip_that_is_none_or_torn_is_refused(tmp_path):
    path = write(tmp_path) / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"train-images.*\.gz is cut off"):
        load("mnist", data_dir=tmp_path)
    path.write_bytes(whole[:20] + bytes(b ^ 0xFF for b in whole[20:40]) + whole[40:])
    with pytest.raises(DataError, match=r"train-images.*\.gz is (not gzip|cut off or damaged)"):
        load("mnist", data_dir=tmp_path)
    path.write_bytes(gzip.decompress(whole))
    with pytest.raises(DataError, match=r"train-images.*\.gz is not gzip.*drop \.gz"):
        load("mnist", data_dir=tmp_path)


def test_samples_are_chosen_before_pixels_are_floats(tmp_path, monkeypatch):
    scaled = []
    unit = images.unit
    monkeypatch.setattr(images, "unit", lambda s: scaled.append(len(s)) or unit(s))
    loaded = load("mnist", data_dir=write(tmp_path), samples=15)
    assert scaled == [15, 10] == [len(loaded.training), len(loaded.test)]


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A server on this machine with the files of mnist; its folder, and what was asked of it."""
    folder, asked = write(tmp_path / "served"), []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=folder)
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    md5 = tuple(
        hashlib.md5((folder / f"{file}.gz").read_bytes()).hexdigest() for file in images.FILES
    )
    source = replace(
        images.SOURCES["mnist"], url=f"http://127.0.0.1:{server.server_port}/", md5=md5
    )
    monkeypatch.setitem(images.SOURCES, "mnist", source)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield folder, asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_nowhere_is_downloaded_once_into_the_cache(tmp_path, served, capfd):
    _, asked = served
    loaded = load("mnist")
    assert len(asked) == 4
    cache = tmp_path / "cache/nndyn/mnist"
    assert sorted(path.name for path in cache.iterdir()) == sorted(f"{f}.gz" for f in images.FILES)
    again = load("mnist")
    assert len(asked) == 4
    np.testing.assert_array_equal(loaded.training.x, again.training.x)
    assert capfd.readouterr() == ("", "")


def test_a_wrong_checksum_is_refused_and_leaves_no_file(tmp_path, served):
    folder, _ = served
    with (folder / "t10k-images-idx3-ubyte.gz").open("ab") as file:
        file.write(b"more")
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz: .*md5.*data_dir") as caught:
        load("mnist")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*t10k*"))


def test_a_file_that_the_server_lacks_is_named(served):
    (served[0] / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\.gz cannot be .*HTTPError"):
        load("mnist")


@pytest.mark.parametrize("name", images.NAMES)
def test_offline_says_what_to_do_in_one_line(monkeypatch, capfd, name):
    source = replace(images.SOURCES[name], url="http://127.0.0.1:9/")
    monkeypatch.setitem(images.SOURCES, name, source)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(DataError, match=r"ConnectionError\): offline\? .*data_dir") as caught:
        load(name)
    assert "\n" not in str(caught.value)
    assert ("dataset-fashion-mnist" in str(caught.value)) == (name == "fashion-mnist")
    assert capfd.readouterr() == ("", "")


def test_a_cache_that_cannot_be_made_is_named(tmp_path, monkeypatch, served):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot write to .*file/nndyn/mnist"):
        load("mnist")
    assert served[1] == []


@pytest.mark.skipif(not INSTALLED.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_fashion_mnist_of_the_distribution_is_the_published_one(monkeypatch):
    monkeypatch.setattr(images, "SYSTEM", INSTALLED.parent)
    loaded = load("fashion-mnist", samples=6000)
    assert loaded.training.x.shape == (6000, 784)
    assert loaded.test.x.shape == (1000, 784)
    assert (np.bincount(loaded.training.y) == 600).all()
    assert (np.bincount(loaded.test.y) == 100).all()
    assert (loaded.training.x.min(), loaded.training.x.max()) == (0, 1)
    # the mean pixel that every user of the set normalizes by
    training, test = images.read("fashion-mnist")
    assert (len(training), len(test)) == (60000, 10000)
    assert training.x.mean() / 255 == pytest.approx(0.2860, abs=5e-5)
