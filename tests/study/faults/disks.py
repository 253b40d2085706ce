"""Disks that fail: the calls by which a process writes below a folder are counted, and at one of them it happens."""

import builtins
import errno
import io
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
ON_PATHS = ("open", "mkdir", "replace", "rename", "utime")


class Disk:
    """Counts the writing calls below ``root``; ``happen`` comes before the one with the number ``at`` (from 1),
    and, if it ``stays``, before all that follow."""

    def __init__(self, root: Path, at: int = 0, stays: bool = False):
        self.root, self.at, self.stays = str(root), at, stays
        self.calls: list[str] = []

    def happen(self, name: str) -> None:
        """Nothing, on a disk that is well."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """In this process, until the end of the block."""
        with pytest.MonkeyPatch.context() as patch:
            for module in (builtins, io):
                patch.setattr(module, "open", self._opening(io.open))
            for name in ON_PATHS:
                patch.setattr(os, name, self._counted(name, getattr(os, name)))
            patch.setattr(os, "fsync", self._flushing(os.fsync))
            yield

    def called(self, name: str, path: object = None) -> None:
        """Told of each call, with the path if it has one."""
        if path is None or self._concerns(path):
            self.calls.append(name)
            number = len(self.calls)
            if self.at and (number == self.at or (self.stays and number > self.at)):
                self.happen(name)

    def _concerns(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.root)

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(path: Any, *arguments: Any, **options: Any) -> Any:
            if name != "open" or arguments[0] & WRITING:
                self.called(f"os.{name}", path)
            return call(path, *arguments, **options)

        return counted

    def _flushing(self, call: Callable[[int], None]) -> Callable[[int], None]:
        def fsync(handle: int) -> None:
            self.called("os.fsync")
            call(handle)

        return fsync

    def _opening(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def opened(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if not set(mode) & set("wxa+") or not self._concerns(path):
                return call(path, mode, *arguments, **options)
            assert "b" in mode, "the program writes bytes"
            self.called("open", path)
            return io.BufferedWriter(Written(self, path, mode.replace("b", "")))

        return opened

    def write(self, file: "Written", data: memoryview) -> int:
        """As the system does."""
        return io.FileIO.write(file, data)


class Written(io.FileIO):
    """A file on a disk of this module."""

    def __init__(self, disk: Disk, path: Path, mode: str):
        self.disk = disk
        super().__init__(path, mode)

    def write(self, data: Any) -> int:
        self.disk.called("write", self.name)
        return self.disk.write(self, memoryview(data).cast("B"))

    def close(self) -> None:
        if not self.closed:
            super().close()
            self.disk.called("close", self.name)


class Failing(Disk):
    """The call fails with ``number`` (errno)."""

    def __init__(self, root: Path, at: int, number: int, stays: bool = False):
        super().__init__(root, at, stays)
        self.number = number

    def happen(self, name: str) -> NoReturn:
        raise OSError(self.number, os.strerror(self.number))


class Short(Disk):
    """A write takes a thousand bytes at most, as it may."""

    def write(self, file: Written, data: memoryview) -> int:
        return super().write(file, data[:1000])


class Vanishing(Disk):
    """Somebody removes the folder."""

    def happen(self, name: str) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


class Killing(Disk):
    """The process is killed."""

    def happen(self, name: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Torn(Killing):
    """The process is killed before the call, a write in its middle."""

    def happen(self, name: str) -> None:
        if name != "write":
            super().happen(name)

    def write(self, file: Written, data: memoryview) -> int:
        if len(self.calls) == self.at:
            super().write(file, data[: len(data) // 2])
            super().happen("write")
        return super().write(file, data)


class PowerCut(Killing):
    """The power goes off: of what was written to a file and not flushed, half is lost."""

    def __init__(self, root: Path, at: int):
        super().__init__(root, at)
        self.unflushed: dict[int, str] = {}
        """Where files are, by inode."""
        self.renames: list[tuple[str, str, bytes | None]] = []
        """Those whose folder was not flushed, with what they put an end to."""

    def happen(self, name: str) -> None:
        for path in self.unflushed.values():
            os.truncate(path, os.path.getsize(path) // 2)
        super().happen(name)

    def write(self, file: Written, data: memoryview) -> int:
        self.unflushed[os.fstat(file.fileno()).st_ino] = file.name
        return super().write(file, data)

    def _flushing(self, call: Callable[[int], None]) -> Callable[[int], None]:
        def fsync(handle: int) -> None:
            self.called("os.fsync")
            call(handle)
            inode = os.fstat(handle).st_ino
            self.unflushed.pop(inode, None)
            self.renames = [rename for rename in self.renames if os.stat(Path(rename[1]).parent).st_ino != inode]

        return fsync

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        count = super()._counted(name, call)
        if name not in ("replace", "rename"):
            return count

        def renamed(source: Any, target: Any) -> None:
            before = Path(target).read_bytes() if os.path.exists(target) else None
            count(source, target)
            self.renames.append((os.fspath(source), os.fspath(target), before))
            moved = os.stat(target).st_ino
            if moved in self.unflushed:
                self.unflushed[moved] = os.fspath(target)

        return renamed


class LostRename(PowerCut):
    """The power goes off, and renames are lost whose folder was not flushed: the only one, or all but the last."""

    def happen(self, name: str) -> None:
        for source, target, before in self.renames[:-1] or self.renames[:]:
            os.rename(target, source)
            if before is not None:
                Path(target).write_bytes(before)
        Killing.happen(self, name)


FULL = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS)
