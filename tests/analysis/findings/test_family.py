"""What is claimed of the cells and of their mean: planted studies, each with its opposite."""

import math
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.findings.family import Bounds, Member, conclude, family, samples, tally
from analysis.records.frames import from_frame
from analysis.records.pairs import Pairs, pair
from analysis.stats.intervals import Interval
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run
from tests.analysis.planted import planted

Gain = Callable[[int, int], float]
"""Points that the arm gains in a cell, by the number of the cell and the seed."""
CELLS = [Cell(size, lr) for size in (32, 128, 512) for lr in (0.001, 0.01, 0.1)]
NOISE = np.random.default_rng(5).normal(0, 0.001, (60, 9))


def pairs_of(
    gain: Gain,
    n: int = 10,
    failed: Mapping[tuple[int, int], str] | None = None,
    missing: AbstractSet[tuple[int, int]] = frozenset(),
) -> Pairs:
    """Return pairs of nine cells; ``failed`` has the failing side and ``missing`` the lost runs of the arm, by (cell,
    seed)."""
    failed = failed or {}
    rows = []
    for i, cell in enumerate(CELLS):
        for seed in range(n):
            base = 0.96 + 0.001 * (seed % 4)
            score = {"no_bn": base, "bn": base + gain(i, seed) / 100 + NOISE[seed, i]}
            for arm, value in score.items():
                fails = failed.get((i, seed)) in (arm, "both")
                if arm == "no_bn" or (i, seed) not in missing:
                    rows.append((cell.batch_size, cell.lr, seed, arm, 0.1 if fails else value, fails))
    frame = pd.DataFrame(rows, columns=["batch_size", "lr", "seed", "arm", "score", "failed"])
    data = from_frame(
        frame, unit="seed", arm="arm", baseline="no_bn", factors=["batch_size", "lr"], outcome="score", chance=0.1,
        limits=(0.0, 1.0),
    )  # fmt: skip
    pairs = pair(data, "bn", "score")
    flags = frame.set_index(["batch_size", "lr", "seed", "arm"]).failed
    for side, arm in (("baseline", "no_bn"), ("arm", "bn")):
        keys = [(row.batch_size, row.lr, row.seed, arm) for row in pairs.table.itertuples()]
        pairs.table[f"failed_{side}"] = [bool(flags[key]) for key in keys]
    return pairs


def members(pairs: Pairs, alpha: float = 0.05, margin: float = 0.002) -> tuple[Member, list[Member]]:
    mean, *cells = family(pairs, samples(pairs, pairs.cells, alpha), alpha, margin)
    return mean, cells


def test_a_cells_member_is_the_difference_given_that_both_learn() -> None:
    """The opposite: with failures in it the cell's difference would be -8 points instead of +1."""
    mean, cells = members(pairs_of(lambda i, seed: 1.0, failed={(0, 0): "bn"}))
    assert (cells[0].n_pairs, cells[0].n_runs, cells[0].n_failed_arm) == (9, 10, 1)
    assert cells[0].mean_diff == pytest.approx(0.01, abs=0.001)
    assert cells[0].mean_arm - cells[0].mean_baseline == pytest.approx(cells[0].mean_diff)
    assert mean.mean_diff < 0.001  # 1 point less a ninth of a tenth of 87
    assert (mean.n_pairs, mean.n_failed_arm) == (10, 1)


def test_with_fewer_than_six_such_pairs_the_runs_that_learn_stand_alone() -> None:
    for n_failed, verdict, n_pairs in ((4, "better", 6), (5, "counts alone", 0)):
        _, cells = members(pairs_of(lambda i, seed: 1.0, failed={(0, seed): "no_bn" for seed in range(n_failed)}))
        assert (cells[0].verdict, cells[0].n_pairs) == (verdict, n_pairs)
    assert math.isnan(cells[0].mean_diff)
    assert cells[0].joint is None
    assert cells[0].reason == "both arms learn in fewer than 6 of 10 pairs"


def test_few_pairs_without_a_failure_are_a_description() -> None:
    for n in (2, 5):
        mean, cells = members(pairs_of(lambda i, seed: 2.0, n=n))
        assert {member.verdict for member in (mean, *cells)} == {"description"}
        assert mean.reason == f"{n} pairs: a verdict needs 6"
        assert math.isfinite(mean.ci.low)
    assert {member.verdict for member in members(pairs_of(lambda i, seed: 2.0, n=6))[1]} == {"better"}


def test_the_cells_and_their_mean_are_one_family() -> None:
    mean, cells = members(pairs_of(lambda i, seed: 0.1))
    assert {member.joint.n_members for member in (mean, *cells) if member.joint} == {10}


def test_no_verdict_waits_for_the_mean() -> None:
    """+1 point in three cells, -1 in three: five margins each, and nothing on average."""
    mean, cells = members(pairs_of(lambda i, seed: (1.0, 0.0, -1.0)[i % 3]))
    assert abs(mean.mean_diff) < 0.002
    assert mean.negligible
    assert mean.verdict == "mixed"
    counts = tally(cells)
    assert (counts["better"], counts["worse"]) == (3, 3)


def test_equivalent_is_every_cell_within_the_margin() -> None:
    mean, cells = members(pairs_of(lambda i, seed: 0.0))
    assert mean.verdict == "equivalent"
    assert {cell.verdict for cell in cells} == {"equivalent"}
    loud, cells = members(pairs_of(lambda i, seed: 0.0 if i else (1.0, -1.0)[seed % 2]))
    assert loud.negligible
    assert cells[0].verdict == loud.verdict == "inconclusive"


def test_the_mean_is_not_equivalent_where_failures_put_it_beyond_the_margin() -> None:
    """Every cell is, given that both learn; of 10 seeds one collapses in one cell."""
    mean, cells = members(pairs_of(lambda i, seed: 0.0, failed={(0, 3): "bn"}))
    assert {cell.verdict for cell in cells} == {"equivalent"}
    assert mean.inner.low < -mean.margin
    assert mean.verdict == "inconclusive"


def test_a_mean_within_the_margin_is_small_only_where_every_cell_is() -> None:
    small, _ = members(pairs_of(lambda i, seed: 0.1), margin=0.004)
    assert small.verdict == "better, by less than the margin"
    large, cells = members(pairs_of(lambda i, seed: 0.1 if i else 1.0), margin=0.004)
    assert large.negligible
    assert large.verdict == "better"
    assert cells[0].verdict == "better"


def test_missing_runs_withhold_a_verdict_that_they_could_reverse() -> None:
    """The opposites: none is missing; and a difference that no missing run can reverse."""
    mean, cells = members(pairs_of(lambda i, seed: 1.0, missing={(0, 0)}))
    assert (cells[0].verdict, mean.verdict) == ("withheld", "withheld")
    assert cells[0].bounds
    assert cells[0].bounds.low < 0 < cells[0].bounds.high
    assert cells[0].bounds.n_missing == 1
    assert cells[1].verdict == "better"
    whole, _ = members(pairs_of(lambda i, seed: 1.0))
    assert whole.verdict == "better"
    assert whole.bounds is None
    huge, cells = members(pairs_of(lambda i, seed: -30.0, missing={(0, 0)}))
    assert cells[0].bounds
    assert cells[0].bounds.agree
    assert (cells[0].verdict, huge.verdict) == ("worse", "worse")


def test_bounds_are_those_of_the_worst_and_the_best_run() -> None:
    pairs = pairs_of(lambda i, seed: 1.0, missing={(2, 4)})
    _, cells = members(pairs)
    d, base = pairs.cell(CELLS[2]).difference, 0.96
    assert cells[2].bounds == Bounds(
        1,
        pytest.approx((d.sum() - base) / 10),
        pytest.approx((d.sum() + 1 - base) / 10),  # type: ignore[arg-type]
    )


def test_a_seed_that_neither_arm_began_is_not_missing() -> None:
    """A study of ten planned seeds of which seven were trained has all its pairs."""
    mean, _ = members(pairs_of(lambda i, seed: 1.0, n=7))
    assert (mean.n_pairs, mean.bounds, mean.verdict) == (7, None, "better")


def test_a_study_in_progress_knows_begun_seeds_from_planned_ones(tmp_path: object) -> None:
    design = Design("digits", batch_sizes=(32,), lrs=(0.01, 0.1), seeds=tuple(range(10)), epochs=1)

    def score(run: Run, epoch: int) -> float:
        return (300 + 3 * (run.seed % 3) + 10 * (run.arm == "bn") + run.seed % 2) / 360

    not_begun = {run for run in design.grid if run.seed >= 8}
    study = planted(tmp_path / "a", design, score, lost=not_begun)  # type: ignore[operator]
    assert pair(study, "bn", "last3").missing.empty
    begun = {run for run in not_begun if run != Run(32, 0.01, seed=8, arm="no_bn")}
    study = planted(tmp_path / "b", design, score, lost=begun)  # type: ignore[operator]
    missing = pair(study, "bn", "last3").missing
    assert missing.seed.tolist() == [8, 8]
    assert missing.of_baseline.notna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("ends", "inner", "expected"),
    [
        ((0.005, 0.035), (0.012, 0.028), "better"),
        ((-0.035, -0.005), (-0.028, -0.012), "worse"),
        ((0.0001, 0.0019), (0.0003, 0.0017), "better, by less than the margin"),
        ((-0.0019, -0.0001), (-0.0017, -0.0003), "worse, by less than the margin"),
        ((-0.0026, 0.0019), (-0.0019, 0.0012), "equivalent"),
        ((-0.0026, 0.0019), (-0.0021, 0.0012), "inconclusive"),
    ],
)
def test_the_interval_decides_on_a_difference_and_the_inner_one_on_whether_it_matters(
    ends: tuple[float, float], inner: tuple[float, float], expected: str
) -> None:
    middle = sum(ends) / 2
    interval, within = Interval("t", 10, middle, *ends, 0.95), Interval("t", 10, middle, *inner, 0.9)
    assert conclude(interval, within, None, alpha=0.05, margin=0.002) == (expected, None)
    assert conclude(interval, within, Bounds(1, -0.1, 0.1), 0.05, 0.002)[0] == "withheld"
    few = Interval("t", 5, middle, *ends, 0.95)
    assert conclude(few, within, None, 0.05, 0.002) == ("description", "5 pairs: a verdict needs 6")
    flat = Interval("t", 10, middle, middle, middle, 0.95, "all differences are equal: the spread is zero")
    assert conclude(flat, within, None, 0.05, 0.002)[0] == "description"


def test_what_a_missing_run_could_have_scored_may_matter_though_the_runs_seen_do_not() -> None:
    interval = Interval("t", 10, 0.001, 0.0008, 0.0012, 0.95)
    for high, expected in ((0.0015, "better, by less than the margin"), (0.004, "better")):
        assert conclude(interval, interval, Bounds(1, 0.0001, high), 0.05, 0.002) == (expected, None)


def test_a_missing_run_whose_partner_failed_changes_nothing_where_both_learn(tmp_path: Path) -> None:
    """The opposite: a partner that learned bounds the difference, and the mean counts every pair."""
    design = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=tuple(range(10)), epochs=1)
    for at_chance in (True, False):

        def score(run: Run, epoch: int, fails: bool = at_chance) -> float:
            return 0.1 if fails and run.seed == 2 else (300 + 2 * (run.seed % 3) + 10 * (run.arm == "bn")) / 360

        study = planted(tmp_path / str(at_chance), design, score, lost={Run(32, 0.01, seed=2, arm="bn")})
        pairs = pair(study, "bn", "last3")
        mean, *cells = family(pairs, samples(pairs, pairs.cells, 0.05), 0.05, 0.002)
        assert cells[0].bounds
        assert mean.bounds
        assert (cells[0].bounds.low == pytest.approx(cells[0].bounds.high)) == at_chance
        assert mean.bounds.high - mean.bounds.low == pytest.approx(0.1)
