"""Trials in a real PostgreSQL, which any number of workers may share."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from sqlalchemy.engine import make_url

from study import tune
from study.errors import StudyError
from study.tuning import loop
from study.tuning.search import TRIAL_INDEX
from study.tuning.storage import open_storage
from tests.study.studies import Child, Together, litter, say, tune_impatiently, tuned_study, tuned_tables
from tests.study.tuning import postgresql
from tests.study.tuning.postgresql import Server
from tests.study.tuning.test_tune import N_TRIALS, Pair, files
from tests.study.values import slow


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    reason = postgresql.missing()
    if reason is not None:
        postgresql.give_up(reason)
    found = Server()
    try:
        found.start()
        yield found
        found.stop()
    finally:
        found.remove()


@pytest.fixture
def url(server: Server, request: pytest.FixtureRequest) -> str:
    """Of a database of the test's own."""
    return server.create(f"d{abs(hash(request.node.name))}")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The tables of the study whose trials are in its journal."""
    out = tmp_path_factory.mktemp("whole")
    assert tune.main(tuned_study(out)) == 0
    return tuned_tables(out / "s")


def told(folder: Path, url: str) -> Counter[tuple[str, int]]:
    """How often each (study, index) was told."""
    with open_storage(folder, url) as storage:
        return Counter(
            (name, trial.user_attrs[TRIAL_INDEX])
            for name in optuna.get_all_study_names(storage)
            for trial in optuna.load_study(study_name=name, storage=storage).trials
            if trial.state.name == "COMPLETE"
        )


ONCE = {(f"s/{arm}", index): 1 for arm in ("bn", "no_bn") for index in range(N_TRIALS)}


def assert_no_secret(server: Server, folder: Path, *outputs: str) -> None:
    words = server.password.split()
    for output in (*outputs, *(content.decode(errors="replace") for content in files(folder).values())):
        assert not any(word in output for word in words)


def test_a_study_in_postgresql_is_that_of_the_journal(
    server: Server, url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], whole: dict[str, bytes]
) -> None:
    for n_trials in ("3", "8", "8"):
        assert tune.main(tuned_study(tmp_path, "--storage", url, "--trials", n_trials)) == 0
    assert tuned_tables(tmp_path / "s") == whole
    assert told(tmp_path, url) == ONCE
    assert litter(tmp_path / "s") == []
    manifest = json.loads((tmp_path / "s" / "manifest.json").read_text())
    assert manifest["tuning"]["storage"] == make_url(url).render_as_string(hide_password=True)
    assert_no_secret(server, tmp_path, *capfd.readouterr())


def test_a_wrong_password_exits_3_in_one_sentence_without_it(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert tune.main(tuned_study(tmp_path, "--storage", server.url("postgres", "s3cr&t guess"))) == 3
    error = capfd.readouterr().err
    assert 'password authentication failed for user "ada"' in error
    assert "guess" not in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_four_workers_that_find_an_empty_database_at_once_share_it(
    url: str, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    """Each makes its tables, of which one is first."""
    at_once = Together(4, tune_impatiently)
    arguments = tuned_study(tmp_path, "--storage", url, "--at-once", "2")
    children = [Child(tmp_path / f"stderr{i}", at_once, arguments) for i in range(4)]
    assert [(ended.code, ended.error) for ended in (child.end() for child in children)] == [(0, "")] * 4
    assert told(tmp_path, url) == ONCE
    assert tuned_tables(tmp_path / "s") == whole


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["sobol", "tpe"])
def test_two_workers_one_of_whom_is_killed_tell_each_index_once(
    sampler: str, url: str, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    pair = Pair(tmp_path, "--storage", url, "--at-once", "2", "--sampler", sampler)
    pair.start(0, 1)
    wait_for(lambda: sum(told(tmp_path, url).values()) >= 3)
    pair.kill(0)
    pair.start(0)
    pair.end()
    assert told(tmp_path, url) == ONCE
    assert litter(tmp_path / "s") == []
    assert (tuned_tables(tmp_path / "s") == whole) == (sampler == "sobol")


def wait_for(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if reached():
                return
        except (StudyError, KeyError):  # its tables are being made
            pass
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("n", [slow(0), 1, slow(3)])
def test_a_server_that_stops_is_one_sentence_and_after_its_restart_the_same_command_goes_on(
    n: int, server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str], whole: dict[str, bytes],
) -> None:  # fmt: skip
    """In the middle of a batch, or when the last trial of one is to be told."""
    report, left = loop.TrialBatch.committed, iter(range(n))

    def committed(*arguments: object) -> None:
        if next(left, None) is None:
            monkeypatch.setattr(loop.TrialBatch, "committed", report)
            server.stop()
        report(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loop.TrialBatch, "committed", committed)
    try:
        assert tune.main(tuned_study(tmp_path, "--storage", url, "--at-once", "1")) == 3
    finally:
        server.start()
    error = capfd.readouterr().err
    assert error.startswith("study.tune: --storage postgresql+psycopg://ada:***@127.0.0.1:")
    assert error.endswith("Finished trials are saved; repeat the command to continue.\n")
    assert error.count("\n") == 1
    assert_no_secret(server, tmp_path, error)
    monkeypatch.setattr(loop, "WAIT_SECONDS", "nobody is at work")
    assert tune.main(tuned_study(tmp_path, "--storage", url)) == 0
    assert tuned_tables(tmp_path / "s") == whole
    assert told(tmp_path, url) == ONCE
    assert litter(tmp_path / "s") == []


@pytest.mark.slow
def test_random_kills_of_two_workers_lose_no_index_and_double_none(
    url: str, tmp_path: Path, whole: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    moments, pair, both = random.Random(13), Pair(tmp_path, "--storage", url, "--at-once", "1"), 0
    pair.start(0, 1)
    while pair.alive:
        time.sleep(moments.uniform(0.1, 1.0))
        victims, before = moments.choice([(0,), (1,), (0, 1)]), pair.kills
        if pair.kills < 20 and pair.alive:
            pair.kill(*victims)
            pair.start(*victims)
            both += pair.kills - before == 2
    pair.end()
    assert told(tmp_path, url) == ONCE
    assert tuned_tables(tmp_path / "s") == whole
    assert litter(tmp_path / "s") == []
    say(
        capsys,
        f"PostgreSQL: {pair.kills} kills of two tuning workers ({both} of both at once), no index lost or doubled",
    )
