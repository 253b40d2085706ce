"""Several arms are one family, against the baseline and in all pairs: recomputed by hand, and simulated."""

from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from analysis.findings.answer import answers
from analysis.findings.contrasts import compute_contrasts
from analysis.findings.family import Member, joint_family, samples
from analysis.findings.secondary.all_pairs import AllPairs, all_pairs
from analysis.records.frames import FrameData, from_frame
from analysis.records.pairs import pair
from analysis.records.tables import PRIMARY, StudyData, load
from analysis.stats import simultaneous_inference
from study.spec.runs import Run
from tests.analysis.planted import planted
from tests.analysis.several_arms import SETTING, SIX, plant_arms, registered, score

ARMS = ("no_bn", "bn", "layer", "amber")


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyData:
    with registered():
        return load(plant_arms(tmp_path_factory.mktemp("results") / "four", ARMS, n_seeds=6))


@pytest.fixture(scope="module")
def found(study: StudyData) -> AllPairs:
    with registered():
        every = all_pairs(study, 0.05, 0.002)
    assert every is not None
    return every


def differences(study: StudyData, arm: str, other: str) -> NDArray[np.float64]:
    """(seeds, 1 + settings): the mean over the settings, then each, from the planted scores alone."""
    cells = study.design.cells
    last = [
        [[np.mean([score(Run(cell, seed=s, arm=one), e) for e in (1, 2, 3)]) for cell in cells] for s in range(6)]
        for one in (arm, other)
    ]
    d = np.array(last[0]) - np.array(last[1])
    return np.column_stack([d.mean(1), d])


def adjusted(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Single-step max-T of centred columns over all patterns of signs, a seed's row at once."""

    def t(d: NDArray[np.float64]) -> NDArray[np.float64]:
        return d.mean(0) / (d.std(0, ddof=1) / np.sqrt(len(d)))

    centred = columns - columns.mean(0)
    signs = [np.array(pattern)[:, None] for pattern in product((1, -1), repeat=len(columns))]
    largest = np.array([np.abs(t(pattern * centred)).max() for pattern in signs])
    reach = largest[:, None] >= np.abs(t(columns)) * (1 - 1e-9)
    return (1 + reach.sum(0)) / (1 + len(signs))


def p_of(members: list[Member]) -> list[float]:
    assert all(member.joint for member in members)
    return [member.joint.test.pvalue for member in members if member.joint]


def test_all_pairs_in_all_settings_are_one_family(study: StudyData, found: AllPairs) -> None:
    columns = [differences(study, arm, other) for other, arm in combinations(ARMS, 2)]
    assert [(m.baseline, m.arm) for m in found.members[::3]] == [*combinations(ARMS, 2)]
    assert [m.mean_diff for m in found.members] == pytest.approx(np.hstack(columns).mean(0).tolist())
    assert p_of(found.members) == pytest.approx(adjusted(np.hstack(columns)).tolist())
    alone = np.hstack([adjusted(of_pair) for of_pair in columns])
    assert (alone < np.array(p_of(found.members)) - 1e-9).any()  # a family that is too small is seen
    joint = found.members[0].joint
    assert joint is not None
    assert joint.n_members == 6 * 3


def test_the_arms_against_the_baseline_are_one_family(study: StudyData) -> None:
    of_study = [c for c in compute_contrasts(study, 0.05, 0.002) if c.endpoint == PRIMARY]
    columns = np.hstack([differences(study, arm, "no_bn") for arm in study.treatments])
    assert p_of([*of_study]) == pytest.approx(adjusted(columns).tolist())
    for answer in answers(study, 0.05, 0.002).values():
        member = next(c for c in of_study if c.arm == answer.arm and c.cell is not None and c.cell == SETTING)
        assert answer.setting is not None
        assert answer.setting.difference == member.shown
        assert answer.best is not None
        assert answer.best.difference.level == 0.95


def test_arms_at_their_best_are_held_over_the_arms(study: StudyData) -> None:
    one = study.design.arms.index("bn")
    together = answers(study, 0.05, 0.002)["bn"].best
    assert together is not None
    with registered():
        alone = answers(_of_two(study, study.design.arms[one]), 0.05, 0.002)["bn"].best
    assert alone is not None
    assert together.difference.estimate == alone.difference.estimate
    assert together.difference.low < alone.difference.low
    assert together.inner.low < alone.inner.low


def _of_two(study: StudyData, arm: str) -> FrameData:
    rows = study.outcomes[study.outcomes.arm.isin(("no_bn", arm))]
    return from_frame(
        rows, unit="seed", arm="arm", baseline="no_bn", factors=["batch_size", "lr"], outcome=PRIMARY, chance=0.1,
        limits=(0, 1),
    )  # fmt: skip


def test_arms_are_ranked_in_the_best_setting_that_all_have(study: StudyData, found: AllPairs) -> None:
    assert found.cell == study.cell(SETTING)
    assert [one.arm for one in found.ranked] == ["bn", "layer", "amber", "no_bn"]
    for one in found.ranked:
        scores = [score(Run(SETTING, seed=s, arm=one.arm), e) for s in range(6) for e in (1, 2, 3)]
        assert one.accuracy == pytest.approx(np.mean(scores))


def test_an_arm_that_is_exchanged_exchanges_its_numbers(study: StudyData, found: AllPairs, tmp_path: Path) -> None:
    swap = {"bn": "amber", "amber": "bn"}

    def exchanged(run: Run, epoch: int) -> float:
        return score(Run(run.cell, seed=run.seed, arm=swap.get(run.arm, run.arm)), epoch)

    other = all_pairs(planted(tmp_path / "s", study.design, exchanged), 0.05, 0.002)
    assert other is not None
    for arm, against in combinations(ARMS, 2):
        member, sign = found.at(arm, against)
        same, its = other.at(swap.get(arm, arm), swap.get(against, against))
        assert its * same.mean_diff == sign * member.mean_diff
        assert p_of([same]) == p_of([member])
    assert [swap.get(one.arm, one.arm) for one in other.ranked] == [one.arm for one in found.ranked]


def test_numbers_do_not_depend_on_the_order_of_the_arms(study: StudyData) -> None:
    rows = study.outcomes

    def of(order: tuple[str, ...]) -> dict[tuple[object, ...], tuple[object, ...]]:
        sorted_rows = rows.assign(place=rows.arm.map([*order].index)).sort_values("place", kind="stable")
        data = from_frame(
            sorted_rows, unit="seed", arm="arm", baseline="no_bn", factors=["batch_size", "lr"], outcome=PRIMARY
        )
        found = compute_contrasts(data, 0.05, 0.002)
        return {(c.arm, c.cell): (c.mean_diff, c.joint, c.inner, c.verdict) for c in found}

    assert of(ARMS) == of(ARMS[::-1])


def test_two_arms_have_no_table_of_pairs(tmp_path: Path) -> None:
    assert all_pairs(load(plant_arms(tmp_path / "two", ("bn", "no_bn"), n_seeds=2)), 0.05, 0.002) is None


def test_another_baseline_turns_the_differences_round(study: StudyData) -> None:
    turned = study.against("bn")
    assert turned.treatments == [arm for arm in study.design.arms if arm != "bn"]
    before = next(c for c in compute_contrasts(study, 0.05, 0.002) if c.arm == "bn")
    after = next(c for c in compute_contrasts(turned, 0.05, 0.002) if c.arm == "no_bn")
    assert after.mean_diff == -before.mean_diff
    assert (after.baseline, after.ci.low) == ("bn", -before.ci.high)
    found, again = (all_pairs(one, 0.05, 0.002) for one in (study, turned))
    assert found is not None
    assert again is not None
    for arm, other in combinations(SIX[:3], 2):
        assert p_of([found.at(arm, other)[0]]) == p_of([again.at(arm, other)[0]])


def null_scores(rng: np.random.Generator, n: int, k: int) -> NDArray[np.float64]:
    """Scores (seeds, arms) of arms that are alike; seeds have something in common."""
    return rng.normal(size=(n, 1)) + rng.normal(size=(n, k))


def all_differences(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([scores[:, b] - scores[:, a] for a, b in combinations(range(scores.shape[1]), 2)])


def test_the_error_over_all_pairs_is_held_and_without_the_family_it_is_not() -> None:
    rng, n_studies = np.random.default_rng(1), 250
    together, alone = 0, 0
    for _ in range(n_studies):
        d = all_differences(null_scores(rng, 8, 5))
        together += min(one.test.pvalue for one in simultaneous_inference(d)) <= 0.05
        alone += min(simultaneous_inference(d[:, [i]])[0].test.pvalue for i in range(d.shape[1])) <= 0.05
    assert together / n_studies <= 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / n_studies)
    assert alone / n_studies > 0.15


@pytest.mark.slow
def test_the_error_over_arms_is_held_in_whole_studies() -> None:
    """Three arms that are as the baseline is, in two settings: how often is one of them said to be better or worse?"""
    rng, n_studies, wrong = np.random.default_rng(2), 300, 0
    for _ in range(n_studies):
        data = _null_frame(rng)
        every = [pair(data, arm, "score") for arm in data.treatments]
        of = [(pairs, samples(pairs, data.cells, 0.05)) for pairs in every]
        verdicts = [member.verdict for members in joint_family(of, 0.05, 0.0) for member in members]
        wrong += any(verdict.startswith(("better", "worse")) for verdict in verdicts)
    assert wrong / n_studies <= 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / n_studies)


def _null_frame(rng: np.random.Generator) -> FrameData:
    rows = [
        (seed, arm, lr, value)
        for lr in (0.01, 0.1)
        for seed, of_seed in enumerate(null_scores(rng, 8, 4))
        for arm, value in zip("abcd", of_seed, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["seed", "arm", "lr", "score"])
    return from_frame(frame, unit="seed", arm="arm", baseline="a", factors=["lr"], outcome="score")
