"""A run that is trained again has the same bits, in whatever company; a bit that differs is counted."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.claims.probes import repeat
from study.engine import registry
from study.engine.lockstep.training import train
from study.spec.claims.experiments import STUDIES
from study.spec.cohorts import Cohort
from study.store.study_folder import Folder
from tests.study.claims.probes.conftest import DIGITS, TWO_SEEDS, ContextOf


def test_a_run_trained_again_has_the_same_bits(context_of: ContextOf) -> None:
    rows = repeat.measure("all", context_of("repeat"))
    assert {(row.arm, row.seed) for row in rows} == {(arm, seed) for arm in ("bn", "no_bn") for seed in (0, 1)}
    assert {row.measure for row in rows} == {"differing_bits"}
    assert {row.value for row in rows} == {0}
    n_weights = STUDIES["post"].design(DIGITS, TWO_SEEDS).n_parameters("no_bn")
    assert min(row.n or 0 for row in rows) > 32 * n_weights


def test_one_flipped_bit_is_counted(digits: Any) -> None:
    design = replace(STUDIES["post"].design(DIGITS, TWO_SEEDS), epochs=1)
    history = train(design, Cohort((design.cells[0],), ("bn",), (0,)), digits)
    before = repeat.bits(history, 0)
    for array in (history.loss, history.n_correct, history.test_correct, history.weights[0]["norms.1.running_var"]):
        array.reshape(-1)[-1:].view(np.uint8)[0] ^= 1
    assert repeat.differing_bits(before, repeat.bits(history, 0)) == 4


def test_an_engine_whose_runs_depend_on_company_is_seen(context_of: ContextOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a run alone has another seed's numbers."""
    factory = registry.trainer_factory

    def dependent(numerics: str, check_cancelled: Callable[[], None]) -> Any:
        make = factory(numerics, check_cancelled)
        return lambda design, cohort, data: make(
            design, replace(cohort, seeds=(7,)) if len(cohort.seeds) == 1 else cohort, data
        )

    monkeypatch.setattr(registry, "trainer_factory", dependent)
    rows = repeat.measure("all", context_of("repeat"))
    assert all(row.value > 0.01 * (row.n or 0) for row in rows)


def test_it_trains_by_the_engine_of_the_study(
    context_of: ContextOf, studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, choose = [], registry.choose

    def recorded(*arguments: Any, **others: Any) -> Any:
        asked.append(others["of_study"])
        return choose(*arguments, **others)

    monkeypatch.setattr(registry, "choose", recorded)
    for folder in (studies, tmp_path):
        repeat._trainer(STUDIES["post"].design(DIGITS, TWO_SEEDS), context_of("repeat", folder))
    assert asked == [Folder(studies / "post").own_manifest()["device"]["engine"], None]
