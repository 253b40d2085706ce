"""Files written whole or not at all, and what a killed process leaves of one that was not."""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from study.errors import EnvironmentFault, UsageError

TOKEN = "[0-9a-f]" * 16
"""Pattern of the end of a temporary name."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write all of ``content`` under ``path`` or nothing: temporary name, flush, rename, flush of the folder."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with _environment_faults(path):
        try:
            _write_through(temporary, content)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _flush_folder(path.parent)


def replace_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Put a folder that holds ``files``, by their names in it, in the place of ``path``: all of it or nothing.

    A process that is killed between the two renames leaves the old folder under its temporary name.
    """
    token = secrets.token_hex(8)
    new, old = (path.with_name(f".{path.name}.{which}.{token}") for which in ("new", "old"))
    with _environment_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            new.mkdir()
            for name, content in files.items():
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                _write_through(new / name, content)
            if path.exists():
                path.rename(old)
            new.rename(path)
        except BaseException:
            if old.exists() and not path.exists():
                old.rename(path)
            shutil.rmtree(new, ignore_errors=True)
            raise
        _flush_folder(path.parent)
        shutil.rmtree(old, ignore_errors=True)


def remove_stale_files(folder: Path, *names: str) -> None:
    """Remove the temporary files of killed processes that wrote ``names``, which nobody else may write now."""
    for name in names if not folder.is_symlink() else ():
        for temporary in folder.glob(f".{name}.{TOKEN}"):
            temporary.unlink()


def make_subfolder(study: Path, name: str) -> Path:
    """Return the folder ``name`` of a study, made if need be; a link is refused, since it may lead out of the study."""
    path = study / name
    if path.is_symlink():
        raise UsageError(f"{path} is a link, so nothing is written to it. Put a folder in its place.")
    if not path.is_dir():
        path.mkdir(exist_ok=True)
        _flush_folder(study)
    return path


def _write_through(path: Path, content: bytes) -> None:
    """Write a new file and see it on the disk."""
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there, and the rename is journalled
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _environment_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnvironmentFault(
            f"{path} cannot be written: {error.strerror or error}."
            " Finished runs are saved; repair this, then repeat the command to continue."
        ) from error
