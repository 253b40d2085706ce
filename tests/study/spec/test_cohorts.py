from hypothesis import given
from hypothesis import strategies as st

from study.spec.cohorts import MAX_RUNS_PER_STACK, cohorts, missing_runs, shard
from study.spec.design import Design
from study.spec.runs import Run

DESIGN = Design("digits", batch_sizes=(1, 32, 64), lrs=tuple(10.0**-k for k in range(17)), seeds=tuple(range(4)))
RUNS = [run for run in DESIGN.runs if run.applicable]


def covered(plan: list) -> list[Run]:
    return [run for cohort in plan for run in cohort.runs]


@given(st.sets(st.sampled_from(RUNS)), st.integers(1, 5))
def test_cohorts_cover_each_missing_run_once(done: set[Run], workers: int) -> None:
    missing = missing_runs(DESIGN, done)
    assert sorted(covered(cohorts(missing, workers))) == sorted(set(RUNS) - done)


def test_cohorts_hold_whole_pairs_and_at_most_the_lanes() -> None:
    for cohort in cohorts(missing_runs(DESIGN, ())):
        assert len(cohort.lrs) * len(cohort.seeds) <= MAX_RUNS_PER_STACK
        assert cohort.arms == (("no_bn",) if cohort.batch_size == 1 else ("bn", "no_bn"))


def test_the_default_design_trains_fifteen_lanes_at_a_time() -> None:
    plan = cohorts(missing_runs(Design("mnist"), ()), workers=2)
    assert [(cohort.batch_size, len(cohort.seeds), len(cohort.lrs)) for cohort in plan] == [
        (size, 5, 3) for _ in range(2) for size in (32, 128, 512)
    ]


def test_every_worker_gets_a_cohort_of_a_small_grid() -> None:
    small = Design("digits", batch_sizes=(32,), lrs=(0.01,), seeds=tuple(range(10)))
    assert len(cohorts(missing_runs(small, ()), workers=4)) == 4


def test_seeds_that_lack_different_runs_train_apart() -> None:
    small = Design("digits", batch_sizes=(32,), lrs=(0.01, 0.1), seeds=(0, 1))
    done = {Run(32, 0.01, seed=1, arm=arm) for arm in small.arms}
    assert [(cohort.seeds, cohort.lrs) for cohort in cohorts(missing_runs(small, done))] == [
        ((0,), (0.01, 0.1)),
        ((1,), (0.1,)),
    ]


@given(st.integers(1, 9))
def test_shards_part_the_grid(of: int) -> None:
    shards = [shard(DESIGN, part, of) for part in range(1, of + 1)]
    assert sum(map(len, shards)) == len(RUNS)
    assert set().union(*shards) == set(RUNS)
