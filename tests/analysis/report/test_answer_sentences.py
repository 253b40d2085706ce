"""Sentences of the answer in the cases that the planted pages lack: one of something, rates at their ends."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.findings.answer import Answer, answers
from analysis.findings.tipping import at_rate
from analysis.report.sentences.answer import headline, tipping, told
from study.spec.design import Design
from study.spec.runs import Run
from tests.analysis.planted import planted

LOST, PARTNER = (Run(32, 0.1, seed=3, arm=arm) for arm in ("bn", "no_bn"))


def found(path: Path, n: int, lost: frozenset[Run] = frozenset(), fails: bool = False) -> Answer:
    """Batch norm gains 9 images at rate 0.1 and loses them at 0.01; where it ``fails``, a run without its partner."""
    design = Design("digits", batch_sizes=(32,), lrs=(0.01, 0.1), seeds=tuple(range(n)), epochs=1)

    def score(run: Run, epoch: int) -> float:
        if fails and run == PARTNER:
            return 0.1
        gain = (9 if run.cell.lr == 0.1 else -9) if run.arm == "bn" else 0
        return (320 + gain + (5 * run.seed + 3 * (run.arm == "bn") + (run.cell.lr == 0.1)) % 4) / 360

    return answers(planted(path / "s", design, score, lost=lost), 0.05, 0.002)["bn"]


def test_one_seed_has_nobody_to_choose_its_cells(tmp_path: Path) -> None:
    answer = found(tmp_path, 1)
    assert answer.best
    assert headline(answer, answer.best, "digits").endswith("one seed has no others to choose its settings.")


def test_mixed_says_of_how_many_cells(tmp_path: Path) -> None:
    answer = found(tmp_path, 10)
    assert answer.mean
    assert "is better in 1 and worse in 1 of 2 settings: " in headline(answer, answer.mean, "digits")


@pytest.mark.parametrize("fails", [True, False])
def test_of_a_failed_run_without_its_partner_nobody_says_that_every_run_learned(tmp_path: Path, fails: bool) -> None:
    answer = found(tmp_path, 10, lost=frozenset({LOST}), fails=fails)
    parts = {part.key: part for part in told(answer, "digits")}
    assert parts["not_learning"].headline.startswith("Every run that has its partner learned; ")
    assert any(line.startswith("Whatever the missing pair would have shown") for line in parts["mean"].details)


def test_a_rate_is_reversible_or_not() -> None:
    for rate, start in (
        (0.0, "Not better with BN"),
        (0.02, "The difference vanishes if more than 2 % of"),
        (1.0, "Only a collapse of nearly every run"),
    ):
        assert tipping(at_rate("bn", rate, 0, 10, 0.05)).startswith(start)
    nearly = tipping(at_rate("bn", 0.99999999, 0, 10, 0.05))
    assert nearly == "Only a collapse of nearly every run with BN would reverse this."


def test_a_margin_of_one_point_is_one_point(tmp_path: Path) -> None:
    answer = replace(found(tmp_path, 10), margin=0.01)
    assert answer.mean
    equivalent = replace(answer.mean, verdict="equivalent")
    assert "by less than the margin of 1 point. " in headline(answer, equivalent, "digits")
