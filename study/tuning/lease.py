"""Which workers of a search are alive? Each holds a lock in the study's folder, and sends heartbeats."""

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

HEARTBEAT_TIMEOUT = 600.0
"""Seconds without a heartbeat of a worker on another machine after which its trials are requeued."""


class Lease:
    """A worker's lock on a search in the study's folder, which the system releases however the worker ends, and its
    own files. Each search has locks of its own: one of a dead worker is needed until those who ask for trials of that
    search have given up the worker's."""

    def __init__(self, folder: Path, search: int = 1):
        self.folder, self.token = folder, secrets.token_hex(8)
        self.prefix = ".tuner-" if search == 1 else f".tuner{search}-"
        self.path = self._path(self.token)

    def _path(self, token: str) -> Path:
        return self.folder / f"{self.prefix}{token}"

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock, and keep the folder for shared images, for the time of a ``with`` block."""
        with FileLock(self.path):
            self.images.mkdir()
            try:
                yield
            finally:
                shutil.rmtree(self.images)

    def release(self) -> None:
        """Remove the lock's file, once no trial is owned; a worker that does not come to that counts as dead."""
        self.path.unlink(missing_ok=True)

    def is_alive(self, token: str, heartbeat: float) -> bool:
        """Whether the worker ``token``, with its last ``heartbeat`` (seconds since 1970), is still at work."""
        if token == self.token:
            return True
        if not self._path(token).exists():
            return time.time() - heartbeat < HEARTBEAT_TIMEOUT
        try:
            with FileLock(self._path(token), timeout=0):
                return False
        except Timeout:
            return True

    @property
    def images(self) -> Path:
        """The folder in which this worker shares its images with its processes."""
        return self._images(self.token)

    def _images(self, token: str) -> Path:
        return self.folder / f".data-trials-{token}"

    def remove_expired(self) -> None:
        """Remove the files of the search's dead workers, whose trials were given up; to be called while nobody else
        asks."""
        for path in self.folder.glob(f"{self.prefix}*"):
            token = path.name.removeprefix(self.prefix)
            if not self.is_alive(token, 0.0):
                shutil.rmtree(self._images(token), ignore_errors=True)
                path.unlink(missing_ok=True)
