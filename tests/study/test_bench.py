"""The bench counts and compares rightly; how fast it finds this machine is no matter of tests."""

import json
from pathlib import Path

import pytest

from study import bench, data
from study.design import Design, Run
from study.errors import StudyError


def test_the_arithmetic_of_a_step_is_counted_by_hand() -> None:
    design = Design("mnist", batch_sizes=(32,))
    assert bench.dense_flop(design) == 2 * 32 * (2 * 784 * 32 + 3 * 32 * 32 + 3 * 32 * 10)


def test_the_loader_makes_the_same_batches_as_the_tensors_in_memory(digits: data.Dataset) -> None:
    """But for pixels, which it holds as bytes: digits have 16 levels, bytes 255."""
    design = Design("digits", batch_sizes=(32,))
    plain, loader = (way(design, Run(32, 0.01, 3, "bn"), digits) for way in (bench.Plain, bench.Loader))
    for _ in range(50):
        (images, labels), (pictures, targets) = next(plain.batches), next(loader.batches)
        assert labels.tolist() == targets.tolist()
        assert (images - pictures).abs().max() <= 0.5 / 255 + 1e-6


def test_ways_that_disagree_are_not_timed() -> None:
    bench._check_agreement({bench.PLAIN: [2.0, 1.0], bench.LOCKSTEP: [2.0, 1.0005]})
    with pytest.raises(StudyError, match=r"the losses of 'lockstep', .*, are not torch\.nn's"):
        bench._check_agreement({bench.PLAIN: [2.0, 1.0], bench.LOCKSTEP: [2.0, 1.01]})
    with pytest.raises(StudyError, match="nothing is timed"):
        bench._check_agreement({bench.PLAIN: [2.0, 1.0], bench.LOCKSTEP: [2.0, float("nan")]})


def test_the_command_prints_a_table_and_writes_its_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "WINDOW_SECONDS", 0.01)
    options = ["--quick", "--dataset", "digits", "--batch-sizes", "32", "--out", str(tmp_path)]
    assert bench.main(options) == 0
    (path,) = (tmp_path / "bench").iterdir()
    found = json.loads(path.read_text())
    assert [(row["arm"], row["way"]) for row in found["rows"]] == [
        (arm, way) for arm in ("no_bn", "bn") for way in (bench.LOADER, bench.PLAIN, bench.LOCKSTEP)
    ]
    printed = capsys.readouterr().out
    for row in found["rows"]:
        assert f"{row['microseconds']:.1f}" in printed


def test_a_wrong_option_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--rounds", "0"]) == 2
    assert "--rounds 0: give at least 1" in capsys.readouterr().err
