import json
from pathlib import Path

import pytest

from study.engine import costs as forecast
from study.engine import devices
from study.engine import registry as engines
from study.spec.cohorts import cohorts, missing_runs
from study.spec.design import Design
from tests.study.values import cohort_of

DESIGN = Design("mnist")
PLAN = cohorts(missing_runs(DESIGN, ()), workers=2)


PRICES = pytest.mark.parametrize("prices", [forecast.TORCH, forecast.KERNEL], ids=["torch", "kernel"])


@PRICES
def test_work_is_counted_by_hand(prices: forecast.Prices) -> None:
    """Runs pay for themselves; the price of calling an arm's operations is shared."""
    one = prices.work(DESIGN, cohort_of(32, ("bn",), (0.1,), (0,)))
    two = prices.work(DESIGN, cohort_of(32, ("bn",), (0.1, 0.2), (0,)))
    steps, parameters = 10 * 1875, 26_506 + 128
    images = steps * (32 + prices.step_of_run) + prices.evaluated_image * 11 * 70_000
    assert one == parameters * (images + steps * prices.step_of_arm)
    assert two - one == pytest.approx(parameters * images)


@PRICES
def test_time_is_that_of_the_busiest_worker(prices: forecast.Prices) -> None:
    total = sum(prices.work(DESIGN, cohort) for cohort in PLAN)
    alone = prices.seconds(DESIGN, PLAN, 1, rate=total) - prices.start_seconds
    both = prices.seconds(DESIGN, PLAN, 2, rate=total) - prices.start_seconds
    assert alone == pytest.approx(1)
    assert 0.5 <= both < 0.8


def test_an_engine_has_its_prices_by_its_name() -> None:
    assert forecast.of(engines.KERNEL) is forecast.KERNEL
    assert forecast.of(devices.engine("cpu", tf32=False)) is forecast.TORCH


@PRICES
def test_memory_grows_by_worker_and_stays_under_the_limit_of_the_default_study(prices: forecast.Prices) -> None:
    assert prices.memory(DESIGN, PLAN, 1) < prices.memory(DESIGN, PLAN, 2) < 2.5e9


def test_threads_share_what_every_process_has_of_its_own() -> None:
    assert forecast.KERNEL.memory(DESIGN, PLAN, 2) + forecast.ablation_bytes(DESIGN, 2) < 1.5e9
    more, more_processes = (
        p.memory(DESIGN, PLAN, 8) - p.memory(DESIGN, PLAN, 2) for p in (forecast.KERNEL, forecast.TORCH)
    )
    assert more < more_processes - 6 * forecast.PROCESS_BYTES + 1


def write_manifest(folder: Path, design: Design, rate: float, device: str, **of_device: str) -> None:
    folder.mkdir(parents=True)
    manifest = {
        "design": design.to_dict(),
        "device": {"name": device, **of_device},
        "timings": {"work_per_second_and_worker": rate},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_the_last_study_of_such_networks_on_this_processor_tells_the_rate(tmp_path: Path) -> None:
    here = forecast.processor()
    write_manifest(tmp_path / "other-network", Design("mnist", hidden=(8,)), 1.0, here)
    write_manifest(tmp_path / "other-machine", DESIGN, 2.0, "abacus")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    write_manifest(tmp_path / "other-engine", DESIGN, 2.0, here, engine=engines.KERNEL)
    rate, source = forecast.TORCH.expected_rate(DESIGN, tmp_path)
    assert "a matrix product timed now" in source
    assert rate > 1e8
    assert forecast.KERNEL.expected_rate(DESIGN, tmp_path) == (2.0, "the last study on this processor")
    write_manifest(tmp_path / "alike", Design("mnist", seeds=(3,)), 7e9, here)
    assert forecast.TORCH.expected_rate(DESIGN, tmp_path) == (7e9, "the last study on this processor")
