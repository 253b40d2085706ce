"""Which studies may stand beside one another, and by which names."""

import shutil
from pathlib import Path

import pytest

from analysis.errors import AnalysisError
from analysis.records.other_studies import check_others, distinct_names, load_others
from analysis.records.tables import StudyData, load
from study.spec.design import Design
from study.spec.runs import Run
from tests.analysis.planted import plant

DESIGN = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=(0, 1), epochs=1)


def plain(run: Run, epoch: int) -> float:
    return (200 + run.seed) / 360


def better(run: Run, epoch: int) -> float:
    return (210 + run.seed) / 360


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return plant(tmp_path / "results" / "s", DESIGN, plain)


def spellings(path: Path) -> list[Path]:
    """The folder by other names: with a detour, relative, and through a link."""
    link = path.parent / "link"
    link.symlink_to(path, target_is_directory=True)
    return [path, path / ".." / path.name, Path(path.name), link]


def test_a_study_is_itself_by_any_spelling(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = load(path)
    monkeypatch.chdir(path.parent)
    for other in spellings(path):
        with pytest.raises(AnalysisError) as refused:
            check_others(study, load_others([other]))
        assert f"compare {other}: it is the folder {path}, and a study is not compared with itself" in str(
            refused.value
        )
        assert "name the folder of another study" in str(refused.value)


def test_a_copy_is_the_study_itself_and_another_result_is_not(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    again = plant(tmp_path / "again", DESIGN, plain)
    for other in (copy, again):
        with pytest.raises(AnalysisError, match=r"has the same design and records as .*s, and a study is not compared"):
            check_others(load(path), load_others([other]))
    check_others(load(path), load_others([plant(tmp_path / "better", DESIGN, better)]))


def test_each_study_is_named_once(path: Path, tmp_path: Path) -> None:
    other = plant(tmp_path / "better", DESIGN, better)
    with pytest.raises(
        AnalysisError, match=r"compare .*\.\./better: it is the folder .*, and each study is named once"
    ):
        check_others(load(path), load_others([other, other / ".." / "better"]))


def test_a_folder_that_holds_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError) as refused:
        load_others([tmp_path / "nowhere"])
    assert str(refused.value).startswith(f"compare {tmp_path / 'nowhere'}: ")
    assert "holds no study" in str(refused.value)
    assert "such as results/reference-mnist" in str(refused.value)


def named(*paths: str) -> list[StudyData]:
    manifest: dict = {"study_id": None}
    return [StudyData(Path(path), {**manifest, "study_id": Path(path).name}, DESIGN, *[None] * 2) for path in paths]  # type: ignore[arg-type,typeddict-item]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/r/a", "/r/b"], ["a", "b"]),
        (["/r/mnist", "/old/mnist"], ["r/mnist", "old/mnist"]),
        (["/r/mnist", "/r/digits", "/old/mnist"], ["r/mnist", "digits", "old/mnist"]),
        (["/r/1/x/mnist", "/r/2/x/mnist"], ["1/x/mnist", "2/x/mnist"]),
        (["/mnist", "/r/mnist"], ["/mnist", "r/mnist"]),
    ],
)
def test_equal_names_are_told_apart_by_the_shortest_ends_of_their_paths(paths: list[str], names: list[str]) -> None:
    assert distinct_names(named(*paths)) == names
