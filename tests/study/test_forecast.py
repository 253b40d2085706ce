import json
from pathlib import Path

import pytest

from study import forecast
from study.design import Design
from study.plan import Cohort, cohorts, missing_runs

DESIGN = Design("mnist")
PLAN = cohorts(missing_runs(DESIGN, ()), workers=2)


def test_work_is_counted_by_hand() -> None:
    """Runs pay for themselves; the price of calling an arm's operations is shared."""
    one = forecast.work(DESIGN, Cohort(32, ("bn",), (0.1,), (0,)))
    two = forecast.work(DESIGN, Cohort(32, ("bn",), (0.1, 0.2), (0,)))
    steps, parameters = 10 * 1875, 26_506 + 128
    images = steps * (32 + forecast.STEP_OF_RUN) + forecast.EVALUATED_IMAGE * 11 * 70_000
    assert one == parameters * (images + steps * forecast.STEP_OF_ARM)
    assert two - one == parameters * images


def test_time_is_that_of_the_busiest_worker() -> None:
    total = sum(forecast.work(DESIGN, cohort) for cohort in PLAN)
    alone = forecast.seconds(DESIGN, PLAN, 1, rate=total) - forecast.START_SECONDS
    both = forecast.seconds(DESIGN, PLAN, 2, rate=total) - forecast.START_SECONDS
    assert alone == pytest.approx(1)
    assert 0.5 <= both < 0.8


def test_memory_grows_by_worker_and_stays_under_the_limit_of_the_default_study() -> None:
    assert forecast.memory(DESIGN, PLAN, 1) < forecast.memory(DESIGN, PLAN, 2) < 2.5e9


def write_manifest(folder: Path, design: Design, rate: float, device: str) -> None:
    folder.mkdir(parents=True)
    manifest = {"design": design.to_dict(), "device": {"name": device}, "timings": {"work_per_second_and_worker": rate}}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_the_last_study_of_such_networks_on_this_processor_tells_the_rate(tmp_path: Path) -> None:
    here = forecast.processor()
    write_manifest(tmp_path / "other-network", Design("mnist", hidden=(8,)), 1.0, here)
    write_manifest(tmp_path / "other-machine", DESIGN, 2.0, "abacus")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    rate, source = forecast.expected_rate(DESIGN, tmp_path)
    assert "a matrix product timed now" in source
    assert rate > 1e8
    write_manifest(tmp_path / "alike", Design("mnist", seeds=(3,)), 7e9, here)
    assert forecast.expected_rate(DESIGN, tmp_path) == (7e9, "the last study on this processor")
