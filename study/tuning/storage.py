"""Where are trials stored? In Optuna's journal in the study's folder, or in a database that a URL names.

A password in a URL is for the database alone: ``without_password`` is what may stand in a log, a manifest or an error.
"""

import json
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from filelock import FileLock, Timeout

from study.errors import EnvironmentFault, UsageError, truncate
from study.store.study_folder import JOURNAL

if TYPE_CHECKING:  # Optuna takes half a second to import; --help needs none of it
    from optuna.storages import BaseStorage

CONNECT_SECONDS = 10
RETRIES, RETRY_SECONDS = 20, 0.1
DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""Packages to install for modules that SQLAlchemy asks for, where the names differ."""
EXAMPLE = "such as postgresql+psycopg://user@host/database"


def without_password(url: str) -> str:
    """Return ``url`` without its secrets: the password and the query.

    >>> without_password("postgresql://ada:secret@db.example:5432/trials?sslpassword=secret")
    'postgresql://ada:***@db.example:5432/trials'
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        parts = None
    if parts is None or "@" in (parts.host or ""):  # the end of a password
        return f"{(re.match(r'[a-z0-9+]*', url) or [''])[0]}:..."
    return parts.set(query={}).render_as_string(hide_password=True)


@contextmanager
def open_storage(folder: Path, url: str | None) -> Iterator["BaseStorage"]:
    """Yield the storage of ``url``, by default the journal in ``folder``.

    Raises UsageError where the URL is invalid, EnvironmentFault where the storage cannot be reached or fails meanwhile.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # else it logs every trial
    if url is None:
        yield _journal(folder / JOURNAL)
        return
    with _alone_if_sqlite(url), faults(url):
        database: Any = _database(url)
        try:
            yield database
        finally:
            database.remove_session()
            database.engine.dispose()


def _journal(path: Path) -> "BaseStorage":
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise UsageError(f"{path} is not a regular file, so nothing is written to it. Move it away.")
    lock: Any = _WholeLines(path)
    try:
        backend = JournalFileBackend(str(path), lock)
        with lock.lock:
            _cut_torn_line(path)
            _check_last_line(path)
        return JournalStorage(backend)
    except OSError:
        raise
    except Exception as error:  # whatever Optuna makes of lines that it has not written
        raise EnvironmentFault(
            f"{path} is damaged: {truncate(str(error), 200)}. Restore it, or move it away and tune again."
        ) from None


class _WholeLines:
    """The journal's lock, in Optuna's interface.

    Unlike Optuna's own it is released when its process dies. On acquiring it, an incomplete last line is cut off, which
    a killed process or a full disk left and nobody relies on (optuna#5138).
    """

    def __init__(self, path: Path):
        self.path, self.lock = path, FileLock(path.with_name(f".{path.name}.lock"))

    def acquire(self) -> bool:
        self.lock.acquire()
        try:
            _cut_torn_line(self.path)
        except BaseException:
            self.lock.release()
            raise
        return True

    def release(self) -> None:
        self.lock.release()


def _cut_torn_line(path: Path) -> None:
    with open(path, "r+b") as file:
        end = file.seek(0, 2)
        if end == 0:
            return
        file.seek(end - 1)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def _check_last_line(path: Path) -> None:
    """Raise ValueError where the last line is damaged: Optuna notices only once another follows."""
    *_, last = path.read_bytes().splitlines() or [b"{}"]
    json.loads(last)


def _with_tables(url: str, settings: dict[str, Any]) -> "BaseStorage":
    """Return Optuna's storage; retries, since of workers that create the tables at once all but one fail."""
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    for _ in range(RETRIES):
        try:
            return RDBStorage(url, engine_kwargs=settings)
        except (IntegrityError, ProgrammingError):
            time.sleep(RETRY_SECONDS)
    return RDBStorage(url, engine_kwargs=settings)


def _database(url: str) -> "BaseStorage":
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    timeout = {} if url.startswith("sqlite") else {"connect_timeout": CONNECT_SECONDS}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _with_tables(url, {"pool_pre_ping": True, "connect_args": timeout})
    except (ArgumentError, NoSuchModuleError):
        raise UsageError(f"--storage {without_password(url)} is not a database URL; give one {EXAMPLE}") from None
    except ImportError as error:
        module = getattr(error.__cause__, "name", None) or getattr(error, "name", None) or "of this kind"
        package = DRIVERS.get(module, module)
        raise EnvironmentFault(
            f"--storage {without_password(url)} needs the driver {module}: pip install '{package}'"
        ) from None
    except (RuntimeError, TypeError, ValueError) as error:  # tables of another Optuna; values in the query
        raise EnvironmentFault(
            f"--storage {without_password(url)} cannot be used: {_without_secrets(str(error), url)}"
        ) from None


@contextmanager
def faults(url: str | None) -> Iterator[None]:
    """Raise errors of the database of ``url`` as an EnvironmentFault of one sentence, without secrets."""
    if url is None:
        yield
        return
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        raise EnvironmentFault(
            f"--storage {without_password(url)} cannot be reached or failed: {_without_secrets(str(cause), url)}."
            " Finished trials are saved; repeat the command to continue."
        ) from None


def _without_secrets(text: str, url: str) -> str:
    """Return the first line of ``text``, without the password and the values of the query of ``url``."""
    from sqlalchemy.engine import make_url

    parts = make_url(url)
    password = str(parts.password or "")
    secrets = [password, quote(password), quote_plus(password)] if password else []
    for value in parts.query.values():
        secrets += [value] if isinstance(value, str) else list(value)
    line = text.strip().partition("\n")[0]
    for secret in secrets:
        line = line.replace(secret, "***")
    return truncate(line, 200)


@contextmanager
def _alone_if_sqlite(url: str) -> Iterator[None]:
    """Lock a SQLite file against other workers: without row locks, two would be handed the same trial."""
    database = _sqlite_file(url)
    if database is None:
        yield
        return
    try:
        with FileLock(f"{database}.lock", timeout=0):
            yield
    except Timeout:
        raise UsageError(
            f"--storage {without_password(url)}: another process is at work on it, and SQLite hands out trials twice."
            f" Wait for it, or give several workers the default journal or a database {EXAMPLE}"
        ) from None


def _sqlite_file(url: str) -> str | None:
    """Return the file of a SQLite URL, None for another database."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        raise UsageError(f"--storage {without_password(url)} is not a database URL; give one {EXAMPLE}") from None
    if "@" in (parts.host or ""):
        raise UsageError(
            f"--storage {without_password(url)}: a password with an @ in it is not read as one; write it as %40"
        )
    if parts.get_backend_name() != "sqlite":
        return None
    if not parts.database or parts.database == ":memory:" or parts.database.startswith("file:"):
        raise UsageError(
            f"--storage {without_password(url)} would lose its trials; name a file, such as sqlite:///trials.db"
        )
    return parts.database
