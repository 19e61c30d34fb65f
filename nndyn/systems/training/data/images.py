"""Fashion-MNIST and MNIST, read from IDX files.

===================  ======  ======  ========  =======
name                 train   test    image     classes
===================  ======  ======  ========  =======
``fashion-mnist``    60000   10000   28 x 28   10
``mnist``            60000   10000   28 x 28   10
===================  ======  ======  ========  =======

References
----------
Xiao, Rasul & Vollgraf (2017), Fashion-MNIST, doi:10.48550/arXiv.1708.07747; LeCun, Bottou, Bengio
& Haffner (1998), Gradient-based learning applied to document recognition, doi:10.1109/5.726791.
"""

from __future__ import annotations

import gzip
import logging
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nndyn.errors import DataError, UsageError
from nndyn.numerics.arrays import Array
from nndyn.systems.training.data.samples import Samples

SYSTEM = Path("/usr/share/datasets")
TIMEOUT = 10.0  # seconds without a byte

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class Source:
    """Where a set is downloaded from, and what else its folder may be called.

    Attributes
    ----------
    url : str
        Folder of the gzipped `FILES`.
    md5 : tuple of four str
        Checksums of the gzipped `FILES`.
    folder : str
        Folder that other libraries keep it in.
    package : str
        How it comes with a distribution, for the message; may be empty.
    """

    url: str
    md5: tuple[str, str, str, str]
    folder: str
    package: str = ""


SOURCES = {
    "fashion-mnist": Source(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
        "FashionMNIST/raw",
        "install Debian's dataset-fashion-mnist, or ",
    ),
    "mnist": Source(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        "MNIST/raw",
    ),
}
NAMES = tuple(SOURCES)


def read(name: str, data_dir: str | os.PathLike[str] | None = None) -> tuple[Samples, Samples]:
    """Return the training and the test set called `name`, with pixels as they are stored.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    data_dir : path, optional
        Folder of the four files, or one above it; nothing is downloaded then.

    Returns
    -------
    tuple of two Samples
        x is (N, height * width) uint8, 0 to 255: `unit` scales it, after rows were chosen.

    Raises
    ------
    UsageError
        If a file is not in `data_dir`.
    DataError
        If a file cannot be downloaded, or is damaged or of another kind.

    Notes
    -----
    Peak memory is that of the pixels, one byte each, 55 MB for either set.
    """
    paths = locate(name, data_dir)
    training, test = (_pair(*paths[i : i + 2]) for i in (0, 2))
    if training.image != test.image:
        raise DataError(
            f"{paths[2]} has images of {test.image} and {paths[0]} of {training.image}, "
            "(channels, height, width); take both from one set"
        )
    return training, test


def unit(samples: Samples) -> Samples:
    """Return `samples` with pixels from 0 to 255 scaled to [0, 1], float64."""
    return Samples(samples.x / 255.0, samples.y, image=samples.image)


def locate(name: str, data_dir: str | os.PathLike[str] | None = None) -> list[Path]:
    """Return where the four `FILES` of the set `name` are, downloading them where nowhere.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    data_dir : path, optional
        The only folder to look in, itself and below.

    Returns
    -------
    list of four Path

    Raises
    ------
    UsageError
        If a file is not in `data_dir`.
    DataError
        If a file cannot be downloaded.

    Notes
    -----
    Without `data_dir`: ``/usr/share/datasets/NAME``, ``datasets/NAME`` in each folder of
    ``XDG_DATA_DIRS``, then the cache of the user, which a download fills.
    """
    if data_dir is not None:
        try:
            top = Path(data_dir).expanduser()
            return _complete(name, top, top / name, top / SOURCES[name].folder)
        except (OSError, RuntimeError) as error:  # no such home, a name too long
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"data_dir {str(data_dir)!r}: {reason}") from None
    shared = [Path(folder) for folder in os.environ.get("XDG_DATA_DIRS", "").split(os.pathsep)]
    # the XDG base directory specification says to ignore relative ones
    folders = [SYSTEM, *(folder / "datasets" for folder in shared if folder.is_absolute())]
    try:
        return _complete(name, *(folder / name for folder in folders))
    except UsageError:
        return _cached(name)


def _complete(name: str, *folders: Path) -> list[Path]:
    """Return the four files from the first of `folders` that has all of them.

    Parameters
    ----------
    name : str
        Of the set.
    *folders : Path

    Returns
    -------
    list of four Path

    Raises
    ------
    UsageError
        If none has all; says what is missing in the one that has most.
    """
    found = [_in(folder) for folder in folders]
    for paths in found:
        if len(paths) == len(FILES):
            return list(paths.values())
    best = max(range(len(folders)), key=lambda i: len(found[i]))
    missing = [file for file in FILES if file not in found[best]]
    others = [str(folder) for folder in folders if folder != folders[best]]
    raise UsageError(
        f"no {', '.join(missing)} (or .gz) in {folders[best]}, and not all in "
        f"{' or '.join(others)}: put the four {name} files into one folder, or leave data_dir out"
    )


def _in(folder: Path) -> dict[str, Path]:
    """Return which of `FILES` are in `folder`, and where; some write a dot for the second dash."""
    found: dict[str, Path] = {}
    for file in FILES:
        for spelling in (file, file + ".gz"):
            for path in (folder / spelling, folder / spelling.replace("-idx", ".idx")):
                if path.is_file():
                    found.setdefault(file, path)
    return found


def _cached(name: str) -> list[Path]:
    """Return the four files in the cache of the user, downloading those that are not there."""
    import pooch  # a tenth of a second of import, for these sets only

    cache = Path(pooch.os_cache("nndyn")) / name
    return [
        _in(cache).get(file) or _download(name, file + ".gz", md5, cache)
        for file, md5 in zip(FILES, SOURCES[name].md5, strict=True)
    ]


def _download(name: str, file: str, md5: str, folder: Path) -> Path:
    """Return `folder` / `file` after downloading it.

    Parameters
    ----------
    name : str
        Of the set.
    file : str
        Its name in both places.
    md5 : str
    folder : Path

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If it cannot be had or stored, or does not have its checksum.
    """
    import pooch

    source = SOURCES[name]
    cure = f"{source.package}get the four files from {source.url} and name their folder (data_dir)"
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # standard error is for our own messages
    try:
        path = pooch.retrieve(
            source.url + file,
            f"md5:{md5}",
            fname=file,
            path=folder,
            downloader=pooch.HTTPDownloader(timeout=TIMEOUT),
        )
    except OSError as error:
        if error.strerror is not None:  # of the disk; those of requests have none
            raise DataError(f"cannot write to {folder}: {error.strerror}; {cure}") from None
        reason = type(error).__name__
        raise DataError(
            f"{name} is not on this machine, and {source.url}{file} cannot be downloaded "
            f"({reason}): offline? {cure}"
        ) from None
    except ValueError:
        raise DataError(
            f"{source.url}{file}: the download does not have the md5 checksum {md5}, "
            f"and was thrown away; try again, or {cure}"
        ) from None
    finally:
        logger.setLevel(level)
    return Path(path)


def _pair(images: Path, labels: Path) -> Samples:
    x, y = idx(images, 3), idx(labels, 1).astype(np.int64)
    if len(x) != len(y):
        raise DataError(f"{images} has {len(x)} images and {labels} has {len(y)} labels")
    if y.max() > 9:
        row = int(np.argmax(y > 9))
        raise DataError(f"{labels}: label {row} is {y[row]}; labels are 0 to 9")
    return Samples(x.reshape(len(x), -1), y, image=(1, *x.shape[1:]))


def idx(path: Path, dimensions: int) -> Array:
    """Return the numbers of an IDX file of bytes, gzipped where its name ends ``.gz``.

    Parameters
    ----------
    path : Path
    dimensions : int
        How many the file must have.

    Returns
    -------
    uint8, read-only

    Raises
    ------
    DataError
        If the file cannot be read, is cut off or too long, or is of another kind.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                content = file.read()
        else:
            content = path.read_bytes()
    except gzip.BadGzipFile as error:
        raise DataError(
            f"{path} is not gzip ({error}); get it again, or drop .gz from its name if it is "
            "unpacked"
        ) from None
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path} is cut off or damaged ({error}); get it again") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    start = 4 + 4 * dimensions
    magic = bytes((0, 0, 0x08, dimensions))  # 0x08: unsigned bytes
    if content[:4] != magic:
        raise DataError(
            f"{path} begins with {content[:4].hex() or 'nothing'}; an IDX file of bytes in "
            f"{dimensions} dimension{'s' * (dimensions > 1)} begins with {magic.hex()}"
        )
    if len(content) < start:
        raise DataError(f"{path} ends within its header, after {len(content)} bytes: get it again")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", dimensions, offset=4))
    if len(content) != start + math.prod(shape):
        raise DataError(
            f"{path} has {len(content)} bytes, and its header, shape {shape}, asks for "
            f"{start + math.prod(shape)}: get it again"
        )
    if 0 in shape:
        raise DataError(f"{path} is empty: its shape is {shape}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
