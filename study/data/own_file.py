"""A data set of one's own: an npz file of X_train, y_train, X_test and y_test, checked and as float32.

Features may have any number of axes and are flattened. Images are arrays (n, height, width), (n, channels, height,
width) or (n, height, width, channels) with 1 to 4 channels: those of bytes (uint8) are divided by 255, as MNIST's are;
all other numbers are taken as they are. Labels are integers, numbered in sorted order, or texts.
"""

import hashlib
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from study.data.arrays import Arrays
from study.data.npz import NUMBERS, Header, Npz, opened
from study.errors import UsageError, quote
from study.spec.datasets import (
    MAKE_OWN,
    MAX_CLASS_NAME,
    MAX_CLASSES,
    MAX_FEATURES,
    MAX_NAME,
    MAX_ROWS,
    NPZ,
    DatasetSpec,
    OwnFile,
    key_of_file,
)  # fmt: skip

NAMES = ("X_train", "y_train", "X_test", "y_test")
CHANNELS = (1, 2, 3, 4)
TEXTS = {".csv", ".tsv", ".txt", ".data", ".xlsx", ".parquet"}


class Read(NamedTuple):
    """A file of one's own that was read."""

    data: DatasetSpec
    arrays: Arrays


def describe(path: Path) -> DatasetSpec:
    """Return the data set of a file as a value, for ``Design(..., own_data=...)``; a UsageError where it is none."""
    return read(path).data


def read(path: Path) -> Read:
    """Return the data set of a file and its arrays, once read as long as the file stays what it is."""
    _check_suffix(path)
    try:
        status = path.stat()
    except OSError as error:
        raise UsageError(f"--dataset {quote(str(path))}: {error.strerror}; make it by {MAKE_OWN}") from None
    return _read(path, status.st_mtime_ns, status.st_size)


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() == NPZ:
        return
    suffix, loader = path.suffix.lower(), ""
    if suffix in TEXTS:
        loader = 'read it, such as by pandas.read_csv("FILE"), split it, and '
    elif suffix == ".npy":
        loader = 'one .npy file holds one array: np.load("FILE"), split it, and '
    loader = loader.replace("FILE", path.name)
    raise UsageError(f"--dataset {quote(str(path))} is no {NPZ} file; {loader}save {MAKE_OWN}")


@lru_cache(maxsize=1)
def _read(path: Path, modified: int, size: int) -> Read:
    with opened(path, NAMES) as (npz, file):
        _check_headers(npz)
        shape, scaled = _image(npz)
        labels = [_labels(npz, name) for name in ("y_train", "y_test")]
        classes, numbered = _numbered(npz, labels)
        features = [_features(npz, name, shape, scaled) for name in ("X_train", "X_test")]
        sha256 = _sha256(file)
    counts = np.bincount(numbered[1], minlength=len(classes)).tolist()
    data = DatasetSpec(
        key=key_of_file(path),
        name=_shown(path.stem),
        n_train=len(numbered[0]),
        n_test=len(numbered[1]),
        n_features=features[0].shape[1],
        n_classes=len(classes),
        source=OwnFile(sha256, path),
        image=None if shape is None else _channels_first(shape),
        counts=None if len({*counts}) == 1 else tuple(counts),
        classes=_names(npz, classes),
        unit_interval=shape is not None and all(_in_unit_interval(x) for x in features),
    )
    (train, test), (y_train, y_test) = features, numbered
    return Read(data, Arrays((train, y_train), (test, y_test), {path.name: sha256}))


# --- checked by the headers alone


def _check_headers(npz: Npz) -> None:
    for name, header in npz.headers.items():
        if header.dtype.hasobject:
            raise UsageError(
                f"{npz.path}: {name} is an array of Python objects, which would have to be unpickled; save"
                f" {_as_plain(name)} instead"
            )
        if not header.shape:
            raise UsageError(f"{npz.path}: {name} is a single value; give one row an example, as in {MAKE_OWN}")
        _check_type(npz, name, header)
    for split in ("train", "test"):
        _check_length(npz, split)
    train, test = (npz.headers[name] for name in ("X_train", "X_test"))
    if train.shape[1:] != test.shape[1:]:
        raise UsageError(
            f"{npz.path}: a row of X_train has the shape {train.shape[1:]}, one of X_test {test.shape[1:]}; give both"
            " the same features"
        )
    n_features = train.n_values // train.shape[0]
    if not 1 <= n_features <= MAX_FEATURES:
        raise UsageError(f"{npz.path}: X_train has {n_features:,} features; give 1 to {MAX_FEATURES:,}")


def _check_type(npz: Npz, name: str, header: Header) -> None:
    kind = header.dtype.kind
    if name.startswith("X"):
        if kind not in NUMBERS:
            raise UsageError(f"{npz.path}: {name} is of {header.dtype}; give numbers, {_as_plain(name)}")
    elif kind == "f":
        raise UsageError(
            f"{npz.path}: {name} is of {header.dtype}; labels are whole numbers or texts, so save"
            f" {name}.astype(int) (a regression is not trained here)"
        )
    elif kind not in "biuUS":
        raise UsageError(f"{npz.path}: {name} is of {header.dtype}; give whole numbers or texts, {_as_plain(name)}")


def _as_plain(name: str) -> str:
    return f"{name}.astype(float)" if name.startswith("X") else f"{name}.astype(str) or {name}.astype(int)"


def _check_length(npz: Npz, split: str) -> None:
    x, y = (npz.headers[f"{letter}_{split}"] for letter in "Xy")
    if len(y.shape) != 1 and y.n_values != y.shape[0]:
        raise UsageError(f"{npz.path}: y_{split} has the shape {y.shape}; give one label a row, such as y.argmax(1)")
    if x.shape[0] != y.shape[0]:
        raise UsageError(
            f"{npz.path}: X_{split} has {x.shape[0]:,} rows and y_{split} {y.shape[0]:,} labels; give one label a row"
        )
    if not 1 <= x.shape[0] <= MAX_ROWS:
        raise UsageError(f"{npz.path}: X_{split} has {x.shape[0]:,} rows; give 1 to {MAX_ROWS:,}")


# --- features


def _image(npz: Npz) -> tuple[tuple[int, ...] | None, bool]:
    """Return the axes of an image as they are stored, None of a table; and whether its values are bytes."""
    shape = npz.headers["X_train"].shape[1:]
    is_image = len(shape) == 2 or (len(shape) == 3 and (shape[0] in CHANNELS or shape[2] in CHANNELS))
    if not is_image:
        return None, False
    of_bytes = {name: npz.headers[name].dtype == np.uint8 for name in ("X_train", "X_test")}
    if len({*of_bytes.values()}) > 1:
        raise UsageError(
            f"{npz.path}: of X_train and X_test one is of bytes (uint8), which are divided by 255, and one is not; give"
            " both the same type"
        )
    return shape, of_bytes["X_train"]


def _channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) == 2:
        return (1, *shape)
    return shape if shape[0] in CHANNELS else (shape[2], *shape[:2])


def _features(npz: Npz, name: str, shape: tuple[int, ...] | None, scaled: bool) -> NDArray[np.float32]:
    """Return the features (n, features) of a split, images with their channels first."""
    rows = npz.features(name)
    if scaled:
        rows /= np.float32(255)
    if shape is not None and len(shape) == 3 and shape[0] not in CHANNELS:
        pictures = rows.reshape(len(rows), *shape).transpose(0, 3, 1, 2)
        return np.ascontiguousarray(pictures).reshape(len(rows), -1)
    return rows


def _in_unit_interval(rows: NDArray[np.float32]) -> bool:
    return bool(rows.min() >= 0 and rows.max() <= 1)


# --- labels


def _labels(npz: Npz, name: str) -> NDArray[Any]:
    labels = npz.whole(name).ravel()
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    return labels.astype(int) if labels.dtype.kind == "b" else labels


def _numbered(npz: Npz, labels: list[NDArray[Any]]) -> tuple[NDArray[Any], list[NDArray[np.int64]]]:
    """Return the classes of training in sorted order, and the labels of both splits by their numbers."""
    train, test = labels
    if (train.dtype.kind == "U") != (test.dtype.kind == "U"):
        raise UsageError(f"{npz.path}: of y_train and y_test one holds texts and one numbers; give both the same")
    classes, of_train = np.unique(train, return_inverse=True)
    if len(classes) < 2:
        raise UsageError(
            f"{npz.path}: y_train has one class alone ({quote(str(classes[0]))}); give two or more to tell apart"
        )
    if len(classes) > MAX_CLASSES:
        raise UsageError(
            f"{npz.path}: y_train has {len(classes):,} classes; give at most {MAX_CLASSES:,} (a regression is not"
            " trained here)"
        )
    unknown = sorted({*np.unique(test).tolist()} - {*classes.tolist()})
    if unknown:
        raise UsageError(
            f"{npz.path}: y_test has the label {quote(str(unknown[0]))}, which y_train lacks; leave its rows out of the"
            " test, or have some of them in training"
        )
    if len(np.unique(test)) < 2:
        raise UsageError(
            f"{npz.path}: y_test has one class alone ({quote(str(test[0]))}); give two or more to tell apart"
        )
    return classes, [of_train.astype(np.int64), np.searchsorted(classes, test).astype(np.int64)]


def _names(npz: Npz, classes: NDArray[Any]) -> tuple[str, ...] | None:
    """Return the names of the classes, None where they are the numbers from 0 on."""
    if classes.tolist() == [*range(len(classes))]:
        return None
    names = tuple(str(name) for name in classes.tolist())
    wrong = next((name for name in names if not (0 < len(name) <= MAX_CLASS_NAME and name.isprintable())), None)
    if wrong is not None:
        raise UsageError(
            f"{npz.path}: a class is called {quote(wrong)}; give names of 1 to {MAX_CLASS_NAME} characters that can be"
            " printed"
        )
    return names


def _shown(stem: str) -> str:
    return stem if stem.isprintable() and len(stem) <= MAX_NAME else key_of_file(Path(stem))


def _sha256(file: BufferedReader) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()
