"""Which folder may an export be written into? A new or empty one, or one that holds an earlier export, untouched.

An export names its files, with their sha256, in ``export.json``. So nothing is overwritten that it did not write.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.errors import AnalysisError
from study.errors import StudyError
from study.store.atomic import replace_folder

CONTENTS = "export.json"
VERSION = 1


def write(folder: Path, study_id: str, files: Mapping[str, bytes]) -> None:
    """Write an export whole or not at all; it takes the place of an earlier one."""
    check(folder)
    contents = {"version": VERSION, "study_id": study_id, "files": {name: _digest(files[name]) for name in files}}
    listed = json.dumps(contents, indent=1, ensure_ascii=False).encode() + b"\n"
    try:
        replace_folder(folder.absolute(), {**files, CONTENTS: listed})
    except StudyError as error:
        raise AnalysisError(str(error)) from None


def check(folder: Path) -> None:
    """Refuse a folder with anything in it that no export wrote."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise AnalysisError(f"--export {folder} is a link or a file; name a new folder, such as {folder}-export")
    if Path.cwd().is_relative_to(folder.resolve()):
        raise AnalysisError(f"--export {folder} holds the working folder; name a folder in it, such as paper")
    written = _written(folder)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        ours = name == CONTENTS or (path.is_file() and not path.is_symlink() and written.get(name) == _digest_of(path))
        if not ours and (path.is_symlink() or not path.is_dir()):
            raise AnalysisError(
                f"--export {folder} holds {name}, which an export did not write or which was changed since: nothing is"
                f" overwritten. Move it away, or name a new folder, such as {folder}-2"
            )


def _written(folder: Path) -> Mapping[str, Any]:
    """Return the digests of the files that an earlier export wrote; none where there was none."""
    try:
        contents = json.loads((folder / CONTENTS).read_bytes())
        return dict(contents["files"]) if contents["version"] == VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _digest_of(path: Path) -> str:
    return _digest(path.read_bytes())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
