"""A PostgreSQL server of its own, from Debian's packages, for tests: in a temporary folder, on a port that is free."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest

REQUIRED = "STUDY_POSTGRESQL"
"""Set to "required" where a missing server is a fault: .ci/run does."""
USER = "postgres"
"""Who runs the server where the tests run as root, which it refuses."""


def programs() -> Path | None:
    """The folder of initdb and pg_ctl: that on the path, else Debian's newest."""
    found = shutil.which("initdb")
    if found and shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(folders, key=lambda folder: float(folder.parent.name), default=None)


def missing() -> str | None:
    """What there is not of what these tests need; None where all is there."""
    if find_spec("psycopg") is None:
        return "psycopg cannot be imported; pip install -e '.[test]'"
    if programs() is None:
        return "there is no PostgreSQL; apt-get install postgresql"
    if os.name != "posix" or (os.getuid() == 0 and not any(user.pw_name == USER for user in pwd.getpwall())):
        return f"root cannot run it, and there is no user {USER}"
    return None


def give_up(reason: str) -> None:
    """Skip where a server may be missing, fail where it may not."""
    give: Callable[[str], None] = pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip
    give(f"no PostgreSQL: {reason}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Server:
    """``ada``, who has a password, owns a database for each test."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="postgresql-")))
    password: str = field(default_factory=lambda: f"s3cr&t {secrets.token_hex(8)}")
    port: int = field(default_factory=_free_port)

    def __post_init__(self) -> None:
        (self.folder / "password").write_text(self.password)
        if os.getuid() == 0:
            user = pwd.getpwnam(USER)
            for path in (self.folder, self.folder / "password"):
                os.chown(path, user.pw_uid, user.pw_gid)
        options = ("--username", "ada", "--pwfile", str(self.folder / "password"), "--auth", "scram-sha-256")
        self._call("initdb", *options, "--no-sync", "--pgdata", str(self.folder / "data"))
        (self.folder / "password").unlink()

    def _call(self, program: str, *options: str) -> None:
        folder = programs()
        assert folder
        as_user = ("runuser", "-u", USER, "--") if os.getuid() == 0 else ()
        with open(self.folder / f"{program}.out", "ab") as out:
            subprocess.run(
                [*as_user, str(folder / program), *options], check=True, cwd=self.folder, stdout=out, stderr=out
            )

    def start(self) -> None:
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off"
        log = str(self.folder / "log")
        self._call("pg_ctl", "start", "--wait", "-D", str(self.folder / "data"), "-l", log, "-o", settings)

    def stop(self) -> None:
        """At once, as a machine that is switched off; what was committed stays."""
        self._call("pg_ctl", "stop", "--wait", "-D", str(self.folder / "data"), "-m", "immediate")

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def url(self, database: str, password: str | None = None) -> str:
        from urllib.parse import quote

        return f"postgresql+psycopg://ada:{quote(password or self.password)}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """A new database's URL."""
        import psycopg

        words = {"host": "127.0.0.1", "port": self.port, "user": "ada", "password": self.password, "dbname": "postgres"}
        with psycopg.connect(**words, autocommit=True) as connection:  # type: ignore[arg-type]
            connection.execute(f'create database "{database}"')  # type: ignore[arg-type]
        return self.url(database)
