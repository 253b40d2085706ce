"""Processes that are killed at any moment, and power that goes off: the same command again makes the same study."""

import random
import signal
from pathlib import Path

import numpy as np
import pytest

from study.spec.cohorts import cohorts, missing_runs
from study.spec.design import Design
from study.spec.history import History
from study.store import schemas, weights
from study.store.study_folder import Folder, unit_id
from tests.study.faults.disks import Killing, LostRename, PowerCut, Torn
from tests.study.studies import Child, launch, litter, results, say, study

KINDS = ((), ("--no-ablation",))
"""With and without the inference modes at its end."""
Whole = tuple[dict[str, bytes], float]


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], Whole]:
    """Of each kind, what a study comes to that nobody disturbed, and its seconds."""
    found = {}
    for options in KINDS:
        ended = [launch(tmp_path_factory.mktemp("warm"), *options).end()]
        out = tmp_path_factory.mktemp("whole")
        ended.append(launch(out, *options).end())
        assert [child.code for child in ended] == [0, 0]
        assert litter(out / "s") == []
        found[options] = results(out / "s"), min(child.seconds for child in ended)
    return found


def kill_until_complete(out: Path, options: tuple[str, ...], usual: float, moments: random.Random) -> int:
    """The command again and again, each killed at a moment of its usual time, until one is faster; how many died."""
    kills, done = 0, set()
    while (ended := launch(out, *options).end(moments.uniform(0, usual), signal.SIGKILL)).code:
        assert (ended.code, ended.error) == (-signal.SIGKILL, "")
        kills += 1
        before, done = done, {path.name for path in out.glob("s/parts/*.parquet")}
        assert before <= done, "what was committed stays"
    return kills


def survive(n_kills: int, out: Path, wholes: dict[tuple[str, ...], Whole], seed: int = 7) -> tuple[int, int]:
    """(kills, studies), one study after another until so many kills were survived."""
    moments, kills, n_studies = random.Random(seed), 0, 0
    while kills < n_kills:
        options = KINDS[n_studies % 2]
        whole, usual = wholes[options]
        folder = out / str(n_studies)
        folder.mkdir()
        kills, n_studies = kills + kill_until_complete(folder, options, usual, moments), n_studies + 1
        assert results(folder / "s") == whole
        assert litter(folder / "s") == []
    return kills, n_studies


def test_a_study_that_is_killed_again_and_again_is_that_of_one_command(
    tmp_path: Path, wholes: dict[tuple[str, ...], Whole]
) -> None:
    survive(8, tmp_path, wholes)


@pytest.mark.slow
@pytest.mark.parametrize("half", [1, 2])
def test_two_hundred_kills_at_random_moments_leave_no_trace(
    half: int, tmp_path: Path, wholes: dict[tuple[str, ...], Whole], capsys: pytest.CaptureFixture[str]
) -> None:
    kills, n_studies = survive(100, tmp_path, wholes, seed=half)
    say(capsys, f"{kills} kills survived in {n_studies} studies, all equal")


# --- at every system call

DESIGN = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0,), epochs=1, hidden=(3,))
CRASHES = [Torn, PowerCut, LostRename]


def commit(folder: Path) -> int:
    """As a worker commits a cohort, its networks and then its part; and a table that is written over."""
    cohort = cohorts(missing_runs(DESIGN, ()))[0]
    rng = np.random.default_rng(0)
    shapes = [weights.shapes(DESIGN, run.arm, run.cell) for run in cohort.runs]
    networks = tuple({name: rng.random(shape, np.float32) for name, shape in kept.items()} for kept in shapes)
    n_correct = np.ones((len(cohort.runs), 2, 2), int)
    finite, right = np.ones((len(cohort.runs), 2), bool), np.ones((len(cohort.runs), 360), bool)
    history = History(n_correct / 7, n_correct, finite, right, 3, networks)
    Folder(folder).prepare()
    unit = unit_id(DESIGN, cohort, "data", "engine")
    made_by = [kept.to_dict() if kept else {} for kept in weights.write(folder, DESIGN, unit, cohort.runs, history)]
    Folder(folder).commit(unit, schemas.part_table(DESIGN, cohort.runs, history, made_by))
    return 0


def commit_on(disk: Killing, folder: Path) -> int:
    with disk.at_work():
        commit(folder)
        disk.called("end")
    return 0


@pytest.mark.parametrize("crash", CRASHES)
def test_a_commit_that_is_killed_at_any_call_is_made_by_the_next(crash: type[Killing], tmp_path: Path) -> None:
    """Before every open, write, flush, rename and mkdir; in the middle of every write; and with the power going off,
    so that data or renames that were not flushed are lost."""
    commit(tmp_path / "whole")
    expected, number = contents(tmp_path / "whole"), 1
    while (
        ended := Child(tmp_path / "stderr", commit_on, crash(path := tmp_path / str(number), number), path).end()
    ).code:
        assert (ended.code, ended.error) == (-signal.SIGKILL, "")
        folder = Folder(path)
        for run in folder.done(DESIGN):
            weights.read(path, DESIGN, run)  # a run is done when all that it leaves is there
        folder.prepare()
        assert folder.quarantine() == []
        folder.clear()
        commit(path)
        assert contents(path) == expected
        number += 1
    assert number > 14, "2 folders, and 6 calls for each of 2 files"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run_on(disk: Killing, arguments: list[str]) -> int:
    from study import run

    with disk.at_work():
        return run.main(arguments)


SMALLEST = ("--seeds", "1", "--batch-sizes", "512", "--lrs", "0.01")


@pytest.mark.slow
@pytest.mark.parametrize(("options", "every"), [(("--no-ablation",), 1), ((), 5)])
def test_a_study_that_is_killed_at_any_call_is_completed_by_the_next_command(
    options: tuple[str, ...], every: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In any of the ways."""
    assert launch(tmp_path, *SMALLEST, *options).end().code == 0
    expected, crashes, number = results(tmp_path / "s"), random.Random(3), 1
    while True:
        out = tmp_path / str(number)
        out.mkdir()
        disk = crashes.choice(CRASHES)(out / "s", number)
        ended = Child(out / "stderr", run_on, disk, study(out, *SMALLEST, *options)).end()
        if ended.code == 0:
            break
        assert (ended.code, ended.error) == (-signal.SIGKILL, "")
        ended = launch(out, *SMALLEST, *options).end()
        assert (ended.code, ended.error) == (0, "")
        assert results(out / "s") == expected
        assert litter(out / "s") == []
        number += every
    say(capsys, f"{(number - 1) // every} crashes survived, at every {every}. call; all studies equal")
