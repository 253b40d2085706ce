"""Anybody's scores as pairs: whatever their size, and whatever their factors are called and made of."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.errors import AnalysisError
from analysis.findings.answer import answers
from analysis.records.frames import FrameData, from_frame
from analysis.records.pairs import pair
from study.spec.factors import Cell

GAINS = np.random.default_rng(3).normal(0.05, 0.02, (10, 2))


def frame(level: Callable[[int], Any] = int, size: float = 1.0) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"seed": seed, "arm": arm, "x": level(i), "score": size * (1 + (arm == "b") * GAINS[seed, i])}
            for i in range(2)
            for seed in range(10)
            for arm in "ab"
        ]
    )


def framed(table: pd.DataFrame, *factors: str, outcome: str = "score") -> FrameData:
    return from_frame(table, unit="seed", arm="arm", baseline="a", factors=factors, outcome=outcome)


@pytest.mark.parametrize("size", [1e-300, 1e-20, 1e20, 1e300])
def test_no_answer_changes_with_the_unit_of_the_scores(size: float) -> None:
    plain, scaled = (answers(framed(frame(size=k), "x"), 0.05, 0.01 * k)["b"] for k in (1.0, size))
    assert plain.cells == scaled.cells == {"better": 2}
    assert plain.seeds_for_equivalence == scaled.seeds_for_equivalence
    for part, other in zip(plain.parts, scaled.parts, strict=True):
        assert (part.verdict, part.n_better) == (other.verdict, other.n_better)
        assert other.difference.low / size == pytest.approx(part.difference.low)


def test_scores_that_cancel_but_for_rounding_are_equal_at_any_size() -> None:
    """The opposite: what is small beside other scores is no rounding."""
    for size in (1e-300, 1.0, 1e300):
        table = frame(size=size).assign(score=lambda t, k=size: k * np.where(t.arm == "b", 0.1 + 0.2, 0.3))
        assert not pair(framed(table, "x"), "b", "score").table.difference.any()
    assert pair(framed(frame(size=1e-20), "x"), "b", "score").table.difference.all()


def test_an_equivalence_out_of_reach_has_no_number_of_seeds() -> None:
    assert answers(framed(frame(size=1e12), "x"), 0.05, 0.002)["b"].seeds_for_equivalence is None


@pytest.mark.parametrize(
    "level", [lambda i: (1, "one")[i], lambda i: pd.Timestamp(2026, 1, 1 + i), lambda i: (i, i), bool]
)
def test_levels_may_be_anything(level: Callable[[int], Any]) -> None:
    for table in (frame(level), frame(level).astype({"x": "category"})):
        assert {len(pair(framed(table, "x"), "b", "score").cell(cell)) for cell in framed(table, "x").cells} == {10}


def test_without_a_factor_there_is_one_cell() -> None:
    data = framed(frame()[lambda table: table.x == 0])
    assert data.cells == [Cell.of({}, {})]
    answer = answers(data, 0.05, 0.002)["b"]
    assert answer.best is None
    assert answer.mean
    assert (answer.mean.n, answer.mean.bounds) == (10, None)
    without_one = framed(frame()[lambda table: table.x == 0].iloc[1:])
    missing = answers(without_one, 0.05, 0.002)["b"].mean
    assert missing
    assert missing.bounds
    assert (missing.verdict, missing.bounds.n_missing) == ("withheld", 1)


def test_scores_are_finite_numbers() -> None:
    right = framed(frame().assign(score=lambda table: table.score > 1.05), "x")
    assert pair(right, "b", "score").table.difference.isin((-1.0, 0.0, 1.0)).all()
    for wrong in (np.inf, "good"):
        table = frame().astype({"score": object})
        table.loc[3, "score"] = wrong
        with pytest.raises(AnalysisError, match="row 3 has the score"):
            framed(table, "x")


def test_a_column_with_a_meaning_of_its_own_is_renamed_by_who_has_it() -> None:
    table = frame().assign(failed=0)
    with pytest.raises(AnalysisError, match="'failed', which has a meaning here"):
        framed(table, "failed")
    with pytest.raises(AnalysisError, match="'seed', which has a meaning here"):
        from_frame(table, unit="x", arm="arm", baseline="a", factors=["seed"], outcome="score")
