"""Where trials are kept: what is said of a URL, what becomes of a torn or damaged journal, and who may share what."""

import json
import sqlite3
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, quote_plus

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.exc import OperationalError

from study.errors import EnvironmentFault, StudyError
from study.store.study_folder import JOURNAL
from study.tuning.lease import Lease
from study.tuning.search import Finished, Search
from study.tuning.storage import faults, open_storage, without_password
from tests.study.tuning.searches import CONFIGURATION, finish

SECRETS = ("secret", "s3cr&t", "s%20cr", "hidden")


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("postgresql://ada:secret@db.example:5432/trials", "postgresql://ada:***@db.example:5432/trials"),
        ("postgresql+psycopg://ada:s3cr%26t@/trials", "postgresql+psycopg://ada:***@/trials"),
        ("postgresql://ada:se/secret?@db.example/trials", "postgresql://ada:***@db.example/trials"),
        ("postgresql://ada:secret@/trials?host=/run&sslpassword=hidden", "postgresql://ada:***@/trials"),
        ("postgresql:///trials?user=ada&password=secret", "postgresql:///trials"),
        ("mysql://ada@db.example/trials", "mysql://ada@db.example/trials"),
        ("sqlite:////tmp/trials.db?password=secret&password=hidden", "sqlite:////tmp/trials.db"),
        ("sqlite:///trials.db", "sqlite:///trials.db"),
        ("postgresql://ada:not@secret@db.example/trials", "postgresql:..."),
        ("postgresql://ada:secret@db.example:port/trials", "postgresql:..."),
        ("ada:secret@db.example/trials", "ada:..."),
        ("://ada:secret@db.example", ":..."),
    ],
)
def test_what_is_shown_of_a_url_has_no_secret_in_it(url: str, public: str) -> None:
    assert without_password(url) == public


def refused(folder: Path, url: str | None) -> tuple[int, str]:
    """(exit code, sentence) of a storage that cannot be had."""
    with pytest.raises(StudyError) as refusal, open_storage(folder, url) as storage:
        optuna.create_study(storage=storage, study_name="s")
    assert "\n" not in str(refusal.value)
    assert not any(secret in str(refusal.value) for secret in SECRETS)
    return refusal.value.exit_code, str(refusal.value)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "--storage :... is not a database URL; give one such as postgresql+psycopg://user@host/database"),
        ("trials.db", "--storage trials:... is not a database URL; give one such as"),
        ("postgresql://ada:secret@host:port/trials", "--storage postgresql:... is not a database URL"),
        ("nosql://ada:secret@host/trials", "--storage nosql://ada:***@host/trials is not a database URL"),
        ("postgresql://ada:not@secret@host/db", "a password with an @ in it is not read as one; write it as %40"),
        ("sqlite://", "--storage sqlite:// would lose its trials; name a file, such as sqlite:///trials.db"),
        ("sqlite:///:memory:", "would lose its trials; name a file, such as sqlite:///trials.db"),
        ("sqlite:///file::memory:?uri=true", "would lose its trials; name a file"),
        ("sqlite:///file:trials?mode=memory&uri=true", "would lose its trials; name a file"),
    ],
)
def test_what_is_no_database_exits_2_in_one_sentence(url: str, sentence: str, tmp_path: Path) -> None:
    code, told = refused(tmp_path, url)
    assert code == 2
    assert sentence in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://ada:secret@127.0.0.1:1/trials",
        "postgresql+psycopg://ada:s3cr%26t@127.0.0.1:1/trials?sslpassword=hidden",
        "postgresql+psycopg://ada:secret@127.0.0.1:1/trials?unknown=hidden",
        "postgresql+psycopg://ada:secret@/trials?host=/hidden",
    ],
)
def test_a_database_that_cannot_be_reached_exits_3_without_its_secrets(url: str, tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    code, told = refused(tmp_path, url)
    assert code == 3
    assert "cannot be reached or failed: (psycopg." in told
    assert told.endswith("Finished trials are saved; repeat the command to continue.")


@pytest.mark.parametrize(
    ("url", "module", "package"),
    [
        ("mysql://ada:secret@host/trials", "MySQLdb", "mysqlclient"),
        ("postgresql+pg8000://ada:secret@host/trials", "pg8000", "pg8000"),
    ],
)
def test_a_driver_that_is_missing_is_named_with_its_package(
    url: str, module: str, package: str, tmp_path: Path
) -> None:
    code, told = refused(tmp_path, url)
    assert code == 3
    assert told == f"--storage {without_password(url)} needs the driver {module}: pip install '{package}'"


@pytest.mark.parametrize("secret", ["s3cr&t", "s cr", "sécrét", "secret"])
def test_what_a_database_says_is_cut_to_one_line_without_the_password_in_any_form(secret: str) -> None:
    url = f"postgresql://ada:{quote(secret)}@host/trials?sslpassword=hidden&sslpassword=s3cr"
    said = f"no {secret} {quote(secret)} {quote_plus(secret)} hidden s3cr\nDETAIL: {secret}"
    with pytest.raises(EnvironmentFault) as fault, faults(url):
        raise OperationalError("select 1", {}, Exception(said))
    assert str(fault.value).startswith("--storage postgresql://ada:***@host/trials cannot be reached or failed: ")
    assert "no *** *** *** *** ***. Finished" in str(fault.value)


def test_a_value_in_the_query_that_is_none_is_refused(tmp_path: Path) -> None:
    code, told = refused(tmp_path, f"sqlite:///{tmp_path}/trials.db?timeout=secret")
    assert code == 3
    assert told == f"--storage sqlite:///{tmp_path}/trials.db cannot be used: could not convert string to float: '***'"


# --- SQLite


def test_a_second_worker_on_one_sqlite_file_is_refused_while_the_first_is_at_work(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/trials.db?password=secret"
    with open_storage(tmp_path, url):
        code, told = refused(tmp_path, url)
    assert code == 2
    assert f"--storage sqlite:///{tmp_path}/trials.db: another process is at work on it" in told
    assert "the default journal or a database such as postgresql+psycopg://user@host/database" in told
    with open_storage(tmp_path, url) as storage:
        assert storage.get_all_studies() == []


def test_a_search_on_sqlite_is_that_on_the_journal_and_goes_on(tmp_path: Path) -> None:
    found = []
    for url in (None, f"sqlite:///{tmp_path}/trials.db"):
        for n_trials in (5, 12):
            with open_storage(tmp_path, url) as storage:
                found.append(finish(Search(storage, "s", CONFIGURATION, Lease(tmp_path), True), n_trials))
    assert found[:2] == found[2:]
    assert len(found[1]) == 12


@pytest.mark.parametrize("content", [b"no database", b"no database" * 1000])
def test_a_file_that_is_no_database_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "trials.db").write_bytes(content)
    code, told = refused(tmp_path, f"sqlite:///{tmp_path}/trials.db")
    assert code == 3
    assert "file is not a database" in told


def test_the_tables_of_another_optuna_are_one_sentence(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/trials.db"
    with open_storage(tmp_path, url):
        pass
    with sqlite3.connect(tmp_path / "trials.db") as database:
        database.execute("update alembic_version set version_num = 'v99'")
    database.close()
    code, told = refused(tmp_path, url)
    assert code == 3
    assert "cannot be used: The runtime optuna version" in told


# --- the journal


class Written(NamedTuple):
    """The journal of a search, what it found, and the file of its worker, who is dead."""

    journal: bytes
    found: list[Finished]
    worker: str


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("journal")
    lease = Lease(folder)
    with open_storage(folder, None) as storage:
        found = finish(Search(storage, "s/bn", CONFIGURATION, lease, True), 4)
    return Written((folder / JOURNAL).read_bytes(), found, lease.path.name)


def go_on(folder: Path, written: Written, end: int) -> list[Finished]:
    """Complete the search whose journal has so many bytes."""
    (folder / JOURNAL).write_bytes(written.journal[:end])
    (folder / written.worker).touch()
    with open_storage(folder, None) as storage:
        return finish(Search(storage, "s/bn", CONFIGURATION, Lease(folder), True), 4)


def test_a_line_that_was_torn_anywhere_is_cut_off_and_the_search_goes_on(written: Written, tmp_path: Path) -> None:
    """The last line tells a trial: it is told again, unless the line is whole."""
    start = written.journal[:-1].rfind(b"\n") + 1
    for end in range(start, len(written.journal) + 1):
        assert go_on(tmp_path, written, end) == written.found
        journal = (tmp_path / JOURNAL).read_bytes()
        assert journal.startswith(written.journal[:start])
        assert all(map(json.loads, journal.splitlines()))


@pytest.mark.parametrize("end", [1, 20])
def test_a_first_line_that_was_torn_is_as_if_there_was_none(end: int, written: Written, tmp_path: Path) -> None:
    assert go_on(tmp_path, written, end) == written.found


def test_a_line_that_another_worker_tore_meanwhile_is_cut_off_before_the_next(written: Written, tmp_path: Path) -> None:
    """Both looked at the journal before one was killed, or had a full disk, in the middle of a line."""
    with open_storage(tmp_path, None) as storage:
        search = Search(storage, "s/bn", CONFIGURATION, Lease(tmp_path), True)
        for torn in (b'{"op_code": 4', b"\xff"):
            with open(tmp_path / JOURNAL, "ab") as file:
                file.write(torn)
            search.enqueue_missing(4, 4)
            ((index, point),) = search.ask(1)
            assert search.tell(index, written.found[index].scores)
            assert written.found[index].point == point
    assert all(map(json.loads, (tmp_path / JOURNAL).read_bytes().splitlines()))


@pytest.mark.parametrize(
    "line", [b"no line", b"", b"[]", b"3", b"null", b"{}", b'{"op_code":99}', b"\xff\xfe", b"[" * 10**5, b"9" * 5000]
)
@pytest.mark.parametrize("after", [0, 5, None], ids=["first", "middle", "last"])
def test_a_damaged_line_anywhere_is_one_sentence_and_nothing_is_written(
    line: bytes, after: int | None, written: Written, tmp_path: Path
) -> None:
    lines = written.journal.splitlines()
    lines.insert(len(lines) if after is None else after, line)
    damaged = b"\n".join(lines) + b"\n"
    (tmp_path / JOURNAL).write_bytes(damaged)
    code, told = refused(tmp_path, None)
    assert code == 3
    assert told.startswith(f"{tmp_path / JOURNAL} is damaged: ")
    assert told.endswith("Restore it, or move it away and tune again.")
    assert (tmp_path / JOURNAL).read_bytes() == damaged


def test_a_trial_that_another_program_told_is_one_sentence(tmp_path: Path) -> None:
    with open_storage(tmp_path, None) as storage:
        search = Search(storage, "s/bn", CONFIGURATION, Lease(tmp_path), True)
        search.enqueue_missing(1, 1)
        search.study.tell(search.study.ask(search.space.distributions), 0.5)
        with pytest.raises(EnvironmentFault, match="the search s/bn has a trial that this program did not write"):
            search.finished()


@pytest.mark.parametrize("kind", ["link", "broken link", "folder"])
def test_a_journal_that_is_no_file_of_its_own_is_refused(kind: str, tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "s"
    folder.mkdir()
    if kind == "link":
        outside.write_bytes(b"")
    if kind == "folder":
        (folder / JOURNAL).mkdir()
    else:
        (folder / JOURNAL).symlink_to(outside)
    code, told = refused(folder, None)
    assert code == 2
    assert f"{folder / JOURNAL} is not a regular file, so nothing is written to it" in told
    assert not outside.exists() or outside.read_bytes() == b""


def test_plain_optuna_reads_the_journal(written: Written, tmp_path: Path) -> None:
    """As optuna-dashboard does."""
    (tmp_path / JOURNAL).write_bytes(written.journal)
    storage = JournalStorage(JournalFileBackend(str(tmp_path / JOURNAL)))
    assert optuna.get_all_study_names(storage) == ["s/bn"]
    study = optuna.load_study(study_name="s/bn", storage=storage)
    assert study.best_value == max(trial.value for trial in written.found)
    assert study.best_trial.params["lr"] == max(written.found, key=lambda trial: trial.value).point.lr


def test_a_lock_that_a_dead_process_left_holds_nobody_up(tmp_path: Path) -> None:
    """Nor one of Optuna's own kind, which is a file."""
    (tmp_path / f".{JOURNAL}.lock").touch()
    (tmp_path / f"{JOURNAL}.lock").symlink_to(tmp_path / JOURNAL)
    with open_storage(tmp_path, None) as storage:
        assert len(finish(Search(storage, "s", CONFIGURATION, Lease(tmp_path), True), 2)) == 2
