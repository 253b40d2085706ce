"""Which workers of a search live: each holds a lock in the study's folder, and says now and then that it was seen."""

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

HEARTBEAT_TIMEOUT = 600.0
"""Seconds without a sign of life of a worker elsewhere after which its trials are tried again."""


class Lease:
    """That this worker lives: a lock in the study's folder, which the system gives back however the worker ends; and
    what it has there for itself."""

    def __init__(self, folder: Path):
        self.folder, self.token = folder, secrets.token_hex(8)
        self.path = self._path(self.token)

    def _path(self, token: str) -> Path:
        return self.folder / f".tuner-{token}"

    @contextmanager
    def shown(self) -> Iterator[None]:
        with FileLock(self.path):
            self.images.mkdir()
            try:
                yield
            finally:
                shutil.rmtree(self.images)

    def leave(self) -> None:
        """To be called when nothing is in its hands; who does not come to that is found dead by the next."""
        self.path.unlink(missing_ok=True)

    def is_alive(self, token: str, seen: float) -> bool:
        """Whether the worker ``token``, last ``seen`` then (seconds since 1970), is still at work."""
        if token == self.token:
            return True
        if not self._path(token).exists():
            return time.time() - seen < HEARTBEAT_TIMEOUT
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

    def clear(self) -> None:
        """Remove what the dead left, whose trials were given up; to be called while nobody else asks."""
        for path in self.folder.glob(".tuner-*"):
            token = path.name.removeprefix(".tuner-")
            if not self.is_alive(token, 0.0):
                shutil.rmtree(self._images(token), ignore_errors=True)
                path.unlink(missing_ok=True)
