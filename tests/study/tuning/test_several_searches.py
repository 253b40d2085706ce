"""Several searches of one study, from outside: each is what a study of its own would be, and they share nothing."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import study
from study import tune
from study.spec.design import Design
from study.spec.factors import REFERENCE_SETTING
from study.store.study_folder import Folder
from study.tuning import trials_table
from study.tuning.budget import FIRST_SEED, Budget
from study.tuning.lease import Lease
from study.tuning.trials_table import SEARCH
from tests.study.studies import launch_tuning, litter, tuned_study, tuned_tables
from tests.study.tuning.test_tune import wait_for_told

SHORT = ("--trials", "4", "--seeds", "2", "--tune-seeds", "1")
Tune = Callable[..., int]


def tuned(out: Path, *options: str) -> Path:
    """Return the folder of a study of few trials; later options override."""
    assert tune.main(tuned_study(out, *SHORT, *options)) == 0
    return out / "s"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study of three searches; read it, never write to it."""
    return tuned(tmp_path_factory.mktemp("three"), "--searches", "3")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tuned(tmp_path_factory.mktemp("one"))


def trials(folder: Path) -> pd.DataFrame:
    return trials_table.read(Folder(folder)).to_pandas()


def design_of(folder: Path) -> Design:
    design = Folder(folder).design()
    assert design is not None
    return design


# --- what it writes


def test_each_search_has_seeds_and_points_of_its_own(three: Path) -> None:
    table, design = trials(three), design_of(three)
    seeds = table.groupby(SEARCH).seed.unique().map(list).to_dict()
    assert seeds == {s: [FIRST_SEED + 1_000 * (s - 1)] for s in (1, 2, 3)}
    assert design.seeds == (0, 1, 1_000_000, 1_000_001, 2_000_000, 2_000_001)
    assert [design.seeds_of(s) for s in (1, 2, 3)] == [(0, 1), (1_000_000, 1_000_001), (2_000_000, 2_000_001)]
    points = {s: {*zip(of_search.trial, of_search.lr, strict=True)} for s, of_search in table.groupby(SEARCH)}
    assert not points[1] & points[2] | points[2] & points[3] | points[1] & points[3]


def test_the_untuned_setting_trains_on_the_fresh_seeds_of_all_searches_and_each_choice_on_its_own(three: Path) -> None:
    runs, design = pd.read_parquet(three / "runs.parquet"), design_of(three)
    untuned = runs[(runs.batch_size == REFERENCE_SETTING.batch_size) & (runs.lr == REFERENCE_SETTING.lr)]
    for arm in design.arms:
        assert sorted(untuned[untuned.arm == arm].seed) == [*design.seeds]
    table = trials(three)
    assert [(chosen.search, chosen.arm) for chosen in design.tuned] == [
        (s, arm) for s in (1, 2, 3) for arm in ("bn", "no_bn")
    ]
    for chosen in design.tuned:
        of_search = table[(table[SEARCH] == chosen.search) & (table.arm == chosen.arm)]
        assert chosen.cell.lr == of_search.loc[of_search.accuracy.idxmax()].lr
        at = runs[(runs.arm == chosen.arm) & (runs.lr == chosen.cell.lr)]
        assert {*at.seed} >= {*design.seeds_of(chosen.search)}


def test_search_1_of_several_has_the_bits_of_a_study_of_one(one: Path, three: Path) -> None:
    table = trials(three)
    first = table[table[SEARCH] == 1].drop(columns=SEARCH).reset_index(drop=True)
    pd.testing.assert_frame_equal(first, trials(one), check_exact=True)
    for name in ("records", "runs"):
        whole, alone = (pd.read_parquet(folder / f"{name}.parquet") for folder in (three, one))
        of_first = whole[whole.run_id.isin(alone.run_id)].reset_index(drop=True)
        pd.testing.assert_frame_equal(of_first, alone, check_exact=True)


def test_one_search_is_named_nowhere(one: Path, three: Path) -> None:
    assert SEARCH not in trials(one)
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in (one, three)]
    assert "searches" not in manifests[0]["tuning"]
    assert manifests[1]["tuning"].pop("searches") == 3
    assert manifests[1]["tuning"] == manifests[0]["tuning"]
    assert [chosen.get("search") for chosen in manifests[0]["design"]["tuned"]] == [None, None]
    assert [chosen.get("search") for chosen in manifests[1]["design"]["tuned"]] == [None, None, 2, 2, 3, 3]


def test_the_library_makes_the_searches_of_the_command(three: Path, tmp_path: Path) -> None:
    path = study.optimise(
        "digits", tmp_path / "s", trials=4, searches=3, trial_seeds=1, seeds=range(2), epochs=1, hidden=(12, 9),
        space="lr=1e-3:1,batch_size=64:256",
    )  # fmt: skip
    assert tuned_tables(path) == tuned_tables(three)


# --- more of them, stops, company


@pytest.mark.parametrize(
    "options", [(), ("--searches", "2", "--trials", "2"), ("--searches", "2", "--seeds", "1", "--at-once", "3")]
)
def test_more_searches_give_the_tables_of_one_command(options: tuple[str, ...], three: Path, tmp_path: Path) -> None:
    tuned(tmp_path, *options)
    assert tuned_tables(tmp_path / "s") != tuned_tables(three)
    assert tuned_tables(tuned(tmp_path, "--searches", "3")) == tuned_tables(three)
    assert litter(tmp_path / "s") == []


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--sampler", "tpe"), ("--pruner", "median"), ("--engine", "torch")])
def test_more_searches_of_any_kind_give_the_tables_of_one_command(options: tuple[str, ...], tmp_path: Path) -> None:
    for out in ("whole", "s"):
        (tmp_path / out).mkdir()
    whole = tuned_tables(tuned(tmp_path / "whole", *options, "--searches", "2"))
    tuned(tmp_path / "s", *options)
    assert tuned_tables(tuned(tmp_path / "s", *options, "--searches", "2")) == whole


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_stopped_in_its_second_search_it_goes_on(
    number: signal.Signals, code: int, three: Path, tmp_path: Path
) -> None:
    child = launch_tuning(tmp_path, *SHORT, "--searches", "3", "--at-once", "1")
    wait_for_told(tmp_path / "s", 2 * 4 + 1)
    assert child.end(0, number).code == code
    assert launch_tuning(tmp_path, *SHORT, "--searches", "3").end().code == 0
    assert tuned_tables(tmp_path / "s") == tuned_tables(three)
    assert litter(tmp_path / "s") == []


def test_a_worker_in_search_1_keeps_the_lock_of_one_that_died_in_search_2(tmp_path: Path) -> None:
    """Without it, the dead worker's trials would be waited for as another machine's."""
    first, second, dead = Lease(tmp_path), Lease(tmp_path, 2), Lease(tmp_path, 2)
    dead.path.touch()
    first.remove_expired()
    assert dead.path.exists()
    assert not second.is_alive(dead.token, time.time())
    second.remove_expired()
    assert not dead.path.exists()


@pytest.mark.slow
def test_two_workers_share_several_searches(three: Path, tmp_path: Path) -> None:
    both = [launch_tuning(tmp_path, *SHORT, "--searches", "3", "--at-once", "1", errors=f"e{i}") for i in (0, 1)]
    assert [child.end().code for child in both] == [0, 0]
    assert tuned_tables(tmp_path / "s") == tuned_tables(three)


def test_progress_says_which_search_is_at_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [word for word in tuned_study(tmp_path, *SHORT, "--trials", "1", "--searches", "2") if word != "--quiet"]
    assert tune.main(options) == 0
    printed = capsys.readouterr().out
    assert "search 2 of 2: 2 of 2 trials" in printed
    assert "search 2 of 2: best of 1 trial without BN: " in printed


def test_a_dry_run_says_what_is_told_and_missing_of_all_searches_and_writes_nothing(
    three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune.main(tuned_study(tmp_path, *SHORT, "--searches", "6", "--dry-run")) == 0
    printed = capsys.readouterr().out
    assert "tuning   6 searches of 4 trials per arm, 1 seed per trial" in printed
    assert "48 planned, 0 done, 48 missing" in printed
    assert "48 planned, untuned and tuned on 12 fresh seeds, 0 done" in printed
    assert [*tmp_path.iterdir()] == []
    before = tuned_tables(three)
    assert tune.main(tuned_study(three.parent, *SHORT, "--searches", "6", "--dry-run")) == 0
    assert "48 planned, 24 done, 24 missing" in capsys.readouterr().out
    assert tuned_tables(three) == before
    assert tune.main(tuned_study(three.parent, *SHORT, "--searches", "2", "--dry-run")) == 2
    assert "the study has 3 searches already" in capsys.readouterr().err


# --- what it refuses


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--searches 0", "--searches 0: give a whole number from 1 to 1000"),
        ("--searches 1001", "--searches 1001: give a whole number from 1 to 1000"),
        (
            "--searches 1000 --first-seed 74741823",
            "--first-seed 74741823 --searches 1000: seeds from 1073741824 on are",
        ),
        ("--searches 1000 --seeds 1000", "--seeds: these are 1,000,000 seeds; give at most 100,000"),
    ],
)
def test_a_wrong_number_of_searches_exits_2_in_one_sentence_and_makes_nothing(
    options: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune.main(tuned_study(tmp_path, *options.split())) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"study.tune: {message}")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--searches", "2"), "--searches 2: the study has 3 searches already; give 3 or more"),
        (("--searches", "3", "--trials", "3"), "--trials 3: the search of bn has 4 trials already; give 4 or more"),
    ],
)
def test_fewer_searches_or_trials_than_there_are_are_refused(
    options: tuple[str, ...], message: str, three: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tuned_tables(three)
    assert tune.main(tuned_study(three.parent, *SHORT, *options)) == 2
    assert message in capsys.readouterr().err
    assert tuned_tables(three) == before


def test_searches_draw_from_samplers_of_seeds_of_their_own() -> None:
    budgets = [Budget(searches=6, sampler_seed=seed) for seed in (0, 1)]
    seeds = [budget.sampler_seed_of(search) for budget in budgets for search in budget.numbers]
    assert (seeds[0], seeds[6]) == (0, 1)
    assert len({*seeds}) == 12
    assert max(seeds) < 2**31
