"""A folder with a manifest, parts, and the tables that follow from them: what studies and ledgers have in common.

How a part is committed, and what may be relied on after a crash, is the protocol in ``study.store.schemas``.
"""

import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, cast

import pyarrow as pa

from study.errors import EnvironmentFault, UsageError
from study.store import parts
from study.store.atomic import make_subfolder, remove_stale_files, write_atomically
from study.store.untrusted_parquet import Expected, InvalidFile

M = TypeVar("M", bound=Mapping[str, object])
P = TypeVar("P")


class PartsFolder(ABC, Generic[M, P]):
    """The folder ``<out>/<study id>/``, of manifests ``M`` and parts ``P``."""

    version: ClassVar[int]
    """The schema version of the tables that this program writes."""
    shared_images: ClassVar[str]
    """Pattern of the folders through which a command shares images with its workers."""

    def __init__(self, path: Path):
        self.path = path
        self.parts = path / "parts"
        self.manifest = path / "manifest.json"

    def prepare(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        make_subfolder(self.path, "parts")

    def clear(self) -> None:
        """Remove temporary files and shared images of killed commands; for a command that is alone with the folder."""
        for folder in (self.parts, self.path / "weights"):
            remove_stale_files(folder, "*")
        for shared in self.path.glob(self.shared_images):
            shutil.rmtree(shared)

    # --- manifest

    @abstractmethod
    def read_manifest(self) -> M | None:
        """Return the manifest, None where there is none yet; a UsageError where it is not ours to read."""

    def own_manifest(self) -> M:
        """Return the manifest that this command has written; an EnvironmentFault where somebody has removed it."""
        manifest = self.read_manifest()
        if manifest is None:
            raise EnvironmentFault(f"{self.manifest} has vanished while this command was at work; restore it.")
        return manifest

    def write_manifest(self, manifest: M) -> None:
        text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(self.manifest, text.encode() + b"\n")

    def touch(self) -> None:
        """Make this the study that was asked for last: the one that ``analysis.report`` takes."""
        os.utime(self.manifest)

    # --- parts

    @abstractmethod
    def read_part(self, path: Path) -> P | None:
        """Return a part, None where its bytes or its footer are not those that its name promises."""

    def sound_parts(self) -> Iterator[tuple[Path, P]]:
        """Yield every sound part, by the name of its file; the others are left alone."""
        for path in self._part_files():
            part = self.read_part(path)
            if part is not None:
                yield path, part

    def has_parts(self) -> bool:
        """Whether parts were ever committed, sound or not."""
        return bool(self._part_files()) or (self.path / "quarantine").exists()

    def quarantine(self) -> list[Path]:
        """Move the parts whose bytes do not match their names to ``quarantine/``; returns where they are now."""
        damaged = [path for path in self._part_files() if self.read_part(path) is None]
        return [path.rename(make_subfolder(self.path, "quarantine") / path.name) for path in damaged]

    def _part_files(self) -> list[Path]:
        return sorted(self.parts.glob("*.parquet"))

    # --- tables

    def table(self, name: str) -> Path:
        return self.path / f"{name}.parquet"

    def write_tables(self, contents: Mapping[str, bytes]) -> None:
        """Write the tables whose bytes differ, then their digests into the manifest; the caller holds the lock.

        A process killed in between leaves a table that no reader takes, until the same command makes them agree.
        """
        remove_stale_files(self.path, self.manifest.name)
        digests = parts.write_tables(self.path, contents)
        manifest = self.own_manifest()
        current = {**manifest, "schema_version": self.version, "tables": _tables(manifest) | digests}
        if current != manifest:
            self.write_manifest(cast(M, current))

    def read_table(self, name: str, schema: Expected) -> pa.Table:
        """Return a table as it was written; an InvalidFile where it is another, a FileNotFoundError where absent."""
        return parts.read_table(self.table(name), _tables(self.read_manifest() or {}).get(name), schema)

    def read_or_refuse(self, name: str, schema: Expected) -> pa.Table:
        """Return a table; a UsageError where it is absent or not what was written."""
        try:
            return self.read_table(name, schema)
        except FileNotFoundError:
            raise UsageError(f"{self.table(name)} does not exist. {self.how_to_make()}") from None
        except InvalidFile as error:
            again = f"If parts/ is there, {self.how_to_repeat()}."
            raise UsageError(f"{self.table(name)} cannot be read: {error}. {again}") from None

    @abstractmethod
    def how_to_make(self) -> str:
        """Return a sentence on what makes a table that is absent."""

    @abstractmethod
    def how_to_repeat(self) -> str:
        """Return what makes a table again that is damaged, in the imperative."""


def _tables(manifest: Mapping[str, object]) -> dict[str, Any]:
    return cast(dict[str, Any], manifest.get("tables", {}))
