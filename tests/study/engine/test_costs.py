import pytest

from study.engine import costs, devices, registry
from study.spec.cohorts import cohorts, missing_runs
from study.spec.design import Design
from tests.study.values import cohort_of

DESIGN = Design("mnist")
PLAN = cohorts(missing_runs(DESIGN, ()), workers=2)


MODELS = pytest.mark.parametrize("model", [costs.TORCH, costs.KERNEL], ids=["torch", "kernel"])


@MODELS
def test_work_is_counted_by_hand(model: costs.CostModel) -> None:
    """Runs pay for themselves; the price of calling an arm's operations is shared."""
    one = model.work(DESIGN, cohort_of(32, ("bn",), (0.1,), (0,)))
    two = model.work(DESIGN, cohort_of(32, ("bn",), (0.1, 0.2), (0,)))
    steps, parameters = 10 * 1875, 26_506 + 128
    images = steps * (32 + model.cost_per_run_step) + model.cost_per_evaluated_image * 11 * 70_000
    assert one == parameters * (images + steps * model.cost_per_arm_step)
    assert two - one == pytest.approx(parameters * images)


@MODELS
def test_time_is_that_of_the_busiest_worker(model: costs.CostModel) -> None:
    total = sum(model.work(DESIGN, cohort) for cohort in PLAN)
    alone = model.seconds(DESIGN, PLAN, 1, throughput=total) - model.start_seconds
    both = model.seconds(DESIGN, PLAN, 2, throughput=total) - model.start_seconds
    assert alone == pytest.approx(1)
    assert 0.5 <= both < 0.8


def test_an_engine_has_its_cost_model_by_its_name() -> None:
    assert costs.for_engine(registry.KERNEL) is costs.KERNEL
    assert costs.for_engine(devices.numerics_id("cpu", tf32=False)) is costs.TORCH


@MODELS
def test_memory_grows_by_worker_and_stays_under_the_limit_of_the_default_study(model: costs.CostModel) -> None:
    assert model.memory(DESIGN, PLAN, 1) < model.memory(DESIGN, PLAN, 2) < 2.5e9


def test_threads_share_what_every_process_has_of_its_own() -> None:
    assert costs.KERNEL.memory(DESIGN, PLAN, 2) + costs.inference_bytes(DESIGN, 2) < 1.5e9
    more, more_processes = (p.memory(DESIGN, PLAN, 8) - p.memory(DESIGN, PLAN, 2) for p in (costs.KERNEL, costs.TORCH))
    assert more < more_processes - 6 * costs.PROCESS_BYTES + 1
