"""A data set of one's own: read as numpy reads it, or refused in one sentence that says how to make a better one."""

import io
import re
import resource
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from study import run, tune
from study.data import npz, own_file
from study.data.dataset import load
from study.errors import UsageError
from study.spec.datasets import MAKE_OWN
from tests.study.data.tables import save, table

PIXELS = np.random.default_rng(0).integers(0, 256, (80, 6, 5, 3), np.uint8)
LABELS = np.arange(80) % 4
COLOURED = {"X_train": PIXELS[:60], "y_train": LABELS[:60], "X_test": PIXELS[60:], "y_test": LABELS[60:]}


def read(path: Path) -> own_file.Read:
    return own_file.read(path)


# --- read


def test_a_table_is_read_as_numpy_reads_it(tmp_path: Path) -> None:
    arrays = table()
    data, found = read(save(tmp_path / "credit risk.npz", arrays))
    assert (data.key, data.name, data.folder) == ("credit_risk", "credit risk", "credit_risk")
    assert (data.n_train, data.n_test, data.n_features, data.n_classes) == (60, 20, 3, 2)
    assert (data.classes, data.counts, data.chance) == (("default", "paid"), (3, 17), 0.85)
    assert (data.image, data.noun, data.has_pictures) == (None, "example", False)
    for split, (x, y) in (("train", found.train), ("test", found.test)):
        assert x.dtype == np.float32
        assert (x == arrays[f"X_{split}"].astype(np.float32)).all()
        assert (np.array(data.classes)[y] == arrays[f"y_{split}"]).all()


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f8", "i1", "u2", "i8", "bool"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_any_type_and_order_are_taken_as_they_are(kind: str, order: Any, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 2 if kind == "bool" else 100, (9, 2, 4, 5, 2)).astype(kind)
    labels = np.arange(9) % 2
    path = save(tmp_path / "x.npz", {}, X_train=rows.copy(order), y_train=labels, X_test=rows[:4], y_test=labels[:4])
    data, found = read(path)
    assert data.image is None
    assert (found.train[0] == rows.reshape(9, -1)).all()
    assert (found.test[0] == rows[:4].reshape(4, -1)).all()


def test_one_number_a_row_is_one_feature(tmp_path: Path) -> None:
    data, found = read(save(tmp_path / "x.npz", table(), X_train=np.arange(60.0), X_test=np.arange(20)))
    assert data.n_features == 1
    assert found.train[0].tolist() == [[float(i)] for i in range(60)]


def test_bytes_of_images_are_divided_by_255_and_their_channels_come_first(tmp_path: Path) -> None:
    data, found = read(save(tmp_path / "x.npz", COLOURED))
    assert (data.image, data.n_features, data.has_pictures, data.noun) == ((3, 6, 5), 90, True, "image")
    first = found.train[0].reshape(60, 3, 6, 5)
    assert (first == PIXELS[:60].transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)).all()
    channels_first = {
        name: array.transpose(0, 3, 1, 2) if array.ndim == 4 else array for name, array in COLOURED.items()
    }
    again = read(save(tmp_path / "y.npz", channels_first))
    assert (again.arrays.train[0] == found.train[0]).all()
    grey = read(save(tmp_path / "z.npz", COLOURED, X_train=PIXELS[:60, ..., 0], X_test=PIXELS[60:, ..., 0]))
    assert grey.data.image == (1, 6, 5)


def test_bytes_of_a_table_are_numbers_like_others(tmp_path: Path) -> None:
    flat = PIXELS.reshape(80, -1)
    data, found = read(save(tmp_path / "x.npz", COLOURED, X_train=flat[:60], X_test=flat[60:]))
    assert data.image is None
    assert (found.train[0] == flat[:60]).all()


def test_images_of_numbers_beyond_0_and_1_have_no_pictures_to_blur(tmp_path: Path) -> None:
    pixels = PIXELS.astype(float)
    data, _ = read(save(tmp_path / "x.npz", COLOURED, X_train=pixels[:60], X_test=pixels[60:]))
    assert data.image == (3, 6, 5)
    assert not data.has_pictures


@pytest.mark.parametrize(
    ("labels", "numbers", "classes"),
    [
        ([0, 1, 1, 0], [0, 1, 1, 0], None),
        ([10, -3, 10, 7], [2, 0, 2, 1], ("-3", "7", "10")),
        (["b", "a", "ü", "a"], [1, 0, 2, 0], ("a", "b", "ü")),
        ([b"yes", b"no", b"no", b"no"], [1, 0, 0, 0], ("no", "yes")),
        ([True, False, False, True], [1, 0, 0, 1], None),
    ],
)
def test_labels_are_numbered_in_sorted_order(
    labels: list[Any], numbers: list[int], classes: tuple[str, ...] | None, tmp_path: Path
) -> None:
    data, found = read(save(tmp_path / "x.npz", {}, X_train=np.eye(4), y_train=labels, X_test=np.eye(4), y_test=labels))
    assert found.train[1].tolist() == numbers
    assert data.classes == classes


def test_a_file_that_changes_is_read_again_and_has_another_digest(tmp_path: Path) -> None:
    first = read(save(tmp_path / "x.npz", table()))
    assert read(tmp_path / "x.npz") is first
    second = read(save(tmp_path / "x.npz", table(n=61)))
    assert second.data.n_train == 61
    assert second.data.source != first.data.source


def test_a_study_finds_its_file_by_name_and_takes_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest does not say where it lies: it is looked for in the data folder, then in the working folder."""
    kept = type(own_file.describe(path := save(tmp_path / "x.npz", table()))).from_dict(
        own_file.describe(path).to_dict()
    )
    monkeypatch.chdir(tmp_path)
    assert len(load(kept, tmp_path / "nowhere").train.labels) == len(load(kept, tmp_path).train.labels) == 60
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match=r"^x.npz, the data of this study, is neither in .* --data-dir my-data$"):
        load(kept, tmp_path / "nowhere")
    save(tmp_path / "elsewhere" / "x.npz", table(seed=1))
    with pytest.raises(UsageError, match=r"^x.npz is not the file of this study: its sha256 is .*, the study's is"):
        load(kept, tmp_path / "nowhere")


# --- refused


NAN = table()["X_train"].copy()
NAN[4, 2] = np.nan
HUGE = table()["X_test"].copy()
HUGE[7, 1] = -1e39
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"X_test": None}, r"has no array X_test, it has X_train, y_train, y_test; make it by np\.savez"),
    ({"y_train": None, "X_test": None}, r"has no array y_train and no array X_test, it has X_train, y_test;"),
    ({"y_train": table()["y_train"][:-1]}, r"X_train has 60 rows and y_train 59 labels; give one label a row"),
    ({"X_train": NAN}, r"X_train is nan in row 4, column 2 \(counted from 0\); give finite numbers"),
    (
        {"X_test": np.asfortranarray(HUGE)},
        r"X_test is -1e\+39, beyond what float32 holds .* in row 7, column 1",
    ),
    ({"y_test": ["other"] * 20}, r"y_test has the label other, which y_train lacks; leave its rows out"),
    ({"y_test": ["paid"] * 20}, r"y_test has one class alone \(paid\); give two or more to tell apart"),
    ({"y_train": np.zeros(60, int), "y_test": np.zeros(20, int)}, r"y_train has one class alone \(0\)"),
    (
        {"y_train": np.arange(60.0)},
        r"y_train is of float64; labels are whole numbers or texts, so save y_train",
    ),
    ({"y_train": np.arange(60), "y_test": ["a"] * 20}, r"one holds texts and one numbers; give both the same"),
    ({"X_train": np.array([[1, "a", None]] * 60, object)}, r"X_train is an array of Python objects, .*astype"),
    ({"X_train": table()["X_train"].astype(complex)}, r"X_train is of complex128; give numbers, X_train.astype"),
    ({"X_train": np.array([["a"]] * 60)}, r"X_train is of <U1; give numbers"),
    ({"X_test": np.empty((0, 3)), "y_test": np.empty(0, "U1")}, r"X_test has 0 rows; give 1 to"),
    ({"X_test": np.ones((20, 4))}, r"a row of X_train has the shape \(3,\), one of X_test \(4,\); give both the same"),
    ({"X_train": np.float64(3)}, r"X_train is a single value; give one row an example"),
    ({"X_train": np.ones((60, 0)), "X_test": np.ones((20, 0))}, r"X_train has 0 features; give 1 to"),
    ({"y_train": np.eye(60)[:, :2].astype(int)}, r"y_train has the shape \(60, 2\); give one label a row, such as y"),
    ({"y_train": np.arange(60) * np.arange(60), "y_test": np.zeros(20, int)}, r"y_test has one class alone"),
    ({"y_train": ["a\tb", "c"] * 30, "y_test": ["a\tb", "c"] * 10}, r"a class is called 'a\\tb'; give names of 1 to"),
    ({"X_train": np.ones((60, 4, 4), np.uint8), "X_test": np.ones((20, 4, 4))}, r"one is of bytes \(uint8\)"),
]


@pytest.mark.parametrize(("others", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_trained_on_is_refused_in_a_sentence(
    others: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        read(save(tmp_path / "mine.npz", table(), **others))


def test_the_number_of_classes_is_bounded(tmp_path: Path) -> None:
    labels = np.arange(1001)
    path = save(tmp_path / "x.npz", {}, X_train=labels, y_train=labels, X_test=labels, y_test=labels)
    with pytest.raises(UsageError, match=r"y_train has 1,001 classes; give at most 1,000 \(a regression"):
        read(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "absent.npz",
            r"--dataset absent.*: No such file or directory; make it by np\.savez\(\"mine\.npz\"",
        ),
        (
            "mine.csv",
            r'--dataset mine.csv is no .npz file; read it, such as by pandas.read_csv\("mine.csv"\), split',
        ),
        ("mine.npy", r'is no .npz file; one .npy file holds one array: np.load\("mine.npy"\), split it, and save np'),
        ("folder.npz", r"--dataset folder.npz is no file; make one by np\.savez"),
        ("text.npz", r"text.npz is no npz file; make one by np\.savez"),
        ("irs", r"--dataset 'irs' is unknown.*; choose from: auto, mnist, .*; for data of your own, save np\.savez"),
    ],
)
@pytest.mark.parametrize("command", [run.main, tune.main])
def test_what_is_no_file_of_arrays_ends_in_exit_code_2_a_sentence_and_nothing_half_made(
    name: str, message: str, command: Callable[[list[str]], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("folder.npz").mkdir()
    Path("text.npz").write_text("a,b\n1,2\n")
    before = sorted(Path().iterdir())
    assert command(["--dataset", name]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert MAKE_OWN in said.err
    with pytest.raises(AssertionError, match="no match"):
        _match("no such sentence", said.err)
    _match(message, said.err)
    assert sorted(Path().iterdir()) == before


def _match(pattern: str, text: str) -> None:
    assert re.search(pattern, text), f"no match of {pattern} in {text}"


def test_a_batch_larger_than_the_training_set_is_refused_by_its_name(tmp_path: Path, capsys: Any) -> None:
    path = save(tmp_path / "mine.npz", table())
    assert run.main(["--dataset", str(path), "--batch-sizes", "61", "--out", str(tmp_path / "r")]) == 2
    assert "--batch-sizes 61: give a whole number from 1 to 60 examples, as mine has" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


# --- made to do harm


def member(array: np.ndarray, header: bytes | None = None) -> bytes:
    """An npy file, its header replaced."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    content = buffer.getvalue()
    if header is None:
        return content
    padded = header + b" " * (-(len(header) + 11) % 64) + b"\n"
    return content[:8] + len(padded).to_bytes(2, "little") + padded


def forged(path: Path, content: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    """A sound file but for X_train."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, array in table().items():
            archive.writestr(f"{name}.npy", content if name == "X_train" else member(array))
    return path


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (60, 1000000000)}", "values; at most 2,147,483,648 are"),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (60, 900000)}", "bytes that say they hold 432,0"),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (60, 3)}", "it is shorter than its shape"),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (-60, -3)}", "X_train is no array that numpy wrote"),
        (b"{'descr': '<f8', 'fortran_order': False, 'shape': (True, 3)}", "X_train is no array that numpy wrote"),
        (b"{'descr': '|O', 'fortran_order': False, 'shape': (60, 3)}", "X_train is an array of Python objects"),
        (b"__import__('os').system('touch harm')", "X_train is no array that numpy wrote"),
        (b"{" * 9000, "X_train is no array that numpy wrote"),
        (b"{" + b"1:1," * 5000 + b"}", "X_train is no array that numpy wrote"),
    ],
)
def test_a_header_that_asks_for_more_than_there_is_is_refused_before_memory_is_asked_for(
    header: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(np, "empty", _small_only(np.empty))
    path = forged(tmp_path / "x.npz", member(np.zeros(1), header))
    with pytest.raises(UsageError, match=message):
        read(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.npz"]


def _small_only(empty: Any) -> Any:
    def checked(shape: Any, *kind: Any, **named: Any) -> Any:
        assert np.prod(shape) < 10**7, f"an array of {shape} was asked for"
        return empty(shape, *kind, **named)

    return checked


def test_a_zip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight megabytes of zeros in eight kilobytes, where one would be read of any file."""
    monkeypatch.setattr(npz, "SLACK", 10**6)
    zeros = member(np.zeros(1), b"{'descr': '<f8', 'fortran_order': False, 'shape': (60, 16667)}")
    with zipfile.ZipFile(path := tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("X_train.npy", "w") as stream:
            stream.write(zeros)
            stream.write(bytes(60 * 16667 * 8))
        for name, array in table().items():
            if name != "X_train":
                archive.writestr(f"{name}.npy", member(array))
    assert path.stat().st_size < 20_000
    with pytest.raises(UsageError, match=r"more than 100 times as many; save such arrays with np\.savez, not"):
        read(path)
    monkeypatch.setattr(npz, "MAX_RATIO", 1000)
    with pytest.raises(UsageError, match="a row of X_train has the shape"):  # the next rule: this one let it pass
        read(path)


def test_what_is_longer_than_its_shape_or_damaged_is_refused(tmp_path: Path) -> None:
    sound = member(table()["X_train"])
    with pytest.raises(UsageError, match="it is longer than its shape"):
        read(forged(tmp_path / "x.npz", sound + b"x"))
    with pytest.raises(UsageError, match="shorter than its shape"):
        read(forged(tmp_path / "x.npz", sound[:-1]))
    path = forged(tmp_path / "y.npz", sound)
    content = bytearray(path.read_bytes())
    content[content.index(sound) + len(sound) - 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"X_train cannot be read \(Bad CRC-32"):
        read(path)


def test_every_prefix_of_a_file_is_read_or_refused(tmp_path: Path) -> None:
    whole = save(tmp_path / "x.npz", table()).read_bytes()
    for n in [*range(0, len(whole), 97), len(whole) - 1]:
        (path := tmp_path / "y.npz").write_bytes(whole[:n])
        with pytest.raises(UsageError):
            read(path)


def test_bytes_that_are_changed_anywhere_are_read_or_refused(tmp_path: Path) -> None:
    whole, chance = save(tmp_path / "x.npz", table()).read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for at in chance.integers(0, len(whole), 3):
            damaged[at] = chance.integers(256)
        (path := tmp_path / "y.npz").write_bytes(damaged)
        try:
            read(path)
        except UsageError:
            refused += 1
    assert refused > 100


def test_the_search_for_numbers_that_float32_does_not_hold_finds_them_beyond_the_first_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz, "PIECE", 7)
    rows = table()["X_train"]
    rows[50, 1] = np.inf
    with pytest.raises(UsageError, match="X_train is inf in row 50, column 1"):
        read(save(tmp_path / "x.npz", table(), X_train=rows))


@pytest.mark.slow
def test_a_million_rows_are_read_in_seconds_and_with_less_than_two_copies(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    labels = chance.integers(0, 2, 1_000_000)
    rows = chance.normal(size=(1_000_000, 20)) + labels[:, None]
    path = save(tmp_path / "x.npz", {}, X_train=rows, y_train=labels, X_test=rows[:1000], y_test=labels[:1000])
    del rows
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    found = load(own_file.describe(path), tmp_path)
    assert time.monotonic() - began < 20
    assert found.train.images.shape == (1_000_000, 20)
    assert isinstance(found.train.images, torch.Tensor)
    more = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert more < 2 * found.train.images.nbytes


# --- from Python


def test_a_study_of_one_s_own_data_from_python(tmp_path: Path) -> None:
    import study

    data = study.own_data(save(tmp_path / "mine.npz", table()))
    design = study.Design(data, batch_sizes=(16,), lrs=(0.01,), seeds=(0, 1), epochs=2)
    folder = study.train(design, tmp_path / "results" / "mine", inference_modes=False, workers=1)
    assert len(study.read(folder)) == 2 * 2 * 3 * 2
    assert study.Design(study.DATASETS["digits"]) == study.Design("digits")
    with pytest.raises(study.StudyError, match=r"absent.*: No such file or directory"):
        study.own_data(tmp_path / "absent.npz")


@pytest.mark.slow
def test_one_s_own_data_are_tuned(tmp_path: Path) -> None:
    path = save(tmp_path / "mine.npz", table(200, 50))
    options = ["--trials", "2", "--seeds", "2", "--tune-seeds", "1", "--epochs", "1", "--space", "batch_size=16:32"]
    assert tune.main(["--dataset", str(path), "--out", str(tmp_path), "--quiet", *options]) == 0
    assert (tmp_path / "mine-tuned" / "trials.parquet").exists()


def test_classes_that_tuning_cannot_hold_out_are_refused_and_nothing_is_half_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = np.r_[np.zeros(59, int), 1]
    path = save(tmp_path / "mine.npz", table(), y_train=labels, y_test=np.arange(20) % 2)
    options = ["--trials", "2", "--space", "batch_size=16:32", "--out", str(tmp_path / "results")]
    assert tune.main(["--dataset", str(path), *options, "--quiet"]) == 2
    assert "its smallest class has 1 of 60 training examples" in capsys.readouterr().err
    assert not list((tmp_path / "results").glob("*/*.json"))
