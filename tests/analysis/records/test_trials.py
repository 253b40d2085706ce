"""The table of trials, read: what tuning wrote comes back, and what no tuning writes is refused in one sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from analysis.errors import AnalysisError
from analysis.records.tables import load
from analysis.records.trials import Trials, load_trials
from study.spec.design import Design
from study.spec.factors import Cell
from study.store.parts import encode
from study.store.study_folder import Folder
from study.tuning.trials_table import trials_schema
from tests.analysis.planted import in_gains, on_a_hill, plant, plant_tuned, points

FEW = points(6)


def some_diverge(arm: str, at: Cell, k: int) -> float | None:
    """Without batch norm the second seed of the first point, and all of the second."""
    gone = arm == "no_bn" and ((at, k) == (FEW[0], 1) or at == FEW[1])
    return None if gone else on_a_hill(arm, at, k)


def loaded(folder: Path) -> Trials:
    (found,) = load_trials(load(folder))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return plant_tuned(tmp_path / "s", in_gains, some_diverge, FEW, pruned={("no_bn", 1), ("no_bn", 2)})


def test_what_was_tried_comes_back_by_arm_trial_and_seed(folder: Path) -> None:
    found = loaded(folder)
    table = found.configurations["no_bn"]
    assert found.cells("no_bn") == FEW
    assert table.trial.tolist() == [0, 1, 2, 3, 4, 5]
    held_out = [[round(239 * on_a_hill("bn", at, k)) / 239 for at in FEW] for k in range(3)]
    assert found.by_seed["bn"].tolist() == held_out
    assert found.scores("bn") == pytest.approx(np.mean(held_out, axis=0), abs=1e-15)


def test_a_seed_that_diverged_scores_zero_and_is_counted(folder: Path) -> None:
    found = loaded(folder)
    assert found.by_seed["no_bn"][:, :2].tolist() == [
        [found.by_seed["no_bn"][0, 0], 0], [0, 0], [found.by_seed["no_bn"][2, 0], 0],
    ]  # fmt: skip
    assert found.configurations["no_bn"].n_diverged.tolist() == [1, 3, 0, 0, 0, 0]


def test_a_trial_that_ended_early_was_stopped_even_where_all_its_seeds_diverged(folder: Path) -> None:
    found = loaded(folder)
    assert found.configurations["no_bn"].pruned.tolist() == [False, True, True, False, False, False]
    assert not found.configurations["bn"].pruned.any()


def test_trials_speak_of_the_space_where_no_sampler_learnt_and_none_was_stopped(tmp_path: Path) -> None:
    def uniform(name: str, **options: object) -> bool:
        made = plant_tuned(tmp_path / name, in_gains, on_a_hill, FEW, **options)  # type: ignore[arg-type]
        return loaded(made).uniform

    assert uniform("sobol")
    assert not uniform("tpe", sampler="tpe")
    assert not uniform("pruned", pruned={("bn", 0)})


@pytest.mark.parametrize("others", [FEW[::-1], FEW[:5]], ids=["other points", "fewer"])
def test_a_sobol_set_that_the_arms_do_not_share_is_refused(others: list[Cell], tmp_path: Path) -> None:
    made = plant_tuned(tmp_path / "s", in_gains, on_a_hill, {"bn": FEW, "no_bn": others})
    with pytest.raises(AnalysisError, match="different points, which the sampler sobol never gives them"):
        loaded(made)
    loaded(plant_tuned(tmp_path / "tpe", in_gains, on_a_hill, {"bn": FEW, "no_bn": others}, sampler="tpe"))


def test_a_pruned_trial_is_never_the_best(tmp_path: Path) -> None:
    best = int(np.argmax([np.mean([on_a_hill("bn", at, k) for k in range(3)]) for at in FEW]))
    folder = plant_tuned(tmp_path / "s", in_gains, on_a_hill, FEW, pruned={("bn", best)})
    found = loaded(folder)
    assert found.best("bn", FEW[best]) is None
    assert found.scores("bn").argmax() == best


def test_of_equal_trials_the_first_is_chosen_whatever_rounding_says(tmp_path: Path) -> None:
    """Nine seeds with the same counts in another order: numpy's mean of the second trial is larger by rounding."""
    counts = {
        FEW[0]: (222, 217, 235, 211, 226, 229, 231, 200, 233),
        FEW[1]: (222, 235, 231, 233, 211, 226, 217, 200, 229),
    }
    folder = plant_tuned(
        tmp_path / "s", in_gains, lambda arm, at, k: counts[at][k] / 239, FEW[:2], n_trial_seeds=len(counts[FEW[0]])
    )
    chosen, found = load(folder).design.tuned[0], loaded(folder)
    assert chosen.cell == FEW[0]
    assert found.scores("bn").argmax() == 1
    assert [found.best("bn", at) for at in FEW[:2]] == [0, 1]


def test_a_study_that_nobody_tuned_has_no_trials(tmp_path: Path) -> None:
    folder = plant(tmp_path / "s", Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0,), epochs=1), in_gains)
    assert load_trials(load(folder)) == []


# --- what is refused


def rewrite(folder: Path, change: Callable[[list[dict]], object]) -> None:
    """Change the rows of the table, of which the manifest then knows."""
    place = Folder(folder)
    table = place.read_table("trials", trials_schema)
    rows = table.to_pylist()
    change(rows)
    with place.lock():
        place.write_tables({"trials": encode(pa.Table.from_pylist(rows, schema=table.schema))})


def to(**values: object) -> Callable[[list[dict]], object]:
    """The last row, of no_bn and ok, with other values."""
    return lambda rows: rows[-1].update(values)


BROKEN: dict[str, Callable[[list[dict]], object]] = {
    "it holds rows of another study": to(study_id="other"),
    "it lacks an arm, or has a foreign one": lambda rows: rows.__delitem__(slice(18, None)),
    "it holds rows twice": lambda rows: rows.append(rows[-1]),
    "the trials of an arm are not numbered from 0": lambda rows: rows.__delitem__(slice(0, 3)),
    "not every trial has the same seeds": lambda rows: rows.pop(),
    "a trial has two configurations": to(lr=0.5),
    "a configuration lies outside of the space": lambda rows: [row.update(lr=2.0) for row in rows[-3:]],
    "a status is none of ok, diverged and pruned": to(status="fine"),
    "n_examples is not what is held out": to(n_examples=240),
    "an epoch lies outside of the tuning": lambda rows: [row.update(epoch=5) for row in rows[-3:]],
    "a status does not go with its epoch": to(status="pruned"),
    "n_correct lies outside of 0 to n_examples": to(n_correct=240, accuracy=240 / 239),
    "accuracy is not n_correct over n_examples": to(accuracy=0.5),
    "there is a metric though the seed diverged": to(status="diverged"),
    "it is empty": lambda rows: rows.clear(),
}


@pytest.mark.parametrize("words", BROKEN)
def test_what_no_tuning_writes_is_refused_in_one_sentence(words: str, folder: Path) -> None:
    rewrite(folder, BROKEN[words])
    with pytest.raises(AnalysisError, match=rf"^.*trials\.parquet: {words}$"):
        load_trials(load(folder))


def test_a_tuned_cell_that_the_trials_did_not_choose_is_refused(folder: Path) -> None:
    def better(rows: list[dict]) -> None:
        for row in rows[:3]:
            row.update(n_correct=239, accuracy=1.0)

    rewrite(folder, better)
    with pytest.raises(AnalysisError, match="the tuned cell is not what the trials of bn chose"):
        load_trials(load(folder))


def test_a_table_that_is_missing_or_was_changed_is_refused(folder: Path) -> None:
    path = folder / "trials.parquet"
    rewritten = path.read_bytes().replace(b"no_bn", b"no_bm")
    path.write_bytes(rewritten)
    with pytest.raises(AnalysisError, match=r"trials\.parquet cannot be read: .* is not the one in manifest\.json"):
        load_trials(load(folder))
    path.unlink()
    with pytest.raises(AnalysisError, match=r"has a tuned cell and no trials; its study\.tune command makes them"):
        load_trials(load(folder))


def test_a_manifest_that_does_not_say_how_it_was_tuned_is_refused(folder: Path) -> None:
    place = Folder(folder)
    manifest = place.read_manifest()
    assert manifest is not None
    del manifest["tuning"]
    place.write_manifest(manifest)
    with pytest.raises(AnalysisError, match="has a tuned cell and no trials"):
        load_trials(load(folder))


def test_a_tuned_cell_without_the_untuned_setting_beside_it_is_refused(tmp_path: Path) -> None:
    folder = plant_tuned(tmp_path / "s", in_gains, on_a_hill, FEW, untuned=Cell(64, 0.01))
    with pytest.raises(AnalysisError, match="not the setting that nobody tuned beside it"):
        load_trials(load(folder))


# --- several searches


@pytest.fixture
def of_three(tmp_path: Path) -> Path:
    return plant_tuned(tmp_path / "s", in_gains, on_a_hill, FEW, seeds=(0, 1), n_searches=3)


def test_each_search_has_its_own_trials(of_three: Path) -> None:
    study = load(of_three)
    found = load_trials(study)
    assert [one.search for one in found] == [1, 2, 3]
    assert found[0].cells("bn") == FEW
    assert not {*found[1].cells("bn")} & {*FEW}
    for one in found:
        chosen = {best.arm: best.cell for best in study.design.tuned if best.search == one.search}
        assert all(one.best(arm, cell) is not None for arm, cell in chosen.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: rows.__delitem__(slice(72, None)),
            "is of 3 searches, the trials are of 1 2; the same study.tune",
        ),
        (lambda rows: rows[-1].update(search=4), "is of 3 searches, the trials are of 1 to 4; the same study.tune"),
        (lambda rows: rows[-1].update(search=2), "not every trial has the same seeds"),
        (lambda rows: [row.update(n_correct=239, accuracy=1.0) for row in rows[72:75]], "of bn chose"),
    ],
    ids=["too few", "too many", "another's", "not the best"],
)
def test_searches_that_are_not_the_tuned_cell_s_are_refused(
    change: Callable[[list[dict]], object], message: str, of_three: Path
) -> None:
    rewrite(of_three, change)
    with pytest.raises(AnalysisError, match=message):
        load_trials(load(of_three))
