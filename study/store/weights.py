"""The trained networks of a study, ``weights/<unit id>.safetensors``: for new inference modes without new training.

A cohort writes one file, or several ``<unit id>-1``, ``<unit id>-2``, ... where it would have more than MAX_FILE bytes;
a network that is larger has a file of its own. A tensor is called ``<run id>/<its name in torch.nn>``
(``linears.0.weight`` (out, in), ``norms.0.running_mean``, ...), the cumulative statistics of each batch norm among
them. Which file has a run's network, and that file's sha256, stands in the run's part; of schema version 1 a network
has a file ``weights/<run id>.safetensors``, without the run id in the names.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors.numpy import save

from study.errors import UsageError, describe_value
from study.spec.arms import ARMS
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.history import OK, History
from study.spec.runs import Run
from study.store import untrusted_safetensors as safetensors
from study.store.atomic import make_subfolder, write_atomically
from study.store.study_folder import Folder
from study.store.untrusted_parquet import InvalidFile, regular_file

MAX_FILE = 2**26
"""Bytes of a file of several networks, with ENTRY for the name, type and place of each tensor."""
ENTRY = 256
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.safetensors")
"""What a file of networks may be called by a part, which anybody may have made."""

Shapes = Mapping[str, tuple[int, ...]]
"""The shapes of a network's tensors by name."""
Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Kept:
    """The file of a network, by its name in ``weights/``, and the sha256 of that file."""

    file: str
    sha256: str

    def to_dict(self) -> dict[str, str | None]:
        """Return the columns of a part."""
        return {"network_file": self.file, "network_sha256": self.sha256}


# --- written


def write(study: Path, design: Design, unit: str, runs: Sequence[Run], history: History) -> list[Kept | None]:
    """Write the networks of a cohort; return where each is, None where the run diverged: nothing in it is worth
    keeping."""
    ids = [design.run_id(run) for run in runs]
    networks = {
        run_id: tensors
        for run_id, bad, tensors in zip(ids, history.first_bad_epoch, history.weights, strict=True)
        if bad is None
    }
    kept: dict[str, Kept] = {}
    folder, files = make_subfolder(study, "weights"), _files(networks)
    for number, some in enumerate(files, 1):
        name = f"{unit}{f'-{number}' if len(files) > 1 else ''}.safetensors"
        content = _content({run_id: networks[run_id] for run_id in some}, unit)
        write_atomically(folder / name, content)
        kept |= dict.fromkeys(some, Kept(name, hashlib.sha256(content).hexdigest()))
    return [kept.get(run_id) for run_id in ids]


def _files(networks: Mapping[str, Tensors]) -> list[list[str]]:
    """Return the networks that share a file, file by file, in order."""
    files: list[list[str]] = []
    left = 0
    for run_id, tensors in networks.items():
        size = sum(tensor.nbytes + ENTRY for tensor in tensors.values())
        if size > left or not files:
            files.append([])
            left = MAX_FILE
        files[-1].append(run_id)
        left -= size
    return files


def _content(networks: Mapping[str, Tensors], unit: str) -> bytes:
    # save takes bytes as they lie
    in_rows = {
        f"{run_id}/{name}": np.asarray(tensor, order="C")
        for run_id, tensors in networks.items()
        for name, tensor in tensors.items()
    }
    return save(in_rows, {"unit_id": unit})


# --- read

RESTORE = "Restore it, or train under another --study-id."


class NoNetwork(UsageError):
    """A network's file is missing or damaged: what is wrong, and the way on."""

    @property
    def what(self) -> str:
        return str(self.args[0])

    def __str__(self) -> str:
        return ". ".join(self.args)


class Networks:
    """The networks of a study, as its parts name them now; several threads may read."""

    def __init__(self, study: Path, design: Design):
        self.folder, self.design = study / "weights", design
        self._kept: dict[str, list[Kept]] = {}
        self._omitted: set[str] = set()
        for part in Folder(study).read_parts():
            for run_id, status, engine, *place in _columns(part):
                if place[0] is not None:
                    self._kept.setdefault(run_id, []).append(_named(study, *place))
                elif engine is not None and status == OK:
                    self._omitted.add(run_id)
        self._sound: set[Kept] = set()

    def has(self, run: Run) -> bool:
        """Whether the file of a run's network is there."""
        return self.path(run).exists()

    def omits(self, run: Run) -> bool:
        """Whether the run was trained by a command that was to keep no networks."""
        run_id = self.design.run_id(run)
        return run_id in self._omitted and run_id not in self._kept and not self.has(run)

    def path(self, run: Run) -> Path:
        """Return the file that has, or had, a run's network."""
        return self.folder / self._place(run).file

    def sha256(self, run: Run) -> str:
        """Return the sha256 of the file of a run's network."""
        place = self._place(run)
        if place.sha256:
            return place.sha256
        with regular_file(self.folder / place.file) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read(self, run: Run, expected: Shapes | None = None) -> dict[str, NDArray[Any]]:
        """Return the network of a run; NoNetwork where its file is missing or damaged, a UsageError where it is of
        another design.

        ``expected``: the shapes of its tensors, where it is none of the program's own networks.
        """
        path = self.path(run)
        try:
            with regular_file(path) as file:
                return self._read(file, run, expected)
        except FileNotFoundError:
            why, way = self._why_missing(run)
            raise NoNetwork(f"{path} is missing: {why}", way) from None
        except (OSError, InvalidFile) as error:
            raise NoNetwork(f"{path} cannot be read: {error}", RESTORE) from None

    def _read(self, file: BufferedReader, run: Run, expected: Shapes | None) -> dict[str, NDArray[Any]]:
        place, run_id = self._place(run), self.design.run_id(run)
        found, prefix = safetensors.directory(file), f"{run_id}/" if place.sha256 else ""
        mine = {name.removeprefix(prefix): at for name, at in found.places.items() if name.startswith(prefix)}
        own = shapes(self.design, run.arm, run.cell) if expected is None else expected
        _check(self.folder / place.file, {name: at.shape for name, at in mine.items()}, own)
        if expected is None and any(at.dtype != np.float32 for at in mine.values()):
            raise InvalidFile("its tensors are not all of type F32")
        most = max(MAX_FILE, sum(at.n_bytes for at in mine.values()))
        if found.n_bytes > most:
            raise InvalidFile(f"it has {found.n_bytes:,} bytes, at most {most:,} are read")
        self._check_digest(file, place)
        return {name: safetensors.load(file, at) for name, at in mine.items()}

    def _check_digest(self, file: BufferedReader, place: Kept) -> None:
        """Refuse a file that is not the one that was written; asked once of each."""
        if place.sha256 and place not in self._sound:
            file.seek(0)
            if hashlib.file_digest(file, "sha256").hexdigest() != place.sha256:
                raise InvalidFile("its sha256 is not the one in the part of its runs: it was changed")
            self._sound.add(place)

    def _place(self, run: Run) -> Kept:
        """Return where a run's network is: in the first of its files that is there; of schema version 1, without a
        digest."""
        run_id = self.design.run_id(run)
        places = [*self._kept.get(run_id, ()), Kept(f"{run_id}.safetensors", "")]
        return next((place for place in places if (self.folder / place.file).exists()), places[0])

    def _why_missing(self, run: Run) -> tuple[str, str]:
        if self.omits(run):
            return "its run was trained with --no-networks", "Train under another --study-id."
        return "trained before networks were kept, or removed", RESTORE


def read(study: Path, design: Design, run: Run, expected: Shapes | None = None) -> dict[str, NDArray[Any]]:
    """Return the network of one run, as ``Networks.read`` does."""
    return Networks(study, design).read(run, expected)


def has(study: Path, design: Design, run: Run) -> bool:
    """Whether the file of a run's network is there."""
    return Networks(study, design).has(run)


def _named(study: Path, file: str, sha256: str | None) -> Kept:
    if sha256 is None or not NAME.fullmatch(file):
        raise UsageError(f"a part of {study} names {describe_value(file)} as the file of a network: it is not ours")
    return Kept(file, sha256)


def _columns(part: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Yield run_id, status, engine, file and sha256 of each row of a part."""
    names = ("run_id", "status", "engine", "network_file", "network_sha256")
    return zip(*(part[name].to_pylist() for name in names), strict=True)


def shapes(design: Design, arm: str, cell: Cell) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors of one network of ``design``, where it is one of the program's own."""
    expected: dict[str, tuple[int, ...]] = {}
    widths = design.widths_in(cell)
    for index, (n_in, n_out) in enumerate(pairwise(widths)):
        expected[f"linears.{index}.weight"] = (n_out, n_in)
        if ARMS[arm].bias or index == len(widths) - 2:
            expected[f"linears.{index}.bias"] = (n_out,)
    norm = ARMS[arm].norm
    if norm is not None:
        kept = [*norm.learnt, *(f"{name}_{what}" for name in norm.statistics for what in ("mean", "var"))]
        expected |= {f"norms.{i}.{what}": (n,) for i, n in enumerate(widths[1:-1]) for what in kept}
    return expected


def _check(path: Path, given: Shapes, expected: Shapes) -> None:
    if dict(given) != dict(expected):
        wrong = sorted(name for name in given.keys() | expected.keys() if given.get(name) != expected.get(name))
        raise UsageError(
            f"{path} holds a network of another design: {wrong[0]} is {given.get(wrong[0], 'not there')},"
            f" this study has {expected.get(wrong[0], 'none')}"
        )
