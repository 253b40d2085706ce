"""The bench counts and compares rightly; how fast it finds this machine is no matter of tests."""

import importlib.util
import json
from itertools import islice
from pathlib import Path

import pytest

from study.bench import __main__ as bench
from study.bench import ablation, implementations, scaling, worker_pool
from study.data import dataset
from study.errors import StudyError
from study.spec.design import Design


def test_the_arithmetic_of_a_step_is_counted_by_hand() -> None:
    design = Design("mnist", batch_sizes=(32,))
    assert bench.dense_flop(design) == 2 * 32 * (2 * 784 * 32 + 3 * 32 * 32 + 3 * 32 * 10)


def test_the_loader_makes_the_same_batches_as_the_tensors_in_memory(digits: dataset.Dataset) -> None:
    """But for pixels, which it holds as bytes: digits have 16 levels, bytes 255."""
    task = implementations.Task(digits, 32, "bn")
    for (pictures, targets), rows in islice(zip(implementations._loaded(task), task.rows(), strict=False), 50):
        assert digits.train.labels[rows].tolist() == targets.tolist()
        assert (digits.train.images[rows] - pictures).abs().max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("arm", ["no_bn", "bn"])
def test_every_implementation_has_the_losses_of_the_plain_loop(arm: str, digits: dataset.Dataset) -> None:
    engine, peers = (
        worker_pool._make(implementations.Task(digits, 32, arm), of_engine)[0] for of_engine in (True, False)
    )
    assert (len(engine), len(peers)) == (4, 3 + bool(importlib.util.find_spec("jax")))
    worker_pool.check_agreement(engine | peers)


def test_implementations_that_disagree_are_not_timed() -> None:
    def facts(*of_lockstep: float) -> dict[str, worker_pool.Facts]:
        return {
            "torch.nn, fused Adam": worker_pool.Facts(1, False, [2.0, 1.0]),
            "lockstep": worker_pool.Facts(30, False, [*of_lockstep]),
        }

    worker_pool.check_agreement(facts(2.0, 1.0005))
    with pytest.raises(StudyError, match=r"the losses of 'lockstep', .*, are not torch\.nn's"):
        worker_pool.check_agreement(facts(2.0, 1.01))
    with pytest.raises(StudyError, match="nothing is timed"):
        worker_pool.check_agreement(facts(2.0, float("nan")))


@pytest.mark.slow
def test_the_command_prints_a_table_and_writes_its_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "WINDOW_SECONDS", 0.01)
    options = ["--quick", "--dataset", "digits", "--batch-sizes", "32", "--out", str(tmp_path)]
    assert bench.main(options) == 0
    (path,) = (tmp_path / "bench").iterdir()
    found = json.loads(path.read_text())
    assert [(row["arm"], row["way"]) for row in found["rows"] if row["way"].startswith("lockstep")] == [
        (arm, way) for arm in ("no_bn", "bn") for way in ("lockstep", "lockstep, both arms")
    ]
    printed = capsys.readouterr().out
    for row in found["rows"]:
        assert f"{row['microseconds']:.1f}" in printed


def test_scaling_is_told_from_the_cost_of_starting_up() -> None:
    studies = [scaling.CommandTiming(1, 5.0, 2.0), scaling.CommandTiming(10, 18.0, 15.0)]
    first, second = (line.split() for line in scaling.table(studies).splitlines()[1:])
    assert first == ["1", "5.0", "3.0", "2.0", "2.00", "1.00"]
    assert second == ["10", "18.0", "3.0", "15.0", "1.50", "0.75"]


def test_a_wrong_option_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--rounds", "0"]) == 2
    assert "--rounds 0: give at least 1" in capsys.readouterr().err


def test_the_bench_prints_the_time_of_the_modes_over_that_of_the_training() -> None:
    """Both of the default command, measured in one run."""
    took = ablation.AblationTiming(40.0, 8.0, clean_seconds=20.0, all_seconds=120.0, peak_bytes=1.5e9)
    assert took.share_of_training == 0.2
    assert "training 40.0 s, inference modes 8.0 s, 0.20 of it" in ablation.line(took)
    assert "all other conditions 2.0 min" in ablation.line(took)
